// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/settings/file.h"

// .env is read by these programs and by the scripts' shell, so it means here what it means there, as far as it goes:
// nothing is expanded, and a value ends with its line.

static const char *settings_dotenv_skip_blanks(const char *at) {
    return at + strspn(at, " \t");
}

static bool settings_dotenv_is_name(const char *name) {
    if (!isalpha((unsigned char)*name) && *name != '_') {
        return false;
    }
    for (; *name != '\0'; name++) {
        if (!isalnum((unsigned char)*name) && *name != '_') {
            return false;
        }
    }
    return true;
}

// Whether nothing but a comment is left of the line.
static bool is_rest(const char *at) {
    const char *rest = settings_dotenv_skip_blanks(at);
    return *rest == '\0' || (*rest == '#' && rest > at);
}

// A value in single or double quotes; in double quotes a backslash takes ", \, $ and ` for themselves.
static const char *settings_dotenv_take_quoted(const char *at, struct buf *value) {
    char quote = *at++;
    for (; *at != quote; at++) {
        if (quote == '"' && *at == '\\' && at[1] != '\0' && strchr("\"\\$`", at[1]) != NULL) {
            at++;
        }
        if (*at == '\0') {
            return "a quote is not closed";
        }
        buf_putc(value, *at);
    }
    return is_rest(at + 1) ? NULL : "something follows the closing quote";
}

static void settings_dotenv_take_bare(const char *at, struct buf *value) {
    const char *end = at;
    while (*end != '\0' && !(*end == '#' && (end == at || end[-1] == ' ' || end[-1] == '\t'))) {
        end++;
    }
    while (end > at && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    buf_append(value, at, (size_t)(end - at));
}

// Returns NULL or what is wrong with the line, which is changed.
static const char *settings_dotenv_take_line(struct settings_file *file, char *line, int number) {
    line[strcspn(line, "\r\n")] = '\0';
    char *name = line + strspn(line, " \t");
    if (*name == '\0' || *name == '#') {
        return NULL;
    }
    if (strncmp(name, "export", 6) == 0 && (name[6] == ' ' || name[6] == '\t')) {
        name += 6 + strspn(name + 6, " \t");
    }
    char *equals = strchr(name, '=');
    if (equals == NULL) {
        return "not a NAME=value line";
    }
    *equals = '\0';
    if (!settings_dotenv_is_name(name)) {
        return "not a NAME=value line: a name has letters, digits and _ only, and no blank before the =";
    }
    const char *at = settings_dotenv_skip_blanks(equals + 1);
    struct buf value = {0};
    const char *error = NULL;
    if (*at == '"' || *at == '\'') {
        error = settings_dotenv_take_quoted(at, &value);
    } else {
        settings_dotenv_take_bare(at, &value);
    }
    if (error == NULL) {
        settings_file_add(file, name, value.data != NULL ? value.data : "", value.length, number);
    }
    buf_free(&value);
    return error;
}

char *settings_file_read_dotenv(struct settings_file *file, const char *path) {
    FILE *in = fopen(path, "re");
    if (in == NULL) {
        return errno == ENOENT ? NULL : xasprintf("%s: %s", path, strerror(errno));
    }
    file->path = xstrdup(path);
    char *error = NULL;
    char *line = NULL;
    size_t room = 0;
    for (int number = 1; error == NULL && getline(&line, &room, in) >= 0; number++) {
        const char *wrong = settings_dotenv_take_line(file, line, number);
        if (wrong != NULL) {
            error = xasprintf("%s, line %d: %s", path, number, wrong);
        }
    }
    if (error == NULL && ferror(in)) {
        error = xasprintf("%s: can't be read", path);
    }
    free(line);
    fclose(in);
    return error;
}
