// SPDX-License-Identifier: MIT
//
// The life of a link: waiting -> resolving -> connecting -> setup -> up -> waiting … -> destroyed. change_state is the
// only place that changes it. Any callback of a call may call, reconnect or destroy the link; so the caller of one
// looks at the state again before going on, and memory is freed only after the handles' close callbacks.
#include "shared/redis/link.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/backoff.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/loop/resolve.h"
#include "shared/redis/conn.h"
#include "shared/redis/probe.h"
#include "shared/redis/server.h"
#include "shared/redis/setup.h"
#include "shared/redis/url.h"

enum {
    BACKOFF_BASE_MS = 50,
    BACKOFF_CAP_MS = 2000,
    STEADY_MS = 2000, // an up shorter than this does not restart the backoff
};

enum redis_link_state {
    REDIS_LINK_WAITING, // for the next attempt
    REDIS_LINK_RESOLVING,
    REDIS_LINK_CONNECTING,
    REDIS_LINK_SETUP, // connected; authenticating, loading the library, …
    REDIS_LINK_UP,
    REDIS_LINK_DESTROYED,
};

struct redis_link {
    uv_loop_t *loop;
    struct redis_link_options options; // url is not kept: see `address`
    char *name;
    struct redis_url address;
    enum redis_link_state state;
    struct resolve *resolve; // while RESOLVING
    struct redis_conn *conn; // from CONNECTING to UP
    struct redis_setup setup;
    struct redis_probe probe; // while UP
    struct redis_server server;
    uv_timer_t retry; // while WAITING
    int open_handles;
    unsigned failures;   // in a row: the backoff's attempt, and which of the host's addresses is next
    char *complaint;     // the last trouble that was logged, so that each is logged once; NULL after an up
    char *reconnect_why; // an error reply asked for it: done once what has arrived is handed on; else NULL
    uint64_t connection; // grows with each
    int64_t up_since_ms; // clock_boot_ms
};

static void redis_link_change_state(struct redis_link *link, enum redis_link_state state) {
    link->state = state;
}

static void redis_link_complain(struct redis_link *link, enum log_level level, const char *why) {
    if (link->complaint != NULL && strcmp(link->complaint, why) == 0) {
        return;
    }
    free(link->complaint);
    link->complaint = xstrdup(why);
    struct log_line *line = log_begin(level, "redis_down");
    log_str(line, "link", link->name);
    log_str(line, "host", link->address.host);
    log_int(line, "port", link->address.port);
    log_str(line, "message", why);
    log_end(line);
}

static void redis_link_on_closed(uv_handle_t *handle) {
    struct redis_link *link = handle->data;
    if (--link->open_handles > 0) {
        return;
    }
    redis_url_free(&link->address);
    free(link->name);
    free(link->complaint);
    free(link);
}

static void redis_link_on_retry(uv_timer_t *timer);

static void redis_link_wait_for_retry(struct redis_link *link) {
    int64_t wait_ms = backoff_full_jitter_ms(link->failures, BACKOFF_BASE_MS, BACKOFF_CAP_MS);
    link->failures++;
    uv_timer_start(&link->retry, redis_link_on_retry, (uint64_t)wait_ms, 0);
}

// Lets go of the connection; pending calls get their LOST here.
static void redis_link_let_go(struct redis_link *link, enum redis_link_state next) {
    struct redis_conn *conn = link->conn;
    struct resolve *resolve = link->resolve;
    link->conn = NULL;
    link->resolve = NULL;
    free(link->reconnect_why);
    link->reconnect_why = NULL;
    redis_setup_stop(&link->setup);
    redis_probe_stop(&link->probe);
    redis_link_change_state(link, next);
    if (resolve != NULL) {
        resolve_cancel(resolve);
    }
    if (conn != NULL) {
        redis_conn_drop(conn);
    }
}

static int64_t redis_link_up_ms(const struct redis_link *link) {
    return link->state == REDIS_LINK_UP ? clock_boot_ms() - link->up_since_ms : 0;
}

