// SPDX-License-Identifier: MIT
#include "tests/chaos/load.h"

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/chaos/dice.h"
#include "tests/support/client.h"
#include "tests/support/deadline.h"

enum {
    THREADS = 48,
    ENOUGH_MS = 30000,
    CALL_MS = 4000,
    PAUSE_MS = 5,
    REPEAT_PAUSE_MS = 150,
    MOST_ATTEMPTS = 400,
    KEY_SAFE_MS = (IDEMPOTENCY_SECS - 12) * 1000, // since its first request: what a slow call may add is left out
    LATER = 32,                                   // messages that a thread will post once more
    KEYED_AGAIN_PERCENT = 15,
    REDELIVERED_PERCENT = 20,
    REDELIVERED_WITHIN_MS = 45000, // beyond what Redis remembers
};

struct later {
    uint32_t number; // + 1; 0: a free place
    int64_t due_ms;
};

struct load {
    struct options options;
    struct ledger *ledger;
    uint16_t ports[2];
    char names[2][24];
    unsigned port_count;
    int64_t began_ms;
    pthread_t threads[THREADS];
    atomic_uint next, working, accepted, turn;
    atomic_bool ending, stopped; // as soon as there is enough; now
};

struct poster {
    struct load *load;
    struct client *client;
    struct buf body;
    struct later later[LATER];
};

static enum ledger_fate note(struct load *load, unsigned which, const struct content *content, int64_t begun_ms,
                             const struct answer *answer) {
    return ledger_note(load->ledger, &(struct ledger_answer){
                                         .content = content,
                                         .ingest = load->names[which],
                                         .begun_ms = begun_ms,
                                         .millis = answer->millis,
                                         .reached = answer->reached,
                                         .status = answer->status,
                                         .code = answer_text(answer, "code"),
                                         .says_ambiguous = answer_at(answer, "details.ambiguous") != NULL,
                                         .id = answer_text(answer, "id"),
                                     });
}

static enum ledger_fate post(struct poster *poster, const struct content *content) {
    struct load *load = poster->load;
    unsigned which = atomic_fetch_add(&load->turn, 1) % load->port_count;
    char url[96], key[80];
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", load->ports[which], content->path);
    snprintf(key, sizeof key, "Idempotency-Key: %s", content->key);
    const char *headers[] = {content->key[0] != '\0' ? key : NULL, NULL};
    bool repeatable = content->is_webhook || content->key[0] != '\0';
    buf_clear(&poster->body);
    content_write(content, &poster->body);
    int64_t begun_ms = clock_unix_ms();
    struct answer *answer =
        client_ask(poster->client, !repeatable, "POST", url, poster->body.data, headers, deadline_scaled(CALL_MS));
    enum ledger_fate fate = note(load, which, content, begun_ms, answer);
    answer_free(answer);
    return fate;
}

static bool may_repeat(const struct content *content, bool was_ambiguous, int64_t first_ms) {
    bool key_is_known = content->key[0] != '\0' && clock_unix_ms() - first_ms < KEY_SAFE_MS;
    return !was_ambiguous || content->is_webhook || key_is_known;
}

static void plan_another(struct poster *poster, const struct content *content) {
    struct dice dice = dice_make(poster->load->options.seed, "again", content->number);
    int roll = dice_percent(&dice);
    int64_t within_ms = content->is_webhook && roll < REDELIVERED_PERCENT       ? REDELIVERED_WITHIN_MS
                        : content->key[0] != '\0' && roll < KEYED_AGAIN_PERCENT ? KEY_SAFE_MS / 2
                                                                                : -1;
    if (within_ms < 0) {
        return;
    }
    for (size_t i = 0; i < LATER; i++) {
        if (poster->later[i].number == 0) {
            poster->later[i] = (struct later){content->number + 1, clock_unix_ms() + dice_between(&dice, 0, within_ms)};
            return;
        }
    }
}

