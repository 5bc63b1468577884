// SPDX-License-Identifier: MIT
#include "tests/chaos/optouts.h"

#include <check.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/rfc3339.h"
#include "tests/support/client.h"
#include "tests/support/deadline.h"

enum { PAIRS = 8, MOST_TURNS = 4000, CALL_MS = 10000, PAUSE_MS = 50, ENOUGH_MS = 30000 };

struct optout_load {
    struct options options;
    struct report *report;
    uint16_t ports[2];
    int port_count;
    pthread_t thread;
    atomic_llong end_ms; // once it is to end: when at the latest (ms since 1970); 0: not yet
    struct client *client;
    unsigned turn, posts;
    struct optout_send sends[2 * MOST_TURNS];
    struct optout_time times[MOST_TURNS];
    uint32_t send_count, time_count, words, refused;
};

void optouts_address(int pair, char out[24]) {
    snprintf(out, 24, OPTOUTS_THEIR_PREFIX "000000%d", pair);
}

static bool is_given_up(struct optout_load *load) {
    int64_t end_ms = atomic_load(&load->end_ms);
    return end_ms != 0 && clock_unix_ms() >= end_ms;
}

// Again and again until the answer is one of those two: that; 0: given up.
static long post_until(struct optout_load *load, const char *path, const char *key, const char *body, long one,
                       long other, struct answer **out) {
    char url[96], header[96];
    snprintf(header, sizeof header, "Idempotency-Key: %s", key);
    const char *headers[] = {header, NULL};
    *out = NULL;
    while (!is_given_up(load)) {
        snprintf(url, sizeof url, "http://127.0.0.1:%u%s", load->ports[load->posts++ % (unsigned)load->port_count],
                 path);
        struct answer *answer = client_ask(load->client, false, "POST", url, body, headers, deadline_scaled(CALL_MS));
        if (answer->status == one || answer->status == other) {
            *out = answer;
            return answer->status;
        }
        if (answer->status != 503 && answer->status != 0) {
            report_breach(load->report, "an answer about an opt-out that nothing explains", NULL, "%s: %ld %s", key,
                          answer->status, answer->body);
        }
        answer_free(answer);
        poll(NULL, 0, PAUSE_MS);
    }
    return 0;
}

static char *write_body(const struct optout_load *load, int pair, bool theirs, const char *what, const char *id) {
    char time[RFC3339_SIZE], their[24], our[24];
    (void)load;
    rfc3339_format(clock_unix_ms(), time);
    optouts_address(pair, their);
    snprintf(our, sizeof our, "+1666900000%d", pair);
    return xasprintf("{\"from\":\"%s\",\"to\":\"%s\",\"type\":\"sms\",%s%s%s\"body\":\"%s\",\"attachments\":null,"
                     "\"timestamp\":\"%s\"}",
                     theirs ? their : our, theirs ? our : their, theirs ? "\"messaging_provider_id\":\"" : "",
                     theirs ? id : "", theirs ? "\"," : "", what, time);
}

// What they say; false where it wasn't answered.
static bool say(struct optout_load *load, int pair, const char *word) {
    char id[64];
    struct answer *answer;
    snprintf(id, sizeof id, "word-%" PRIu64 "-%u-%s", load->options.seed, load->turn, word);
    char *body = write_body(load, pair, true, word, id);
    bool said = post_until(load, "/api/webhooks/sms", id, body, 202, 202, &answer) == 202;
    load->words += said;
    if (answer != NULL) {
        answer_free(answer);
    }
    free(body);
    return said;
}

// Has a message sent to them, which must be refused where they have opted out.
static void send_one(struct optout_load *load, int pair, const char *what, bool opted_out) {
    char key[64];
    struct answer *answer;
    snprintf(key, sizeof key, "word-%" PRIu64 "-%u-%s", load->options.seed, load->turn, what);
    char *body = write_body(load, pair, false, what, key);
    long status = post_until(load, "/api/messages/sms", key, body, 202, opted_out ? 422 : 202, &answer);
    struct optout_send *sent = &load->sends[load->send_count];
    if (status == 202 && uuid_parse(answer_text(answer, "id"), &sent->id) == 0) {
        sent->pair = pair;
        load->send_count++;
    }
    if (status == 202 && opted_out) {
        report_breach(load->report, "a message to who has opted out was accepted", answer_text(answer, "id"), "turn %u",
                      load->turn);
    }
    load->refused += status == 422 && strcmp(answer_text(answer, "code"), "opted_out") == 0;
    if (answer != NULL) {
        answer_free(answer);
    }
    free(body);
}

static bool is_over(struct optout_load *load) {
    bool enough = load->time_count >= OPTOUTS_LEAST || is_given_up(load);
    return (atomic_load(&load->end_ms) != 0 && enough) || load->turn == MOST_TURNS - 1;
}

static void *optouts_run(void *argument) {
    struct optout_load *load = argument;
    load->client = client_create();
    for (;; load->turn++) {
        int pair = (int)(load->turn % PAIRS);
        send_one(load, pair, "before", false);
        if (!say(load, pair, "STOP")) {
            break;
        }
        struct optout_time *time = &load->times[load->time_count++];
        *time = (struct optout_time){pair, clock_unix_ms(), INT64_MAX};
        send_one(load, pair, "refused", true);
        if (is_over(load)) {
            break;
        }
        poll(NULL, 0, PAUSE_MS);
        time->until_ms = clock_unix_ms();
        if (!say(load, pair, "START")) {
            break;
        }
        send_one(load, pair, "after", false);
    }
    client_destroy(load->client);
    return NULL;
}

struct optout_load *optouts_begin(const struct options *options, const uint16_t *ports, int port_count,
                                  struct report *report) {
    struct optout_load *load = xcalloc(1, sizeof *load);
    load->options = *options;
    load->report = report;
    load->port_count = port_count;
    for (int i = 0; i < port_count; i++) {
        load->ports[i] = ports[i];
    }
    ck_assert_int_eq(pthread_create(&load->thread, NULL, optouts_run, load), 0);
    return load;
}

void optouts_end(struct optout_load *load) {
    atomic_store(&load->end_ms, clock_unix_ms() + deadline_scaled(ENOUGH_MS));
    pthread_join(load->thread, NULL);
}

void optouts_destroy(struct optout_load *load) {
    free(load);
}

uint32_t optouts_sends(const struct optout_load *load) {
    return load->send_count;
}

const struct optout_send *optouts_send_at(const struct optout_load *load, uint32_t index) {
    return &load->sends[index];
}

uint32_t optouts_times(const struct optout_load *load) {
    return load->time_count;
}

const struct optout_time *optouts_time_at(const struct optout_load *load, uint32_t index) {
    return &load->times[index];
}

int optouts_pair_of(const struct optout_load *load, const struct uuid *id) {
    for (uint32_t i = 0; i < load->send_count; i++) {
        if (memcmp(&load->sends[i].id, id, sizeof *id) == 0) {
            return load->sends[i].pair;
        }
    }
    return -1;
}

uint32_t optouts_words(const struct optout_load *load) {
    return load->words;
}

uint32_t optouts_refused(const struct optout_load *load) {
    return load->refused;
}
