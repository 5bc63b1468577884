// SPDX-License-Identifier: MIT
//
// A sender's partition is its hash modulo STREAM_PARTITIONS, and what is remembered of it lies in that partition's
// slot. Under another number most senders lie elsewhere, where nobody knows their Idempotency-Keys: a repeat would be
// sent twice.
//
// The choice: a hash says which numbers are in use, and when each was last (every ingest writes its own each second).
// As long as another one's keys may be alive, a request with a key first asks for it in the place which that number
// gives, and what is found there is written to where it lies now; accept then judges it as ever. Old and new ingests of
// a rolling change do the same to one another. Two repeats at once, one to each, may both pass: their places lie in
// different slots, and no step is atomic across them.
//
// Rejected: to write under all numbers always (every send would cost more, for ever), and to remember how many there
// were in a setting (a person would have to take it out again).
#include "ingest/accept/former.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/accept/acceptance.h"
#include "ingest/accept/idempotency.h"
#include "ingest/request/log.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/clock.h"
#include "shared/base/decimal.h"
#include "shared/base/log.h"
#include "shared/redis/link.h"
#include "shared/settings/settings.h"

enum {
    RENEW_MS = 1000,
    MOST_NUMBERS = 8, // others than ours, the latest ones
    MOST_PARTITIONS = 256,
    RETRY_SECS = 1,
};

#define KEY_NUMBERS "idem:partitions"     // hash: a number of partitions → when it was last in use, ms since 1970
#define GUARD_TTL_MS (72LL * 3600 * 1000) // as replay in redis/messaging.lua
#define AHEAD_MS 5000                     // a time that is further ahead was set by a clock that was wrong

static_assert(IDEMPOTENCY_KEY_SIZE <= KEY_GUARD_SIZE, "a guard's name is the longest");

struct number {
    unsigned partitions;
    int64_t used_ms;
};

struct former {
    struct ingest_resources *with;
    uv_timer_t renew;
    struct number numbers[MOST_NUMBERS];
    size_t count;
    bool asking, complained;
};

// ---- Which numbers are in use

static void former_forget(const struct former *former, const char *number) {
    const char *forget[] = {"HDEL", KEY_NUMBERS, number};
    (void)!redis_link_call(former->with->redis, NULL, NULL, 3, forget, NULL);
}

static void former_tell(const struct former *former, const char *number, int64_t now_ms) {
    const char *tell[] = {"HSET", KEY_NUMBERS, number, DECIMAL(now_ms)};
    (void)!redis_link_call(former->with->redis, NULL, NULL, 4, tell, NULL);
}

static struct number *oldest(struct former *former) {
    struct number *oldest = &former->numbers[0];
    for (size_t i = 1; i < former->count; i++) {
        oldest = former->numbers[i].used_ms < oldest->used_ms ? &former->numbers[i] : oldest;
    }
    return oldest;
}

static void former_keep(struct former *former, const struct number *number) {
    if (former->count < MOST_NUMBERS) {
        former->numbers[former->count++] = *number;
    } else if (oldest(former)->used_ms < number->used_ms) {
        *oldest(former) = *number;
    }
}

static void former_take_number(struct former *former, const char *name, const char *used, int64_t now_ms) {
    struct number number = {(unsigned)strtoul(name, NULL, 10), strtoll(used, NULL, 10)};
    int64_t ttl_ms = former->with->settings->idempotency_ttl_secs * 1000;
    if (number.partitions == (unsigned)former->with->settings->stream_partitions) {
        return;
    }
    if (number.partitions < 1 || number.partitions > MOST_PARTITIONS || now_ms - number.used_ms > ttl_ms) {
        former_forget(former, name);
        return;
    }
    if (number.used_ms > now_ms + AHEAD_MS) {
        former_tell(former, name, now_ms); // from now on it can be forgotten
    }
    former_keep(former, &number);
}

static void former_on_numbers(void *argument, enum redis_result result, const redisReply *reply) {
    struct former *former = argument;
    former->asking = false;
    if (result == REDIS_LINK_ERROR && !former->complained) {
        log_warn("former_unknown", "which numbers of partitions were in use can't be asked for: %s", reply->str);
    }
    former->complained = result == REDIS_LINK_ERROR;
    if (result != REDIS_LINK_OK || reply->type != REDIS_REPLY_ARRAY) {
        return;
    }
    former->count = 0;
    int64_t now_ms = redis_link_now_ms(former->with->redis);
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        if (reply->element[i]->str != NULL && reply->element[i + 1]->str != NULL) {
            former_take_number(former, reply->element[i]->str, reply->element[i + 1]->str, now_ms);
        }
    }
}

static void former_renew(struct former *former) {
    const char *numbers[] = {"HGETALL", KEY_NUMBERS};
    if (!former->asking && redis_link_is_up(former->with->redis)) {
        former_tell(former, DECIMAL(former->with->settings->stream_partitions), redis_link_now_ms(former->with->redis));
        former->asking = redis_link_call(former->with->redis, former_on_numbers, former, 2, numbers, NULL) == 0;
    }
}

static void former_on_renew(uv_timer_t *timer) {
    former_renew(timer->data);
}

void former_on_up(struct former *former) {
    former_renew(former);
}

// ---- A question: pairs of names, asked one after the other

struct pair {
    char was[KEY_GUARD_SIZE], is[KEY_GUARD_SIZE];
    int64_t ttl_ms;
};

struct question {
    struct ingest_request *request;
    struct pair pairs[2 * MOST_NUMBERS];
    size_t count, at;
    char *value; // what was found at `at`
    size_t length;
};

static void ask_next(struct question *question);

static void former_end(struct question *question) {
    free(question->value);
    free(question);
}

