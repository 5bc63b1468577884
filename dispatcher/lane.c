// SPDX-License-Identifier: MIT
//
// The problem: an entry may be read only when its provider may be called, a grant to call lasts 100 ms, yet a message
// that arrives in an idle system must be called at once, and an idle system must not burn processor time.
//
// The choice: waiting and taking are two things. A watch (watch.h) blocks on a connection of its own until the stream
// has something newer than what the group was last given; it takes nothing and needs no grant. Then, over the common
// link, the breaker is asked and XREADGROUP takes as many as the grant and the cap allow, without blocking. So nothing
// is asked while nothing is there (a half-open breaker's few probes aren't tied up by an idle process), settlements
// never queue behind a blocking read, and what is acknowledged is acknowledged over the connection that read it.
//
// Rejected: XREADGROUP … BLOCK. It takes entries at a time when the grant has long expired, so that they would have to
// be given back, and their delivery counts raised, whenever the breaker is open.
//
// One step at a time: while a read or a claim is under way no other begins, because a claim takes whatever of ours we
// don't know, and what a read is bringing would look just like that.
//
// The watch is only a hint. Every second XLEN is compared with what is held here: whatever was missed, given back by
// another, or left behind by a process that died, is found by that.
#include "dispatcher/lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatcher/fcall.h"
#include "dispatcher/lane_private.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"

enum {
    ERROR_WAIT_MS = 1000,
    BACKLOG_WAIT_MS = 1000,
    OPT_OUTS_WAIT_MS = 100,
    READ_MARGIN_MS = 20, // of a grant that must be left for a read to be worth it
    TICKS_PER_REAP = 3600,
};
#define REAP_IDLE_MS (24LL * 3600 * 1000)

// The one place that changes the step.
static void lane_change_step(struct lane *lane, enum lane_step step) {
    lane->step = step;
}

// Does what is to be done next, unless something is under way.
static void lane_go_on(struct lane *lane);

// A step is under way for as long as its answer is awaited.
static void lane_begin(struct lane *lane, enum lane_step step, int (*send)(struct lane *lane, redis_link_reply done),
                       redis_link_reply done) {
    lane_change_step(lane, step);
    if (send(lane, done) != 0) {
        lane_change_step(lane, LANE_READY);
    }
}

static bool is_up(const struct lane *lane) {
    return redis_link_is_up(lane->env->link);
}

// ---- Waiting

static void lane_on_refusal_over(uv_timer_t *timer) {
    struct lane *lane = timer->data;
    if (lane->step == LANE_REFUSED) {
        lane_change_step(lane, LANE_READY);
    }
    lane_go_on(lane);
}

static void lane_refuse(struct lane *lane, int64_t wait_ms) {
    lane_change_step(lane, LANE_REFUSED);
    uv_timer_start(&lane->refusal, lane_on_refusal_over, (uint64_t)wait_ms, 0);
}

// What any reply may say: the group is gone (it is made again), or an error that is logged; then the lane waits a
// while. Of a LOST nothing is to be made: lane_down follows.
static void lane_failed(struct lane *lane, const char *what, enum redis_result result, const redisReply *reply) {
    if (result == REDIS_LINK_LOST) {
        lane_change_step(lane, LANE_READY);
        return;
    }
    if (strstr(reply->str, "NOGROUP") != NULL) {
        lane->has_group = false;
        lane_change_step(lane, LANE_READY);
        return;
    }
    log_error("lane_failed", "%s of %s: %s", what, lane->keys.outbound, reply->str);
    lane_refuse(lane, ERROR_WAIT_MS);
}

// ---- The group

static void lane_on_group(void *argument, enum redis_result result, const redisReply *reply) {
    struct lane *lane = argument;
    bool exists = result == REDIS_LINK_ERROR && strncmp(reply->str, "BUSYGROUP", strlen("BUSYGROUP")) == 0;
    if (result != REDIS_LINK_OK && !exists) {
        lane_failed(lane, "XGROUP CREATE", result, reply);
    } else {
        lane_change_step(lane, LANE_READY);
        lane->has_group = true;
        lane->more = lane->claim_due = true;
        snprintf(lane->after, sizeof lane->after, "0-0");
    }
    lane_go_on(lane);
}

// ---- Who has opted out, and what was erased

