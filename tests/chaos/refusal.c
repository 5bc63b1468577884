// SPDX-License-Identifier: MIT
#include "tests/chaos/refusal.h"

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "shared/base/mem.h"
#include "shared/redis/keys.h"
#include "tests/chaos/content.h"
#include "tests/support/probe.h"

enum { PERIOD_MS = 100 };

struct refusal {
    struct probe *probe;
    pthread_t thread;
    atomic_bool stopped;
};

static void command(struct refusal *refusal, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    freeReplyObject(probe_vredis(refusal->probe, format, arguments));
    va_end(arguments);
}

// Only in a configuration that the mock has written: it has an owner.
static void *run(void *argument) {
    static const char script[] = "if redis.call('HEXISTS', KEYS[1], 'owner') == 1 then "
                                 "redis.call('HSET', KEYS[1], 'refused_senders', ARGV[1]) end";
    struct refusal *refusal = argument;
    while (!atomic_load(&refusal->stopped)) {
        command(refusal, "EVAL %s 1 %s %s", script, KEY_MOCK_CONFIG, "[\"" CONTENT_REFUSED_SENDER "\"]");
        poll(NULL, 0, PERIOD_MS);
    }
    return NULL;
}

struct refusal *refusal_begin(uint16_t redis_port) {
    struct refusal *refusal = xcalloc(1, sizeof *refusal);
    refusal->probe = probe_create(redis_port, "");
    ck_assert_int_eq(pthread_create(&refusal->thread, NULL, run, refusal), 0);
    return refusal;
}

void refusal_end(struct refusal *refusal) {
    if (refusal == NULL) {
        return;
    }
    atomic_store(&refusal->stopped, true);
    pthread_join(refusal->thread, NULL);
    probe_destroy(refusal->probe);
    free(refusal);
}
