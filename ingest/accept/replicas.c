// SPDX-License-Identifier: MIT
//
// The problem: WAIT blocks its connection until so many replicas have what was written over it before, or for as long
// as it may last. A connection that also brings everything else stands still meanwhile, and where a replica is away
// each WAIT lasts as long as it may: one behind the other, for ever longer.
//
// The choice: a connection of its own, and one WAIT at a time. Before each WAIT a small write goes over that
// connection; Redis makes it after everything that it has answered by then, so that a WAIT for it vouches for all that.
// What is accepted while one is under way is held for the next. Once a WAIT has failed, whatever is held gets its 503,
// and nothing more is accepted until one has succeeded: it is tried again, without anybody waiting for it.
//
// That holds for one and the same server. After a fail-over the two connections may have led to two: so their servers'
// run ids are compared, and what was accepted over a connection that is gone is not vouched for.
//
// Rejected: to hold the calls back while a WAIT of their own connection is under way. That takes no second connection,
// but each send then waits for two WAITs, and all other traffic needs a second connection after all.
#include "ingest/accept/replicas.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/accept/acceptance.h"
#include "ingest/accept/undecided.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "ingest/watch/readiness.h"
#include "shared/base/clock.h"
#include "shared/base/decimal.h"
#include "shared/base/log.h"
#include "shared/redis/link.h"
#include "shared/settings/settings.h"

enum {
    LOOK_MS = 250, // how often it is looked whether a WAIT is due that nobody waits for
    LOOKS_WHILE_MET = 4,
    RETRY_SECS = 1,
    ANSWER_MS = 2000, // whatever happens, a send is answered within that; REDIS_TIMEOUT_MS is less
};

#define MARK "rate:{replicas}:mark" // what is written before a WAIT
#define MARK_MS "60000"

struct queue {
    struct ingest_request *first, **last;
};

struct replicas {
    struct ingest_resources *with;
    struct redis_link *link;
    uv_prepare_t end_of_turn;
    uv_timer_t look, overdue;
    int open_handles;
    struct queue asked; // the WAIT under way speaks for these
    struct queue next;  // accepted since it was sent
    bool asking;
    bool marked; // the write before the WAIT was done
    bool missing;
    bool destroyed;
    unsigned looks; // since the last WAIT
};

static void empty(struct queue *queue) {
    *queue = (struct queue){NULL, &queue->first};
}

static void replicas_put(struct queue *queue, struct ingest_request *request) {
    struct acceptance *acceptance = request->state;
    acceptance->next_held = NULL;
    *queue->last = request;
    queue->last = &acceptance->next_held;
}

static struct ingest_request *replicas_take(struct queue *queue) {
    struct ingest_request *request = queue->first;
    if (request != NULL) {
        queue->first = ((const struct acceptance *)request->state)->next_held;
        queue->last = queue->first != NULL ? queue->last : &queue->first;
    }
    return request;
}

// ---- Answers

static void vouch(struct queue *queue) {
    for (struct ingest_request *request; (request = replicas_take(queue)) != NULL;) {
        if (request_reply_came(request)) {
            const struct acceptance *acceptance = request->state;
            acceptance->answer(request, acceptance->is_replay);
        }
    }
}

static void deny(struct ingest_request *request) {
    undecided_note(request);
    if (request_reply_came(request)) {
        response_unavailable(request, "too few replicas have the message", RETRY_SECS, true);
    }
}

static void deny_all(struct queue *queue) {
    for (struct ingest_request *request; (request = replicas_take(queue)) != NULL;) {
        deny(request);
    }
}

static void set_missing(struct replicas *replicas, bool missing, long long have) {
    if (missing == replicas->missing) {
        return;
    }
    replicas->missing = missing;
    readiness_replicas_changed(replicas->with->readiness, !missing);
    int64_t wanted = replicas->with->settings->redis_wait_replicas;
    if (missing) {
        log_warn("replicas_missing",
                 "%lld of the %" PRId64 " replicas that REDIS_WAIT_REPLICAS wants have followed: "
                 "nothing is accepted until they have",
                 have, wanted);
    } else {
        log_info("replicas_follow", "%lld replicas have followed, REDIS_WAIT_REPLICAS wants %" PRId64, have, wanted);
    }
}

