// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/mem.h"
#include "shared/message.h"
#include "tests/chaos/audit.h"

enum {
    GRANT_MS = 100, // a call may begin so long after it was granted
    // From the moment at which the mock notes a 429 until no call begins: its answer travels, and is recorded.
    ALLOWED_MS = WORLD_LATENCY_MS + GRANT_MS + AUDIT_SLACK_MS,
};

// The 429s of one provider, in their order.
struct pauses {
    int64_t *at_ms;
    char (*keys)[40]; // of the messages that were answered so
    size_t count, room;
    bool awaits; // its next call is the first one behind the last pause
};

struct tally {
    struct run *run;
    struct pauses pauses[PROVIDER_COUNT];
    uint64_t inside, unexplained, begun, by_another;
};

static void add_pause(struct pauses *pauses, int64_t at_ms, const char *key) {
    if (pauses->count == pauses->room) {
        pauses->room = pauses->room == 0 ? 64 : 2 * pauses->room;
        pauses->at_ms = xrealloc(pauses->at_ms, pauses->room * sizeof *pauses->at_ms);
        pauses->keys = xrealloc(pauses->keys, pauses->room * sizeof *pauses->keys);
    }
    pauses->at_ms[pauses->count] = at_ms;
    snprintf(pauses->keys[pauses->count++], sizeof *pauses->keys, "%s", key);
    pauses->awaits = true;
}

// Whether what came between a 429 and its record, or kept a call on its way, was an injection.
static bool is_explained(const struct run *run, int64_t paused_ms, int64_t at_ms) {
    return audit_was_held(run, paused_ms) || audit_was_held(run, at_ms);
}

static void judge_call(struct tally *tally, const struct pauses *pauses, int64_t at_ms, const char *key) {
    for (size_t i = pauses->count; i > 0 && pauses->at_ms[i - 1] > at_ms - WORLD_PAUSE_MS; i--) {
        int64_t paused_ms = pauses->at_ms[i - 1];
        if (at_ms <= paused_ms + ALLOWED_MS) {
            continue;
        }
        tally->inside++;
        if (!is_explained(tally->run, paused_ms, at_ms)) {
            tally->unexplained++;
            report_breach(tally->run->report, "a call inside a pause", key, "%" PRId64 " ms after the 429 of %s",
                          at_ms - paused_ms, pauses->keys[i - 1]);
        }
        return;
    }
}

// A pause that was cut short is tried out by another message than the refused one, where there is one.
static void look_at_first(struct tally *tally, struct pauses *pauses, int64_t at_ms, const char *key) {
    if (!pauses->awaits || at_ms < pauses->at_ms[pauses->count - 1] + WORLD_PAUSE_MS) {
        return;
    }
    pauses->awaits = false;
    tally->begun++;
    tally->by_another += strcmp(pauses->keys[pauses->count - 1], key) != 0;
}

// "ms provider key outcome"
static void look_at_line(struct tally *tally, const char *line) {
    char name[32], key[40], outcome[32];
    int64_t at_ms;
    enum provider provider;
    if (sscanf(line, "%" SCNd64 " %31s %39s %31s", &at_ms, name, key, outcome) != 4 ||
        provider_parse(name, &provider) != 0) {
        return;
    }
    struct pauses *pauses = &tally->pauses[provider];
    judge_call(tally, pauses, at_ms, key);
    look_at_first(tally, pauses, at_ms, key);
    if (strcmp(outcome, "rate_limited") == 0) {
        add_pause(pauses, at_ms, key);
    }
}

void audit_pauses(struct run *run) {
    struct tally tally = {.run = run};
    FILE *file = fopen(run->world->mock_ledger, "re");
    char line[256];
    uint64_t asked = 0;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        look_at_line(&tally, line);
    }
    if (file != NULL) {
        fclose(file);
    }
    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        asked += tally.pauses[i].count;
        free(tally.pauses[i].at_ms);
        free(tally.pauses[i].keys);
    }
    report_heading("Pauses");
    report_figure("429s", "%" PRIu64, asked);
    report_figure("first calls after them, by another message", "%" PRIu64 ", %" PRIu64, tally.begun, tally.by_another);
    report_figure("calls inside, unexplained", "%" PRIu64 ", %" PRIu64, tally.inside, tally.unexplained);
}
