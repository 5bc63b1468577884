// SPDX-License-Identifier: MIT
//
// A round of questions is one pipeline: SENTINEL MASTER for the epoch, then GET-MASTER-ADDR-BY-NAME for the address,
// then SUBSCRIBE. MASTER's own address won't do: the Sentinel that leads a fail-over has the new epoch in it already
// while the address is still the old one. In this order the address is never older than the epoch.
//
// Where a client has subscribed, RESP2 allows no questions, and hiredis 0.14 knows nothing newer: so a round begins
// with UNSUBSCRIBE. A Sentinel does nothing else between the commands of one pipeline; and should a switch fall between
// them all the same, the next round tells.
//
// Rejected: a second connection for the messages; it would be one more for each link and Sentinel.
#include "shared/redis/sentinel.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/backoff.h"
#include "shared/base/buf.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/loop/resolve.h"
#include "shared/redis/conn.h"
#include "shared/redis/reply.h"

enum {
    ASK_MS = 1000,
    BACKOFF_BASE_MS = 50,
    BACKOFF_CAP_MS = 2000,
    NAMES_SHOWN = 8, // of the masters that it knows
};

#define CHANNEL "+switch-master"

// What a round has brought.
struct round {
    struct redis_sentinel_answer answer; // epoch -1: none
    bool unknown;                        // it knows no such master
    struct buf names;                    // those that it knows, quoted
    char *error;                         // the first one; NULL: none
};

struct redis_sentinel {
    uv_loop_t *loop;
    struct redis_sentinel_options options;
    uv_timer_t timer; // until the next attempt; while resolving: how long that may take; connected: the next round
    struct resolve *resolve;
    struct redis_conn *conn;
    unsigned failures; // in a row: the backoff's attempt, and which of the host's addresses is next
    bool connected, asking, subscribed;
    bool locked, unlocked; // it wants to know who asks; it was told
    bool lost;             // it doesn't know the master: it is asked which it does
    struct round round;
    struct redis_sentinel_answer answer;
    char *trouble;
    bool has_complained; // the trouble was logged
};

static const struct redis_host *sentinel_host(const struct redis_sentinel *sentinel) {
    return &sentinel->options.endpoint->url.hosts[sentinel->options.number];
}

static void sentinel_clear_round(struct round *round) {
    free(round->answer.host);
    free(round->error);
    buf_free(&round->names);
    *round = (struct round){.answer.epoch = -1};
}

static void sentinel_log(const struct redis_sentinel *sentinel, enum log_level level, const char *event,
                         const char *why) {
    if (sentinel->options.link == NULL) {
        return;
    }
    struct log_line *line = log_begin(level, event);
    log_str(line, "link", sentinel->options.link);
    log_str(line, "host", sentinel_host(sentinel)->host);
    log_int(line, "port", sentinel_host(sentinel)->port);
    log_str(line, "message", why);
    log_end(line);
}

// ---- What it answers, or why it doesn't

// Once, until it answers again: what it says may change with each attempt.
static void sentinel_complain(struct redis_sentinel *sentinel) {
    if (!sentinel->has_complained) {
        sentinel->has_complained = true;
        sentinel_log(sentinel, LOG_WARN, "sentinel_down", sentinel->trouble);
    }
}

static void sentinel_stop_complaining(struct redis_sentinel *sentinel) {
    if (sentinel->has_complained) {
        sentinel->has_complained = false;
        sentinel_log(sentinel, LOG_INFO, "sentinel_up", NULL);
    }
}

// Takes ownership of trouble. The last thing that its caller does.
static void sentinel_has_no_answer(struct redis_sentinel *sentinel, char *trouble) {
    free(sentinel->answer.host);
    sentinel->answer.host = NULL;
    free(sentinel->trouble);
    sentinel->trouble = trouble;
    sentinel_complain(sentinel);
    sentinel->options.on_change(sentinel->options.owner);
}

static bool sentinel_says_the_same(const struct redis_sentinel_answer *one, const struct redis_sentinel_answer *other) {
    return one->host != NULL && strcmp(one->host, other->host) == 0 && one->port == other->port &&
           one->epoch == other->epoch;
}

