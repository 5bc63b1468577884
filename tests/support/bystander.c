// SPDX-License-Identifier: MIT
#include "tests/support/bystander.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/client.h"
#include "tests/support/deadline.h"
#include "tests/support/payload.h"

enum { CALL_MS = 10000, MOST_KEPT = 100000 };

struct bystander {
    uint16_t port;
    pthread_t thread;
    atomic_bool stopped;
    atomic_uint served;
    struct bystander_result result;
    int64_t *millis; // of each request, as far as MOST_KEPT
};

static void ask(struct bystander *bystander, unsigned number) {
    static const char *const reads[] = {"/healthz", "/api/conversations"};
    bool sends = number % 2 == 0;
    char url[96];
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", bystander->port, sends ? PATH_SMS : reads[number / 2 % 2]);
    char *payload = sends ? payload_sms("+15559990000", "+16660000000", "by the way") : NULL;
    struct answer *answer = client_call(sends ? "POST" : "GET", url, payload, NULL, deadline_scaled(CALL_MS));
    struct bystander_result *result = &bystander->result;
    if (result->requests < MOST_KEPT) {
        bystander->millis[result->requests] = answer->millis;
    }
    result->requests++;
    if (answer->status == (sends ? 202 : 200)) {
        atomic_fetch_add(&bystander->served, 1);
    } else {
        result->unserved++;
        result->last_unserved = answer->status;
    }
    answer_free(answer);
    free(payload);
}

static void *run(void *argument) {
    struct bystander *bystander = argument;
    for (unsigned number = 0; !atomic_load(&bystander->stopped); number++) {
        ask(bystander, number);
    }
    return NULL;
}

struct bystander *bystander_start(uint16_t port) {
    struct bystander *bystander = xcalloc(1, sizeof *bystander);
    bystander->port = port;
    bystander->millis = xcalloc(MOST_KEPT, sizeof *bystander->millis);
    ck_assert_int_eq(pthread_create(&bystander->thread, NULL, run, bystander), 0);
    return bystander;
}

unsigned bystander_served(struct bystander *bystander) {
    return atomic_load(&bystander->served);
}

static int compare(const void *one, const void *other) {
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return a < b ? -1 : a > b;
}

struct bystander_result bystander_stop(struct bystander *bystander) {
    atomic_store(&bystander->stopped, true);
    pthread_join(bystander->thread, NULL);
    struct bystander_result result = bystander->result;
    size_t kept = result.requests < MOST_KEPT ? result.requests : MOST_KEPT;
    if (kept > 0) {
        qsort(bystander->millis, kept, sizeof *bystander->millis, compare);
        result.p50_ms = bystander->millis[kept / 2];
        result.p99_ms = bystander->millis[kept * 99 / 100];
    }
    free(bystander->millis);
    free(bystander);
    return result;
}
