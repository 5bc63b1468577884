// SPDX-License-Identifier: MIT
//
// Whether a connection is a session of its own. A direct one is: the backend's process id is the one that came with the
// connection. A pooler invents that number, so where they differ, one stands in between, and the question is whether it
// keeps a session for this client or hands each transaction to whichever is free. Nothing in the protocol says so, but
// it shows: a second connection holds a transaction open, meanwhile the first one asks again. In session mode the two
// have a backend each, and keep them; else the second one gets the first one's, which lay idle, or the first one gets
// another, then or when the second one has let go, or has to wait for one.
//
// Where the second connection gets no backend in time, nothing is known. After a few tries the link goes on all the
// same: the pool may have just the room that the service needs. What the persister writes is checked besides
// (persister/sql/batch.sql, step 0), and ingest's statements have names of their own in each session.
#include "shared/postgres/session.h"

#include <stdlib.h>

#include "shared/base/log.h"
#include "shared/base/mem.h"

#define ASK "SELECT pg_backend_pid()"
#define HOLD "BEGIN; " ASK
#define LET_GO "COMMIT"
#define REFUSED                                                                                                        \
    "refused: connections share a session, so the pooler in between is in transaction or statement mode; it must be "  \
    "in session mode (PgBouncer: pool_mode = session)"

#define NO_ROOM                                                                                                        \
    "the pooler in between has no room for a second connection, to see whether it is in session mode: give its pool "  \
    "one more than the service needs"

enum {
    TRIES = 3,      // before it goes on without knowing
    ASK_MS = 1000,  // a backend of one's own answers at once
    HOLD_MS = 3000, // until others that look have had their second connections' backends
    ROUNDS = 3,
};

struct pg_session_check {
    uv_timer_t late;
    struct pg_session *session; // NULL once it has ended
    struct pg_conn *other;      // the second connection
    bool asking;                // the first one, while the second one holds its transaction
    long long backend;          // of the first one
    int rounds;                 // that showed nothing
};

static long long backend_of(enum pg_outcome outcome, const PGresult *result) {
    return outcome == PG_LINK_OK && PQntuples(result) == 1 ? atoll(PQgetvalue(result, 0, 0)) : 0;
}

static void pg_session_on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void pg_session_check_cancel(struct pg_session *session) {
    struct pg_session_check *check = session->check;
    if (check == NULL) {
        return;
    }
    session->check = NULL;
    check->session = NULL;
    uv_close((uv_handle_t *)&check->late, pg_session_on_closed);
    pg_conn_destroy(check->other);
}

static void pg_session_refuse(struct pg_session *session) {
    session->unseen = 0;
    pg_conn_fail(session->conn, REFUSED);
}

static void pass(struct pg_session *session, bool certain) {
    session->unseen = 0;
    log_info("postgres_pooler", "%s: a pooler is in between, %s", session->name,
             certain ? "in session mode" : "in which mode could not be seen");
    pg_session_check_cancel(session);
    session->on_passed(session->owner);
}

static void pg_session_on_late(uv_timer_t *timer) {
    struct pg_session_check *check = timer->data;
    struct pg_session *session = check->session;
    if (check->asking) {
        pg_session_refuse(session);
    } else if (++session->unseen < TRIES) {
        pg_conn_fail(session->conn, NO_ROOM);
    } else {
        pass(session, false);
    }
}

static void wait_for(struct pg_session_check *check, bool asking) {
    check->asking = asking;
    uv_timer_start(&check->late, pg_session_on_late, asking ? ASK_MS : HOLD_MS, 0);
}

static void ask(struct pg_session *session, pg_link_done done) {
    pg_jobs_script(pg_conn_jobs(session->conn), ASK, true, done, session);
}

// Where it is down, nothing can be seen.
static void tell_other(struct pg_session_check *check, const char *sql, pg_link_done done) {
    if (pg_conn_is_up(check->other)) {
        pg_jobs_script(pg_conn_jobs(check->other), sql, true, done, check);
    } else {
        pass(check->session, false);
    }
}

static void pg_session_on_other_held(void *argument, enum pg_outcome outcome, const PGresult *result);

// After the second one has let go: what it had lies uppermost in a pool, and would be the first one's now.
static void pg_session_on_asked_after(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct pg_session *session = argument;
    struct pg_session_check *check = session->check;
    if (outcome == PG_LINK_LOST || check == NULL) {
        return;
    }
    wait_for(check, false);
    if (backend_of(outcome, result) != check->backend) {
        pg_session_refuse(session);
    } else if (++check->rounds == ROUNDS) {
        pass(session, true);
    } else {
        tell_other(check, HOLD, pg_session_on_other_held);
    }
}

static void pg_session_on_other_let_go(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct pg_session_check *check = argument;
    (void)result;
    if (check->session != NULL &&
        outcome == PG_LINK_OK) { // else it is tried again when it is up again, until it is late
        wait_for(check, true);
        ask(check->session, pg_session_on_asked_after);
    }
}

static void pg_session_on_asked_again(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct pg_session *session = argument;
    struct pg_session_check *check = session->check;
    if (outcome == PG_LINK_LOST || check == NULL) {
        return;
    }
    wait_for(check, false);
    if (backend_of(outcome, result) != check->backend) {
        pg_session_refuse(session);
    } else {
        tell_other(check, LET_GO, pg_session_on_other_let_go);
    }
}

static void pg_session_on_other_held(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct pg_session_check *check = argument;
    if (check->session == NULL || outcome != PG_LINK_OK) {
        return;
    }
    if (backend_of(outcome, result) == check->backend) {
        pg_session_refuse(check->session);
    } else {
        wait_for(check, true);
        ask(check->session, pg_session_on_asked_again);
    }
}

static void pg_session_on_other_connected(void *owner) {
    struct pg_session_check *check = owner;
    pg_conn_ready(check->other); // without a set-up
    tell_other(check, HOLD, pg_session_on_other_held);
}

static void look_closer(struct pg_session *session, long long backend) {
    struct pg_session_check *check = xcalloc(1, sizeof *check);
    const struct pg_conn_options options = {.address = session->address,
                                            .name = session->name,
                                            .session_attrs = session->session_attrs,
                                            .timeout_ms = HOLD_MS,
                                            .server = pg_conn_server(session->conn),
                                            .is_only_server = true,
                                            .on_connected = pg_session_on_other_connected,
                                            .owner = check};
    check->session = session;
    check->backend = backend;
    check->other = pg_conn_create(session->loop, &options);
    check->late.data = check;
    uv_timer_init(session->loop, &check->late);
    session->check = check;
    wait_for(check, false);
}

static void pg_session_on_asked(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct pg_session *session = argument;
    if (outcome == PG_LINK_LOST) {
        return;
    }
    long long backend = backend_of(outcome, result);
    if (backend == PQbackendPID(pg_conn_jobs(session->conn)->conn)) {
        session->on_passed(session->owner);
    } else {
        look_closer(session, backend);
    }
}

void pg_session_check_start(struct pg_session *session) {
    if (PQbackendPID(pg_conn_jobs(session->conn)->conn) == 0) { // the server told none
        session->on_passed(session->owner);
    } else {
        ask(session, pg_session_on_asked);
    }
}
