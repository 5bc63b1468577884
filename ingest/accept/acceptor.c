// SPDX-License-Identifier: MIT
//
// A message into its stream: the one call on which the promise "202 means durable" stands.
//
// 202 leaves only on Redis's own OK or REPLAY. What Redis refused, and what was never sent, is 503 and wrote nothing.
// When the connection breaks between call and reply, nobody knows: 503 that says "ambiguous", and the call is not
// repeated here, because without an Idempotency-Key a repeat could double the message.
//
// The deadline makes a time-out final: a call that still waits in Redis's socket when we have given up answers LATE
// and writes nothing, in case Redis was stopped and goes on later.
#include "ingest/accept/acceptor.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/accept/acceptance.h"
#include "ingest/accept/former.h"
#include "ingest/accept/opt_out.h"
#include "ingest/accept/ours.h"
#include "ingest/accept/redis_failure.h"
#include "ingest/accept/replicas.h"
#include "ingest/access/rate_limit.h"
#include "ingest/request/log.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "ingest/watch/readiness.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/message/format.h"
#include "shared/redis/heartbeat.h"
#include "shared/redis/link.h"
#include "shared/redis/opt_out_call.h"
#include "shared/redis/reply.h"
#include "shared/redis/words.h"
#include "shared/settings/settings.h"

#define RETRY_SOON_SECS 1
#define RETRY_FULL_SECS 5 // a backlog doesn't shrink within a second

struct acceptor {
    struct ingest_resources *with;
    struct partition_keys *keys; // [provider * partitions + partition]
    unsigned partitions;
    bool announced;  // Redis has the partitions in its set, over this connection
    bool announcing; // the call that tells it is under way
    struct accept_calls *calls;
};

const struct partition_keys *acceptor_keys(const struct acceptor *acceptor, const struct message *message) {
    unsigned provider = message_provider(message->type);
    return &acceptor->keys[provider * acceptor->partitions + partition_of(message->sender, acceptor->partitions)];
}

// ---- The partitions in use, which dispatchers and persisters read.

static void set_announced(struct acceptor *acceptor, bool announced) {
    if (announced != acceptor->announced) {
        acceptor->announced = announced;
        readiness_redis_changed(acceptor->with->readiness, announced);
    }
}

static void acceptor_on_announced(void *argument, enum redis_result result, const redisReply *reply) {
    struct acceptor *acceptor = argument;
    acceptor->announcing = false;
    set_announced(acceptor, result == REDIS_LINK_OK);
    if (result == REDIS_LINK_ERROR) {
        log_warn("partitions_refused", "%s", reply->str);
    }
}

static void acceptor_announce(struct acceptor *acceptor) {
    int count = (int)(PROVIDER_COUNT * acceptor->partitions);
    const char **arguments = xcalloc((size_t)count + 2, sizeof *arguments);
    arguments[0] = "SADD";
    arguments[1] = KEY_PARTITIONS;
    for (int i = 0; i < count; i++) {
        arguments[i + 2] = acceptor->keys[i].tag;
    }
    acceptor->announcing =
        redis_link_call(acceptor->with->redis, acceptor_on_announced, acceptor, count + 2, arguments, NULL) == 0;
    free(arguments);
}

void acceptor_on_up(struct acceptor *acceptor) {
    former_on_up(acceptor->with->former); // known before anything is accepted
    ours_on_up(acceptor->with->ours);
    acceptor_announce(acceptor);
}

void acceptor_serve(const struct acceptor *acceptor, struct heartbeat *heartbeat) {
    for (unsigned i = 0; i < PROVIDER_COUNT * acceptor->partitions; i++) {
        heartbeat_serve(heartbeat, acceptor->keys[i].tag);
    }
}

void acceptor_on_down(struct acceptor *acceptor) {
    set_announced(acceptor, false);
    if (acceptor->with->replicas != NULL) {
        replicas_on_down(acceptor->with->replicas);
    }
}

// ---- The call and its reply

void acceptor_answer(struct ingest_request *request, bool repeated,
                     void (*answer)(struct ingest_request *request, bool replayed)) {
    struct acceptance *acceptance = request->state;
    acceptance->is_replay = repeated && acceptance->has_key;
    acceptance->answer = answer;
    if (request->with->replicas != NULL) {
        replicas_hold(request->with->replicas, request);
    } else {
        answer(request, acceptance->is_replay);
    }
}

// Most replies end with the sender's window: what is left, and the seconds until it ends. FULL may say of what behind
// it.
static void read_window(struct ingest_request *request, enum library_word word, const redisReply *reply) {
    size_t end = word == WORD_FULL && reply->elements > 3 ? 3 : reply->elements;
    if (!request_has_flag(request, ROUTE_SEND) || end < 2) {
        return;
    }
    request->window.limit = request->with->settings->rate_limit_per_sender_per_min;
    request->window.left = word == WORD_LIMITED ? 0 : reply->element[end - 2]->integer;
    request->window.reset_secs = reply->element[end - 1]->integer;
}

