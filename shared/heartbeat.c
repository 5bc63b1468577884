// SPDX-License-Identifier: MIT
#include "shared/heartbeat.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/keys.h"
#include "shared/mem.h"

enum { BEAT_MS = 1000, FORGET_MS = 24 * 3600 * 1000 };

#define NUMBER_SIZE 24

struct heartbeat {
    uv_timer_t timer;
    struct redis_link *link;
    char *member;
};

static void on_timer(uv_timer_t *timer) {
    struct heartbeat *heartbeat = timer->data;
    int64_t now = redis_link_now_ms(heartbeat->link);
    char at[NUMBER_SIZE], forgotten[NUMBER_SIZE];
    snprintf(at, sizeof at, "%" PRId64, now);
    snprintf(forgotten, sizeof forgotten, "%" PRId64, now - FORGET_MS);
    const char *add[] = {"ZADD", KEY_PROCESSES, at, heartbeat->member};
    const char *forget[] = {"ZREMRANGEBYSCORE", KEY_PROCESSES, "-inf", forgotten};
    if (redis_link_call(heartbeat->link, NULL, NULL, 4, add, NULL) == 0) {
        (void)!redis_link_call(heartbeat->link, NULL, NULL, 4, forget, NULL);
    }
}

struct heartbeat *heartbeat_create(uv_loop_t *loop, struct redis_link *link, const char *program,
                                   const char *instance) {
    struct heartbeat *heartbeat = xcalloc(1, sizeof *heartbeat);
    heartbeat->link = link;
    heartbeat->member = xasprintf("%s:%s", program, instance);
    heartbeat->timer.data = heartbeat;
    uv_timer_init(loop, &heartbeat->timer);
    uv_timer_start(&heartbeat->timer, on_timer, BEAT_MS / 10, BEAT_MS);
    return heartbeat;
}

static void on_closed(uv_handle_t *handle) {
    struct heartbeat *heartbeat = handle->data;
    free(heartbeat->member);
    free(heartbeat);
}

void heartbeat_stop(struct heartbeat *heartbeat) {
    const char *leave[] = {"ZREM", KEY_PROCESSES, heartbeat->member};
    uv_timer_stop(&heartbeat->timer);
    (void)!redis_link_call(heartbeat->link, NULL, NULL, 3, leave, NULL);
}

void heartbeat_destroy(struct heartbeat *heartbeat) {
    uv_close((uv_handle_t *)&heartbeat->timer, on_closed);
}
