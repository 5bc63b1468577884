// SPDX-License-Identifier: MIT
#include "tests/protocol/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/uuid.h"

int ledger_add(struct ledger *ledger, int64_t made_ms, bool webhook, int key, int content) {
    if (ledger->message_count == MOST_MESSAGES) {
        return -1;
    }
    int index = ledger->message_count++;
    struct ledger_message *message = &ledger->messages[index];
    *message = (struct ledger_message){.webhook = webhook, .key = key, .content = content};
    snprintf(message->id, sizeof message->id, "%08x-%04x-7000-8000-%012x", (unsigned)(made_ms >> 16),
             (unsigned)(made_ms & 0xffff), (unsigned)index & 0xffff);
    return index;
}

static int find(const struct ledger *ledger, const char *id, size_t length) {
    int index =
        length == ID_SIZE - 1 || length == ID_SIZE - 1 - TOKEN_AT ? (int)strtol(id + length - 12, NULL, 16) : -1;
    bool known = index >= 0 && index < ledger->message_count &&
                 strcmp(ledger->messages[index].id + (ID_SIZE - 1 - length), id) == 0;
    return known ? index : -1;
}

// What the library takes for the id's 16 bytes is a text here, of which it may have made a UUID's text.
static int find_by_token(const struct ledger *ledger, const char *id) {
    struct uuid token;
    char text[UUID_BYTES + 1] = "";
    if (uuid_parse(id, &token) == 0) {
        memcpy(text, token.bytes, UUID_BYTES);
    }
    return find(ledger, text, strlen(text));
}

int ledger_find(const struct ledger *ledger, const char *id) {
    int index = find(ledger, id, strlen(id));
    return index < 0 ? find_by_token(ledger, id) : index;
}

struct token *ledger_token(struct ledger *ledger, int message, int generation) {
    bool known = message >= 0 && message < MOST_MESSAGES && generation >= 0 && generation < MOST_GENERATIONS;
    return known ? &ledger->tokens[message][generation] : NULL;
}

int ledger_lost(const struct ledger *ledger) {
    int count = 0;
    for (int i = 0; i < ledger->message_count * MOST_GENERATIONS; i++) {
        count += ledger->tokens[i / MOST_GENERATIONS][i % MOST_GENERATIONS].lost;
    }
    return count;
}

bool ledger_is_live(const struct ledger *ledger, int message) {
    for (int generation = 0; generation < MOST_GENERATIONS; generation++) {
        const struct token *token = &ledger->tokens[message][generation];
        if (token->live && !token->lost) {
            return true;
        }
    }
    return false;
}
