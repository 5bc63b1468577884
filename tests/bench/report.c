// SPDX-License-Identifier: MIT
#include "tests/bench/report.h"

#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "shared/base/buf.h"
#include "shared/base/json.h"
#include "shared/base/mem.h"
#include "tests/support/child.h"

#define NONE NAN

// What each figure should reach: of the ratio to its ceiling where there is one, else of the value itself.
struct target {
    const char *stage, *metric, *unit;
    double at_least, at_most, aim;
};

#define RATIO(stage, metric, unit, at_least, aim)                                                                      \
    { stage, metric, unit, at_least, NONE, aim }
#define READ(metric)                                                                                                   \
    RATIO("reads", metric " at 10k", "reads/s", 0.5, 0.7), RATIO("reads", metric " at 1M", "reads/s", 0.5, 0.7),       \
        RATIO("reads", metric " at 10M", "reads/s", 0.5, 0.7), {                                                       \
        "reads", metric ", 10M / 10k", "times as long", NONE, 1.5, 1.1                                                 \
    }
#define COST(program)                                                                                                  \
    {"growth", program " at 1x", "CPU us/message", NONE, NONE, NONE},                                                  \
        {"growth", program " at 4x", "CPU us/message", NONE, NONE, NONE},                                              \
        {"growth", program " at 16x", "CPU us/message", NONE, NONE, NONE},                                             \
        {"growth", program ", 4x / 1x", "times as much", NONE, 1.2, NONE}, {                                           \
        "growth", program ", 16x / 1x", "times as much", NONE, 1.2, NONE                                               \
    }

#define TLS(part)                                                                                                      \
    {"tls", part ", plain", "CPU us/message", NONE, NONE, NONE}, {                                                     \
        "tls", part ", TLS", "CPU us/message", NONE, NONE, NONE                                                        \
    }

#define BATCH(way)                                                                                                     \
    {"batch", way ", 10,000 sends", "s", NONE, NONE, NONE},                                                            \
        {"batch", way ", ingest", "CPU us/message", NONE, NONE, NONE}, {                                               \
        "batch", way ", Redis", "CPU us/message", NONE, NONE, NONE                                                     \
    }

static const struct target targets[] = {
    RATIO("accept", "sends accepted", "202s/s", 0.22, 0.30),
    {"accept-latency", "p50 at 2,000/s", "ms", NONE, NONE, NONE},
    {"accept-latency", "p99 at 2,000/s", "ms", NONE, 5, 2},
    BATCH("64 connections"),
    BATCH("one connection"),
    BATCH("ten requests"),
    RATIO("persist", "rows stored", "rows/s", 0.55, 0.80),
    RATIO("dispatch", "calls settled", "calls/s", 0.45, 0.70),
    RATIO("in-flight", "calls settled", "calls/s", 0.45, 0.70),
    {"scheduled", "calls of 10,000 for one second, from first to last", "s", NONE, NONE, NONE},
    {"scheduled", "late by, first", "ms", NONE, NONE, NONE},
    {"scheduled", "late by, p50", "ms", NONE, NONE, NONE},
    {"scheduled", "late by, p99", "ms", NONE, NONE, NONE},
    {"end-to-end", "sends until `sent`", "messages/s", 4000, NONE, 8000},
    {"latency", "202 to visible, p50", "ms", NONE, NONE, NONE},
    {"latency", "202 to visible, p99", "ms", NONE, 50, 15},
    {"latency", "202 to `sent`, p50", "ms", NONE, NONE, NONE},
    {"latency", "202 to `sent`, p99", "ms", NONE, 100, 30},
    READ("conversations, first page"),
    READ("conversations, last page by cursor"),
    READ("thread, first page"),
    READ("thread, last page by cursor"),
    READ("message by id"),
    {"retention", "messages deleted", "messages/s", NONE, NONE, NONE},
    {"retention", "reads, p50 beside it", "ms", NONE, NONE, NONE},
    {"retention", "reads, p99 beside it", "ms", NONE, NONE, NONE},
    {"retention", "batches, p50 beside it", "ms", NONE, NONE, NONE},
    {"retention", "batches, p99 beside it", "ms", NONE, NONE, NONE},
    {"memory", "ingest, idle", "MB", NONE, 20, 10},
    {"memory", "dispatcher, idle", "MB", NONE, 20, 10},
    {"memory", "persister, idle", "MB", NONE, 20, 10},
    {"memory", "mock provider, idle", "MB", NONE, 20, 10},
    {"memory", "ingest, 10,000 idle connections", "MB", NONE, 200, 100},
    {"memory", "dispatcher, 10,000 in flight", "MB", NONE, 220, 150},
    COST("ingest"),
    COST("dispatcher"),
    COST("persister"),
    TLS("ingest"),
    TLS("dispatcher"),
    TLS("persister"),
    TLS("Redis"),
};

struct figure {
    const struct target *target;
    double value, ceiling;
};

struct report {
    size_t count;
    struct figure figures[sizeof targets / sizeof *targets];
};

struct report *report_create(void) {
    return xcalloc(1, sizeof(struct report));
}

static const struct target *find_target(const char *stage, const char *metric) {
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        if (strcmp(targets[i].stage, stage) == 0 && strcmp(targets[i].metric, metric) == 0) {
            return &targets[i];
        }
    }
    ck_abort_msg("there is no figure '%s' of %s", metric, stage);
}