// Nothing is called, nor read, before that is known. What waits is given back, for another lane's look may be no
// better.
static void lane_on_looked(void *argument, enum redis_result result, const redisReply *reply) {
    struct lane *lane = argument;
    (void)reply;
    lane_change_step(lane, LANE_READY);
    if (result != REDIS_LINK_LOST && !opt_outs_are_known(lane->opt_outs)) {
        lane->claim_due = lane->claim_due || lane->waiting.first != NULL;
        lane_give_back_waiting(lane);
        lane_refuse(lane, OPT_OUTS_WAIT_MS);
    }
    lane_go_on(lane);
}

// ---- Taking

static void lane_on_located(void *argument, enum redis_result result, const redisReply *reply) {
    struct lane *lane = argument;
    if (result != REDIS_LINK_OK) {
        lane_failed(lane, "XINFO GROUPS", result, reply);
    } else {
        lane_change_step(lane, LANE_READY);
        lane_take_located(lane, reply);
    }
    lane_go_on(lane);
}

static void lane_sort_taken(struct lane *lane) {
    struct lease *lease;
    while ((lease = lease_queue_take(&lane->taken)) != NULL) {
        if (lease->state == LEASE_FINISHED) {
            settler_take(lane->settler, lease);
        } else if (lease->state == LEASE_RETURNING || lane->stopping) {
            lane_give_back(lease);
        } else {
            lane_wait(lease);
        }
    }
}

static void lane_on_read(void *argument, enum redis_result result, const redisReply *reply) {
    struct lane *lane = argument;
    size_t count = 0;
    if (result != REDIS_LINK_OK) {
        lane_failed(lane, "XREADGROUP", result, reply);
    } else {
        lane_change_step(lane, LANE_READY);
        count = lane_take_read(lane, reply);
        lane_sort_taken(lane);
    }
    lane_release_reserved(lane);
    if (result == REDIS_LINK_OK && count == 0 && !lane->stopping) {
        // Another dispatcher took what was there: the watch would see it for as long as it lies in the stream.
        lane_begin(lane, LANE_LOCATING, lane_send_locate, lane_on_located);
    } else {
        lane_go_on(lane);
    }
}

static void lane_on_claimed(void *argument, enum redis_result result, const redisReply *reply) {
    struct lane *lane = argument;
    if (result != REDIS_LINK_OK) {
        lane_failed(lane, "claim", result, reply);
    } else {
        lane_change_step(lane, LANE_READY);
        lane_take_claimed(lane, reply);
        lane_sort_taken(lane);
    }
    lane_release_reserved(lane);
    lane_go_on(lane);
}

// ---- The grant

static void lane_on_backlog(void *argument, enum redis_result result, const redisReply *reply) {
    struct lane *lane = argument;
    if (result == REDIS_LINK_OK && reply->type == REDIS_REPLY_INTEGER) {
        lane->backlog_full = reply->integer >= 2 * lane->env->settings->stream_max_backlog;
    }
}

static int ask_backlog(struct lane *lane) {
    const char *argv[] = {"XLEN", lane->keys.events};
    return redis_link_call(lane->env->link, lane_on_backlog, lane, 2, argv, NULL);
}

static void lane_on_grant(void *argument, struct grant grant, int64_t wait_ms) {
    struct lane *lane = argument;
    struct breaker *breaker = lane->upstream->breaker;
    breaker_give_up(breaker, &lane->grant);
    lane->grant = grant;
    lane_change_step(lane, LANE_READY);
    if (!is_up(lane)) {
        return;
    }
    if (grant.kind == GRANT_NONE) {
        if (lane->waiting.first != NULL) { // given back, they are the first to be taken again
            lane->claim_due = true;
        }
        lane_give_back_waiting(lane);
        if (!lane->stopping) {
            lane_refuse(lane, wait_ms);
        }
    } else if (lane->backlog_full && lane->waiting.first == NULL) {
        breaker_give_up(breaker, &lane->grant);
        lane_refuse(lane, BACKLOG_WAIT_MS);
    }
    lane_go_on(lane);
}

