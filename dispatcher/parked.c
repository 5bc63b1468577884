// SPDX-License-Identifier: MIT
#include "dispatcher/parked.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "dispatcher/fcall.h"
#include "dispatcher/retry.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/redis/reply.h"

enum { MOST = 100, LONGEST_WAIT_MS = 1000 };

#define CURSOR_SIZE 24

struct parked {
    const struct dispatch_env *env;
    const struct partition_keys *keys;
    uv_timer_t timer;
    char cursor[CURSOR_SIZE]; // how far the look for what has no time has come
    bool asking;
    bool stopped;
    bool complained; // of trouble that lasts
};

static void parked_on_timer(uv_timer_t *timer) {
    parked_look(timer->data);
}

static void look_in(struct parked *parked, int64_t wait_ms) {
    if (parked->stopped) {
        return;
    }
    int64_t within = wait_ms < 1 ? 1 : wait_ms > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : wait_ms;
    uv_timer_start(&parked->timer, parked_on_timer, (uint64_t)within, 0);
}

static void say_trouble(struct parked *parked, const redisReply *reply) {
    const char *why = redis_reply_text(reply, 3, "");
    if (*why && !parked->complained) {
        log_warn("parked_unchecked", "%s: what has no time, or too long a wait, isn't looked for: %s",
                 parked->keys->tag, why);
    }
    parked->complained = *why;
}

// {moved, ms until the next is due | -1, cursor, trouble}
static void parked_on_reply(void *argument, enum redis_result result, const redisReply *reply) {
    struct parked *parked = argument;
    parked->asking = false;
    if (result != REDIS_LINK_OK) {
        snprintf(parked->cursor, sizeof parked->cursor, "0");
        if (result != REDIS_LINK_LOST) {
            log_error("unpark_failed", "%s: %s", parked->keys->tag, reply->str);
        }
        look_in(parked, LONGEST_WAIT_MS);
        return;
    }
    snprintf(parked->cursor, sizeof parked->cursor, "%s", redis_reply_text(reply, 2, "0"));
    say_trouble(parked, reply);
    int64_t next_ms = redis_reply_number(reply, 1, -1);
    look_in(parked, next_ms < 0 ? LONGEST_WAIT_MS : next_ms);
}

void parked_look(struct parked *parked) {
    if (parked->asking || parked->stopped) {
        return;
    }
    struct fcall *fcall = fcall_new(LIBRARY_UNPARK, 4);
    fcall_text(fcall, parked->keys->outbound);
    fcall_text(fcall, parked->keys->events);
    fcall_text(fcall, parked->keys->parked);
    fcall_text(fcall, parked->keys->parked_due);
    fcall_int(fcall, MOST);
    fcall_int(fcall, retry_longest_wait_ms(parked->env->settings));
    fcall_text(fcall, parked->cursor);
    if (fcall_send(fcall, parked->env->link, parked_on_reply, parked) == 0) {
        parked->asking = true;
    } else {
        look_in(parked, LONGEST_WAIT_MS);
    }
}

void parked_expect(struct parked *parked, int64_t delay_ms) {
    uint64_t left = uv_timer_get_due_in(&parked->timer);
    if (!parked->asking && (int64_t)left > delay_ms) {
        look_in(parked, delay_ms);
    }
}

void parked_stop(struct parked *parked) {
    parked->stopped = true;
    uv_timer_stop(&parked->timer);
}

static void parked_on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void parked_destroy(struct parked *parked) {
    uv_close((uv_handle_t *)&parked->timer, parked_on_closed);
}

struct parked *parked_create(const struct dispatch_env *env, const struct partition_keys *keys) {
    struct parked *parked = xcalloc(1, sizeof *parked);
    parked->env = env;
    parked->keys = keys;
    snprintf(parked->cursor, sizeof parked->cursor, "0");
    parked->timer.data = parked;
    uv_timer_init(env->loop, &parked->timer);
    return parked;
}
