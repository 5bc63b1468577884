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

// Returns whether it may be called by now; else it is gone, or none of this one's any more.
static bool admit(struct world *world, struct dispatcher *dispatcher, struct lease *lease) {
    struct command command = command_function(LIBRARY_ADMIT, 4);
    const char *words[] = {KEY_OUTBOUND, KEY_PARKED, KEY_DUE, KEY_HELD_SENDERS, dispatcher->link.name};
    struct seen_hold hold = world->seen.holds[lease->message % SENDERS];
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        command_text(&command, words[i]);
    }
    command_int(&command, HOLD_MS);
    command_int(&command, PROBE_LEASE_MS);
    command_text(&command, lease->entry);
    command_int(&command, lease->count);
    command_text(&command, world->ledger.messages[lease->message].id);
    command_int(&command, lease->generation);
    command_text(&command, sender_of(lease->message));
    redisReply *reply = wire_function(world, &dispatcher->link, &command);
    bool lost = dispatcher_failed(world, dispatcher, "admit", reply);
    const redisReply *verdict = lost ? NULL : reply->element[0];
    lease->admitted = verdict != NULL && strcmp(reply_text(verdict, 0), "GO") == 0;
    lease->of_a_hold = lease->admitted && world->seen.holds[lease->message % SENDERS].held;
    world_say(world, "%s asks whether %s may be called, entry %s, count %d: %s", dispatcher->link.name,
              world->ledger.messages[lease->message].id, lease->entry, lease->count,
              verdict == NULL ? "no answer" : reply_text(verdict, 0));
    if (lease->admitted && hold.held && world->wall_ms < hold.until_ms && hold.until_ms <= world->wall_ms + HOLD_MS) {
        world_breach(world, AUDIT_HELD, "sender %s is held, and its message may be called", sender_of(lease->message));
    }
    if (verdict != NULL && verdict->type == REDIS_REPLY_ARRAY && reply_int(verdict, 1) > HOLD_MS + 10000) {
        world_breach(world, AUDIT_WAIT, "a held one waits for %lld ms", (long long)reply_int(verdict, 1));
    }
    if (!lease->admitted) {
        lease->state = LEASE_FREE;
    }
    freeReplyObject(reply);
    return lease->admitted;
}

static bool is_young(const struct world *world, const struct lease *lease) {
    return world->boot_ms - lease->dated_ms <= CLAIM_MS / 2 || world_has(world, SWITCH_NO_RENEWAL);
}

void lane_call_waiting(struct world *world, struct dispatcher *dispatcher) {
    int count = leases_count(dispatcher, LEASE_WAITING);
    bool expired = false;
    for (struct lease *lease;
         count-- > 0 && dispatcher->link.up && (lease = leases_first_waiting(dispatcher)) != NULL;) {
        bool replay_begins = lease->generation > 0 && lease->call == 1;
        if (!replay_begins && lease_age_ms(world, lease) >= DEADLINE_MS) {
            expire(world, lease);
            expired = true;
        } else if (!is_young(world, lease)) {
            renew(world, dispatcher, lease);
        } else if (dispatcher->held[lease->message % SENDERS] && !lease->admitted) {
            if (admit(world, dispatcher, lease)) {
                lease->order = dispatcher->next_order++;
            }
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
