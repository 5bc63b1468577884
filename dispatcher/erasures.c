// SPDX-License-Identifier: MIT
#include "dispatcher/erasures.h"

#include <stdlib.h>

#include "dispatcher/opt_outs.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"

struct erasures {
    const struct dispatch_env *env;
    const struct partition_keys *keys;
    bool known, any;
    int64_t looked_ms; // clock_boot_ms when the look was sent that found that
};

// A look under way.
struct erasures_question {
    struct erasures *erasures;
    int64_t sent_ms;
    redis_link_reply done;
    void *argument;
};

// A user whose permissions are of an older release may not look: then there are none, as for the library.
static void erasures_on_look(void *argument, enum redis_result result, const redisReply *reply) {
    struct erasures_question *question = argument;
    struct erasures *erasures = question->erasures;
    if (result == REDIS_LINK_ERROR && !erasures->known) {
        log_error("erasures_failed", "EXISTS %s: %s", erasures->keys->erased, reply->str);
    }
    if (result != REDIS_LINK_LOST) {
        erasures->known = true;
        erasures->any = result == REDIS_LINK_OK && reply->type == REDIS_REPLY_INTEGER && reply->integer == 1;
        erasures->looked_ms = question->sent_ms;
    }
    if (question->done != NULL) {
        question->done(question->argument, result, reply);
    }
    free(question);
}

int erasures_look(struct erasures *erasures, redis_link_reply done, void *argument) {
    const char *argv[] = {"EXISTS", erasures->keys->erased};
    struct erasures_question *question = xmalloc(sizeof *question);
    *question = (struct erasures_question){erasures, clock_boot_ms(), done, argument};
    if (redis_link_call(erasures->env->link, erasures_on_look, question, 2, argv, NULL) != 0) {
        free(question);
        return -1;
    }
    return 0;
}

void erasures_forget(struct erasures *erasures) {
    erasures->known = false;
}

bool erasures_are_known(const struct erasures *erasures) {
    return erasures->known;
}

bool erasures_are_fresh(const struct erasures *erasures) {
    return erasures->known && clock_boot_ms() - erasures->looked_ms <= OPT_OUTS_FRESH_MS;
}

bool erasures_has_any(const struct erasures *erasures) {
    return erasures->any;
}

struct erasures *erasures_create(const struct dispatch_env *env, const struct partition_keys *keys) {
    struct erasures *erasures = xcalloc(1, sizeof *erasures);
    erasures->env = env;
    erasures->keys = keys;
    return erasures;
}

void erasures_destroy(struct erasures *erasures) {
    free(erasures);
}
