// SPDX-License-Identifier: MIT
#include <check.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "tests/chaos/audit.h"
#include "tests/support/client.h"

enum { THREADS = 8, CALL_MS = 10000 };

struct reading {
    struct run *run;
    atomic_uint next;
    atomic_uint right;
};

static void read_one(struct reading *reading, struct client *client, const struct uuid *uuid) {
    char id[UUID_TEXT_SIZE], url[128];
    uuid_format(uuid, id);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/api/messages/%s", world_ingest_port(reading->run->world, 1), id);
    struct answer *answer = client_ask(client, false, "GET", url, NULL, NULL, CALL_MS);
    if (answer->status == 200 && strcmp(answer_text(answer, "id"), id) == 0) {
        atomic_fetch_add(&reading->right, 1);
    } else {
        report_breach(reading->run->report, "a 202 that can't be read", id, "GET answers %ld: %.200s", answer->status,
                      answer->body);
    }
    answer_free(answer);
}

static void *run_thread(void *argument) {
    struct reading *reading = argument;
    struct client *client = client_create();
    uint32_t count = ledger_count(reading->run->ledger), number;
    while ((number = atomic_fetch_add(&reading->next, 1)) < count) {
        const struct ledger_entry *entry = ledger_at(reading->run->ledger, number);
        if (entry->accepted) {
            read_one(reading, client, &entry->id);
        }
    }
    client_destroy(client);
    return NULL;
}

void audit_reads(struct run *run) {
    struct reading reading = {.run = run};
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_thread, &reading), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    report_figure("answered by GET /api/messages/{id}", "%u", atomic_load(&reading.right));
}
