// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/chaos/audit.h"
#include "tests/chaos/rows.h"

struct tally {
    struct run *run;
    uint64_t rows, of_ambiguous, forgotten, accepted, certain, cancelled, perhaps, called_later;
    int64_t *late; // ms, of those that were to be sent later while nothing was injected
    size_t late_count;
};

static bool is_as_sent(const PGresult *row, const struct burst_message *message) {
    char ours[48], theirs[48];
    bursts_addresses(message->conversation, ours, theirs);
    return strcmp(rows_text(row, 2), ours) == 0 && strcmp(rows_text(row, 3), theirs) == 0 &&
           rows_int(row, 4) == message->due_ms;
}

// Its fate was unknown, and a fail-over forgot it and its key; the repeat is another row (audit_rows.c).
static bool is_forgotten(struct tally *tally, const struct burst_message *message, const PGresult *row) {
    return message->accepted && message->ambiguous && audit_was_forgotten_by_all(tally->run, rows_int(row, 6));
}

static void look_at_row(void *argument, const PGresult *row) {
    struct tally *tally = argument;
    const char *id = rows_text(row, 0);
    const struct burst_load *load = tally->run->bursts;
    uint32_t number = 0;
    struct uuid uuid;
    tally->rows++;
    bool is_known = uuid_parse(id, &uuid) == 0 && bursts_number(rows_text(row, 1), &number) &&
                    number < bursts_count(load) && is_as_sent(row, bursts_at(load, number));
    const struct burst_message *message = is_known ? bursts_at(load, number) : NULL;
    bool is_its = message != NULL && message->accepted && memcmp(&message->id, &uuid, sizeof uuid) == 0;
    if (message != NULL && !is_its && is_forgotten(tally, message, row)) {
        tally->forgotten++;
    } else if (message == NULL || (!is_its && (message->accepted || !message->ambiguous))) {
        report_breach(tally->run->report, "a burst's row of no 202", id, "'%s'", rows_text(row, 1));
        return;
    }
    struct fact *fact = facts_of(tally->run->facts, &uuid);
    fact->rows++;
    fact->is_send = true;
    fact->is_certain = message->is_certain;
    fact->cancels = (uint16_t)rows_int(row, 5);
    tally->of_ambiguous += !message->accepted;
}

void audit_burst_rows(struct run *run) {
    struct tally tally = {.run = run};
    rows_each(stack_port(run->world->stack, "postgres"), "bursts.sql", look_at_row, &tally);
    for (uint32_t number = 0; number < bursts_count(run->bursts); number++) {
        const struct burst_message *message = bursts_at(run->bursts, number);
        if (message->accepted && facts_of(run->facts, &message->id)->rows != 1) {
            char id[UUID_TEXT_SIZE];
            uuid_format(&message->id, id);
            report_breach(run->report, "a burst's 202 without its row", id, "%s%" PRIu32 " has %u rows",
                          message->in_batch ? "of a batch: " : "", number, facts_of(run->facts, &message->id)->rows);
        }
    }
    report_figure("messages of bursts stored", "%" PRIu64 ", of which %" PRIu64 " were left ambiguous", tally.rows,
                  tally.of_ambiguous);
    if (run->options.sentinel) {
        report_figure("of unknown fate, forgotten by a fail-over", "%" PRIu64, tally.forgotten);
    }
}

// One whose call was held may turn out sent after its cancel.
static void judge_cancelled(struct tally *tally, const struct fact *fact, const char *id) {
    if (fact->cancels != 1 || (!fact->is_cancelled && fact->successes == 0)) {
        report_breach(tally->run->report, "a cancel that did not hold", id, "%u are recorded, and it is%s cancelled",
                      fact->cancels, fact->is_cancelled ? "" : " not");
    }
}

static void judge_end(struct tally *tally, const struct burst_message *message, const struct fact *fact,
                      const char *id) {
    bool was_cancelled = fact->cancels > 0 || fact->is_cancelled;
    if (message->cancel == BURST_CANCELLED || (message->cancel == BURST_PERHAPS && was_cancelled)) {
        judge_cancelled(tally, fact, id);
    } else if (was_cancelled) {
        report_breach(tally->run->report, "a cancel that nobody asked for", id, "%u are recorded", fact->cancels);
    } else if (fact->rows == 1 && fact->successes == 0) {
        report_breach(tally->run->report, "a 202 that was not delivered", id, "%u calls", fact->calls);
    }
}

