// SPDX-License-Identifier: MIT
//
// From a URL to a connection that stands, without ever blocking: the host's name is looked up by resolve.h and handed
// on as hostaddr (the name stays in `host`, for TLS to verify), then libpq connects step by step. Left to libpq as they
// are: socket directories, an address in the URL's hostaddr, and lists of hosts (whose names it does look up itself).
#include "shared/postgres/connect.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/log.h"
#include "shared/postgres/error.h"
#include "shared/postgres/url.h"

enum { MAX_PARAMETERS = 64 }; // libpq 15 knows 41

static const char *part(const struct pg_connect *connect, const char *keyword) {
    return pg_url_part(connect->address, keyword);
}

static void pg_connect_fail(struct pg_connect *connect, const char *why) {
    connect->on_failed(connect->owner, why);
}

static void pg_connect_on_ready(void *owner, int status, int events);

static void pg_connect_watch(struct pg_connect *connect, int events) {
    int status = pg_socket_watch(&connect->socket, connect->loop, connect->conn, events, pg_connect_on_ready, connect);
    if (status < 0) {
        pg_connect_fail(connect, uv_strerror(status));
    }
}

// The default is to print them on stderr, while connecting too: a server that shuts down just then says so by one.
static void pg_connect_on_notice(void *argument, const PGresult *notice) {
    const struct pg_connect *connect = argument;
    struct log_line *line = log_begin(LOG_DEBUG, "postgres_notice");
    log_str(line, "link", connect->name);
    log_str(line, "message", PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY));
    log_end(line);
}

static void pg_connect_hand_over(struct pg_connect *connect) {
    PGconn *conn = connect->conn;
    if (PQsetnonblocking(conn, 1) != 0) {
        pg_connect_fail(connect, pg_error_text(conn));
        return;
    }
    deadline_stop(&connect->deadline);
    connect->conn = NULL;
    connect->on_connected(connect->owner, conn);
}

static void pg_connect_on_ready(void *owner, int status, int events) {
    // status < 0 is an error on the socket: libpq finds it for itself.
    (void)status;
    (void)events;
    struct pg_connect *connect = owner;
    pg_socket_unwatch(&connect->socket);
    PostgresPollingStatusType next = PQconnectPoll(connect->conn);
    if (next == PGRES_POLLING_OK) {
        pg_connect_hand_over(connect);
    } else if (next == PGRES_POLLING_FAILED) {
        pg_connect_fail(connect, pg_error_text(connect->conn));
    } else {
        pg_connect_watch(connect, next == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE);
    }
}

// address: what the host's name stands for, or NULL to leave it to libpq.
static void pg_connect_to(struct pg_connect *connect, const char *address) {
    const char *keywords[MAX_PARAMETERS + 4];
    const char *values[MAX_PARAMETERS + 4];
    size_t count = 0;
    for (const PQconninfoOption *option = connect->address; option->keyword != NULL && count < MAX_PARAMETERS;
         option++) {
        if (option->val == NULL) {
            continue;
        }
        keywords[count] = option->keyword;
        values[count++] = option->val;
    }
    // The later one of two with one keyword counts.
    keywords[count] = "application_name";
    values[count++] = connect->name;
    keywords[count] = "client_encoding";
    values[count++] = "UTF8";
    keywords[count] = address != NULL ? "hostaddr" : NULL;
    values[count++] = address;
    keywords[count] = values[count] = NULL;

    connect->conn = PQconnectStartParams(keywords, values, 0);
    if (connect->conn == NULL) {
        pg_connect_fail(connect, "out of memory");
        return;
    }
    PQsetNoticeReceiver(connect->conn, pg_connect_on_notice, connect);
    if (PQstatus(connect->conn) == CONNECTION_BAD) {
        pg_connect_fail(connect, pg_error_text(connect->conn));
    } else {
        pg_connect_watch(connect, UV_WRITABLE);
    }
}

static void pg_connect_on_resolved(void *argument, const char *address, const char *error) {
    struct pg_connect *connect = argument;
    connect->resolve = NULL;
    if (address != NULL) {
        pg_connect_to(connect, address);
        return;
    }
    char *why = xasprintf("the host %s has no address: %s", part(connect, "host"), error);
    pg_connect_fail(connect, why);
    free(why);
}

static bool needs_lookup(const struct pg_connect *connect) {
    const char *host = part(connect, "host");
    return host != NULL && part(connect, "hostaddr") == NULL && host[0] != '/' && host[0] != '@' &&
           strchr(host, ',') == NULL;
}

void pg_connect_start(struct pg_connect *connect, unsigned attempt) {
    connect->since_ms = deadline_now_ms();
    if (needs_lookup(connect)) {
        connect->resolve =
            resolve_start(connect->loop, part(connect, "host"), attempt, pg_connect_on_resolved, connect);
    } else {
        pg_connect_to(connect, NULL);
    }
    deadline_watch(&connect->deadline);
}

void pg_connect_cancel(struct pg_connect *connect) {
    deadline_stop(&connect->deadline);
    if (connect->resolve != NULL) {
        resolve_cancel(connect->resolve);
        connect->resolve = NULL;
    }
    pg_socket_unwatch(&connect->socket); // before libpq closes the descriptor
    PQfinish(connect->conn);
    connect->conn = NULL;
}

static int64_t pg_connect_due_ms(const void *owner) {
    const struct pg_connect *connect = owner;
    return connect->resolve != NULL || connect->conn != NULL ? connect->since_ms + connect->timeout_ms : -1;
}

static void pg_connect_on_late(void *owner) {
    pg_connect_fail(owner, "could not connect in time");
}

void pg_connect_init(uv_loop_t *loop, struct pg_connect *connect) {
    connect->loop = loop;
    connect->deadline = (struct deadline){.due_ms = pg_connect_due_ms, .on_late = pg_connect_on_late, .owner = connect};
    deadline_init(loop, &connect->deadline);
}

void pg_connect_close(struct pg_connect *connect, void *data, uv_close_cb on_closed) {
    deadline_close(&connect->deadline, data, on_closed);
}
