// SPDX-License-Identifier: MIT
//
// A replay of many dead letters is counted here and becomes a job in Redis, which survives any process; a persister
// runs it (persister/replayer.c). It takes the dead letters that were there when it was asked for, up to the last one's
// id: those that fail again under it are new ones, and are left.
#include "ingest/dead_letters/replay_many.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/accept/acceptance.h"
#include "ingest/accept/acceptor.h"
#include "ingest/accept/idempotency.h"
#include "ingest/accept/redis_failure.h"
#include "ingest/dead_letters/replay_request.h"
#include "ingest/read/database.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/decimal.h"
#include "shared/base/json.h"
#include "shared/base/log.h"
#include "shared/redis/keys.h"
#include "shared/redis/library.h"
#include "shared/redis/words.h"

#define MOST_JOBS "100" // that wait: each is a decision of a person
#define RETRY_FULL_SECS 5

// The columns of ingest/read/sql/dead_letters_open.sql.
enum { MATCHED, LAST };

// A request's state.
struct replay_many {
    struct acceptance acceptance;
    struct replay_request wish;
    int64_t matched; // by it; a repeat's is the first's
};

static void answer_matched(struct ingest_request *request, bool replayed) {
    const struct replay_many *replay = request->state;
    struct buf *json = &request->with->answer;
    if (replayed) {
        http_add_header(request->http, "Idempotent-Replayed", "true");
    }
    buf_clear(json);
    buf_putc(json, '{');
    json_write_member_int(json, "matched", replay->matched);
    buf_putc(json, '}');
    response_json(request, 202, json);
}

static void replay_many_on_asked(void *argument, enum redis_result result, const redisReply *reply) {
    struct ingest_request *request = argument;
    if (!request_reply_came(request)) {
        return;
    }
    if (result != REDIS_LINK_OK || reply->type != REDIS_REPLY_ARRAY || reply->elements < 1) {
        redis_failure_answer(request, result, reply);
        return;
    }
    enum library_word word = library_word(reply);
    if (word == WORD_REUSED) {
        response_error(request, API_IDEMPOTENCY_KEY_REUSED, "this Idempotency-Key was used with another payload");
    } else if (word == WORD_FULL) {
        response_unavailable(request, "too many replays wait", RETRY_FULL_SECS, false);
    } else {
        bool replayed = word == WORD_REPLAY;
        log_info("replay_asked", "request %s: %s dead letters%s", request->id, reply->element[1]->str,
                 replayed ? ", asked for before" : "");
        ((struct replay_many *)request->state)->matched = strtoll(reply->element[1]->str, NULL, 10);
        acceptor_answer(request, replayed, answer_matched);
    }
}

static int send_job(struct ingest_request *request, const char *last) {
    const struct settings *settings = request->with->settings;
    const struct replay_many *replay = request->state;
    const struct dead_letter_filter *filter = &replay->wish.filter;
    const char *key = http_header(request->http, "Idempotency-Key");
    char idempotency_key[IDEMPOTENCY_KEY_SIZE];
    uint8_t token[IDEMPOTENCY_TOKEN_SIZE];
    const char *pace = DECIMAL(replay->wish.per_second);
    const char *fields[] = {filter->provider, filter->class, filter->since, pace};
    const struct uuid none = {{0}};
    idempotency_token_of_texts(&none, fields, sizeof fields / sizeof *fields, token);
    idempotency_key_of_client(KEY_REPLAY_TAG, request->match.route->pattern, "", key != NULL ? key : "",
                              idempotency_key);
    const char *argv[] = {
        "FCALL",
        library_function(LIBRARY_REPLAY_ASK),
        "2",
        KEY_REPLAY_JOBS,
        idempotency_key,
        (const char *)token,
        DECIMAL(key != NULL ? settings->idempotency_ttl_secs * 1000 : 0),
        MOST_JOBS,
        DECIMAL(replay->matched),
        "provider",
        filter->provider != NULL ? filter->provider : "",
        "reason",
        filter->class != NULL ? filter->class : "",
        "since",
        filter->since,
        "last",
        last,
        "per_second",
        pace,
        "partitions",
        DECIMAL(settings->stream_partitions),
        "request_id",
        request->id,
    };
    enum { COUNT = sizeof argv / sizeof *argv };
    size_t lengths[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        lengths[i] = argv[i] == (const char *)token ? sizeof token : strlen(argv[i]);
    }
    return redis_link_call(request->with->redis, replay_many_on_asked, request, COUNT, argv, lengths);
}

static void replay_many_on_counted(struct ingest_request *request, const PGresult *rows) {
    struct replay_many *replay = request->state;
    replay->matched = database_int(rows, 0, MATCHED);
    if (replay->wish.dry_run) {
        answer_matched(request, false);
    } else if (acceptor_is_open(request)) {
        acceptor_sent(request, send_job(request, database_text(rows, 0, LAST)));
    }
}

void replay_many(struct ingest_request *request) {
    struct replay_many *replay = request_state(request, sizeof *replay);
    struct replay_request_error error;
    const char *key;
    size_t length;
    const char *body = http_body(request->http, &length);
    if (!acceptor_take_key(request, &key)) {
        return;
    }
    if (replay_request_parse(body, length, request->with->settings, &replay->wish, &error) != 0) {
        if (error.field != NULL) {
            response_bad_field(request, error.field, error.reason);
        } else {
            response_error(request, API_BAD_REQUEST, error.reason);
        }
        return;
    }
    const struct dead_letter_filter *filter = &replay->wish.filter;
    const char *values[] = {filter->provider, filter->class, filter->since};
    database_run(request, READ_DEAD_LETTERS_OPEN, 3, values, replay_many_on_counted);
}
