// SPDX-License-Identifier: MIT
#include "ingest/access/access.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ingest/access/api_keys.h"
#include "ingest/access/rate_limit.h"
#include "ingest/access/signature.h"
#include "ingest/request/media_type.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"

#define MOST_KEY_BYTES 512

static const struct {
    const char *reason;    // for the log
    const char *message;   // for the client; a 403's is made
    const char *challenge; // WWW-Authenticate: RFC 9110, 11.6.1, wants one with each 401
} refusals[] = {
    [ACCESS_NO_KEY] = {"no key", "a key is needed: Authorization: Bearer KEY, or X-API-Key", "Bearer realm=\"api\""},
    [ACCESS_WRONG_KEY] = {"unknown key", "there is no such key", "Bearer realm=\"api\", error=\"invalid_token\""},
    [ACCESS_NO_SCOPE] = {"key without the scope", NULL, NULL},
    [ACCESS_NO_SIGNATURE] = {"no signature", "a signature is needed: X-Signature: t=SECONDS,v1=HMAC-SHA256",
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

bool access_signs(const struct settings *settings, unsigned provider) {
    for (size_t i = 0; i < WEBHOOK_SECRETS; i++) {
        if (settings->webhook_secrets[provider][i][0] != '\0') {
            return true;
        }
    }
    return false;
}

static unsigned provider_of(const struct route *route) {
    return route->flags & ROUTE_WEBHOOK_SMS ? PROVIDER_SMS_MMS : PROVIDER_EMAIL;
}

static enum access verdict_of(enum signature signature) {
    switch (signature) {
    case SIGNATURE_RIGHT:
        return ACCESS_GRANTED;
    case SIGNATURE_STALE:
        return ACCESS_STALE_SIGNATURE;
    case SIGNATURE_MALFORMED:
    case SIGNATURE_WRONG:
        break;
    }
    return ACCESS_WRONG_SIGNATURE;
}

static enum access check_twilio(struct ingest_request *request, const char *header) {
    const struct settings *settings = request->with->settings;
    const char *target = http_target(request->http);
    if (settings->webhook_public_url[0] == '\0' || target == NULL) {
        log_warn("signature_unchecked", "X-Twilio-Signature can't be checked: WEBHOOK_PUBLIC_URL is not set");
        return ACCESS_WRONG_SIGNATURE;
    }
    struct twilio_request twilio = {
        .body_sha256 = http_query(request->http, "bodySHA256", NULL),
        .is_form = media_type_is_form(http_header(request->http, "Content-Type")),
    };
    twilio.body = http_body(request->http, &twilio.length);
    char *url = xasprintf("%s%s", settings->webhook_public_url, target);
    twilio.url = url;
    enum signature verdict =
        signature_check_twilio(header, &twilio, settings->webhook_secrets[PROVIDER_SMS_MMS], request->signature);
    free(url);
    return verdict_of(verdict);
}

static enum access check_signature(struct ingest_request *request) {
    const struct settings *settings = request->with->settings;
    unsigned provider = provider_of(request->match.route);
    const char *generic = http_header(request->http, "X-Signature");
    const char *twilio = http_header(request->http, "X-Twilio-Signature");
    if (generic != NULL) {
        size_t length;
        const char *body = http_body(request->http, &length);
        return verdict_of(signature_check(generic, body, length, settings->webhook_secrets[provider],
                                          clock_unix_ms() / 1000, settings->webhook_tolerance_secs,
                                          request->signature));
    }
    return twilio != NULL && provider == PROVIDER_SMS_MMS ? check_twilio(request, twilio) : ACCESS_NO_SIGNATURE;
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
    if (route->flags & (ROUTE_WEBHOOK_SMS | ROUTE_WEBHOOK_EMAIL)) {
        bool is_signed = access_signs(request->with->settings, provider_of(route));
        request->access = is_signed ? ACCESS_BY_SIGNATURE : ACCESS_GRANTED;
    } else if (request->with->keys != NULL && route->scope != SCOPE_NONE) {
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
    count_guess(request);
}

bool access_holds(const struct ingest_request *request) {
    const struct route *route = request->match.route;
    struct api_key_owner owner;
    return request->with->keys == NULL || route->scope == SCOPE_NONE ||
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