// ---- The limit of an answer: whatever Redis does, the client has it then.

static int64_t replicas_time_left_ms(const struct replicas *replicas, const struct ingest_request *request) {
    int64_t timeout_ms = replicas->with->settings->redis_timeout_ms;
    const struct acceptance *acceptance = request->state;
    return acceptance->sent_ms + (timeout_ms + ANSWER_MS) / 2 - clock_monotonic_us() / 1000;
}

static void drop_overdue(struct replicas *replicas, struct queue *queue) {
    while (queue->first != NULL && replicas_time_left_ms(replicas, queue->first) <= 0) {
        deny(replicas_take(queue));
    }
}

static void replicas_on_overdue(uv_timer_t *timer);

// Those in `asked` came before those in `next`.
static void watch_oldest(struct replicas *replicas) {
    struct ingest_request *oldest = replicas->asked.first != NULL ? replicas->asked.first : replicas->next.first;
    if (oldest == NULL || replicas->destroyed) {
        return;
    }
    int64_t left_ms = replicas_time_left_ms(replicas, oldest);
    uv_timer_start(&replicas->overdue, replicas_on_overdue, left_ms > 0 ? (uint64_t)left_ms : 0, 0);
}

static void replicas_on_overdue(uv_timer_t *timer) {
    struct replicas *replicas = timer->data;
    drop_overdue(replicas, &replicas->asked);
    drop_overdue(replicas, &replicas->next);
    watch_oldest(replicas);
}

// ---- WAIT

static bool is_same_server(const struct replicas *replicas) {
    const char *ours = redis_link_server(replicas->link), *accepting = redis_link_server(replicas->with->redis);
    return *ours != '\0' && strcmp(ours, accepting) == 0;
}

static void replicas_on_mark(void *argument, enum redis_result result, const redisReply *reply) {
    struct replicas *replicas = argument;
    replicas->marked = result == REDIS_LINK_OK;
    if (result == REDIS_LINK_ERROR && !replicas->missing) {
        log_warn("replicas_unasked", "%s", reply->str);
    }
}

static void replicas_on_wait(void *argument, enum redis_result result, const redisReply *reply) {
    struct replicas *replicas = argument;
    long long have = result == REDIS_LINK_OK && reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
    bool same = is_same_server(replicas);
    bool met = same && replicas->marked && have >= replicas->with->settings->redis_wait_replicas;
    replicas->asking = false;
    replicas->looks = 0;
    set_missing(replicas, !met, have);
    if (met) {
        vouch(&replicas->asked);
        return;
    }
    deny_all(&replicas->asked);
    deny_all(&replicas->next);
    if (result == REDIS_LINK_OK && !same && !replicas->destroyed && redis_link_is_up(replicas->with->redis)) {
        redis_link_reconnect(replicas->link, "it leads to another server than the one that accepts");
    }
}

static int64_t limit_of_wait_ms(const struct replicas *replicas) {
    int64_t limit_ms = replicas->with->settings->redis_timeout_ms / 2;
    int64_t left_ms = replicas->asked.first != NULL ? replicas_time_left_ms(replicas, replicas->asked.first) : limit_ms;
    return left_ms >= limit_ms ? limit_ms : left_ms > 0 ? left_ms : 1;
}

static void replicas_ask(struct replicas *replicas) {
    replicas->asked = replicas->next;
    if (replicas->asked.first == NULL) {
        empty(&replicas->asked);
    }
    empty(&replicas->next);
    int64_t limit_ms = limit_of_wait_ms(replicas);
    const char *wanted = DECIMAL(replicas->with->settings->redis_wait_replicas);
    const char *mark[] = {"SET", MARK, "1", "PX", MARK_MS}, *wait[] = {"WAIT", wanted, DECIMAL(limit_ms)};
    replicas->marked = false;
    replicas->asking =
        redis_link_call(replicas->link, replicas_on_mark, replicas, 5, mark, NULL) == 0 &&
        redis_link_call_blocking(replicas->link, limit_ms, replicas_on_wait, replicas, 3, wait, NULL) == 0;
    if (!replicas->asking) {
        set_missing(replicas, true, 0);
        deny_all(&replicas->asked);
    }
    watch_oldest(replicas);
}

