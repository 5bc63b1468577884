// SPDX-License-Identifier: MIT
#include "dispatcher/due.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "dispatcher/fcall.h"
#include "dispatcher/retry.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/redis/reply.h"

enum { MOST = 100, LONGEST_WAIT_MS = 1000 };

#define CURSORS_SIZE 72
#define NO_CURSORS "0 0 0"

struct due {
    const struct dispatch_env *env;
    const struct partition_keys *keys;
    struct upstream *upstream;
    uv_timer_t timer;
    char cursors[CURSORS_SIZE]; // how far the looks for what has no time have come
    bool turns_wait;            // somebody waits for a turn, by the last look
    bool asking;
    bool stopped;
    bool complained; // of trouble that lasts
};

static void due_on_timer(uv_timer_t *timer) {
    due_look(timer->data);
}

static void look_in(struct due *due, int64_t wait_ms) {
    if (due->stopped) {
        return;
    }
    int64_t within = wait_ms < 1 ? 1 : wait_ms > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : wait_ms;
    uv_timer_start(&due->timer, due_on_timer, (uint64_t)within, 0);
}

static void say_trouble(struct due *due, const redisReply *reply) {
    const char *why = redis_reply_text(reply, 3, "");
    if (*why && !due->complained) {
        log_warn("parked_unchecked", "%s: what has no time, or too long a wait, isn't looked for: %s", due->keys->tag,
                 why);
    }
    due->complained = *why;
}

// ---- What came of a look

static void log_released(const struct due *due, const char *had, const char *has) {
    struct log_line *line = log_begin(LOG_WARN, "turn_released");
    log_str(line, "stream", due->keys->outbound);
    log_str(line, "provider", provider_name(due->upstream->provider));
    log_str(line, "had", had);
    log_str(line, "has", has);
    log_str(line, "message", "the next one of the conversation goes, for the one before it takes too long");
    log_end(line);
}

// {who had a turn or '', who has it now or '', …}
static void take_released(struct due *due, const redisReply *pairs) {
    for (size_t i = 0; pairs->type == REDIS_REPLY_ARRAY && i + 1 < pairs->elements; i += 2) {
        log_released(due, redis_reply_text(pairs, i, ""), redis_reply_text(pairs, i + 1, ""));
        counters_add_for(due->env->counters, COUNTER_ORDER_RELEASED, due->upstream->provider);
    }
}

static void take_begun(struct due *due, int64_t count) {
    if (count > 0) {
        counters_add_many_for(due->env->counters, COUNTER_SCHEDULED_BEGUN, due->upstream->provider, (uint64_t)count);
    }
}

// {moved, ms until the next is due | -1, cursors, trouble, released, begun, waiting}
static void due_on_reply(void *argument, enum redis_result result, const redisReply *reply) {
    struct due *due = argument;
    due->asking = false;
    if (result != REDIS_LINK_OK) {
        snprintf(due->cursors, sizeof due->cursors, NO_CURSORS);
        if (result != REDIS_LINK_LOST) {
            log_error("unpark_failed", "%s: %s", due->keys->tag, reply->str);
        }
        look_in(due, LONGEST_WAIT_MS);
        return;
    }
    snprintf(due->cursors, sizeof due->cursors, "%s", redis_reply_text(reply, 2, NO_CURSORS));
    say_trouble(due, reply);
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 4) {
        take_released(due, reply->element[4]);
    }
    take_begun(due, redis_reply_number(reply, 5, 0));
    due->turns_wait = redis_reply_number(reply, 6, 0) > 0;
    int64_t next_ms = redis_reply_number(reply, 1, -1);
    look_in(due, next_ms < 0 ? LONGEST_WAIT_MS : next_ms);
}

// ---- Looking

static void due_ask(struct due *due) {
    const struct settings *settings = due->env->settings;
    struct fcall *fcall = fcall_new(LIBRARY_UNPARK, 4);
    fcall_text(fcall, due->keys->outbound);
    fcall_text(fcall, due->keys->events);
    fcall_text(fcall, due->keys->parked);
    fcall_text(fcall, due->keys->parked_due);
    fcall_int(fcall, MOST);
    fcall_int(fcall, retry_longest_wait_ms(settings));
    fcall_text(fcall, due->cursors);
    fcall_int(fcall, settings->order_max_wait_secs * 1000);
    fcall_int(fcall, breaker_may_call(due->upstream->breaker));
    due->asking = fcall_send(fcall, due->env->link, due_on_reply, due) == 0;
    if (!due->asking) {
        look_in(due, LONGEST_WAIT_MS);
    }
}

// Where the breaker could not be looked at it counts as open: what is parked or scheduled goes all the same.
static void due_on_breaker(void *argument) {
    struct due *due = argument;
    due->asking = false;
    if (!due->stopped) {
        due_ask(due);
    }
}

void due_look(struct due *due) {
    struct breaker *breaker = due->upstream->breaker;
    if (due->asking || due->stopped) {
        return;
    }
    if (due->turns_wait && !breaker_is_known(breaker)) {
        due->asking = breaker_look(breaker, due_on_breaker, due) == 0;
    }
    if (!due->asking) {
        due_ask(due);
    }
}

void due_expect(struct due *due, int64_t delay_ms) {
    uint64_t left = uv_timer_get_due_in(&due->timer);
    if (!due->asking && (int64_t)left > delay_ms) {
        look_in(due, delay_ms);
    }
}

// ---- Its life

void due_stop(struct due *due) {
    due->stopped = true;
    uv_timer_stop(&due->timer);
}

static void due_on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void due_destroy(struct due *due) {
    uv_close((uv_handle_t *)&due->timer, due_on_closed);
}

struct due *due_create(const struct dispatch_env *env, const struct partition_keys *keys, struct upstream *upstream) {
    struct due *due = xcalloc(1, sizeof *due);
    due->env = env;
    due->keys = keys;
    due->upstream = upstream;
    snprintf(due->cursors, sizeof due->cursors, NO_CURSORS);
    due->timer.data = due;
    uv_timer_init(env->loop, &due->timer);
    return due;
}
