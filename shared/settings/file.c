// SPDX-License-Identifier: MIT
#include "shared/settings/file.h"

#include <stdlib.h>
#include <string.h>

void settings_file_add(struct settings_file *file, const char *name, const char *value, size_t length, int line) {
    file->pairs = xrealloc(file->pairs, (file->count + 1) * sizeof *file->pairs);
    file->pairs[file->count++] = (struct settings_pair){xstrdup(name), xstrndup(value, length), line};
}

const struct settings_pair *settings_file_find(const struct settings_file *file, const char *name) {
    for (size_t i = file->count; i > 0; i--) {
        if (strcmp(file->pairs[i - 1].name, name) == 0) {
            return &file->pairs[i - 1];
        }
    }
    return NULL;
}

void settings_file_free(struct settings_file *file) {
    for (size_t i = 0; i < file->count; i++) {
        free(file->pairs[i].name);
        free(file->pairs[i].value);
    }
    free(file->pairs);
    free(file->path);
    *file = (struct settings_file){0};
}
