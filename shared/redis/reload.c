// SPDX-License-Identifier: MIT
#include "shared/redis/reload.h"

#include <stdlib.h>

#include "shared/redis/link.h"

enum { TIMEOUTS = 3 };

struct trial {
    struct redis_target *target; // NULL: the settings are wrong
    struct redis_link *link;     // likewise
    char *wrong;                 // why
    uv_timer_t end;              // it is late; or it is up, and outside of the link's own callback it can go
    reload_tried done;
    void *argument;
};

// The link lets go of its endpoint when its own handles have closed; what it has taken of the target outlives that.
static void redis_reload_on_closed(uv_handle_t *handle) {
    struct trial *trial = handle->data;
    free(trial->wrong);
    free(trial);
}

static void redis_reload_cancel(void *argument) {
    struct trial *trial = argument;
    if (trial->link != NULL) {
        redis_link_destroy(trial->link);
    }
    redis_target_destroy(trial->target);
    uv_close((uv_handle_t *)&trial->end, redis_reload_on_closed);
}

// Owned by the caller; NULL: it is up.
static char *verdict(const struct trial *trial) {
    if (trial->link == NULL) {
        return xstrdup(trial->wrong);
    }
    const char *trouble = redis_link_trouble(trial->link);
    return redis_link_is_up(trial->link)
               ? NULL
               : xasprintf("REDIS_URL: %s", trouble != NULL ? trouble : "could not connect in time");
}

static void redis_reload_on_end(uv_timer_t *timer) {
    struct trial *trial = timer->data;
    char *error = verdict(trial);
    redis_reload_cancel(trial); // its memory stays until the loop's next turn
    trial->done(trial->argument, error);
    free(error);
}

static void redis_reload_on_up(void *argument) {
    struct trial *trial = argument;
    uv_timer_start(&trial->end, redis_reload_on_end, 0, 0);
}

static void *redis_reload_start(uv_loop_t *loop, const struct settings *settings, reload_tried done, void *argument) {
    struct trial *trial = xcalloc(1, sizeof *trial);
    struct redis_link_options options = {.name = "reload",
                                         .timeout_ms = settings->redis_timeout_ms,
                                         .quiet = true,
                                         .on_up = redis_reload_on_up,
                                         .argument = trial};
    trial->done = done;
    trial->argument = argument;
    trial->end.data = trial;
    uv_timer_init(loop, &trial->end);
    uv_timer_start(&trial->end, redis_reload_on_end, (uint64_t)(TIMEOUTS * settings->redis_timeout_ms), 0);
    trial->target = redis_target_create(settings, &trial->wrong);
    if (trial->target == NULL) {
        uv_timer_start(&trial->end, redis_reload_on_end, 0, 0);
    } else {
        options.target = trial->target;
        trial->link = redis_link_create(loop, &options);
    }
    return trial;
}

#define SETTINGS "REDIS_URL, REDIS_CA_FILE, REDIS_CERT_FILE, REDIS_KEY_FILE"

const struct reload_trial redis_reload_trial = {SETTINGS, redis_reload_start, redis_reload_cancel};

char *redis_reload_take(struct redis_target *target, const struct settings_change *change) {
    char *error = NULL;
    if (settings_change_has_any(change, SETTINGS) && redis_target_change(target, &change->next, &error) != 0) {
        return error;
    }
    return NULL;
}
