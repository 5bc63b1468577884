// SPDX-License-Identifier: MIT
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/settings/file.h"

// inih splits the lines; it leaves quotes and inline # comments in the values, joins indented lines to the one before
// and cuts long ones silently. The reader below gives it each line without its indentation and refuses the long ones,
// and the values are finished here.

struct config_reader {
    struct settings_file *file;
    FILE *in;
    int line;
    char *text; // the line as getline read it
    size_t room;
    char *error; // the first one
};

static void settings_config_fail(struct config_reader *reader, const char *what) {
    if (reader->error == NULL) {
        reader->error = xasprintf("%s, line %d: %s", reader->file->path, reader->line, what);
    }
}

// An ini_reader: puts the next line, shaped as fgets would, into out. NULL ends the reading.
static char *read_line(char *out, int size, void *argument) {
    struct config_reader *reader = argument;
    ssize_t length = reader->error == NULL ? getline(&reader->text, &reader->room, reader->in) : -1;
    if (length < 0) {
        return NULL;
    }
    reader->line++;
    const char *start = reader->text + strspn(reader->text, " \t");
    if (*start == '[') {
        settings_config_fail(reader, "sections are not supported");
        return NULL;
    }
    if (*start == '#') {
        start = "\n"; // however long
    }
    size_t taken = strlen(start) + 1;
    if (taken >= (size_t)size) {
        settings_config_fail(reader, "the line is too long");
        return NULL;
    }
    memcpy(out, start, taken);
    return out;
}

static void settings_config_take_quoted(struct config_reader *reader, const char *name, const char *value) {
    const char *closing = strchr(value + 1, *value);
    if (closing == NULL) {
        settings_config_fail(reader, "a quote is not closed");
        return;
    }
    const char *rest = closing + 1 + strspn(closing + 1, " \t");
    if (*rest != '\0' && *rest != '#') {
        settings_config_fail(reader, "something follows the closing quote");
        return;
    }
    settings_file_add(reader->file, name, value + 1, (size_t)(closing - value - 1), reader->line);
}

static void settings_config_take_bare(struct config_reader *reader, const char *name, const char *value) {
    size_t length = strcspn(value, "#");
    while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t')) {
        length--;
    }
    settings_file_add(reader->file, name, value, length, reader->line);
}

// An ini_handler. Its errors are kept in the reader, so it always goes on.
static int take_pair(void *argument, const char *section, const char *name, const char *value) {
    struct config_reader *reader = argument;
    if (*section != '\0') {
        settings_config_fail(reader, "sections are not supported");
    } else if (settings_file_find(reader->file, name) != NULL) {
        settings_config_fail(reader, "the name is given a second time");
    } else if (*value == '"' || *value == '\'') {
        settings_config_take_quoted(reader, name, value);
    } else {
        settings_config_take_bare(reader, name, value);
    }
    return 1;
}

char *settings_file_read_config(struct settings_file *file, const char *path) {
    struct config_reader reader = {.file = file, .in = fopen(path, "re")};
    if (reader.in == NULL) {
        return xasprintf("%s: %s", path, strerror(errno));
    }
    file->path = xstrdup(path);
    int bad_line = ini_parse_stream(read_line, &reader, take_pair, &reader);
    if (reader.error == NULL && bad_line > 0) {
        reader.error = xasprintf("%s, line %d: not a 'name = value' line", path, bad_line);
    }
    if (reader.error == NULL && ferror(reader.in)) {
        reader.error = xasprintf("%s: can't be read", path);
    }
    free(reader.text);
    fclose(reader.in);
    return reader.error;
}