static void take_first_id(struct ingest_request *request, const redisReply *id) {
    if (id->type == REDIS_REPLY_STRING && id->len == UUID_BYTES) {
        struct uuid first;
        memcpy(first.bytes, id->str, UUID_BYTES);
        uuid_format(&first, request->message_id);
    }
}

static void refuse_other_payload(struct ingest_request *request) {
    request->message_id[0] = '\0'; // there is no such message
    response_error(request, API_IDEMPOTENCY_KEY_REUSED, "this Idempotency-Key was used with another payload");
}

// ---- A message that says STOP, or START: its answer comes once every partition knows

static void acceptor_on_opted(struct ingest_request *request, bool everywhere) {
    const struct acceptance *acceptance = request->state;
    if (everywhere) {
        acceptor_answer(request, acceptance->repeated, acceptance->accepted);
    } else {
        response_unavailable(request, "the message is kept, but that its sender opts out or in could not be written",
                             RETRY_SOON_SECS, false);
    }
}

static void acceptor_end_message(struct ingest_request *request, bool repeated) {
    struct acceptance *acceptance = request->state;
    acceptance->repeated = repeated;
    if (acceptance->opt_out != NULL) {
        opt_outs_set(request, acceptance->opt_out, 1, true, acceptor_on_opted);
    } else {
        acceptor_answer(request, repeated, acceptance->accepted);
    }
}

static void acceptor_forget_opt_out(struct ingest_request *request) {
    struct acceptance *acceptance = request->state;
    if (acceptance->opt_out != NULL) {
        opt_out_free(acceptance->opt_out);
        free(acceptance->opt_out);
        acceptance->opt_out = NULL;
    }
}

static void acceptor_note_opt_out(struct ingest_request *request, const struct message *message) {
    struct acceptance *acceptance = request->state;
    if (message->opt_out == OPT_OUT_NONE) {
        return;
    }
    acceptor_forget_opt_out(request);
    acceptance->opt_out = xcalloc(1, sizeof *acceptance->opt_out);
    *acceptance->opt_out = (struct opt_out){.provider = message_provider(message->type),
                                            .our_address = xstrdup(message->recipient),
                                            .their_address = xstrdup(message->sender),
                                            .state = message->opt_out,
                                            .at_ms = message->opt_out_ms,
                                            .came_ms = message->opt_out_came_ms,
                                            .by = OPT_OUT_BY_RECIPIENT};
    request->leave = acceptor_forget_opt_out;
}

// It was said when the message came first: what comes again must not undo what was said since. A release that didn't
// look for words remembers no time: then only who opts out is believed once more.
static void take_first_time(struct ingest_request *request, const redisReply *reply) {
    struct acceptance *acceptance = request->state;
    const char *first = redis_reply_text(reply, 3, "");
    struct opt_out *opt_out = acceptance->opt_out;
    if (opt_out == NULL || opt_out_place_parse(first, &opt_out->at_ms, &opt_out->came_ms) == 0) {
        return;
    }
    if (acceptance->opt_out->state == OPT_OUT_IN) {
        acceptor_forget_opt_out(request);
    }
}

// A provider may have changed what it brings again; a client under its key may not.
static void answer_repeat(struct ingest_request *request, const redisReply *reply) {
    const struct acceptance *acceptance = request->state;
    bool differs = reply->elements > 2 && reply->element[2]->integer == 1;
    if (differs && acceptance->has_key) {
        refuse_other_payload(request);
        return;
    }
    take_first_id(request, reply->element[1]);
    if (differs) {
        counters_add(request->with->counters, COUNTER_REDELIVERY_DIFFERS, 1);
        request_log_trouble(request, LOG_WARN, "redelivery_differs",
                            "a webhook came again with other content: the first stays");
    }
    take_first_time(request, reply);
    acceptor_end_message(request, true);
}

static void answer_verdict(struct ingest_request *request, const redisReply *reply) {
    enum library_word word = library_word(reply);
    if (word == WORD_ADDRESS) {
        request->message_id[0] = '\0'; // there is no such message
        request->window.reset_secs = reply->element[1]->integer;
        response_limited(request, "address", "");
        return;
    }
    if (word == WORD_SEEN) {
        request->message_id[0] = '\0';
        rate_limit_ask(request); // the request then comes here again, and with the signature counted
        return;
    }
    read_window(request, word, reply);
    if (word == WORD_OK) {
        ours_add(request);
        acceptor_end_message(request, false);
        return;
    }
    if (word == WORD_REPLAY) {
        answer_repeat(request, reply);
        return;
    }
    request->message_id[0] = '\0'; // there is no such message
    if (word == WORD_REUSED) {
        refuse_other_payload(request);
    } else if (word == WORD_LIMITED) {
        response_limited(request, "sender", "");
    } else if (word == WORD_OPTED_OUT) {
        response_opted_out(request, "the recipient has opted out of messages from this sender");
    } else {
        redis_failure_answer(request, REDIS_LINK_OK, reply);
    }
}

