// SPDX-License-Identifier: MIT
#ifndef INGEST_READ_POOL_H
#define INGEST_READ_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "shared/postgres/link.h"

// A thread's connections to one server of Postgres, or to whichever of a list will do, with ingest's statements
// prepared on each.

struct read_pool;

struct read_pool_options {
    const char *url;
    const char *name; // of its links, before their numbers
    size_t connections;
    int64_t timeout_ms;
    const char *session_attrs;                  // as in postgres/link.h
    const struct pg_statement *statements;      // ends with a NULL name
    void (*on_change)(void *argument, bool up); // its first connection came, or its last went
    void (*on_connection)(void *argument);      // one came; may be NULL
    void *argument;
};

struct read_pool *read_pool_create(uv_loop_t *loop, const struct read_pool_options *options);
// What waits for an answer gets its LOST within the call; no event follows.
void read_pool_destroy(struct read_pool *pool);

// Another URL, as pg_link_change_url has it; nothing where it is the same.
void read_pool_change_url(struct read_pool *pool, const char *url);

bool read_pool_is_up(const struct read_pool *pool);
// Why it has no connection; "" where it has not failed yet. Valid until the loop's next turn.
const char *read_pool_error(const struct read_pool *pool);
// As pg_link_execute, over the connection with the shortest queue.
int read_pool_execute(struct read_pool *pool, const char *statement, int count, const char *const *values,
                      pg_link_done done, void *argument) MUST_CHECK;
// The same over each connection that there is, for they may be to several servers. Returns over how many.
size_t read_pool_execute_each(struct read_pool *pool, const char *statement, pg_link_done done, void *argument);

#endif
