// SPDX-License-Identifier: MIT
#include "tests/protocol/faults.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/protocol/actors.h"
#include "tests/protocol/process.h"
#include "tests/protocol/wire.h"

enum { JUMP_SHORT_MS = 20 * 1000 };

#define JUMP_LONG_MS (400LL * 24 * 3600 * 1000)

static void hit_all(struct world *world) {
    for (int i = 0; i < ACTORS; i++) {
        process_hit(world->dispatchers[i]);
    }
}

static struct process *some_process(struct world *world) {
    int which = random_below(&world->random, 2 * ACTORS);
    return which < ACTORS ? world->dispatchers[which] : world->persisters[which - ACTORS];
}

void fault_kill(struct world *world) {
    struct process *process = some_process(world);
    if (world_may(world, FAULT_KILL)) {
        world_inject(world, FAULT_KILL);
        world_say(world, "KILL %s", process_name(process));
        process_kill(process);
    }
}

// At once, or where it matters most.
void fault_stop(struct world *world) {
    struct process *process = some_process(world);
    bool soon = random_chance(&world->random, 50);
    if (!world_may(world, FAULT_STOP) || *process_stopped(process)) {
        return;
    }
    world_inject(world, FAULT_STOP);
    world_say(world, "STOP %s", process_name(process));
    if (soon) {
        process_stop_soon(process);
    } else {
        *process_stopped(process) = true;
    }
}

// The first one that is stopped, from a random one on.
void fault_continue(struct world *world) {
    int first = random_below(&world->random, 2 * ACTORS);
    for (int i = 0; i < 2 * ACTORS; i++) {
        int which = (first + i) % (2 * ACTORS);
        struct process *process = which < ACTORS ? world->dispatchers[which] : world->persisters[which - ACTORS];
        if (*process_stopped(process)) {
            world_say(world, "CONT %s", process_name(process));
            *process_stopped(process) = false;
            return;
        }
    }
}

void fault_destroy(struct world *world) {
    bool outbound = random_chance(&world->random, 50);
    struct command command =
        command_of("XGROUP", "DESTROY", outbound ? KEY_OUTBOUND : KEY_EVENTS, outbound ? GROUP_D : GROUP_P, NULL);
    if (!world_may(world, FAULT_DESTROY)) {
        return;
    }
    world_inject(world, FAULT_DESTROY);
    world_say(world, "XGROUP DESTROY %s", outbound ? GROUP_D : GROUP_P);
    if (outbound) {
        hit_all(world);
    }
    freeReplyObject(wire_run(world, &command));
}

void fault_delcons(struct world *world) {
    int which = random_below(&world->random, 2 * ACTORS);
    bool outbound = which < ACTORS;
    struct process *process = outbound ? world->dispatchers[which] : world->persisters[which - ACTORS];
    struct command command = command_of("XGROUP", "DELCONSUMER", outbound ? KEY_OUTBOUND : KEY_EVENTS,
                                        outbound ? GROUP_D : GROUP_P, process_name(process), NULL);
    if (!world_may(world, FAULT_DELCONSUMER)) {
        return;
    }
    world_inject(world, FAULT_DELCONSUMER);
    world_say(world, "XGROUP DELCONSUMER %s", process_name(process));
    world->orphans = true;
    if (outbound) {
        process_hit(process);
    }
    freeReplyObject(wire_run(world, &command));
}

void fault_flush(struct world *world) {
    struct command command = command_of("FUNCTION", "FLUSH", NULL);
    if (world_may(world, FAULT_FLUSH)) {
        world_inject(world, FAULT_FLUSH);
        world_say(world, "FUNCTION FLUSH");
        freeReplyObject(wire_run(world, &command));
        world->has_library = false;
    }
}

void fault_jump(struct world *world) {
    int64_t by_ms = random_within(&world->random, -JUMP_SHORT_MS, JUMP_SHORT_MS);
    bool is_long = random_chance(&world->random, 30);
    if (!world_may(world, FAULT_JUMP)) {
        return;
    }
    by_ms = is_long ? (by_ms < 0 ? -JUMP_LONG_MS : JUMP_LONG_MS) : by_ms;
    world_inject(world, FAULT_JUMP);
    world_say(world, "Redis's clock jumps by %" PRId64 " ms", by_ms);
    world->jumped = true;
    hit_all(world);
    world->wall_ms += by_ms;
    wire_set_clock(world, by_ms);
}

