// SPDX-License-Identifier: MIT
#include "persister/rekey_row.h"

#include <stdlib.h>
#include <string.h>

#include "shared/message/identify.h"

// The columns of sql/rekey_page.sql.
enum {
    ID,
    CONVERSATION_ID,
    KEY,
    MESSAGE_COUNT,
    PARTICIPANT_A,
    PARTICIPANT_B,
    TYPE,
    FROM_ADDRESS,
    TO_ADDRESS,
    SENT_BY,
    OCCURRED_AT,
    ACCEPTED_AT,
};

// An older release stored no sender, and took no several addresses: what it shows is identified by that. So whom it is
// given here counts only for what is no address, such as a row that was changed by hand.
static bool participant_b_sent(const PGresult *rows, int row) {
    return strcmp(PQgetvalue(rows, row, SENT_BY), "b") == 0 ||
           (PQgetisnull(rows, row, SENT_BY) &&
            strcmp(PQgetvalue(rows, row, FROM_ADDRESS), PQgetvalue(rows, row, PARTICIPANT_B)) == 0);
}

static void rekey_row_message(const PGresult *rows, int row, struct message *out) {
    bool b_sent = participant_b_sent(rows, row);
    *out = (struct message){
        .from = xstrdup(PQgetvalue(rows, row, FROM_ADDRESS)),
        .to = xstrdup(PQgetvalue(rows, row, TO_ADDRESS)),
        .sender = xstrdup(PQgetvalue(rows, row, b_sent ? PARTICIPANT_B : PARTICIPANT_A)),
        .recipient = xstrdup(PQgetvalue(rows, row, b_sent ? PARTICIPANT_A : PARTICIPANT_B)),
        .region = PQgetisnull(rows, row, SENT_BY) ? NULL : xstrdup("another"), // today's rules, some region
    };
    (void)!message_type_parse(PQgetvalue(rows, row, TYPE), &out->type); // the column's check knows no other
}

void rekey_row_read(const PGresult *rows, int row, const struct phone_region *region, struct rekey_row *out) {
    struct message message;
    rekey_row_message(rows, row, &message);
    message_identify(&message, region);
    bool a_sent = strcmp(message.sender, message.recipient) <= 0;
    *out = (struct rekey_row){
        .conversation_id = strtoll(PQgetvalue(rows, row, CONVERSATION_ID), NULL, 10),
        .message_count = strtoll(PQgetvalue(rows, row, MESSAGE_COUNT), NULL, 10),
        .id = PQgetvalue(rows, row, ID),
        .key = PQgetvalue(rows, row, KEY),
        .sent_by = PQgetvalue(rows, row, SENT_BY),
        .occurred_at = PQgetvalue(rows, row, OCCURRED_AT),
        .accepted_at = PQgetvalue(rows, row, ACCEPTED_AT),
        .new_key = conversation_key(message_channel(message.type), message.sender, message.recipient),
        .participant_a = xstrdup(a_sent ? message.sender : message.recipient),
        .participant_b = xstrdup(a_sent ? message.recipient : message.sender),
        .new_sent_by = a_sent ? "a" : "b",
    };
    message_free(&message);
}

void rekey_row_free(struct rekey_row *row) {
    free(row->new_key);
    free(row->participant_a);
    free(row->participant_b);
}
