// SPDX-License-Identifier: MIT
#ifndef SHARED_POSTGRES_CONN_H
#define SHARED_POSTGRES_CONN_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "shared/postgres/job.h"

// A connection that comes back by itself, with capped full-jitter backoff, and the jobs on it. What is to be run before
// it is up, and who is told what, is its owner's: a link, or a look at another one's session.

struct pg_conn;

struct pg_conn_options {
    // A URL's parts; NULL: it stays down. Kept by the owner until pg_conn_destroy, as is the name.
    const PQconninfoOption *address;
    const char *name;
    const char *session_attrs;         // as in postgres/connect.h; NULL: read-write
    int64_t timeout_ms;                // of the connect, and of each job
    size_t server;                     // of those that the URL lists, the one that it begins with
    bool is_only_server;               // and no other is asked
    void (*on_connected)(void *owner); // it stands, and takes jobs; it is up once the owner calls pg_conn_ready
    // It, or an attempt, has failed; the jobs have not had their LOST yet. why: one line. May be NULL.
    void (*on_failed)(void *owner, const char *why);
    void (*on_down)(void *owner);   // it was up; the jobs have had their LOST. May be NULL
    void (*on_closed)(void *owner); // after pg_conn_destroy: its handles have closed. May be NULL
    void *owner;
};

// The first attempt begins in the loop, as every other.
struct pg_conn *pg_conn_create(uv_loop_t *loop, const struct pg_conn_options *options);
// Set up: it is up from here on.
void pg_conn_ready(struct pg_conn *conn);
bool pg_conn_is_up(const struct pg_conn *conn);
// Which of the servers that the URL lists it is connected to, or was last.
size_t pg_conn_server(const struct pg_conn *conn);
// Its jobs; they take further ones while it is up only, or being set up.
struct pg_jobs *pg_conn_jobs(struct pg_conn *conn);
// Drops what stands, or is being tried, and tries again after a backoff. Nothing while it waits for that.
void pg_conn_fail(struct pg_conn *conn, const char *why);
// Another address, from the next attempt on; kept by the owner likewise. An attempt, or a set-up, that is under way is
// let go of (jobs get LOST, on_failed isn't told), and one that is waited for begins at once. A connection that is up
// stays.
void pg_conn_readdress(struct pg_conn *conn, const PQconninfoOption *address);
// Drops the connection (jobs get LOST during this call; no event follows but on_closed) and frees itself once its
// handles have closed.
void pg_conn_destroy(struct pg_conn *conn);

#endif
