// SPDX-License-Identifier: MIT
#include "ingest/accept/intake.h"

#include <string.h>

#include "ingest/accept/acceptance.h"
#include "ingest/accept/acceptor.h"
#include "ingest/accept/format_wait.h"
#include "ingest/accept/former.h"
#include "ingest/accept/idempotency.h"
#include "ingest/accept/ours.h"
#include "ingest/accept/payload.h"
#include "ingest/accept/refusal.h"
#include "ingest/accept/scheduled.h"
#include "ingest/accept/undecided.h"
#include "ingest/accept/unread.h"
#include "ingest/access/rate_limit.h"
#include "ingest/request/log.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "ingest/request/webhook.h"
#include "shared/base/clock.h"
#include "shared/message/format.h"
#include "shared/message/message_id.h"
#include "shared/redis/opt_out_call.h"
#include "shared/settings/settings.h"

#define TRACEPARENT_LENGTH 55 // of version 00

static void refuse_payload(struct ingest_request *request, const struct payload_error *error) {
    if (!rate_limit_comes_first(request)) {
        refusal_answer(request, error->field, error->reason);
    }
}

// W3C Trace Context, "traceparent": 2, 32, 16 and 2 hexadecimal digits joined by '-'. One that isn't is not carried.
static char *copy_traceparent(const struct ingest_request *request) {
    const char *given = http_header(request->http, "traceparent");
    if (given == NULL || strlen(given) < TRACEPARENT_LENGTH) {
        return NULL;
    }
    for (size_t i = 0; i < TRACEPARENT_LENGTH; i++) {
        bool dash = i == 2 || i == 35 || i == 52;
        if (dash ? given[i] != '-' : strchr("0123456789abcdef", given[i]) == NULL) {
            return NULL;
        }
    }
    return xstrndup(given, TRACEPARENT_LENGTH);
}

// A mock inbound that names no provider message id gets one of its own. It is made after the digest: the same request
// again under an Idempotency-Key is still the same.
static void make_provider_id(struct message *message) {
    struct uuid id = uuid_v7();
    char text[UUID_TEXT_SIZE];
    uuid_format(&id, text);
    message->provider_message_id = xasprintf("mock-%s", text);
}

// What Redis shall know the message by: the client's key, else the provider's id, else nothing.
static void intake_identify(struct ingest_request *request, const char *key, struct message *message, bool stamped,
                            struct accept_identity *identity) {
    const struct message given = *message;
    if (message->direction == MESSAGE_INBOUND && message->provider_message_id == NULL) {
        make_provider_id(message);
    }
    struct message_pair pair;
    message_pair_of(message, &pair);
    identity->id = message_id_make(message, &pair);
    uuid_format(&identity->id, request->message_id);
    identity->remembered = key != NULL || message->direction == MESSAGE_INBOUND;
    if (identity->remembered) {
        idempotency_token(&identity->id, &given, stamped, identity->token);
    }
    if (key != NULL) {
        idempotency_key_of_client(identity->keys->tag, request->match.route->pattern, message->sender, key,
                                  identity->key);
        if (message->direction == MESSAGE_OUTBOUND) {
            undecided_name(request, identity->key, identity->token, &identity->id);
            uuid_format(&identity->id, request->message_id);
        }
    } else if (identity->remembered) {
        idempotency_key_of_provider(identity->keys->tag, message_provider(message->type), message->provider_message_id,
                                    &pair, identity->key);
    }
    message_pair_free(&pair);
}

// As the provider wants to be answered.
static void intake_answer_provider(struct ingest_request *request, bool replayed) {
    const struct provider_way_in *way = request->way_in;
    if (way->answer_type == NULL) {
        response_accepted_as(request, way->status != 0 ? way->status : 202, replayed);
        return;
    }
    struct buf body = {0};
    buf_puts(&body, way->answer_body);
    response_content(request, way->status, way->answer_type, &body);
    buf_free(&body);
}

// Whether it must wait, or is refused, because a program of an older release that couldn't read it runs, or may. Then
// some providers bring it again.
static bool is_beyond_others(struct ingest_request *request, const struct message *message) {
    int format = scheduled_format(message, redis_link_now_ms(request->with->redis));
    if (format_wait_for(request, format)) {
        return true;
    }
    if (format <= format_to_write()) {
        return false;
    }
    if (!rate_limit_comes_first(request)) {
        format_wait_refuse(request);
    }
    return true;
}

