// SPDX-License-Identifier: MIT
#include "ingest/accept/opt_out.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/request/log.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "shared/redis/keys.h"
#include "shared/redis/link.h"
#include "shared/redis/opt_out_call.h"
#include "shared/redis/partitions.h"
#include "shared/redis/words.h"
#include "shared/settings/settings.h"

// Words on their way into the partitions. The request expects one reply for all of it; without one the words are
// written all the same.
struct opt_out_writing {
    struct ingest_request *request;
    struct ingest_resources *with;
    enum provider provider;
    bool recorded;
    struct opt_out_said *said;
    size_t count;
    size_t calls; // under way
    const char *failure;
    void (*done)(struct ingest_request *request, bool everywhere);
};

static void opt_out_end(struct opt_out_writing *writing) {
    struct ingest_request *request = writing->request;
    if (request_reply_came(request)) {
        if (writing->failure != NULL) {
            request_log_trouble(request, LOG_WARN, "opt_out_failed", writing->failure);
        }
        writing->done(request, writing->failure == NULL);
    }
    for (size_t i = 0; i < writing->count; i++) {
        opt_out_said_free(&writing->said[i]);
    }
    free(writing->said);
    free(writing);
}

// The last call to end is the end of all.
static void opt_out_call_ended(struct opt_out_writing *writing, const char *failure) {
    writing->failure = failure != NULL ? failure : writing->failure;
    if (--writing->calls == 0) {
        opt_out_end(writing);
    }
}

static const char *opt_out_failure(enum redis_result result, const redisReply *reply) {
    if (result == REDIS_LINK_OK) {
        enum library_word word = library_word(reply);
        return word == WORD_OK ? NULL : word == WORD_FULL ? "the backlog is full" : "the reply has another shape";
    }
    return result == REDIS_LINK_LOST ? "the connection to Redis broke" : "Redis refused the call";
}

static void opt_out_on_set(void *argument, enum redis_result result, const redisReply *reply) {
    opt_out_call_ended(argument, opt_out_failure(result, reply));
}

static void opt_out_send_all(struct opt_out_writing *writing, const struct partition_keys *keys, bool records) {
    for (size_t first = 0; first < writing->count; first += OPT_OUT_CALL_MOST) {
        size_t left = writing->count - first;
        const struct opt_out_call call = {.keys = keys,
                                          .said = &writing->said[first],
                                          .count = left < OPT_OUT_CALL_MOST ? left : OPT_OUT_CALL_MOST,
                                          .records = records,
                                          .cap = writing->with->settings->stream_max_backlog};
        if (opt_out_send(writing->with->redis, &call, opt_out_on_set, writing) == 0) {
            writing->calls++;
        } else {
            writing->failure = "Redis is unreachable";
        }
    }
}

// ---- Partitions: this process's own, and all others that ever were in use

static bool opt_out_is_own(const struct opt_out_writing *writing, const char *tag) {
    const char *colon = strrchr(tag, ':');
    return strtoul(colon + 1, NULL, 10) < (unsigned long)writing->with->settings->stream_partitions;
}

static bool is_of_provider(const struct opt_out_writing *writing, const redisReply *member) {
    enum provider provider;
    return member->str != NULL && partition_parse(member->str, member->len, &provider) == 0 &&
           provider == writing->provider;
}

// What records them goes first, so that what was recorded ends up everywhere, whatever fails behind it.
static void opt_out_send_to_own(struct opt_out_writing *writing) {
    for (unsigned i = 0; i < (unsigned)writing->with->settings->stream_partitions; i++) {
        struct partition_keys keys;
        partition_keys_of(writing->provider, i, &keys);
        opt_out_send_all(writing, &keys, i == 0 && !writing->recorded);
    }
}

static void opt_out_on_partitions(void *argument, enum redis_result result, const redisReply *reply) {
    struct opt_out_writing *writing = argument;
    if (result == REDIS_LINK_OK && reply->type == REDIS_REPLY_ARRAY) {
        opt_out_send_to_own(writing);
        for (size_t i = 0; i < reply->elements; i++) {
            struct partition_keys keys;
            if (is_of_provider(writing, reply->element[i]) && !opt_out_is_own(writing, reply->element[i]->str)) {
                partition_keys(reply->element[i]->str, &keys);
                opt_out_send_all(writing, &keys, false);
            }
        }
        opt_out_call_ended(writing, NULL);
    } else {
        opt_out_call_ended(writing, result == REDIS_LINK_LOST ? "the connection to Redis broke"
                                                              : "the partitions can't be asked for");
    }
}

// ---- The door

void opt_outs_set(struct ingest_request *request, const struct opt_out *pairs, size_t count, bool recorded,
                  void (*done)(struct ingest_request *request, bool everywhere)) {
    if (count == 0 || !request->with->settings->opt_out) {
        done(request, true);
        return;
    }
    struct opt_out_writing *writing = xcalloc(1, sizeof *writing);
    *writing = (struct opt_out_writing){.request = request,
                                        .with = request->with,
                                        .provider = pairs->provider,
                                        .recorded = recorded,
                                        .said = xcalloc(count, sizeof *writing->said),
                                        .count = count,
                                        .calls = 1,
                                        .done = done};
    for (size_t i = 0; i < count; i++) {
        struct opt_out pair = pairs[i];
        pair.came_ms = pair.came_ms == 0 ? redis_link_now_ms(writing->with->redis) : pair.came_ms;
        opt_out_said_of(&pair, !recorded, &writing->said[i]);
    }
    const char *members[] = {"SMEMBERS", KEY_PARTITIONS};
    request_expect_reply(request);
    if (redis_link_call(writing->with->redis, opt_out_on_partitions, writing, 2, members, NULL) != 0) {
        opt_out_call_ended(writing, "Redis is unreachable");
    }
}
