// SPDX-License-Identifier: MIT
#include "tests/protocol/event.h"

#include <stdlib.h>
#include <string.h>

#include "tests/protocol/ledger.h"
#include "tests/support/reply.h"

static enum verdict verdict_of(const char *text) {
    return strcmp(text, "sent") == 0 ? VERDICT_SENT : strcmp(text, "failed") == 0 ? VERDICT_FAILED : VERDICT_RETRY;
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
        out->content = atoi(reply_field(fields, "p"));
    } else if (out->kind == EVENT_OUTCOME) {
        out->call = atoi(reply_field(fields, "call"));
        out->delivery = atoi(reply_field(fields, "n"));
        out->verdict = verdict_of(reply_field(fields, "verdict"));
        out->refused = strcmp(reply_field(fields, "p"), "refused") == 0;
        out->late = *reply_field(fields, "late") != '\0';
    }
    return out->message >= 0 && out->generation >= 0 && out->generation < MOST_GENERATIONS;
}
