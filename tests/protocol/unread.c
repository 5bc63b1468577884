// SPDX-License-Identifier: MIT
#include "tests/protocol/unread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/protocol/wire.h"
#include "tests/support/reply.h"

enum {
    BODY_BYTES = 100,
    MOST_BYTES = 10 * BODY_BYTES * UNREAD_SHARE, // an address's tenth is as many as its share
    GUARD_MS = 72 * 3600 * 1000,                 // as reread in redis/messaging.lua
    ROOMY = 1000000,                             // the backlog's cap
};

static void write_hash(int body, char out[UNREAD_HASH_SIZE]) {
    snprintf(out, UNREAD_HASH_SIZE, "%064d", body);
}

int unread_find(const struct world *world, const char *hash) {
    bool is_hash = strlen(hash) == UNREAD_HASH_SIZE - 1;
    int body = is_hash ? atoi(hash + UNREAD_HASH_SIZE - 9) : UNREAD_NONE;
    return body < world->unread_count ? body : UNREAD_NONE;
}

bool unread_is_unmade(const struct world *world, int message) {
    for (int i = 0; i < world->unread_count; i++) {
        if (world->unread[i].message == message) {
            return !world->unread[i].reread;
        }
    }
    return false;
}

void unread_begin(struct world *world) {
    for (int i = 0; i < MOST_UNREAD; i++) {
        world->unread[i] = (struct unread_body){.message = UNREAD_NONE};
    }
}

// After these, what Redis knows of the bodies is not what the bystander saw.
static bool is_excused(const struct world *world) {
    return world->failed_over || world->jumped;
}

// ---- Keeping

// How many bodies of that one's address are kept.
static int count_kept(const struct world *world, int body) {
    int count = 0;
    for (int i = body % UNREAD_ADDRESSES; i < world->unread_count; i += UNREAD_ADDRESSES) {
        count += world->unread[i].entries > 0;
    }
    return count;
}

static struct command keep_command(const struct world *world, int body) {
    struct command command = command_function(LIBRARY_KEEP, 3);
    char hash[UNREAD_HASH_SIZE];
    write_hash(body, hash);
    command_text(&command, KEY_EVENTS);
    command_text(&command, "unread:{sms-mms:0}");
    command_text(&command, "unread-sizes:{sms-mms:0}");
    command_int(&command, world->cap);
    command_int(&command, world->wall_ms + REPLY_MS);
    command_int(&command, 10 * UNREAD_SHARE);
    command_int(&command, MOST_BYTES);
    command_text(&command, hash);
    command_int(&command, BODY_BYTES);
    command_text(&command, body % UNREAD_ADDRESSES == 0 ? "192.0.2.1" : "192.0.2.2");
    command_int(&command, 0);
    static const char *const fields[] = {"channel", "sms",  "field",     "from",    "why", "is required", "type",
                                         "",        "from", "192.0.2.1", "request", "r",   "raw",         "e30="};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        command_text(&command, fields[i]);
    }
    return command;
}

static void promise_kept(struct world *world, int body) {
    struct unread_body *unread = &world->unread[body];
    if (!unread->promised || unread->may_be_gone) {
        unread->promised_at = world->step;
    }
    unread->promised = true;
    unread->may_be_gone = false;
}

// kept, room: how many of its address were, and whether events had any, before the call.
static void take_kept(struct world *world, int body, int kept, bool room, const redisReply *reply) {
    const char *verdict = reply_text(reply, 0);
    bool known = world->unread[body].entries > 0;
    world_say(world, "ingest: unreadable webhook %d: %s", body, verdict);
    if (strcmp(verdict, "OK") == 0 || strcmp(verdict, "REPLAY") == 0) {
        promise_kept(world, body);
    }
    if (strcmp(verdict, "OK") == 0 && !room) {
        world_breach(world, AUDIT_ACCEPT, "webhook %d was kept in a backlog that was full", body);
    } else if (strcmp(verdict, "REPLAY") == 0 && !known && !is_excused(world)) {
        world_breach(world, AUDIT_UNREAD, "webhook %d was said to be kept already", body);
    } else if (strcmp(verdict, "OVER") == 0 && kept < UNREAD_SHARE && !is_excused(world)) {
        world_breach(world, AUDIT_UNREAD, "webhook %d was left out though its address had only %d", body, kept);
    } else if (reply->type == REDIS_REPLY_ERROR && !wire_lacks_library(reply)) {
        world_breach(world, AUDIT_ERROR, "keep: %s", reply->str);
    }
}

static int choose_body(struct world *world) {
    bool again = world->unread_count == MOST_UNREAD || random_chance(&world->random, 40);
    return again && world->unread_count > 0 ? random_below(&world->random, world->unread_count) : world->unread_count++;
}

void unread_deliver(struct world *world) {
    int body = choose_body(world), kept = count_kept(world, body);
    bool room = world->seen.events < world->cap;
    if (!world->ingest.up) {
        wire_link_up(world, &world->ingest);
    }
    struct command command = keep_command(world, body);
    redisReply *reply = wire_function(world, &world->ingest, &command);
    if (reply == NULL) {
        world->unread[body].possible = true;
        world_say(world, "ingest: unreadable webhook %d is ambiguous", body);
        return;
    }
    take_kept(world, body, kept, room, reply);
    freeReplyObject(reply);
}

