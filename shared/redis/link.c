// SPDX-License-Identifier: MIT
//
// The life of a link: waiting -> resolving -> connecting -> setup -> up -> waiting … -> destroyed. change_state is the
// only place that changes it. Any callback of a call may call, reconnect or destroy the link; so the caller of one
// looks at the state again before going on, and memory is freed only after the handles' close callbacks.
//
// Where REDIS_URL lists Sentinels, an attempt goes to the master that they have named by then; until they have named
// one the link is `asking`. Another one that they name is gone to at once, whatever the link does. The last one that
// was named is gone to even when none of them answers any more: it is the master until they say otherwise.
#include "shared/redis/link.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/backoff.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/loop/resolve.h"
#include "shared/redis/conn.h"
#include "shared/redis/probe.h"
#include "shared/redis/sentinels.h"
#include "shared/redis/server.h"
#include "shared/redis/setup.h"
#include "shared/redis/target.h"

enum {
    BACKOFF_BASE_MS = 50,
    BACKOFF_CAP_MS = 2000,
    LOOK_MS = 1000,
    STEADY_MS = 2000, // an up shorter than this does not restart the backoff
};

enum redis_link_state {
    REDIS_LINK_WAITING, // for the next attempt
    REDIS_LINK_ASKING,  // for the first word of the Sentinels
    REDIS_LINK_RESOLVING,
    REDIS_LINK_CONNECTING,
    REDIS_LINK_SETUP, // connected; authenticating, loading the library, …
    REDIS_LINK_UP,
    REDIS_LINK_DESTROYED,
};

