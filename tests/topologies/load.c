// SPDX-License-Identifier: MIT
// Clients for the tests of topologies: they post SMS sends at a rate until SIGTERM or SIGINT, each under an
// Idempotency-Key of its own, and each until it has its 202.
//   topologies LEDGER RATE FIRST URL…
// The sends are numbered from FIRST: `load-<number>` is a message's body and its key. Attempts go to the URLs in turn.
// Whoever falls behind catches up. A line of LEDGER is an attempt, written once it is over:
//   <ms since 1970> <body> <status; 0: no answer> <id, or -> <code, `ambiguous`, `unreached`, or ->

#include <curl/curl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/support/client.h"
#include "tests/support/payload.h"

enum {
    THREADS = 32,
    CALL_MS = 4000, // an answer comes within 2 s
    PAUSE_MS = 5,
    REPEAT_PAUSE_MS = 100,
    LAST_MS = 30000, // after the end, for what has no 202 yet
    OF_A_SENDER = 10 // sends, and attempts from one address: below both limits
};

static struct {
    FILE *ledger;
    pthread_mutex_t lock; // of the ledger
    int64_t rate;
    unsigned first;
    char **urls;
    unsigned url_count;
    int64_t began_ms, end_ms; // end_ms: set once, before `ending`
    atomic_uint next, working, accepted, turn;
    atomic_bool ending;
} load = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char *code_of(const struct answer *answer) {
    const char *code = answer_text(answer, "code");
    if (answer->status == 0 || answer_at(answer, "details.ambiguous") != NULL) {
        return "ambiguous";
    }
    return code[0] != '\0' ? code : "-";
}

static void note(const char *body, const struct answer *answer) {
    const char *id = answer_text(answer, "id");
    pthread_mutex_lock(&load.lock);
    fprintf(load.ledger, "%" PRId64 " %s %ld %s %s\n", clock_unix_ms(), body, answer->status,
            answer->status == 202 ? id : "-", answer->reached ? code_of(answer) : "unreached");
    fflush(load.ledger);
    pthread_mutex_unlock(&load.lock);
}

static bool post(struct client *client, unsigned number) {
    char from[24], body[32], key[64], address[64], url[128];
    unsigned sender = number / OF_A_SENDER, attempt = atomic_fetch_add(&load.turn, 1), place = attempt / OF_A_SENDER;
    snprintf(from, sizeof from, "+1555%07u", sender);
    snprintf(body, sizeof body, "load-%u", number);
    snprintf(key, sizeof key, "Idempotency-Key: %s", body);
    snprintf(address, sizeof address, "X-Forwarded-For: 10.%u.%u.%u", (load.first + place) >> 16 & 255,
             place >> 8 & 255, place & 255);
    snprintf(url, sizeof url, "%s/api/messages/sms", load.urls[attempt % load.url_count]);
    char *payload = payload_sms(from, "+16660000000", body);
    const char *headers[] = {key, address, NULL};
    struct answer *answer = client_ask(client, false, "POST", url, payload, headers, CALL_MS);
    bool accepted = answer->status == 202;
    note(body, answer);
    answer_free(answer);
    free(payload);
    return accepted;
}

static bool is_over(void) {
    return atomic_load(&load.ending) && clock_unix_ms() >= load.end_ms;
}

static bool is_behind(void) {
    int64_t wanted = (clock_unix_ms() - load.began_ms) * load.rate / 1000;
    return (int64_t)atomic_load(&load.accepted) + (int64_t)atomic_load(&load.working) < wanted;
}

static void *run(void *argument) {
    (void)argument;
    struct client *client = client_create();
    while (!atomic_load(&load.ending)) {
        if (!is_behind()) {
            poll(NULL, 0, PAUSE_MS);
            continue;
        }
        atomic_fetch_add(&load.working, 1);
        unsigned number = load.first + atomic_fetch_add(&load.next, 1);
        while (!post(client, number) && !is_over()) {
            poll(NULL, 0, REPEAT_PAUSE_MS);
        }
        atomic_fetch_add(&load.accepted, 1);
        atomic_fetch_sub(&load.working, 1);
    }
    client_destroy(client);
    return NULL;
}

static sigset_t block_end(void) {
    sigset_t end;
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigaddset(&end, SIGINT);
    pthread_sigmask(SIG_BLOCK, &end, NULL);
    return end;
}

int main(int count, char **arguments) {
    pthread_t threads[THREADS];
    int signal_number;
    if (count < 5 || (load.ledger = fopen(arguments[1], "ae")) == NULL) {
        fprintf(stderr, "usage: topologies LEDGER RATE FIRST URL...\n");
        return EXIT_FAILURE;
    }
    load.rate = strtoll(arguments[2], NULL, 10);
    load.first = (unsigned)strtoul(arguments[3], NULL, 10);
    load.urls = arguments + 4;
    load.url_count = (unsigned)count - 4;
    sigset_t end = block_end();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    load.began_ms = clock_unix_ms();
    for (size_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, run, NULL) != 0) {
            perror("topologies: a thread");
            return EXIT_FAILURE;
        }
    }
    sigwait(&end, &signal_number);
    load.end_ms = clock_unix_ms() + LAST_MS;
    atomic_store(&load.ending, true);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    fclose(load.ledger);
    curl_global_cleanup();
    return EXIT_SUCCESS;
}
