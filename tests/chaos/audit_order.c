// SPDX-License-Identifier: MIT
//
// The sends of one conversation wait for one another: the first call of each begins after the end of every one that
// came to wait before it. What came to wait when is told by Postgres, what was called when by the mock. One that was to
// be sent later comes to wait when it is due, or once a dispatcher looks: what was accepted in between may go before
// it, but not at the same time.
//
// What may go before:
//   - who comes behind one that was passed over by the clock, from then on: a dispatcher's log says so (turn_released);
//   - the same without a line, where an injection kept the dispatcher from logging it, after ORDER_MAX_WAIT_SECS
//     since the first call of the one before, or ten times that since it came, where it wasn't called;
//   - two, of which one was accepted by an ingest that didn't know yet what the others read, and isn't certain to have
//     taken a turn (bursts.h);
//   - a replay, which takes no turn.
// An end may be recorded later than it was, where a message was called again: then its first success counts.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/base/mem.h"
#include "shared/base/rfc3339.h"
#include "shared/message/format.h"
#include "tests/chaos/audit.h"
#include "tests/chaos/rows.h"

enum {
    ORDER_LEAST = 20, // that waited for one another, for the audit to look at
    ORDER_MS = WORLD_ORDER_SECS * 1000,
    LOST_HOLDER = 10,                      // redis/messaging.lua
    UNKNOWN_MS = FORMAT_SETTLE_MS + 10000, // so long after its return an ingest knows what the others read
    NEVER = 0,
};

struct release {
    struct uuid had; // who was passed over
    int64_t at_ms;
};

struct send {
    struct uuid id;
    int64_t conversation;
    char side; // of it, that has sent it
    int64_t accepted_ms;
    bool was_scheduled;
    bool is_certain;
    int64_t first_ms; // its first call; NEVER
    int64_t end_ms;   // at the earliest; NEVER: it is none to wait for
};

struct tally {
    struct run *run;
    struct release *releases; // by `had`, then by time
    size_t release_count, release_room;
    struct send *sends;
    size_t count, room;
    uint64_t waited, passed_over, unlogged, turnless, misordered;
};

// ---- What the clock let go

static int audit_order_by_had(const void *one, const void *other) {
    const struct release *a = one, *b = other;
    int order = memcmp(&a->had, &b->had, sizeof a->had);
    return order != 0 ? order : (a->at_ms > b->at_ms) - (a->at_ms < b->at_ms);
}

static void take_line(struct tally *tally, const char *line, size_t length) {
    const char *error = NULL;
    cJSON *event = json_parse(line, length, &error);
    const char *name = event != NULL ? json_string(event, "event") : NULL;
    const char *time = name != NULL ? json_string(event, "ts") : NULL;
    const char *had = name != NULL ? json_string(event, "had") : NULL;
    char id[UUID_TEXT_SIZE] = "";
    struct release release;
    if (had != NULL) {
        snprintf(id, sizeof id, "%.36s", had); // without its generation
    }
    if (name != NULL && strcmp(name, "turn_released") == 0 && time != NULL && uuid_parse(id, &release.had) == 0 &&
        rfc3339_parse(time, &release.at_ms) == 0) {
        if (tally->release_count == tally->release_room) {
            tally->release_room = tally->release_room == 0 ? 64 : 2 * tally->release_room;
            tally->releases = xrealloc(tally->releases, tally->release_room * sizeof *tally->releases);
        }
        tally->releases[tally->release_count++] = release;
    }
    cJSON_Delete(event);
}

