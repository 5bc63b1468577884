// SPDX-License-Identifier: MIT
// What TLS to Redis costs: the whole way of a message with it and without, in turns, by the CPU time of each part.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/mem.h"
#include "tests/bench/lib/samples.h"
#include "tests/bench/pipeline.h"
#include "tests/bench/stage.h"
#include "tests/support/certificates.h"
#include "tests/support/port.h"

#define ROUNDS 5
#define SENDS 10000
#define RATE 1000 // a second: below what the machine can do, so that nothing waits

static const struct {
    enum pipeline_part part;
    const char *name;
} counted[] = {{PIPELINE_INGEST, "ingest"},
               {PIPELINE_DISPATCHER, "dispatcher"},
               {PIPELINE_PERSISTER, "persister"},
               {PIPELINE_REDIS, "Redis"}};

#define COUNTED (sizeof counted / sizeof *counted)

static uint16_t listen_for_tls(struct site *site) {
    const char *folder = stack_folder(site->stack);
    uint16_t port = free_port();
    certificates_make(folder);
    redisReply *reply = stack_redis(site->stack,
                                    "CONFIG SET tls-cert-file %s/good.pem tls-key-file %s/good.key tls-ca-cert-file "
                                    "%s/authority.pem tls-auth-clients no tls-port %u",
                                    folder, folder, folder, (unsigned)port);
    ck_assert_msg(reply->type == REDIS_REPLY_STATUS, "%s", reply->str);
    freeReplyObject(reply);
    return port;
}

static void measure_round(struct site *site, const char *const *environment, struct samples *costs) {
    pipeline_start_with(site, environment);
    struct pipeline_run *run = pipeline_send(site, SENDS, RATE, 0);
    for (size_t i = 0; i < COUNTED; i++) {
        samples_add(&costs[i], run->cpu_us[counted[i].part] / SENDS);
    }
    pipeline_run_free(run);
    pipeline_stop(site);
}

static void report_costs(struct site *site, const char *way, struct samples *costs) {
    for (size_t i = 0; i < COUNTED; i++) {
        char metric[64];
        snprintf(metric, sizeof metric, "%s, %s", counted[i].name, way);
        report_add(site->report, "tls", metric, samples_median(&costs[i]), 0);
        samples_free(&costs[i]);
    }
}

void stage_tls(struct site *site) {
    struct samples plain[COUNTED] = {{0}}, tls[COUNTED] = {{0}};
    char *url = xasprintf("REDIS_URL=rediss://127.0.0.1:%u", (unsigned)listen_for_tls(site));
    char *authority = xasprintf("REDIS_CA_FILE=%s/authority.pem", stack_folder(site->stack));
    const char *const environment[] = {url, authority, NULL};
    for (unsigned i = 0; i < ROUNDS; i++) {
        measure_round(site, NULL, plain);
        measure_round(site, environment, tls);
    }
    report_costs(site, "plain", plain);
    report_costs(site, "TLS", tls);
    free(authority);
    free(url);
}
