// SPDX-License-Identifier: MIT
//
// A lane of a dispatcher (dispatcher/lane.c, lane_take.c, lane_call.c): first a grant, then a read; one step at a time.
// A step that asks Redis may leave the reply unread, as a process does that is stopped there.
//
// Kept as one: the look at the lease's age and the begin of the call, which the C code does in one turn of its loop. A
// process that is stopped just there calls what may be another's by then, and nothing on its side can help that.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/protocol/actors.h"
#include "tests/protocol/wire.h"
#include "tests/support/reply.h"

enum { GRANT_MS = 100, READ_MARGIN_MS = 20, LONGEST_WAIT_MS = 1000, SHORTEST_WAIT_MS = 10 };

// --- Leases

static int count_in(const struct dispatcher *dispatcher, enum lease_state state) {
    int count = 0;
    for (int i = 0; i < LEASES; i++) {
        count += dispatcher->leases[i].state == state;
    }
    return count;
}

static struct lease *first_waiting(struct dispatcher *dispatcher) {
    struct lease *first = NULL;
    for (int i = 0; i < LEASES; i++) {
        struct lease *lease = &dispatcher->leases[i];
        if (lease->state == LEASE_WAITING && (first == NULL || lease->order < first->order)) {
            first = lease;
        }
    }
    return first;
}

static struct lease *find_lease(struct dispatcher *dispatcher, const char *entry) {
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
    return count_in(dispatcher, LEASE_FREE) == LEASES && dispatcher->kind == REPLY_NONE;
}

// --- The grant

static struct command give_up_command(const struct dispatcher *dispatcher, const char *probe) {
    struct command command = command_function(LIBRARY_BREAKER_RECORD, 1);
    const char *words[] = {KEY_BREAKER, dispatcher->grant.epoch, probe, "none", "1", "0"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        command_text(&command, words[i]);
    }
    command_int(&command, THRESHOLD);
    command_int(&command, OPEN_MS);
    command_int(&command, PROBES);
    command_text(&command, "");
    return command;
}

// Hands back what was not used; what can't be sent lapses.
static void give_up_grant(struct world *world, struct dispatcher *dispatcher) {
    while (dispatcher->grant.kind == GRANT_PROBE && dispatcher->grant.probe_count > 0) {
        struct command command = give_up_command(dispatcher, dispatcher->grant.probes[--dispatcher->grant.probe_count]);
        if (dispatcher->link.up) {
            freeReplyObject(wire_function(world, &dispatcher->link, &command));
        }
    }
    dispatcher->grant.kind = GRANT_NONE;
}

static bool grant_is_good(const struct world *world, const struct dispatcher *dispatcher, int margin_ms) {
    int64_t age_ms = world->boot_ms - dispatcher->grant.asked_ms + margin_ms;
    bool is_go = dispatcher->grant.kind == GRANT_GO;
    bool lasts = age_ms < GRANT_MS || world_has(world, is_go ? SWITCH_OLD_GRANT : SWITCH_OLD_PROBE);
    return lasts && (is_go || (dispatcher->grant.kind == GRANT_PROBE && dispatcher->grant.probe_count > 0));
}

static void take_probe(struct dispatcher *dispatcher, struct lease *lease) {
    *lease->probe = '\0';
    snprintf(lease->epoch, sizeof lease->epoch, "%s", dispatcher->grant.epoch);
    if (dispatcher->grant.kind == GRANT_PROBE) {
        snprintf(lease->probe, sizeof lease->probe, "%s", dispatcher->grant.probes[--dispatcher->grant.probe_count]);
    }
}

static bool can_take_probe(const struct dispatcher *dispatcher) {
    return dispatcher->grant.kind == GRANT_GO ||
           (dispatcher->grant.kind == GRANT_PROBE && dispatcher->grant.probe_count > 0);
}

// --- The connection

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
    give_up_grant(world, dispatcher);
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

