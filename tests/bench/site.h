// SPDX-License-Identifier: MIT
#ifndef TESTS_BENCH_SITE_H
#define TESTS_BENCH_SITE_H

#include <stdint.h>

#include "tests/bench/report.h"
#include "tests/support/stack.h"

// Where a stage is measured: tests/support/stack.h with the service's usual times instead of a test's, limits that are
// evaluated but never reached, and a Postgres that fsyncs. And what every stage does there: run the bench's own
// programs, fill streams, count.

struct site {
    struct stack *stack;
    struct report *report;
};

#define SITE_EVENTS "events:{sms-mms:0}"
#define SITE_OUTBOUND "outbound:{sms-mms:0}"

struct site *site_create(struct report *report, const char *stage);
void site_destroy(struct site *site);
// Postgres as it is configured in the field, but for what it is told: nothing.
void site_start_postgres(struct site *site);
// Ends a program, and fails unless it exits with 0 and logged no error.
void site_stop(struct site *site, const char *name);

// Puts `count` sends of traffic.h into the streams, by the library's `accept`, as ingest does.
void site_fill(struct site *site, size_t count);
// The same of sends for later, due at that time, ms since 1970.
void site_schedule(struct site *site, size_t count, int64_t due_ms);
// Drops what is in a stream.
void site_drop(struct site *site, const char *stream);
int64_t site_length(struct site *site, const char *stream);
// How many sends wait to be called: those in SITE_OUTBOUND, and those behind an earlier one of their conversation.
int64_t site_sends(struct site *site);
// Drops them, and what has the turns of their conversations.
void site_drop_sends(struct site *site);
// Waits until a stream is empty and returns the seconds that took; fails after `within_secs`.
double site_drain(struct site *site, const char *stream, int within_secs);
// Empties the database and writes it to disk, so that each round begins the same.
void site_empty_database(struct site *site);
// Fails unless every one of `sends` sends of traffic.h is stored, once, and every count says so.
void site_assert_stored(struct site *site, int64_t sends);

// Path of a file of the project, owned by the caller.
char *site_path(const char *relative);

// ---- The bench's own programs; their output is lines of a name and a number.

// Runs build/bench/<argv[0]>, or what PATH has of that name where it begins with no '/', and waits for its end; fails
// the test unless its exit status is 0. Returns its output, owned by the caller.
char *site_run(struct site *site, const char *const *argv, int within_secs);
// Starts one and leaves it running; end it with child_destroy.
struct child *site_start(struct site *site, const char *const *argv);
// The number that such an output has under a name; fails the test when there is none.
double site_number(const char *output, const char *name);

#endif
