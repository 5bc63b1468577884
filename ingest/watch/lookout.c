// SPDX-License-Identifier: MIT
#include "ingest/watch/lookout.h"

#include <stdbool.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/redis/link.h"

struct asker {
    lookout_done done;
    void *argument;
    struct asker *next;
};

struct lookout {
    struct redis_link *redis;
    uv_timer_t patience;
    struct asker *askers;      // they wait for the reading under way
    struct pipeline *pipeline; // the last one that was read; NULL: none, or the last reading failed
    int64_t read_ms;           // clock_boot_ms when that reading began
    bool reading;
    int64_t begun_ms; // clock_boot_ms
};

static void answer_all(struct lookout *lookout, const struct pipeline *pipeline, const char *why) {
    struct asker *asker = lookout->askers;
    lookout->askers = NULL;
    while (asker != NULL) {
        struct asker *next = asker->next;
        asker->done(asker->argument, pipeline, why);
        free(asker);
        asker = next;
    }
}

static void lookout_on_pipeline(void *argument, struct pipeline *pipeline, const char *why) {
    struct lookout *lookout = argument;
    lookout->reading = false;
    uv_timer_stop(&lookout->patience);
    pipeline_free(lookout->pipeline);
    lookout->pipeline = pipeline;
    lookout->read_ms = lookout->begun_ms;
    answer_all(lookout, pipeline, why);
}

static void lookout_on_patience_over(uv_timer_t *timer) {
    answer_all(timer->data, NULL, "it has not answered for a second");
}

static void read_again(struct lookout *lookout) {
    lookout->begun_ms = clock_boot_ms();
    lookout->reading = true; // before the call, which may answer at once
    if (pipeline_read(lookout->redis, lookout_on_pipeline, lookout) != 0) {
        const char *trouble = redis_link_trouble(lookout->redis);
        lookout_on_pipeline(lookout, NULL, trouble != NULL ? trouble : "there is no connection to it");
    }
}

void lookout_ask(struct lookout *lookout, lookout_done done, void *argument) {
    bool fresh = lookout->pipeline != NULL && redis_link_is_up(lookout->redis) &&
                 clock_boot_ms() - lookout->read_ms <= LOOKOUT_FRESH_MS;
    if (fresh) {
        done(argument, lookout->pipeline, NULL);
        return;
    }
    struct asker *asker = xmalloc(sizeof *asker);
    *asker = (struct asker){done, argument, lookout->askers};
    lookout->askers = asker;
    if (!uv_is_active((uv_handle_t *)&lookout->patience)) {
        uv_timer_start(&lookout->patience, lookout_on_patience_over, LOOKOUT_PATIENCE_MS, 0);
    }
    if (!lookout->reading) {
        read_again(lookout);
    }
}

struct lookout *lookout_create(uv_loop_t *loop, struct redis_link *redis) {
    struct lookout *lookout = xcalloc(1, sizeof *lookout);
    lookout->redis = redis;
    lookout->patience.data = lookout;
    uv_timer_init(loop, &lookout->patience);
    return lookout;
}

static void lookout_on_closed(uv_handle_t *handle) {
    struct lookout *lookout = handle->data;
    pipeline_free(lookout->pipeline);
    free(lookout);
}

void lookout_destroy(struct lookout *lookout) {
    answer_all(lookout, NULL, "this process ends");
    uv_close((uv_handle_t *)&lookout->patience, lookout_on_closed);
}
