// SPDX-License-Identifier: MIT
#include "tests/protocol/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/protocol/ledger.h"
#include "tests/support/reply.h"

#define BODY "\"body\":\""

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
        },
        out);
    free(sender);
}

bool event_read(const struct ledger *ledger, const redisReply *fields, struct event *out) {
    const char *kind = reply_field(fields, "k");
    if (strcmp(kind, "poison") == 0) {
        *out = (struct event){.kind = EVENT_POISON};
        return true;
    }
    *out = (struct event){.kind = strcmp(kind, "outcome") == 0    ? EVENT_OUTCOME
                                  : strcmp(kind, "replayed") == 0 ? EVENT_REPLAYED
                                                                  : EVENT_MESSAGE};
    out->message = ledger_find(ledger, reply_field(fields, "id"));
    out->generation = atoi(reply_field(fields, "gen"));
    if (out->kind == EVENT_MESSAGE) {
        const char *body = strstr(reply_field(fields, "p"), BODY);
        out->content = body != NULL ? atoi(body + strlen(BODY)) : -1;
    } else if (out->kind == EVENT_OUTCOME) {
        out->call = atoi(reply_field(fields, "call"));
        out->delivery = atoi(reply_field(fields, "n"));
        out->refused = strstr(reply_field(fields, "p"), "\"outcome\":\"refused\"") != NULL;
        out->late = *reply_field(fields, "late") != '\0';
    }
    bool decided =
        out->kind != EVENT_OUTCOME || attempt_verdict_parse(reply_field(fields, "verdict"), &out->verdict) == 0;
    return decided && out->message >= 0 && out->generation >= 0 && out->generation < MOST_GENERATIONS;
}
