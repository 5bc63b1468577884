// SPDX-License-Identifier: MIT
//
// What a lane asks Redis for, and what it makes of the replies.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/protocol/actors.h"
#include "tests/protocol/dispatcher_private.h"
#include "tests/protocol/wire.h"
#include "tests/support/reply.h"

enum { LONGEST_WAIT_MS = 1000, SHORTEST_WAIT_MS = 10 };

// ---- Entries that came

static void hold(struct world *world, struct dispatcher *dispatcher, const char *entry, int count,
                 const redisReply *fields) {
    struct lease *lease = leases_find(dispatcher, entry);
    int64_t dated_ms = world_has(world, SWITCH_LEASE_FROM_REPLY) ? world->boot_ms : dispatcher->asked_ms;
    if (lease != NULL) { // its group was made again: the same work under a new delivery
        lease->count = count;
        lease->dated_ms = dated_ms;
        return;
    }
    for (int i = 0; i < LEASES; i++) {
        lease = &dispatcher->leases[i];
        if (lease->state == LEASE_FREE) {
            break;
        }
    }
    *lease = (struct lease){.state = LEASE_WAITING, .count = count, .dated_ms = dated_ms, .record = -1};
    lease->order = dispatcher->next_order++;
    lease->hit = dispatcher->reply_hit;
    snprintf(lease->entry, sizeof lease->entry, "%s", entry);
    lease->message = ledger_find(&world->ledger, reply_field(fields, "id"));
    lease->generation = atoi(reply_field(fields, "gen"));
    lease->call = atoi(reply_field(fields, "call"));
    lease->spent = atoi(reply_field(fields, "spent"));
    lease->at_ms = strtoll(reply_field(fields, "at"), NULL, 10);
    if (lease->message < 0) {
        world_breach(world, AUDIT_TOKEN, "an entry of a message that nobody sent: %s", reply_field(fields, "id"));
        lease->state = LEASE_FREE;
    }
}

// An entry that another holds by now was this one's: its lease must have run out, or a fault was there.
static void check_steal(struct world *world, const struct dispatcher *dispatcher, const char *entry, int count) {
    for (int i = 0; i < ACTORS; i++) {
        struct dispatcher *other = &world->dispatchers[i];
        struct lease *lease = other == dispatcher ? NULL : leases_find(other, entry);
        if (lease == NULL || lease->hit || lease->count + 1 != count) {
            continue;
        }
        if (world->boot_ms - lease->dated_ms < CLAIM_MS && !world->failed_over) {
            world_breach(world, AUDIT_STEAL, "%s takes entry %s from %s after %lld ms", dispatcher->link.name, entry,
                         other->link.name, (long long)(world->boot_ms - lease->dated_ms));
        }
        if (lease->state != LEASE_WAITING && lease->record >= 0) {
            world->ledger.calls[lease->record].excused = true;
        }
    }
}

// A claim that had room for more has left nothing that was given back.
static void check_returned(struct world *world, int room) {
    struct command command = command_of("XPENDING", KEY_OUTBOUND, GROUP_D, "-", "+", "1", ".returned", NULL);
    redisReply *reply = wire_run(world, &command);
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 0) {
        world_breach(world, AUDIT_RETURNED, "a claim with room for %d more leaves entry %s", room,
                     reply_text(reply->element[0], 0));
    }
    freeReplyObject(reply);
}

static void take_read(struct world *world, struct dispatcher *dispatcher, const redisReply *reply) {
    const redisReply *entries = reply->type == REDIS_REPLY_ARRAY ? reply->element[0]->element[1] : NULL;
    dispatcher->more = entries != NULL;
    for (size_t i = 0; entries != NULL && i < entries->elements; i++) {
        const redisReply *entry = entries->element[i];
        world_say(world, "%s has read entry %s, %s", dispatcher->link.name, reply_text(entry, 0),
                  reply_field(entry->element[1], "id"));
        hold(world, dispatcher, reply_text(entry, 0), 1, entry->element[1]);
    }
}

static void take_claim(struct world *world, struct dispatcher *dispatcher, const redisReply *reply) {
    dispatcher->claim_due = reply->elements > 0;
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *entry = reply->element[i];
        int count = (int)entry->element[1]->integer;
        world_say(world, "%s has claimed entry %s, %s, count %d", dispatcher->link.name, reply_text(entry, 0),
                  reply_field(entry->element[2], "id"), count);
        hold(world, dispatcher, reply_text(entry, 0), count, entry->element[2]);
    }
}

static void check_wait(struct world *world, const char *why, int64_t wait_ms) {
    int64_t most = strcmp(why, "paused") == 0 ? MAX_PAUSE_MS : strcmp(why, "open") == 0 ? OPEN_MS : PROBE_LEASE_MS;
    if (wait_ms > most) {
        world_breach(world, AUDIT_WAIT, "\"%s\" is to be waited for %lld ms", why, (long long)wait_ms);
    }
}

