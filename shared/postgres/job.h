// SPDX-License-Identifier: MIT
#ifndef SHARED_POSTGRES_JOB_H
#define SHARED_POSTGRES_JOB_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "shared/loop/deadline.h"
#include "shared/loop/turn.h"
#include "shared/postgres/outcome.h"
#include "shared/postgres/socket.h"

// The jobs that run on a connection, a queue that outlives it: one connection follows on the other.

struct pg_job;

struct pg_jobs {
    // The owner's, all set before pg_jobs_init.
    int64_t timeout_ms; // of each job, from when it is the oldest
    // The connection is of no use any more: followed by pg_jobs_stop. why is valid until then.
    void (*on_broken)(void *owner, const char *why);
    void *owner;
    bool is_set_up; // by the owner, between start and stop: a session that is spoilt from here on breaks the connection
    // Its own; pending, conn and is_late may be read.
    PGconn *conn;   // from start to stop
    size_t pending; // taken and not yet answered, but for the internal ones
    uv_loop_t *loop;
    struct pg_socket *socket;
    struct deadline deadline; // of the oldest job
    struct turn end_of_turn;  // runs before the next poll: sends what the turn queued
    struct pg_job *first;     // not yet answered, oldest first
    struct pg_job **last;
    bool running;            // batch: the first job has been sent
    bool copying;            // batch: the first job's data are being fed
    bool is_late;            // no answer came in time; until the stop
    int64_t oldest_since_ms; // since when the first job is the first
    uint64_t nonce;          // of the connection, in its statements' names: another session has none of such a name
};

void pg_jobs_init(uv_loop_t *loop, struct pg_jobs *jobs);
// Takes ownership of a connection that stands. May call on_broken.
void pg_jobs_start(struct pg_jobs *jobs, PGconn *conn);
// Closes the connection, then gives every job its LOST. Nothing where it isn't started.
void pg_jobs_stop(struct pg_jobs *jobs);
// Calls on_broken with libpq's own words.
void pg_jobs_break(struct pg_jobs *jobs);

// PG_JOBS_HANDLES times on_closed, each time with a handle whose data is `data` then.
enum { PG_JOBS_HANDLES = 2 };
void pg_jobs_close(struct pg_jobs *jobs, void *data, uv_close_cb on_closed);

// What follows is called between start and stop only. done gets the job's answer, or LOST, exactly once, and not within
// the call. All is copied but data, which the caller keeps unchanged until then. internal: not counted in `pending`.
void pg_jobs_script(struct pg_jobs *jobs, const char *sql, bool internal, pg_link_done done, void *argument);
void pg_jobs_copy(struct pg_jobs *jobs, const char *sql, const char *data, size_t length, pg_link_done done,
                  void *argument);
// In pipeline mode only. A statement that was prepared by one of these has a name of its own in each session.
void pg_jobs_prepare(struct pg_jobs *jobs, const struct pg_statement *statement, pg_link_done done, void *argument);
void pg_jobs_execute(struct pg_jobs *jobs, const char *name, int count, const char *const *values, pg_link_done done,
                     void *argument);

#endif
