// SPDX-License-Identifier: MIT
// 10,000 sends as so many requests, over 64 connections and over one, and as ten lists of a thousand, one after the
// other: in turns, to one ingest. No worker runs.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/bench/cost.h"
#include "tests/bench/lib/samples.h"
#include "tests/bench/lib/traffic.h"
#include "tests/bench/stage.h"
#include "tests/support/client.h"

#define ROUNDS 5
#define SENDS 10000
#define SENDS_TEXT "10000"
#define LISTS 10
#define ITEMS (SENDS / LISTS)
#define CALL_MS 30000

struct way {
    const char *name;
    const char *connections; // of the generator; NULL: lists
    struct samples seconds, ingest_us, redis_us;
};

static char *make_list(size_t first) {
    struct buf list = {0};
    buf_puts(&list, "{\"messages\":[");
    for (size_t i = 0; i < ITEMS; i++) {
        char sender[TRAFFIC_SENDER_SIZE];
        traffic_sender(first + i, sender);
        buf_printf(&list,
                   "%s{\"from\":\"%s\",\"to\":\"" TRAFFIC_TO "\",\"type\":\"sms\",\"body\":\"" TRAFFIC_BODY
                   "\",\"attachments\":null,\"timestamp\":\"" TRAFFIC_TIME "\"}",
                   i > 0 ? "," : "", sender);
    }
    buf_puts(&list, "]}");
    return list.data;
}

static double post_lists(struct site *site) {
    struct client *client = client_create();
    char *url = xasprintf("http://127.0.0.1:%u/api/messages/batch", stack_port(site->stack, "ingest-1"));
    char *lists[LISTS];
    for (size_t i = 0; i < LISTS; i++) {
        lists[i] = make_list(i * ITEMS);
    }
    int64_t began_us = clock_monotonic_us();
    for (size_t i = 0; i < LISTS; i++) {
        struct answer *answer = client_ask(client, false, "POST", url, lists[i], NULL, CALL_MS);
        ck_assert_msg(answer->status == 200, "%ld", answer->status);
        answer_free(answer);
    }
    double seconds = (double)(clock_monotonic_us() - began_us) / 1e6;
    for (size_t i = 0; i < LISTS; i++) {
        free(lists[i]);
    }
    free(url);
    client_destroy(client);
    return seconds;
}

static double post_each(struct site *site, const char *connections) {
    char *port = xasprintf("%u", stack_port(site->stack, "ingest-1"));
    const char *argv[] = {"generator", port, connections, SENDS_TEXT, "0", "0", NULL};
    char *output = site_run(site, argv, 120);
    double seconds = site_number(output, "seconds");
    free(output);
    free(port);
    return seconds;
}

static void stage_batch_go(struct site *site, struct way *way) {
    pid_t ingest = stack_pid(site->stack, "ingest-1"), redis = stack_pid(site->stack, "redis");
    double ingest_us = cost_cpu_us(ingest), redis_us = cost_cpu_us(redis);
    samples_add(&way->seconds, way->connections != NULL ? post_each(site, way->connections) : post_lists(site));
    samples_add(&way->ingest_us, (cost_cpu_us(ingest) - ingest_us) / SENDS);
    samples_add(&way->redis_us, (cost_cpu_us(redis) - redis_us) / SENDS);
    ck_assert_int_eq(site_length(site, SITE_EVENTS), SENDS);
    ck_assert_int_eq(site_sends(site), SENDS);
    site_drop(site, SITE_EVENTS);
    site_drop_sends(site);
}

static void stage_batch_add(struct site *site, struct way *way, const char *what, struct samples *samples) {
    char *metric = xasprintf("%s, %s", way->name, what);
    report_add(site->report, "batch", metric, samples_median(samples), 0);
    samples_free(samples);
    free(metric);
}

void stage_batch(struct site *site) {
    struct way ways[] = {{.name = "64 connections", .connections = "64"},
                         {.name = "one connection", .connections = "1"},
                         {.name = "ten requests"}};
    stack_start(site->stack, "ingest-1");
    for (unsigned i = 0; i < ROUNDS; i++) {
        for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
            stage_batch_go(site, &ways[k]);
        }
    }
    site_stop(site, "ingest-1");
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        stage_batch_add(site, &ways[k], "10,000 sends", &ways[k].seconds);
        stage_batch_add(site, &ways[k], "ingest", &ways[k].ingest_us);
        stage_batch_add(site, &ways[k], "Redis", &ways[k].redis_us);
    }
}
