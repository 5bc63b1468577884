// SPDX-License-Identifier: MIT
#include "persister/replay_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/message/message.h"
#include "shared/message/opt_out.h"

enum { ID, MESSAGE_ID, GENERATION, MESSAGE };

static void replay_page_take_message(struct replay_letter *letter, const char *text, const struct settings *settings,
                                     unsigned partitions) {
    struct message message;
    const char *error = message_recall(text, strlen(text), settings->phone_region, &message);
    if (error != NULL) {
        log_warn("replay_unreadable", "dead letter %lld: %s", (long long)letter->id, error);
        return;
    }
    struct buf payload = {0};
    message_encode(&message, &payload);
    letter->payload = payload.data;
    if (settings->opt_out) {
        opt_out_pair(message.sender, message.recipient, &letter->pair);
    }
    partition_keys_of(message_provider(message.type), partition_of(message.sender, partitions), &letter->keys);
    message_free(&message);
}

static void replay_page_take_row(struct replay_letter *letter, const PGresult *rows, int row,
                                 const struct settings *settings, unsigned partitions) {
    letter->id = strtoll(PQgetvalue(rows, row, ID), NULL, 10);
    letter->generation = strtoll(PQgetvalue(rows, row, GENERATION), NULL, 10);
    snprintf(letter->message_id, sizeof letter->message_id, "%s", PQgetvalue(rows, row, MESSAGE_ID));
    if (PQgetisnull(rows, row, MESSAGE)) {
        log_warn("replay_unreadable", "dead letter %lld: its message is not recorded", (long long)letter->id);
    } else {
        replay_page_take_message(letter, PQgetvalue(rows, row, MESSAGE), settings, partitions);
    }
}

void replay_page_fill(struct replay_page *page, const PGresult *rows, const struct settings *settings,
                      unsigned partitions, void *owner) {
    replay_page_clear(page);
    for (int row = 0; row < PQntuples(rows) && row < REPLAY_PAGE_SIZE; row++) {
        struct replay_letter *letter = &page->letters[page->count++];
        *letter = (struct replay_letter){.owner = owner};
        replay_page_take_row(letter, rows, row, settings, partitions);
    }
}

int64_t replay_page_advance(struct replay_page *page) {
    int64_t last = -1;
    while (page->next < page->count && page->letters[page->next].settled) {
        last = page->letters[page->next++].id;
    }
    return last;
}

void replay_page_clear(struct replay_page *page) {
    for (size_t i = 0; i < page->count; i++) {
        free(page->letters[i].payload);
        buf_free(&page->letters[i].pair);
    }
    page->count = 0;
    page->next = 0;
}
