// SPDX-License-Identifier: MIT
//
// All calls that end in one turn of the loop are settled together at its end: those of one provider that say the same
// to its breaker are one record, those of one partition are settled by one call, and every record leaves before the
// first settlement. Everything travels as one pipeline, and Redis runs it in order.
//
// Settlements go over whatever connection there is, also when the entry was read over an earlier one. What
// docs/protocol.md forbids there is an acknowledgement by entry id alone, since a fail-over may have given that id to
// another message; settle compares the message's id and generation with the entry's, and a success that no longer fits
// any entry is recorded all the same.
#include "dispatcher/settle.h"

#include <stdlib.h>
#include <string.h>

#include "dispatcher/age.h"
#include "dispatcher/fcall.h"
#include "dispatcher/lease_log.h"
#include "dispatcher/retry.h"
#include "dispatcher/unconfirmed.h"
#include "dispatcher/upstream.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/loop/turn.h"
#include "shared/redis/words.h"

enum { MOST_IN_CALL = 64 };

struct settler {
    struct unconfirmed unconfirmed[PROVIDER_COUNT];
    const struct dispatch_env *env;
    struct settler_events events;
    struct lease_queue finished;  // to be sent at the end of the turn
    struct lease_queue unsettled; // kept until the link is up, or for a while
    struct turn end_of_turn;
};

// A call of settle: leases of one partition, in the order of its replies.
struct round {
    struct settler *settler;
    struct lease_queue leases;
    size_t count;
};

static bool was_called(const struct lease *lease) {
    enum outcome_class class = lease->outcome.class;
    return class != OUTCOME_UNREADABLE && class != OUTCOME_EXPIRED && class != OUTCOME_OPTED_OUT;
}

static int64_t age_ms(const struct dispatch_env *env, const struct lease *lease) {
    return entry_age_ms(&lease->entry, redis_link_now_ms(env->link), clock_unix_ms());
}

static void settler_count(struct settler *settler, const struct lease *lease) {
    const struct dispatch_env *env = settler->env;
    enum provider provider = lease->upstream->provider;
    counters_observe(env->counters, provider == PROVIDER_EMAIL ? HISTOGRAM_DISPATCH_EMAIL : HISTOGRAM_DISPATCH_SMS_MMS,
                     lease->outcome.latency_us);
    if (lease->outcome.class == OUTCOME_SENT) {
        counters_observe(env->counters, HISTOGRAM_ACCEPT_TO_SENT, age_ms(env, lease) * 1000);
    }
    if (lease->outcome.class == OUTCOME_SENT && lease->outcome.provider_message_id == NULL) {
        unconfirmed_add(&settler->unconfirmed[provider], env->counters, lease);
    }
    if (lease->decision.counter != COUNTER_COUNT) {
        counters_add_for(env->counters, lease->decision.counter, provider);
    }
}

static void log_outcome(const struct lease *lease) {
    const struct upstream *upstream = lease->upstream;
    const struct outcome *outcome = &lease->outcome;
    enum log_level level = lease->decision.verdict == VERDICT_FAILED ? LOG_WARN : LOG_INFO;
    struct log_line *line =
        lease_log_begin(level, upstream->mock ? "mock_dispatch_outcome" : "dispatch_outcome", lease);
    log_str(line, "outcome", outcome_name(outcome->class));
    log_int(line, "http_status", outcome->http_status);
    log_int(line, "latency_us", outcome->latency_us);
    log_str(line, "verdict", attempt_verdict_name(lease->decision.verdict));
    if (lease->decision.delay_ms > 0) {
        log_int(line, "retry_in_ms", lease->decision.delay_ms);
    }
    log_str(line, "provider_message_id", outcome->provider_message_id);
    log_str(line, "error", outcome->error);
    if (upstream->mock) {
        log_bool(line, "mock", true);
    }
    log_end(line);
}

