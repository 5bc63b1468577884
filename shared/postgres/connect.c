// SPDX-License-Identifier: MIT
//
// From a URL to a connection that stands, without ever blocking: the host's name is looked up by resolve.h and handed
// on as hostaddr (the name stays in `host`, for TLS to verify), then libpq connects step by step. Left to libpq as they
// are: socket directories, an address in the URL's hostaddr, and lists of hosts (whose names it does look up itself).
#include <stdlib.h>
#include <string.h>

#include "shared/base/crypto.h"
#include "shared/base/log.h"
#include "shared/postgres/private.h"

enum { MAX_PARAMETERS = 64 }; // libpq 15 knows 41

static const char *pg_connect_value_of(const PQconninfoOption *parts, const char *keyword) {
    for (const PQconninfoOption *option = parts; option->keyword; option++) {
        if (strcmp(option->keyword, keyword) == 0) {
            return option->val && *option->val ? option->val : NULL;
        }
    }
    return NULL;
}

// A password with a '/' or '?' that isn't written as %2F or %3F ends the host too early: libpq takes a piece of it for
// the port, the rest for the database's name, and would name both in its errors.
static const char *pg_connect_check_parts(const PQconninfoOption *parts) {
    const char *port = pg_connect_value_of(parts, "port"), *database = pg_connect_value_of(parts, "dbname");
    if (port && port[strspn(port, "0123456789,")] != '\0') {
        return "the port is not a number (in a password, write / as %2F, ? as %3F, # as %23, @ as %40)";
    }
    if (database && strchr(database, '@')) {
        return "there is an @ after the host (in a password, write / as %2F, ? as %3F, # as %23, @ as %40)";
    }
    return NULL;
}

char *pg_url_check(const char *url) {
    char *error = NULL;
    PQconninfoOption *parts = PQconninfoParse(url, &error);
    if (parts) {
        const char *wrong = pg_connect_check_parts(parts);
        PQconninfoFree(parts);
        return wrong ? xstrdup(wrong) : NULL;
    }
    // From the first quote on, libpq's message repeats parts of the URL, a password maybe.
    size_t length = error ? strcspn(error, "\"\n") : 0;
    char *line = xasprintf("not a Postgres URL (postgres://user:password@host:port/database): %.*s%s", (int)length,
                           error ? error : "", error && error[length] == '"' ? "…" : "");
    PQfreemem(error);
    return line;
}

static const char *part(const struct pg_link *link, const char *keyword) {
    return pg_connect_value_of(link->address, keyword);
}

static void free_socket(uv_handle_t *handle) {
    free(handle->data);
}

void pg_socket_unwatch(struct pg_link *link) {
    if (!link->socket) {
        return;
    }
    uv_poll_stop(&link->socket->poll); // takes the descriptor out of epoll at once
    uv_close((uv_handle_t *)&link->socket->poll, free_socket);
    link->socket->link = NULL;
    link->socket = NULL;
}

void pg_socket_watch(struct pg_link *link, int events, uv_poll_cb on_io) {
    int status = 0;
    if (!link->socket) {
        struct pg_socket *made = xcalloc(1, sizeof *made);
        status = uv_poll_init(link->loop, &made->poll, PQsocket(link->conn));
        if (status < 0) {
            free(made);
            pg_link_fail(link, uv_strerror(status));
            return;
        }
        made->link = link;
        made->poll.data = made;
        link->socket = made;
    }
    struct pg_socket *socket = link->socket;
    if (socket->events == events && socket->on_io == on_io) {
        return;
    }
    socket->events = events;
    socket->on_io = on_io;
    status = uv_poll_start(&socket->poll, events, on_io);
    if (status < 0) {
        pg_link_fail(link, uv_strerror(status));
    }
}

// The default is to print them on stderr, while connecting too: a server that shuts down just then says so by one.
static void pg_connect_on_notice(void *argument, const PGresult *notice) {
    const struct pg_link *link = argument;
    struct log_line *line = log_begin(LOG_DEBUG, "postgres_notice");
    log_str(line, "link", link->name);
    log_str(line, "message", PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY));
    log_end(line);
}

static void connected(struct pg_link *link) {
    pg_socket_unwatch(link);
    if (PQsetnonblocking(link->conn, 1) != 0) {
        pg_link_fail_conn(link);
        return;
    }
    deadline_stop(&link->deadline);
    crypto_random(&link->nonce, sizeof link->nonce);
    pg_link_change_state(link, PG_LINK_SETUP);
    pg_setup_start(link);
}

static void pg_connect_on_io(uv_poll_t *poll, int status, int events) {
    // status < 0 is an error on the socket: libpq finds it for itself.
    (void)status;
    (void)events;
    struct pg_link *link = ((struct pg_socket *)poll->data)->link;
    if (!link) {
        return;
    }
    pg_socket_unwatch(link);
    PostgresPollingStatusType next = PQconnectPoll(link->conn);
    if (next == PGRES_POLLING_OK) {
        connected(link);
    } else if (next == PGRES_POLLING_FAILED) {
        pg_link_fail_conn(link);
    } else {
        pg_socket_watch(link, next == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE, pg_connect_on_io);
    }
}

// address: what the host's name stands for, or NULL to leave it to libpq.
static void pg_connect_to(struct pg_link *link, const char *address) {
    const char *keywords[MAX_PARAMETERS + 4];
    const char *values[MAX_PARAMETERS + 4];
    size_t count = 0;
    for (const PQconninfoOption *option = link->address; option->keyword && count < MAX_PARAMETERS; option++) {
        if (!option->val) {
            continue;
        }
        keywords[count] = option->keyword;
        values[count++] = option->val;
    }
    // The later one of two with one keyword counts.
    keywords[count] = "application_name";
    values[count++] = link->name;
    keywords[count] = "client_encoding";
    values[count++] = "UTF8";
    keywords[count] = address ? "hostaddr" : NULL;
    values[count++] = address;
    keywords[count] = values[count] = NULL;

    pg_link_change_state(link, PG_LINK_CONNECTING);
    link->conn = PQconnectStartParams(keywords, values, 0);
    if (!link->conn) {
        pg_link_fail(link, "out of memory");
        return;
    }
    PQsetNoticeReceiver(link->conn, pg_connect_on_notice, link);
    if (PQstatus(link->conn) == CONNECTION_BAD) {
        pg_link_fail_conn(link);
    } else {
        pg_socket_watch(link, UV_WRITABLE, pg_connect_on_io);
    }
}

static void pg_connect_on_resolved(void *argument, const char *address, const char *error) {
    struct pg_link *link = argument;
    link->resolve = NULL;
    if (address) {
        pg_connect_to(link, address);
        return;
    }
    char *why = xasprintf("the host %s has no address: %s", part(link, "host"), error);
    pg_link_fail(link, why);
    free(why);
}

static bool needs_lookup(const struct pg_link *link) {
    const char *host = part(link, "host");
    return host && !part(link, "hostaddr") && host[0] != '/' && host[0] != '@' && !strchr(host, ',');
}

void pg_connect_start(struct pg_link *link) {
    link->oldest_since_ms = deadline_now_ms();
    if (needs_lookup(link)) {
        pg_link_change_state(link, PG_LINK_RESOLVING);
        link->resolve = resolve_start(link->loop, part(link, "host"), link->failures, pg_connect_on_resolved, link);
    } else {
        pg_connect_to(link, NULL);
    }
    if (link->state == PG_LINK_RESOLVING || link->state == PG_LINK_CONNECTING) {
        deadline_watch(&link->deadline);
    }
}
