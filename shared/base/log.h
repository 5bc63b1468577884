// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_LOG_H
#define SHARED_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// JSON lines, one event a line, written with one write(2):
//   {"ts":"2024-11-01T14:00:00.000Z","level":"info","program":"ingest","instance":"…","event":"request",…}
// Values are escaped as JSON, so that nothing a client sent can forge a line. Thread-safe.

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_options {
    const char *program;  // "ingest"
    const char *instance; // the stable instance id, or NULL
    enum log_level level; // lines below it are dropped
    const char *path;     // a file to append to; NULL or "": stderr
    uint64_t max_bytes;   // when the file grows past it, it is renamed to <path>.1 and started over; 0: never
    bool text;            // LOG_FORMAT=text: for a person's eyes; coloured where the log is a terminal
};

// Opens the log. Returns 0, or -1 with errno set when the file can't be opened (the log then stays on stderr).
// Copies what it needs from options.
int log_open(const struct log_options *options);
// Opens the file again under its name: for SIGHUP after a rotation from outside. Call from the main loop.
void log_reopen(void);
void log_close(void);

// An event with fields of its own:
//   struct log_line *line = log_begin(LOG_INFO, "request");   // NULL when the level is off; all calls take NULL
//   log_str(line, "method", method); log_int(line, "status", 202);
//   log_end(line);
// Between begin and end the line belongs to the calling thread; a thread has one line open at a time.
struct log_line;
struct log_line *log_begin(enum log_level level, const char *event);
void log_str(struct log_line *line, const char *key, const char *value); // a NULL or empty value adds nothing
void log_strn(struct log_line *line, const char *key, const char *value, size_t length);
void log_int(struct log_line *line, const char *key, int64_t value);
void log_bool(struct log_line *line, const char *key, bool value);
void log_end(struct log_line *line);

// Between hold and release the calling thread's lines are gathered and written together, at most 64 KiB a write: for
// many in a row. Nothing that may end the process may happen between.
void log_hold(void);
void log_release(void);

// An event that is one sentence, in "message".
void log_event(enum log_level level, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define log_debug(event, ...) log_event(LOG_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...) log_event(LOG_INFO, event, __VA_ARGS__)
#define log_warn(event, ...) log_event(LOG_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_event(LOG_ERROR, event, __VA_ARGS__)

#endif
