// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "tests/protocol/actors.h"
#include "tests/protocol/wire.h"
#include "tests/support/reply.h"

// Sends and webhooks together, so that repeats have room.
enum { MOST_FIRST = 14, MOST_IN_CALL = 4 };

// What goes into one call, as indexes into the ledger.
struct sending {
    int messages[MOST_IN_CALL];
    int count;
    int room_outbound, room_events; // so many more fit under the cap
};

static bool is_remembered(const struct ledger_message *message) {
    return message->webhook || message->key >= 0;
}

static void put_keys(struct command *command, const struct ledger_message *message, int index) {
    char name[64] = "idem:{sms-mms:0}:";
    if (is_remembered(message)) {
        snprintf(name, sizeof name, "idem:{sms-mms:0}:%s%d", message->webhook ? "provider" : "client",
                 message->webhook ? index : message->key);
    }
    command_text(command, name);
    command_text(command, "rate:{sms-mms:0}:sender");
}

static void put_arguments(struct command *command, const struct ledger *ledger, int index) {
    const struct ledger_message *message = &ledger->messages[index];
    struct buf payload = {0};
    char token[33];
    snprintf(token, sizeof token, "%.16sdigest%010d", message->id + TOKEN_AT, message->webhook ? 0 : message->content);
    event_write_payload(ledger, index, &payload);
    command_text(command, message->webhook ? "received" : "accepted");
    command_text(command, message->id);
    command_text(command, token);
    command_bytes(command, payload.data, payload.length);
    command_int(command, is_remembered(message) ? TTL_MS : 0);
    command_text(command, "");
    buf_free(&payload);
}

static struct command accept_command(const struct world *world, const struct sending *sending) {
    struct command command = command_function(LIBRARY_ACCEPT, 3 + 2 * sending->count);
    command_text(&command, KEY_OUTBOUND);
    command_text(&command, KEY_EVENTS);
    command_text(&command, KEY_PARKED);
    for (int i = 0; i < sending->count; i++) {
        put_keys(&command, &world->ledger.messages[sending->messages[i]], sending->messages[i]);
    }
    command_int(&command, world->cap);
    command_int(&command, world->wall_ms + REPLY_MS);
    command_int(&command, 60000);
    command_int(&command, 0);
    command_int(&command, 0);
    command_int(&command, 1);
    for (int i = 0; i < sending->count; i++) {
        put_arguments(&command, &world->ledger, sending->messages[i]);
    }
    return command;
}

static void promise(struct world *world, int index) {
    struct ledger_message *message = &world->ledger.messages[index];
    if (!message->promised || message->may_be_gone) {
        message->promised_at = world->step;
    }
    message->promised = true;
    message->may_be_gone = false;
}

static void check_room(struct world *world, struct sending *sending, const struct ledger_message *message) {
    if (--sending->room_events < 0 || (!message->webhook && --sending->room_outbound < 0)) {
        world_breach(world, AUDIT_ACCEPT, "%s was accepted into a backlog that was full", message->id);
    }
}

static void take_reply(struct world *world, struct sending *sending, int index, const redisReply *reply) {
    struct ledger_message *message = &world->ledger.messages[index];
    const char *verdict = reply_text(reply, 0);
    int first = ledger_find(&world->ledger, reply_text(reply, 1));
    world_say(world, "ingest: %s %s: %s", message->webhook ? "webhook" : "send", message->id, verdict);
    if (strcmp(verdict, "OK") == 0) {
        check_room(world, sending, message);
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

static void take_replies(struct world *world, struct sending *sending, const redisReply *reply) {
    for (int i = 0; i < sending->count; i++) {
        bool own = reply->type == REDIS_REPLY_ARRAY && (size_t)i < reply->elements;
        take_reply(world, sending, sending->messages[i], own ? reply->element[i] : reply);
    }
}

static void leave_in_the_dark(struct world *world, const struct sending *sending) {
    for (int i = 0; i < sending->count; i++) {
        struct ledger_message *message = &world->ledger.messages[sending->messages[i]];
        message->possible = true;
        world_say(world, "ingest: %s is ambiguous", message->id);
    }
}

static void send(struct world *world, struct sending *sending) {
    if (sending->count == 0) {
        return;
    }
    if (!world->ingest.up) {
        wire_link_up(world, &world->ingest);
    }
    sending->room_outbound = world->cap - world->seen.outbound - world->seen.parked;
    sending->room_events = world->cap - world->seen.events;
    struct command command = accept_command(world, sending);
    redisReply *reply = wire_function(world, &world->ingest, &command);
    if (reply != NULL) {
        take_replies(world, sending, reply);
        freeReplyObject(reply);
        return;
    }
    leave_in_the_dark(world, sending);
    if (world_has(world, SWITCH_SEND_TWICE)) {
        freeReplyObject(wire_run(world, &command));
    }
}

// ---- What comes in. Each returns an index into the ledger, or -1.

static int note(struct world *world, bool webhook, int key, int content) {
    return ledger_add(&world->ledger, world_host_ms(world), webhook, key, content);
}

static int add_key(struct ledger *ledger) {
    if (ledger->key_count == MOST_KEYS) {
        return -1;
    }
    ledger->keys[ledger->key_count] = (struct client_key){.content = 100 + ledger->key_count};
    return ledger->key_count++;
}

static int new_send(struct world *world) {
    struct ledger *ledger = &world->ledger;
    if (ledger->message_count >= MOST_FIRST) {
        return -1;
    }
    int key = random_chance(&world->random, 60) ? add_key(ledger) : -1;
    return note(world, false, key, key < 0 ? 1000 + ledger->message_count : ledger->keys[key].content);
}

static int repeat(struct world *world) {
    struct ledger *ledger = &world->ledger;
    if (ledger->key_count == 0) {
        return -1;
    }
    int key = random_below(&world->random, ledger->key_count);
    return note(world, false, key, ledger->keys[key].content);
}

static int new_webhook(struct world *world) {
    struct ledger *ledger = &world->ledger;
    return ledger->message_count < MOST_FIRST ? note(world, true, -1, 2000 + ledger->message_count) : -1;
}

static int redelivery(struct world *world) {
    const struct ledger *ledger = &world->ledger;
    int first = ledger->message_count > 0 ? random_below(&world->random, ledger->message_count) : 0;
    for (int i = 0; i < ledger->message_count; i++) {
        int index = (first + i) % ledger->message_count;
        if (ledger->messages[index].webhook) {
            return index;
        }
    }
    return -1;
}

// ---- Calls

static void add(struct sending *sending, int message) {
    if (message >= 0) {
        sending->messages[sending->count++] = message;
    }
}

// One message, and what else comes in within the same turn.
static void send_with_others(struct world *world, int message) {
    static int (*const arrivals[])(struct world *) = {new_send, repeat, new_webhook, redelivery};
    struct sending sending = {.count = 0};
    add(&sending, message);
    while (sending.count > 0 && sending.count < MOST_IN_CALL && random_chance(&world->random, 30)) {
        add(&sending, arrivals[random_below(&world->random, sizeof arrivals / sizeof *arrivals)](world));
    }
    send(world, &sending);
}

void ingest_send(struct world *world) {
    send_with_others(world, new_send(world));
}

void ingest_repeat(struct world *world) {
    send_with_others(world, repeat(world));
}

void ingest_webhook(struct world *world) {
    send_with_others(world, new_webhook(world));
}

void ingest_redeliver(struct world *world) {
    send_with_others(world, redelivery(world));
}
