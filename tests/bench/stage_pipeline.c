// SPDX-License-Identifier: MIT
// The whole way of a message: how many a second, how long one takes, and what one costs at 1, 4 and 16 times the load.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/bench/lib/samples.h"
#include "tests/bench/pipeline.h"
#include "tests/bench/stage.h"

#define ROUNDS 3
#define SENDS 100000
#define LATENCY_RATE 1000
#define LATENCY_SENDS 15000
#define WATCH_EVERY 50
#define LOADS 3

// Where the time goes, beside the figures. Returns the CPU time of all, in us a message.
static double print_cost(const struct pipeline_run *run, unsigned sends) {
    static const char *const names[PIPELINE_PARTS] = {"ingest", "dispatcher", "persister", "mock", "Redis", "Postgres"};
    double sum = run->generator_cpu_us / sends;
    printf("# CPU us a message: generator %.0f", sum);
    for (size_t part = 0; part < PIPELINE_PARTS; part++) {
        printf(", %s %.0f", names[part], run->cpu_us[part] / sends);
        sum += run->cpu_us[part] / sends;
    }
    printf("; in all %.0f\n", sum);
    return sum;
}

// The ceiling is what the machine could do if all its cores worked on it without a pause: what is lost between the
// stages is what is missing to it.
void stage_end_to_end(struct site *site) {
    struct samples rates = {0}, ceilings = {0};
    pipeline_start(site);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct pipeline_run *run = pipeline_send(site, SENDS, 0, 0);
        double cpu_us = print_cost(run, SENDS);
        samples_add(&rates, SENDS / run->seconds);
        samples_add(&ceilings, 1e6 / cpu_us * (double)sysconf(_SC_NPROCESSORS_ONLN));
        pipeline_run_free(run);
    }
    pipeline_stop(site);
    report_add(site->report, "end-to-end", "sends until `sent`", samples_median(&rates), samples_median(&ceilings));
    samples_free(&rates);
    samples_free(&ceilings);
}

void stage_latency(struct site *site) {
    static const struct {
        const char *name, *metric;
    } figures[] = {{"visible_p50_ms", "202 to visible, p50"},
                   {"visible_p99_ms", "202 to visible, p99"},
                   {"sent_p50_ms", "202 to `sent`, p50"},
                   {"sent_p99_ms", "202 to `sent`, p99"}};
    struct samples samples[4] = {{0}};
    pipeline_start(site);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct pipeline_run *run = pipeline_send(site, LATENCY_SENDS, LATENCY_RATE, WATCH_EVERY);
        for (size_t k = 0; k < 4; k++) {
            samples_add(&samples[k], site_number(run->output, figures[k].name));
        }
        pipeline_run_free(run);
    }
    pipeline_stop(site);
    for (size_t k = 0; k < 4; k++) {
        report_add(site->report, "latency", figures[k].metric, samples_median(&samples[k]), 0);
        samples_free(&samples[k]);
    }
}

// Loads of 16 times the first one must be within what the machine can do, or the last figure would be of a backlog.
void stage_growth(struct site *site) {
    static const unsigned loads[LOADS] = {1, 4, 16};
    static const unsigned base = 250, seconds = 8;
    static const struct {
        enum pipeline_part part;
        const char *name;
    } programs[] = {
        {PIPELINE_INGEST, "ingest"}, {PIPELINE_DISPATCHER, "dispatcher"}, {PIPELINE_PERSISTER, "persister"}};
    double cost[LOADS][PIPELINE_PARTS];
    pipeline_start(site);
    for (size_t i = 0; i < LOADS; i++) {
        unsigned sends = base * loads[i] * seconds;
        struct pipeline_run *run = pipeline_send(site, sends, base * loads[i], 0);
        for (size_t part = 0; part < PIPELINE_PARTS; part++) {
            cost[i][part] = run->cpu_us[part] / sends;
        }
        pipeline_run_free(run);
    }
    pipeline_stop(site);
    for (size_t k = 0; k < sizeof programs / sizeof *programs; k++) {
        char metric[64];
        for (size_t i = 0; i < LOADS; i++) {
            snprintf(metric, sizeof metric, "%s at %ux", programs[k].name, loads[i]);
            report_add(site->report, "growth", metric, cost[i][programs[k].part], 0);
        }
        for (size_t i = 1; i < LOADS; i++) {
            snprintf(metric, sizeof metric, "%s, %ux / 1x", programs[k].name, loads[i]);
            report_add(site->report, "growth", metric, cost[i][programs[k].part] / cost[0][programs[k].part], 0);
        }
    }
}
