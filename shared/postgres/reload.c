// SPDX-License-Identifier: MIT
#include "shared/postgres/reload.h"

#include <stdbool.h>
#include <stdlib.h>

#include "shared/base/mem.h"
#include "shared/postgres/conn.h"

enum { MOST_FAILURES = 3 };

struct trial {
    const char *setting;
    reload_tried done;
    void *argument;
    PQconninfoOption *address;
    struct pg_conn *conn;
    uv_timer_t late; // also what ends it after a failure, outside of the connection's own callback
    int failures;
    char *trouble; // the last one
    int open_handles;
};

static void pg_reload_let_go_of_one(struct trial *trial) {
    if (--trial->open_handles == 0) {
        PQconninfoFree(trial->address);
        free(trial->trouble);
        free(trial);
    }
}

static void pg_reload_on_conn_closed(void *owner) {
    pg_reload_let_go_of_one(owner);
}

static void pg_reload_on_timer_closed(uv_handle_t *handle) {
    pg_reload_let_go_of_one(handle->data);
}

static void pg_reload_cancel(void *argument) {
    struct trial *trial = argument;
    uv_close((uv_handle_t *)&trial->late, pg_reload_on_timer_closed);
    pg_conn_destroy(trial->conn);
}

static void pg_reload_on_end(uv_timer_t *timer) {
    struct trial *trial = timer->data;
    const char *trouble = trial->trouble != NULL ? trial->trouble : "could not connect in time";
    bool is_good = trial->address == NULL || pg_conn_is_up(trial->conn);
    char *error = is_good ? NULL : xasprintf("%s: %s", trial->setting, trouble);
    pg_reload_cancel(trial);
    trial->done(trial->argument, error);
    free(error);
}

static void pg_reload_end_soon(struct trial *trial) {
    uv_timer_start(&trial->late, pg_reload_on_end, 0, 0);
}

static void pg_reload_on_connected(void *owner) {
    struct trial *trial = owner;
    pg_conn_ready(trial->conn);
    pg_reload_end_soon(trial);
}

static void pg_reload_on_failed(void *owner, const char *why) {
    struct trial *trial = owner;
    free(trial->trouble);
    trial->trouble = xstrdup(why);
    if (++trial->failures == MOST_FAILURES) {
        pg_reload_end_soon(trial);
    }
}

static void pg_reload_connect(uv_loop_t *loop, struct trial *trial, const char *session_attrs, int64_t timeout_ms) {
    trial->conn = pg_conn_create(loop, &(struct pg_conn_options){.address = trial->address,
                                                                 .name = "reload",
                                                                 .session_attrs = session_attrs,
                                                                 .timeout_ms = timeout_ms,
                                                                 .on_connected = pg_reload_on_connected,
                                                                 .on_failed = pg_reload_on_failed,
                                                                 .on_closed = pg_reload_on_conn_closed,
                                                                 .owner = trial});
}

// url: one that was checked; "": there is nothing to be tried, and all is well.
static void *pg_reload_begin(uv_loop_t *loop, struct trial begun, const char *url, const char *session_attrs,
                             int64_t timeout_ms) {
    struct trial *trial = xcalloc(1, sizeof *trial);
    *trial = begun;
    trial->address = *url != '\0' ? PQconninfoParse(url, NULL) : NULL;
    pg_reload_connect(loop, trial, session_attrs, timeout_ms);
    trial->late.data = trial;
    uv_timer_init(loop, &trial->late);
    trial->open_handles = 2;
    uv_timer_start(&trial->late, pg_reload_on_end, *url != '\0' ? (uint64_t)timeout_ms : 0, 0);
    return trial;
}

static void *pg_reload_start(uv_loop_t *loop, const struct settings *settings, reload_tried done, void *argument) {
    struct trial trial = {.setting = "DATABASE_URL", .done = done, .argument = argument};
    return pg_reload_begin(loop, trial, settings->database_url, NULL, settings->database_timeout_ms);
}

static void *pg_reload_start_reads(uv_loop_t *loop, const struct settings *settings, reload_tried done,
                                   void *argument) {
    struct trial trial = {.setting = "DATABASE_READ_URL", .done = done, .argument = argument};
    return pg_reload_begin(loop, trial, settings->database_read_url, "prefer-standby", settings->database_timeout_ms);
}

const struct reload_trial pg_reload_trial = {"DATABASE_URL", pg_reload_start, pg_reload_cancel};
const struct reload_trial pg_reload_reads_trial = {"DATABASE_READ_URL", pg_reload_start_reads, pg_reload_cancel};
