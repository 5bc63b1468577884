// SPDX-License-Identifier: MIT
#include "tests/support/load.h"

#include <check.h>
#include <poll.h>
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

#define CALL_MS 10000
#define MAX_THREADS 64

struct load {
    struct load_options options;
    pthread_t threads[MAX_THREADS];
    atomic_uint next;
    atomic_uint accepted;
    atomic_bool stopped;
    pthread_mutex_t lock; // guards result
    struct load_result *result;
};

static void note(struct load *load, const struct answer *answer) {
    struct load_result *result = load->result;
    pthread_mutex_lock(&load->lock);
    result->sent++;
    result->slowest_ms = answer->millis > result->slowest_ms ? answer->millis : result->slowest_ms;
    if (answer->status == 202) {
        snprintf(result->ids[result->accepted++], sizeof *result->ids, "%s", answer_text(answer, "id"));
        atomic_fetch_add(&load->accepted, 1);
    } else if (answer->status == 429) {
        result->limited++;
    } else if (answer->status == 0 || (answer->status == 503 && answer_at(answer, "details.ambiguous") != NULL)) {
        result->ambiguous++;
    } else if (answer->status == 503) {
        result->refused++;
    } else {
        result->other++;
    }
    pthread_mutex_unlock(&load->lock);
}

static bool send_one(struct load *load, unsigned number, unsigned attempt) {
    const struct load_options *options = &load->options;
    char from[24], to[24], body[32], url[64], key[48];
    unsigned recipients = options->recipients > 0 ? options->recipients : 1;
    uint16_t port = options->ports[1] != 0 ? options->ports[(number + attempt) % 2] : options->ports[0];
    snprintf(from, sizeof from, "+1555%07u", options->first + number % options->senders);
    snprintf(to, sizeof to, "+1666%07u", number / options->senders % recipients);
    snprintf(body, sizeof body, "load %u", number);
    snprintf(url, sizeof url, "http://127.0.0.1:%u" PATH_SMS, port);
    snprintf(key, sizeof key, "Idempotency-Key: load-%u", number);
    const char *headers[] = {options->repeats > 0 ? key : NULL, NULL};
    char *payload = payload_sms(from, to, body);
    struct answer *answer = client_call("POST", url, payload, headers, deadline_scaled(CALL_MS));
    bool accepted = answer->status == 202;
    note(load, answer);
    answer_free(answer);
    free(payload);
    return accepted;
}

static void *send_many(void *argument) {
    struct load *load = argument;
    while (!atomic_load(&load->stopped)) {
        unsigned number = atomic_fetch_add(&load->next, 1);
        if (number >= load->options.count) {
            break;
        }
        for (unsigned i = 0; !send_one(load, number, i) && i < load->options.repeats; i++) {
            poll(NULL, 0, 100);
        }
        if (load->options.pause_ms > 0) {
            poll(NULL, 0, load->options.pause_ms);
        }
    }
    return NULL;
}

struct load *load_start(const struct load_options *options) {
    ck_assert_uint_le(options->threads, MAX_THREADS);
    struct load *load = xcalloc(1, sizeof *load);
    load->options = *options;
    load->result = xcalloc(1, sizeof *load->result);
    load->result->ids = xcalloc(options->count, sizeof *load->result->ids);
    pthread_mutex_init(&load->lock, NULL);
    for (unsigned i = 0; i < options->threads; i++) {
        ck_assert_int_eq(pthread_create(&load->threads[i], NULL, send_many, load), 0);
    }
    return load;
}

unsigned load_accepted(struct load *load) {
    return atomic_load(&load->accepted);
}

void load_stop(struct load *load) {
    atomic_store(&load->stopped, true);
}

struct load_result *load_finish(struct load *load) {
    for (unsigned i = 0; i < load->options.threads; i++) {
        pthread_join(load->threads[i], NULL);
    }
    struct load_result *result = load->result;
    pthread_mutex_destroy(&load->lock);
    free(load);
    return result;
}

void load_result_free(struct load_result *result) {
    free(result->ids);
    free(result);
}