static void judge_calls(struct tally *tally, const struct burst_message *message, const struct fact *fact,
                        const char *id) {
    for (uint32_t at = fact->first_call; at != 0; at = facts_call(tally->run->facts, at)->next) {
        int64_t at_ms = facts_call(tally->run->facts, at)->at_ms;
        if (at_ms < message->due_ms) {
            report_breach(tally->run->report, "a call before its time", id, "%" PRId64 " ms before",
                          message->due_ms - at_ms);
        }
        if (message->cancel == BURST_CANCELLED && at_ms > message->cancelled_ms + AUDIT_SLACK_MS &&
            !audit_was_held(tally->run, at_ms)) {
            report_breach(tally->run->report, "a call after its cancel", id, "%" PRId64 " ms after its 202",
                          at_ms - message->cancelled_ms);
        }
    }
}

static bool was_disturbed(const struct run *run, int64_t from_ms, int64_t to_ms) {
    enum { AFTER_MS = 1000 }; // until work goes on
    for (size_t i = 0; i < schedule_count(run->schedule); i++) {
        const struct injection *injection = schedule_at(run->schedule, i);
        if (injection->began_ms <= to_ms && injection->ended_ms + AFTER_MS >= from_ms) {
            return true;
        }
    }
    return false;
}

static void note_lateness(struct tally *tally, const struct burst_message *message, const struct fact *fact) {
    if (message->due_ms == 0 || fact->first_call == 0) {
        return;
    }
    int64_t at_ms = facts_call(tally->run->facts, fact->first_call)->at_ms;
    tally->called_later++;
    if (!was_disturbed(tally->run, message->due_ms, at_ms)) {
        tally->late[tally->late_count++] = at_ms - message->due_ms;
    }
}

static void judge(struct tally *tally, const struct burst_message *message) {
    char id[UUID_TEXT_SIZE];
    uuid_format(&message->id, id);
    const struct fact *fact = facts_of(tally->run->facts, &message->id);
    tally->accepted++;
    tally->certain += message->is_certain;
    tally->cancelled += message->cancel == BURST_CANCELLED;
    tally->perhaps += message->cancel == BURST_PERHAPS;
    judge_end(tally, message, fact, id);
    judge_calls(tally, message, fact, id);
    note_lateness(tally, message, fact);
}

static int audit_bursts_by_size(const void *one, const void *other) {
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

static void print_lateness(struct tally *tally) {
    if (tally->late_count == 0) {
        report_figure("called late (ms)", "not one while nothing was injected");
        return;
    }
    qsort(tally->late, tally->late_count, sizeof *tally->late, audit_bursts_by_size);
    report_figure("called late (ms): median, max, of", "%" PRId64 ", %" PRId64 ", %zu",
                  tally->late[tally->late_count / 2], tally->late[tally->late_count - 1], tally->late_count);
}

void audit_bursts(struct run *run) {
    struct tally tally = {.run = run};
    const struct burst_load *load = run->bursts;
    uint64_t of_batches = 0;
    tally.late = xcalloc(bursts_count(load) + 1, sizeof *tally.late);
    for (uint32_t number = 0; number < bursts_count(load); number++) {
        const struct burst_message *message = bursts_at(load, number);
        if (message->accepted) {
            judge(&tally, message);
            of_batches += message->in_batch;
        }
    }
    report_heading("Bursts");
    report_figure("accepted, certain to have taken turns", "%" PRIu64 ", %" PRIu64, tally.accepted, tally.certain);
    report_figure("batches, items accepted, refused", "%" PRIu32 ", %" PRIu64 ", %" PRIu32, bursts_batches(load),
                  of_batches, bursts_refused(load));
    report_figure("cancelled, too late, perhaps", "%" PRIu64 ", %" PRIu32 ", %" PRIu64, tally.cancelled,
                  bursts_too_late(load), tally.perhaps);
    report_figure("to be sent later, and called", "%" PRIu64, tally.called_later);
    print_lateness(&tally);
    if (tally.certain < BURSTS_LEAST_CERTAIN || tally.cancelled < BURSTS_LEAST_CANCELLED ||
        tally.called_later < BURSTS_LEAST_LATER || of_batches < BURSTS_LEAST_OF_BATCHES) {
        report_breach(run->report, "nothing to look at", NULL, "too few messages of bursts");
    }
    free(tally.late);
}
