// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/message/message.h"
#include "tests/chaos/audit.h"
#include "tests/chaos/rows.h"

enum {
    GRANT_MS = 100,                         // a call may begin so long after it was granted
    ROUNDED_MS = 2,                         // times are told in whole milliseconds
    ALLOWED_MS = GRANT_MS + AUDIT_SLACK_MS, // from when a 429 is in until no call begins
    PAUSE_MS = WORLD_PAUSE_MS - ROUNDED_MS,
};

struct pause {
    int64_t begun_ms; // the call that was answered with a 429
    int64_t since_ms; // its answer was in
    char id[UUID_TEXT_SIZE];
};

// The pauses of one provider, in the order in which the calls began.
struct pauses {
    struct pause *all;
    size_t count, room;
    bool awaits; // its next call is the first one behind the last pause
};

struct tally {
    struct run *run;
    struct pauses pauses[PROVIDER_COUNT];
    uint64_t inside, unexplained, first, by_another;
};

static void add_pause(struct pauses *pauses, const struct pause *pause) {
    if (pauses->count == pauses->room) {
        pauses->room = pauses->room == 0 ? 64 : 2 * pauses->room;
        pauses->all = xrealloc(pauses->all, pauses->room * sizeof *pauses->all);
    }
    pauses->all[pauses->count++] = *pause;
    pauses->awaits = true;
}

// The pause in which a call began; NULL when it was in none.
static const struct pause *pause_at(const struct pauses *pauses, int64_t at_ms) {
    for (size_t i = pauses->count; i > 0; i--) {
        const struct pause *pause = &pauses->all[i - 1];
        if (pause->begun_ms + WORLD_CALL_MS + WORLD_PAUSE_MS < at_ms) {
            break; // it was over by then, and so were those before it
        }
        if (at_ms > pause->since_ms + ALLOWED_MS && at_ms < pause->since_ms + PAUSE_MS) {
            return pause;
        }
    }
    return NULL;
}

// What came between a 429 and its record may have been an injection.
static void judge_call(struct tally *tally, const struct pauses *pauses, int64_t at_ms, const char *id) {
    const struct pause *pause = pause_at(pauses, at_ms);
    if (pause == NULL) {
        return;
    }
    tally->inside++;
    if (!audit_was_held(tally->run, pause->since_ms)) {
        tally->unexplained++;
        report_breach(tally->run->report, "a call inside a pause", id, "%" PRId64 " ms after the 429 of %s",
                      at_ms - pause->since_ms, pause->id);
    }
}

// A pause that was cut short is tried out by another message than the refused one, where there is one.
static void look_at_first(struct tally *tally, struct pauses *pauses, int64_t at_ms, const char *id) {
    const struct pause *last = pauses->count > 0 ? &pauses->all[pauses->count - 1] : NULL;
    if (!pauses->awaits || at_ms < last->since_ms + PAUSE_MS) {
        return;
    }
    pauses->awaits = false;
    tally->first++;
    tally->by_another += strcmp(last->id, id) != 0;
}

static void look_at_attempt(void *argument, const PGresult *row) {
    struct tally *tally = argument;
    const char *id = rows_text(row, 1);
    struct pause pause = {.begun_ms = rows_int(row, 2), .since_ms = rows_int(row, 3)};
    enum provider provider;
    if (provider_parse(rows_text(row, 0), &provider) != 0) {
        return;
    }
    struct pauses *pauses = &tally->pauses[provider];
    judge_call(tally, pauses, pause.begun_ms, id);
    look_at_first(tally, pauses, pause.begun_ms, id);
    if (strcmp(rows_text(row, 4), "t") == 0) {
        snprintf(pause.id, sizeof pause.id, "%s", id);
        add_pause(pauses, &pause);
    }
}

void audit_pauses(struct run *run) {
    struct tally tally = {.run = run};
    uint64_t asked = 0;
    rows_each(stack_port(run->world->stack, "postgres"), "attempts.sql", look_at_attempt, &tally);
    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        asked += tally.pauses[i].count;
        free(tally.pauses[i].all);
    }
    report_heading("Pauses");
    report_figure("429s", "%" PRIu64, asked);
    report_figure("first calls after them, by another message", "%" PRIu64 ", %" PRIu64, tally.first, tally.by_another);
    report_figure("calls inside, unexplained", "%" PRIu64 ", %" PRIu64, tally.inside, tally.unexplained);
}
