// SPDX-License-Identifier: MIT
#include "shared/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/json.h"
#include "shared/base/mem.h"
#include "shared/base/private_file.h"
#include "shared/base/rfc3339.h"

// A line is gathered in a buffer of its thread and written with one write(2) to a descriptor opened with O_APPEND, so
// lines never mix and writing needs no lock. A new file is put under the same descriptor number (dup2), so that
// a writer in another thread never meets a closed one; only rotation itself takes the mutex.
//
// The log is the one thing that is global on purpose: passing it through every call would make people log less.

struct log_state {
    enum log_level level;
    bool text;
    bool coloured;
    int descriptor;
    char *program;
    char *instance;
    char *path; // NULL: stderr
    uint64_t max_bytes;
    atomic_uint_fast64_t size; // of the file, as far as this process knows
    pthread_mutex_t rotation;
};

static struct log_state state = {.level = LOG_INFO, .descriptor = STDERR_FILENO, .rotation = PTHREAD_MUTEX_INITIALIZER};

struct log_line {
    struct buf buf;
    struct buf held; // lines that log_release will write
    bool holds;
};

#define HELD_BYTES (64 * 1024)

static const char *const level_names[] = {"debug", "info", "warn", "error"};

// The lines' memory goes with their thread.
static pthread_key_t line_key;
static pthread_once_t line_once = PTHREAD_ONCE_INIT;

static void free_line(void *argument) {
    struct log_line *line = argument;
    buf_free(&line->buf);
    buf_free(&line->held);
    free(line);
}

static void create_line_key(void) {
    if (pthread_key_create(&line_key, free_line) != 0) {
        abort();
    }
}

static struct log_line *thread_line(void) {
    pthread_once(&line_once, create_line_key);
    struct log_line *line = pthread_getspecific(line_key);
    if (line == NULL) {
        line = xcalloc(1, sizeof *line);
        pthread_setspecific(line_key, line);
    }
    return line;
}

static uint64_t file_size(int descriptor) {
    struct stat status;
    return fstat(descriptor, &status) == 0 ? (uint64_t)status.st_size : 0;
}

// Where a full file is moved to; owned by the caller.
static char *name_aside(void) {
    return xasprintf("%s.1", state.path);
}

int log_open(const struct log_options *options) {
    log_close();
    state.level = options->level;
    state.text = options->text;
    state.max_bytes = options->max_bytes;
    state.program = options->program != NULL ? xstrdup(options->program) : NULL;
    state.instance = options->instance != NULL ? xstrdup(options->instance) : NULL;
    state.coloured = false;
    if (options->path == NULL || options->path[0] == '\0') {
        const char *no_color = getenv("NO_COLOR"); // https://no-color.org
        state.coloured = state.text && isatty(STDERR_FILENO) && (no_color == NULL || no_color[0] == '\0');
        return 0;
    }
    int descriptor = private_file_append(options->path);
    if (descriptor < 0) {
        return -1;
    }
    state.path = xstrdup(options->path);
    char *aside = name_aside(); // of an earlier run
    private_file_narrow(aside);
    free(aside);
    state.descriptor = descriptor;
    state.size = file_size(descriptor);
    return 0;
}

void log_close(void) {
    if (state.path != NULL) {
        close(state.descriptor);
    }
    free(state.program);
    free(state.instance);
    free(state.path);
    state.program = NULL;
    state.instance = NULL;
    state.path = NULL;
    state.descriptor = STDERR_FILENO;
}

// Puts the file that now has the log's name under the log's descriptor. When it can't be opened (a full disk, a folder
// gone), the old one is written on.
static void open_again(void) {
    int fresh = private_file_append(state.path);
    if (fresh < 0) {
        return;
    }
    dup3(fresh, state.descriptor, O_CLOEXEC);
    close(fresh);
    state.size = file_size(state.descriptor);
}

void log_reopen(void) {
    if (state.path == NULL) {
        return;
    }
    pthread_mutex_lock(&state.rotation);
    open_again();
    pthread_mutex_unlock(&state.rotation);
}

static bool is_current_file(void) {
    struct stat open_file_status, named;
    return fstat(state.descriptor, &open_file_status) == 0 && stat(state.path, &named) == 0 &&
           open_file_status.st_ino == named.st_ino && open_file_status.st_dev == named.st_dev;
}

// Moves a full file aside, unless another process that shares it has done so: then its new one is joined.
static void rotate(void) {
    pthread_mutex_lock(&state.rotation);
    if (state.size > state.max_bytes) {
        if (is_current_file() && file_size(state.descriptor) > state.max_bytes) {
            char *aside = name_aside();
            if (rename(state.path, aside) != 0) {
                state.size = 0; // try again after as many bytes, not at every line
            }
            free(aside);
        }
        open_again();
    }
    pthread_mutex_unlock(&state.rotation);
}