static void former_give_up(struct question *question, const char *why) {
    request_log_trouble(question->request, LOG_WARN, "former_unasked", why);
    response_unavailable(question->request, "Redis could not be asked for the first request of that key", RETRY_SECS,
                         false);
    former_end(question);
}

// The request's part of a reply; false where that was the end of the question.
static bool is_answered(struct question *question, enum redis_result result, const redisReply *reply) {
    if (!request_reply_came(question->request)) {
        former_end(question);
        return false;
    }
    if (result == REDIS_LINK_OK) {
        return true;
    }
    former_give_up(question, reply != NULL ? reply->str : "the connection broke");
    return false;
}

static void former_call(struct question *question, redis_link_reply done, int argc, const char **argv,
                        const size_t *lengths) {
    if (redis_link_call(question->request->with->redis, done, question, argc, argv, lengths) == 0) {
        request_expect_reply(question->request);
    } else {
        former_give_up(question, "the link is down");
    }
}

static void former_on_brought(void *argument, enum redis_result result, const redisReply *reply) {
    struct question *question = argument;
    if (is_answered(question, result, reply)) {
        free(question->value);
        question->value = NULL;
        question->at++;
        ask_next(question);
    }
}

// As long as it would have been remembered there. Whatever lies there by now came first.
static void bring(struct question *question, int64_t left_ms) {
    const struct pair *pair = &question->pairs[question->at];
    const char *ttl = DECIMAL(left_ms > 0 && left_ms < pair->ttl_ms ? left_ms : pair->ttl_ms);
    const char *set[] = {"SET", pair->is, question->value, "PX", ttl, "NX"};
    const size_t lengths[] = {3, strlen(pair->is), question->length, 2, strlen(ttl), 2};
    former_call(question, former_on_brought, 6, set, lengths);
}

// A user whose permissions are of an older release may not ask for it: then it is remembered again.
static void former_on_left(void *argument, enum redis_result result, const redisReply *reply) {
    struct question *question = argument;
    bool refused = result == REDIS_LINK_ERROR;
    if (is_answered(question, refused ? REDIS_LINK_OK : result, reply)) {
        bring(question, refused || reply->type != REDIS_REPLY_INTEGER ? 0 : reply->integer);
    }
}

static void former_on_value(void *argument, enum redis_result result, const redisReply *reply) {
    struct question *question = argument;
    if (!is_answered(question, result, reply)) {
        return;
    }
    if (reply->type != REDIS_REPLY_STRING) {
        question->at++;
        ask_next(question);
        return;
    }
    question->length = (size_t)reply->len;
    question->value = xmalloc(question->length + 1);
    memcpy(question->value, reply->str, question->length + 1);
    const char *left[] = {"PTTL", question->pairs[question->at].was};
    former_call(question, former_on_left, 2, left, NULL);
}

static void ask_next(struct question *question) {
    struct ingest_request *request = question->request;
    if (question->at < question->count) {
        const char *get[] = {"GET", question->pairs[question->at].was};
        former_call(question, former_on_value, 2, get, NULL);
        return;
    }
    former_end(question);
    struct acceptance *acceptance = request->state;
    acceptance->former_asked = true;
    request->match.route->handle(request);
}

// ---- What to ask

static void former_add_pairs(struct question *question, const struct former_wish *wish, const char *tag) {
    const struct ingest_request *request = question->request;
    if (wish->key != NULL) {
        struct pair *pair = &question->pairs[question->count++];
        pair->ttl_ms = request->with->settings->idempotency_ttl_secs * 1000;
        idempotency_key_of_client(tag, request->match.route->pattern, wish->message->sender, wish->key, pair->was);
        idempotency_key_of_client(wish->keys->tag, request->match.route->pattern, wish->message->sender, wish->key,
                                  pair->is);
    }
    if (wish->guarded != NULL) {
        struct pair *pair = &question->pairs[question->count++];
        pair->ttl_ms = GUARD_TTL_MS;
        replay_guard_key(tag, wish->guarded, wish->generation, pair->was);
        replay_guard_key(wish->keys->tag, wish->guarded, wish->generation, pair->is);
    }
}

static bool is_new(const struct former *former, size_t index, const struct former_wish *wish, unsigned partition) {
    for (size_t i = 0; i < index; i++) {
        if (partition_of(wish->message->sender, former->numbers[i].partitions) == partition) {
            return false;
        }
    }
    unsigned ours = (unsigned)former->with->settings->stream_partitions;
    return partition_of(wish->message->sender, ours) != partition;
}

bool former_ask(struct ingest_request *request, const struct former_wish *wish) {
    const struct former *former = request->with->former;
    const struct acceptance *acceptance = request->state;
    if (acceptance->former_asked || former->count == 0 || !redis_link_is_up(request->with->redis)) {
        return false;
    }
    struct question *question = xcalloc(1, sizeof *question);
    question->request = request;
    for (size_t i = 0; i < former->count; i++) {
        unsigned partition = partition_of(wish->message->sender, former->numbers[i].partitions);
        if (is_new(former, i, wish, partition)) {
            struct partition_keys there;
            partition_keys_of(message_provider(wish->message->type), partition, &there);
            former_add_pairs(question, wish, there.tag);
        }
    }
    if (question->count == 0) {
        former_end(question);
        return false;
    }
    ask_next(question);
    return true;
}

// ---- Life

struct former *former_create(uv_loop_t *loop, struct ingest_resources *with) {
    struct former *former = xcalloc(1, sizeof *former);
    former->with = with;
    former->renew.data = former;
    uv_timer_init(loop, &former->renew);
    uv_timer_start(&former->renew, former_on_renew, RENEW_MS, RENEW_MS);
    return former;
}

static void former_on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void former_destroy(struct former *former) {
    uv_close((uv_handle_t *)&former->renew, former_on_closed);
}
