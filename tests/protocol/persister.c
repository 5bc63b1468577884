// SPDX-License-Identifier: MIT
//
// A persister: its reader (persister/consumer.c) and its writer (persister/writer.c). What was read over an older
// connection is recorded and not acknowledged.
#include <stdio.h>
#include <string.h>

#include "tests/protocol/actors.h"
#include "tests/protocol/wire.h"
#include "tests/support/reply.h"

enum { MOST_AT_ONCE = 5, LOST_COMMIT_PERCENT = 10 };

static int held(const struct persister *persister) {
    int count = 0;
    for (int i = 0; i < persister->count; i++) {
        count += persister->events[i].generation == persister->link.generation;
    }
    return count;
}

void persister_drop(struct persister *persister) {
    persister->link.up = false;
}

void persister_forget(struct persister *persister) {
    *persister = (struct persister){.link = {.name = persister->link.name, .generation = persister->link.generation}};
}

bool persister_is_idle(const struct persister *persister) {
    return persister->count == 0;
}

static void connect(struct world *world, struct persister *persister) {
    wire_link_up(world, &persister->link);
    world_say(world, "%s connects", persister->link.name);
    persister->dry = persister->paused = persister->steal = false;
    persister->claim_due = true;
    persister->steal_at_ms = world->boot_ms + CLAIM_MS;
}

static bool failed(struct world *world, struct persister *persister, const redisReply *reply) {
    if (reply == NULL) {
        persister_drop(persister);
        return true;
    }
    if (reply->type != REDIS_REPLY_ERROR) {
        return false;
    }
    if (strstr(reply->str, "NOGROUP") != NULL) {
        persister->no_group = true;
    } else if (wire_lacks_library(reply)) {
        persister->paused = true;
    } else if (strncmp(reply->str, "BUSYGROUP", 9) != 0) {
        world_breach(world, AUDIT_ERROR, "%s: %s", persister->link.name, reply->str);
    }
    return true;
}

static void make_group(struct world *world, struct persister *persister) {
    const char *from = world_has(world, SWITCH_GROUP_AT_END) ? "$" : "0";
    struct command command = command_of("XGROUP", "CREATE", KEY_EVENTS, GROUP_P, from, "MKSTREAM", NULL);
    redisReply *reply = wire_call(world, &persister->link, &command);
    if (!failed(world, persister, reply) || (reply != NULL && strncmp(reply->str, "BUSYGROUP", 9) == 0)) {
        persister->no_group = false;
    }
    freeReplyObject(reply);
}

static void take(struct world *world, struct persister *persister, const redisReply *entry, const redisReply *fields) {
    struct held_event *event = &persister->events[persister->count];
    if (!event_read(&world->ledger, fields, &event->event)) {
        world_breach(world, AUDIT_STORED, "an event of a message that nobody sent: %s", reply_field(fields, "id"));
        return;
    }
    snprintf(event->entry, sizeof event->entry, "%s", entry->str);
    event->generation = persister->link.generation;
    persister->count++;
    world_say(world, "%s takes event %s: %s of %s", persister->link.name, event->entry, reply_field(fields, "k"),
              reply_field(fields, "id"));
}

static void read_new(struct world *world, struct persister *persister) {
    struct command command = command_of("XREADGROUP", "GROUP", GROUP_P, persister->link.name, "COUNT", NULL);
    command_int(&command, random_within(&world->random, 1, MOST_AT_ONCE));
    command_text(&command, "STREAMS");
    command_text(&command, KEY_EVENTS);
    command_text(&command, ">");
    redisReply *reply = wire_call(world, &persister->link, &command);
    if (!failed(world, persister, reply)) {
        const redisReply *entries = reply->type == REDIS_REPLY_ARRAY ? reply->element[0]->element[1] : NULL;
        for (size_t i = 0; entries != NULL && i < entries->elements; i++) {
            take(world, persister, entries->element[i]->element[0], entries->element[i]->element[1]);
        }
        persister->dry = entries == NULL && held(persister) > 0;
    }
    freeReplyObject(reply);
}

