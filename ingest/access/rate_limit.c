// SPDX-License-Identifier: MIT
//
// A message is counted against its address by the call that accepts it. Where that can't be, since the two counters are
// in different slots of a cluster, and for all other requests, what one address sends within one turn of the loop is
// counted by one call, in the order in which it came. Nothing waits for it: the turn is over once all sockets that were
// ready have been read.
#include "ingest/access/rate_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/request/client_address.h"
#include "ingest/request/log.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "shared/base/decimal.h"
#include "shared/loop/turn.h"
#include "shared/redis/library.h"

// Requests of one address that are counted together.
struct limit_batch {
    struct limiter *limiter;
    char key[LIMIT_KEY_SIZE];
    int64_t limit;
    struct ingest_request *first, **last;
    int64_t count;
    bool repeated; // the call was sent a second time, after NO_LIBRARY
    struct limit_batch *next;
};

struct limiter {
    struct ingest_resources *with;
    struct turn end_of_turn;
    void (*proceed)(struct ingest_request *request);
    struct limit_batch *gathering; // this turn's, one an address
};

static void rate_limit_on_limit(void *argument, enum redis_result result, const redisReply *reply);

static int rate_limit_send_call(struct limit_batch *batch) {
    const char *limit = DECIMAL(batch->limit), *window = DECIMAL(LIMIT_WINDOW_MS), *count = DECIMAL(batch->count);
    const char *arguments[] = {"FCALL", library_function(LIBRARY_LIMIT), "1", batch->key, limit, window, count};
    return redis_link_call(batch->limiter->with->redis, rate_limit_on_limit, batch, 7, arguments, NULL);
}

// What the batch came to: how many of it are admitted, and what they are told.
struct verdict {
    bool known;
    int64_t admitted;
    int64_t left; // after them
    int64_t reset_secs, retry_secs;
};

static struct verdict read_reply(const redisReply *reply) {
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 4) {
        return (struct verdict){.known = false};
    }
    return (struct verdict){true, reply->element[0]->integer, reply->element[1]->integer, reply->element[2]->integer,
                            reply->element[3]->integer};
}

// place: of the request in its batch, from 0.
static void rate_limit_apply(struct ingest_request *request, const struct verdict *verdict, int64_t place) {
    if (!verdict->known) {
        request->limit = LIMIT_UNKNOWN;
    } else if (place < verdict->admitted) {
        request->limit = LIMIT_ADMITTED;
        request->window.left = verdict->left + verdict->admitted - 1 - place;
        request->window.reset_secs = verdict->reset_secs;
    } else {
        request->limit = LIMIT_REFUSED;
        request->window.left = 0;
        request->window.reset_secs = verdict->retry_secs;
    }
}

static void rate_limit_finish(struct limit_batch *batch, const struct verdict *verdict) {
    struct ingest_request *request = batch->first;
    for (int64_t place = 0; request != NULL; place++) {
        struct ingest_request *next = request->next_counted;
        if (request_reply_came(request)) {
            rate_limit_apply(request, verdict, place);
            batch->limiter->proceed(request);
        }
        request = next;
    }
    free(batch);
}

static void rate_limit_on_limit(void *argument, enum redis_result result, const redisReply *reply) {
    struct limit_batch *batch = argument;
    struct verdict verdict = {.known = false};
    if (result == REDIS_LINK_NO_LIBRARY && !batch->repeated) {
        batch->repeated = true;
        if (rate_limit_send_call(batch) == 0) {
            return;
        }
    } else if (result == REDIS_LINK_OK) {
        verdict = read_reply(reply);
    } else if (result == REDIS_LINK_ERROR) {
        request_log_trouble(batch->first, LOG_WARN, "limit_refused", reply->str);
    }
    rate_limit_finish(batch, &verdict);
}