// The last thing that its caller does.
static void sentinel_has_answer(struct redis_sentinel *sentinel) {
    bool same = sentinel_says_the_same(&sentinel->answer, &sentinel->round.answer);
    free(sentinel->answer.host);
    sentinel->answer = sentinel->round.answer;
    sentinel->round.answer.host = NULL;
    free(sentinel->trouble);
    sentinel->trouble = NULL;
    sentinel->failures = 0;
    sentinel_stop_complaining(sentinel);
    if (!same) {
        sentinel->options.on_change(sentinel->options.owner);
    }
}

// ---- The connection

static void sentinel_on_retry(uv_timer_t *timer);
static void sentinel_start_round(struct redis_sentinel *sentinel);

static void sentinel_let_go(struct redis_sentinel *sentinel) {
    struct redis_conn *conn = sentinel->conn;
    struct resolve *resolve = sentinel->resolve;
    sentinel->conn = NULL;
    sentinel->resolve = NULL;
    sentinel->connected = sentinel->asking = sentinel->subscribed = false;
    sentinel->locked = sentinel->unlocked = sentinel->lost = false;
    uv_timer_stop(&sentinel->timer);
    if (resolve != NULL) {
        resolve_cancel(resolve);
    }
    if (conn != NULL) {
        redis_conn_drop(conn);
    }
}

// Takes ownership of trouble. The last thing that its caller does.
static void sentinel_fail(struct redis_sentinel *sentinel, char *trouble) {
    sentinel_let_go(sentinel);
    int64_t wait_ms = backoff_full_jitter_ms(sentinel->failures++, BACKOFF_BASE_MS, BACKOFF_CAP_MS);
    uv_timer_start(&sentinel->timer, sentinel_on_retry, (uint64_t)wait_ms, 0);
    sentinel_has_no_answer(sentinel, trouble);
}

static void sentinel_on_broken(void *owner, const char *why) {
    sentinel_fail(owner, xasprintf("can't be asked: %s", why));
}

static void sentinel_on_connected(void *owner) {
    struct redis_sentinel *sentinel = owner;
    sentinel->connected = true;
    sentinel_start_round(sentinel);
}

static void sentinel_on_reply(void *owner, redis_link_reply done, void *argument, const redisReply *reply) {
    (void)owner;
    if (done != NULL) {
        done(argument, reply->type == REDIS_REPLY_ERROR ? REDIS_LINK_ERROR : REDIS_LINK_OK, reply);
    }
}

// Whatever is said of whichever master: it is asked.
static bool sentinel_on_push(void *owner, const redisReply *reply) {
    if (strcmp(redis_reply_text(reply, 0, ""), "message") != 0) {
        return false;
    }
    redis_sentinel_ask(owner);
    return true;
}

static void sentinel_connect_to(struct redis_sentinel *sentinel, const char *address) {
    static const struct redis_conn_events events = {.on_connected = sentinel_on_connected,
                                                    .on_reply = sentinel_on_reply,
                                                    .on_push = sentinel_on_push,
                                                    .on_broken = sentinel_on_broken};
    const struct redis_conn_options options = {.address = address,
                                               .port = sentinel_host(sentinel)->port,
                                               .timeout_ms = sentinel->options.timeout_ms,
                                               .tls = sentinel->options.endpoint->tls,
                                               .host = sentinel_host(sentinel)->host};
    const char *error = NULL;
    sentinel->conn = redis_conn_open(sentinel->loop, &options, &events, sentinel, &error);
    if (sentinel->conn == NULL) {
        sentinel_on_broken(sentinel, error);
    }
}

static void sentinel_on_resolved(void *argument, const char *address, const char *error) {
    struct redis_sentinel *sentinel = argument;
    sentinel->resolve = NULL;
    uv_timer_stop(&sentinel->timer);
    if (address != NULL) {
        sentinel_connect_to(sentinel, address);
    } else {
        sentinel_on_broken(sentinel, error);
    }
}

static void sentinel_on_resolve_timeout(uv_timer_t *timer) {
    sentinel_on_broken(timer->data, "its name could not be looked up in time");
}

static void sentinel_on_retry(uv_timer_t *timer) {
    struct redis_sentinel *sentinel = timer->data;
    const char *host = sentinel_host(sentinel)->host;
    if (resolve_is_numeric(host)) {
        sentinel_connect_to(sentinel, host);
        return;
    }
    sentinel->resolve = resolve_start(sentinel->loop, host, sentinel->failures, sentinel_on_resolved, sentinel);
    uv_timer_start(timer, sentinel_on_resolve_timeout, (uint64_t)sentinel->options.timeout_ms, 0);
}

