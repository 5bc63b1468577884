// SPDX-License-Identifier: MIT
#ifndef PERSISTER_REKEY_ROW_H
#define PERSISTER_REKEY_ROW_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/message/message.h"

// A message as it is stored, and where it belongs by today's rules.

struct rekey_row {
    int64_t conversation_id;
    int64_t message_count; // of the conversation
    const char *id, *key;  // what is stored, as long as the rows are
    const char *sent_by;   // "a", "b", or "" in a row of an older release
    const char *occurred_at, *accepted_at;
    // By today's rules; owned.
    char *new_key, *participant_a, *participant_b;
    const char *new_sent_by; // static
};

// rows are of sql/rekey_page.sql; region is PHONE_REGION's. rekey_row_free()
void rekey_row_read(const PGresult *rows, int row, const struct phone_region *region, struct rekey_row *out);
void rekey_row_free(struct rekey_row *row);

#endif
