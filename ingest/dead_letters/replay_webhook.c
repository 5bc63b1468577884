// SPDX-License-Identifier: MIT
#include "ingest/dead_letters/replay_webhook.h"

#include <stdio.h>
#include <string.h>

#include "ingest/accept/acceptor.h"
#include "ingest/accept/former.h"
#include "ingest/accept/idempotency.h"
#include "ingest/accept/ours.h"
#include "ingest/accept/payload.h"
#include "ingest/dead_letters/replay_answer.h"
#include "ingest/read/database.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/base64.h"
#include "shared/base/clock.h"
#include "shared/base/decimal.h"
#include "shared/message/format.h"
#include "shared/message/message_id.h"
#include "shared/provider/provider.h"
#include "shared/redis/keys.h"
#include "shared/redis/library.h"
#include "shared/redis/link.h"
#include "shared/settings/settings.h"

#define REREAD_FORMAT 2 // from which on there are such entries
#define RETRY_SECS 5

// The columns of ingest/read/sql/dead_letter.sql that matter here.
enum { MEDIA_TYPE = 11, RAW = 14, CHANNEL = 18, ARRIVED_MS, HASH };

// As its route would read it, whichever adapter was chosen then. NULL: as nothing. type may be NULL: none is known.
static const struct provider_way_in *replay_webhook_way(const char *channel, const char *type) {
    enum provider provider = strcmp(channel, "email") == 0 ? PROVIDER_EMAIL : PROVIDER_SMS_MMS;
    return provider_way_in_of_any(provider, PROVIDER_ROUTE_MESSAGES, type != NULL ? type : "application/json");
}

// Reads what a kept webhook holds. Returns 0, or -1 with *error set.
static int replay_webhook_read(const struct ingest_request *request, const PGresult *rows, struct message *out,
                               bool *stamped, struct payload_error *error) {
    const struct settings *settings = request->with->settings;
    const char *text = database_text(rows, 0, RAW), *type = database_text_or_null(rows, 0, MEDIA_TYPE);
    int64_t arrived_ms = database_int(rows, 0, ARRIVED_MS);
    struct payload_rules rules = {(size_t)settings->max_attachments, arrived_ms, settings->phone_region,
                                  settings->opt_out, arrived_ms};
    *error = (struct payload_error){.reason = "its media type is not one that can be read"};
    const struct provider_way_in *way = replay_webhook_way(database_text(rows, 0, CHANNEL), type);
    if (way == NULL) {
        return -1;
    }
    struct buf raw = {0};
    int result = -1;
    if (base64_decode(text, strlen(text), &raw)) { // Postgres wrote it
        const struct provider_post post = {.content_type = type, .body = raw.data, .length = raw.length};
        result = payload_parse_post(way, &post, &rules, out, stamped, error);
    }
    buf_free(&raw);
    return result;
}

// What Redis shall know the message and the request by.
struct replay_names {
    const struct partition_keys *keys;
    const char *letter; // the dead letter's hash, of channel and body: a restored Postgres gives its ids once more
    char guard[KEY_GUARD_SIZE];
    char of_provider[IDEMPOTENCY_KEY_SIZE], of_caller[IDEMPOTENCY_KEY_SIZE];
    uint8_t token[IDEMPOTENCY_TOKEN_SIZE], caller[IDEMPOTENCY_TOKEN_SIZE];
};

static void replay_webhook_name(struct ingest_request *request, const struct message *message, bool stamped,
                                const char *key, struct replay_names *out) {
    struct message_pair pair;
    message_pair_of(message, &pair);
    struct uuid id = message_id_make(message, &pair);
    uuid_format(&id, request->message_id);
    out->keys = acceptor_keys(request->with->acceptor, message);
    replay_guard_key(out->keys->tag, out->letter, 0, out->guard);
    idempotency_token(&id, message, stamped, out->token);
    idempotency_key_of_provider(out->keys->tag, message_provider(message->type), message->provider_message_id, &pair,
                                out->of_provider);
    message_pair_free(&pair);
    idempotency_token_of_texts(&id, &out->letter, 1, out->caller);
    idempotency_key_of_client(out->keys->tag, request->match.route->pattern, message->sender, key != NULL ? key : "",
                              out->of_caller);
}

static int replay_webhook_send(struct ingest_request *request, const struct message *message,
                               const struct replay_names *names, bool has_key, bool recorded) {
    const struct settings *settings = request->with->settings;
    const char *ttl = DECIMAL(settings->idempotency_ttl_secs * 1000);
    struct buf payload = {0};
    message_encode(message, &payload);
    const char *argv[] = {
        "FCALL",
        library_function(LIBRARY_REREAD),
        "4",
        names->keys->events,
        names->guard,
        names->of_provider,
        names->of_caller,
        names->letter,
        request->message_id,
        (const char *)names->token,
        payload.data,
        DECIMAL(settings->stream_max_backlog),
        recorded ? "1" : "0",
        ttl,
        has_key ? ttl : "0",
        (const char *)names->caller + UUID_BYTES,
    };
    enum { COUNT = sizeof argv / sizeof *argv, TOKEN = 9 };
    size_t lengths[COUNT];
    for (size_t i = 0; i < COUNT - 1; i++) {
        lengths[i] = i == TOKEN ? sizeof names->token : strlen(argv[i]);
    }
    lengths[COUNT - 1] = IDEMPOTENCY_HASH_SIZE;
    int sent = redis_link_call(request->with->redis, replay_answer_on_replayed, request, COUNT, argv, lengths);
    buf_free(&payload);
    return sent;
}

static void replay_webhook_accept(struct ingest_request *request, struct message *message, bool stamped,
                                  const char *letter, bool recorded) {
    const char *key = http_header(request->http, "Idempotency-Key");
    struct replay_names names = {.letter = letter};
    if (ours_ask(request, message)) {
        return;
    }
    message->accepted_ms = clock_unix_ms();
    message->request_id = xstrdup(request->id);
    replay_webhook_name(request, message, stamped, key, &names);
    const struct former_wish wish = {.keys = names.keys, .message = message, .key = key, .guarded = letter};
    if (!former_ask(request, &wish) && acceptor_is_open(request)) {
        acceptor_sent(request, replay_webhook_send(request, message, &names, key != NULL, recorded));
    }
}

void replay_webhook(struct ingest_request *request, const PGresult *rows, bool recorded) {
    struct message message;
    struct payload_error error;
    bool stamped;
    if (replay_webhook_read(request, rows, &message, &stamped, &error) != 0) {
        response_conflict_field(request, error.field, error.reason);
    } else if (format_to_write() < REREAD_FORMAT) {
        response_unavailable(request, "an older release is running, which could not record the replay", RETRY_SECS,
                             false);
        message_free(&message);
    } else {
        replay_webhook_accept(request, &message, stamped, database_text(rows, 0, HASH), recorded);
        message_free(&message);
    }
}
