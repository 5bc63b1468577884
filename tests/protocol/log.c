// SPDX-License-Identifier: MIT
//
// In place of shared/base/log.c: what a dispatcher logs is a line of the trace.
#include "shared/base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "tests/protocol/process_private.h"

struct log_line {
    struct buf text;
};

static struct process *followed;
static struct log_line line;

void log_follow(struct process *process) {
    followed = process;
}

const struct process *log_process(void) {
    return followed;
}

void log_hold(void) {
}

void log_release(void) {
}

// The checker opens none.
int log_open(const struct log_options *options) {
    (void)options;
    return 0;
}

void log_reopen(void) {
}

void log_close(void) {
}

struct log_line *log_begin(enum log_level level, const char *event) {
    if (followed == NULL || followed->world->trace == NULL || level == LOG_DEBUG) {
        return NULL;
    }
    line.text.length = 0;
    buf_printf(&line.text, "%s logs %s:", followed->name, event);
    return &line;
}

void log_str(struct log_line *to, const char *key, const char *value) {
    if (to != NULL && value != NULL && *value != '\0') {
        buf_printf(&to->text, " %s=%s", key, value);
    }
}

void log_strn(struct log_line *to, const char *key, const char *value, size_t length) {
    if (to != NULL) {
        buf_printf(&to->text, " %s=%.*s", key, (int)length, value);
    }
}

void log_int(struct log_line *to, const char *key, int64_t value) {
    if (to != NULL) {
        buf_printf(&to->text, " %s=%" PRId64, key, value);
    }
}

void log_bool(struct log_line *to, const char *key, bool value) {
    log_str(to, key, value ? "true" : "false");
}

void log_end(struct log_line *ended) {
    if (ended != NULL) {
        world_say(followed->world, "%s", ended->text.data);
        buf_free(&ended->text);
    }
}

void log_event(enum log_level level, const char *event, const char *format, ...) {
    struct log_line *begun = log_begin(level, event);
    va_list arguments;
    if (begun == NULL) {
        return;
    }
    va_start(arguments, format);
    buf_putc(&begun->text, ' ');
    buf_vprintf(&begun->text, format, arguments);
    va_end(arguments);
    log_end(begun);
}
