// SPDX-License-Identifier: MIT
//
// A lane of a dispatcher (dispatcher/lane.c, lane_take.c, lane_call.c): first a grant, then a read; one step at a time.
// A step that asks Redis may leave the reply unread, as a process does that is stopped there.
//
// Kept as one: the look at the lease's age and the begin of the call, which the C code does in one turn of its loop. A
// process that is stopped just there calls what may be another's by then, and nothing on its side can help that.
#include <stdio.h>
#include <string.h>

#include "tests/protocol/actors.h"
#include "tests/protocol/dispatcher_private.h"
#include "tests/protocol/wire.h"
#include "tests/support/reply.h"

enum { READ_MARGIN_MS = 20 };

// ---- The connection

static void discard_reply(struct dispatcher *dispatcher) {
    freeReplyObject(dispatcher->reply);
    dispatcher->reply = NULL;
    dispatcher->kind = REPLY_NONE;
}

void dispatcher_drop(struct world *world, struct dispatcher *dispatcher) {
    dispatcher->link.up = false;
    for (int i = 0; i < LEASES; i++) {
        if (dispatcher->leases[i].state == LEASE_WAITING) { // the next connection's first claim brings it again
            dispatcher->leases[i].state = LEASE_FREE;
        }
    }
    discard_reply(dispatcher);
    grant_give_up(world, dispatcher);
}

void dispatcher_forget(struct world *world, struct dispatcher *dispatcher) {
    const char *name = dispatcher->link.name;
    unsigned generation = dispatcher->link.generation;
    dispatcher_hit(world, dispatcher);
    discard_reply(dispatcher);
    *dispatcher = (struct dispatcher){.link = {.name = name, .generation = generation}};
}

static void connect(struct world *world, struct dispatcher *dispatcher) {
    wire_link_up(world, &dispatcher->link);
    world_say(world, "%s connects", dispatcher->link.name);
    dispatcher->has_group = false;
    dispatcher->refused_until_ms = 0;
    call_settle(world, dispatcher);
    if (dispatcher->link.up) {
        dispatcher_unpark(world, dispatcher);
    }
}

bool dispatcher_failed(struct world *world, struct dispatcher *dispatcher, const char *what, const redisReply *reply) {
    if (reply == NULL) {
        dispatcher_drop(world, dispatcher);
        return true;
    }
    if (reply->type != REDIS_REPLY_ERROR) {
        return false;
    }
    if (strstr(reply->str, "NOGROUP") != NULL) {
        dispatcher->has_group = false;
    } else if (!wire_lacks_library(reply)) {
        world_breach(world, AUDIT_ERROR, "%s: %s", what, reply->str);
    }
    return true;
}

static void make_group(struct world *world, struct dispatcher *dispatcher) {
    const char *from = world_has(world, SWITCH_GROUP_AT_END) ? "$" : "0";
    struct command command = command_of("XGROUP", "CREATE", KEY_OUTBOUND, GROUP_D, from, "MKSTREAM", NULL);
    redisReply *reply = wire_call(world, &dispatcher->link, &command);
    bool exists = reply != NULL && strncmp(reply_text(reply, 0), "BUSYGROUP", 9) == 0;
    if (exists || !dispatcher_failed(world, dispatcher, "XGROUP CREATE", reply)) {
        dispatcher->has_group = dispatcher->more = dispatcher->claim_due = true;
    }
    freeReplyObject(reply);
}

// ---- What to do next

static void next_step(struct world *world, struct dispatcher *dispatcher) {
    bool waiting = leases_first_waiting(dispatcher) != NULL;
    int want = waiting ? leases_count(dispatcher, LEASE_WAITING) : leases_count(dispatcher, LEASE_FREE);
    if (want == 0) {
        return;
    }
    if (!grant_is_good(world, dispatcher, waiting ? 0 : READ_MARGIN_MS)) {
        lane_ask_breaker(world, dispatcher, want);
    } else if (waiting) {
        lane_call_waiting(world, dispatcher);
    } else if (dispatcher->claim_due) {
        lane_claim(world, dispatcher);
    } else {
        lane_read(world, dispatcher);
    }
}

void dispatcher_step(struct world *world, struct dispatcher *dispatcher) {
    if (dispatcher->stopped) {
        return;
    }
    if (!dispatcher->link.up) {
        connect(world, dispatcher);
    } else if (dispatcher->kind != REPLY_NONE) {
        dispatcher_catch_up(world, dispatcher);
    } else if (world->boot_ms < dispatcher->refused_until_ms) {
        return;
    } else if (!dispatcher->has_group) {
        make_group(world, dispatcher);
    } else if (leases_first_waiting(dispatcher) == NULL && !dispatcher->more && !dispatcher->claim_due) {
        grant_give_up(world, dispatcher);
    } else {
        next_step(world, dispatcher);
    }
    if (!dispatcher->link.up) { // lost while a grant was handed back
        dispatcher_drop(world, dispatcher);
    }
}

// As dispatcher/holds.c.
static void look_at_holds(struct world *world, struct dispatcher *dispatcher) {
    struct command command = command_of("HKEYS", KEY_HELD_SENDERS, NULL);
    redisReply *reply = wire_call(world, &dispatcher->link, &command);
    if (!dispatcher_failed(world, dispatcher, "HKEYS", reply)) {
        memset(dispatcher->held, 0, sizeof dispatcher->held);
        for (size_t i = 0; i < reply->elements; i++) {
            dispatcher->held[reply_text(reply, i)[0] - 'a'] = true;
        }
    }
    freeReplyObject(reply);
}

void dispatcher_tick(struct world *world, struct dispatcher *dispatcher) {
    if (dispatcher->stopped || !dispatcher->link.up) {
        return;
    }
    call_settle(world, dispatcher);
    if (dispatcher->kind == REPLY_NONE) {
        call_tell_again(world, dispatcher);
    }
    if (dispatcher->link.up && dispatcher->kind == REPLY_NONE) {
        look_at_holds(world, dispatcher);
    }
    if (world->seen.outbound > LEASES - leases_count(dispatcher, LEASE_FREE)) {
        dispatcher->more = dispatcher->claim_due = true;
    }
}

void dispatcher_unpark(struct world *world, struct dispatcher *dispatcher) {
    if (dispatcher->stopped || !dispatcher->link.up) {
        return;
    }
    struct command command = command_function(LIBRARY_UNPARK, 4);
    command_text(&command, KEY_OUTBOUND);
    command_text(&command, KEY_EVENTS);
    command_text(&command, KEY_PARKED);
    command_text(&command, KEY_DUE);
    command_int(&command, random_within(&world->random, 1, 5));
    command_int(&command, LONGEST_PARKED_MS);
    command_text(&command, *dispatcher->cursor ? dispatcher->cursor : "0");
    redisReply *reply = wire_function(world, &dispatcher->link, &command);
    *dispatcher->cursor = '\0';
    if (!dispatcher_failed(world, dispatcher, "unpark", reply)) {
        snprintf(dispatcher->cursor, sizeof dispatcher->cursor, "%s", reply_text(reply, 2));
        world_say(world, "%s unparks %lld", dispatcher->link.name, (long long)reply_int(reply, 0));
    }
    freeReplyObject(reply);
}
