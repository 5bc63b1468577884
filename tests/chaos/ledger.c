// SPDX-License-Identifier: MIT
#include "tests/chaos/ledger.h"

#include <check.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/each.h"

enum { CHUNK = 1 << 16, MOST_CHUNKS = 1 << 10, MOST_REFUSALS = 32 };

struct refusal {
    long status;
    char code[48];
    uint64_t count;
};

struct ledger {
    pthread_mutex_t lock;
    struct report *report;
    FILE *log;
    struct ledger_entry *chunks[MOST_CHUNKS]; // entries never move
    uint32_t count;
    struct ledger_totals totals;
    struct refusal refusals[MOST_REFUSALS];
    size_t refusal_count;
};

struct ledger *ledger_create(const char *folder, struct report *report) {
    struct ledger *ledger = xcalloc(1, sizeof *ledger);
    char *path = xasprintf("%s/ledger.log", folder);
    pthread_mutex_init(&ledger->lock, NULL);
    ledger->report = report;
    ledger->log = fopen(path, "we");
    ck_assert_msg(ledger->log != NULL, "%s can't be written", path);
    free(path);
    return ledger;
}

void ledger_destroy(struct ledger *ledger) {
    for (size_t i = 0; i < MOST_CHUNKS; i++) {
        free(ledger->chunks[i]);
    }
    fclose(ledger->log);
    pthread_mutex_destroy(&ledger->lock);
    free(ledger);
}

static struct ledger_entry *find(struct ledger *ledger, const struct content *content) {
    uint32_t number = content->number;
    ASSERT_EACH(number / CHUNK < MOST_CHUNKS);
    struct ledger_entry **chunk = &ledger->chunks[number / CHUNK];
    if (*chunk == NULL) {
        *chunk = xcalloc(CHUNK, sizeof **chunk);
    }
    struct ledger_entry *entry = &(*chunk)[number % CHUNK];
    if (!entry->used) {
        entry->used = true;
        entry->is_send = !content->is_webhook;
        entry->is_refused = content->is_refused;
        entry->has_key = content->key[0] != '\0';
        content_digest(content, entry->digest);
    }
    ledger->count = number >= ledger->count ? number + 1 : ledger->count;
    return entry;
}

static void count_refusal(struct ledger *ledger, const struct ledger_answer *answer) {
    struct refusal *refusal = ledger->refusals;
    struct refusal *end = refusal + ledger->refusal_count;
    while (refusal < end && (refusal->status != answer->status || strcmp(refusal->code, answer->code) != 0)) {
        refusal++;
    }
    if (refusal == end) {
        ASSERT_EACH(ledger->refusal_count < MOST_REFUSALS);
        ledger->refusal_count++;
        refusal->status = answer->status;
        snprintf(refusal->code, sizeof refusal->code, "%s", answer->code);
    }
    refusal->count++;
}

static enum ledger_fate fate_of(const struct ledger_answer *answer) {
    if (answer->status == 202) {
        return LEDGER_ACCEPTED;
    }
    if (answer->status == 0) {
        return answer->reached ? LEDGER_AMBIGUOUS : LEDGER_REFUSED;
    }
    if (answer->status == 503) {
        return answer->says_ambiguous ? LEDGER_AMBIGUOUS : LEDGER_REFUSED;
    }
    return LEDGER_WRONG;
}

static void accept(struct ledger *ledger, struct ledger_entry *entry, const struct ledger_answer *answer) {
    struct uuid id;
    if (uuid_parse(answer->id, &id) != 0) {
        report_breach(ledger->report, "a 202 without an id", NULL, "message %u: '%s'", answer->content->number,
                      answer->id);
    } else if (!entry->accepted) {
        entry->accepted = true;
        entry->id = id;
        entry->begun_ms = answer->begun_ms;
        ledger->totals.accepted++;
    } else {
        entry->repeats++;
        ledger->totals.repeats++;
        if (memcmp(&id, &entry->id, sizeof id) != 0) {
            report_breach(ledger->report, "a repeat with another id", answer->id,
                          "message %u was accepted under another id before", answer->content->number);
        }
    }
}

static void tally(struct ledger *ledger, const struct ledger_answer *answer, enum ledger_fate fate) {
    struct ledger_totals *totals = &ledger->totals;
    totals->answers++;
    totals->ambiguous += answer->status != 0 && fate == LEDGER_AMBIGUOUS;
    totals->unanswered += answer->status == 0 && answer->reached;
    totals->unreached += answer->status == 0 && !answer->reached;
    if (answer->status != 0 && (fate == LEDGER_REFUSED || fate == LEDGER_WRONG)) {
        count_refusal(ledger, answer);
    }
}

enum ledger_fate ledger_note(struct ledger *ledger, const struct ledger_answer *answer) {
    enum ledger_fate fate = fate_of(answer);
    pthread_mutex_lock(&ledger->lock);
    struct ledger_entry *entry = find(ledger, answer->content);
    entry->first_ms = entry->first_ms == 0 ? answer->begun_ms : entry->first_ms;
    entry->ambiguous += fate == LEDGER_AMBIGUOUS;
    tally(ledger, answer, fate);
    fprintf(ledger->log, "%" PRId64 " message %u %s %s after %" PRId64 " ms: %ld %s%s%s\n", answer->begun_ms,
            answer->content->number, answer->content->path, answer->ingest, answer->millis, answer->status,
            answer->status == 202 ? answer->id : answer->code, answer->says_ambiguous ? " ambiguous" : "",
            answer->reached ? "" : " not reached");
    if (fate == LEDGER_ACCEPTED) {
        accept(ledger, entry, answer);
    } else if (fate == LEDGER_WRONG) {
        report_breach(ledger->report, "an answer of another kind", NULL, "message %u: %ld %s", answer->content->number,
                      answer->status, answer->code);
    }
    pthread_mutex_unlock(&ledger->lock);
    return fate;
}

uint32_t ledger_count(const struct ledger *ledger) {
    return ledger->count;
}

const struct ledger_entry *ledger_at(const struct ledger *ledger, uint32_t number) {
    static const struct ledger_entry unused = {0};
    const struct ledger_entry *chunk = number < ledger->count ? ledger->chunks[number / CHUNK] : NULL;
    return chunk != NULL ? &chunk[number % CHUNK] : &unused;
}

struct ledger_totals ledger_totals(struct ledger *ledger) {
    pthread_mutex_lock(&ledger->lock);
    struct ledger_totals totals = ledger->totals;
    fflush(ledger->log);
    pthread_mutex_unlock(&ledger->lock);
    return totals;
}

bool ledger_refusal(const struct ledger *ledger, size_t index, long *status, const char **code, uint64_t *count) {
    if (index >= ledger->refusal_count) {
        return false;
    }
    *status = ledger->refusals[index].status;
    *code = ledger->refusals[index].code;
    *count = ledger->refusals[index].count;
    return true;
}