void fault_expire_key(struct world *world, int index) {
    const struct ledger_message *message = &world->ledger.messages[index];
    char name[64];
    snprintf(name, sizeof name, "idem:{sms-mms:0}:%s%d", message->webhook ? "provider" : "client",
             message->webhook ? index : message->key);
    struct command command = command_of("DEL", name, NULL);
    if (message->key >= 0) {
        world->ledger.keys[message->key].expired++;
    }
    world_inject(world, FAULT_EXPIRY);
    world_say(world, "the idempotency key of %s expires", message->id);
    freeReplyObject(wire_run(world, &command));
}

void fault_expire(struct world *world) {
    if (world_may(world, FAULT_EXPIRY) && world->ledger.message_count > 0) {
        fault_expire_key(world, random_below(&world->random, world->ledger.message_count));
    }
}

void fault_snapshot(struct world *world) {
    struct snapshot *snapshot = &world->snapshot;
    if (!world_may(world, FAULT_FAILOVER)) {
        return;
    }
    world_say(world, "SNAPSHOT");
    freeReplyObject(snapshot->dump);
    wire_poll(world);
    snapshot->dump = wire_snapshot(world);
    snapshot->taken = true;
    snapshot->step = world->step;
    memcpy(snapshot->tokens, world->ledger.tokens, sizeof snapshot->tokens);
    snapshot->live = world->ledger.live;
    for (int i = 0; i < MOST_KEYS; i++) {
        snapshot->key_tokens[i] = world->ledger.keys[i].tokens;
    }
    snprintf(snapshot->event, ENTRY_SIZE, "%s", world->seen.event);
}

// The ledger goes back as well: what was promised since may be gone, and nothing else.
static void go_back(struct world *world) {
    const struct snapshot *snapshot = &world->snapshot;
    struct ledger *ledger = &world->ledger;
    memcpy(ledger->tokens, snapshot->tokens, sizeof ledger->tokens);
    ledger->live = snapshot->live;
    snprintf(world->seen.event, ENTRY_SIZE, "%s", snapshot->event);
    for (int i = 0; i < MOST_KEYS; i++) {
        ledger->keys[i].tokens = snapshot->key_tokens[i];
    }
    for (int i = 0; i < ledger->message_count; i++) {
        struct ledger_message *message = &ledger->messages[i];
        message->may_be_gone = message->may_be_gone || message->promised_at > snapshot->step;
        message->cancelled = message->cancelled && message->cancelled_at <= snapshot->step;
    }
    unread_go_back(world, snapshot->step);
    receipts_go_back(world, snapshot->step);
    words_go_back(world, snapshot->step);
    world->seen.epoch = -1; // whatever it is next is no step back
    turns_begin_again(world);
    world->astray = true; // it may have been then
    world->failed_over = true;
}

void fault_failover(struct world *world) {
    if (!world_may(world, FAULT_FAILOVER) || !world->snapshot.taken) {
        return;
    }
    world_inject(world, FAULT_FAILOVER);
    world_say(world, "FAIL-OVER to the snapshot");
    hit_all(world);
    wire_restore(world, world->snapshot.dump);
    world->redis_run++;
    go_back(world);
    for (int i = 0; i < ACTORS; i++) {
        process_disconnect(world->dispatchers[i]);
        process_disconnect(world->persisters[i]);
    }
    world->ingest.up = world->replayer.up = world->reconciler.link.up = false;
    world->reconciler.step = RECONCILE_IDLE;
    world->zombie_count = 0; // they were in the old one's sockets
    wire_poll(world);
}

void fault_deliver(struct world *world) {
    if (world->zombie_count == 0) {
        return;
    }
    int index = random_below(&world->random, world->zombie_count);
    struct process *dispatcher = world->zombies[index].dispatcher;
    world_say(world, "Redis reads what waited in a socket");
    if (dispatcher != NULL) {
        process_hit(dispatcher);
    }
    wire_deliver(world, index);
}

void fault_health(struct world *world) {
    world->healthy = !world->healthy;
    world_say(world, "the provider is %s", world->healthy ? "well" : "ill");
}

// Of one sender, or of all: an account that the provider doesn't know.
void fault_refusals(struct world *world) {
    int sender = random_below(&world->random, SENDERS + 1);
    bool *refuses = sender < SENDERS ? &world->refuses[sender] : &world->refuses_all;
    *refuses = !*refuses;
    world_say(world, "the provider %s %s", *refuses ? "refuses" : "takes",
              sender < SENDERS ? sender_of(sender) : "any sender but those");
}
