// SPDX-License-Identifier: MIT
//
// Planted faults of the processes. The linker puts these functions before those that ship (--wrap in the Makefile),
// which they call; a plant changes what they see or answer.
#include "dispatcher/breaker.h"
#include "dispatcher/lane_private.h"
#include "shared/base/clock.h"
#include "tests/protocol/process_private.h"

bool __real_breaker_grant_is_good(const struct breaker *breaker, const struct grant *grant, int64_t margin_ms);
bool __wrap_breaker_grant_is_good(const struct breaker *breaker, const struct grant *grant, int64_t margin_ms);
void __real_lane_call_waiting(struct lane *lane);
void __wrap_lane_call_waiting(struct lane *lane);
size_t __real_lane_take_read(struct lane *lane, const redisReply *reply);
size_t __wrap_lane_take_read(struct lane *lane, const redisReply *reply);
void __real_lane_take_claimed(struct lane *lane, const redisReply *reply);
void __wrap_lane_take_claimed(struct lane *lane, const redisReply *reply);

const char *__wrap_process_instance(void);
uint64_t __real_redis_link_connection(const struct redis_link *link);
uint64_t __wrap_redis_link_connection(const struct redis_link *link);

// No plant, but what a process is called.
const char *__wrap_process_instance(void) {
    return log_process()->name;
}

// A persister acknowledges over whatever connection there is.
uint64_t __wrap_redis_link_connection(const struct redis_link *link) {
    return world_has(clock_world(), SWITCH_ACK_ANYWHERE) ? 1 : __real_redis_link_connection(link);
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