// What an older persister stores is a message and no more. So it is waited for where that helps; else the message is
// worth more than that Postgres knows of it, for Redis does.
static bool opt_out_waits(struct ingest_request *request, const struct message *message) {
    return message->opt_out != OPT_OUT_NONE && format_wait_for(request, OPT_OUT_FORMAT);
}

// For what goes to Redis.
static bool intake_has_room(struct ingest_request *request) {
    size_t length;
    (void)http_body(request->http, &length);
    return request->take_error != NULL || http_hold(request->http, length);
}

static void intake_hand_on(struct ingest_request *request, const char *key, struct message *message, bool stamped) {
    if (ours_ask(request, message)) {
        return;
    }
    struct accept_identity identity = {.keys = acceptor_keys(request->with->acceptor, message)};
    const struct former_wish wish = {.keys = identity.keys, .message = message, .key = key};
    if (opt_out_waits(request, message) || is_beyond_others(request, message) ||
        (key != NULL && former_ask(request, &wish))) {
        return;
    }
    intake_identify(request, key, message, stamped, &identity);
    if (request->is_signed && request->limit == LIMIT_NONE) {
        identity.signature = request->signature;
    }
    if (message->direction == MESSAGE_INBOUND && !webhook_is_route(request->match.route)) {
        request_log_mock(request, "mock_inbound");
    }
    if (intake_has_room(request)) {
        ours_note(request, message);
        acceptor_message(request, message, &identity);
    } else if (!rate_limit_comes_first(request)) {
        response_crowded(request);
    }
}

struct payload_rules intake_rules(const struct ingest_request *request) {
    const struct settings *settings = request->with->settings;
    return (struct payload_rules){(size_t)settings->max_attachments, clock_unix_ms(), settings->phone_region,
                                  settings->opt_out, redis_link_now_ms(request->with->redis)};
}

static void intake_complete(const struct ingest_request *request, const struct payload_rules *rules,
                            struct message *message) {
    message->accepted_ms = rules->now_ms;
    message->request_id = xstrdup(request->id);
    message->traceparent = copy_traceparent(request);
}

void intake_message(struct ingest_request *request, const struct intake_body *body, const char *key) {
    struct payload_error error;
    struct message message;
    bool stamped;
    if (payload_parse(body->kind, body->text, body->length, body->rules, &message, &stamped, &error) != 0) {
        refuse_payload(request, &error);
        return;
    }
    intake_complete(request, body->rules, &message);
    intake_hand_on(request, key, &message, stamped);
    message_free(&message);
}

static void intake_take(struct ingest_request *request, enum payload_kind kind) {
    struct acceptance *acceptance = request_state(request, sizeof *acceptance);
    acceptance->accepted = response_accepted;
    const char *key = NULL;
    if (!acceptor_take_key(request, &key)) {
        return;
    }
    struct payload_rules rules = intake_rules(request);
    struct intake_body body = {.kind = kind, .rules = &rules};
    body.text = http_body(request->http, &body.length);
    intake_message(request, &body, key);
}

void intake_send_sms(struct ingest_request *request) {
    intake_take(request, PAYLOAD_SEND_SMS);
}

void intake_send_email(struct ingest_request *request) {
    intake_take(request, PAYLOAD_SEND_EMAIL);
}

// No Idempotency-Key: a webhook's is its provider's id. An attacker who captured one could repeat it under ever new
// keys.
void intake_webhook(struct ingest_request *request) {
    struct unread *state = request_state(request, sizeof *state);
    state->acceptance.accepted = intake_answer_provider;
    const struct provider_way_in *way = request->way_in;
    struct payload_rules rules = intake_rules(request);
    struct payload_error error;
    struct message message;
    struct webhook_post post;
    bool stamped;
    webhook_post_of(request, &post);
    int result = payload_parse_post(way, &post.post, &rules, &message, &stamped, &error);
    webhook_post_free(&post);
    if (result != 0) {
        unread_keep(request, way->provider, &error);
        return;
    }
    intake_complete(request, &rules, &message);
    intake_hand_on(request, NULL, &message, stamped);
    message_free(&message);
}

void intake_mock_inbound(struct ingest_request *request) {
    intake_take(request, PAYLOAD_MOCK_INBOUND);
}
