// SPDX-License-Identifier: MIT
//
// One dead letter back into its stream. Postgres says what it holds and whether it was replayed; Redis, in one step,
// whether somebody was quicker, for the persister records a replay only a moment later. Ingest writes nothing to
// Postgres.
#include "ingest/replay_one.h"

#include <string.h>

#include "ingest/accept.h"
#include "ingest/answer.h"
#include "ingest/former.h"
#include "ingest/idempotency.h"
#include "ingest/reader.h"
#include "ingest/redis_trouble.h"
#include "ingest/request.h"
#include "ingest/request_log.h"
#include "ingest/resources.h"
#include "ingest/row_id.h"
#include "shared/json.h"
#include "shared/log.h"
#include "shared/message.h"
#include "shared/replay.h"

#define RETRY_FULL_SECS 5

// The columns of ingest/sql/dead_letter.sql that matter here.
enum { MESSAGE_ID = 1, REPLAYED_US = 6, STAGE = 8, GENERATION, MESSAGE };

static const char already[] = "this dead letter was replayed before";

static void on_replayed(void *argument, enum redis_result result, const redisReply *reply) {
    struct ingest_request *request = argument;
    if (!ingest_request_reply_came(request)) {
        return;
    }
    switch (result == REDIS_LINK_OK ? replay_verdict(reply) : REPLAY_UNKNOWN) {
    case REPLAY_OK:
        accept_answer(request, false, answer_accepted);
        break;
    case REPLAY_REPEATED:
        accept_answer(request, true, answer_accepted);
        break;
    case REPLAY_REUSED:
        answer_error(request, API_IDEMPOTENCY_KEY_REUSED, "this Idempotency-Key came with another dead letter before");
        break;
    case REPLAY_ALREADY:
        answer_error(request, API_CONFLICT, already);
        break;
    case REPLAY_FULL:
        answer_unavailable(request, "the backlog is full", RETRY_FULL_SECS, false);
        break;
    case REPLAY_UNKNOWN:
        redis_trouble_answer(request, result, reply);
        break;
    }
}

// recorded: Postgres knows that it was replayed.
static void send_replay(struct ingest_request *request, const struct message *message, int64_t generation,
                        bool recorded) {
    const struct settings *settings = request->with->settings;
    const char *key = http_header(request->http, "Idempotency-Key");
    char idempotency_key[IDEMPOTENCY_KEY_SIZE];
    uint8_t token[IDEMPOTENCY_TOKEN_SIZE];
    struct buf payload = {0};
    struct replay replay = {
        .keys = acceptor_keys(request->with->acceptor, message),
        .id = request->message_id,
        .generation = generation,
        .cap = settings->stream_max_backlog,
        .recorded = recorded,
    };
    if (key != NULL) {
        struct uuid id;
        const char *fields[] = {request->match.parameter};
        (void)!uuid_parse(request->message_id, &id); // Postgres wrote it
        idempotency_token_of_texts(&id, fields, 1, token);
        idempotency_key_of_client(replay.keys->tag, request->match.route->pattern, message->sender, key,
                                  idempotency_key);
        replay.idempotency_key = idempotency_key;
        replay.token = token;
        replay.ttl_ms = settings->idempotency_ttl_secs * 1000;
    }
    message_encode(message, &payload);
    replay.payload = payload.data;
    accept_sent(request, replay_send(request->with->redis, &replay, on_replayed, request));
    buf_free(&payload);
}

static void replay_message(struct ingest_request *request, const PGresult *rows, bool recorded) {
    struct message message;
    const char *text = ingest_reader_text(rows, 0, MESSAGE);
    const char *error = message_recall(text, strlen(text), &message);
    if (error != NULL) {
        ingest_request_log_trouble(request, LOG_ERROR, "replay_unreadable", error);
        answer_internal_error(request);
        return;
    }
    int64_t generation = ingest_reader_int(rows, 0, GENERATION) + 1;
    const struct former_wish wish = {
        .keys = acceptor_keys(request->with->acceptor, &message),
        .message = &message,
        .key = http_header(request->http, "Idempotency-Key"),
        .guarded = request->message_id,
        .generation = generation,
    };
    if (!former_ask(request, &wish) && accept_is_open(request)) {
        send_replay(request, &message, generation, recorded);
    }
    message_free(&message);
}

static void on_letter(struct ingest_request *request, const PGresult *rows) {
    if (PQntuples(rows) == 0) {
        answer_error(request, API_NOT_FOUND, "no such dead letter");
        return;
    }
    bool recorded = !PQgetisnull(rows, 0, REPLAYED_US);
    if (strcmp(ingest_reader_text(rows, 0, STAGE), "dispatch") != 0) {
        answer_error(request, API_CONFLICT,
                     "this is a quarantined entry of a stream: it holds no message to send again");
    } else if (recorded && !request->has_key) {
        answer_error(request, API_CONFLICT, already);
    } else if (PQgetisnull(rows, 0, MESSAGE)) {
        answer_unavailable(request, "its message is not recorded yet", 1, false);
    } else {
        strcpy(request->message_id, ingest_reader_text(rows, 0, MESSAGE_ID)); // a uuid's text
        replay_message(request, rows, recorded);
    }
}

// There need be no body; one that is there must be a JSON object.
static const char *check_body(const struct ingest_request *request) {
    size_t length;
    const char *error = NULL, *body = http_body(request->http, &length);
    if (length == 0) {
        return NULL;
    }
    cJSON *root = json_parse(body, length, &error);
    if (root != NULL && !cJSON_IsObject(root)) {
        error = "The document must be an object.";
    }
    cJSON_Delete(root);
    return error;
}

void replay_one(struct ingest_request *request) {
    const char *key, *error = check_body(request);
    if (error != NULL) {
        answer_error(request, API_BAD_REQUEST, error);
    } else if (!ingest_request_take_key(request, &key)) {
        return;
    } else if (!row_id_is_valid(request->match.parameter)) {
        answer_error(request, API_NOT_FOUND, "no such dead letter");
    } else {
        const char *values[] = {request->match.parameter};
        ingest_reader_run(request, READ_DEAD_LETTER, 1, values, on_letter);
    }
}
