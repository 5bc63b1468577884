// SPDX-License-Identifier: MIT
//
// Its life: waiting -> connecting -> setup -> up -> waiting … -> destroyed. One function changes it. A job's callback
// may submit further jobs or destroy the connection; so the caller of one looks at the state again before going
// on, and memory is freed only after the handles' close callbacks.
#include "shared/postgres/conn.h"

#include <stdlib.h>

#include "shared/base/backoff.h"
#include "shared/base/mem.h"
#include "shared/loop/deadline.h"
#include "shared/postgres/connect.h"

enum {
    BACKOFF_BASE_MS = 50,
    BACKOFF_CAP_MS = 2000,
    STEADY_MS = 2000, // an up shorter than this does not restart the backoff
};

enum pg_conn_state {
    PG_CONN_WAITING,    // for the next attempt
    PG_CONN_CONNECTING, // from the look-up of the name on
    PG_CONN_SETUP,      // connected; the owner sets it up
    PG_CONN_UP,
    PG_CONN_DESTROYED,
};

struct pg_conn {
    struct pg_conn_options options;
    enum pg_conn_state state;
    struct pg_connect connect;
    struct pg_jobs jobs; // from SETUP to UP
    uv_timer_t retry;    // while WAITING
    int open_handles;
    unsigned failures;   // in a row: the backoff's attempt, and which of the host's addresses is next
    int64_t up_since_ms; // while UP
};

static void pg_conn_change_state(struct pg_conn *conn, enum pg_conn_state state) {
    conn->state = state;
    conn->jobs.is_set_up = state == PG_CONN_UP;
}

// libpq's messages have several lines.
static char *one_line(const char *text) {
    char *line = xstrdup(text);
    size_t used = 0;
    for (const char *c = text; *c; c++) {
        bool space = *c == '\n' || *c == '\t' || *c == '\r' || *c == ' ';
        if (!space) {
            line[used++] = *c;
        } else if (used > 0 && line[used - 1] != ' ') {
            line[used++] = ' ';
        }
    }
    while (used > 0 && line[used - 1] == ' ') {
        used--;
    }
    line[used] = '\0';
    return line;
}

static void pg_conn_on_retry(uv_timer_t *timer) {
    struct pg_conn *conn = timer->data;
    pg_conn_change_state(conn, PG_CONN_CONNECTING);
    pg_connect_start(&conn->connect, conn->failures);
}

static void pg_conn_wait_for_retry(struct pg_conn *conn) {
    int64_t wait_ms = backoff_full_jitter_ms(conn->failures, BACKOFF_BASE_MS, BACKOFF_CAP_MS);
    conn->failures++;
    uv_timer_start(&conn->retry, pg_conn_on_retry, (uint64_t)wait_ms, 0);
}

// Lets go of what stands or is being tried; jobs get their LOST here.
static void pg_conn_let_go(struct pg_conn *conn, enum pg_conn_state next) {
    pg_conn_change_state(conn, next);
    pg_connect_cancel(&conn->connect);
    pg_jobs_stop(&conn->jobs);
}

void pg_conn_fail(struct pg_conn *conn, const char *why) {
    bool was_up = conn->state == PG_CONN_UP;
    if (conn->state == PG_CONN_WAITING || conn->state == PG_CONN_DESTROYED) {
        return;
    }
    if (conn->options.on_failed != NULL) {
        char *line = one_line(why);
        conn->options.on_failed(conn->options.owner, line);
        free(line);
    }
    if (conn->state == PG_CONN_DESTROYED) {
        return;
    }
    if (was_up && deadline_now_ms() - conn->up_since_ms >= STEADY_MS) {
        conn->failures = 0;
    }
    if (conn->state == PG_CONN_SETUP || conn->jobs.is_late) {
        pg_connect_pass_over(&conn->connect);
    }
    pg_conn_let_go(conn, PG_CONN_WAITING);
    if (was_up && conn->state == PG_CONN_WAITING && conn->options.on_down != NULL) {
        conn->options.on_down(conn->options.owner);
    }
    if (conn->state == PG_CONN_WAITING) {
        pg_conn_wait_for_retry(conn);
    }
}

static void pg_conn_on_failed(void *owner, const char *why) {
    pg_conn_fail(owner, why);
}

static void pg_conn_on_connected(void *owner, PGconn *connected) {
    struct pg_conn *conn = owner;
    pg_conn_change_state(conn, PG_CONN_SETUP);
    pg_jobs_start(&conn->jobs, connected);
    if (conn->state == PG_CONN_SETUP) {
        conn->options.on_connected(conn->options.owner);
    }
}

struct pg_conn *pg_conn_create(uv_loop_t *loop, const struct pg_conn_options *options) {
    struct pg_conn *conn = xcalloc(1, sizeof *conn);
    conn->options = *options;
    conn->connect = (struct pg_connect){.address = options->address,
                                        .name = options->name,
                                        .session_attrs = options->session_attrs,
                                        .timeout_ms = options->timeout_ms,
                                        .on_connected = pg_conn_on_connected,
                                        .on_failed = pg_conn_on_failed,
                                        .owner = conn,
                                        .first = options->server,
                                        .is_only = options->is_only_server};
    conn->jobs = (struct pg_jobs){.timeout_ms = options->timeout_ms, .on_broken = pg_conn_on_failed, .owner = conn};
    pg_connect_init(loop, &conn->connect);
    pg_jobs_init(loop, &conn->jobs);
    conn->retry.data = conn;
    uv_timer_init(loop, &conn->retry);
    conn->open_handles = PG_JOBS_HANDLES + 2;
    if (options->address != NULL) {
        uv_timer_start(&conn->retry, pg_conn_on_retry, 0, 0);
    }
    return conn;
}

void pg_conn_readdress(struct pg_conn *conn, const PQconninfoOption *address) {
    conn->options.address = conn->connect.address = address;
    if (conn->state == PG_CONN_UP || conn->state == PG_CONN_DESTROYED) {
        return;
    }
    pg_conn_let_go(conn, PG_CONN_WAITING);
    if (conn->state == PG_CONN_WAITING) {
        conn->failures = 0;
        uv_timer_start(&conn->retry, pg_conn_on_retry, 0, 0);
    }
}

void pg_conn_ready(struct pg_conn *conn) {
    pg_conn_change_state(conn, PG_CONN_UP);
    conn->up_since_ms = deadline_now_ms();
}

bool pg_conn_is_up(const struct pg_conn *conn) {
    return conn->state == PG_CONN_UP;
}

size_t pg_conn_server(const struct pg_conn *conn) {
    return conn->connect.last;
}

struct pg_jobs *pg_conn_jobs(struct pg_conn *conn) {
    return &conn->jobs;
}

static void pg_conn_on_closed(uv_handle_t *handle) {
    struct pg_conn *conn = handle->data;
    if (--conn->open_handles > 0) {
        return;
    }
    if (conn->options.on_closed != NULL) {
        conn->options.on_closed(conn->options.owner);
    }
    free(conn);
}

void pg_conn_destroy(struct pg_conn *conn) {
    if (conn->state == PG_CONN_DESTROYED) {
        return;
    }
    pg_conn_let_go(conn, PG_CONN_DESTROYED);
    uv_close((uv_handle_t *)&conn->retry, pg_conn_on_closed);
    pg_connect_close(&conn->connect, conn, pg_conn_on_closed);
    pg_jobs_close(&conn->jobs, conn, pg_conn_on_closed);
}
