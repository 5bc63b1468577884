// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/chaos/audit.h"
#include "tests/chaos/load.h"
#include "tests/chaos/rows.h"

enum {
    HELD_MS = WORLD_CALL_MS + AUDIT_SLACK_MS, // as long as a call may be on its way, there or back
    REPEATED_MS = IDEMPOTENCY_SECS * 1000,    // within which a send is repeated under its key
};

struct tally {
    struct run *run;
    uint64_t undelivered, repeated, repeats, unexplained, foreign, after_end;
    uint64_t forgotten; // calls of what a fail-over forgot, settled or under way, repeated under the same key
    uint64_t refused, refused_sent, refused_failed; // messages of the sender whom a hostile provider refuses
};

static void look_at_delivery(void *argument, const PGresult *row) {
    struct tally *tally = argument;
    struct uuid uuid;
    if (uuid_parse(rows_text(row, 0), &uuid) != 0) {
        return;
    }
    struct fact *fact = facts_of(tally->run->facts, &uuid);
    fact->attempts = (uint16_t)rows_int(row, 4);
    fact->has_failed = strcmp(rows_text(row, 1), "failed") == 0;
    fact->is_cancelled = strcmp(rows_text(row, 1), "cancelled") == 0;
    fact->settled_ms = strcmp(rows_text(row, 2), "t") == 0 ? rows_int(row, 3) : 0;
}

// "ms provider key outcome"
static void read_calls(struct run *run) {
    FILE *file = fopen(run->world->mock_ledger, "re");
    char line[256], key[64], outcome[32];
    int64_t at_ms;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        struct uuid uuid;
        if (sscanf(line, "%" SCNd64 " %*31s %63s %31s", &at_ms, key, outcome) != 3 || uuid_parse(key, &uuid) != 0) {
            report_breach(run->report, "a call without a message's key", NULL, "%s", line);
            continue;
        }
        facts_add_call(run->facts, &uuid, at_ms, strcmp(outcome, "accepted") == 0 || strcmp(outcome, "repeated") == 0);
    }
    if (file != NULL) {
        fclose(file);
    }
}

bool audit_was_held(const struct run *run, int64_t at_ms) {
    for (size_t i = 0; i < schedule_count(run->schedule); i++) {
        const struct injection *injection = schedule_at(run->schedule, i);
        if (injection_repeats_calls(injection) && injection->began_ms <= at_ms + HELD_MS &&
            injection->ended_ms >= at_ms - HELD_MS) {
            return true;
        }
    }
    return false;
}

bool audit_was_forgotten(const struct run *run, int64_t at_ms) {
    for (size_t i = 0; i < schedule_count(run->schedule); i++) {
        const struct injection *injection = schedule_at(run->schedule, i);
        if (injection_forgets(injection) && injection->began_ms <= at_ms + HELD_MS &&
            injection->ended_ms >= at_ms - HELD_MS) {
            return true;
        }
    }
    return false;
}

bool audit_was_forgotten_by_all(const struct run *run, int64_t at_ms) {
    bool forgotten = run->options.copies > 1;
    for (size_t i = 0; i < schedule_count(run->schedule) && !forgotten; i++) {
        const struct injection *injection = schedule_at(run->schedule, i);
        forgotten = injection->kind == INJECT_KILL && strncmp(injection->target, "ingest", strlen("ingest")) == 0 &&
                    injection->began_ms >= at_ms - HELD_MS && injection->began_ms <= at_ms + REPEATED_MS;
    }
    return forgotten && audit_was_forgotten(run, at_ms);
}

// A message was called more often than is recorded: as many of its calls must have been held by an injection.
static void judge_repeats(struct tally *tally, const struct fact *fact, const char *id) {
    unsigned excess = fact->calls - fact->attempts, explained = 0, forgotten = 0;
    for (uint32_t at = fact->first_call; at != 0; at = facts_call(tally->run->facts, at)->next) {
        explained += audit_was_held(tally->run, facts_call(tally->run->facts, at)->at_ms);
        forgotten += audit_was_forgotten(tally->run, facts_call(tally->run->facts, at)->at_ms);
    }
    tally->forgotten += forgotten < excess ? forgotten : excess;
    tally->repeated++;
    tally->repeats += excess;
    if (explained < excess) {
        tally->unexplained += excess - explained;
        report_breach(tally->run->report, "an unexplained repeat", id, "%u calls, %u recorded, %u explained",
                      fact->calls, fact->attempts, explained);
    }
}

// No call begins once the message is settled, unless an injection kept it on its way.
static void judge_end(struct tally *tally, const struct fact *fact, const char *id) {
    for (uint32_t at = fact->first_call; at != 0; at = facts_call(tally->run->facts, at)->next) {
        const struct mock_call *call = facts_call(tally->run->facts, at);
        if (fact->settled_ms == 0 || call->at_ms <= fact->settled_ms + AUDIT_SLACK_MS) {
            continue;
        }
        tally->after_end++;
        if (!audit_was_held(tally->run, call->at_ms) && !audit_was_forgotten(tally->run, fact->settled_ms)) {
            report_breach(tally->run->report, "a call after the end", id, "%" PRId64 " ms after it",
                          call->at_ms - fact->settled_ms);
        }
    }
}

static void judge(struct tally *tally, const struct fact *fact) {
    char id[UUID_TEXT_SIZE];
    uuid_format(&fact->id, id);
    bool may_fail = fact->is_refused && fact->has_failed;
    if (fact->accepted && fact->is_send && fact->successes == 0 && !may_fail) {
        tally->undelivered++;
        report_breach(tally->run->report, "a 202 that was not delivered", id, "%u calls", fact->calls);
    }
    bool is_known = optouts_pair_of(tally->run->optouts, &fact->id) >= 0; // audit_optouts
    if (fact->calls > 0 && (fact->rows == 0 || !fact->is_send) && !is_known) {
        tally->foreign++;
        report_breach(tally->run->report, "a call of nothing accepted", id, "%u calls", fact->calls);
    }
    if (fact->calls > fact->attempts) {
        judge_repeats(tally, fact, id);
    }
    judge_end(tally, fact, id);
    tally->refused += fact->is_refused;
    tally->refused_sent += fact->is_refused && fact->successes > 0;
    tally->refused_failed += fact->is_refused && fact->has_failed;
}

void audit_calls(struct run *run) {
    struct tally tally = {.run = run};
    rows_each(stack_port(run->world->stack, "postgres"), "deliveries.sql", look_at_delivery, &tally);
    read_calls(run);
    for (size_t i = 0; i < facts_count(run->facts); i++) {
        judge(&tally, facts_at(run->facts, i));
    }
    report_heading("Deliveries");
    report_figure("calls of the mock", "%" PRIu64, facts_calls(run->facts));
    report_figure("not delivered", "%" PRIu64, tally.undelivered);
    if (run->options.hostile) {
        report_figure("of the refused sender: all, sent, failed", "%" PRIu64 ", %" PRIu64 ", %" PRIu64, tally.refused,
                      tally.refused_sent, tally.refused_failed);
    }
    report_figure("of nothing accepted", "%" PRIu64, tally.foreign);
    report_figure("repeats beyond what is recorded", "%" PRIu64 " of %" PRIu64 " messages", tally.repeats,
                  tally.repeated);
    if (run->options.sentinel) {
        report_figure("of them forgotten by a fail-over", "%" PRIu64, tally.forgotten);
    }
    report_figure("calls after the end", "%" PRIu64, tally.after_end);
    report_figure("unexplained repeats", "%" PRIu64, tally.unexplained);
}
