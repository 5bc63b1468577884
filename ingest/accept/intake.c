// SPDX-License-Identifier: MIT
#include "ingest/accept/intake.h"

#include <string.h>

#include "ingest/accept/acceptance.h"
#include "ingest/accept/acceptor.h"
#include "ingest/accept/former.h"
#include "ingest/accept/idempotency.h"
#include "ingest/accept/payload.h"
#include "ingest/access/rate_limit.h"
#include "ingest/request/log.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/clock.h"
#include "shared/settings/settings.h"

#define TRACEPARENT_LENGTH 55 // of version 00

// Fields that say from whom to whom by which way.
static bool is_routing(const char *field) {
    static const char *const names[] = {"from", "to", "type", "channel"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(field, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void refuse_payload(struct ingest_request *request, const struct payload_error *error) {
    if (rate_limit_comes_first(request)) {
        return;
    }
    if (is_routing(error->field)) {
        counters_add(request->with->counters, COUNTER_INVALID_ROUTING, 1);
    }
    if (error->field[0] != '\0') {
        response_bad_field(request, error->field, error->reason);
    } else {
        response_error(request, API_BAD_REQUEST, error->reason);
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

static struct uuid make_id(const struct message *message) {
    if (message->direction == MESSAGE_OUTBOUND) {
        return uuid_v7();
    }
    return uuid_v8(provider_name(message_provider(message->type)), message->provider_message_id);
}

// What Redis shall know the message by: the client's key, else the provider's id, else nothing.
static void intake_identify(struct ingest_request *request, const char *key, struct message *message, bool stamped,
                            struct accept_identity *identity) {
    struct message given = *message;
    if (message->direction == MESSAGE_INBOUND && message->provider_message_id == NULL) {
        make_provider_id(message);
    }
    identity->id = make_id(message);
    uuid_format(&identity->id, request->message_id);
    identity->remembered = key != NULL || message->direction == MESSAGE_INBOUND;
    idempotency_token(&identity->id, key != NULL ? &given : NULL, stamped, identity->token);
    if (key != NULL) {
        idempotency_key_of_client(identity->keys->tag, request->match.route->pattern, message->sender, key,
                                  identity->key);
    } else if (identity->remembered) {
        idempotency_key_of_provider(identity->keys->tag, message_provider(message->type), message->provider_message_id,
                                    identity->key);
    }
}

static bool is_webhook(enum payload_kind kind) {
    return kind == PAYLOAD_WEBHOOK_SMS || kind == PAYLOAD_WEBHOOK_EMAIL;
}

static void intake_take(struct ingest_request *request, enum payload_kind kind) {
    const struct settings *settings = request->with->settings;
    (void)request_state(request, sizeof(struct acceptance));
    // A webhook's is its provider's id: an attacker who captured one could repeat it under ever new keys.
    const char *key = NULL;
    if (!is_webhook(kind) && !acceptor_take_key(request, &key)) {
        return;
    }
    struct payload_rules rules = {(size_t)settings->max_attachments, clock_unix_ms(), settings->phone_region};
    struct payload_error error;
    struct message message;
    bool stamped;
    size_t length;
    const char *body = http_body(request->http, &length);
    if (payload_parse(kind, body, length, &rules, &message, &stamped, &error) != 0) {
        refuse_payload(request, &error);
        return;
    }
    message.accepted_ms = rules.now_ms;
    message.request_id = xstrdup(request->id);
    message.traceparent = copy_traceparent(request);

    struct accept_identity identity = {.keys = acceptor_keys(request->with->acceptor, &message)};
    const struct former_wish wish = {.keys = identity.keys, .message = &message, .key = key};
    if (key != NULL && former_ask(request, &wish)) {
        message_free(&message);
        return;
    }
    intake_identify(request, key, &message, stamped, &identity);
    if (request->is_signed && request->limit == LIMIT_NONE) {
        identity.signature = request->signature;
    }
    if (kind == PAYLOAD_MOCK_INBOUND) {
        request_log_mock(request, "mock_inbound");
    }
    if (http_hold(request->http, length)) { // for what goes to Redis
        acceptor_message(request, &message, &identity);
    } else if (!rate_limit_comes_first(request)) {
        response_crowded(request);
    }
    message_free(&message);
}

void intake_send_sms(struct ingest_request *request) {
    intake_take(request, PAYLOAD_SEND_SMS);
}

void intake_send_email(struct ingest_request *request) {
    intake_take(request, PAYLOAD_SEND_EMAIL);
}

void intake_webhook_sms(struct ingest_request *request) {
    intake_take(request, PAYLOAD_WEBHOOK_SMS);
}

void intake_webhook_email(struct ingest_request *request) {
    intake_take(request, PAYLOAD_WEBHOOK_EMAIL);
}

void intake_mock_inbound(struct ingest_request *request) {
    intake_take(request, PAYLOAD_MOCK_INBOUND);
}