// Logs `why` unless it was the last thing logged, drops the connection, and tries again after a backoff.
static void redis_link_fail(struct redis_link *link, const char *why) {
    bool was_up = link->state == REDIS_LINK_UP;
    if (link->state == REDIS_LINK_WAITING || link->state == REDIS_LINK_DESTROYED) {
        return;
    }
    redis_link_complain(link, LOG_WARN, why);
    if (was_up && redis_link_up_ms(link) >= STEADY_MS) {
        link->failures = 0;
    }
    redis_link_let_go(link, REDIS_LINK_WAITING);
    if (was_up && link->state == REDIS_LINK_WAITING && link->options.on_down != NULL) {
        link->options.on_down(link->options.argument);
    }
    if (link->state == REDIS_LINK_WAITING) {
        redis_link_wait_for_retry(link);
    }
}

// These say that this connection, or this server, will not do for now.
static bool asks_for_reconnect(const char *error) {
    static const char *const codes[] = {"READONLY", "UNBLOCKED", "LOADING", "MASTERDOWN", "NOREPLICAS"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        size_t length = strlen(codes[i]);
        if (strncmp(error, codes[i], length) == 0 && (error[length] == ' ' || error[length] == '\0')) {
            return true;
        }
    }
    return false;
}

static enum redis_result classify(struct redis_link *link, const redisReply *reply) {
    if (reply->type != REDIS_REPLY_ERROR) {
        return REDIS_LINK_OK;
    }
    if (strncmp(reply->str, "ERR Function not found", 22) == 0) {
        redis_setup_load_library(&link->setup);
        return REDIS_LINK_NO_LIBRARY;
    }
    return REDIS_LINK_ERROR;
}

static void redis_link_on_later(uv_timer_t *timer) {
    struct redis_link *link = timer->data;
    if (link->reconnect_why != NULL) {
        redis_link_reconnect(link, link->reconnect_why);
    }
}

// Not at once: the replies behind this one may have arrived with it, and would be lost. `retry` is idle now.
static void redis_link_fail_soon(struct redis_link *link, const char *why) {
    if (link->state == REDIS_LINK_UP && link->reconnect_why == NULL) {
        link->reconnect_why = xstrdup(why);
        uv_timer_start(&link->retry, redis_link_on_later, 0, 0);
    }
}

static void redis_link_on_trouble(void *owner, const char *why) {
    redis_link_fail_soon(owner, why);
}

static void redis_link_on_reply(void *owner, redis_link_reply done, void *argument, const redisReply *reply) {
    struct redis_link *link = owner;
    bool reconnect = reply->type == REDIS_REPLY_ERROR && asks_for_reconnect(reply->str);
    enum redis_result result = classify(link, reply);
    if (reconnect) {
        redis_link_fail_soon(link, reply->str);
    }
    if (done) {
        done(argument, result, reply);
    }
}

static void redis_link_on_connected(void *owner) {
    struct redis_link *link = owner;
    redis_link_change_state(link, REDIS_LINK_SETUP);
    redis_setup_start(&link->setup, link->conn);
}

static void redis_link_on_failed(void *owner, const char *why) {
    redis_link_fail(owner, why);
}

static void redis_link_connect_to(struct redis_link *link, const char *address) {
    static const struct redis_conn_events events = {redis_link_on_connected, redis_link_on_reply, redis_link_on_failed};
    const char *error = NULL;
    redis_link_change_state(link, REDIS_LINK_CONNECTING);
    link->conn =
        redis_conn_open(link->loop, address, link->address.port, link->options.timeout_ms, &events, link, &error);
    if (link->conn == NULL) {
        redis_link_fail(link, error);
    }
}

static void redis_link_on_resolved(void *argument, const char *address, const char *error) {
    struct redis_link *link = argument;
    link->resolve = NULL;
    uv_timer_stop(&link->retry);
    if (address != NULL) {
        redis_link_connect_to(link, address);
    } else {
        redis_link_fail(link, error);
    }
}

static void redis_link_on_resolve_timeout(uv_timer_t *timer) {
    redis_link_fail(timer->data, "the name could not be looked up in time");
}

static bool is_numeric(const char *host) {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    return uv_ip4_addr(host, 0, &v4) == 0 || uv_ip6_addr(host, 0, &v6) == 0;
}

static void redis_link_on_retry(uv_timer_t *timer) {
    struct redis_link *link = timer->data;
    if (is_numeric(link->address.host)) {
        redis_link_connect_to(link, link->address.host);
        return;
    }
    redis_link_change_state(link, REDIS_LINK_RESOLVING);
    link->resolve = resolve_start(link->loop, link->address.host, link->failures, redis_link_on_resolved, link);
    uv_timer_start(&link->retry, redis_link_on_resolve_timeout, (uint64_t)link->options.timeout_ms, 0);
}