// What the lease would tell the breaker; false when that is nothing.
static bool result_of(const struct lease *lease, struct breaker_result *out) {
    const struct retry_decision *decision = &lease->decision;
    *out = (struct breaker_result){
        .epoch = lease->epoch,
        .probe = lease->probe,
        .word = decision->breaker,
        .reason = outcome_name(lease->outcome.class),
        .count = 1,
        .pause_ms = decision->pause_ms,
        .accepted_ms = lease->outcome.class == OUTCOME_SENT ? lease->called_ms : 0,
    };
    return !lease->recorded && (decision->breaker != BREAKER_NONE || decision->pause_ms > 0 || *lease->probe);
}

static bool can_join(const struct breaker_result *run, const struct breaker_result *next) {
    return *run->probe == '\0' && *next->probe == '\0' && run->pause_ms == next->pause_ms &&
           strcmp(run->epoch, next->epoch) == 0 && run->word == next->word;
}

// Tells one provider's breaker what its calls came to, in their order.
static void record(const struct lease *first, struct breaker *breaker) {
    struct breaker_result run = {0}, next;
    for (const struct lease *lease = first; lease != NULL; lease = lease->next) {
        if (lease->upstream->breaker != breaker || !result_of(lease, &next)) {
            continue;
        }
        if (run.count > 0 && can_join(&run, &next)) {
            run.count++;
            run.accepted_ms = next.accepted_ms > run.accepted_ms ? next.accepted_ms : run.accepted_ms;
            continue;
        }
        if (run.count > 0) {
            breaker_record(breaker, &run);
        }
        run = next;
    }
    if (run.count > 0) {
        breaker_record(breaker, &run);
    }
}

static void record_all(struct lease *first) {
    struct breaker *done[PROVIDER_COUNT] = {NULL};
    for (const struct lease *lease = first; lease != NULL; lease = lease->next) {
        struct upstream *upstream = lease->upstream;
        if (done[upstream->provider] != NULL) {
            continue;
        }
        done[upstream->provider] = upstream->breaker;
        record(lease, upstream->breaker);
    }
    for (struct lease *lease = first; lease != NULL; lease = lease->next) {
        lease->recorded = true;
    }
}

static void log_settlement(const struct lease *lease, enum library_word word) {
    if (word == WORD_LATE) {
        lease_log(LOG_WARN, "dispatch_late", lease,
                  "the entry had passed to another; the success is recorded all the same");
    } else {
        lease_log(LOG_WARN, "dispatch_lost", lease, "the entry had passed to another, which settles it");
    }
}

// error: what Redis said; NULL where it said nothing.
static void settler_keep(struct settler *settler, struct lease *lease, const char *error) {
    if (error != NULL) {
        lease_log(LOG_ERROR, "settle_failed", lease, error);
    }
    lease->state = LEASE_FINISHED;
    lease_queue_put(&settler->unsettled, lease);
}

// The breaker is told as well: with enough of them it is our own fault.
static void hold_sender(struct settler *settler, const struct lease *lease) {
    const struct upstream *upstream = lease->upstream;
    lease_log(LOG_WARN, "sender_held", lease,
              "its provider refuses what this sender sends: its messages wait, uncalled");
    counters_add_for(settler->env->counters, COUNTER_SENDER_HOLDS, upstream->provider);
    settler->events.on_sender_held(lease);
    breaker_record(upstream->breaker, &(struct breaker_result){
                                          .epoch = lease->epoch,
                                          .probe = "",
                                          .word = BREAKER_HELD,
                                          .reason = "held_senders",
                                          .count = 1,
                                          .sender = lease->entry.message.sender,
                                      });
}

// {PARKED or FAILED, 1: it holds the sender, 2: which is held, or 0}: what settle has made of a refusal.
static void take_judgement(struct settler *settler, struct lease *lease, const redisReply *reply) {
    if (library_word(reply) == WORD_FAILED) {
        lease->decision.verdict = VERDICT_FAILED;
        lease->decision.delay_ms = 0;
    } else {
        lease->decision.verdict = VERDICT_RETRY;
    }
    log_outcome(lease);
    if (reply->element[1]->integer == 1) {
        hold_sender(settler, lease);
    } else if (reply->element[1]->integer > 0) {
        settler->events.on_sender_held(lease);
    }
    settler->events.on_settled(lease);
}

