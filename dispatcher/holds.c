// SPDX-License-Identifier: MIT
#include "dispatcher/holds.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/log.h"
#include "shared/base/mem.h"

struct holds {
    const struct dispatch_env *env;
    const struct partition_keys *keys;
    char **senders; // sorted
    size_t count, room;
};

static int holds_compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void holds_put(struct holds *holds, const char *sender) {
    if (holds->count == holds->room) {
        holds->room = holds->room > 0 ? 2 * holds->room : 16;
        holds->senders = xrealloc(holds->senders, holds->room * sizeof *holds->senders);
    }
    holds->senders[holds->count++] = xstrdup(sender);
}

static void sort(struct holds *holds) {
    if (holds->count > 1) {
        qsort(holds->senders, holds->count, sizeof *holds->senders, holds_compare);
    }
}

static void holds_clear(struct holds *holds) {
    while (holds->count > 0) {
        free(holds->senders[--holds->count]);
    }
}

static void holds_on_senders(void *argument, enum redis_result result, const redisReply *reply) {
    struct holds *holds = argument;
    if (result == REDIS_LINK_ERROR) {
        log_error("holds_failed", "HKEYS %s: %s", holds->keys->held_senders, reply->str);
    }
    if (result != REDIS_LINK_OK || reply->type != REDIS_REPLY_ARRAY) {
        return;
    }
    holds_clear(holds);
    for (size_t i = 0; i < reply->elements; i++) {
        if (reply->element[i]->str != NULL) {
            holds_put(holds, reply->element[i]->str);
        }
    }
    sort(holds);
}

void holds_look(struct holds *holds) {
    const char *argv[] = {"HKEYS", holds->keys->held_senders};
    if (redis_link_call(holds->env->link, holds_on_senders, holds, 2, argv, NULL) != 0) {
        log_debug("holds_skipped", "%s: Redis is away", holds->keys->tag);
    }
}

void holds_add(struct holds *holds, const char *sender) {
    if (!holds_has(holds, sender)) {
        holds_put(holds, sender);
        sort(holds);
    }
}

bool holds_has(const struct holds *holds, const char *sender) {
    return holds->count > 0 &&
           bsearch(&sender, holds->senders, holds->count, sizeof *holds->senders, holds_compare) != NULL;
}

struct holds *holds_create(const struct dispatch_env *env, const struct partition_keys *keys) {
    struct holds *holds = xcalloc(1, sizeof *holds);
    holds->env = env;
    holds->keys = keys;
    return holds;
}

void holds_destroy(struct holds *holds) {
    holds_clear(holds);
    free(holds->senders);
    free(holds);
}
