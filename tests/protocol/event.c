// SPDX-License-Identifier: MIT
#include "tests/protocol/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/protocol/ledger.h"
#include "tests/protocol/world.h"
#include "tests/support/reply.h"

#define BODY "\"body\":\""
#define SAID_AT "\"opt_out_ms\":"
#define CAME_AT "\"opt_out_came_ms\":"

const char *sender_of(int message) {
    static const char *const names[SENDERS] = {"a", "b", "c"};
    return names[message % SENDERS];
}

void event_write_payload(const struct ledger *ledger, int message, struct buf *out) {
    bool inbound = ledger->messages[message].webhook;
    char body[24];
    snprintf(body, sizeof body, "%d", ledger->messages[message].content);
    char *sender = xstrdup(sender_of(message));
    message_encode(
        &(struct message){
            .type = MESSAGE_SMS,
            .direction = inbound ? MESSAGE_INBOUND : MESSAGE_OUTBOUND,
            .from = sender,
            .to = sender,
            .sender = sender,
            .recipient = sender,
            .body = body,
            .provider_message_id = inbound ? body : NULL,
            .accepted_ms = ledger->messages[message].accepted_ms > 0 ? ledger->messages[message].accepted_ms
                                                                     : ledger->messages[message].sent_ms,
            .send_at_ms = ledger->messages[message].due_ms,
            .opt_out = ledger->messages[message].opt_out,
            .opt_out_ms = ledger->messages[message].place.said_ms,
            .opt_out_came_ms = ledger->messages[message].place.came_ms,
        },
        out);
    free(sender);
}

enum event_kind event_kind_of(const char *name) {
    static const char *const names[] = {
        [EVENT_OUTCOME] = "outcome", [EVENT_REPLAYED] = "replayed", [EVENT_POISON] = "poison",
        [EVENT_UNREAD] = "unread",   [EVENT_REREAD] = "reread",     [EVENT_RECEIPT] = "receipt",
        [EVENT_ERASE] = "erase"};
    for (enum event_kind kind = EVENT_OUTCOME; kind <= EVENT_ERASE; kind++) {
        if (strcmp(name, names[kind]) == 0) {
            return kind;
        }
    }
    return EVENT_MESSAGE;
}

// A member of a payload; 0: there is none.
static int64_t event_read_time(const char *payload, const char *name) {
    const char *at = strstr(payload, name);
    return at != NULL ? strtoll(at + strlen(name), NULL, 10) : 0;
}

static bool event_read_receipt(const struct world *world, const redisReply *fields, struct event *out) {
    const char *payload = reply_field(fields, "p");
    struct receipt_entry receipt;
    if (receipt_entry_decode(payload, strlen(payload), &receipt) != NULL) {
        return false;
    }
    out->receipt = receipts_find(world, receipt.code != NULL ? receipt.code : "");
    out->said = receipt.status;
    out->occurred_ms = receipt.at_ms;
    receipt_entry_free(&receipt);
    return out->receipt != RECEIPT_NONE && world->receipts.receipts[out->receipt].message == out->message;
}

bool event_read(const struct world *world, const redisReply *fields, struct event *out) {
    const struct ledger *ledger = &world->ledger;
    *out = (struct event){.kind = event_kind_of(reply_field(fields, "k"))};
    if (out->kind == EVENT_POISON) {
        return true;
    }
    if (out->kind == EVENT_UNREAD) {
        out->message = unread_find(world, reply_field(fields, "hash"));
        return out->message >= 0;
    }
    if (out->kind == EVENT_ERASE) {
        return true;
    }
    out->letter = unread_find(world, reply_field(fields, "letter"));
    out->message = ledger_find(ledger, reply_field(fields, "id"));
    out->at_ms = strtoll(reply_field(fields, "at"), NULL, 10);
    out->generation = atoi(reply_field(fields, "gen"));
    out->scheduled = strcmp(reply_field(fields, "state"), "scheduled") == 0;
    out->unordered = strcmp(reply_field(fields, "v"), "1") == 0;
    if (out->kind == EVENT_RECEIPT) {
        return event_read_receipt(world, fields, out);
    }
    if (out->kind == EVENT_MESSAGE) {
        const char *body = strstr(reply_field(fields, "p"), BODY);
        out->content = body != NULL ? atoi(body + strlen(BODY)) : -1;
        out->place.said_ms = event_read_time(reply_field(fields, "p"), SAID_AT);
        out->place.came_ms = event_read_time(reply_field(fields, "p"), CAME_AT);
    } else if (out->kind == EVENT_OUTCOME) {
        out->call = atoi(reply_field(fields, "call"));
        out->delivery = atoi(reply_field(fields, "n"));
        out->refused = strstr(reply_field(fields, "p"), "\"outcome\":\"refused\"") != NULL;
        out->late = *reply_field(fields, "late") != '\0';
        out->erased = strstr(reply_field(fields, "p"), "\"outcome\":\"erased\"") != NULL;
        out->opted_out = strstr(reply_field(fields, "p"), "\"outcome\":\"opted_out\"") != NULL;
        out->taken = strstr(reply_field(fields, "p"), "\"outcome\":\"delivered\"") != NULL;
    }
    bool decided =
        out->kind != EVENT_OUTCOME || attempt_verdict_parse(reply_field(fields, "verdict"), &out->verdict) == 0;
    return decided && out->message >= 0 && out->generation >= 0 && out->generation < MOST_GENERATIONS;
}
