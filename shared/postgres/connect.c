// SPDX-License-Identifier: MIT
//
// From a URL to a connection that stands, without ever blocking: the host's name is looked up by resolve.h and handed
// on as hostaddr (the name stays in `host`, for TLS to verify), then libpq connects step by step. Left to libpq as they
// are: socket directories, an address in the URL's hostaddr, and what the environment names (PGHOST).
//
// Of a URL that lists several servers, each is asked by itself, in the order of the URL, with an equal share of the
// time that is left: libpq by itself would look all names up before it returns, and wait for one that is dead until the
// kernel gives up. Which of them will do is libpq's to say (target_session_attrs), and read-write where nothing does.
// One that did not answer in its share, or gave no session, is asked last in the next attempt.
#include "shared/postgres/connect.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/crypto.h"
#include "shared/base/log.h"
#include "shared/postgres/error.h"
#include "shared/postgres/url_part.h"

enum {
    MAX_PARAMETERS = 64, // libpq 15 knows 41
    OWN_PARAMETERS = 10,
};

// So that a server which has lost its power is noticed where nothing is asked of it: within 25 s, not two hours.
static const struct {
    const char *keyword, *value;
} keepalives[] = {{"keepalives_idle", "10"}, {"keepalives_interval", "5"}, {"keepalives_count", "3"}};

struct parameters {
    const char *keywords[MAX_PARAMETERS + OWN_PARAMETERS + 1];
    const char *values[MAX_PARAMETERS + OWN_PARAMETERS + 1];
    size_t count;
};

static const char *part(const struct pg_connect *connect, const char *keyword) {
    return pg_url_part(connect->address, keyword);
}

static void pg_connect_on_ready(void *owner, int status, int events);
static void pg_connect_ask(struct pg_connect *connect);

// Lets go of the server that is being asked.
static void pg_connect_leave(struct pg_connect *connect) {
    deadline_stop(&connect->deadline);
    if (connect->resolve != NULL) {
        resolve_cancel(connect->resolve);
        connect->resolve = NULL;
    }
    pg_socket_unwatch(&connect->socket); // before libpq closes the descriptor
    PQfinish(connect->conn);
    connect->conn = NULL;
}

// The server that is being asked won't do: the next one.
static void pg_connect_fail(struct pg_connect *connect, const char *why) {
    if (connect->whys.length > 0) {
        buf_puts(&connect->whys, "; ");
    }
    buf_puts(&connect->whys, why);
    while (connect->whys.length > 0 && connect->whys.data[connect->whys.length - 1] == '\n') { // libpq's lines end so
        connect->whys.data[--connect->whys.length] = '\0';
    }
    pg_connect_leave(connect);
    if (++connect->asked < connect->to_ask) {
        pg_connect_ask(connect);
    } else {
        connect->on_failed(connect->owner, connect->whys.data);
    }
}

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
    pg_hosts_free(&connect->hosts);
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

// ---- What libpq is given

static bool is_of_one_server(const char *keyword) {
    return strcmp(keyword, "host") == 0 || strcmp(keyword, "hostaddr") == 0 || strcmp(keyword, "port") == 0;
}

static void pg_connect_set(struct parameters *parameters, const char *keyword, const char *value) {
    if (value != NULL) {
        parameters->keywords[parameters->count] = keyword;
        parameters->values[parameters->count++] = value;
    }
}

// What a server must be to do, of several.
static const char *session_attrs(const struct pg_connect *connect) {
    const char *attrs = part(connect, "target_session_attrs");
    const char *fallback = connect->session_attrs != NULL ? connect->session_attrs : "read-write";
    attrs = attrs != NULL ? attrs : getenv("PGTARGETSESSIONATTRS"); // so does libpq
    return attrs != NULL && *attrs != '\0' ? attrs : fallback;
}

static bool prefers_standby(const struct pg_connect *connect) {
    return strcmp(session_attrs(connect), "prefer-standby") == 0;
}

static const char *attrs_now(const struct pg_connect *connect) {
    if (!prefers_standby(connect)) {
        return session_attrs(connect);
    }
    return connect->asked < connect->hosts.count ? "standby" : "any";
}

// address: what the host's name stands for, or NULL where it was not looked up.
static void pg_connect_fill(const struct pg_connect *connect, const char *address, struct parameters *out) {
    const struct pg_host *host = &connect->hosts.list[connect->last];
    bool several = connect->hosts.count > 1;
    const PQconninfoOption *option = connect->address;
    for (; option->keyword != NULL && out->count < MAX_PARAMETERS; option++) {
        if (!several || !is_of_one_server(option->keyword)) {
            pg_connect_set(out, option->keyword, option->val);
        }
    }
    // The later one of two with one keyword counts.
    pg_connect_set(out, "application_name", connect->name);
    pg_connect_set(out, "client_encoding", "UTF8");
    for (size_t i = 0; i < sizeof keepalives / sizeof *keepalives; i++) {
        pg_connect_set(out, keepalives[i].keyword,
                       part(connect, keepalives[i].keyword) == NULL ? keepalives[i].value : NULL);
    }
    if (several) {
        pg_connect_set(out, "host", host->name);
        pg_connect_set(out, "hostaddr", host->address);
        pg_connect_set(out, "port", host->port);
        pg_connect_set(out, "target_session_attrs", attrs_now(connect));
    }
    pg_connect_set(out, "hostaddr", address);
}

