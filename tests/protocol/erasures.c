// SPDX-License-Identifier: MIT
#include "tests/protocol/erasures.h"

#include <stdio.h>
#include <string.h>

#include "shared/message/erasure.h"
#include "tests/protocol/actors.h"
#include "tests/protocol/wire.h"
#include "tests/support/reply.h"

#define ERASURE_ID "018bcfe5-6800-7000-8000-0000000e7a5e"

static void put_names(struct command *command, const struct erasure *erasure) {
    char names[ERASURE_NAMES][CONVERSATION_SIZE];
    erasure_names(erasure, names);
    for (int i = 0; i < ERASURE_NAMES; i++) {
        command_text(command, names[i]);
    }
    for (int i = 0; i < CONVERSATIONS; i++) { // what accept is told of them
        if (i % SENDERS == *erasure->one - 'a') {
            command_text(command, conversation_text(i));
        }
    }
}

static struct command erase_command(const struct erasure_asked *asked) {
    char name[2] = {(char)('a' + asked->sender), '\0'};
    struct erasure erasure = {.channel = CHANNEL_SMS, .one = name, .other = name};
    struct buf payload = {0};
    erasure_encode(&erasure, &payload);
    struct command command = command_function(LIBRARY_ERASE, 2);
    command_text(&command, KEY_EVENTS);
    command_text(&command, KEY_ERASED);
    command_int(&command, asked->at_ms);
    command_text(&command, ERASURE_ID);
    command_bytes(&command, payload.data, payload.length);
    put_names(&command, &erasure);
    buf_free(&payload);
    return command;
}

void erasures_ask(struct world *world) {
    struct erasures_book *book = &world->erasures;
    if (book->count == MOST_ERASURES || world->format == 1) {
        return;
    }
    if (!world->replayer.up) {
        wire_link_up(world, &world->replayer);
    }
    struct erasure_asked *asked = &book->asked[book->count++];
    *asked = (struct erasure_asked){.sender = random_below(&world->random, SENDERS), .at_ms = world->wall_ms};
    struct command command = erase_command(asked);
    redisReply *reply = wire_function(world, &world->replayer, &command);
    world_say(world, "operator: %s is erased: %s", sender_of(asked->sender),
              reply == NULL ? "no answer" : reply_text(reply, 0));
    if (reply == NULL) {
        return; // 503
    }
    if (strcmp(reply_text(reply, 0), "OK") == 0) {
        asked->promised = true;
        asked->answered_ms = world->boot_ms + ERASURE_FENCE_MS;
        world->figures.erased++;
    } else if (!wire_lacks_library(reply)) {
        world_breach(world, AUDIT_ERASED, "erase: %s", reply_text(reply, 0));
    }
    freeReplyObject(reply);
}

// ---- What is known

static int64_t accepted_ms(const struct world *world, int message) {
    return world->ledger.messages[message].accepted_ms;
}

// A fail-over may take one back, and by a clock that jumps nobody knows what came before it.
bool erasures_erase(const struct world *world, int message) {
    for (int i = 0; i < world->erasures.count; i++) {
        const struct erasure_asked *asked = &world->erasures.asked[i];
        if (asked->promised && asked->sender == message % SENDERS && accepted_ms(world, message) > 0 &&
            accepted_ms(world, message) <= asked->at_ms && !world->failed_over && !world->jumped) {
            return true;
        }
    }
    return false;
}

bool erasures_may_erase(const struct world *world, int message) {
    for (int i = 0; i < world->erasures.count; i++) {
        const struct erasure_asked *asked = &world->erasures.asked[i];
        bool before = accepted_ms(world, message) <= asked->at_ms ||
                      world->ledger.messages[message].sent_ms <= asked->at_ms; // of what is scheduled and takes no turn
        if (asked->sender == message % SENDERS && (before || world->jumped)) {
            return true;
        }
    }
    return false;
}

bool erasures_are_at(const struct world *world, int message) {
    for (int i = 0; i < world->erasures.count; i++) {
        const struct erasure_asked *asked = &world->erasures.asked[i];
        if (asked->sender == message % SENDERS && world->wall_ms <= asked->at_ms) {
            return true;
        }
    }
    return false;
}

void erasures_check_call(struct world *world, int message) {
    for (int i = 0; i < world->erasures.count; i++) {
        const struct erasure_asked *asked = &world->erasures.asked[i];
        if (asked->sender == message % SENDERS && erasures_erase(world, message) && asked->promised &&
            accepted_ms(world, message) <= asked->at_ms && world->boot_ms > asked->answered_ms) {
            world_breach(world, AUDIT_ERASED, "%s is called %lld ms after it was erased",
                         world->ledger.messages[message].id, (long long)(world->boot_ms - asked->answered_ms));
        }
    }
}

void erasures_check_ended(struct world *world, int message) {
    if (!erasures_may_erase(world, message)) {
        world_breach(world, AUDIT_ERASED, "%s has ended as erased, and was accepted since",
                     world->ledger.messages[message].id);
    }
}

bool erasures_are_done(const struct world *world) {
    for (int sender = 0; sender < SENDERS; sender++) {
        const struct erasure_row *row = &world->postgres.erasures[sender];
        if (row->exists && !row->finished) {
            return false;
        }
    }
    return true;
}

// ---- The audit

static const char *what_is_left(const struct postgres *postgres, int message) {
    for (int i = 0; i < postgres->attempt_count; i++) {
        if (postgres->attempts[i].message == message) {
            return "an attempt";
        }
    }
    for (int i = 0; i < postgres->receipt_count; i++) {
        if (postgres->receipts[i].message == message) {
            return "a receipt";
        }
    }
    for (int generation = 0; generation < MOST_GENERATIONS; generation++) {
        if (postgres->dead[message][generation].exists) {
            return "a dead letter";
        }
    }
    return postgres->stored[message] != 0                          ? "the message"
           : postgres->deliveries[message].status != DELIVERY_NONE ? "a delivery"
                                                                   : NULL;
}

void erasures_audit_end(struct world *world) {
    int stored = 0;
    for (int i = 0; i < world->ledger.message_count; i++) {
        const char *left = what_is_left(&world->postgres, i);
        stored += world->postgres.stored[i] != 0;
        if (left != NULL && erasures_erase(world, i)) {
            world_breach(world, AUDIT_ERASED, "of %s, which was erased, %s is left", world->ledger.messages[i].id,
                         left);
        }
        if (left != NULL && strcmp(left, "the message") != 0 && world->postgres.erased[i]) {
            world_breach(world, AUDIT_ERASED, "of %s, which is deleted, %s is left", world->ledger.messages[i].id,
                         left);
        }
    }
    if (stored != world->postgres.total) {
        world_breach(world, AUDIT_ERASED, "%d messages are stored, and %d are counted", stored, world->postgres.total);
    }
    if (!erasures_are_done(world)) {
        world_breach(world, AUDIT_ERASED, "a conversation is still to be erased");
    }
}
