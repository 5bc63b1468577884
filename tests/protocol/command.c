// SPDX-License-Identifier: MIT
#include "tests/protocol/command.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void command_bytes(struct command *command, const char *bytes, size_t length) {
    if (command->count == COMMAND_ARGUMENTS || command->used + length + 1 > COMMAND_BYTES) {
        fprintf(stderr, "a command is longer than the checker provides for\n");
        abort();
    }
    command->offsets[command->count] = (uint16_t)command->used;
    command->lengths[command->count++] = (uint16_t)length;
    memcpy(command->bytes + command->used, bytes, length);
    command->used += length + 1; // and a NUL
}

void command_text(struct command *command, const char *text) {
    command_bytes(command, text, strlen(text));
}

const char *command_word(const struct command *command, int index) {
    return index < command->count ? command->bytes + command->offsets[index] : "";
}

// Of a function's name what comes before the format that it writes.
static size_t name_length(const char *name) {
    size_t length = strlen(name), without = length > strlen("_f2") ? length - strlen("_f2") : 0;
    return strncmp(name + without, "_f", 2) == 0 ? without : length;
}

bool command_calls(const struct command *command, enum library_function function) {
    const char *called = command_word(command, 1), *name = library_function(function);
    return strcmp(command_word(command, 0), "FCALL") == 0 && name_length(called) == name_length(name) &&
           strncmp(called, name, name_length(name)) == 0;
}

void command_int(struct command *command, int64_t number) {
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    command_text(command, text);
}

struct command command_of(const char *word, ...) {
    struct command command = {0};
    va_list words;
    va_start(words, word);
    for (; word != NULL; word = va_arg(words, const char *)) {
        command_text(&command, word);
    }
    va_end(words);
    return command;
}

struct command command_function(enum library_function function, int keys) {
    struct command command = {0};
    command_text(&command, "FCALL");
    command_text(&command, library_function(function));
    command_int(&command, keys);
    return command;
}

void command_append(const struct command *command, redisContext *redis) {
    const char *argv[COMMAND_ARGUMENTS];
    size_t lengths[COMMAND_ARGUMENTS];
    for (int i = 0; i < command->count; i++) {
        argv[i] = command->bytes + command->offsets[i];
        lengths[i] = command->lengths[i];
    }
    redisAppendCommandArgv(redis, command->count, argv, lengths);
}