static void settler_take_verdict(struct settler *settler, struct lease *lease, enum library_word verdict) {
    if (verdict != WORD_OK) {
        log_settlement(lease, verdict);
        lease->decision.delay_ms = 0; // not ours to wait for
    }
    settler->events.on_settled(lease);
}

static bool is_judgement(const redisReply *reply) {
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply->element[0]->str != NULL;
}

static bool settler_has_one_for_each(const redisReply *reply, const struct round *round) {
    bool is = reply->type == REDIS_REPLY_ARRAY && reply->elements == round->count;
    for (size_t i = 0; is && i < reply->elements; i++) {
        is = reply->element[i]->str != NULL || is_judgement(reply->element[i]);
    }
    return is;
}

static void keep_all(struct round *round, const char *error) {
    struct lease *lease;
    while ((lease = lease_queue_take(&round->leases)) != NULL) {
        settler_keep(round->settler, lease, error);
    }
}

// One that Redis can't settle doesn't hold up the others.
static void take_verdicts(struct round *round, const redisReply *reply) {
    for (size_t i = 0; i < reply->elements; i++) {
        struct lease *lease = lease_queue_take(&round->leases);
        if (reply->element[i]->type == REDIS_REPLY_ERROR) {
            settler_keep(round->settler, lease, reply->element[i]->str);
        } else if (is_judgement(reply->element[i])) {
            take_judgement(round->settler, lease, reply->element[i]);
        } else {
            settler_take_verdict(round->settler, lease, library_word(reply->element[i]));
        }
    }
}

static void settler_on_reply(void *argument, enum redis_result result, const redisReply *reply) {
    struct round *round = argument;
    if (result == REDIS_LINK_OK && settler_has_one_for_each(reply, round)) {
        take_verdicts(round, reply);
    } else if (result == REDIS_LINK_OK) {
        keep_all(round, "the reply has another shape");
    } else {
        keep_all(round, reply != NULL ? reply->str : NULL);
    }
    free(round);
}

static void encode_attempt(const struct lease *lease, struct buf *out) {
    const struct outcome *outcome = &lease->outcome;
    attempt_encode(
        &(struct attempt){
            .provider = lease->upstream->provider,
            .outcome = outcome_name(outcome->class),
            .http_status = outcome->http_status,
            .latency_us = outcome->latency_us,
            .started_ms = outcome->started_ms,
            .error = outcome->error,
            .provider_message_id = outcome->provider_message_id,
        },
        out);
}

static void put_lease(struct fcall *fcall, const struct lease *lease) {
    struct buf payload = {0};
    encode_attempt(lease, &payload);
    fcall_text(fcall, lease->entry.id);
    fcall_int(fcall, lease->count);
    fcall_text(fcall, lease->entry.message_id);
    fcall_int(fcall, lease->entry.generation);
    fcall_int(fcall, lease->entry.call);
    fcall_text(fcall, attempt_verdict_name(lease->decision.verdict));
    fcall_int(fcall, lease->decision.delay_ms);
    fcall_int(fcall, lease->decision.free);
    fcall_text(fcall, lease->entry.message.sender != NULL ? lease->entry.message.sender : "");
    fcall_text(fcall, lease->entry.conversation);
    fcall_bytes(fcall, payload.data, payload.length);
    buf_free(&payload);
}