// ---- A round of questions

static void sentinel_on_round_due(uv_timer_t *timer) {
    redis_sentinel_ask(timer->data);
}

static void sentinel_note_error(struct redis_sentinel *sentinel, const redisReply *reply) {
    if (sentinel->round.error == NULL) {
        sentinel->round.error = xstrndup(reply->str, strcspn(reply->str, ","));
    }
}

static void sentinel_on_epoch(void *argument, enum redis_result result, const redisReply *reply) {
    struct redis_sentinel *sentinel = argument;
    if (result == REDIS_LINK_OK) {
        sentinel->round.answer.epoch = strtoll(redis_reply_field(reply, "config-epoch", "-1"), NULL, 10);
    } else if (result == REDIS_LINK_ERROR) {
        sentinel_note_error(sentinel, reply);
    }
}

static void sentinel_on_address(void *argument, enum redis_result result, const redisReply *reply) {
    struct redis_sentinel *sentinel = argument;
    struct round *round = &sentinel->round;
    if (result == REDIS_LINK_ERROR) {
        sentinel_note_error(sentinel, reply);
    }
    if (result != REDIS_LINK_OK) {
        return;
    }
    const char *host = redis_reply_text(reply, 0, "");
    int64_t port = redis_reply_number(reply, 1, 0);
    round->unknown = reply->type == REDIS_REPLY_NIL;
    if (host[0] != '\0' && port > 0 && port <= UINT16_MAX) {
        round->answer.host = xstrdup(host);
        round->answer.port = (uint16_t)port;
    }
}

static void sentinel_on_names(void *argument, enum redis_result result, const redisReply *reply) {
    struct redis_sentinel *sentinel = argument;
    size_t count = result == REDIS_LINK_OK && reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
    struct buf *names = &sentinel->round.names;
    for (size_t i = 0; i < count && i < NAMES_SHOWN; i++) {
        const char *name = redis_reply_field(reply->element[i], "name", "?");
        buf_printf(names, "%s'%s'", i == 0 ? "" : ", ", name);
    }
    if (count > NAMES_SHOWN) {
        buf_puts(names, ", …");
    }
}

static bool sentinel_is_refused(const struct round *round) {
    return round->error != NULL &&
           (strncmp(round->error, "NOAUTH", 6) == 0 || strncmp(round->error, "NOPERM", 6) == 0 ||
            strncmp(round->error, "WRONGPASS", 9) == 0);
}

// It is told no password before it asks for one.
static void sentinel_unlock(struct redis_sentinel *sentinel) {
    if (sentinel->options.endpoint->url.password == NULL) {
        sentinel_fail(sentinel, xstrdup("asks for a password: put it into REDIS_URL (redis+sentinel://:password@…)"));
    } else if (sentinel->unlocked) {
        sentinel_fail(sentinel,
                      xasprintf("refuses the user or password in REDIS_URL, which must be right for Redis and "
                                "its Sentinels alike: %.*s",
                                (int)strcspn(sentinel->round.error, " "), sentinel->round.error));
    } else {
        sentinel->locked = true;
        sentinel_start_round(sentinel);
    }
}

static void sentinel_end_round(struct redis_sentinel *sentinel) {
    const struct round *round = &sentinel->round;
    sentinel->asking = false;
    uv_timer_start(&sentinel->timer, sentinel_on_round_due, ASK_MS, 0);
    if (sentinel_is_refused(round)) {
        sentinel_unlock(sentinel);
    } else if (round->unknown && !sentinel->lost) {
        sentinel->lost = true;
        sentinel_start_round(sentinel);
    } else if (round->unknown) {
        sentinel_has_no_answer(sentinel, round->names.length > 0 ? xasprintf("knows only %s", round->names.data)
                                                                 : xstrdup("knows no master"));
    } else if (round->answer.host != NULL && round->answer.epoch >= 0) {
        sentinel->lost = false;
        sentinel_has_answer(sentinel);
    } else {
        sentinel_fail(sentinel, xasprintf("doesn't answer as a Sentinel: %s",
                                          round->error != NULL ? round->error : "an unexpected reply"));
    }
}