// Probes that are too old to begin by go back first, lest they stand in the way of new ones.
static void lane_ask_breaker(struct lane *lane, size_t want) {
    breaker_give_up(lane->upstream->breaker, &lane->grant);
    lane_change_step(lane, LANE_ASKING);
    if (ask_backlog(lane) != 0 || breaker_ask(lane->upstream->breaker, want, lane_on_grant, lane) != 0) {
        lane_change_step(lane, LANE_READY);
    }
}

// ---- What to do next

static void lane_on_arrival(void *argument) {
    struct lane *lane = argument;
    lane->more = true;
    lane_go_on(lane);
}

static void lane_rest(struct lane *lane) {
    breaker_give_up(lane->upstream->breaker, &lane->grant);
    watch_begin(lane->watch, lane->after);
}

static void stop_when_idle(struct lane *lane) {
    lane_give_back_waiting(lane);
    breaker_give_up(lane->upstream->breaker, &lane->grant);
    if (lane_is_idle(lane)) {
        lane->on_idle(lane->argument);
    }
}

static bool must_look(const struct lane *lane) {
    bool waits = lane->waiting.first != NULL;
    bool fresh = opt_outs_are_fresh(lane->opt_outs) && erasures_are_fresh(lane->erasures);
    bool known = opt_outs_are_known(lane->opt_outs) && erasures_are_known(lane->erasures);
    return waits ? !fresh : !known;
}

static void next_step(struct lane *lane) {
    struct upstream *upstream = lane->upstream;
    size_t want = lane->waiting.first != NULL ? lane->waiting_count : upstream_room(upstream);
    int64_t margin_ms = lane->waiting.first != NULL ? 0 : READ_MARGIN_MS;
    if (want == 0) {                           // the upstream wakes the lane when there is room
        if (lane->grant.kind == GRANT_PACED) { // others may have work for it
            breaker_give_up(upstream->breaker, &lane->grant);
        }
        return;
    }
    if (must_look(lane)) {
        lane_begin(lane, LANE_LOOKING, lane_send_look, lane_on_looked);
    } else if (!breaker_grant_is_good(upstream->breaker, &lane->grant, margin_ms)) {
        lane_ask_breaker(lane, want);
    } else if (lane->waiting.first != NULL) {
        lane_call_waiting(lane);
        lane_go_on(lane);
    } else if (lane->claim_due) {
        lane_begin(lane, LANE_CLAIMING, lane_send_claim, lane_on_claimed);
    } else {
        lane_begin(lane, LANE_READING, lane_send_read, lane_on_read);
    }
}

static void lane_go_on(struct lane *lane) {
    if (lane->step != LANE_READY) {
        return;
    }
    if (lane->stopping) {
        stop_when_idle(lane);
    } else if (!is_up(lane)) {
        return;
    } else if (!lane->has_group) {
        lane_begin(lane, LANE_HEALING, lane_send_group, lane_on_group);
    } else if (lane->waiting.first == NULL && !lane->more && !lane->claim_due) {
        lane_rest(lane);
    } else {
        next_step(lane);
    }
}

// There may be room, or the provider may be called again.
static void lane_wake(void *argument) {
    struct lane *lane = argument;
    if (lane->step == LANE_REFUSED) {
        uv_timer_stop(&lane->refusal);
        lane_change_step(lane, LANE_READY);
    }
    lane_go_on(lane);
}

// ---- Every second

static void lane_on_length(void *argument, enum redis_result result, const redisReply *reply) {
    struct lane *lane = argument;
    if (result != REDIS_LINK_OK || reply->type != REDIS_REPLY_INTEGER || lane->stopping) {
        return;
    }
    if ((size_t)reply->integer > lease_table_count(lane->leases)) {
        lane->more = lane->claim_due = true;
        lane_go_on(lane);
    }
}

static void lane_on_reaped(void *argument, enum redis_result result, const redisReply *reply) {
    struct lane *lane = argument;
    if (result == REDIS_LINK_OK && reply->integer > 0) {
        log_info("consumers_reaped", "%s: %lld consumers that held nothing and were silent for a day",
                 lane->keys.outbound, reply->integer);
    }
}

static void lane_reap(struct lane *lane) {
    struct fcall *fcall = fcall_new(LIBRARY_REAP, 1);
    fcall_text(fcall, lane->keys.outbound);
    fcall_text(fcall, GROUP_DISPATCHERS);
    fcall_int(fcall, REAP_IDLE_MS);
    if (fcall_send(fcall, lane->env->link, lane_on_reaped, lane) != 0) {
        log_debug("reap_skipped", "%s: Redis is away", lane->keys.outbound);
    }
}

