// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_COMMAND_H
#define TESTS_PROTOCOL_COMMAND_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/redis/library.h"

// A Redis command as a plain value: it can be copied and kept, as bytes in a socket are that Redis reads much later.

enum { COMMAND_ARGUMENTS = 96, COMMAND_BYTES = 4096 };

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
void command_bytes(struct command *command, const char *bytes, size_t length);
// One of its words; "" where it has fewer.
const char *command_word(const struct command *command, int index);
// Whether it is a call of that function.
bool command_calls(const struct command *command, enum library_function function);
// Hands it to hiredis's output.
void command_append(const struct command *command, redisContext *redis);

#endif
