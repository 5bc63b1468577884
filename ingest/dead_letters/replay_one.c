// SPDX-License-Identifier: MIT
//
// One dead letter back into its stream. Postgres says what it holds and whether it was replayed; Redis, in one step,
// whether somebody was quicker, for the persister records a replay only a moment later. Ingest writes nothing to
// Postgres.
#include "ingest/dead_letters/replay_one.h"

#include <string.h>

#include "ingest/accept/acceptance.h"
#include "ingest/accept/acceptor.h"
#include "ingest/accept/former.h"
#include "ingest/accept/idempotency.h"
#include "ingest/dead_letters/replay_answer.h"
#include "ingest/dead_letters/replay_webhook.h"
#include "ingest/read/database.h"
#include "ingest/read/paging.h"
#include "ingest/request/log.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/json.h"
#include "shared/base/log.h"
#include "shared/message/message.h"
#include "shared/message/opt_out.h"
#include "shared/redis/replay.h"

// The columns of ingest/read/sql/dead_letter.sql that matter here.
enum { MESSAGE_ID = 1, REPLAYED_US = 6, STAGE = 9, DELIVERED = 15, GENERATION, MESSAGE };

// recorded: Postgres knows that it was replayed.
static void send_replay(struct ingest_request *request, const struct message *message, int64_t generation,
                        bool recorded) {
    const struct settings *settings = request->with->settings;
    const char *key = http_header(request->http, "Idempotency-Key");
    char idempotency_key[IDEMPOTENCY_KEY_SIZE];
    uint8_t token[IDEMPOTENCY_TOKEN_SIZE];
    struct buf payload = {0}, pair = {0};
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
    if (settings->opt_out) {
        opt_out_pair(message->sender, message->recipient, &pair);
        replay.pair = &pair;
    }
    acceptor_sent(request, replay_send(request->with->redis, &replay, replay_answer_on_replayed, request));
    buf_free(&payload);
    buf_free(&pair);
}

static void replay_message(struct ingest_request *request, const PGresult *rows, bool recorded) {
    struct message message;
    const char *text = database_text(rows, 0, MESSAGE);
    const char *error = message_recall(text, strlen(text), request->with->settings->phone_region, &message);
    if (error != NULL) {
        request_log_trouble(request, LOG_ERROR, "replay_unreadable", error);
        response_internal_error(request);
        return;
    }
    int64_t generation = database_int(rows, 0, GENERATION) + 1;
    const struct former_wish wish = {
        .keys = acceptor_keys(request->with->acceptor, &message),
        .message = &message,
        .key = http_header(request->http, "Idempotency-Key"),
        .guarded = request->message_id,
        .generation = generation,
    };
    if (!former_ask(request, &wish) && acceptor_is_open(request)) {
        send_replay(request, &message, generation, recorded);
    }
    message_free(&message);
}

static void replay_one_on_letter(struct ingest_request *request, const PGresult *rows) {
    if (PQntuples(rows) == 0) {
        response_error(request, API_NOT_FOUND, "no such dead letter");
        return;
    }
    const char *stage = database_text(rows, 0, STAGE);
    bool recorded = !PQgetisnull(rows, 0, REPLAYED_US);
    if (strcmp(stage, "persist") == 0) {
        response_error(request, API_CONFLICT,
                       "this is a quarantined entry of a stream: it holds no message to send again");
    } else if (recorded && !((const struct acceptance *)request->state)->has_key) {
        response_error(request, API_CONFLICT,
                       strcmp(database_text(rows, 0, DELIVERED), "true") == 0 ? "its message was delivered after all"
                                                                              : replay_already);
    } else if (strcmp(stage, "webhook") == 0) {
        replay_webhook(request, rows, recorded);
    } else if (PQgetisnull(rows, 0, MESSAGE)) {
        response_unavailable(request, "its message is not recorded yet", 1, false);
    } else {
        strcpy(request->message_id, database_text(rows, 0, MESSAGE_ID)); // a uuid's text
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
    (void)request_state(request, sizeof(struct acceptance));
    if (error != NULL) {
        response_error(request, API_BAD_REQUEST, error);
    } else if (!acceptor_take_key(request, &key)) {
        return;
    } else if (!paging_is_row_id(request->match.parameter)) {
        response_error(request, API_NOT_FOUND, "no such dead letter");
    } else {
        const char *values[] = {request->match.parameter};
        database_run(request, READ_DEAD_LETTER, 1, values, replay_one_on_letter);
    }
}
