// SPDX-License-Identifier: MIT
#include "ingest/dead_letters/replay_answer.h"

#include <string.h>

#include "ingest/accept/acceptor.h"
#include "ingest/accept/redis_failure.h"
#include "ingest/request/request.h"
#include "ingest/request/response.h"
#include "shared/base/uuid.h"
#include "shared/redis/words.h"

#define RETRY_FULL_SECS 5

const char replay_already[] = "this dead letter was replayed before";

static void replay_answer_take_id(struct ingest_request *request, const redisReply *reply) {
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply->element[1]->len == UUID_BYTES) {
        struct uuid id;
        memcpy(id.bytes, reply->element[1]->str, UUID_BYTES);
        uuid_format(&id, request->message_id);
    }
}

void replay_answer_on_replayed(void *argument, enum redis_result result, const redisReply *reply) {
    struct ingest_request *request = argument;
    if (!request_reply_came(request)) {
        return;
    }
    enum library_word word = result == REDIS_LINK_OK ? library_word(reply) : WORD_OTHER;
    switch ((int)word) {
    case WORD_OK:
    case WORD_REPLAY:
        replay_answer_take_id(request, reply);
        acceptor_answer(request, word == WORD_REPLAY, response_accepted);
        break;
    case WORD_REUSED:
        response_error(request, API_IDEMPOTENCY_KEY_REUSED,
                       "this Idempotency-Key came with another dead letter before");
        break;
    case WORD_ALREADY:
        response_error(request, API_CONFLICT, replay_already);
        break;
    case WORD_OPTED_OUT:
        request->message_id[0] = '\0';
        response_opted_out(request, "its recipient has opted out of messages from its sender; START, or "
                                    "DELETE /api/opt-outs, lets it be replayed");
        break;
    case WORD_FULL:
        response_unavailable(request, "the backlog is full", RETRY_FULL_SECS, false);
        break;
    default:
        redis_failure_answer(request, result, reply);
        break;
    }
}
