// SPDX-License-Identifier: MIT
#include "persister/rekey_programs.h"

#include <stdbool.h>
#include <stdlib.h>
#include <uv.h>

#include "persister/rekey_session.h"
#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/decimal.h"
#include "shared/message/format.h"
#include "shared/redis/heartbeat.h"
#include "shared/redis/keys.h"
#include "shared/redis/link.h"

// The rules have changed with the release whose format is this one.
#define FORMAT_OF_THE_RULES 2

#define REDIS_WAY_MS 1000 // a last heartbeat's to Redis, generously

struct programs_look {
    uv_loop_t loop;
    uv_timer_t patience;
    struct redis_link *redis;
    char **alive; // members of `processes`
    size_t count;
    bool ended; // both lists have come
    struct buf older;
};

static void programs_end(struct programs_look *look) {
    look->ended = true;
    uv_stop(&look->loop);
}

static bool programs_is_list(enum redis_result result, const redisReply *reply) {
    return result == REDIS_LINK_OK && reply->type == REDIS_REPLY_ARRAY;
}

static void programs_on_alive(void *argument, enum redis_result result, const redisReply *reply) {
    struct programs_look *look = argument;
    if (!programs_is_list(result, reply)) {
        return;
    }
    look->alive = xcalloc(reply->elements + 1, sizeof *look->alive);
    for (size_t i = 0; i < reply->elements; i++) {
        look->alive[look->count++] = xstrdup(reply->element[i]->str);
    }
}

static void programs_on_formats(void *argument, enum redis_result result, const redisReply *reply) {
    struct programs_look *look = argument;
    if (look->alive == NULL || !programs_is_list(result, reply)) {
        return;
    }
    for (size_t i = 0; i < look->count; i++) {
        if (heartbeat_reads_entries(look->alive[i]) && heartbeat_format(look->alive[i], reply) < FORMAT_OF_THE_RULES) {
            buf_printf(&look->older, "%s%s", look->older.length > 0 ? ", " : "", look->alive[i]);
        }
    }
    programs_end(look);
}

// Who lives is asked before what is announced, which is announced the other way around.
static void programs_on_up(void *argument) {
    struct programs_look *look = argument;
    const char *since = DECIMAL(redis_link_now_ms(look->redis) - HEARTBEAT_ALIVE_MS);
    const char *alive[] = {"ZRANGEBYSCORE", KEY_PROCESSES, since, "+inf"};
    const char *formats[] = {"ZRANGEBYSCORE", KEY_FORMATS, since, "+inf"};
    (void)!redis_link_call(look->redis, programs_on_alive, look, 4, alive, NULL);
    (void)!redis_link_call(look->redis, programs_on_formats, look, 4, formats, NULL);
}

static void programs_on_patience_over(uv_timer_t *timer) {
    uv_stop(timer->loop);
}

static void programs_close(struct programs_look *look) {
    redis_link_destroy(look->redis);
    uv_close((uv_handle_t *)&look->patience, NULL);
    uv_run(&look->loop, UV_RUN_DEFAULT);
    uv_loop_close(&look->loop);
    for (size_t i = 0; i < look->count; i++) {
        free(look->alive[i]);
    }
    free(look->alive);
}

static char *programs_verdict(struct programs_look *look) {
    const char *trouble = redis_link_trouble(look->redis);
    if (!look->ended) {
        return xasprintf("Redis doesn't say which programs live: %s",
                         trouble != NULL ? trouble : "it has not answered in time");
    }
    return look->older.length == 0
               ? NULL
               : xasprintf("programs of an older release live, stop them first: %s", look->older.data);
}

// Asks once. lives: whether the verdict is that some do.
static char *programs_ask(const struct settings *settings, struct redis_target *target, bool *lives) {
    struct programs_look look = {0};
    if (uv_loop_init(&look.loop) != 0) {
        mem_exhausted();
    }
    look.patience.data = &look;
    uv_timer_init(&look.loop, &look.patience);
    uv_timer_start(&look.patience, programs_on_patience_over, (uint64_t)settings->redis_timeout_ms + 1000, 0);
    look.redis = redis_link_create(&look.loop, &(struct redis_link_options){.target = target,
                                                                            .name = "rekey",
                                                                            .timeout_ms = settings->redis_timeout_ms,
                                                                            .on_up = programs_on_up,
                                                                            .argument = &look});
    uv_run(&look.loop, UV_RUN_DEFAULT);
    char *verdict = programs_verdict(&look);
    programs_close(&look);
    *lives = look.older.length > 0;
    buf_free(&look.older);
    return verdict;
}

// One that was killed is in the list until it has been silent for long enough; who is in it later than that lives.
char *rekey_find_older_programs(const struct settings *settings, struct redis_target *target) {
    int64_t until_ms = clock_boot_ms() + HEARTBEAT_ALIVE_MS + REDIS_WAY_MS;
    for (;;) {
        bool was_last = clock_boot_ms() > until_ms;
        bool lives;
        char *verdict = programs_ask(settings, target, &lives);
        if (!lives || was_last) {
            return verdict;
        }
        free(verdict);
        rekey_session_pause();
    }
}
