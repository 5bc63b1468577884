// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "tests/protocol/actors.h"
#include "tests/protocol/replay.h"
#include "tests/protocol/wire.h"
#include "tests/support/reply.h"

enum {
    MOST_REPLAYS = 2, // of one message, so that a run ends
    ROOMY = 1000000,  // the backlog's cap
};

redisReply *replay(struct world *world, struct link *link, int message, int generation, bool asks_pair) {
    char guard[80];
    struct buf payload = {0};
    snprintf(guard, sizeof guard, "replayed:{sms-mms:0}:%s:%d", world->ledger.messages[message].id, generation);
    event_write_payload(&world->ledger, message, &payload);
    struct command command = command_function(LIBRARY_REPLAY, 5);
    command_text(&command, KEY_OUTBOUND);
    command_text(&command, KEY_EVENTS);
    command_text(&command, KEY_PARKED);
    command_text(&command, guard);
    command_text(&command, "idem:{sms-mms:0}:");
    command_text(&command, world->ledger.messages[message].id);
    command_int(&command, generation);
    command_bytes(&command, payload.data, payload.length);
    buf_free(&payload);
    command_int(&command, ROOMY);
    command_int(&command, 0); // not recorded as replayed
    command_int(&command, 0); // no Idempotency-Key
    command_text(&command, "");
    if (asks_pair) {
        words_put_pair(&command, message % SENDERS);
    } else {
        command_text(&command, "");
    }
    command_int(&command, world->ledger.messages[message].due_ms);
    redisReply *reply = wire_function(world, link, &command);
    world_say(world, "%s: %s, generation %d: %s", link->name, world->ledger.messages[message].id, generation,
              reply == NULL ? "no answer" : reply_text(reply, 0));
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR && !wire_lacks_library(reply)) {
        world_breach(world, AUDIT_ERROR, "replay: %s", reply->str);
    }
    return reply;
}

// A click, or two in a row, on the first open dead letter from a random one on.
void operator_replay(struct world *world) {
    int first = random_below(&world->random, MOST_MESSAGES), clicks = random_within(&world->random, 1, 2);
    for (int i = 0; i < MOST_MESSAGES; i++) {
        int index = (first + i) % MOST_MESSAGES;
        const struct delivery *row = &world->postgres.deliveries[index];
        if (row->status != DELIVERY_FAILED || row->generation >= MOST_REPLAYS ||
            postgres_is_delivered(&world->postgres, index)) {
            continue;
        }
        for (int click = 0; click < clicks; click++) {
            if (!world->replayer.up) {
                wire_link_up(world, &world->replayer);
            }
            freeReplyObject(replay(world, &world->replayer, index, row->generation + 1, true));
        }
        return;
    }
}

// ---- Cancels

// Whether it waits, so that it can be read, among those of a key.
static bool is_kept(struct world *world, const char *key, int message) {
    struct command command = command_of("HMGET", key, NULL);
    bool kept = false;
    for (int generation = 0; generation < MOST_GENERATIONS; generation++) {
        char field[48];
        snprintf(field, sizeof field, "%s:%d", world->ledger.messages[message].id, generation);
        command_text(&command, field);
    }
    redisReply *reply = wire_ask(world, &command);
    for (int generation = 0; generation < MOST_GENERATIONS; generation++) {
        kept = kept || (reply->element[generation]->type != REDIS_REPLY_NIL &&
                        !ledger_token(&world->ledger, message, generation)->spoiled);
    }
    freeReplyObject(reply);
    return kept;
}

static bool waits(struct world *world, int message) {
    return is_kept(world, KEY_SCHEDULED, message) || is_kept(world, KEY_HELD, message) ||
           is_kept(world, KEY_PARKED, message);
}

static void take_cancel(struct world *world, int index, bool waited, const redisReply *reply) {
    struct ledger_message *message = &world->ledger.messages[index];
    bool done = strcmp(reply_text(reply, 0), "OK") == 0;
    world_say(world, "operator: cancel of %s: %s", message->id, reply_text(reply, 0));
    if (wire_lacks_library(reply)) {
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        world_breach(world, AUDIT_ERROR, "cancel: %s", reply->str);
    } else if (done != waited) {
        world_breach(world, AUDIT_CANCEL, "%s %s, and a cancel says %s", message->id,
                     waited ? "waited" : "waited nowhere", reply_text(reply, 0));
    } else if (done && !ledger_token(&world->ledger, index, (int)reply_int(reply, 1))->cancelled) {
        world_breach(world, AUDIT_CANCEL, "%s was cancelled, and that is not recorded", message->id);
    } else if (done) {
        message->cancelled = true;
        message->cancelled_at = world->step;
        world->figures.cancelled++;
    }
}

// Of a message that is live, from a random one on.
void operator_cancel(struct world *world) {
    struct ledger *ledger = &world->ledger;
    int first = ledger->message_count > 0 ? random_below(&world->random, ledger->message_count) : 0;
    for (int i = 0; i < ledger->message_count && world->format > 1; i++) {
        int index = (first + i) % ledger->message_count;
        if (!ledger_is_live(ledger, index)) {
            continue;
        }
        if (!world->replayer.up) {
            wire_link_up(world, &world->replayer);
        }
        struct command command = command_function(LIBRARY_CANCEL, 5);
        command_text(&command, KEY_OUTBOUND);
        command_text(&command, KEY_EVENTS);
        command_text(&command, KEY_PARKED);
        command_text(&command, KEY_DUE);
        command_text(&command, KEY_REFUSED);
        command_text(&command, ledger->messages[index].id);
        command_text(&command, "sms-mms");
        command_text(&command, "0"); // what Postgres knows, which may be late
        ledger->messages[index].asked_to_cancel = true;
        bool waited = waits(world, index);
        redisReply *reply = wire_function(world, &world->replayer, &command);
        if (reply != NULL) {
            take_cancel(world, index, waited, reply);
        }
        freeReplyObject(reply);
        return;
    }
}
