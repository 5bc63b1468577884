// SPDX-License-Identifier: MIT
#include "ingest/access/access.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ingest/access/api_keys.h"
#include "ingest/access/rate_limit.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "ingest/request/webhook.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/provider/provider.h"
#include "shared/settings/live.h"

#define MOST_KEY_BYTES 512

static const struct {
    const char *reason;    // for the log
    const char *message;   // for the client; a 403's is made
    const char *challenge; // WWW-Authenticate: RFC 9110, 11.6.1, wants one with each 401
} refusals[] = {
    [ACCESS_NO_KEY] = {"no key", "a key is needed: Authorization: Bearer KEY, or X-API-Key", "Bearer realm=\"api\""},
    [ACCESS_WRONG_KEY] = {"unknown key", "there is no such key", "Bearer realm=\"api\", error=\"invalid_token\""},
    [ACCESS_NO_SCOPE] = {"key without the scope", NULL, NULL},
    [ACCESS_NO_SIGNATURE] = {"no signature",
                             "a signature is needed: its provider's, or X-Signature: t=SECONDS,v1=HMAC-SHA256",
                             "Signature realm=\"webhooks\""},
    [ACCESS_WRONG_SIGNATURE] = {"wrong signature", "the signature is not this request's",
                                "Signature realm=\"webhooks\", error=\"invalid_signature\""},
    [ACCESS_STALE_SIGNATURE] = {"stale signature", "the signature's time is too far from ours",
                                "Signature realm=\"webhooks\", error=\"stale_signature\""},
};

static void log_refusal(const struct ingest_request *request) {
    struct log_line *line = log_begin(LOG_WARN, "access_refused");
    log_str(line, "reason", refusals[request->access].reason);
    log_str(line, "client_ip", request->client);
    log_str(line, "correlation_id", request->id);
    log_str(line, "key_name", request->key_name);
    log_end(line);
}

// ---- Keys

// RFC 6750, 2.1, or X-API-Key. NULL: there is none.
static const char *given_key(const struct ingest_request *request) {
    static const char scheme[] = "Bearer ";
    const char *value = http_header(request->http, "Authorization");
    if (value != NULL && strncasecmp(value, scheme, sizeof scheme - 1) == 0) {
        value += sizeof scheme - 1;
        return value + strspn(value, " ");
    }
    return http_header(request->http, "X-API-Key");
}

static enum access check_key(const struct ingest_request *request, unsigned scope, struct api_key_owner *owner) {
    const char *key = given_key(request);
    if (key == NULL) {
        return ACCESS_NO_KEY;
    }
    size_t length = strnlen(key, MOST_KEY_BYTES + 1);
    if (length > MOST_KEY_BYTES || !api_keys_find(request->with->keys, key, length, owner)) {
        return ACCESS_WRONG_KEY;
    }
    return owner->scopes & scope ? ACCESS_GRANTED : ACCESS_NO_SCOPE;
}

// ---- Signatures

static enum access verdict_of(enum signature signature) {
    switch (signature) {
    case SIGNATURE_RIGHT:
        return ACCESS_GRANTED;
    case SIGNATURE_MISSING:
        return ACCESS_NO_SIGNATURE;
    case SIGNATURE_STALE:
        return ACCESS_STALE_SIGNATURE;
    case SIGNATURE_MALFORMED:
    case SIGNATURE_WRONG:
        break;
    }
    return ACCESS_WRONG_SIGNATURE;
}

// What nobody posts there will be refused for its media type, but not before it is known whose it is: as its route's
// first way in knows it.
static const struct provider_way_in *way_to_verify(const struct ingest_request *request) {
    const struct route *route = request->match.route;
    return request->way_in != NULL
               ? request->way_in
               : provider_way_in_at(request->with->settings, webhook_provider(route), webhook_route(route), 0);
}

static enum access check_signature(struct ingest_request *request) {
    struct webhook_post post;
    webhook_post_of(request, &post);
    const struct settings *settings = settings_live_take(request->with->now);
    enum signature verdict =
        way_to_verify(request)->verify(settings, &post.post, clock_unix_ms() / 1000, request->signature);
    settings_live_give_back(request->with->now, settings);
    webhook_post_free(&post);
    return verdict_of(verdict);
}

// ---- The decision

// What is missing says nothing about anybody's guessing; what is wrong counts.
static void count_guess(struct ingest_request *request) {
    if (request->access == ACCESS_WRONG_KEY || request->access == ACCESS_WRONG_SIGNATURE) {
        rate_limit_ask_failures(request);
    }
}

void access_read_headers(struct ingest_request *request) {
    const struct route *route = request->match.route;
    if (webhook_is_route(route)) {
        const struct settings *settings = settings_live_take(request->with->now);
        bool is_signed = way_to_verify(request)->is_signed(settings);
        settings_live_give_back(request->with->now, settings);
        request->access = is_signed ? ACCESS_BY_SIGNATURE : ACCESS_GRANTED;
    } else if (api_keys_are_asked_for(request->with->keys) && route->scope != SCOPE_NONE) {
        struct api_key_owner owner = {.name = ""};
        request->access = check_key(request, route->scope, &owner);
        strcpy(request->key_name, owner.name);
        count_guess(request);
    }
    if (request->access == ACCESS_NO_KEY || request->access == ACCESS_NO_SCOPE) {
        (void)!access_check(request); // at once: nobody waits for a stranger's body
    }
}

void access_read_body(struct ingest_request *request) {
    if (request->access != ACCESS_BY_SIGNATURE) {
        return;
    }
    if (request->body != HTTP_BODY_OK) { // it is answered 400, 408 or 413, and nobody reads it
        request->access = ACCESS_GRANTED;
        return;
    }
    request->access = check_signature(request);
    request->is_signed = request->access == ACCESS_GRANTED;
    if (!request->is_signed) { // a stranger's, or the vendor's while a secret or the public URL is another than its
        counters_add(request->with->counters, COUNTER_WEBHOOKS_UNSIGNED, 1);
    }
    count_guess(request);
}

bool access_holds(const struct ingest_request *request) {
    const struct route *route = request->match.route;
    struct api_key_owner owner;
    return !api_keys_are_asked_for(request->with->keys) || route->scope == SCOPE_NONE ||
           check_key(request, route->scope, &owner) == ACCESS_GRANTED;
}

bool access_check(struct ingest_request *request) {
    if (request->access == ACCESS_GRANTED) {
        return true;
    }
    if (request->limit == LIMIT_REFUSED) {
        response_limited(request, "address", "wrong keys and signatures");
        return false;
    }
    log_refusal(request);
    if (request->access == ACCESS_NO_SCOPE) {
        response_forbidden(request, api_scope_name(request->match.route->scope));
    } else {
        response_unauthorized(request, refusals[request->access].challenge, refusals[request->access].message);
    }
    return false;
}
