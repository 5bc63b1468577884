// SPDX-License-Identifier: MIT
#include "tests/chaos/unread.h"

#include <check.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/chaos/dice.h"
#include "tests/support/client.h"
#include "tests/support/deadline.h"

enum { CALL_MS = 10000, PAUSE_MS = 150, AGAIN_PERCENT = 20, ENOUGH_MS = 30000 };

#define BEGIN "{\"unread\":\"chaos-"

struct unread_load {
    struct options options;
    struct report *report;
    uint16_t ports[2];
    int port_count;
    pthread_t thread;
    atomic_llong end_ms; // once it is to end: when at the latest (ms since 1970); 0: not yet
    struct client *client;
    unsigned turn;
    uint32_t count, kept;
    struct unread_entry entries[UNREAD_MOST];
};

static void note(struct unread_load *load, uint32_t number, const struct answer *answer) {
    struct unread_entry *entry = &load->entries[number];
    load->kept += !entry->kept && answer->status == 400;
    entry->kept = entry->kept || answer->status == 400;
    bool says_ambiguous = answer_at(answer, "details.ambiguous") != NULL;
    entry->ambiguous = entry->ambiguous || says_ambiguous || (answer->status == 0 && answer->reached);
    if (answer->status != 400 && answer->status != 503 && answer->status != 0) {
        report_breach(load->report, "an answer to an unreadable webhook that nothing explains", NULL,
                      "number %" PRIu32 ": %ld %s", number, answer->status, answer->body);
    }
}

static void unread_post(struct unread_load *load, uint32_t number) {
    char url[96], body[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/api/webhooks/%s",
             load->ports[load->turn++ % (unsigned)load->port_count], number % 2 == 0 ? "sms" : "email");
    snprintf(body, sizeof body, BEGIN "%" PRIu32 "-", number);
    struct answer *answer = client_ask(load->client, false, "POST", url, body, NULL, deadline_scaled(CALL_MS));
    note(load, number, answer);
    answer_free(answer);
}

// The audit needs something to look at, and of an injection that held a call it is known only later what became of it.
static bool unread_is_over(struct unread_load *load) {
    int64_t end_ms = atomic_load(&load->end_ms);
    bool is_enough = load->kept >= UNREAD_LEAST && load->entries[load->count - 1].kept;
    return end_ms != 0 && (is_enough || clock_unix_ms() >= end_ms);
}

static void *unread_run(void *argument) {
    struct unread_load *load = argument;
    load->client = client_create();
    while (!unread_is_over(load)) {
        struct dice dice = dice_make(load->options.seed, "unread", load->turn);
        uint32_t last = load->count - 1;
        if (load->count > 0 && !load->entries[last].kept) {
            unread_post(load, last);
        } else if (load->count > 0 && (load->count == UNREAD_MOST || dice_percent(&dice) < AGAIN_PERCENT)) {
            unread_post(load, (uint32_t)dice_between(&dice, 0, last));
        } else {
            unread_post(load, load->count++);
        }
        poll(NULL, 0, PAUSE_MS);
    }
    client_destroy(load->client);
    return NULL;
}

struct unread_load *unread_begin(const struct options *options, const uint16_t *ports, int port_count,
                                 struct report *report) {
    struct unread_load *load = xcalloc(1, sizeof *load);
    load->options = *options;
    load->report = report;
    load->port_count = port_count;
    for (int i = 0; i < port_count; i++) {
        load->ports[i] = ports[i];
    }
    ck_assert_int_eq(pthread_create(&load->thread, NULL, unread_run, load), 0);
    return load;
}

void unread_end(struct unread_load *load) {
    atomic_store(&load->end_ms, clock_unix_ms() + deadline_scaled(ENOUGH_MS));
    pthread_join(load->thread, NULL);
}

void unread_destroy(struct unread_load *load) {
    free(load);
}

uint32_t unread_count(const struct unread_load *load) {
    return load->count;
}

const struct unread_entry *unread_at(const struct unread_load *load, uint32_t number) {
    return &load->entries[number];
}

bool unread_number(const char *body, uint32_t *number) {
    int read = 0;
    return sscanf(body, BEGIN "%" SCNu32 "-%n", number, &read) == 1 && read > 0 && body[read] == '\0';
}