static void pg_connect_to(struct pg_connect *connect, const char *address) {
    struct parameters parameters = {.count = 0};
    pg_connect_fill(connect, address, &parameters);
    connect->conn = PQconnectStartParams(parameters.keywords, parameters.values, 0);
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
    char *why = xasprintf("the host %s has no address: %s", connect->hosts.list[connect->last].name, error);
    pg_connect_fail(connect, why);
    free(why);
}

// ---- One server after another

// The next server's share: as much as each of those has that are still to be asked, connect_timeout at most.
static int64_t share_of(const struct pg_connect *connect, int64_t now_ms) {
    const char *own = part(connect, "connect_timeout");
    int64_t share_ms = (connect->until_ms - now_ms) / (int64_t)(connect->to_ask - connect->asked);
    long long own_ms = own != NULL && connect->hosts.count > 1 ? atoll(own) * 1000 : 0;
    return own_ms > 0 && own_ms < share_ms ? own_ms : share_ms;
}

static void pg_connect_ask(struct pg_connect *connect) {
    int64_t now_ms = deadline_now_ms();
    connect->last = (connect->begun_with + connect->asked) % connect->hosts.count;
    connect->share_ms = now_ms + share_of(connect, now_ms);
    const struct pg_host *host = &connect->hosts.list[connect->last];
    deadline_watch(&connect->deadline);
    if (pg_host_needs_lookup(host)) {
        connect->resolve = resolve_start(connect->loop, host->name, connect->attempt, pg_connect_on_resolved, connect);
    } else {
        pg_connect_to(connect, NULL);
    }
}

// Of several, any is as good to begin with as another (load_balance_hosts, which libpq knows from 16 on).
static void pg_connect_balance(struct pg_connect *connect) {
    const char *how = part(connect, "load_balance_hosts");
    if (how != NULL && strcmp(how, "random") == 0 && !connect->is_only) {
        crypto_random(&connect->first, sizeof connect->first);
    }
}

void pg_connect_start(struct pg_connect *connect, unsigned attempt) {
    const char *wrong = pg_hosts_of(connect->address, &connect->hosts);
    if (wrong != NULL) { // pg_url_check has said it
        connect->on_failed(connect->owner, wrong);
        return;
    }
    size_t count = connect->hosts.count;
    connect->attempt = attempt;
    connect->asked = 0;
    connect->to_ask = connect->is_only ? 1 : count > 1 && prefers_standby(connect) ? 2 * count : count;
    connect->until_ms = deadline_now_ms() + connect->timeout_ms;
    buf_clear(&connect->whys);
    pg_connect_balance(connect);
    connect->begun_with = connect->first % count;
    pg_connect_ask(connect);
}

void pg_connect_pass_over(struct pg_connect *connect) {
    if (!connect->is_only) {
        connect->first = connect->last + 1;
    }
}

void pg_connect_cancel(struct pg_connect *connect) {
    pg_connect_leave(connect);
    pg_hosts_free(&connect->hosts);
    buf_free(&connect->whys);
}

static int64_t pg_connect_due_ms(const void *owner) {
    const struct pg_connect *connect = owner;
    return connect->hosts.count > 0 ? connect->share_ms : -1;
}

static void pg_connect_on_late(void *owner) {
    struct pg_connect *connect = owner;
    const struct pg_host *host = &connect->hosts.list[connect->last];
    if (connect->hosts.count == 1) {
        pg_connect_fail(connect, "could not connect in time");
        return;
    }
    pg_connect_pass_over(connect);
    const char *name = host->name != NULL ? host->name : host->address;
    char *why = xasprintf("%s, port %s: could not connect in time", name != NULL ? name : "the default host",
                          host->port != NULL ? host->port : "5432");
    pg_connect_fail(connect, why);
    free(why);
}

void pg_connect_init(uv_loop_t *loop, struct pg_connect *connect) {
    connect->loop = loop;
    connect->deadline = (struct deadline){.due_ms = pg_connect_due_ms, .on_late = pg_connect_on_late, .owner = connect};
    deadline_init(loop, &connect->deadline);
}

void pg_connect_close(struct pg_connect *connect, void *data, uv_close_cb on_closed) {
    deadline_close(&connect->deadline, data, on_closed);
}
