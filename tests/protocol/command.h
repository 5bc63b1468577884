// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_COMMAND_H
#define TESTS_PROTOCOL_COMMAND_H

#include <hiredis/hiredis.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/redis/library.h"

// A Redis command as a plain value: it can be copied and kept, as bytes in a socket are that Redis reads much later.

enum { COMMAND_ARGUMENTS = 80, COMMAND_BYTES = 2048 };

struct command {
    int count;
    uint16_t offsets[COMMAND_ARGUMENTS];
    uint16_t lengths[COMMAND_ARGUMENTS];
    size_t used;
    char bytes[COMMAND_BYTES];
};

// The words of a command, NULL at the end.
struct command command_of(const char *word, ...) __attribute__((sentinel));
// A call of the library. Its keys and arguments follow by command_text and command_int.
struct command command_function(enum library_function function, int keys);
void command_text(struct command *command, const char *text);
void command_int(struct command *command, int64_t number);
// Hands it to hiredis's output.
void command_append(const struct command *command, redisContext *redis);

#endif