// Who may ask but not listen asks every second all the same.
static void sentinel_on_subscribed(void *argument, enum redis_result result, const redisReply *reply) {
    struct redis_sentinel *sentinel = argument;
    (void)reply;
    if (result != REDIS_LINK_LOST) {
        sentinel->subscribed = result == REDIS_LINK_OK;
        sentinel_end_round(sentinel);
    }
}

static void sentinel_on_auth(void *argument, enum redis_result result, const redisReply *reply) {
    if (result == REDIS_LINK_ERROR) {
        sentinel_note_error(argument, reply);
    }
}

static void sentinel_send(struct redis_sentinel *sentinel, redis_link_reply done, int argc, const char **argv) {
    redis_conn_send(sentinel->conn, 0, done, sentinel, argc, argv, NULL);
}

static void sentinel_send_auth(struct redis_sentinel *sentinel) {
    const struct redis_url *url = &sentinel->options.endpoint->url;
    const char *by_password[] = {"AUTH", url->password}, *by_user[] = {"AUTH", url->user, url->password};
    if (url->user != NULL) {
        sentinel_send(sentinel, sentinel_on_auth, 3, by_user);
    } else {
        sentinel_send(sentinel, sentinel_on_auth, 2, by_password);
    }
}

static void sentinel_start_round(struct redis_sentinel *sentinel) {
    const char *name = sentinel->options.endpoint->url.master;
    const char *unsubscribe[] = {"UNSUBSCRIBE", CHANNEL}, *subscribe[] = {"SUBSCRIBE", CHANNEL};
    const char *master[] = {"SENTINEL", "MASTER", name}, *names[] = {"SENTINEL", "MASTERS"};
    const char *address[] = {"SENTINEL", "GET-MASTER-ADDR-BY-NAME", name};
    sentinel->asking = true;
    sentinel_clear_round(&sentinel->round);
    if (sentinel->subscribed) {
        sentinel_send(sentinel, NULL, 2, unsubscribe);
        sentinel->subscribed = false;
    }
    if (sentinel->locked && !sentinel->unlocked) {
        sentinel_send_auth(sentinel);
        sentinel->unlocked = true;
    }
    sentinel_send(sentinel, sentinel_on_epoch, 3, master);
    sentinel_send(sentinel, sentinel_on_address, 3, address);
    if (sentinel->lost) {
        sentinel_send(sentinel, sentinel_on_names, 2, names);
    }
    sentinel_send(sentinel, sentinel_on_subscribed, 2, subscribe);
}

void redis_sentinel_ask(struct redis_sentinel *sentinel) {
    if (sentinel->connected && !sentinel->asking) {
        sentinel_start_round(sentinel);
    }
}

// ---- Life

struct redis_sentinel *redis_sentinel_create(uv_loop_t *loop, const struct redis_sentinel_options *options) {
    struct redis_sentinel *sentinel = xcalloc(1, sizeof *sentinel);
    sentinel->loop = loop;
    sentinel->options = *options;
    sentinel->timer.data = sentinel;
    uv_timer_init(loop, &sentinel->timer);
    uv_timer_start(&sentinel->timer, sentinel_on_retry, 0, 0);
    return sentinel;
}

static void sentinel_on_closed(uv_handle_t *handle) {
    struct redis_sentinel *sentinel = handle->data;
    sentinel_clear_round(&sentinel->round);
    free(sentinel->answer.host);
    free(sentinel->trouble);
    free(sentinel);
}

void redis_sentinel_destroy(struct redis_sentinel *sentinel) {
    sentinel_let_go(sentinel);
    uv_close((uv_handle_t *)&sentinel->timer, sentinel_on_closed);
}

void redis_sentinel_use(struct redis_sentinel *sentinel, const struct redis_endpoint *endpoint) {
    sentinel->options.endpoint = endpoint;
}

const struct redis_sentinel_answer *redis_sentinel_answer(const struct redis_sentinel *sentinel) {
    return sentinel->answer.host != NULL ? &sentinel->answer : NULL;
}

const char *redis_sentinel_trouble(const struct redis_sentinel *sentinel) {
    return sentinel->trouble;
}