static void read_log(struct tally *tally, const char *program) {
    char *path = xasprintf("%s/%s.log", stack_folder(tally->run->world->stack), program);
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    while (file != NULL && (length = getline(&line, &room, file)) > 0) {
        if (strstr(line, "\"turn_released\"") != NULL) {
            take_line(tally, line, (size_t)length);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    free(line);
    free(path);
}

static void read_releases(struct tally *tally) {
    for (size_t i = 0; i < tally->run->world->program_count; i++) {
        if (strncmp(tally->run->world->programs[i], "dispatcher", strlen("dispatcher")) == 0) {
            read_log(tally, tally->run->world->programs[i]);
        }
    }
    if (tally->release_count > 0) {
        qsort(tally->releases, tally->release_count, sizeof *tally->releases, audit_order_by_had);
    }
}

// Whether it had been passed over by then.
static bool was_passed_over(const struct tally *tally, const struct uuid *id, int64_t at_ms) {
    size_t low = 0, high = tally->release_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(&tally->releases[middle].had, id, sizeof *id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < tally->release_count && memcmp(&tally->releases[low].had, id, sizeof *id) == 0 &&
           tally->releases[low].at_ms <= at_ms + AUDIT_SLACK_MS;
}

// ---- The sends

static int64_t first_call(const struct run *run, const struct fact *fact) {
    int64_t first_ms = NEVER;
    for (uint32_t at = fact->first_call; at != 0; at = facts_call(run->facts, at)->next) {
        int64_t at_ms = facts_call(run->facts, at)->at_ms;
        first_ms = first_ms == NEVER || at_ms < first_ms ? at_ms : first_ms;
    }
    return first_ms;
}

// When its token ended at the earliest.
static int64_t end_of(const struct fact *fact, int64_t final_ms, int64_t other_ms) {
    int64_t end_ms = final_ms;
    if (other_ms != NEVER && other_ms < end_ms) {
        end_ms = other_ms;
    }
    bool has_several_ends = fact->successes > 1 || (other_ms != NEVER && fact->successes > 0);
    return has_several_ends && fact->delivered_ms < end_ms ? fact->delivered_ms : end_ms;
}

static void take_send(void *argument, const PGresult *row) {
    struct tally *tally = argument;
    struct send send = {.conversation = rows_int(row, 1), .side = rows_text(row, 2)[0]};
    bool is_replayed = rows_int(row, 6) > 0;
    if (uuid_parse(rows_text(row, 0), &send.id) != 0 || is_replayed) {
        return;
    }
    const struct fact *fact = facts_of(tally->run->facts, &send.id);
    send.accepted_ms = rows_int(row, 3) / 1000;
    send.was_scheduled = rows_int(row, 4) > send.accepted_ms;
    send.is_certain = fact->is_certain || send.was_scheduled;
    send.first_ms = first_call(tally->run, fact);
    send.end_ms = end_of(fact, rows_int(row, 5), rows_int(row, 7));
    if (send.was_scheduled && send.first_ms == NEVER) {
        return; // it was cancelled, maybe before it came to wait
    }
    if (tally->count == tally->room) {
        tally->room = tally->room == 0 ? 1024 : 2 * tally->room;
        tally->sends = xrealloc(tally->sends, tally->room * sizeof *tally->sends);
    }
    tally->sends[tally->count++] = send;
}

// ---- Their order

static bool was_unlogged(const struct run *run, const struct send *before, const struct send *send) {
    bool was_called = before->first_ms != NEVER && before->first_ms < send->first_ms;
    int64_t since_ms = was_called ? before->first_ms : before->accepted_ms;
    if (send->first_ms - since_ms < (was_called ? ORDER_MS : LOST_HOLDER * ORDER_MS)) {
        return false;
    }
    for (size_t i = 0; i < schedule_count(run->schedule); i++) {
        const struct injection *injection = schedule_at(run->schedule, i);
        if (injection_loses_lines(injection) && injection->began_ms <= send->first_ms + AUDIT_SLACK_MS &&
            injection->ended_ms >= since_ms - AUDIT_SLACK_MS) {
            return true;
        }
    }
    return false;
}

// Whether the ingest that accepted it may not have known what the others read.
static bool may_be_turnless(const struct run *run, const struct send *send) {
    bool may_be = send->accepted_ms <= run->began_ms + UNKNOWN_MS;
    for (size_t i = 0; i < schedule_count(run->schedule) && !may_be; i++) {
        const struct injection *injection = schedule_at(run->schedule, i);
        may_be = injection_forgets_formats(injection) && injection->began_ms <= send->accepted_ms + AUDIT_SLACK_MS &&
                 injection->ended_ms + UNKNOWN_MS >= send->accepted_ms;
    }
    return may_be && !send->is_certain;
}

static bool is_misplaced(const struct send *before, const struct send *send) {
    if (before->end_ms == NEVER || send->first_ms >= before->end_ms) {
        return false;
    }
    bool may_go_first = before->was_scheduled && !send->was_scheduled;
    return !(may_go_first && before->first_ms >= send->end_ms);
}

static void judge_pair(struct tally *tally, const struct send *before, const struct send *send) {
    if (!is_misplaced(before, send)) {
        return;
    }
    bool went_first = before->was_scheduled && !send->was_scheduled && send->first_ms < before->first_ms;
    const struct send *first = went_first ? send : before, *second = went_first ? before : send;
    if (was_passed_over(tally, &first->id, second->first_ms)) {
        tally->passed_over++;
    } else if (was_unlogged(tally->run, first, second)) {
        tally->unlogged++;
    } else if (may_be_turnless(tally->run, before) || may_be_turnless(tally->run, send)) {
        tally->turnless++;
    } else {
        char id[UUID_TEXT_SIZE], other[UUID_TEXT_SIZE];
        uuid_format(&send->id, id);
        uuid_format(&before->id, other);
        tally->misordered++;
        report_breach(tally->run->report, "a message out of order", id,
                      "called %" PRId64 " ms before the end of %s, which came before it",
                      before->end_ms - send->first_ms, other);
    }
}

// Those of one conversation, in the order in which they came to wait.
static void judge_conversation(struct tally *tally, const struct send *sends, size_t count) {
    int64_t latest_ms = 0; // end so far
    for (size_t i = 0; i < count; i++) {
        const struct send *send = &sends[i];
        if (send->first_ms != NEVER && send->first_ms < latest_ms) {
            for (size_t k = 0; k < i; k++) {
                judge_pair(tally, &sends[k], send);
            }
        }
        bool is_sure = i > 0 && send->is_certain && sends[i - 1].is_certain;
        tally->waited += is_sure && send->first_ms != NEVER && send->accepted_ms < sends[i - 1].end_ms;
        latest_ms = send->end_ms > latest_ms ? send->end_ms : latest_ms;
    }
}

static void judge_all(struct tally *tally) {
    for (size_t begin = 0, end; begin < tally->count; begin = end) {
        for (end = begin + 1; end < tally->count &&
                              tally->sends[end].conversation == tally->sends[begin].conversation &&
                              tally->sends[end].side == tally->sends[begin].side;) {
            end++;
        }
        judge_conversation(tally, &tally->sends[begin], end - begin);
    }
}

void audit_order(struct run *run) {
    struct tally tally = {.run = run};
    read_releases(&tally);
    rows_each(stack_port(run->world->stack, "postgres"), "order.sql", take_send, &tally);
    judge_all(&tally);
    report_heading("Order");
    report_figure("sends; that certainly waited for the one before", "%zu, %" PRIu64, tally.count, tally.waited);
    report_figure("turns that the clock let go", "%zu", tally.release_count);
    report_figure("pairs by it, by it without a line, turnless", "%" PRIu64 ", %" PRIu64 ", %" PRIu64,
                  tally.passed_over, tally.unlogged, tally.turnless);
    report_figure("misordered", "%" PRIu64, tally.misordered);
    if (tally.waited < ORDER_LEAST) {
        report_breach(run->report, "nothing to look at", NULL, "%" PRIu64 " sends waited for the one before, not %d",
                      tally.waited, ORDER_LEAST);
    }
    free(tally.releases);
    free(tally.sends);
}
