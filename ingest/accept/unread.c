// SPDX-License-Identifier: MIT
//
// What a customer wrote must not be lost over the form in which a provider brought it, and most providers don't repeat
// what was refused: so a webhook that is no message is kept before it is refused. It has passed the limits and, where
// there is a secret, its signature. How much is kept is bounded where it is kept, in Redis (redis/messaging.lua, keep).
//
// An older release doesn't read such an entry. While one runs, the answer is 503, which some providers repeat. Just
// after a start nobody knows yet whether one does: then the request waits, for others don't.
#include "ingest/accept/unread.h"

#include <stdio.h>
#include <string.h>

#include "ingest/accept/acceptor.h"
#include "ingest/accept/format_wait.h"
#include "ingest/accept/redis_failure.h"
#include "ingest/accept/refusal.h"
#include "ingest/access/rate_limit.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/base64.h"
#include "shared/base/clock.h"
#include "shared/base/crypto.h"
#include "shared/base/decimal.h"
#include "shared/base/hex.h"
#include "shared/base/log.h"
#include "shared/base/unicode.h"
#include "shared/message/format.h"
#include "shared/redis/keys.h"
#include "shared/redis/library.h"
#include "shared/redis/link.h"
#include "shared/redis/words.h"
#include "shared/settings/settings.h"

#define UNREAD_FORMAT 2 // from which on there are such entries
#define RETRY_FULL_SECS 5
#define MOST_MEDIA_TYPE 255 // characters; a longer one is none that anybody reads

enum { HASH_SIZE = 2 * SHA256_SIZE + 1 };

// Of the channel and the body: the same body may come to both routes, and is then two.
static void unread_hash(enum provider provider, const char *body, size_t length, char out[HASH_SIZE]) {
    struct buf hashed = {0};
    uint8_t digest[SHA256_SIZE];
    buf_puts(&hashed, provider_name(provider));
    buf_putc(&hashed, '\0');
    buf_append(&hashed, body, length);
    crypto_sha256(hashed.data, hashed.length, digest);
    hex_encode(digest, sizeof digest, out);
    buf_free(&hashed);
}

static void unread_log(const struct ingest_request *request, const char *event, bool again) {
    const struct unread *unread = request->state;
    size_t length;
    (void)http_body(request->http, &length);
    struct log_line *line = log_begin(LOG_WARN, event);
    log_str(line, "correlation_id", request->id);
    log_str(line, "path", http_path(request->http));
    log_str(line, "client_ip", request->client);
    log_str(line, "field", unread->field);
    log_str(line, "reason", unread->reason);
    log_int(line, "bytes", (int64_t)length);
    log_bool(line, "again", again);
    log_end(line);
}

static void unread_answer(struct ingest_request *request, bool replayed) {
    (void)replayed;
    const struct unread *unread = request->state;
    refusal_answer(request, unread->field, unread->reason);
}

static void unread_on_kept(void *argument, enum redis_result result, const redisReply *reply) {
    struct ingest_request *request = argument;
    if (!request_reply_came(request)) {
        return;
    }
    enum library_word word = result == REDIS_LINK_OK ? library_word(reply) : WORD_OTHER;
    switch ((int)word) {
    case WORD_OK:
    case WORD_REPLAY:
        counters_add(request->with->counters, COUNTER_WEBHOOKS_KEPT, word == WORD_OK);
        unread_log(request, "webhook_kept", word == WORD_REPLAY);
        acceptor_answer(request, word == WORD_REPLAY, unread_answer);
        break;
    case WORD_OVER:
        counters_add(request->with->counters, COUNTER_WEBHOOKS_NOT_KEPT, 1);
        unread_log(request, "webhook_not_kept", false);
        unread_answer(request, false);
        break;
    default:
        redis_failure_answer(request, result, reply);
        break;
    }
}

static const char *media_type_of(const struct ingest_request *request) {
    const char *given = http_header(request->http, "Content-Type");
    return given != NULL && unicode_is_printable_ascii(given, MOST_MEDIA_TYPE) ? given : "";
}

static int unread_send(struct ingest_request *request, enum provider provider, const char *hash, const char *raw,
                       size_t length) {
    const struct settings *settings = request->with->settings;
    const struct unread *unread = request->state;
    struct unread_keys keys;
    char address[CLIENT_LIMIT_KEY_SIZE];
    unread_keys_of(provider, &keys);
    client_address_limit_key(request->client, address);
    const char *argv[] = {
        "FCALL",
        library_function(LIBRARY_KEEP),
        "3",
        keys.events,
        keys.unread,
        keys.sizes,
        DECIMAL(settings->stream_max_backlog),
        DECIMAL(redis_link_now_ms(request->with->redis) + settings->redis_timeout_ms),
        DECIMAL(settings->webhook_unread_max),
        DECIMAL(settings->webhook_unread_max_bytes),
        hash,
        DECIMAL(length),
        address,
        DECIMAL((clock_monotonic_us() - http_started_us(request->http)) / 1000),
        "channel",
        provider == PROVIDER_EMAIL ? "email" : "sms",
        "field",
        unread->field,
        "why",
        unread->reason,
        "type",
        media_type_of(request),
        "from",
        request->client,
        "request",
        request->id,
        "raw",
        raw,
    };
    return redis_link_call(request->with->redis, unread_on_kept, request, sizeof argv / sizeof *argv, argv, NULL);
}

static void unread_hand_over(struct ingest_request *request, enum provider provider) {
    size_t length;
    const char *body = http_body(request->http, &length);
    char hash[HASH_SIZE];
    struct buf raw = {0};
    unread_hash(provider, body, length, hash);
    buf_reserve_exactly(&raw, (length + 2) / 3 * 4);
    base64_encode(body, length, &raw);
    acceptor_sent(request, unread_send(request, provider, hash, raw.data, length));
    buf_free(&raw);
}

void unread_keep(struct ingest_request *request, enum provider provider, const struct payload_error *error) {
    struct unread *unread = request->state;
    size_t length;
    (void)http_body(request->http, &length);
    snprintf(unread->field, sizeof unread->field, "%s", error->field);
    snprintf(unread->reason, sizeof unread->reason, "%s", error->reason);
    if (rate_limit_comes_first(request)) {
        return;
    }
    if (format_wait_for(request, UNREAD_FORMAT)) {
        return;
    }
    if (format_to_write() < UNREAD_FORMAT) {
        response_unavailable(request, "an older release is running, which could not keep what can't be read",
                             RETRY_FULL_SECS, false);
    } else if (!http_hold(request->http, 2 * length)) { // for what goes to Redis
        response_crowded(request);
    } else if (acceptor_is_open(request)) {
        unread_hand_over(request, provider);
    }
}
