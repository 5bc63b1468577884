// SPDX-License-Identifier: MIT
//
// What becomes of a lease beside its call: it waits for it, is renewed, given back, dropped.
#include "dispatcher/fcall.h"
#include "dispatcher/lane_private.h"
#include "dispatcher/lease_log.h"
#include "shared/base/clock.h"
#include "shared/redis/words.h"

void lane_wait(struct lease *lease) {
    struct lane *lane = lease->lane;
    lease->state = LEASE_WAITING;
    lease_queue_put(&lane->waiting, lease);
    lane->waiting_count++;
}

struct lease *lane_next_waiting(struct lane *lane) {
    struct lease *lease = lease_queue_take(&lane->waiting);
    if (lease != NULL) {
        lane->waiting_count--;
    }
    return lease;
}

void lane_drop(struct lease *lease) {
    struct lane *lane = lease->lane;
    lease_table_remove(lane->leases, lease);
    upstream_release(lane->upstream, 1);
    if (lane->stopping) {
        lane->go_on(lane);
    }
}

void lane_drop_waiting(struct lane *lane) {
    struct lease *lease;
    while ((lease = lane_next_waiting(lane)) != NULL) {
        lane_drop(lease);
    }
}

static struct fcall *fenced(enum library_function function, const struct lease *lease) {
    const struct lane *lane = lease->lane;
    struct fcall *fcall = fcall_new(function, 1);
    fcall_text(fcall, lane->keys.outbound);
    fcall_text(fcall, GROUP_DISPATCHERS);
    fcall_text(fcall, lane->env->me);
    fcall_text(fcall, lease->entry.id);
    fcall_int(fcall, lease->count);
    return fcall;
}

static void lane_lease_on_given_back(void *argument, enum redis_result result, const redisReply *reply) {
    struct lease *lease = argument;
    if (result == REDIS_LINK_ERROR || result == REDIS_LINK_NO_LIBRARY) {
        lease_log(LOG_ERROR, "give_back_failed", lease, reply->str); // its lease runs out by itself
    }
    lane_drop(lease);
}

void lane_give_back(struct lease *lease) {
    lease->state = LEASE_RETURNING;
    if (fcall_send(fenced(LIBRARY_GIVE_BACK, lease), lease->lane->env->link, lane_lease_on_given_back, lease) != 0) {
        lane_drop(lease);
    }
}

void lane_give_back_waiting(struct lane *lane) {
    struct lease *lease;
    while ((lease = lane_next_waiting(lane)) != NULL) {
        lane_give_back(lease);
    }
}

static void lane_lease_on_renewed(void *argument, enum redis_result result, const redisReply *reply) {
    struct lease *lease = argument;
    struct lane *lane = lease->lane;
    bool ours = result == REDIS_LINK_OK && library_word(reply) == WORD_OK;
    if (!ours) {
        if (result == REDIS_LINK_OK) {
            lease_log(LOG_WARN, "lease_lost", lease, "the entry passed to another before it was called");
        }
        lane_drop(lease);
    } else if (lane->stopping) {
        lane_give_back(lease);
    } else {
        lease->dated_ms = lease->renewal_ms;
        lane_wait(lease);
    }
    lane->go_on(lane);
}

void lane_renew(struct lease *lease) {
    lease->state = LEASE_RENEWING;
    lease->renewal_ms = clock_boot_ms();
    if (fcall_send(fenced(LIBRARY_RENEW, lease), lease->lane->env->link, lane_lease_on_renewed, lease) != 0) {
        lane_drop(lease);
    }
}