static bool failed(struct world *world, struct dispatcher *dispatcher, const char *what, const redisReply *reply) {
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
    if (exists || !failed(world, dispatcher, "XGROUP CREATE", reply)) {
        dispatcher->has_group = dispatcher->more = dispatcher->claim_due = true;
    }
    freeReplyObject(reply);
}

// --- Entries that came

static void hold(struct world *world, struct dispatcher *dispatcher, const char *entry, int count,
                 const redisReply *fields) {
    struct lease *lease = find_lease(dispatcher, entry);
    int64_t dated_ms = world_has(world, SWITCH_LEASE_FROM_REPLY) ? world->boot_ms : dispatcher->asked_ms;
    if (lease != NULL) { // its group was made anew: the same work under a new delivery
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
        struct lease *lease = other == dispatcher ? NULL : find_lease(other, entry);
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

static void give_back_waiting(struct world *world, struct dispatcher *dispatcher);

static void take_grant(struct world *world, struct dispatcher *dispatcher, const redisReply *reply) {
    const char *verdict = reply_text(reply, 0);
    world_say(world, "%s asked the breaker: %s", dispatcher->link.name, verdict);
    give_up_grant(world, dispatcher);
    if (strcmp(verdict, "NO") == 0) {
        int64_t wait_ms = reply_int(reply, 1);
        wait_ms = wait_ms < SHORTEST_WAIT_MS ? SHORTEST_WAIT_MS : wait_ms > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : wait_ms;
        give_back_waiting(world, dispatcher);
        dispatcher->refused_until_ms = world->boot_ms + wait_ms;
        return;
    }
    dispatcher->grant.kind = strcmp(verdict, "GO") == 0 ? GRANT_GO : GRANT_PROBE;
    dispatcher->grant.asked_ms = dispatcher->asked_ms;
    dispatcher->grant.probe_count = 0;
    snprintf(dispatcher->grant.epoch, EPOCH_SIZE, "%s", reply_text(reply, 1));
    for (size_t i = 3; i < reply->elements && dispatcher->grant.probe_count < PROBES; i++) {
        snprintf(dispatcher->grant.probes[dispatcher->grant.probe_count++], PROBE_SIZE, "%s", reply_text(reply, i));
    }
}

// --- Asking

// As the grant and the cap allow.
static int room(const struct dispatcher *dispatcher) {
    int free = count_in(dispatcher, LEASE_FREE);
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
    if (failed(world, dispatcher, "a lane's question", reply)) {
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

static void ask_breaker(struct world *world, struct dispatcher *dispatcher, int want) {
    give_up_grant(world, dispatcher); // what is too old to begin by, lest it stands in the way
    if (!dispatcher->link.up) {
        return;
    }
    struct command command = command_function(LIBRARY_BREAKER_PROBE, 1);
    command_text(&command, KEY_BREAKER);
    command_int(&command, want < PROBES ? want : PROBES);
    command_int(&command, PROVIDER_MS + 2000);
    command_int(&command, PROBES);
    ask(world, dispatcher, REPLY_GRANT, &command);
}

static void read_new(struct world *world, struct dispatcher *dispatcher) {
    struct command command = command_of("XREADGROUP", "GROUP", GROUP_D, dispatcher->link.name, "COUNT", NULL);
    command_int(&command, random_within(&world->random, 1, room(dispatcher)));
    command_text(&command, "STREAMS");
    command_text(&command, KEY_OUTBOUND);
    command_text(&command, ">");
    ask(world, dispatcher, REPLY_READ, &command);
}

static void claim(struct world *world, struct dispatcher *dispatcher) {
    bool early = world_has(world, SWITCH_STEAL_EARLY);
    bool steal = early || world->boot_ms - dispatcher->link.up_since_ms >= CLAIM_MS;
    struct command command = command_function(LIBRARY_CLAIM, 1);
    command_text(&command, KEY_OUTBOUND);
    command_text(&command, GROUP_D);
    command_text(&command, dispatcher->link.name);
    command_int(&command, steal);
    command_int(&command, early ? 0 : CLAIM_MS * IDLE_SCALE);
    command_int(&command, room(dispatcher));
    for (int i = 0; i < LEASES; i++) {
        if (dispatcher->leases[i].state != LEASE_FREE) {
            command_text(&command, dispatcher->leases[i].entry);
        }
    }
    ask(world, dispatcher, REPLY_CLAIM, &command);
}

// --- Calling, renewing, giving back

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
    if (failed(world, dispatcher, "give_back", reply)) {
        world_say(world, "%s could not give it back", dispatcher->link.name);
    }
    freeReplyObject(reply);
}

static void give_back_waiting(struct world *world, struct dispatcher *dispatcher) {
    for (struct lease *lease; dispatcher->link.up && (lease = first_waiting(dispatcher)) != NULL;) {
        give_back(world, dispatcher, lease);
    }
}

// Returns whether it may be called by now.
static void renew(struct world *world, struct dispatcher *dispatcher, struct lease *lease) {
    int64_t asked_ms = world->boot_ms;
    struct command command = fenced(LIBRARY_RENEW, dispatcher, lease);
    redisReply *reply = wire_function(world, &dispatcher->link, &command);
    world_say(world, "%s renews entry %s: %s", dispatcher->link.name, lease->entry, reply_text(reply, 0));
    if (failed(world, dispatcher, "renew", reply) || strcmp(reply_text(reply, 0), "OK") != 0) {
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

static void call_waiting(struct world *world, struct dispatcher *dispatcher) {
    int count = count_in(dispatcher, LEASE_WAITING);
    bool expired = false;
    for (struct lease *lease; count-- > 0 && dispatcher->link.up && (lease = first_waiting(dispatcher)) != NULL;) {
        if (world->wall_ms - lease->at_ms >= DEADLINE_MS) {
            expire(world, lease);
            expired = true;
        } else if (!is_young(world, lease)) {
            renew(world, dispatcher, lease);
        } else if (can_take_probe(dispatcher)) {
            take_probe(dispatcher, lease);
            call_begin(world, lease);
        } else {
            give_back(world, dispatcher, lease);
        }
    }
    if (dispatcher->grant.kind == GRANT_PROBE) {
        give_up_grant(world, dispatcher);
    }
    if (expired) {
        call_settle(world, dispatcher);
    }
}

// --- What to do next

static void next_step(struct world *world, struct dispatcher *dispatcher) {
    bool waiting = first_waiting(dispatcher) != NULL;
    int want = waiting ? count_in(dispatcher, LEASE_WAITING) : count_in(dispatcher, LEASE_FREE);
    if (want == 0) {
        return;
    }
    if (!grant_is_good(world, dispatcher, waiting ? 0 : READ_MARGIN_MS)) {
        ask_breaker(world, dispatcher, want);
    } else if (waiting) {
        call_waiting(world, dispatcher);
    } else if (dispatcher->claim_due) {
        claim(world, dispatcher);
    } else {
        read_new(world, dispatcher);
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
    } else if (first_waiting(dispatcher) == NULL && !dispatcher->more && !dispatcher->claim_due) {
        give_up_grant(world, dispatcher);
    } else {
        next_step(world, dispatcher);
    }
    if (!dispatcher->link.up) { // lost while a grant was handed back
        dispatcher_drop(world, dispatcher);
    }
}

void dispatcher_tick(struct world *world, struct dispatcher *dispatcher) {
    if (dispatcher->stopped || !dispatcher->link.up) {
        return;
    }
    call_settle(world, dispatcher);
    if (world->seen.outbound > LEASES - count_in(dispatcher, LEASE_FREE)) {
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
    redisReply *reply = wire_function(world, &dispatcher->link, &command);
    if (!failed(world, dispatcher, "unpark", reply) && reply_int(reply, 0) > 0) {
        world_say(world, "%s unparks %lld", dispatcher->link.name, (long long)reply_int(reply, 0));
    }
    freeReplyObject(reply);
}
