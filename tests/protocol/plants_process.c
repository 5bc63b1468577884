// SPDX-License-Identifier: MIT
//
// Planted faults of the processes. The linker puts these functions before those that ship (--wrap in the Makefile),
// which they call; a plant changes what they see or answer.
#include "dispatcher/breaker.h"
#include "dispatcher/lane_private.h"
#include "shared/base/clock.h"
#include "shared/message/format.h"
#include "tests/protocol/process_private.h"

bool __real_breaker_grant_is_good(const struct breaker *breaker, const struct grant *grant, int64_t margin_ms);
bool __wrap_breaker_grant_is_good(const struct breaker *breaker, const struct grant *grant, int64_t margin_ms);
size_t __real_breaker_grant_size(const struct grant *grant);
size_t __wrap_breaker_grant_size(const struct grant *grant);
bool __real_breaker_take_call(struct grant *grant, char *out);
bool __wrap_breaker_take_call(struct grant *grant, char *out);
void __real_lane_call_waiting(struct lane *lane);
void __wrap_lane_call_waiting(struct lane *lane);
size_t __real_lane_take_read(struct lane *lane, const redisReply *reply);
size_t __wrap_lane_take_read(struct lane *lane, const redisReply *reply);
void __real_lane_take_claimed(struct lane *lane, const redisReply *reply);
void __wrap_lane_take_claimed(struct lane *lane, const redisReply *reply);

const char *__wrap_process_instance(void);
int __wrap_format_to_write(void);
struct opt_out_teller; // persister/opt_out_teller.h, whose names would meet those of event.h
struct batch_entry;

bool __real_breaker_may_call(const struct breaker *breaker);
bool __wrap_breaker_may_call(const struct breaker *breaker);
bool __real_opt_outs_are_known(const struct opt_outs *opt_outs);
bool __wrap_opt_outs_are_known(const struct opt_outs *opt_outs);
bool __real_opt_outs_are_fresh(const struct opt_outs *opt_outs);
bool __wrap_opt_outs_are_fresh(const struct opt_outs *opt_outs);
bool __real_erasures_has_any(const struct erasures *erasures);
bool __wrap_erasures_has_any(const struct erasures *erasures);
bool __real_opt_outs_has_any(const struct opt_outs *opt_outs);
bool __wrap_opt_outs_has_any(const struct opt_outs *opt_outs);
void __real_opt_out_teller_tell(struct opt_out_teller *teller, const char *told, const struct batch_entry *entries,
                                size_t count);
void __wrap_opt_out_teller_tell(struct opt_out_teller *teller, const char *told, const struct batch_entry *entries,
                                size_t count);
const char *__real_receipt_entry_decode(const char *text, size_t length, struct receipt_entry *out);
const char *__wrap_receipt_entry_decode(const char *text, size_t length, struct receipt_entry *out);
uint64_t __real_redis_link_connection(const struct redis_link *link);
uint64_t __wrap_redis_link_connection(const struct redis_link *link);

// No plant, but what a process is called.
const char *__wrap_process_instance(void) {
    return log_process()->name;
}

// Nor what is agreed upon: there are no heartbeats.
int __wrap_format_to_write(void) {
    const struct world *world = clock_world();
    return world != NULL ? world->format : STREAM_FORMAT;
}

// A persister acknowledges over whatever connection there is.
uint64_t __wrap_redis_link_connection(const struct redis_link *link) {
    return world_has(clock_world(), SWITCH_ACK_ANYWHERE) ? 1 : __real_redis_link_connection(link);
}

// A persister that forgets what the provider says of the time.
const char *__wrap_receipt_entry_decode(const char *text, size_t length, struct receipt_entry *out) {
    const char *error = __real_receipt_entry_decode(text, length, out);
    if (world_has(clock_world(), SWITCH_NO_SAID_TIME)) {
        out->at_ms = RECEIPT_NO_TIME;
    }
    return error;
}

bool __wrap_opt_outs_are_known(const struct opt_outs *opt_outs) {
    return world_has(clock_world(), SWITCH_CALL_UNFILLED) || __real_opt_outs_are_known(opt_outs);
}

bool __wrap_opt_outs_are_fresh(const struct opt_outs *opt_outs) {
    return world_has(clock_world(), SWITCH_CALL_UNFILLED) || __real_opt_outs_are_fresh(opt_outs);
}

bool __wrap_opt_outs_has_any(const struct opt_outs *opt_outs) {
    return !world_has(clock_world(), SWITCH_ASK_NOBODY) && __real_opt_outs_has_any(opt_outs);
}

bool __wrap_erasures_has_any(const struct erasures *erasures) {
    return !world_has(clock_world(), SWITCH_ERASED_NOBODY) && __real_erasures_has_any(erasures);
}

void __wrap_opt_out_teller_tell(struct opt_out_teller *teller, const char *told, const struct batch_entry *entries,
                                size_t count) {
    __real_opt_out_teller_tell(teller, world_has(clock_world(), SWITCH_UNTOLD) ? "[]" : told, entries, count);
}

static bool is_planted(const struct lane *lane, enum fault_switch on) {
    const struct process *process = lane->env->loop->data;
    return world_has(process->world, on);
}

// Grants know no loop: of the world that is played.
bool __wrap_breaker_grant_is_good(const struct breaker *breaker, const struct grant *grant, int64_t margin_ms) {
    const struct world *world = clock_world();
    bool go = grant->kind == GRANT_GO && world_has(world, SWITCH_OLD_GRANT);
    bool probe = grant->kind == GRANT_PROBE && grant->probe_count > 0 && world_has(world, SWITCH_OLD_PROBE);
    return go || probe || __real_breaker_grant_is_good(breaker, grant, margin_ms);
}

bool __wrap_breaker_may_call(const struct breaker *breaker) {
    return world_has(clock_world(), SWITCH_MAY_CALL) || __real_breaker_may_call(breaker);
}

size_t __wrap_breaker_grant_size(const struct grant *grant) {
    bool any = grant->kind == GRANT_PACED && world_has(clock_world(), SWITCH_NO_RATE);
    return any ? SIZE_MAX : __real_breaker_grant_size(grant);
}

bool __wrap_breaker_take_call(struct grant *grant, char *out) {
    if (grant->kind == GRANT_PACED && world_has(clock_world(), SWITCH_NO_RATE)) {
        *out = '\0';
        return true;
    }
    return __real_breaker_take_call(grant, out);
}

void __wrap_lane_call_waiting(struct lane *lane) {
    for (struct lease *lease = lane->waiting.first; lease != NULL; lease = lease->next) {
        if (is_planted(lane, SWITCH_NO_RENEWAL)) {
            lease->dated_ms = clock_boot_ms();
        }
        if (is_planted(lane, SWITCH_OLD_ADMISSION) && lease->admitted_ms > 0) {
            lease->admitted_ms = clock_boot_ms();
        }
    }
    __real_lane_call_waiting(lane);
}

static void date_from_reply(struct lane *lane) {
    if (is_planted(lane, SWITCH_LEASE_FROM_REPLY)) {
        lane->asked_ms = clock_boot_ms();
    }
}

size_t __wrap_lane_take_read(struct lane *lane, const redisReply *reply) {
    date_from_reply(lane);
    return __real_lane_take_read(lane, reply);
}

void __wrap_lane_take_claimed(struct lane *lane, const redisReply *reply) {
    date_from_reply(lane);
    __real_lane_take_claimed(lane, reply);
}
