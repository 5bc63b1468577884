// SPDX-License-Identifier: MIT
//
// Calls what waits in a lane; what has waited for too long is renewed first, or has expired.
#include <stdio.h>

#include "dispatcher/age.h"
#include "dispatcher/lane_private.h"
#include "dispatcher/lease_log.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/redis/partitions.h"

// So young that nobody can have taken it, nor will before a call that begins now has ended: the claim time-out is at
// least twice the provider's and 2 s.
static bool is_young(const struct lease *lease) {
    return clock_boot_ms() - lease->dated_ms <= lease->lane->env->settings->worker_claim_timeout_secs * 1000 / 2;
}

static bool may_begin(void *argument) {
    return is_young(argument);
}

static void log_attempt(const struct lease *lease) {
    const struct upstream *upstream = lease->upstream;
    struct log_line *line =
        lease_log_begin(LOG_DEBUG, upstream->mock ? "mock_dispatch_attempt" : "dispatch_attempt", lease);
    log_str(line, "probe", lease->probe);
    if (upstream->mock) {
        log_bool(line, "mock", true);
    }
    log_end(line);
}

static void hand_back_probe(struct lease *lease) {
    if (*lease->probe) {
        breaker_record(
            lease->upstream->breaker,
            &(struct breaker_result){
                .epoch = lease->epoch, .probe = lease->probe, .word = BREAKER_NONE, .reason = "", .count = 1});
    }
    lease->probe[0] = '\0';
}

static void lane_on_called(void *argument, struct outcome *outcome) {
    struct lease *lease = argument;
    struct lane *lane = lease->lane;
    lease->call = NULL;
    if (outcome != NULL) {
        lease->outcome = *outcome;
        if (outcome->opted_out) {
            opt_outs_add(lane->opt_outs, &lease->entry.message);
        }
        settler_take(lane->settler, lease);
        return;
    }
    // The process was stopped between the read and the call, and went on when the lease was no longer young.
    hand_back_probe(lease);
    if (redis_link_is_up(lane->env->link)) {
        lane_renew(lease);
    } else {
        lane_drop(lease);
    }
}

static void lane_call_begin(struct lease *lease) {
    static const struct call_events events = {may_begin, lane_on_called};
    struct lane *lane = lease->lane;
    struct upstream *upstream = lane->upstream;
    snprintf(lease->epoch, sizeof lease->epoch, "%s", lane->grant.epoch);
    lease->state = LEASE_CALLING;
    lease->called_ms = redis_link_now_ms(lane->env->link);
    lease->admitted_ms = 0;
    counters_add_for(lane->env->counters, COUNTER_DISPATCH_ATTEMPTS, upstream->provider);
    log_attempt(lease);
    const struct provider_send send = {.settings = lane->env->settings,
                                       .message_id = lease->entry.message_id,
                                       .partition = partition_number(lease->keys->tag),
                                       .message = &lease->entry.message};
    lease->call = call_start(upstream->caller, &send, &events, lease);
}

// A replay is called once at least: its id tells nothing about when it began, and a clock may be wrong.
static bool is_expired(const struct lease *lease) {
    const struct dispatch_env *env = lease->lane->env;
    bool replay_begins = lease->entry.generation > 0 && lease->entry.call == 1;
    int64_t age_ms = entry_age_ms(&lease->entry, redis_link_now_ms(env->link), clock_unix_ms());
    return !replay_begins && retry_is_expired(env->settings, age_ms);
}

static void expire(struct lease *lease) {
    lease->outcome.class = OUTCOME_EXPIRED;
    lease->outcome.started_ms = clock_unix_ms();
    lease->outcome.error = xstrdup("it was not delivered within API_WORKER_DEADLINE_SECS");
    settler_take(lease->lane->settler, lease);
}

// An old admission may be another's by now: the sender would have two probes. And its recipient may have opted out, or
// its conversation been erased.
static bool is_admitted(const struct lease *lease, int64_t most_ms) {
    return lease->admitted_ms > 0 && clock_boot_ms() - lease->admitted_ms <= most_ms;
}

static bool must_ask(const struct lease *lease) {
    const struct lane *lane = lease->lane;
    bool any = opt_outs_has_any(lane->opt_outs) || erasures_has_any(lane->erasures);
    return (any && !is_admitted(lease, OPT_OUTS_FRESH_MS)) ||
           (holds_has(lane->holds, lease->entry.message.sender) && !is_admitted(lease, ADMISSION_MS));
}

void lane_call_waiting(struct lane *lane) {
    struct lease *lease;
    struct lease_queue held = {0};
    size_t count = lane->waiting_count; // what a lost renewal puts back waits for the next time
    while (count-- > 0 && (lease = lane_next_waiting(lane)) != NULL) {
        if (is_expired(lease)) {
            expire(lease);
        } else if (!is_young(lease)) {
            lane_renew(lease);
        } else if (must_ask(lease)) {
            lease_queue_put(&held, lease);
        } else if (breaker_take_call(&lane->grant, lease->probe)) {
            lane_call_begin(lease);
        } else {
            lane_give_back(lease);
        }
    }
    if (held.first != NULL) {
        lane_ask_admission(lane, &held);
    }
    if (lane->grant.kind == GRANT_PROBE) { // those that are left: others may have work for them
        breaker_give_up(lane->upstream->breaker, &lane->grant);
    }
}
