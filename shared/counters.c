// SPDX-License-Identifier: MIT
#include "shared/counters.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/keys.h"
#include "shared/mem.h"

enum { FLUSH_MS = 200 };

struct counters {
    uv_timer_t timer;
    struct redis_link *link;
    bool destroyed, closed;
    size_t in_flight; // sent and not yet answered
    uint64_t gathered[COUNTER_COUNT];
};

struct addition {
    struct counters *counters;
    enum counter counter;
    uint64_t amount;
};

const char *counter_name(enum counter counter) {
    static const char *const names[] = {
#define X(constant, name, help) #name,
        COUNTER_TABLE(X)
#undef X
    };
    return names[counter];
}

const char *counter_help(enum counter counter) {
    static const char *const helps[] = {
#define X(constant, name, help) help,
        COUNTER_TABLE(X)
#undef X
    };
    return helps[counter];
}

static void free_when_done(struct counters *counters) {
    if (counters->closed && counters->in_flight == 0)
        free(counters);
}

// An error reply means that nothing was added: it waits for the next flush. A lost one may have been, so it is let go.
static void on_added(void *argument, enum redis_result result, const redisReply *reply) {
    struct addition *addition = argument;
    struct counters *counters = addition->counters;
    (void)reply;
    if (result == REDIS_LINK_ERROR || result == REDIS_LINK_NO_LIBRARY)
        counters->gathered[addition->counter] += addition->amount;
    counters->in_flight--;
    free(addition);
    free_when_done(counters);
}

static int send_one(struct counters *counters, enum counter counter) {
    char amount[24];
    const char *command[] = {"HINCRBY", KEY_METRICS, counter_name(counter), amount};
    struct addition *addition = xmalloc(sizeof *addition);
    *addition = (struct addition){counters, counter, counters->gathered[counter]};
    snprintf(amount, sizeof amount, "%llu", (unsigned long long)addition->amount);
    if (redis_link_call(counters->link, on_added, addition, 4, command, NULL) != 0) {
        free(addition);
        return -1;
    }
    counters->in_flight++;
    counters->gathered[counter] = 0;
    return 0;
}

void counters_flush(struct counters *counters) {
    for (int i = 0; i < COUNTER_COUNT; i++)
        if (counters->gathered[i] > 0 && send_one(counters, (enum counter)i) != 0)
            return; // the link is down: all of it waits
}

static void on_timer(uv_timer_t *timer) {
    counters_flush(timer->data);
}

struct counters *counters_create(uv_loop_t *loop, struct redis_link *link) {
    struct counters *counters = xcalloc(1, sizeof *counters);
    counters->link = link;
    counters->timer.data = counters;
    uv_timer_init(loop, &counters->timer);
    uv_timer_start(&counters->timer, on_timer, FLUSH_MS, FLUSH_MS);
    return counters;
}

void counters_add(struct counters *counters, enum counter counter, uint64_t amount) {
    counters->gathered[counter] += amount;
}

static void on_closed(uv_handle_t *handle) {
    struct counters *counters = handle->data;
    counters->closed = true;
    free_when_done(counters);
}

void counters_destroy(struct counters *counters) {
    if (counters->destroyed)
        return;
    counters->destroyed = true;
    uv_close((uv_handle_t *)&counters->timer, on_closed);
}