static void rate_limit_send_all(void *argument) {
    struct limiter *limiter = argument;
    struct limit_batch *batch = limiter->gathering;
    limiter->gathering = NULL;
    while (batch != NULL) {
        struct limit_batch *next = batch->next;
        if (rate_limit_send_call(batch) != 0) {
            rate_limit_finish(batch, &(struct verdict){.known = false});
        }
        batch = next;
    }
}

// kind: "ip" or "key"; limit is the kind's.
static void write_key(const char *kind, const char *client, char out[LIMIT_KEY_SIZE]) {
    char address[CLIENT_LIMIT_KEY_SIZE];
    client_address_limit_key(client, address);
    snprintf(out, LIMIT_KEY_SIZE, "rate:%s:{%s}", kind, address);
}

void rate_limit_key(const struct ingest_request *request, char out[LIMIT_KEY_SIZE]) {
    write_key("ip", request->client, out);
}

static struct limit_batch *batch_of(struct limiter *limiter, const char *kind, int64_t limit, const char *client) {
    char key[LIMIT_KEY_SIZE];
    write_key(kind, client, key);
    for (struct limit_batch *batch = limiter->gathering; batch != NULL; batch = batch->next) {
        if (strcmp(batch->key, key) == 0) {
            return batch;
        }
    }
    struct limit_batch *batch = xcalloc(1, sizeof *batch);
    batch->limiter = limiter;
    batch->limit = limit;
    memcpy(batch->key, key, sizeof key);
    batch->last = &batch->first;
    batch->next = limiter->gathering;
    limiter->gathering = batch;
    return batch;
}

// Until Redis says otherwise, nothing is left: that is what an answer shows while it is away.
static void expect(struct ingest_request *request, enum rate_limit_state state, int64_t limit) {
    request->window = (struct rate_window){limit, 0, 1};
    request->limit = state;
}

static void rate_limit_ask_of_kind(struct ingest_request *request, const char *kind, int64_t limit) {
    struct limiter *limiter = request->with->limiter;
    struct limit_batch *batch = batch_of(limiter, kind, limit, request->client);
    request->next_counted = NULL;
    *batch->last = request;
    batch->last = &request->next_counted;
    batch->count++;
    expect(request, LIMIT_ASKED, limit);
    request_expect_reply(request);
    turn_at_end(&limiter->end_of_turn, rate_limit_send_all);
}

void rate_limit_ask(struct ingest_request *request) {
    rate_limit_ask_of_kind(request, "ip", request->with->settings->rate_limit_per_ip_per_min);
}

void rate_limit_ask_failures(struct ingest_request *request) {
    rate_limit_ask_of_kind(request, "key", request->with->settings->api_key_failures_per_min);
}

void rate_limit_begin(struct ingest_request *request) {
    request->shows_limit = request_has_flag(request, ROUTE_SEND);
    if (request_has_flag(request, ROUTE_MESSAGE) && redis_link_takes_all_slots(request->with->redis)) {
        expect(request, LIMIT_DEFERRED, request->with->settings->rate_limit_per_ip_per_min);
    } else {
        rate_limit_ask(request);
    }
}

bool rate_limit_comes_first(struct ingest_request *request) {
    if (request->limit != LIMIT_DEFERRED) {
        return false;
    }
    rate_limit_ask(request);
    return true;
}

struct limiter *rate_limiter_create(uv_loop_t *loop, struct ingest_resources *with,
                                    void (*proceed)(struct ingest_request *request)) {
    struct limiter *limiter = xcalloc(1, sizeof *limiter);
    limiter->with = with;
    turn_init(loop, &limiter->end_of_turn, limiter);
    limiter->proceed = proceed;
    return limiter;
}

static void rate_limit_on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void rate_limiter_destroy(struct limiter *limiter) {
    rate_limit_send_all(limiter); // the link is gone, so each gets its answer
    uv_close((uv_handle_t *)&limiter->end_of_turn.idle, rate_limit_on_closed);
}
