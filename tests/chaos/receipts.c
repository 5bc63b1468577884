// SPDX-License-Identifier: MIT
#include "tests/chaos/receipts.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"

struct receipts {
    struct receipt_heard *all; // in order
    size_t count, room;
    uint64_t repeats;
};

// What the vendors call it; NULL: it says nothing of whether the message has arrived.
static const char *status_of(const char *event) {
    static const char *const names[][2] = {
        {"delivered", "delivered"}, {"undelivered", "undelivered"}, {"failed", "undelivered"},
        {"bounce", "undelivered"},  {"dropped", "undelivered"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(event, names[i][0]) == 0) {
            return names[i][1];
        }
    }
    return NULL;
}

void receipts_write(const char *id, const char *provider_id, const char *status, struct receipt_heard *out) {
    *out = (struct receipt_heard){.found = false};
    snprintf(out->text, sizeof out->text, "%s %s %s", id, provider_id, status);
}

static void add(struct receipts *receipts, const struct receipt_heard *receipt) {
    if (receipts->count == receipts->room) {
        receipts->room = receipts->room == 0 ? 1024 : 2 * receipts->room;
        receipts->all = xrealloc(receipts->all, receipts->room * sizeof *receipts->all);
    }
    receipts->all[receipts->count++] = *receipt;
}

static int by_text(const void *one, const void *other) {
    return strcmp(((const struct receipt_heard *)one)->text, ((const struct receipt_heard *)other)->text);
}

static void keep_each_once(struct receipts *receipts) {
    size_t kept = 0;
    for (size_t i = 0; i < receipts->count; i++) {
        if (kept == 0 || by_text(&receipts->all[kept - 1], &receipts->all[i]) != 0) {
            receipts->all[kept++] = receipts->all[i];
        }
    }
    receipts->repeats = receipts->count - kept;
    receipts->count = kept;
}

// "ms provider key id event code"
struct receipts *receipts_read(const char *path) {
    struct receipts *receipts = xcalloc(1, sizeof *receipts);
    FILE *file = fopen(path, "re");
    char line[512], key[64], id[64], event[32];
    ck_assert_msg(file != NULL, "%s can't be read", path);
    while (fgets(line, sizeof line, file) != NULL) {
        struct receipt_heard receipt;
        ck_assert_msg(sscanf(line, "%*s %*s %63s %63s %31s", key, id, event) == 3, "%s: %s", path, line);
        if (status_of(event) != NULL) {
            receipts_write(key, id, status_of(event), &receipt);
            add(receipts, &receipt);
        }
    }
    fclose(file);
    qsort(receipts->all, receipts->count, sizeof *receipts->all, by_text);
    keep_each_once(receipts);
    return receipts;
}

void receipts_free(struct receipts *receipts) {
    free(receipts->all);
    free(receipts);
}

bool receipts_find(struct receipts *receipts, const struct receipt_heard *receipt) {
    struct receipt_heard *heard = bsearch(receipt, receipts->all, receipts->count, sizeof *receipts->all, by_text);
    if (heard != NULL) {
        heard->found = true;
    }
    return heard != NULL;
}

const struct receipt_heard *receipts_at(const struct receipts *receipts, uint64_t index) {
    return &receipts->all[index];
}

uint64_t receipts_count(const struct receipts *receipts) {
    return receipts->count;
}

uint64_t receipts_repeats(const struct receipts *receipts) {
    return receipts->repeats;
}

uint64_t receipts_each_unfound(const struct receipts *receipts,
                               void (*look)(void *argument, const struct receipt_heard *receipt), void *argument) {
    uint64_t count = 0;
    for (size_t i = 0; i < receipts->count; i++) {
        if (!receipts->all[i].found) {
            look(argument, &receipts->all[i]);
            count++;
        }
    }
    return count;
}
