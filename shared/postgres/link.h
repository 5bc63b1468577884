// SPDX-License-Identifier: MIT
#ifndef SHARED_POSTGRES_LINK_H
#define SHARED_POSTGRES_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "shared/base/mem.h"
#include "shared/postgres/outcome.h"

// One connection to Postgres on a libuv loop that comes back by itself with capped full-jitter backoff; libpq in
// non-blocking mode, the name resolved by resolve.h and handed on as hostaddr. Where the URL lists several servers, one
// attempt asks them one after another, each within its share of the time. Two ways to use it:
//   pipeline  (ingest's reads) prepared statements, many in flight, each a unit of its own;
//   batch     (the persister's writes) one job after the other: a script, or a COPY.
// Both lean on what a session keeps, so each connection must be a session of its own. Where the backend that answers
// isn't the one that the connection was promised, a pooler stands in between; then a second connection is opened for a
// moment, and a pooler that serves both from one session is refused. An error that says that the session can't do its
// work any more (PG_ERROR_SESSION) ends the connection as a broken one does. Promise: every job that was taken gets its
// callback exactly once, at teardown too.

struct pg_link;

struct pg_link_options {
    const char *url;    // postgres://… or a libpq keyword string
    const char *name;   // application_name and the log's "link" field
    int64_t timeout_ms; // connect, and each job from when it reaches the head of the queue
    // target_session_attrs where the URL lists several servers and says none; a constant; NULL: read-write.
    const char *session_attrs;
    bool pipeline;
    const struct pg_statement *statements; // prepared at each connect (pipeline); ends with a NULL name
    const char *setup; // a script run at each connect before the link is up, e.g. the staging table; or NULL
    void (*on_set_up)(void *argument, const PGresult *result); // the last result of setup, before on_up; may be NULL
    void (*on_up)(void *argument);                             // may be NULL
    void (*on_down)(void *argument);                           // may be NULL; pending jobs have had their LOST
    // What keeps the link down, as one line without secrets, each time that it is another; NULL once it is up. May be
    // NULL.
    void (*on_trouble)(void *argument, const char *why);
    void *argument;
};

struct pg_link *pg_link_create(uv_loop_t *loop, const struct pg_link_options *options);
// Drops the connection (pending jobs get LOST during this call) and frees itself once its handles have closed.
void pg_link_destroy(struct pg_link *link);
// Another URL (checked by pg_url_check) from the next connect on. Where nothing but the credentials differ, a session
// that stands goes on, for Postgres asks for them once; else it is dropped, and one is made there.
void pg_link_change_url(struct pg_link *link, const char *url);
// Ends a connection that can't be trusted; a new one is made after a backoff. For a job's callback: its own answer
// stands, the jobs behind it get LOST.
void pg_link_drop(struct pg_link *link, const char *why);
bool pg_link_is_up(const struct pg_link *link);
// Jobs taken and not yet answered.
size_t pg_link_pending(const struct pg_link *link);
// The last connection error as one line without secrets, "" when none.
const char *pg_link_last_error(const struct pg_link *link);

// All three return 0, or -1 when the link isn't up: nothing was sent and done won't be called.
// Runs statement `name` with text parameters (NULL: SQL NULL); pipeline links only. Parameters are copied.
int pg_link_execute(struct pg_link *link, const char *name, int count, const char *const *values, pg_link_done done,
                    void *argument) MUST_CHECK;
// Runs a script of statements as one message to the server; done gets the last result, or the first error. Batch links
// only. Where an error leaves a transaction block open, the link rolls it back before the next job.
int pg_link_script(struct pg_link *link, const char *sql, pg_link_done done, void *argument) MUST_CHECK;
// Runs `sql`, whose last statement is a COPY … FROM STDIN, and feeds it data. The caller keeps data unchanged until
// done.
int pg_link_copy(struct pg_link *link, const char *sql, const char *data, size_t length, pg_link_done done,
                 void *argument) MUST_CHECK;

#endif
