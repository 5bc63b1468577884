// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/chaos/audit.h"

#define LABEL_SIZE 96
#define NONE INT64_MAX

enum { MOST_KINDS = 128 };

// From the end of an injection to the first message that was sent to ingest after it, accepted, and persisted or
// delivered. Only injections after which nothing else came in between say something about themselves.
struct recovery {
    char label[LABEL_SIZE];
    size_t count;
    int64_t *persisted, *delivered; // ms, of `measured` of them
    size_t measured;
};

struct moments {
    int64_t begun_ms, persisted_ms, delivered_ms;
};

struct measure {
    const struct run *run;
    struct moments *moments; // of the accepted messages, by begun_ms
    size_t moment_count;
    struct recovery kinds[MOST_KINDS];
    size_t kind_count;
};

static int by_begin(const void *one, const void *other) {
    int64_t a = ((const struct moments *)one)->begun_ms, b = ((const struct moments *)other)->begun_ms;
    return (a > b) - (a < b);
}

static int by_size(const void *one, const void *other) {
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

static int by_label(const void *one, const void *other) {
    return strcmp(((const struct recovery *)one)->label, ((const struct recovery *)other)->label);
}

static void gather(struct measure *measure) {
    struct facts *facts = measure->run->facts;
    measure->moments = xcalloc(facts_count(facts) + 1, sizeof *measure->moments);
    for (size_t i = 0; i < facts_count(facts); i++) {
        const struct fact *fact = facts_at(facts, i);
        if (fact->begun_ms > 0 && fact->rows > 0) {
            int64_t delivered_ms = fact->is_send && fact->delivered_ms > 0 ? fact->delivered_ms : NONE;
            measure->moments[measure->moment_count++] =
                (struct moments){fact->begun_ms, fact->persisted_ms, delivered_ms};
        }
    }
    qsort(measure->moments, measure->moment_count, sizeof *measure->moments, by_begin);
}

static size_t first_after(const struct measure *measure, int64_t at_ms) {
    size_t low = 0, high = measure->moment_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (measure->moments[middle].begun_ms < at_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

// When the first message that was sent after `from_ms` was persisted, and delivered.
static struct moments resumed(const struct measure *measure, int64_t from_ms) {
    struct moments first = {from_ms, NONE, NONE};
    for (size_t i = first_after(measure, from_ms); i < measure->moment_count; i++) {
        const struct moments *moment = &measure->moments[i];
        if (moment->begun_ms >= first.persisted_ms && moment->begun_ms >= first.delivered_ms) {
            break; // nothing that was sent later can be earlier
        }
        first.persisted_ms = moment->persisted_ms < first.persisted_ms ? moment->persisted_ms : first.persisted_ms;
        first.delivered_ms = moment->delivered_ms < first.delivered_ms ? moment->delivered_ms : first.delivered_ms;
    }
    return first;
}

static struct recovery *find(struct measure *measure, const char *label) {
    for (size_t i = 0; i < measure->kind_count; i++) {
        if (strcmp(measure->kinds[i].label, label) == 0) {
            return &measure->kinds[i];
        }
    }
    ck_assert_uint_lt(measure->kind_count, sizeof measure->kinds / sizeof *measure->kinds);
    struct recovery *kind = &measure->kinds[measure->kind_count++];
    size_t most = schedule_count(measure->run->schedule);
    *kind = (struct recovery){.persisted = xcalloc(most, sizeof(int64_t)), .delivered = xcalloc(most, sizeof(int64_t))};
    snprintf(kind->label, sizeof kind->label, "%s", label);
    return kind;
}

// Whether any other injection was on between two moments.
static bool was_disturbed(const struct run *run, size_t index, int64_t from_ms, int64_t to_ms) {
    for (size_t i = 0; i < schedule_count(run->schedule); i++) {
        const struct injection *other = schedule_at(run->schedule, i);
        if (i != index && other->began_ms < to_ms && other->ended_ms > from_ms) {
            return true;
        }
    }
    return false;
}

static void measure_one(struct measure *measure, size_t index) {
    const struct injection *injection = schedule_at(measure->run->schedule, index);
    char label[LABEL_SIZE];
    injection_label(injection, label, sizeof label);
    struct recovery *kind = find(measure, label);
    struct moments first = resumed(measure, injection->ended_ms);
    int64_t last_ms = first.persisted_ms > first.delivered_ms ? first.persisted_ms : first.delivered_ms;
    kind->count++;
    if (last_ms != NONE && !was_disturbed(measure->run, index, injection->ended_ms, last_ms)) {
        kind->persisted[kind->measured] = first.persisted_ms - injection->ended_ms;
        kind->delivered[kind->measured] = first.delivered_ms - injection->ended_ms;
        kind->measured++;
    }
}

static void print(struct recovery *kind) {
    if (kind->measured == 0) {
        report_figure(kind->label, "%5zu %9s", kind->count, "-");
        return;
    }
    qsort(kind->persisted, kind->measured, sizeof(int64_t), by_size);
    qsort(kind->delivered, kind->measured, sizeof(int64_t), by_size);
    size_t middle = kind->measured / 2, last = kind->measured - 1;
    report_figure(kind->label, "%5zu %9zu %7" PRId64 " %6" PRId64 " %9" PRId64 " %6" PRId64, kind->count,
                  kind->measured, kind->persisted[middle], kind->persisted[last], kind->delivered[middle],
                  kind->delivered[last]);
}

// A short run draws only some of the kinds, and not all can be had everywhere.
static void print_kinds(struct measure *measure) {
    struct injection all[MOST_KINDS];
    size_t count = injection_all(measure->run->world, all, MOST_KINDS), drawn = measure->kind_count;
    for (size_t i = 0; i < count; i++) {
        char label[LABEL_SIZE];
        injection_label(&all[i], label, sizeof label);
        (void)find(measure, label);
    }
    report_figure("injections in all", "%zu, of %zu kinds out of %zu", schedule_count(measure->run->schedule), drawn,
                  measure->kind_count);
    if (!measure->run->world->has_small_disk && measure->run->world->redundancy == NULL) {
        report_figure("full disk redis", "NOT RUN: no file system can be mounted here");
    }
}

void audit_recovery(struct run *run) {
    struct measure measure = {.run = run};
    gather(&measure);
    for (size_t i = 0; i < schedule_count(run->schedule); i++) {
        measure_one(&measure, i);
    }
    qsort(measure.kinds, measure.kind_count, sizeof *measure.kinds, by_label);
    report_heading("Injections, and the time from the end of each to the first new message (ms)");
    report_figure("", "count  measured  persisted: median, max  delivered: median, max");
    for (size_t i = 0; i < measure.kind_count; i++) {
        print(&measure.kinds[i]);
    }
    print_kinds(&measure);
    for (size_t i = 0; i < measure.kind_count; i++) {
        free(measure.kinds[i].persisted);
        free(measure.kinds[i].delivered);
    }
    free(measure.moments);
}
