// SPDX-License-Identifier: MIT
#include "persister/token_canceller.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/uuid.h"
#include "shared/message/message.h"
#include "shared/redis/keys.h"
#include "shared/redis/library.h"
#include "shared/redis/partitions.h"

#define AGAIN_MS 500

// Tokens that end together.
struct cancelling {
    struct cancelling *next;
    struct token_canceller *canceller;
    char *tokens;
    void (*done)(void *argument, bool ended);
    void *argument;
    size_t calls; // under way
    bool lost;    // one of them
};

struct token_canceller {
    uv_timer_t again;
    struct redis_link *link;
    struct cancelling *first, **last; // the first is under way
    bool asking;
    void (*on_idle)(void *argument);
    void *argument;
};

static void cancel_first(struct token_canceller *canceller);

static void cancelling_free(struct cancelling *cancelling) {
    free(cancelling->tokens);
    free(cancelling);
}

static void token_canceller_end_first(struct token_canceller *canceller) {
    struct cancelling *cancelling = canceller->first;
    canceller->first = cancelling->next;
    canceller->last = canceller->first == NULL ? &canceller->first : canceller->last;
    cancelling->done(cancelling->argument, true);
    cancelling_free(cancelling);
    if (canceller->first != NULL) {
        cancel_first(canceller);
    } else {
        canceller->on_idle(canceller->argument);
    }
}

static void token_canceller_on_again(uv_timer_t *timer) {
    cancel_first(timer->data);
}

// The last call to end is the end of all. What Redis refuses it would refuse again; what was lost goes out once more.
static void token_canceller_call_ended(struct cancelling *cancelling) {
    struct token_canceller *canceller = cancelling->canceller;
    if (--cancelling->calls > 0) {
        return;
    }
    canceller->asking = false;
    if (!cancelling->lost) {
        token_canceller_end_first(canceller);
    } else if (!uv_is_closing((uv_handle_t *)&canceller->again)) {
        uv_timer_start(&canceller->again, token_canceller_on_again, AGAIN_MS, 0);
    }
}

static void token_canceller_on_cancelled(void *argument, enum redis_result result, const redisReply *reply) {
    struct cancelling *cancelling = argument;
    if (result == REDIS_LINK_ERROR) {
        log_error("erasure_refused", "%s", reply->str);
    }
    cancelling->lost = cancelling->lost || result == REDIS_LINK_LOST || result == REDIS_LINK_NO_LIBRARY;
    token_canceller_call_ended(cancelling);
}

static void cancel_one(struct cancelling *cancelling, const struct partition_keys *keys, enum provider provider,
                       const char *id) {
    const char *argv[] = {"FCALL",
                          library_function(LIBRARY_CANCEL),
                          "5",
                          keys->outbound,
                          keys->events,
                          keys->parked,
                          keys->parked_due,
                          keys->refused,
                          id,
                          provider_name(provider),
                          "0"};
    int sent = redis_link_call(cancelling->canceller->link, token_canceller_on_cancelled, cancelling,
                               sizeof argv / sizeof *argv, argv, NULL);
    if (sent == 0) {
        cancelling->calls++;
    } else {
        cancelling->lost = true;
    }
}

// Those of that provider.
static void cancel_in_partition(struct cancelling *cancelling, enum provider provider,
                                const struct partition_keys *keys) {
    const char *name = provider_name(provider);
    size_t length = strlen(name);
    for (const char *at = cancelling->tokens; *at != '\0'; at += strspn(at, "\n")) {
        size_t line = strcspn(at, "\n");
        if (line == length + UUID_TEXT_SIZE && strncmp(at, name, length) == 0 && at[length] == ' ') {
            char id[UUID_TEXT_SIZE] = "";
            memcpy(id, at + length + 1, UUID_TEXT_SIZE - 1);
            cancel_one(cancelling, keys, provider, id);
        }
        at += line;
    }
}

static void token_canceller_on_partitions(void *argument, enum redis_result result, const redisReply *reply) {
    struct cancelling *cancelling = argument;
    bool is_list = result == REDIS_LINK_OK && reply->type == REDIS_REPLY_ARRAY;
    cancelling->lost = !is_list;
    for (size_t i = 0; is_list && i < reply->elements; i++) {
        enum provider provider;
        struct partition_keys keys;
        const redisReply *tag = reply->element[i];
        if (tag->str != NULL && partition_parse(tag->str, tag->len, &provider) == 0) {
            partition_keys(tag->str, &keys);
            cancel_in_partition(cancelling, provider, &keys);
        }
    }
    token_canceller_call_ended(cancelling);
}

static void cancel_first(struct token_canceller *canceller) {
    const char *argv[] = {"SMEMBERS", KEY_PARTITIONS};
    struct cancelling *cancelling = canceller->first;
    if (cancelling == NULL || canceller->asking) {
        return;
    }
    cancelling->lost = false;
    if (redis_link_call(canceller->link, token_canceller_on_partitions, cancelling, 2, argv, NULL) ==
        0) { // else token_canceller_on_up
        canceller->asking = true;
        cancelling->calls = 1;
    }
}

void token_canceller_take(struct token_canceller *canceller, const char *tokens,
                          void (*done)(void *argument, bool ended), void *argument) {
    struct cancelling *cancelling = xcalloc(1, sizeof *cancelling);
    *cancelling =
        (struct cancelling){.canceller = canceller, .tokens = xstrdup(tokens), .done = done, .argument = argument};
    *canceller->last = cancelling;
    canceller->last = &cancelling->next;
    cancel_first(canceller);
}

void token_canceller_on_up(struct token_canceller *canceller) {
    cancel_first(canceller);
}

bool token_canceller_is_idle(const struct token_canceller *canceller) {
    return canceller->first == NULL;
}

struct token_canceller *token_canceller_create(uv_loop_t *loop, struct redis_link *link,
                                               void (*on_idle)(void *argument), void *argument) {
    struct token_canceller *canceller = xcalloc(1, sizeof *canceller);
    canceller->link = link;
    canceller->last = &canceller->first;
    canceller->on_idle = on_idle;
    canceller->argument = argument;
    canceller->again.data = canceller;
    uv_timer_init(loop, &canceller->again);
    return canceller;
}

static void token_canceller_on_closed(uv_handle_t *handle) {
    struct token_canceller *canceller = handle->data;
    for (struct cancelling *cancelling = canceller->first, *next; cancelling != NULL; cancelling = next) {
        next = cancelling->next;
        cancelling->done(cancelling->argument, false);
        cancelling_free(cancelling);
    }
    free(canceller);
}

void token_canceller_destroy(struct token_canceller *canceller) {
    uv_close((uv_handle_t *)&canceller->again, token_canceller_on_closed);
}