static void post_until_accepted(struct poster *poster, uint32_t number) {
    struct load *load = poster->load;
    struct content content;
    content_make(&load->options, number, &content);
    int64_t first_ms = clock_unix_ms();
    bool was_ambiguous = false;
    for (int i = 0; i < MOST_ATTEMPTS && may_repeat(&content, was_ambiguous, first_ms); i++) {
        enum ledger_fate fate = post(poster, &content);
        was_ambiguous = was_ambiguous || fate == LEDGER_AMBIGUOUS;
        if (fate == LEDGER_ACCEPTED) {
            atomic_fetch_add(&load->accepted, 1);
            plan_another(poster, &content);
            return;
        }
        if (fate == LEDGER_WRONG || atomic_load(&load->stopped)) {
            return;
        }
        poll(NULL, 0, REPEAT_PAUSE_MS);
    }
}

// A keyed message is posted again only while its key is known: later it would be another message.
static void post_what_is_due(struct poster *poster) {
    for (size_t i = 0; i < LATER; i++) {
        struct later *later = &poster->later[i];
        int64_t late_ms = clock_unix_ms() - later->due_ms;
        if (later->number == 0 || late_ms < 0) {
            continue;
        }
        struct content content;
        content_make(&poster->load->options, later->number - 1, &content);
        if (content.is_webhook || late_ms < KEY_SAFE_MS / 4) {
            (void)post(poster, &content);
        }
        *later = (struct later){0};
    }
}

static bool is_behind(struct load *load) {
    int64_t elapsed_ms = clock_monotonic_us() / 1000 - load->began_ms;
    int64_t least = atomic_load(&load->ending) ? LOAD_LEAST : 0;
    int64_t wanted = elapsed_ms * load->options.rate / 1000;
    return (int64_t)atomic_load(&load->accepted) + (int64_t)atomic_load(&load->working) <
           (wanted > least ? wanted : least);
}

static void *run(void *argument) {
    struct poster poster = {.load = argument, .client = client_create()};
    struct load *load = poster.load;
    while (!atomic_load(&load->stopped)) {
        post_what_is_due(&poster);
        if (is_behind(load)) {
            atomic_fetch_add(&load->working, 1);
            post_until_accepted(&poster, atomic_fetch_add(&load->next, 1));
            atomic_fetch_sub(&load->working, 1);
        } else {
            poll(NULL, 0, PAUSE_MS);
        }
    }
    client_destroy(poster.client);
    buf_free(&poster.body);
    return NULL;
}

static struct load *create(const struct options *options, struct ledger *ledger, const uint16_t *ports,
                           int port_count) {
    struct load *load = xcalloc(1, sizeof *load);
    load->options = *options;
    load->ledger = ledger;
    load->port_count = (unsigned)port_count;
    for (int i = 0; i < port_count; i++) {
        load->ports[i] = ports[i];
        snprintf(load->names[i], sizeof load->names[i], "ingest-%d", i + 1);
    }
    return load;
}

struct load *load_begin(const struct options *options, struct ledger *ledger, const uint16_t *ports, int port_count) {
    struct load *load = create(options, ledger, ports, port_count);
    load->began_ms = clock_monotonic_us() / 1000;
    for (size_t i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&load->threads[i], NULL, run, load), 0);
    }
    return load;
}

void load_end(struct load *load) {
    int64_t end_ms = clock_unix_ms() + deadline_scaled(ENOUGH_MS);
    atomic_store(&load->ending, true);
    while (atomic_load(&load->accepted) < LOAD_LEAST && clock_unix_ms() < end_ms) {
        poll(NULL, 0, PAUSE_MS);
    }
    atomic_store(&load->stopped, true);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(load->threads[i], NULL);
    }
    free(load);
}

static bool is_good_mail(const struct options *options, uint32_t number) {
    struct content content;
    content_make(options, number, &content);
    return !content.is_webhook && !content.is_refused && strcmp(content.type, "email") == 0;
}

void load_post_mail(const struct options *options, struct ledger *ledger, uint16_t port) {
    struct poster poster = {.load = create(options, ledger, &port, 1), .client = client_create()};
    uint32_t number = ledger_count(ledger);
    while (!is_good_mail(options, number)) {
        number++;
    }
    post_until_accepted(&poster, number);
    client_destroy(poster.client);
    buf_free(&poster.body);
    free(poster.load);
}