static void claim(struct world *world, struct persister *persister) {
    struct command command = command_function(LIBRARY_CLAIM, 1);
    command_text(&command, KEY_EVENTS);
    command_text(&command, GROUP_P);
    command_text(&command, persister->link.name);
    command_int(&command, persister->steal ? world->wall_ms : 0);
    command_int(&command, CLAIM_MS * IDLE_SCALE);
    command_int(&command, MOST_AT_ONCE);
    redisReply *reply = wire_call(world, &persister->link, &command);
    if (!failed(world, persister, reply)) {
        for (size_t i = 0; i < reply->elements; i++) {
            take(world, persister, reply->element[i]->element[0], reply->element[i]->element[2]);
        }
        persister->claim_due = reply->elements > 0;
        persister->steal = persister->steal && persister->claim_due;
    }
    freeReplyObject(reply);
}

void persister_step(struct world *world, struct persister *persister) {
    if (persister->stopped || persister->paused) {
        return;
    }
    if (!persister->link.up) {
        connect(world, persister);
    } else if (persister->count + MOST_AT_ONCE > HELD_EVENTS) {
        return;
    } else if (persister->no_group) {
        make_group(world, persister);
    } else if (persister->claim_due && held(persister) == 0) {
        claim(world, persister);
    } else if (!persister->claim_due && !persister->dry) {
        read_new(world, persister);
    }
}

void persister_tick(struct world *world, struct persister *persister) {
    if (persister->stopped) {
        return;
    }
    persister->paused = false;
    if (persister->link.up && world->boot_ms >= persister->steal_at_ms &&
        world->boot_ms - persister->link.up_since_ms >= CLAIM_MS) {
        persister->claim_due = persister->steal = true;
        persister->steal_at_ms = world->boot_ms + CLAIM_MS / 4;
    }
}

// ---- Its batch

// The transaction happens or doesn't, and the answer may be lost either way.
static bool transact(struct world *world, struct persister *persister) {
    struct event events[HELD_EVENTS];
    bool lost = world_may(world, FAULT_POSTGRES) && random_chance(&world->random, LOST_COMMIT_PERCENT);
    bool done = !lost || random_chance(&world->random, 50);
    for (int i = 0; i < persister->batch; i++) {
        events[i] = persister->events[i].event;
    }
    if (done) {
        postgres_commit(&world->postgres, &world->ledger, events, persister->batch);
    }
    if (lost) {
        world_inject(world, FAULT_POSTGRES);
    }
    world_say(world, "%s commits %d%s", persister->link.name, persister->batch,
              !lost  ? ""
              : done ? ", and doesn't learn that it did"
                     : " in vain");
    return !lost;
}

static void forget_batch(struct persister *persister) {
    persister->count -= persister->batch;
    memmove(persister->events, persister->events + persister->batch,
            (size_t)persister->count * sizeof *persister->events);
    persister->batch = 0;
    persister->committed = false;
    persister->dry = persister->dry && held(persister) > 0;
}

static void done(struct world *world, struct persister *persister) {
    struct command command = command_function(LIBRARY_DONE, 1);
    int count = 0;
    command_text(&command, KEY_EVENTS);
    command_text(&command, GROUP_P);
    for (int i = 0; i < persister->batch; i++) {
        const struct held_event *event = &persister->events[i];
        if (event->generation == persister->link.generation || world_has(world, SWITCH_ACK_ANYWHERE)) {
            command_text(&command, event->entry);
            count++;
        }
    }
    if (count == 0 || !persister->link.up) {
        return;
    }
    redisReply *reply = wire_call(world, &persister->link, &command);
    world_say(world, "%s acknowledges %d", persister->link.name, count);
    if (failed(world, persister, reply) && reply != NULL) {
        persister->claim_due = true;
    }
    freeReplyObject(reply);
}

void persister_commit(struct world *world, struct persister *persister) {
    if (persister->stopped || persister->count == 0 || persister->committed) {
        return;
    }
    if (persister->batch == 0) {
        persister->batch = random_within(&world->random, 1, persister->count);
        if (world_has(world, SWITCH_ACK_FIRST)) {
            done(world, persister);
            return;
        }
    }
    persister->committed = transact(world, persister);
    if (persister->committed && world_has(world, SWITCH_ACK_FIRST)) {
        forget_batch(persister);
    }
}

void persister_acknowledge(struct world *world, struct persister *persister) {
    if (persister->stopped || !persister->committed) {
        return;
    }
    done(world, persister);
    forget_batch(persister);
}
