// SPDX-License-Identifier: MIT
//
// A connection that comes back by itself (postgres/conn.h), with what a link does each time that it stands: a look at
// its session, then the set-up; and with what it tells about it. Any callback may destroy the link; its memory is freed
// only after the connection's handles have closed.
#include "shared/postgres/link.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/log.h"
#include "shared/postgres/conn.h"
#include "shared/postgres/session.h"
#include "shared/postgres/setup.h"
#include "shared/postgres/url.h"

struct pg_link {
    struct pg_link_options options; // url is not kept: see `address`
    char *name;
    char *script;
    PQconninfoOption *address; // the URL's parts
    struct pg_conn *conn;
    struct pg_session session;
    struct pg_setup setup;
    char *complaint;  // the last trouble that was logged, so that each is logged once; NULL after an up
    char *last_error; // "" when none
};

static void pg_link_complain(struct pg_link *link, enum log_level level, const char *why) {
    free(link->last_error);
    link->last_error = xstrdup(why);
    if (link->complaint != NULL && strcmp(link->complaint, why) == 0) {
        return;
    }
    free(link->complaint);
    link->complaint = xstrdup(why);
    if (link->options.on_trouble != NULL) {
        link->options.on_trouble(link->options.argument, why);
    }
    struct log_line *line = log_begin(level, "postgres_down");
    log_str(line, "link", link->name);
    log_str(line, "message", why);
    log_end(line);
}

// ---- The connection's events

static void pg_link_on_connected(void *owner) {
    struct pg_link *link = owner;
    pg_session_check_start(&link->session);
}

static void pg_link_on_failed(void *owner, const char *why) {
    struct pg_link *link = owner;
    pg_link_complain(link, LOG_WARN, why);
    pg_session_check_cancel(&link->session);
}

static void pg_link_on_down(void *owner) {
    struct pg_link *link = owner;
    if (link->options.on_down != NULL) {
        link->options.on_down(link->options.argument);
    }
}

static void pg_link_on_closed(void *owner) {
    struct pg_link *link = owner;
    PQconninfoFree(link->address);
    free(link->name);
    free(link->script);
    free(link->complaint);
    free(link->last_error);
    free(link);
}

// ---- The session check's and the set-up's

static void pg_link_on_passed(void *owner) {
    struct pg_link *link = owner;
    pg_setup_start(&link->setup);
}

static void pg_link_on_script(void *owner, const PGresult *result) {
    struct pg_link *link = owner;
    if (link->options.on_set_up != NULL) {
        link->options.on_set_up(link->options.argument, result);
    }
}

static void pg_link_on_ready(void *owner) {
    struct pg_link *link = owner;
    pg_conn_ready(link->conn);
    free(link->complaint);
    link->complaint = NULL;
    free(link->last_error);
    link->last_error = xstrdup("");
    struct log_line *line = log_begin(LOG_INFO, "postgres_up");
    log_str(line, "link", link->name);
    log_end(line);
    if (link->options.on_trouble != NULL) {
        link->options.on_trouble(link->options.argument, NULL);
    }
    if (link->options.on_up != NULL && pg_conn_is_up(link->conn)) {
        link->options.on_up(link->options.argument);
    }
}

// ---- Its life

static void pg_link_begin_parts(struct pg_link *link, uv_loop_t *loop) {
    link->conn = pg_conn_create(loop, &(struct pg_conn_options){.address = link->address,
                                                                .name = link->name,
                                                                .session_attrs = link->options.session_attrs,
                                                                .timeout_ms = link->options.timeout_ms,
                                                                .on_connected = pg_link_on_connected,
                                                                .on_failed = pg_link_on_failed,
                                                                .on_down = pg_link_on_down,
                                                                .on_closed = pg_link_on_closed,
                                                                .owner = link});
    link->session = (struct pg_session){.loop = loop,
                                        .address = link->address,
                                        .name = link->name,
                                        .session_attrs = link->options.session_attrs,
                                        .conn = link->conn,
                                        .on_passed = pg_link_on_passed,
                                        .owner = link};
    link->setup = (struct pg_setup){.conn = link->conn,
                                    .script = link->script,
                                    .pipeline = link->options.pipeline,
                                    .statements = link->options.statements,
                                    .on_script = pg_link_on_script,
                                    .on_ready = pg_link_on_ready,
                                    .owner = link};
}

struct pg_link *pg_link_create(uv_loop_t *loop, const struct pg_link_options *options) {
    struct pg_link *link = xcalloc(1, sizeof *link);
    link->options = *options;
    link->options.url = link->options.name = link->options.setup = NULL;
    link->name = xstrdup(options->name != NULL ? options->name : "");
    link->script = options->setup != NULL ? xstrdup(options->setup) : NULL;
    link->last_error = xstrdup("");
    link->address = PQconninfoParse(options->url, NULL);
    pg_link_begin_parts(link, loop);
    if (link->address == NULL) { // pg_url_check at start was skipped: say it, and stay down
        pg_link_complain(link, LOG_ERROR, "the Postgres URL is not valid");
    }
    return link;
}

void pg_link_change_url(struct pg_link *link, const char *url) {
    PQconninfoOption *former = link->address, *next = PQconninfoParse(url, NULL);
    if (next == NULL) {
        pg_link_complain(link, LOG_ERROR, "the Postgres URL is not valid");
        return;
    }
    pg_session_check_cancel(&link->session); // its second connection has the former address
    link->address = next;
    link->session.address = next;
    pg_conn_readdress(link->conn, next);
    if (former != NULL && !pg_url_same_place(former, next)) {
        pg_conn_fail(link->conn, "the settings name another database");
    }
    PQconninfoFree(former);
}

void pg_link_destroy(struct pg_link *link) {
    pg_session_check_cancel(&link->session);
    pg_conn_destroy(link->conn);
}

void pg_link_drop(struct pg_link *link, const char *why) {
    pg_conn_fail(link->conn, why);
}

bool pg_link_is_up(const struct pg_link *link) {
    return pg_conn_is_up(link->conn);
}

size_t pg_link_pending(const struct pg_link *link) {
    return pg_conn_jobs(link->conn)->pending;
}

const char *pg_link_last_error(const struct pg_link *link) {
    return link->last_error;
}

// ---- Jobs

int pg_link_execute(struct pg_link *link, const char *name, int count, const char *const *values, pg_link_done done,
                    void *argument) {
    if (!pg_conn_is_up(link->conn) || !link->options.pipeline) {
        return -1;
    }
    pg_jobs_execute(pg_conn_jobs(link->conn), name, count, values, done, argument);
    return 0;
}

int pg_link_script(struct pg_link *link, const char *sql, pg_link_done done, void *argument) {
    if (!pg_conn_is_up(link->conn) || link->options.pipeline) {
        return -1;
    }
    pg_jobs_script(pg_conn_jobs(link->conn), sql, false, done, argument);
    return 0;
}

int pg_link_copy(struct pg_link *link, const char *sql, const char *data, size_t length, pg_link_done done,
                 void *argument) {
    if (!pg_conn_is_up(link->conn) || link->options.pipeline) {
        return -1;
    }
    pg_jobs_copy(pg_conn_jobs(link->conn), sql, data, length, done, argument);
    return 0;
}