static void take_grant(struct world *world, struct dispatcher *dispatcher, const redisReply *reply) {
    const char *verdict = reply_text(reply, 0);
    world_say(world, "%s asked the breaker: %s", dispatcher->link.name, verdict);
    grant_give_up(world, dispatcher);
    if (strcmp(verdict, "NO") == 0) {
        int64_t wait_ms = reply_int(reply, 1);
        check_wait(world, reply_text(reply, 2), wait_ms);
        dispatcher->accepted_ms = strtoll(reply_text(reply, 4), NULL, 10);
        wait_ms = wait_ms < SHORTEST_WAIT_MS ? SHORTEST_WAIT_MS : wait_ms > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : wait_ms;
        lane_give_back_waiting(world, dispatcher);
        dispatcher->refused_until_ms = world->boot_ms + wait_ms;
        return;
    }
    dispatcher->grant.kind = strcmp(verdict, "GO") == 0 ? GRANT_GO : GRANT_PROBE;
    dispatcher->grant.asked_ms = dispatcher->asked_ms;
    dispatcher->grant.probe_count = 0;
    snprintf(dispatcher->grant.epoch, EPOCH_SIZE, "%s", reply_text(reply, 1));
    dispatcher->accepted_ms = strtoll(reply_text(reply, 3), NULL, 10);
    for (size_t i = 4; i < reply->elements && dispatcher->grant.probe_count < PROBES; i++) {
        snprintf(dispatcher->grant.probes[dispatcher->grant.probe_count++], PROBE_SIZE, "%s", reply_text(reply, i));
    }
}

// ---- Asking

// As the grant and the cap allow.
static int room(const struct dispatcher *dispatcher) {
    int free = leases_count(dispatcher, LEASE_FREE);
    bool probes = dispatcher->grant.kind == GRANT_PROBE;
    return probes && dispatcher->grant.probe_count < free ? dispatcher->grant.probe_count : free;
}

static void look_at_reply(struct world *world, struct dispatcher *dispatcher) {
    redisReply *reply = dispatcher->reply;
    enum lane_reply kind = dispatcher->kind;
    dispatcher->reply = NULL;
    dispatcher->kind = REPLY_NONE;
    if (kind == REPLY_GRANT) {
        take_grant(world, dispatcher, reply);
    } else if (kind == REPLY_READ) {
        take_read(world, dispatcher, reply);
    } else {
        take_claim(world, dispatcher, reply);
    }
    freeReplyObject(reply);
}

void dispatcher_catch_up(struct world *world, struct dispatcher *dispatcher) {
    if (dispatcher->kind != REPLY_NONE) {
        look_at_reply(world, dispatcher);
    }
}

static void ask(struct world *world, struct dispatcher *dispatcher, enum lane_reply kind,
                const struct command *command) {
    int64_t asked_ms = world->boot_ms;
    redisReply *reply = wire_function(world, &dispatcher->link, command);
    if (dispatcher_failed(world, dispatcher, "a lane's question", reply)) {
        freeReplyObject(reply);
        return;
    }
    dispatcher->asked_ms = asked_ms;
    dispatcher->reply = reply;
    dispatcher->reply_hit = false;
    dispatcher->kind = kind;
    for (size_t i = 0; kind == REPLY_CLAIM && i < reply->elements; i++) {
        check_steal(world, dispatcher, reply_text(reply->element[i], 0), (int)reply->element[i]->element[1]->integer);
    }
    if (kind == REPLY_CLAIM && (int)reply->elements < room(dispatcher)) {
        check_returned(world, room(dispatcher) - (int)reply->elements);
    }
    if (world->settling || !random_chance(&world->random, 20)) {
        look_at_reply(world, dispatcher);
    } else {
        world_say(world, "%s has a reply to look at", dispatcher->link.name);
    }
}

void lane_ask_breaker(struct world *world, struct dispatcher *dispatcher, int want) {
    grant_give_up(world, dispatcher); // what is too old to begin by, lest it stands in the way
    if (!dispatcher->link.up) {
        return;
    }
    struct command command = command_function(LIBRARY_BREAKER_PROBE, 1);
    command_text(&command, KEY_BREAKER);
    command_int(&command, want < PROBES ? want : PROBES);
    command_int(&command, PROBE_LEASE_MS);
    command_int(&command, PROBES);
    command_int(&command, OPEN_MS);
    command_int(&command, MAX_PAUSE_MS);
    ask(world, dispatcher, REPLY_GRANT, &command);
}

void lane_read(struct world *world, struct dispatcher *dispatcher) {
    struct command command = command_of("XREADGROUP", "GROUP", GROUP_D, dispatcher->link.name, "COUNT", NULL);
    command_int(&command, random_within(&world->random, 1, room(dispatcher)));
    command_text(&command, "STREAMS");
    command_text(&command, KEY_OUTBOUND);
    command_text(&command, ">");
    ask(world, dispatcher, REPLY_READ, &command);
}

void lane_claim(struct world *world, struct dispatcher *dispatcher) {
    bool early = world_has(world, SWITCH_STEAL_EARLY);
    bool steal = early || world->boot_ms - dispatcher->link.up_since_ms >= CLAIM_MS;
    struct command command = command_function(LIBRARY_CLAIM, 1);
    command_text(&command, KEY_OUTBOUND);
    command_text(&command, GROUP_D);
    command_text(&command, dispatcher->link.name);
    command_int(&command, steal ? world->wall_ms : 0);
    command_int(&command, early ? 0 : CLAIM_MS * IDLE_SCALE);
    command_int(&command, room(dispatcher));
    for (int i = 0; i < LEASES; i++) {
        if (dispatcher->leases[i].state != LEASE_FREE) {
            command_text(&command, dispatcher->leases[i].entry);
        }
    }
    ask(world, dispatcher, REPLY_CLAIM, &command);
}
