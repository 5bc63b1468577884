// SPDX-License-Identifier: MIT
#ifndef INGEST_READ_READ_SERVER_H
#define INGEST_READ_READ_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "ingest/read/pool.h"
#include "shared/base/mem.h"

// The server that DATABASE_READ_URL names, a replica as a rule, as one thread uses it: while it has a connection and
// isn't far behind the primary. Where the primary is away nobody knows how far it is behind, and it is all that there
// is.

struct read_server;

struct read_server_options {
    struct read_pool_options pool;                  // on_change and argument are not looked at
    struct read_pool *primary;                      // what it is measured by; outlives it
    const char *position;                           // the name of the statement ingest/read/sql/position.sql
    void (*on_change)(void *argument, bool in_use); // not told: that it is not in use at first
    void *argument;
};

struct read_server *read_server_create(uv_loop_t *loop, const struct read_server_options *options);
// What waits for an answer gets its LOST within the call; it is not in use any more, which is told.
void read_server_destroy(struct read_server *server);
// As read_pool_change_url.
void read_server_change_url(struct read_server *server, const char *url);

bool read_server_is_in_use(const struct read_server *server);
// Why not, in one line without secrets; "" where nothing is known yet, NULL where it is. Valid until the loop's next
// turn.
const char *read_server_why_not(struct read_server *server);
// As read_pool_execute.
int read_server_execute(struct read_server *server, const char *statement, int count, const char *const *values,
                        pg_link_done done, void *argument) MUST_CHECK;
// The primary may be another server from now on, or has gone.
void read_server_primary_changed(struct read_server *server);

#endif
