// SPDX-License-Identifier: MIT
//
// A conversation is erased for good, with all that was accepted of it until T, which is Redis's time as it is asked
// for. Postgres says which conversation that is. Then each partition of its provider gets it in one step
// (redis/messaging.lua, erase): from then on what was accepted until T is not called, and an event in its stream tells
// a persister to delete what is stored, and to store nothing that was accepted until T and comes later. A conversation
// lies in one partition or two, but in which of them depends on STREAM_PARTITIONS when each message was accepted.
//
// A dispatcher may have looked a moment before, and call by what it saw for as long as ERASURE_FENCE_MS. So the answer
// waits for that: after it no call begins of what was accepted before, and what is accepted after it is newer than T.
//
// Where a partition can't be told it is 503; a repeat begins with a later T, which holds for all before.
#include "ingest/erase/erase.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/accept/acceptance.h"
#include "ingest/accept/acceptor.h"
#include "ingest/accept/format_wait.h"
#include "ingest/read/database.h"
#include "ingest/read/paging.h"
#include "ingest/request/log.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/clock.h"
#include "shared/base/decimal.h"
#include "shared/base/json.h"
#include "shared/base/uuid.h"
#include "shared/message/erasure.h"
#include "shared/message/format.h"
#include "shared/redis/keys.h"
#include "shared/redis/library.h"
#include "shared/redis/link.h"
#include "shared/redis/partitions.h"
#include "shared/redis/words.h"

#define RETRY_SOON_SECS 1

// The columns of ingest/read/sql/conversation.sql.
enum { ID, CHANNEL, PARTICIPANT_A, PARTICIPANT_B };

// On its way into the partitions. The request expects one reply for all of it.
struct erasing {
    struct ingest_request *request;
    struct ingest_resources *with;
    enum provider provider;
    char id[UUID_TEXT_SIZE]; // of its events
    char names[ERASURE_NAMES][CONVERSATION_SIZE];
    struct buf payload;
    int64_t at_ms;
    size_t calls; // under way
    const char *failure;
    int64_t done_ms; // clock_boot_ms, when the answer may go out
    struct erasing *next;
};

struct erase_fence {
    uv_timer_t timer;
    struct erasing *first, **last; // in the order in which they may be answered
};

static void erasing_free(struct erasing *erasing) {
    buf_free(&erasing->payload);
    free(erasing);
}

// ---- The answer

static void erase_answer(struct ingest_request *request, bool replayed) {
    (void)replayed;
    struct buf *json = &request->with->answer;
    buf_clear(json);
    buf_putc(json, '{');
    json_write_member(json, "status", "erasing");
    json_write_member(json, "id", request->match.parameter);
    buf_putc(json, '}');
    response_json(request, 202, json);
}

static void erase_log(const struct ingest_request *request, const struct erasing *erasing) {
    struct log_line *line = log_begin(LOG_INFO, "conversation_erasing");
    log_str(line, "correlation_id", request->id);
    log_str(line, "conversation", request->match.parameter);
    log_str(line, "erasure", erasing->id);
    log_int(line, "until_ms", erasing->at_ms);
    if (request->key_name[0] != '\0') {
        log_str(line, "key", request->key_name);
    }
    log_str(line, "client_ip", request->client);
    log_end(line);
}

// failure: what went wrong; NULL: it is everywhere.
static void erase_end(struct erasing *erasing, const char *failure) {
    struct ingest_request *request = erasing->request;
    if (request_reply_came(request)) {
        if (failure != NULL) {
            request_log_trouble(request, LOG_WARN, "erase_failed", failure);
            response_unavailable(request, "the erasure isn't known everywhere yet: repeat the request", RETRY_SOON_SECS,
                                 false);
        } else {
            erase_log(request, erasing);
            acceptor_answer(request, false, erase_answer);
        }
    }
    erasing_free(erasing);
}

// ---- The fence

static void erase_fence_on_timer(uv_timer_t *timer) {
    struct erase_fence *fence = timer->data;
    while (fence->first != NULL && fence->first->done_ms <= clock_boot_ms()) {
        struct erasing *erasing = fence->first;
        fence->first = erasing->next;
        fence->last = fence->first == NULL ? &fence->first : fence->last;
        erase_end(erasing, NULL);
    }
    if (fence->first != NULL) {
        uv_timer_start(timer, erase_fence_on_timer, (uint64_t)(fence->first->done_ms - clock_boot_ms() + 1), 0);
    }
}

static void erase_fence_put(struct erase_fence *fence, struct erasing *erasing) {
    erasing->done_ms = clock_boot_ms() + ERASURE_FENCE_MS + 1;
    *fence->last = erasing;
    fence->last = &erasing->next;
    if (!uv_is_active((uv_handle_t *)&fence->timer)) {
        uv_timer_start(&fence->timer, erase_fence_on_timer, ERASURE_FENCE_MS + 1, 0);
    }
}

struct erase_fence *erase_fence_create(uv_loop_t *loop) {
    struct erase_fence *fence = xcalloc(1, sizeof *fence);
    fence->last = &fence->first;
    fence->timer.data = fence;
    uv_timer_init(loop, &fence->timer);
    return fence;
}

static void erase_fence_on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void erase_fence_destroy(struct erase_fence *fence) {
    for (struct erasing *erasing = fence->first, *next; erasing != NULL; erasing = next) {
        next = erasing->next;
        erase_end(erasing, "this process is being stopped");
    }
    uv_close((uv_handle_t *)&fence->timer, erase_fence_on_closed);
}

// ---- The calls

