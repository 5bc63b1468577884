// SPDX-License-Identifier: MIT
//
// How far it is behind is asked for once a second: both servers say up to which transaction they have seen the end of
// all, and what the primary said first and this one has not reached yet is how old what it shows is at most (lag.h).
// Not by pg_last_xact_replay_timestamp(), which grows while nothing is written, nor by positions in the write-ahead
// log, which some services don't tell. A server that follows none, a primary by now or a logical copy, counts as near:
// its numbers are its own. Its connections may be to several servers: each is asked, and the one that is furthest
// behind counts.
#include "ingest/read/read_server.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/read/lag.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/loop/deadline.h"

enum {
    LOOK_MS = 1000,
    FAR_MS = 10000, // behind: it isn't read from any more
    WHY_SIZE = 80,
};

// The columns of ingest/read/sql/position.sql.
enum { POSITION, FOLLOWS };

struct read_server {
    struct read_server_options options;
    struct read_pool *pool; // NULL once it is destroyed
    uv_timer_t look;
    struct lag lag;
    bool asks_primary; // an answer is to come
    size_t asks_own;   // so many are
    bool follows;      // of those that have come, one was of a server that follows another
    int64_t least;     // up to where the furthest behind of these has come
    bool are_lost;     // one of them at least
    bool has_closed;   // its timer
    int64_t asked_ms;  // when the primary was asked
    bool in_use;
    char why[WHY_SIZE];
};

static void read_server_judge(struct read_server *server) {
    bool is_far = lag_ms(&server->lag, deadline_now_ms()) > FAR_MS && read_pool_is_up(server->options.primary);
    bool in_use = read_pool_is_up(server->pool) && !is_far;
    if (in_use == server->in_use) {
        return;
    }
    server->in_use = in_use;
    if (in_use) {
        log_info("reads_from_replica", "reads are asked of DATABASE_READ_URL's server");
    } else {
        log_event(LOG_WARN, "reads_fallen_back", "reads are asked of the primary: %s", read_server_why_not(server));
    }
    server->options.on_change(server->options.argument, in_use);
}

static int64_t position_in(const PGresult *result) {
    return strtoll(PQgetvalue(result, 0, POSITION), NULL, 10);
}

static void read_server_on_primary(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct read_server *server = argument;
    server->asks_primary = false;
    if (server->pool != NULL && outcome == PG_LINK_OK) {
        lag_mark(&server->lag, position_in(result), server->asked_ms);
    } else if (server->has_closed) {
        free(server);
    }
}

static void read_server_take_position(struct read_server *server, const PGresult *result) {
    int64_t position = position_in(result);
    if (strcmp(PQgetvalue(result, 0, FOLLOWS), "true") == 0) {
        server->least = server->follows && server->least < position ? server->least : position;
        server->follows = true;
    }
}

static void read_server_on_own(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct read_server *server = argument;
    server->asks_own--;
    server->are_lost = server->are_lost || outcome != PG_LINK_OK;
    if (server->pool == NULL) {
        return;
    }
    if (outcome == PG_LINK_OK) {
        read_server_take_position(server, result);
    }
    if (server->asks_own > 0 || server->are_lost) {
        return;
    }
    if (server->follows) {
        lag_reach(&server->lag, server->least);
    } else {
        lag_forget(&server->lag);
    }
    read_server_judge(server);
}

static void read_server_on_look(uv_timer_t *timer) {
    struct read_server *server = timer->data;
    const char *position = server->options.position;
    if (!server->asks_primary) {
        server->asked_ms = deadline_now_ms();
        server->asks_primary =
            read_pool_execute(server->options.primary, position, 0, NULL, read_server_on_primary, server) == 0;
    }
    if (server->asks_own == 0) {
        server->follows = server->are_lost = false;
        server->asks_own = read_pool_execute_each(server->pool, position, read_server_on_own, server);
    }
    read_server_judge(server);
}

static void read_server_on_pool(void *argument, bool up) {
    (void)up;
    read_server_judge(argument);
}

struct read_server *read_server_create(uv_loop_t *loop, const struct read_server_options *options) {
    struct read_server *server = xcalloc(1, sizeof *server);
    server->options = *options;
    server->options.pool.on_change = read_server_on_pool;
    server->options.pool.argument = server;
    server->pool = read_pool_create(loop, &server->options.pool);
    server->look.data = server;
    uv_timer_init(loop, &server->look);
    uv_timer_start(&server->look, read_server_on_look, LOOK_MS, LOOK_MS);
    return server;
}

static void read_server_on_closed(uv_handle_t *handle) {
    struct read_server *server = handle->data;
    server->has_closed = true;
    if (!server->asks_primary) { // else with the answer
        free(server);
    }
}

void read_server_destroy(struct read_server *server) {
    struct read_pool *pool = server->pool;
    bool was_in_use = server->in_use;
    server->pool = NULL;
    server->in_use = false;
    read_pool_destroy(pool);
    uv_close((uv_handle_t *)&server->look, read_server_on_closed);
    if (was_in_use) {
        server->options.on_change(server->options.argument, false);
    }
}

void read_server_change_url(struct read_server *server, const char *url) {
    read_pool_change_url(server->pool, url);
}

bool read_server_is_in_use(const struct read_server *server) {
    return server->in_use;
}

const char *read_server_why_not(struct read_server *server) {
    if (server->in_use) {
        return NULL;
    }
    if (!read_pool_is_up(server->pool)) {
        return read_pool_error(server->pool);
    }
    snprintf(server->why, sizeof server->why, "it has been behind the primary for %" PRId64 " s",
             lag_ms(&server->lag, deadline_now_ms()) / 1000);
    return server->why;
}

int read_server_execute(struct read_server *server, const char *statement, int count, const char *const *values,
                        pg_link_done done, void *argument) {
    return server->in_use ? read_pool_execute(server->pool, statement, count, values, done, argument) : -1;
}

void read_server_primary_changed(struct read_server *server) {
    lag_forget(&server->lag);
    read_server_judge(server);
}