static void write_whole(int descriptor, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t written = write(descriptor, bytes, length);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return; // there is no better place to say so
        }
        bytes += written;
        length -= (size_t)written;
    }
}

static void write_line(const char *bytes, size_t length) {
    write_whole(state.descriptor, bytes, length);
    if (state.path != NULL && state.max_bytes > 0) {
        state.size += length;
        if (state.size > state.max_bytes) {
            rotate();
        }
    }
}

// In text, a value that can't be mistaken for something else stands bare.
static bool is_bare(const char *value, size_t length) {
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)value[i];
        if (c <= 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '=') {
            return false;
        }
    }
    return length > 0;
}

static void log_begin_text(struct buf *buf, const char *time, enum log_level level, const char *event) {
    static const char *const colours[] = {"\033[2m", "\033[32m", "\033[33m", "\033[31m"}; // faint, green, yellow, red
    if (state.coloured) {
        buf_printf(buf, "\033[2m%s\033[0m %s%-5s\033[0m \033[1m%s\033[0m", time, colours[level], level_names[level],
                   event);
    } else {
        buf_printf(buf, "%s %-5s %s", time, level_names[level], event);
    }
}

static void begin_json(struct buf *buf, const char *time, enum log_level level, const char *event) {
    buf_putc(buf, '{');
    json_write_member(buf, "ts", time);
    json_write_member(buf, "level", level_names[level]);
    if (state.program != NULL) {
        json_write_member(buf, "program", state.program);
    }
    if (state.instance != NULL) {
        json_write_member(buf, "instance", state.instance);
    }
    json_write_member(buf, "event", event);
}

struct log_line *log_begin(enum log_level level, const char *event) {
    if (level < state.level) {
        return NULL;
    }
    struct log_line *line = thread_line();
    char time[RFC3339_SIZE];
    rfc3339_format(clock_unix_ms(), time);
    buf_clear(&line->buf);
    if (state.text) {
        log_begin_text(&line->buf, time, level, event);
    } else {
        begin_json(&line->buf, time, level, event);
    }
    return line;
}

static void write_text_key(struct log_line *line, const char *key) {
    buf_printf(&line->buf, state.coloured ? " \033[36m%s\033[0m=" : " %s=", key);
}

void log_strn(struct log_line *line, const char *key, const char *value, size_t length) {
    if (line == NULL || value == NULL || length == 0) {
        return;
    }
    if (!state.text) {
        json_write_name(&line->buf, key);
        json_write_stringn(&line->buf, value, length);
        return;
    }
    write_text_key(line, key);
    if (is_bare(value, length)) {
        buf_append(&line->buf, value, length);
    } else {
        json_write_stringn(&line->buf, value, length);
    }
}

void log_str(struct log_line *line, const char *key, const char *value) {
    if (value != NULL) {
        log_strn(line, key, value, strlen(value));
    }
}

void log_int(struct log_line *line, const char *key, int64_t value) {
    if (line == NULL) {
        return;
    }
    if (state.text) {
        write_text_key(line, key);
        buf_printf(&line->buf, "%lld", (long long)value);
    } else {
        json_write_member_int(&line->buf, key, value);
    }
}

void log_bool(struct log_line *line, const char *key, bool value) {
    if (line == NULL) {
        return;
    }
    if (state.text) {
        write_text_key(line, key);
    } else {
        json_write_name(&line->buf, key);
    }
    buf_puts(&line->buf, value ? "true" : "false");
}

static void write_held(struct log_line *line) {
    if (line->held.length > 0) {
        write_line(line->held.data, line->held.length);
        buf_clear(&line->held);
    }
}

void log_end(struct log_line *line) {
    if (line == NULL) {
        return;
    }
    buf_puts(&line->buf, state.text ? "\n" : "}\n");
    if (!line->holds) {
        write_line(line->buf.data, line->buf.length);
        return;
    }
    buf_append(&line->held, line->buf.data, line->buf.length);
    if (line->held.length >= HELD_BYTES) {
        write_held(line);
    }
}

void log_hold(void) {
    thread_line()->holds = true;
}

void log_release(void) {
    struct log_line *line = thread_line();
    line->holds = false;
    write_held(line);
}

void log_event(enum log_level level, const char *event, const char *format, ...) {
    struct log_line *line = log_begin(level, event);
    if (line == NULL) {
        return;
    }
    struct buf message = {0};
    va_list arguments;
    va_start(arguments, format);
    buf_vprintf(&message, format, arguments);
    va_end(arguments);
    log_strn(line, "message", message.data, message.length);
    buf_free(&message);
    log_end(line);
}
