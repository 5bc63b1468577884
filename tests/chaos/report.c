// SPDX-License-Identifier: MIT
#include "tests/chaos/report.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"

enum { MOST_KINDS = 64, MOST_SHOWN = 3 };

struct breach {
    const char *kind;
    uint64_t count;
};

struct report {
    pthread_mutex_t lock;
    uint64_t seed;
    report_trail trail;
    void *argument;
    struct breach kinds[MOST_KINDS];
    size_t kind_count;
    uint64_t breaches;
};

struct report *report_create(uint64_t seed) {
    struct report *report = xcalloc(1, sizeof *report);
    pthread_mutex_init(&report->lock, NULL);
    report->seed = seed;
    return report;
}

void report_destroy(struct report *report) {
    pthread_mutex_destroy(&report->lock);
    free(report);
}

void report_set_trail(struct report *report, report_trail trail, void *argument) {
    pthread_mutex_lock(&report->lock);
    report->trail = trail;
    report->argument = argument;
    pthread_mutex_unlock(&report->lock);
}

static uint64_t count_kind(struct report *report, const char *kind) {
    struct breach *breach = report->kinds;
    while (breach < report->kinds + report->kind_count && strcmp(breach->kind, kind) != 0) {
        breach++;
    }
    if (breach == report->kinds + MOST_KINDS) {
        return MOST_SHOWN; // so many kinds that one more is no news
    }
    if (breach == report->kinds + report->kind_count) {
        report->kind_count++;
        breach->kind = kind;
    }
    return breach->count++;
}

void report_breach(struct report *report, const char *kind, const char *id, const char *format, ...) {
    pthread_mutex_lock(&report->lock);
    uint64_t before = count_kind(report, kind);
    report->breaches++;
    report_trail trail = before < MOST_SHOWN ? report->trail : NULL;
    pthread_mutex_unlock(&report->lock);
    if (before >= MOST_SHOWN) {
        return;
    }
    struct buf text = {0};
    va_list arguments;
    va_start(arguments, format);
    buf_vprintf(&text, format, arguments);
    va_end(arguments);
    printf("BREACH (seed %" PRIu64 "): %s: %s%s%s\n", report->seed, kind, text.data, id != NULL ? ", id " : "",
           id != NULL ? id : "");
    buf_free(&text);
    if (trail != NULL && id != NULL) {
        trail(report->argument, id);
    }
    fflush(stdout);
}

uint64_t report_breaches(struct report *report) {
    pthread_mutex_lock(&report->lock);
    uint64_t breaches = report->breaches;
    pthread_mutex_unlock(&report->lock);
    return breaches;
}

uint64_t report_found(struct report *report, const char *kind) {
    uint64_t count = 0;
    pthread_mutex_lock(&report->lock);
    for (size_t i = 0; i < report->kind_count; i++) {
        count += strcmp(report->kinds[i].kind, kind) == 0 ? report->kinds[i].count : 0;
    }
    pthread_mutex_unlock(&report->lock);
    return count;
}

void report_print_breaches(struct report *report) {
    report_heading(report->breaches == 0 ? "Breaches: none" : "Breaches");
    for (size_t i = 0; i < report->kind_count; i++) {
        report_figure(report->kinds[i].kind, "%" PRIu64, report->kinds[i].count);
    }
}

void report_figure(const char *name, const char *format, ...) {
    struct buf text = {0};
    va_list arguments;
    va_start(arguments, format);
    buf_vprintf(&text, format, arguments);
    va_end(arguments);
    printf("  %-44s %s\n", name, text.data);
    buf_free(&text);
    fflush(stdout);
}

void report_heading(const char *text) {
    printf("\n%s\n", text);
    fflush(stdout);
}
