// SPDX-License-Identifier: MIT
#include <string.h>

#include "tests/protocol/actors.h"
#include "tests/protocol/dispatcher_private.h"

int leases_count(const struct dispatcher *dispatcher, enum lease_state state) {
    int count = 0;
    for (int i = 0; i < LEASES; i++) {
        count += dispatcher->leases[i].state == state;
    }
    return count;
}

struct lease *leases_first_waiting(struct dispatcher *dispatcher) {
    struct lease *first = NULL;
    for (int i = 0; i < LEASES; i++) {
        struct lease *lease = &dispatcher->leases[i];
        if (lease->state == LEASE_WAITING && (first == NULL || lease->order < first->order)) {
            first = lease;
        }
    }
    return first;
}

struct lease *leases_find(struct dispatcher *dispatcher, const char *entry) {
    for (int i = 0; i < LEASES; i++) {
        struct lease *lease = &dispatcher->leases[i];
        if (lease->state != LEASE_FREE && strcmp(lease->entry, entry) == 0) {
            return lease;
        }
    }
    return NULL;
}

static void hit(struct world *world, struct lease *lease) {
    lease->hit = true;
    if (lease->state != LEASE_WAITING && lease->record >= 0) {
        world->ledger.calls[lease->record].excused = true;
    }
}

void dispatcher_hit(struct world *world, struct dispatcher *dispatcher) {
    dispatcher->reply_hit = dispatcher->kind != REPLY_NONE;
    for (int i = 0; i < LEASES; i++) {
        if (dispatcher->leases[i].state != LEASE_FREE) {
            hit(world, &dispatcher->leases[i]);
        }
    }
}

bool dispatcher_is_idle(const struct dispatcher *dispatcher) {
    return leases_count(dispatcher, LEASE_FREE) == LEASES && dispatcher->kind == REPLY_NONE;
}

int64_t lease_age_ms(const struct world *world, const struct lease *lease) {
    int64_t by_redis = world->wall_ms - lease->at_ms;
    int64_t by_id = world->boot_ms - world->ledger.messages[lease->message].made_ms;
    if (by_redis < 0) {
        return lease->generation == 0 ? by_id : 0;
    }
    return by_id < by_redis ? by_id : by_redis;
}
