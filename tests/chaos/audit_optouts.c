// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/chaos/audit.h"
#include "tests/chaos/rows.h"

enum {
    FRESH_MS = 500, // OPT_OUTS_FRESH_MS of the dispatcher: so long after it a call may begin that was allowed before
    ALLOWED_MS = FRESH_MS + AUDIT_SLACK_MS,
};

struct tally {
    struct run *run;
    uint64_t calls, inside, unexplained, rows;
};

// While they had opted out, at that moment.
static const struct optout_time *time_of(const struct optout_load *load, int pair, int64_t at_ms) {
    for (uint32_t i = 0; i < optouts_times(load); i++) {
        const struct optout_time *time = optouts_time_at(load, i);
        if (time->pair == pair && at_ms > time->since_ms + ALLOWED_MS && at_ms < time->until_ms) {
            return time;
        }
    }
    return NULL;
}

// A call that began before may have been held on its way.
static void judge(struct tally *tally, const struct optout_send *send, int64_t at_ms) {
    const struct optout_time *time = time_of(tally->run->optouts, send->pair, at_ms);
    tally->calls++;
    if (time == NULL) {
        return;
    }
    tally->inside++;
    if (!audit_was_held(tally->run, at_ms)) {
        char id[UUID_TEXT_SIZE];
        uuid_format(&send->id, id);
        tally->unexplained++;
        report_breach(tally->run->report, "a call of who has opted out", id, "%" PRId64 " ms after STOP was answered",
                      at_ms - time->since_ms);
    }
}

static void judge_all(struct tally *tally) {
    const struct optout_load *load = tally->run->optouts;
    for (uint32_t i = 0; i < optouts_sends(load); i++) {
        const struct optout_send *send = optouts_send_at(load, i);
        const struct fact *fact = facts_of(tally->run->facts, &send->id);
        for (uint32_t at = fact->first_call; at != 0; at = facts_call(tally->run->facts, at)->next) {
            judge(tally, send, facts_call(tally->run->facts, at)->at_ms);
        }
    }
}

// What they said last, where that was answered.
static bool has_opted_out(const struct optout_load *load, int pair) {
    for (uint32_t i = optouts_times(load); i > 0; i--) {
        if (optouts_time_at(load, i - 1)->pair == pair) {
            return optouts_time_at(load, i - 1)->until_ms == INT64_MAX;
        }
    }
    return false;
}

static void look_at_pair(void *argument, const PGresult *row) {
    struct tally *tally = argument;
    int pair = -1;
    if (sscanf(rows_text(row, 0), OPTOUTS_THEIR_PREFIX "000000%d", &pair) != 1) {
        return;
    }
    tally->rows++;
    bool out = strcmp(rows_text(row, 1), "out") == 0;
    if (out != has_opted_out(tally->run->optouts, pair)) {
        report_breach(tally->run->report, "an opt-out that Postgres doesn't know", NULL, "%s: %s", rows_text(row, 0),
                      rows_text(row, 1));
    }
}

void audit_optouts(struct run *run) {
    struct tally tally = {.run = run};
    judge_all(&tally);
    rows_each(stack_port(run->world->stack, "postgres"), "optouts.sql", look_at_pair, &tally);
    report_heading("Opt-outs");
    report_figure("STOP answered, sends refused", "%" PRIu32 ", %" PRIu32, optouts_times(run->optouts),
                  optouts_refused(run->optouts));
    report_figure("calls, those after STOP, unexplained", "%" PRIu64 ", %" PRIu64 ", %" PRIu64, tally.calls,
                  tally.inside, tally.unexplained);
    if (optouts_times(run->optouts) < OPTOUTS_LEAST || optouts_refused(run->optouts) == 0 || tally.rows == 0) {
        report_breach(run->report, "nothing to look at", NULL, "%" PRIu32 " opt-outs, %" PRIu64 " of them recorded",
                      optouts_times(run->optouts), tally.rows);
    }
}