static double ratio_of(const struct figure *figure) {
    return figure->ceiling > 0 ? figure->value / figure->ceiling : NONE;
}

// As many digits as say something; "" where there is no number. Into a buffer of the caller's.
static const char *show(double number, char out[32]) {
    if (isnan(number)) {
        out[0] = '\0';
    } else {
        snprintf(out, 32, number >= 1000 ? "%.0f" : number >= 10 ? "%.1f" : "%.2f", number);
    }
    return out;
}

static const char *verdict(const struct figure *figure) {
    const struct target *target = figure->target;
    double shown =
        isnan(target->at_least) || isnan(ratio_of(figure)) || target->at_least >= 1 ? figure->value : ratio_of(figure);
    bool low = !isnan(target->at_least) && shown < target->at_least;
    bool high = !isnan(target->at_most) && shown > target->at_most;
    return low || high ? "SHORT" : "";
}

static void print_figure(const struct figure *figure) {
    const struct target *target = figure->target;
    char texts[6][32];
    bool upper = isnan(target->at_least) && !isnan(target->at_most);
    printf("%-14s  %-42s %9s %-14s %9s %6s  %s%-5s %6s %s\n", target->stage, target->metric,
           show(figure->value, texts[0]), target->unit, figure->ceiling > 0 ? show(figure->ceiling, texts[1]) : "",
           show(ratio_of(figure), texts[2]),
           upper                     ? "<= "
           : isnan(target->at_least) ? "   "
                                     : ">= ",
           show(upper ? target->at_most : target->at_least, texts[3]), show(target->aim, texts[4]), verdict(figure));
    fflush(stdout);
}

void report_add(struct report *report, const char *stage, const char *metric, double value, double ceiling) {
    ck_assert_uint_lt(report->count, sizeof targets / sizeof *targets);
    struct figure *figure = &report->figures[report->count++];
    *figure = (struct figure){find_target(stage, metric), value, ceiling};
    print_figure(figure);
}

// The first line of what a command prints, owned by the caller.
static char *first_line(const char *command) {
    char line[256] = "";
    FILE *pipe = popen(command, "re");
    if (pipe != NULL) {
        if (fgets(line, sizeof line, pipe) == NULL) {
            line[0] = '\0';
        }
        pclose(pipe);
    }
    line[strcspn(line, "\n")] = '\0';
    return xstrdup(line);
}

void report_print_head(const struct report *report) {
    (void)report;
    static const char *const commands[] = {
        "sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1",
        "sed -n 's/^PRETTY_NAME=\"\\(.*\\)\"/\\1/p' /etc/os-release",
        "redis-server --version | sed 's/ sha=.*//'",
        "ls /usr/lib/postgresql/*/bin/postgres | tail -n 1 | sh -c 'read p && \"$p\" --version'",
        "cc --version",
        "wrk --version 2>&1 | sed 's/ Copyright.*//'",
    };
    struct utsname system;
    uname(&system);
    printf("%ld cores, %ld MB of memory, Linux %s %s\n", sysconf(_SC_NPROCESSORS_ONLN),
           sysconf(_SC_PHYS_PAGES) / 1024 * sysconf(_SC_PAGESIZE) / 1024, system.release, system.machine);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char *line = first_line(commands[i]);
        printf("%s%s", i > 0 ? "; " : "", line);
        free(line);
    }
    printf("\n\n%-14s  %-42s %9s %-14s %9s %6s  %-8s %6s\n", "stage", "measured", "value", "unit", "ceiling", "ratio",
           "reach", "aim");
    fflush(stdout);
}

static void write_text(struct buf *out, const char *name, const char *value) {
    json_write_name(out, name);
    json_write_string(out, value);
}

static void write_number(struct buf *out, const char *name, double number) {
    json_write_name(out, name);
    if (isnan(number)) {
        buf_puts(out, "null");
    } else {
        buf_printf(out, "%.6g", number);
    }
}

static void write_figure(struct buf *out, const struct figure *figure) {
    buf_puts(out, "{");
    write_text(out, "stage", figure->target->stage);
    write_text(out, "metric", figure->target->metric);
    write_number(out, "value", figure->value);
    write_text(out, "unit", figure->target->unit);
    write_number(out, "ceiling", figure->ceiling > 0 ? figure->ceiling : NONE);
    write_number(out, "ratio", ratio_of(figure));
    write_number(out, "at_least", figure->target->at_least);
    write_number(out, "at_most", figure->target->at_most);
    write_number(out, "aim", figure->target->aim);
    buf_puts(out, "}");
}

int report_write(const struct report *report, const char *path) {
    struct buf out = {0};
    buf_puts(&out, "[");
    for (size_t i = 0; i < report->count; i++) {
        buf_puts(&out, i > 0 ? ",\n " : "\n ");
        write_figure(&out, &report->figures[i]);
    }
    buf_puts(&out, "\n]\n");
    FILE *file = fopen(path, "we");
    bool written = file != NULL && fwrite(out.data, 1, out.length, file) == out.length;
    bool closed = file != NULL && fclose(file) == 0;
    buf_free(&out);
    return written && closed ? 0 : -1;
}

void report_destroy(struct report *report) {
    free(report);
}
