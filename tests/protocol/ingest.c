// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "tests/protocol/actors.h"
#include "tests/protocol/wire.h"
#include "tests/support/reply.h"

// Sends and webhooks together, so that repeats have room.
enum { MOST_FIRST = 18, MOST_IN_CALL = 4, MOST_SCHEDULED_BYTES = 1000000 };

// Of sends: some are for later, a few for much later, and of some the time has come already.
enum {
    LATER_PERCENT = 25,
    LATER_MOST_MS = 20000,
    DUE_STEP_MS = 5000,
    DAYS_PERCENT = 10,
    DAYS_MS = 2 * 24 * 3600 * 1000
};

// What goes into one call, as indexes into the ledger.
struct sending {
    int messages[MOST_IN_CALL];
    int count;
    int room_outbound, room_events; // so many more fit under the cap
    int room_scheduled;
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

// Of a send its pair, of a webhook when it says something of its own.
static void put_pair_or_time(struct command *command, const struct ledger_message *message, int index) {
    if (message->webhook && message->opt_out == OPT_OUT_NONE) {
        command_text(command, "");
    } else if (message->webhook) {
        words_put_place(command, &message->place);
    } else {
        words_put_pair(command, index % SENDERS);
    }
}

static void put_arguments(struct command *command, const struct world *world, int index) {
    const struct ledger *ledger = &world->ledger;
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
    put_pair_or_time(command, message, index);
    command_text(command, message->ordered ? conversation_text(conversation_of(world, index)) : "");
    command_int(command, message->due_ms);
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
    command_int(&command, world->most_scheduled);
    command_int(&command, MOST_SCHEDULED_BYTES);
    for (int i = 0; i < sending->count; i++) {
        put_arguments(&command, world, sending->messages[i]);
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
    int webhook = 0, *room = message->webhook                   ? &webhook
                             : message->due_ms > world->wall_ms ? &sending->room_scheduled
                                                                : &sending->room_outbound;
    if (--sending->room_events < 0 || (!message->webhook && --*room < 0)) {
        world_breach(world, AUDIT_ACCEPT, "%s was accepted into a backlog that was full", message->id);
    }
}

// Where Redis lost the set, sends are taken until it is there again.
static void check_accepted(struct world *world, int index) {
    const struct ledger_message *message = &world->ledger.messages[index];
    if (!message->webhook && words_forbid(world, index % SENDERS) && !world->sets_evicted) {
        world_breach(world, AUDIT_OPT_OUT, "%s was accepted, and its recipient has opted out", message->id);
    }
}

static void check_refused(struct world *world, int index) {
    const struct ledger_message *message = &world->ledger.messages[index];
    if (message->webhook || !words_may_forbid(world, index % SENDERS)) {
        world_breach(world, AUDIT_OPT_OUT, "%s was refused, and nobody has opted out", message->id);
    }
}

// One that says STOP is answered once every partition knows.
static void promise_or_write(struct world *world, int index, bool is_new, const char *first_time) {
    if (world->ledger.messages[index].opt_out == OPT_OUT_NONE) {
        promise(world, index);
    } else {
        words_taken(world, index, is_new, first_time);
    }
}

static void take_reply(struct world *world, struct sending *sending, int index, const redisReply *reply) {
    struct ledger_message *message = &world->ledger.messages[index];
    const char *verdict = reply_text(reply, 0);
    int first = ledger_find(&world->ledger, reply_text(reply, 1));
    world_say(world, "ingest: %s %s: %s", message->webhook ? "webhook" : "send", message->id, verdict);
    if (strcmp(verdict, "OK") == 0) {
        check_room(world, sending, message);
        check_accepted(world, index);
        promise_or_write(world, index, true, "");
    } else if (strcmp(verdict, "OPTED_OUT") == 0) {
        check_refused(world, index);
    } else if (strcmp(verdict, "REPLAY") == 0) {
        if (first < 0 || world->ledger.messages[first].content != message->content) {
            world_breach(world, AUDIT_ACCEPT, "%s was answered with %s, which is another message", message->id,
                         reply_text(reply, 1));
            return;
        }
        promise_or_write(world, first, false, reply_text(reply, 3));
    } else if (strcmp(verdict, "LATE") == 0 && erasures_are_at(world, index)) {
        return; // it was erased within this millisecond
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
    for (int i = 0; i < sending->count; i++) {
        words_sent(world, sending->messages[i]);
    }
    sending->room_outbound = world->cap - world->seen.outbound - world->seen.parked - world->seen.turns.held;
    sending->room_scheduled = world->most_scheduled - world->seen.turns.scheduled;
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
    int index = ledger_add(&world->ledger, world_host_ms(world), webhook, key, content);
    if (index >= 0) {
        world->ledger.messages[index].sent_ms = world->wall_ms;
    }
    return index;
}

static int64_t draw_due(struct world *world) {
    int later_ms = random_within(&world->random, -LATER_MOST_MS / 4, LATER_MOST_MS);
    bool days = random_chance(&world->random, DAYS_PERCENT);
    return (world->wall_ms + later_ms) / DUE_STEP_MS * DUE_STEP_MS + (days ? DAYS_MS : 0); // so that some meet
}

// Where format 1 is written, what is for later is not taken.
static int note_send(struct world *world, int key, int content) {
    int index = note(world, false, key, content);
    bool later = random_chance(&world->random, LATER_PERCENT) && world->format > 1;
    int64_t due_ms = draw_due(world);
    if (index >= 0) {
        world->ledger.messages[index].ordered = world->orders;
        world->ledger.messages[index].due_ms = later ? due_ms : 0;
    }
    return index;
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
    return note_send(world, key, key < 0 ? 1000 + ledger->message_count : ledger->keys[key].content);
}

static int repeat(struct world *world) {
    struct ledger *ledger = &world->ledger;
    if (ledger->key_count == 0) {
        return -1;
    }
    int key = random_below(&world->random, ledger->key_count);
    return note_send(world, key, ledger->keys[key].content);
}

int ingest_new_webhook(struct world *world) {
    struct ledger *ledger = &world->ledger;
    return ledger->message_count < MOST_FIRST ? note(world, true, -1, 2000 + ledger->message_count) : -1;
}

static int redelivery(struct world *world) {
    const struct ledger *ledger = &world->ledger;
    int first = ledger->message_count > 0 ? random_below(&world->random, ledger->message_count) : 0;
    for (int i = 0; i < ledger->message_count; i++) {
        int index = (first + i) % ledger->message_count;
        if (ledger->messages[index].webhook && !unread_is_unmade(world, index)) {
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
    static int (*const arrivals[])(struct world *) = {new_send, repeat, ingest_new_webhook, redelivery};
    struct sending sending = {.count = 0};
    add(&sending, message);
    while (sending.count > 0 && sending.count < MOST_IN_CALL && random_chance(&world->random, 30)) {
        add(&sending, arrivals[random_below(&world->random, sizeof arrivals / sizeof *arrivals)](world));
    }
    send(world, &sending);
}

void ingest_bring(struct world *world, int message) {
    send_with_others(world, message);
}

void ingest_send(struct world *world) {
    send_with_others(world, new_send(world));
}

void ingest_repeat(struct world *world) {
    send_with_others(world, repeat(world));
}

void ingest_webhook(struct world *world) {
    send_with_others(world, ingest_new_webhook(world));
}

void ingest_redeliver(struct world *world) {
    send_with_others(world, redelivery(world));
}
