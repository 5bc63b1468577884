// SPDX-License-Identifier: MIT
#ifndef SHARED_SETTINGS_FILE_H
#define SHARED_SETTINGS_FILE_H

#include <stddef.h>

#include "shared/base/mem.h"

// The names and values that a file of settings holds, with their lines. Zero-initialised is empty and valid.

struct settings_pair {
    char *name;
    char *value;
    int line; // from 1
};

struct settings_file {
    char *path;
    struct settings_pair *pairs;
    size_t count;
};

// Reads KEY=VALUE lines as a shell would: `#` comments, an optional `export `, quotes. A file that doesn't exist is
// empty. Returns NULL, or the error as one line (owned by the caller).
char *settings_file_read_dotenv(struct settings_file *file, const char *path) MUST_CHECK;
// Reads `name = value` lines with `#` comments and quotes around values, as in TOML, but without sections.
// Returns NULL, or the error as one line (owned by the caller).
char *settings_file_read_config(struct settings_file *file, const char *path) MUST_CHECK;
// The last pair of that name, or NULL.
const struct settings_pair *settings_file_find(const struct settings_file *file, const char *name);
void settings_file_free(struct settings_file *file);

// For the readers: adds a pair; name and value are copied, value by its length.
void settings_file_add(struct settings_file *file, const char *name, const char *value, size_t length, int line);

#endif