static void acceptor_on_accept(struct ingest_request *request, enum redis_result result, const redisReply *reply) {
    counters_observe(request->with->counters, HISTOGRAM_ACCEPT, clock_monotonic_us() - http_started_us(request->http));
    if (result == REDIS_LINK_OK && reply != NULL) {
        answer_verdict(request, reply);
    } else {
        redis_failure_answer(request, result, reply);
    }
}

static void acceptor_on_not_sent(struct ingest_request *request) {
    response_unavailable(request, "Redis is unreachable", RETRY_SOON_SECS, false);
}

static bool memory_is_short(const struct ingest_resources *with) {
    return redis_link_memory_pct(with->redis) >= with->settings->redis_memory_pct;
}

static bool replicas_are_short(const struct ingest_resources *with) {
    return with->replicas != NULL && replicas_are_missing(with->replicas);
}

bool acceptor_take_key(struct ingest_request *request, const char **key) {
    *key = http_header(request->http, "Idempotency-Key");
    ((struct acceptance *)request->state)->has_key = *key != NULL;
    if (*key == NULL || idempotency_key_is_valid(*key)) {
        return true;
    }
    if (rate_limit_comes_first(request)) {
        return false;
    }
    response_bad_field(request, "Idempotency-Key", "must be 1 to 255 printable characters");
    return false;
}

bool acceptor_is_reachable(struct ingest_request *request) {
    struct acceptor *acceptor = request->with->acceptor;
    if (acceptor->announced && format_is_known() && !replicas_are_short(request->with)) {
        return true;
    }
    if (rate_limit_comes_first(request)) {
        return false;
    }
    if (acceptor->announced && !format_is_known()) { // whether sends may take turns
        response_unavailable(request, "it isn't known yet what the other programs read", RETRY_SOON_SECS, false);
        return false;
    }
    if (acceptor->announced) {
        response_unavailable(request, "too few replicas follow Redis", RETRY_SOON_SECS, false);
        return false;
    }
    if (!acceptor->announcing) {
        acceptor_announce(acceptor);
    }
    response_unavailable(request, "Redis is unreachable", RETRY_SOON_SECS, false);
    return false;
}

bool acceptor_is_open(struct ingest_request *request) {
    if (!acceptor_is_reachable(request)) {
        return false;
    }
    if (!memory_is_short(request->with)) {
        return true;
    }
    if (!rate_limit_comes_first(request)) {
        response_unavailable(request, "Redis is short of memory", RETRY_FULL_SECS, false);
    }
    return false;
}

static void acceptor_note_time(struct ingest_request *request) {
    struct acceptance *acceptance = request->state;
    acceptance->sent_ms = clock_monotonic_us() / 1000;
}

void acceptor_sent(struct ingest_request *request, int sent) {
    if (sent != 0) {
        acceptor_on_not_sent(request);
        return;
    }
    acceptor_note_time(request);
    request_expect_reply(request);
}

void acceptor_message(struct ingest_request *request, const struct message *message,
                      const struct accept_identity *identity) {
    if (acceptor_is_open(request)) {
        acceptor_note_time(request);
        acceptor_note_opt_out(request, message);
        accept_calls_add(request->with->acceptor->calls, request, message, identity);
    }
}

// ---- Life

struct acceptor *acceptor_create(uv_loop_t *loop, struct ingest_resources *with) {
    const struct settings *settings = with->settings;
    struct acceptor *acceptor = xcalloc(1, sizeof *acceptor);
    acceptor->with = with;
    acceptor->partitions = (unsigned)settings->stream_partitions;
    acceptor->keys = xcalloc(PROVIDER_COUNT * acceptor->partitions, sizeof *acceptor->keys);
    for (unsigned i = 0; i < PROVIDER_COUNT * acceptor->partitions; i++) {
        partition_keys_of((enum provider)(i / acceptor->partitions), i % acceptor->partitions, &acceptor->keys[i]);
    }
    static const struct accept_outcomes outcomes = {acceptor_on_accept, acceptor_on_not_sent};
    acceptor->calls = accept_calls_create(loop, with, acceptor->keys, PROVIDER_COUNT * acceptor->partitions, &outcomes);
    return acceptor;
}

void acceptor_destroy(struct acceptor *acceptor) {
    accept_calls_destroy(acceptor->calls);
    free(acceptor->keys);
    free(acceptor);
}