static void redis_link_on_ready(void *owner) {
    struct redis_link *link = owner;
    redis_link_change_state(link, REDIS_LINK_UP);
    link->connection++;
    link->up_since_ms = clock_boot_ms();
    free(link->complaint);
    link->complaint = NULL;
    redis_probe_start(&link->probe, link->conn);
    struct log_line *line = log_begin(LOG_INFO, "redis_up");
    log_str(line, "link", link->name);
    log_str(line, "host", link->address.host);
    log_int(line, "port", link->address.port);
    log_end(line);
    if (link->options.on_up != NULL) {
        link->options.on_up(link->options.argument);
    }
}

struct redis_link *redis_link_create(uv_loop_t *loop, const struct redis_link_options *options) {
    struct redis_link *link = xcalloc(1, sizeof *link);
    link->loop = loop;
    link->options = *options;
    link->options.url = NULL;
    link->options.name = NULL;
    link->name = xstrdup(options->name != NULL ? options->name : "");
    redis_server_begin(&link->server);
    link->setup = (struct redis_setup){.address = &link->address,
                                       .name = link->name,
                                       .server = &link->server,
                                       .on_ready = redis_link_on_ready,
                                       .on_failed = redis_link_on_failed,
                                       .owner = link};
    link->probe = (struct redis_probe){.server = &link->server, .on_trouble = redis_link_on_trouble, .owner = link};
    redis_probe_init(loop, &link->probe);
    link->retry.data = link;
    uv_timer_init(loop, &link->retry);
    link->open_handles = 2;
    const char *error = redis_url_parse(options->url, &link->address);
    if (error != NULL) { // redis_url_check at start was skipped: say it, and stay down
        redis_link_complain(link, LOG_ERROR, error);
    } else {
        uv_timer_start(&link->retry, redis_link_on_retry, 0, 0); // the first attempt begins in the loop, as every other
    }
    return link;
}

void redis_link_destroy(struct redis_link *link) {
    if (link->state == REDIS_LINK_DESTROYED) {
        return;
    }
    redis_link_let_go(link, REDIS_LINK_DESTROYED);
    uv_close((uv_handle_t *)&link->retry, redis_link_on_closed);
    redis_probe_close(&link->probe, link, redis_link_on_closed);
}

bool redis_link_is_up(const struct redis_link *link) {
    return link->state == REDIS_LINK_UP;
}

const char *redis_link_trouble(const struct redis_link *link) {
    return link->state == REDIS_LINK_UP ? NULL : link->complaint;
}

uint64_t redis_link_connection(const struct redis_link *link) {
    return link->connection;
}

int64_t redis_link_steady_ms(const struct redis_link *link) {
    int64_t up_ms = redis_link_up_ms(link), steady_ms = clock_boot_ms() - link->server.clock_set_ms;
    return up_ms < steady_ms ? up_ms : steady_ms;
}

int64_t redis_link_now_ms(const struct redis_link *link) {
    return (clock_monotonic_us() + link->server.clock_offset_us) / 1000;
}

void redis_link_doubt_time(struct redis_link *link) {
    if (link->state == REDIS_LINK_UP) {
        redis_probe_time(&link->probe);
    }
}

const char *redis_link_server(const struct redis_link *link) {
    return link->server.run_id;
}

const char *redis_link_server_mark(const struct redis_link *link) {
    return link->server.run_id[0] != '\0' ? link->server.run_id : "-";
}

bool redis_link_takes_all_slots(const struct redis_link *link) {
    return link->server.takes_all_slots;
}

int redis_link_memory_pct(const struct redis_link *link) {
    return link->server.memory_pct;
}

int64_t redis_link_memory_max(const struct redis_link *link) {
    return link->server.memory_max;
}

int redis_link_call(struct redis_link *link, redis_link_reply done, void *argument, int argc, const char **argv,
                    const size_t *lengths) {
    return redis_link_call_blocking(link, 0, done, argument, argc, argv, lengths);
}

int redis_link_call_blocking(struct redis_link *link, int64_t block_ms, redis_link_reply done, void *argument, int argc,
                             const char **argv, const size_t *lengths) {
    if (link->state != REDIS_LINK_UP) {
        return -1;
    }
    redis_conn_send(link->conn, block_ms, done, argument, argc, argv, lengths);
    return 0;
}

void redis_link_reconnect(struct redis_link *link, const char *why) {
    redis_link_fail(link, why);
}