static void replicas_on_end_of_turn(uv_prepare_t *handle) {
    struct replicas *replicas = handle->data;
    if (replicas->next.first != NULL && !replicas->asking) {
        replicas_ask(replicas);
    }
}

// Nobody need send anything for it to be known.
static void replicas_on_look(uv_timer_t *timer) {
    struct replicas *replicas = timer->data;
    bool due = replicas->missing || ++replicas->looks >= LOOKS_WHILE_MET;
    if (due && !replicas->asking && redis_link_is_up(replicas->link)) {
        replicas_ask(replicas);
    }
}

static void replicas_on_up(void *argument) {
    struct replicas *replicas = argument;
    if (!replicas->asking) {
        replicas_ask(replicas);
    }
}

static void replicas_on_own_down(void *argument) {
    struct replicas *replicas = argument;
    set_missing(replicas, true, 0);
}

// ---- What acceptor and worker call

bool replicas_are_missing(const struct replicas *replicas) {
    return replicas->missing || !readiness_has_replicas(replicas->with->readiness);
}

void replicas_hold(struct replicas *replicas, struct ingest_request *request) {
    replicas_put(&replicas->next, request);
    request_expect_reply(request);
    if (!uv_is_active((uv_handle_t *)&replicas->overdue)) {
        watch_oldest(replicas);
    }
}

void replicas_on_down(struct replicas *replicas) {
    deny_all(&replicas->asked);
    deny_all(&replicas->next);
}

// ---- Life

static void start_handles(struct replicas *replicas, uv_loop_t *loop) {
    replicas->end_of_turn.data = replicas->look.data = replicas->overdue.data = replicas;
    uv_prepare_init(loop, &replicas->end_of_turn);
    uv_timer_init(loop, &replicas->look);
    uv_timer_init(loop, &replicas->overdue);
    replicas->open_handles = 3;
    uv_prepare_start(&replicas->end_of_turn, replicas_on_end_of_turn);
    uv_timer_start(&replicas->look, replicas_on_look, LOOK_MS, LOOK_MS);
}

struct replicas *replicas_create(uv_loop_t *loop, struct ingest_resources *with, unsigned number) {
    struct replicas *replicas = xcalloc(1, sizeof *replicas);
    char name[32];
    replicas->with = with;
    replicas->missing = true;
    readiness_replicas_changed(with->readiness, false);
    empty(&replicas->asked);
    empty(&replicas->next);
    start_handles(replicas, loop);
    snprintf(name, sizeof name, "ingest-replicas-%u", number);
    replicas->link = redis_link_create(loop, &(struct redis_link_options){
                                                 .target = with->target,
                                                 .name = name,
                                                 .timeout_ms = with->settings->redis_timeout_ms,
                                                 .on_up = replicas_on_up,
                                                 .on_down = replicas_on_own_down,
                                                 .argument = replicas,
                                             });
    return replicas;
}

static void replicas_on_closed(uv_handle_t *handle) {
    struct replicas *replicas = handle->data;
    if (--replicas->open_handles == 0) {
        free(replicas);
    }
}

void replicas_destroy(struct replicas *replicas) {
    replicas->destroyed = true;
    redis_link_destroy(replicas->link); // a WAIT under way gets its LOST
    deny_all(&replicas->asked);
    deny_all(&replicas->next);
    uv_close((uv_handle_t *)&replicas->end_of_turn, replicas_on_closed);
    uv_close((uv_handle_t *)&replicas->look, replicas_on_closed);
    uv_close((uv_handle_t *)&replicas->overdue, replicas_on_closed);
}