// Takes ownership of round.
static void settler_send_round(struct round *round) {
    const struct partition_keys *keys = round->leases.first->keys;
    const struct dispatch_env *env = round->settler->env;
    struct breaker *breaker = round->leases.first->upstream->breaker;
    struct fcall *fcall = fcall_new(LIBRARY_SETTLE, 8);
    fcall_text(fcall, keys->outbound);
    fcall_text(fcall, keys->events);
    fcall_text(fcall, keys->parked);
    fcall_text(fcall, keys->parked_due);
    fcall_text(fcall, keys->refused);
    fcall_text(fcall, keys->senders);
    fcall_text(fcall, keys->senders_at);
    fcall_text(fcall, keys->held_senders);
    fcall_text(fcall, env->me);
    fcall_int(fcall, breaker_accepted_ms(breaker));
    fcall_int(fcall, env->settings->sender_hold_messages);
    fcall_int(fcall, env->settings->sender_hold_secs * 1000);
    for (const struct lease *lease = round->leases.first; lease != NULL; lease = lease->next) {
        put_lease(fcall, lease);
    }
    if (fcall_send(fcall, env->link, settler_on_reply, round) != 0) {
        keep_all(round, NULL);
        free(round);
    }
}

// Takes those of the first one's partition out of the queue, MOST_IN_CALL at most.
static struct round *settler_gather(struct settler *settler) {
    struct round *round = xcalloc(1, sizeof *round);
    struct lease_queue others = {0};
    const struct partition_keys *keys = settler->finished.first->keys;
    struct lease *lease;
    round->settler = settler;
    while ((lease = lease_queue_take(&settler->finished)) != NULL) {
        if (lease->keys == keys && round->count < MOST_IN_CALL) {
            lease->state = LEASE_SETTLING;
            lease_queue_put(&round->leases, lease);
            round->count++;
        } else {
            lease_queue_put(&others, lease);
        }
    }
    settler->finished = others;
    return round;
}

static void settler_flush(void *argument) {
    struct settler *settler = argument;
    if (redis_link_is_up(settler->env->link)) {
        record_all(settler->finished.first);
    }
    while (settler->finished.first != NULL) {
        settler_send_round(settler_gather(settler));
    }
}

void settler_take(struct settler *settler, struct lease *lease) {
    struct upstream *upstream = lease->upstream;
    lease->decision = retry_decide(settler->env->settings, &(struct retry_case){
                                                               .outcome = &lease->outcome,
                                                               .spent = lease->entry.spent,
                                                               .call = lease->entry.call,
                                                               .age_ms = age_ms(settler->env, lease),
                                                               .probe = *lease->probe != '\0',
                                                               .unproven = !upstream->proven,
                                                           });
    if (lease->decision.pause_ms > 0 || lease->decision.breaker == BREAKER_TRIP) {
        breaker_forget_go(upstream->breaker); // at once: the record is still to come
    }
    if (lease->outcome.class == OUTCOME_SENT) {
        upstream_trust(upstream);
    } else if (lease->outcome.class == OUTCOME_REFUSED || lease->outcome.class == OUTCOME_CREDENTIALS) {
        upstream_doubt(upstream);
    }
    if (was_called(lease)) {
        settler_count(settler, lease);
    }
    if (lease->decision.verdict != VERDICT_REFUSED) { // else settle says what becomes of it
        log_outcome(lease);
    }
    lease->state = LEASE_FINISHED;
    lease_queue_put(&settler->finished, lease);
    turn_at_end(&settler->end_of_turn, settler_flush);
}

void settler_retry(struct settler *settler) {
    struct lease *lease;
    while ((lease = lease_queue_take(&settler->unsettled)) != NULL) {
        lease_queue_put(&settler->finished, lease);
    }
    settler_flush(settler);
}

struct settler *settler_create(const struct dispatch_env *env, const struct settler_events *events) {
    struct settler *settler = xcalloc(1, sizeof *settler);
    settler->env = env;
    settler->events = *events;
    turn_init(env->loop, &settler->end_of_turn, settler);
    return settler;
}

static void settler_on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void settler_destroy(struct settler *settler) {
    uv_close((uv_handle_t *)&settler->end_of_turn.idle, settler_on_closed);
}
