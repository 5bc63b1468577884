// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "tests/protocol/actors.h"
#include "tests/protocol/wire.h"
#include "tests/support/reply.h"

// Sends and webhooks together, so that repeats have room.
enum { MOST_FIRST = 14 };

static struct command accept_command(const struct world *world, int index) {
    const struct message *message = &world->ledger.messages[index];
    char name[64] = "idem:{sms-mms:0}:", token[33], payload[16];
    bool remembered = message->webhook || message->key >= 0;
    if (remembered) {
        snprintf(name, sizeof name, "idem:{sms-mms:0}:%s%d", message->webhook ? "provider" : "client",
                 message->webhook ? index : message->key);
    }
    snprintf(token, sizeof token, "%.16sdigest%010d", message->id, message->webhook ? 0 : message->content);
    snprintf(payload, sizeof payload, "%d", message->content);
    struct command command = command_function(LIBRARY_ACCEPT, 5);
    const char *words[] = {KEY_OUTBOUND,
                           KEY_EVENTS,
                           KEY_PARKED,
                           name,
                           "rate:{sms-mms:0}:sender",
                           message->webhook ? "received" : "accepted",
                           message->id,
                           token,
                           payload};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        command_text(&command, words[i]);
    }
    command_int(&command, remembered ? TTL_MS : 0);
    command_int(&command, world->cap);
    command_int(&command, world->wall_ms + REPLY_MS);
    command_int(&command, 0);
    command_int(&command, 60000);
    return command;
}

static void promise(struct world *world, int index) {
    struct message *message = &world->ledger.messages[index];
    if (!message->promised || message->may_be_gone) {
        message->promised_at = world->step;
    }
    message->promised = true;
    message->may_be_gone = false;
}

static void take_reply(struct world *world, int index, const redisReply *reply) {
    struct message *message = &world->ledger.messages[index];
    const char *verdict = reply_text(reply, 0);
    int first = ledger_find(&world->ledger, reply_text(reply, 1));
    world_say(world, "ingest: %s %s: %s", message->webhook ? "webhook" : "send", message->id, verdict);
    if (strcmp(verdict, "OK") == 0) {
        promise(world, index);
    } else if (strcmp(verdict, "REPLAY") == 0) {
        if (first < 0 || world->ledger.messages[first].content != message->content) {
            world_breach(world, AUDIT_ACCEPT, "%s was answered with %s, which is another message", message->id,
                         reply_text(reply, 1));
            return;
        }
        promise(world, first);
    } else if (strcmp(verdict, "FULL") != 0 && !wire_lacks_library(reply)) {
        world_breach(world, AUDIT_ACCEPT, "%s was answered %s", message->id, verdict);
    }
}

static void send(struct world *world, int index) {
    if (index < 0) {
        return;
    }
    if (!world->ingest.up) {
        wire_link_up(world, &world->ingest);
    }
    struct command command = accept_command(world, index);
    redisReply *reply = wire_function(world, &world->ingest, &command);
    if (reply != NULL) {
        take_reply(world, index, reply);
        freeReplyObject(reply);
        return;
    }
    world->ledger.messages[index].possible = true;
    world_say(world, "ingest: %s is ambiguous", world->ledger.messages[index].id);
    if (world_has(world, SWITCH_SEND_TWICE)) {
        freeReplyObject(wire_run(world, &command));
    }
}

static int add_key(struct ledger *ledger) {
    if (ledger->key_count == MOST_KEYS) {
        return -1;
    }
    ledger->keys[ledger->key_count] = (struct client_key){.content = 100 + ledger->key_count};
    return ledger->key_count++;
}

void ingest_send(struct world *world) {
    struct ledger *ledger = &world->ledger;
    if (ledger->message_count >= MOST_FIRST) {
        return;
    }
    int key = random_chance(&world->random, 60) ? add_key(ledger) : -1;
    send(world, ledger_add(ledger, false, key, key < 0 ? 1000 + ledger->message_count : ledger->keys[key].content));
}

void ingest_repeat(struct world *world) {
    struct ledger *ledger = &world->ledger;
    if (ledger->key_count == 0) {
        return;
    }
    int key = random_below(&world->random, ledger->key_count);
    send(world, ledger_add(ledger, false, key, ledger->keys[key].content));
}

void ingest_webhook(struct world *world) {
    struct ledger *ledger = &world->ledger;
    if (ledger->message_count < MOST_FIRST) {
        send(world, ledger_add(ledger, true, -1, 2000 + ledger->message_count));
    }
}

void ingest_redeliver(struct world *world) {
    int first = world->ledger.message_count > 0 ? random_below(&world->random, world->ledger.message_count) : 0;
    for (int i = 0; i < world->ledger.message_count; i++) {
        int index = (first + i) % world->ledger.message_count;
        if (world->ledger.messages[index].webhook) {
            send(world, index);
            return;
        }
    }
}
