// SPDX-License-Identifier: MIT
//
// bin/reconcile.sh step by step, while everything else goes on. It may replay a row only when the message has no token,
// and it can look at one place at a time. Its reasoning is in the script's head.
#include <stdio.h>

#include "tests/protocol/actors.h"
#include "tests/protocol/replay.h"
#include "tests/protocol/wire.h"
#include "tests/support/reply.h"

#define PAGE "2"

static void change_step(struct reconciler *reconciler, enum reconcile_step step) {
    reconciler->step = step;
}

// The way that tokens move: what leaves one of these places comes into one that is still to be looked at.
static enum reconcile_step first_step(const struct world *world) {
    return world_has(world, SWITCH_NO_HELD) ? RECONCILE_PARKED : RECONCILE_SCHEDULED;
}

static void begin(struct world *world, struct reconciler *reconciler) {
    bool any = false;
    reconciler->second_look = false;
    reconciler->replayed = 0;
    for (int i = 0; i < MOST_MESSAGES; i++) {
        reconciler->suspect[i] = postgres_is_unfinished(&world->postgres, &world->ledger, i);
        reconciler->rows[i] = world->postgres.deliveries[i];
        any = any || reconciler->suspect[i];
    }
    if (any) {
        change_step(reconciler, first_step(world));
    }
}

static bool is_lost(struct reconciler *reconciler, redisReply *reply) {
    if (reply != NULL) {
        return false;
    }
    change_step(reconciler, RECONCILE_IDLE); // the script says so and ends; the next run begins again
    return true;
}

// Any generation's field counts: after a fail-over Postgres may know of one that Redis has forgotten.
static void look_at(struct world *world, struct reconciler *reconciler, const char *key, enum reconcile_step next) {
    for (int i = 0; i < MOST_MESSAGES; i++) {
        if (!reconciler->suspect[i]) {
            continue;
        }
        struct command command = command_of("HMGET", key, NULL);
        for (int generation = 0; generation <= reconciler->rows[i].generation + 1; generation++) {
            char field[48];
            snprintf(field, sizeof field, "%s:%d", world->ledger.messages[i].id, generation);
            command_text(&command, field);
        }
        redisReply *reply = wire_call(world, &reconciler->link, &command);
        if (is_lost(reconciler, reply)) {
            return;
        }
        for (size_t at = 0; at < reply->elements; at++) {
            reconciler->suspect[i] = reconciler->suspect[i] && reply->element[at]->type == REDIS_REPLY_NIL;
        }
        freeReplyObject(reply);
    }
    snprintf(reconciler->after, sizeof reconciler->after, "-");
    change_step(reconciler, next);
}

static void look_at_outbound(struct world *world, struct reconciler *reconciler) {
    struct command command = command_of("XRANGE", KEY_OUTBOUND, reconciler->after, "+", "COUNT", PAGE, NULL);
    redisReply *reply = wire_call(world, &reconciler->link, &command);
    if (is_lost(reconciler, reply)) {
        return;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *entry = reply->element[i];
        int message = ledger_find(&world->ledger, reply_field(entry->element[1], "id"));
        snprintf(reconciler->after, sizeof reconciler->after, "(%.22s", entry->element[0]->str);
        if (message >= 0) {
            reconciler->suspect[message] = false;
        }
    }
    if (reply->elements == 0) {
        change_step(reconciler, RECONCILE_PARKED_AGAIN);
    }
    freeReplyObject(reply);
}

static void mark(struct world *world, struct reconciler *reconciler) {
    struct command command = command_of("XREVRANGE", KEY_EVENTS, "+", "-", "COUNT", "1", NULL);
    redisReply *reply = wire_call(world, &reconciler->link, &command);
    if (is_lost(reconciler, reply)) {
        return;
    }
    snprintf(reconciler->mark, sizeof reconciler->mark, "%s",
             reply->elements > 0 ? reply_text(reply->element[0], 0) : "0-0");
    freeReplyObject(reply);
    change_step(reconciler, RECONCILE_DRAIN);
}

// Until every event up to the mark is recorded.
static void drain(struct world *world, struct reconciler *reconciler) {
    struct command command = command_of("XRANGE", KEY_EVENTS, "-", reconciler->mark, "COUNT", "1", NULL);
    redisReply *reply = wire_call(world, &reconciler->link, &command);
    if (is_lost(reconciler, reply)) {
        return;
    }
    if (reply->elements == 0) {
        change_step(reconciler, RECONCILE_COMPARE);
    }
    freeReplyObject(reply);
}

static bool has_moved(const struct delivery *before, const struct delivery *now) {
    return before->status != now->status || before->generation != now->generation || before->call != now->call ||
           before->attempts != now->attempts;
}

static void compare(struct world *world, struct reconciler *reconciler) {
    for (int i = 0; i < MOST_MESSAGES; i++) {
        if (has_moved(&reconciler->rows[i], &world->postgres.deliveries[i])) {
            reconciler->suspect[i] = false;
        }
    }
    reconciler->second_look = true;
    change_step(reconciler, first_step(world));
}

static void replay_one(struct world *world, struct reconciler *reconciler) {
    for (int i = 0; i < MOST_MESSAGES; i++) {
        if (!reconciler->suspect[i]) {
            continue;
        }
        int generation = reconciler->rows[i].generation + 1;
        if (ledger_is_live(&world->ledger, i)) {
            world_breach(world, AUDIT_RECONCILE, "%s is replayed and has a token", world->ledger.messages[i].id);
        } else if (!world->failed_over && !world->spoiled) {
            world_breach(world, AUDIT_RECONCILE, "%s is replayed though no token was lost",
                         world->ledger.messages[i].id);
        }
        reconciler->suspect[i] = false;
        redisReply *reply =
            generation < MOST_GENERATIONS ? replay(world, &reconciler->link, i, generation, false) : NULL;
        if (!is_lost(reconciler, reply)) {
            reconciler->replayed++;
        }
        freeReplyObject(reply);
        return;
    }
    change_step(reconciler, RECONCILE_IDLE);
}

void reconcile_step(struct world *world) {
    struct reconciler *reconciler = &world->reconciler;
    bool careless = world_has(world, SWITCH_NO_DRAIN);
    if (!reconciler->link.up) {
        wire_link_up(world, &reconciler->link);
    }
    switch (reconciler->step) {
    case RECONCILE_IDLE:
        begin(world, reconciler);
        break;
    case RECONCILE_SCHEDULED:
        look_at(world, reconciler, KEY_SCHEDULED, RECONCILE_HELD);
        break;
    case RECONCILE_HELD:
        look_at(world, reconciler, KEY_HELD, RECONCILE_PARKED);
        break;
    case RECONCILE_PARKED:
        look_at(world, reconciler, KEY_PARKED, RECONCILE_OUTBOUND);
        break;
    case RECONCILE_OUTBOUND:
        look_at_outbound(world, reconciler);
        break;
    case RECONCILE_PARKED_AGAIN:
        look_at(world, reconciler, KEY_PARKED, reconciler->second_look || careless ? RECONCILE_REPLAY : RECONCILE_MARK);
        break;
    case RECONCILE_MARK:
        mark(world, reconciler);
        break;
    case RECONCILE_DRAIN:
        drain(world, reconciler);
        break;
    case RECONCILE_COMPARE:
        compare(world, reconciler);
        break;
    case RECONCILE_REPLAY:
        replay_one(world, reconciler);
        break;
    }
}