void unread_note(struct world *world, const struct event *event) {
    struct unread_body *unread = &world->unread[event->message];
    unread->entries++;
    if (unread->entries > 1 && !is_excused(world)) {
        world_breach(world, AUDIT_UNREAD, "webhook %d was kept twice", event->message);
    }
    if (count_kept(world, event->message) > UNREAD_SHARE && !is_excused(world)) {
        world_breach(world, AUDIT_UNREAD, "of the address of webhook %d more were kept than may be", event->message);
    }
}

// ---- Reading again

static struct command reread_command(const struct world *world, int body) {
    const struct unread_body *unread = &world->unread[body];
    const struct ledger_message *message = &world->ledger.messages[unread->message];
    struct command command = command_function(LIBRARY_REREAD, 4);
    struct buf payload = {0};
    char hash[UNREAD_HASH_SIZE], guard[32 + UNREAD_HASH_SIZE], provider[48], token[33];
    write_hash(body, hash);
    snprintf(guard, sizeof guard, "replayed:{sms-mms:0}:%s:0", hash);
    snprintf(provider, sizeof provider, "idem:{sms-mms:0}:provider%d", unread->message);
    snprintf(token, sizeof token, "%.16sdigest%010d", message->id + TOKEN_AT, 0);
    event_write_payload(&world->ledger, unread->message, &payload);
    command_text(&command, KEY_EVENTS);
    command_text(&command, guard);
    command_text(&command, provider);
    command_text(&command, "idem:{sms-mms:0}:");
    command_text(&command, hash);
    command_text(&command, message->id);
    command_text(&command, token);
    command_bytes(&command, payload.data, payload.length);
    command_int(&command, ROOMY);
    command_int(&command, world->postgres.unread[body].replayed);
    command_int(&command, TTL_MS);
    command_int(&command, 0);
    command_text(&command, "");
    buf_free(&payload);
    return command;
}

static void take_reread(struct world *world, int body, const redisReply *reply) {
    struct unread_body *unread = &world->unread[body];
    struct ledger_message *message = &world->ledger.messages[unread->message];
    const char *verdict = reply_text(reply, 0);
    world_say(world, "operator: webhook %d is read again: %s", body, verdict);
    if (reply->type == REDIS_REPLY_ERROR && !wire_lacks_library(reply)) {
        world_breach(world, AUDIT_ERROR, "reread: %s", reply->str);
    }
    if (strcmp(verdict, "OK") != 0) {
        return;
    }
    if (unread->reread && world->boot_ms - unread->reread_ms < GUARD_MS && !is_excused(world)) {
        world_breach(world, AUDIT_UNREAD, "webhook %d became a message twice", body);
    }
    unread->reread = message->promised = true;
    unread->reread_at = message->promised_at = world->step;
    unread->reread_ms = world->boot_ms;
    unread->reread_may_be_gone = message->may_be_gone = false;
}

static void replay_body(struct world *world, int body) {
    struct unread_body *unread = &world->unread[body];
    if (unread->message == UNREAD_NONE) {
        unread->message = ledger_add(&world->ledger, world_host_ms(world), true, -1, 3000 + body);
    }
    if (unread->message < 0) {
        return; // the ledger is full
    }
    if (!world->replayer.up) {
        wire_link_up(world, &world->replayer);
    }
    struct command command = reread_command(world, body);
    redisReply *reply = wire_function(world, &world->replayer, &command);
    if (reply == NULL) {
        world->ledger.messages[unread->message].possible = true;
        world_say(world, "operator: webhook %d is read again: no answer", body);
        return;
    }
    take_reread(world, body, reply);
    freeReplyObject(reply);
}

// The first dead letter from a random one on.
void unread_replay(struct world *world) {
    int first = random_below(&world->random, MOST_UNREAD);
    for (int i = 0; i < MOST_UNREAD; i++) {
        int body = (first + i) % MOST_UNREAD;
        if (world->postgres.unread[body].exists) {
            replay_body(world, body);
            return;
        }
    }
}

// ---- Audits

void unread_go_back(struct world *world, int step) {
    for (int i = 0; i < world->unread_count; i++) {
        struct unread_body *unread = &world->unread[i];
        unread->may_be_gone = unread->may_be_gone || unread->promised_at > step;
        unread->reread_may_be_gone = unread->reread_may_be_gone || unread->reread_at > step;
    }
}

static void check_row(struct world *world, int body) {
    const struct unread_body *unread = &world->unread[body];
    const struct unread_row *row = &world->postgres.unread[body];
    if (!row->exists && unread->promised && !unread->may_be_gone) {
        world_breach(world, AUDIT_UNREAD, "webhook %d was refused as kept and is no dead letter", body);
    } else if (row->exists && !unread->promised && !unread->possible) {
        world_breach(world, AUDIT_UNREAD, "webhook %d is a dead letter that nobody kept", body);
    }
}

// The message and the end of its dead letter are one step.
static void check_reread(struct world *world, int body) {
    const struct unread_body *unread = &world->unread[body];
    bool stored = unread->message >= 0 && world->postgres.stored[unread->message] != 0;
    bool replayed = world->postgres.unread[body].replayed;
    bool erased = unread->message >= 0 && erasures_may_erase(world, unread->message);
    if (replayed != stored && !world->failed_over && !erased) {
        world_breach(world, AUDIT_UNREAD, "webhook %d %s", body,
                     replayed ? "is replayed and no message" : "is a message and its dead letter is open");
    } else if (unread->reread && !replayed && !unread->reread_may_be_gone) {
        world_breach(world, AUDIT_UNREAD, "webhook %d was read again and its dead letter is open", body);
    }
}

void unread_audit_end(struct world *world) {
    for (int i = 0; i < world->unread_count; i++) {
        check_row(world, i);
        check_reread(world, i);
    }
}
