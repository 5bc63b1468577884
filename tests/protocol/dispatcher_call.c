// SPDX-License-Identifier: MIT
//
// What becomes of the entries that a lane holds: called, renewed first where their lease is half over, or given back.
#include <string.h>

#include "tests/protocol/actors.h"
#include "tests/protocol/dispatcher_private.h"
#include "tests/protocol/wire.h"
#include "tests/support/reply.h"

static struct command fenced(enum library_function function, const struct dispatcher *dispatcher,
                             const struct lease *lease) {
    struct command command = command_function(function, 1);
    command_text(&command, KEY_OUTBOUND);
    command_text(&command, GROUP_D);
    command_text(&command, dispatcher->link.name);
    command_text(&command, lease->entry);
    command_int(&command, lease->count);
    return command;
}

static void give_back(struct world *world, struct dispatcher *dispatcher, struct lease *lease) {
    struct command command = fenced(LIBRARY_GIVE_BACK, dispatcher, lease);
    redisReply *reply = wire_function(world, &dispatcher->link, &command);
    world_say(world, "%s gives entry %s back: %s", dispatcher->link.name, lease->entry, reply_text(reply, 0));
    lease->state = LEASE_FREE;
    if (dispatcher_failed(world, dispatcher, "give_back", reply)) {
        world_say(world, "%s could not give it back", dispatcher->link.name);
    }
    freeReplyObject(reply);
}

void lane_give_back_waiting(struct world *world, struct dispatcher *dispatcher) {
    for (struct lease *lease; dispatcher->link.up && (lease = leases_first_waiting(dispatcher)) != NULL;) {
        give_back(world, dispatcher, lease);
    }
}

// Returns whether it may be called by now.
static void renew(struct world *world, struct dispatcher *dispatcher, struct lease *lease) {
    int64_t asked_ms = world->boot_ms;
    struct command command = fenced(LIBRARY_RENEW, dispatcher, lease);
    redisReply *reply = wire_function(world, &dispatcher->link, &command);
    world_say(world, "%s renews entry %s: %s", dispatcher->link.name, lease->entry, reply_text(reply, 0));
    if (dispatcher_failed(world, dispatcher, "renew", reply) || strcmp(reply_text(reply, 0), "OK") != 0) {
        lease->state = LEASE_FREE;
    } else {
        lease->dated_ms = asked_ms;
        lease->hit = false; // it is this one's, Redis says
        lease->order = dispatcher->next_order++;
    }
    freeReplyObject(reply);
}

static void expire(struct world *world, struct lease *lease) {
    world_say(world, "%s has passed its deadline", world->ledger.messages[lease->message].id);
    lease->state = LEASE_FINISHED;
    lease->result = RESULT_EXPIRED;
    lease->recorded = false;
    *lease->probe = '\0';
}

static bool is_young(const struct world *world, const struct lease *lease) {
    return world->boot_ms - lease->dated_ms <= CLAIM_MS / 2 || world_has(world, SWITCH_NO_RENEWAL);
}

void lane_call_waiting(struct world *world, struct dispatcher *dispatcher) {
    int count = leases_count(dispatcher, LEASE_WAITING);
    bool expired = false;
    for (struct lease *lease;
         count-- > 0 && dispatcher->link.up && (lease = leases_first_waiting(dispatcher)) != NULL;) {
        if (world->wall_ms - lease->at_ms >= DEADLINE_MS) {
            expire(world, lease);
            expired = true;
        } else if (!is_young(world, lease)) {
            renew(world, dispatcher, lease);
        } else if (grant_has_call(dispatcher)) {
            grant_take_probe(dispatcher, lease);
            call_begin(world, lease);
        } else {
            give_back(world, dispatcher, lease);
        }
    }
    if (dispatcher->grant.kind == GRANT_PROBE) {
        grant_give_up(world, dispatcher);
    }
    if (expired) {
        call_settle(world, dispatcher);
    }
}