// The last call to end is the end of all.
static void erase_call_ended(struct erasing *erasing, const char *failure) {
    erasing->failure = failure != NULL ? failure : erasing->failure;
    if (--erasing->calls > 0) {
        return;
    }
    if (erasing->failure != NULL) {
        erase_end(erasing, erasing->failure);
    } else {
        erase_fence_put(erasing->with->erase_fence, erasing);
    }
}

static const char *erase_failure(enum redis_result result, const redisReply *reply) {
    if (result == REDIS_LINK_OK) {
        return library_word(reply) == WORD_OK ? NULL : "the reply has another shape";
    }
    return result == REDIS_LINK_LOST         ? "the connection to Redis broke"
           : result == REDIS_LINK_NO_LIBRARY ? "Redis has no function library"
                                             : "Redis refused the call";
}

static void erase_on_erased(void *argument, enum redis_result result, const redisReply *reply) {
    erase_call_ended(argument, erase_failure(result, reply));
}

static void erase_tell(struct erasing *erasing, const struct partition_keys *keys) {
    const char *command[] = {"FCALL",
                             library_function(LIBRARY_ERASE),
                             "2",
                             keys->events,
                             keys->erased,
                             DECIMAL(erasing->at_ms),
                             erasing->id,
                             erasing->payload.data,
                             erasing->names[0],
                             erasing->names[1]};
    int sent = redis_link_call(erasing->with->redis, erase_on_erased, erasing, sizeof command / sizeof *command,
                               command, NULL);
    if (sent == 0) {
        erasing->calls++;
    } else {
        erasing->failure = "Redis is unreachable";
    }
}

// This process's own are among them: nothing is accepted before they are. A Redis that has lost everything knows none
// until the programs have told it again.
static void erase_on_partitions(void *argument, enum redis_result result, const redisReply *reply) {
    struct erasing *erasing = argument;
    if (result != REDIS_LINK_OK || reply->type != REDIS_REPLY_ARRAY) {
        erase_call_ended(erasing, "Redis doesn't say which partitions there are");
        return;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        enum provider provider;
        struct partition_keys keys;
        const redisReply *tag = reply->element[i];
        if (tag->str != NULL && partition_parse(tag->str, tag->len, &provider) == 0 && provider == erasing->provider) {
            partition_keys(tag->str, &keys);
            erase_tell(erasing, &keys);
        }
    }
    bool none = erasing->calls == 1 && erasing->failure == NULL;
    erase_call_ended(erasing, none ? "Redis doesn't know yet which partitions there are" : NULL);
}

static void erase_on_time(void *argument, enum redis_result result, const redisReply *reply) {
    struct erasing *erasing = argument;
    const char *members[] = {"SMEMBERS", KEY_PARTITIONS};
    bool is_time = result == REDIS_LINK_OK && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                   reply->element[0]->str != NULL && reply->element[1]->str != NULL;
    if (!is_time) {
        erase_call_ended(erasing, "Redis doesn't say what time it is");
        return;
    }
    erasing->at_ms =
        strtoll(reply->element[0]->str, NULL, 10) * 1000 + strtoll(reply->element[1]->str, NULL, 10) / 1000;
    if (redis_link_call(erasing->with->redis, erase_on_partitions, erasing, 2, members, NULL) != 0) {
        erase_call_ended(erasing, "Redis is unreachable");
    }
}

static void erase_begin(struct ingest_request *request, const struct erasure *erasure) {
    const char *time[] = {"TIME"};
    struct erasing *erasing = xcalloc(1, sizeof *erasing);
    struct uuid id = uuid_v7();
    *erasing = (struct erasing){.request = request,
                                .with = request->with,
                                .provider = erasure->channel == CHANNEL_EMAIL ? PROVIDER_EMAIL : PROVIDER_SMS_MMS,
                                .calls = 1};
    uuid_format(&id, erasing->id);
    erasure_names(erasure, erasing->names);
    erasure_encode(erasure, &erasing->payload);
    request_expect_reply(request);
    if (redis_link_call(erasing->with->redis, erase_on_time, erasing, 1, time, NULL) != 0) {
        erase_call_ended(erasing, "Redis is unreachable");
    }
}

// ---- The conversation

static void erase_on_conversation(struct ingest_request *request, const PGresult *rows) {
    if (PQntuples(rows) == 0) {
        response_error(request, API_NOT_FOUND, "no such conversation");
        return;
    }
    if (format_wait_for(request, ERASURE_FORMAT)) {
        return;
    }
    if (format_to_write() < ERASURE_FORMAT) {
        format_wait_refuse(request);
        return;
    }
    bool is_email = strcmp(database_text(rows, 0, CHANNEL), channel_name(CHANNEL_EMAIL)) == 0;
    struct erasure erasure = {.channel = is_email ? CHANNEL_EMAIL : CHANNEL_SMS,
                              .one = xstrdup(database_text(rows, 0, PARTICIPANT_A)),
                              .other = xstrdup(database_text(rows, 0, PARTICIPANT_B))};
    if (acceptor_is_reachable(request)) {
        erase_begin(request, &erasure);
    }
    erasure_free(&erasure);
}

// Runs once more after a wait.
void erase_conversation(struct ingest_request *request) {
    request_state(request, sizeof(struct acceptance));
    if (!paging_is_row_id(request->match.parameter)) {
        response_error(request, API_NOT_FOUND, "no such conversation");
        return;
    }
    const char *values[] = {request->match.parameter};
    database_run(request, READ_CONVERSATION, 1, values, erase_on_conversation);
}