void lane_tick(struct lane *lane) {
    const char *argv[] = {"XLEN", lane->keys.outbound};
    entries_newer_log(&lane->newer, lane->keys.outbound, provider_name(lane->upstream->provider));
    if (lane->stopping || !is_up(lane)) {
        return;
    }
    if (lane->ticks++ % TICKS_PER_REAP == 0) {
        lane_reap(lane);
    }
    holds_look(lane->holds);
    if (ask_backlog(lane) != 0 || redis_link_call(lane->env->link, lane_on_length, lane, 2, argv, NULL) != 0) {
        return;
    }
}

// ---- Its life

void lane_up(struct lane *lane) {
    lane->has_group = false;
    due_look(lane->due);
    holds_look(lane->holds);
    lane_wake(lane);
}

void lane_down(struct lane *lane) {
    // Read but not called: the next connection's first claim brings them again.
    lane_drop_waiting(lane);
    breaker_give_up(lane->upstream->breaker, &lane->grant);
    breaker_forget_go(lane->upstream->breaker);
    opt_outs_forget(lane->opt_outs);
    erasures_forget(lane->erasures);
    uv_timer_stop(&lane->refusal);
    lane_change_step(lane, LANE_READY);
    lane_go_on(lane);
}

void lane_settled(struct lease *lease) {
    if (lease->decision.delay_ms > 0) {
        due_expect(lease->lane->due, lease->decision.delay_ms);
    }
    lane_drop(lease);
}

void lane_hold_sender(const struct lease *lease) {
    holds_add(lease->lane->holds, lease->entry.message.sender);
}

void lane_stop(struct lane *lane) {
    lane->stopping = true;
    due_stop(lane->due);
    uv_timer_stop(&lane->refusal);
    if (lane->step == LANE_REFUSED) {
        lane_change_step(lane, LANE_READY);
    }
    lane_go_on(lane);
}

bool lane_is_idle(const struct lane *lane) {
    return lane->step == LANE_READY && lease_table_count(lane->leases) == 0;
}

static void lane_on_closed(uv_handle_t *handle) {
    struct lane *lane = handle->data;
    free(lane->watch_name);
    free(lane);
}

static void lane_break_off(void *argument, struct lease *lease) {
    (void)argument;
    if (lease->state == LEASE_CALLING) {
        call_cancel(lease->call);
    }
}

void lane_destroy(struct lane *lane) {
    watch_destroy(lane->watch);
    due_destroy(lane->due);
    holds_destroy(lane->holds);
    opt_outs_destroy(lane->opt_outs);
    erasures_destroy(lane->erasures);
    lease_table_each(lane->leases, lane_break_off, NULL);
    lease_table_destroy(lane->leases);
    free(lane->grant.probes);
    uv_close((uv_handle_t *)&lane->refusal, lane_on_closed);
}

struct lane *lane_create(const struct dispatch_env *env, const struct lane_options *options) {
    struct lane *lane = xcalloc(1, sizeof *lane);
    lane->env = env;
    lane->upstream = options->upstream;
    lane->settler = options->settler;
    lane->on_idle = options->on_idle;
    lane->argument = options->argument;
    lane->go_on = lane_go_on;
    partition_keys(options->tag, &lane->keys);
    lane->leases = lease_table_create();
    lane->refusal.data = lane;
    uv_timer_init(env->loop, &lane->refusal);
    lane->due = due_create(env, &lane->keys, lane->upstream);
    lane->holds = holds_create(env, &lane->keys);
    lane->opt_outs = opt_outs_create(env, &lane->keys);
    lane->erasures = erasures_create(env, &lane->keys);
    lane->watch_name = xasprintf("%s-watch-%s", env->me, lane->keys.tag);
    lane->watch = watch_create(env, &(struct watch_options){
                                        .name = lane->watch_name,
                                        .stream = lane->keys.outbound,
                                        .on_arrival = lane_on_arrival,
                                        .argument = lane,
                                    });
    upstream_add_waiter(lane->upstream, lane_wake, lane);
    return lane;
}