struct redis_link {
    uv_loop_t *loop;
    struct redis_link_options options;
    char *name;
    const struct redis_endpoint *endpoint; // what the last attempt took
    struct redis_sentinels *sentinels;     // NULL: the endpoint lists none
    struct redis_host master;              // the one that they named, as of the last attempt; host NULL: none
    struct tls_memory memory;
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

static const struct redis_host *redis_link_host(const struct redis_link *link) {
    return link->sentinels != NULL ? &link->master : &link->endpoint->url.hosts[0];
}

static void redis_link_log(const struct redis_link *link, enum log_level level, const char *event, const char *why) {
    const struct redis_host *at = redis_link_host(link);
    if (link->options.quiet) {
        return;
    }
    struct log_line *line = log_begin(level, event);
    log_str(line, "link", link->name);
    log_str(line, "master", link->endpoint->url.master);
    if (at->host != NULL) {
        log_str(line, "host", at->host);
        log_int(line, "port", at->port);
    }
    log_str(line, "tls", why == NULL ? redis_conn_tls(link->conn) : NULL);
    log_str(line, "message", why);
    log_end(line);
}

static void redis_link_complain(struct redis_link *link, enum log_level level, const char *why) {
    if (link->complaint != NULL && strcmp(link->complaint, why) == 0) {
        return;
    }
    free(link->complaint);
    link->complaint = xstrdup(why);
    redis_link_log(link, level, "redis_down", why);
}

static void redis_link_on_closed(uv_handle_t *handle) {
    struct redis_link *link = handle->data;
    if (--link->open_handles > 0) {
        return;
    }
    redis_endpoint_release(link->endpoint);
    free(link->master.host);
    tls_memory_clear(&link->memory);
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

// Logs `why` unless it was the last thing logged, and drops the connection. Whoever is told may destroy the link.
static void redis_link_come_down(struct redis_link *link, const char *why) {
    bool was_up = link->state == REDIS_LINK_UP;
    redis_link_complain(link, LOG_WARN, why);
    if (was_up && redis_link_up_ms(link) >= STEADY_MS) {
        link->failures = 0;
    }
    redis_link_let_go(link, REDIS_LINK_WAITING);
    if (was_up && link->state == REDIS_LINK_WAITING && link->options.on_down != NULL) {
        link->options.on_down(link->options.argument);
    }
}

// Comes down, and tries again after a backoff.
static void redis_link_fail(struct redis_link *link, const char *why) {
    if (link->state == REDIS_LINK_WAITING || link->state == REDIS_LINK_DESTROYED) {
        return;
    }
    redis_link_come_down(link, why);
    if (link->state == REDIS_LINK_WAITING) {
        redis_link_wait_for_retry(link);
        if (link->sentinels != NULL) {
            redis_sentinels_ask(link->sentinels);
        }
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
    static const struct redis_conn_events events = {
        .on_connected = redis_link_on_connected, .on_reply = redis_link_on_reply, .on_broken = redis_link_on_failed};
    const struct redis_conn_options options = {.address = address,
                                               .port = redis_link_host(link)->port,
                                               .timeout_ms = link->options.timeout_ms,
                                               .tls = link->endpoint->tls,
                                               .host = redis_link_host(link)->host,
                                               .announced = link->sentinels != NULL,
                                               .memory = &link->memory};
    const char *error = NULL;
    redis_link_change_state(link, REDIS_LINK_CONNECTING);
    link->conn = redis_conn_open(link->loop, &options, &events, link, &error);
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

// ---- The Sentinels

// Another master was named: what leads to the one before it gets nothing more, and the new one is gone to without
// delay.
static void redis_link_on_master(void *owner) {
    struct redis_link *link = owner;
    uint16_t port;
    const char *host = redis_sentinels_master(link->sentinels, &port);
    if (link->state != REDIS_LINK_WAITING && link->state != REDIS_LINK_ASKING) {
        char *why = xasprintf("the Sentinels name another master: %s port %u", host, port);
        redis_link_come_down(link, why);
        free(why);
    }
    if (link->state == REDIS_LINK_WAITING || link->state == REDIS_LINK_ASKING) {
        link->failures = 0;
        uv_timer_start(&link->retry, redis_link_on_retry, 0, 0);
    }
}

static void redis_link_on_no_master(void *owner, const char *why) {
    redis_link_complain(owner, LOG_WARN, why);
}

static void redis_link_forget_sentinels(struct redis_link *link) {
    if (link->sentinels != NULL) {
        redis_sentinels_destroy(link->sentinels);
        link->sentinels = NULL;
    }
}

// They stay, with what they have said, as long as the endpoint lists the same ones.
static void redis_link_take_sentinels(struct redis_link *link, const struct redis_endpoint *before) {
    const struct redis_url *url = &link->endpoint->url;
    if (link->sentinels != NULL && redis_url_has_same_hosts(&before->url, url)) {
        redis_sentinels_use(link->sentinels, link->endpoint);
        return;
    }
    redis_link_forget_sentinels(link);
    if (url->master != NULL) {
        link->sentinels = redis_sentinels_create(
            link->loop, &(struct redis_sentinels_options){.endpoint = link->endpoint,
                                                          .link = link->options.quiet ? NULL : link->name,
                                                          .timeout_ms = link->options.timeout_ms,
                                                          .on_master = redis_link_on_master,
                                                          .on_trouble = redis_link_on_no_master,
                                                          .owner = link});
    }
}

static void redis_link_take_master(struct redis_link *link) {
    const char *host = redis_sentinels_master(link->sentinels, &link->master.port);
    free(link->master.host);
    link->master.host = host != NULL ? xstrdup(host) : NULL;
}

// ---- An attempt

// The reference becomes the link's.
static void redis_link_use_endpoint(struct redis_link *link, const struct redis_endpoint *endpoint) {
    const struct redis_endpoint *before = link->endpoint;
    if (endpoint == before) {
        redis_endpoint_release(endpoint);
        return;
    }
    link->endpoint = endpoint;
    link->setup.address = &link->endpoint->url;
    link->probe.announced = link->endpoint->url.master != NULL;
    redis_link_take_sentinels(link, before);
    redis_endpoint_release(before);
}

static bool redis_link_leads_elsewhere(const struct redis_url *before, const struct redis_url *now) {
    return !redis_url_has_same_hosts(before, now) || before->database != now->database;
}

// Up, once a second: the target may have changed. Where it leads to the same place the connection goes on, under the
// credentials that are new; new certificates are for the next one.
static void redis_link_on_look(void *owner) {
    struct redis_link *link = owner;
    if (redis_target_version(link->options.target) == link->endpoint->version) {
        return;
    }
    const struct redis_endpoint *now = redis_target_take(link->options.target);
    if (redis_link_leads_elsewhere(&link->endpoint->url, &now->url)) {
        redis_endpoint_release(now); // the next attempt takes it
        redis_link_fail(link, "REDIS_URL leads elsewhere now");
        return;
    }
    bool same_user = redis_url_has_same_credentials(&link->endpoint->url, &now->url);
    redis_link_use_endpoint(link, now);
    if (!same_user) {
        redis_setup_authenticate(&link->setup);
    }
}

static void redis_link_on_retry(uv_timer_t *timer) {
    struct redis_link *link = timer->data;
    redis_link_use_endpoint(link, redis_target_take(link->options.target));
    if (link->sentinels != NULL) {
        redis_link_take_master(link);
    }
    const char *host = redis_link_host(link)->host;
    if (host == NULL) {
        redis_link_change_state(link, REDIS_LINK_ASKING);
        uv_timer_start(&link->retry, redis_link_on_retry, LOOK_MS, 0); // the target may list others by then
        return;
    }
    if (resolve_is_numeric(host)) {
        redis_link_connect_to(link, host);
        return;
    }
    redis_link_change_state(link, REDIS_LINK_RESOLVING);
    link->resolve = resolve_start(link->loop, host, link->failures, redis_link_on_resolved, link);
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
    redis_link_log(link, LOG_INFO, "redis_up", NULL);
    if (link->options.on_up != NULL) {
        link->options.on_up(link->options.argument);
    }
}

struct redis_link *redis_link_create(uv_loop_t *loop, const struct redis_link_options *options) {
    struct redis_link *link = xcalloc(1, sizeof *link);
    link->loop = loop;
    link->options = *options;
    link->options.name = NULL;
    link->name = xstrdup(options->name != NULL ? options->name : "");
    redis_server_begin(&link->server);
    link->setup = (struct redis_setup){.name = link->name,
                                       .server = &link->server,
                                       .on_ready = redis_link_on_ready,
                                       .on_failed = redis_link_on_failed,
                                       .owner = link};
    link->probe = (struct redis_probe){
        .server = &link->server, .on_trouble = redis_link_on_trouble, .on_look = redis_link_on_look, .owner = link};
    redis_probe_init(loop, &link->probe);
    link->retry.data = link;
    uv_timer_init(loop, &link->retry);
    link->open_handles = 2;
    uv_timer_start(&link->retry, redis_link_on_retry, 0, 0); // the first attempt begins in the loop, as every other
    return link;
}

void redis_link_destroy(struct redis_link *link) {
    if (link->state == REDIS_LINK_DESTROYED) {
        return;
    }
    redis_link_let_go(link, REDIS_LINK_DESTROYED);
    redis_link_forget_sentinels(link);
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
