// SPDX-License-Identifier: MIT
#include "persister/rekey_marks.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "shared/redis/keys.h"
#include "shared/redis/link.h"
#include "shared/redis/opt_out_call.h"
#include "shared/redis/partitions.h"
#include "shared/redis/words.h"

#define MARKS_PATIENCE_MS 10000

struct marks {
    uv_loop_t loop;
    uv_timer_t patience;
    struct redis_link *redis;
    struct marks_partition *partitions;
    size_t count;
    size_t calls;  // under way
    bool begun;    // the partitions were asked for
    bool done;     // every set is without a region
    char *failure; // owned
};

struct marks_partition {
    struct marks *marks;
    struct partition_keys keys;
};

static void marks_look_at(struct marks_partition *partition);

static void marks_fail(struct marks *marks, const char *why) {
    if (marks->failure == NULL) {
        marks->failure = xstrdup(why);
    }
}

static void marks_call_ended(struct marks *marks) {
    if (--marks->calls == 0 && !uv_is_closing((uv_handle_t *)&marks->patience)) {
        marks->done = marks->failure == NULL;
        uv_stop(&marks->loop);
    }
}

static const char *marks_error(enum redis_result result, const redisReply *reply) {
    return result == REDIS_LINK_ERROR && reply->str != NULL ? reply->str : "the connection to Redis broke";
}

static void marks_on_marked(void *argument, enum redis_result result, const redisReply *reply) {
    struct marks_partition *partition = argument;
    if (result != REDIS_LINK_OK) {
        marks_fail(partition->marks, marks_error(result, reply));
    } else if (library_word(reply) != WORD_OK) { // a persister has marked it meanwhile
        marks_look_at(partition);
    }
    marks_call_ended(partition->marks);
}

// Of another Redis, or of a fill under way: by whoever fills it, it is read after what was committed before this.
static void marks_replace(struct marks_partition *partition, const char *mark) {
    const char *server = redis_link_server_mark(partition->marks->redis);
    if (opt_out_mark_regions(mark, server) == NULL) {
        return;
    }
    size_t length = strlen(mark);
    char *expected = xstrndup(mark, length - (mark[length - 1] == '+')), *bare = xasprintf("%s/", server);
    const struct opt_out_call call = {.keys = &partition->keys, .mark = bare, .expected = expected};
    if (opt_out_send(partition->marks->redis, &call, marks_on_marked, partition) == 0) {
        partition->marks->calls++;
    } else {
        marks_fail(partition->marks, "the connection to Redis broke");
    }
    free(bare);
    free(expected);
}

static void marks_on_mark(void *argument, enum redis_result result, const redisReply *reply) {
    struct marks_partition *partition = argument;
    if (result == REDIS_LINK_OK && reply->type == REDIS_REPLY_STRING) {
        marks_replace(partition, reply->str);
    } else if (result == REDIS_LINK_LOST) {
        marks_fail(partition->marks, marks_error(result, reply));
    } // what is no hash is filled anyway
    marks_call_ended(partition->marks);
}

static void marks_look_at(struct marks_partition *partition) {
    const char *argv[] = {"HGET", partition->keys.opt_outs, ""};
    if (redis_link_call(partition->marks->redis, marks_on_mark, partition, 3, argv, NULL) == 0) {
        partition->marks->calls++;
    } else {
        marks_fail(partition->marks, "the connection to Redis broke");
    }
}

static void marks_on_partitions(void *argument, enum redis_result result, const redisReply *reply) {
    struct marks *marks = argument;
    if (result != REDIS_LINK_OK || reply->type != REDIS_REPLY_ARRAY) {
        marks_fail(marks, marks_error(result, reply));
        marks_call_ended(marks);
        return;
    }
    marks->partitions = xcalloc(reply->elements + 1, sizeof *marks->partitions);
    for (size_t i = 0; i < reply->elements; i++) {
        struct marks_partition *partition = &marks->partitions[marks->count];
        const redisReply *tag = reply->element[i];
        enum provider provider;
        if (tag->str != NULL && partition_parse(tag->str, tag->len, &provider) == 0) {
            partition->marks = marks;
            partition_keys(tag->str, &partition->keys);
            marks->count++;
            marks_look_at(partition);
        }
    }
    marks_call_ended(marks);
}

static void marks_on_up(void *argument) {
    struct marks *marks = argument;
    const char *argv[] = {"SMEMBERS", KEY_PARTITIONS};
    if (!marks->begun && redis_link_call(marks->redis, marks_on_partitions, marks, 2, argv, NULL) == 0) {
        marks->begun = true;
        marks->calls++;
    }
}

static void marks_on_patience_over(uv_timer_t *timer) {
    uv_stop(timer->loop);
}

static char *marks_end(struct marks *marks) {
    const char *trouble = redis_link_trouble(marks->redis);
    char *why = marks->done              ? NULL
                : marks->failure != NULL ? xstrdup(marks->failure)
                                         : xstrdup(trouble != NULL ? trouble : "Redis has not answered in time");
    uv_close((uv_handle_t *)&marks->patience, NULL);
    redis_link_destroy(marks->redis);
    uv_run(&marks->loop, UV_RUN_DEFAULT);
    uv_loop_close(&marks->loop);
    free(marks->partitions);
    free(marks->failure);
    return why;
}

char *rekey_forget_marks(const struct settings *settings, struct redis_target *target) {
    struct marks marks = {0};
    if (uv_loop_init(&marks.loop) != 0) {
        mem_exhausted();
    }
    marks.patience.data = &marks;
    uv_timer_init(&marks.loop, &marks.patience);
    uv_timer_start(&marks.patience, marks_on_patience_over, MARKS_PATIENCE_MS, 0);
    marks.redis = redis_link_create(&marks.loop, &(struct redis_link_options){.target = target,
                                                                              .name = "rekey",
                                                                              .timeout_ms = settings->redis_timeout_ms,
                                                                              .on_up = marks_on_up,
                                                                              .argument = &marks});
    uv_run(&marks.loop, UV_RUN_DEFAULT);
    return marks_end(&marks);
}
