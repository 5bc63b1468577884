// SPDX-License-Identifier: MIT
#include "ingest/access/origin.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ingest/access/api_keys.h"
#include "ingest/access/origin_rules.h"
#include "ingest/request/client_address.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/log.h"

#define MOST_SHOWN 200 // bytes of what a client wrote, in an answer
#define PREFLIGHT_SECS "600"

// What a page may send beside what it may anyway, and see of an answer.
static const char request_headers[] = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, "
                                      "traceparent, X-API-Key, X-Request-Id";
static const char answer_headers[] = "Allow, ETag, Idempotent-Replayed, Link, Location, RateLimit, RateLimit-Limit, "
                                     "RateLimit-Policy, RateLimit-Remaining, RateLimit-Reset, Retry-After, "
                                     "WWW-Authenticate, X-Request-Id";

// ---- Whose page it is

// X-Forwarded-Host and X-Forwarded-Proto, as a proxy that is trusted passes them on; each may be a list. Whatever of it
// a client has put there before the proxy did no harm: a page of another origin can't send such a header without leave.
struct forwarded {
    const char *origin;
    bool is_ours;
    bool behind_tls;
};

static void look_for_tls(void *argument, const char *name, const char *value) {
    struct forwarded *forwarded = argument;
    if (strcasecmp(name, "X-Forwarded-Proto") == 0 && strcasestr(value, "https") != NULL) {
        forwarded->behind_tls = true;
    }
}

static void compare_hosts(void *argument, const char *name, const char *value) {
    struct forwarded *forwarded = argument;
    if (strcasecmp(name, "X-Forwarded-Host") != 0) {
        return;
    }
    for (const char *at = value + strspn(value, ", \t"); *at != '\0'; at += strspn(at, ", \t")) {
        size_t length = strcspn(at, ", \t");
        struct http_host host;
        if (http_host_parse(at, length, &host) && origin_is_of(forwarded->origin, &host, forwarded->behind_tls)) {
            forwarded->is_ours = true;
        }
        at += length;
    }
}

static bool is_ours(const struct ingest_request *request, const char *origin) {
    struct forwarded forwarded = {.origin = origin};
    bool by_proxy = client_address_is_trusted(request->with->trusted_proxies, http_peer(request->http));
    if (by_proxy) {
        http_each_header(request->http, look_for_tls, &forwarded);
        http_each_header(request->http, compare_hosts, &forwarded);
    }
    return forwarded.is_ours || origin_is_of(origin, http_host(request->http), forwarded.behind_tls);
}

// Origin is sent with every write of a page by browsers of the last ten years, Sec-Fetch-Site by those of the last
// five, over TLS and to this machine itself. Without an Origin, its "cross-site" is taken at its word.
static bool is_foreign_page(const struct ingest_request *request) {
    const char *site = http_header(request->http, "Sec-Fetch-Site");
    const char *origin = http_header(request->http, "Origin");
    if (site != NULL && strcmp(site, "same-origin") == 0) {
        return false;
    }
    if (origin == NULL) {
        return site != NULL && strcmp(site, "none") != 0;
    }
    return !origin_rules_lists(request->with->origins, origin) && !is_ours(request, origin);
}

static bool writes(const struct ingest_request *request) {
    const char *method = http_method(request->http);
    return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0;
}

static bool is_of_api(const struct ingest_request *request) {
    return strncmp(request->match.route->pattern, "/api/", 5) == 0;
}

void origin_read_headers(struct ingest_request *request) {
    const struct ingest_resources *with = request->with;
    if (!api_keys_are_asked_for(with->keys) && is_of_api(request) &&
        !origin_rules_know(with->origins, http_host(request->http))) {
        request->origin = ORIGIN_FOREIGN_HOST;
    } else if (writes(request) && is_foreign_page(request)) {
        request->origin = ORIGIN_FOREIGN_PAGE;
    }
}

// ---- The refusal

static void origin_refuse(struct ingest_request *request, const char *name, const char *value, const char *setting,
                          const char *message) {
    struct log_line *line = log_begin(LOG_WARN, "origin_refused");
    log_str(line, name, value);
    log_str(line, "client_ip", request->client);
    log_str(line, "correlation_id", request->id);
    log_str(line, "message", message);
    log_end(line);
    response_foreign(request, name, value, setting, message);
}

static void refuse_host(struct ingest_request *request) {
    const char *host = http_host(request->http)->name;
    char message[MOST_SHOWN + 256];
    snprintf(message, sizeof message,
             "no key is asked for here, so that a host must be known; list %.*s in ALLOWED_HOSTS, or set API_KEYS",
             MOST_SHOWN, host);
    origin_refuse(request, "host", host, "ALLOWED_HOSTS", message);
}

static void refuse_page(struct ingest_request *request) {
    const char *origin = http_header(request->http, "Origin");
    char message[MOST_SHOWN + 256];
    snprintf(message, sizeof message,
             "a page of another origin may not write here; list %.*s in CORS_ALLOWED_ORIGINS or, where it is this "
             "service's own, let the proxy pass on Host or X-Forwarded-Host",
             MOST_SHOWN, origin != NULL ? origin : "it");
    origin_refuse(request, "origin", origin, "CORS_ALLOWED_ORIGINS", message);
}

bool origin_check(struct ingest_request *request) {
    switch (request->origin) {
    case ORIGIN_ADMITTED:
        return true;
    case ORIGIN_FOREIGN_HOST:
        refuse_host(request);
        break;
    case ORIGIN_FOREIGN_PAGE:
        refuse_page(request);
        break;
    }
    return false;
}

// ---- CORS

void origin_add_headers(struct ingest_request *request) {
    const struct origin_rules *rules = request->with->origins;
    if (!origin_rules_lists_any(rules)) {
        return;
    }
    const char *origin = http_header(request->http, "Origin");
    http_add_header(request->http, "Vary", "Origin"); // also for who sent none: a cache may give it to one that does
    if (origin != NULL && origin_rules_lists(rules, origin)) {
        http_add_header(request->http, "Access-Control-Allow-Origin", origin);
        http_add_header(request->http, "Access-Control-Expose-Headers", answer_headers);
    }
}

static void allow_preflight(struct ingest_request *request) {
    http_add_header(request->http, "Access-Control-Allow-Methods", request->match.allow);
    http_add_header(request->http, "Access-Control-Allow-Headers", request_headers);
    http_add_header(request->http, "Access-Control-Max-Age", PREFLIGHT_SECS);
    http_add_header(request->http, "Vary", "Access-Control-Request-Method, Access-Control-Request-Headers");
}

bool origin_answer_options(struct ingest_request *request) {
    const struct origin_rules *rules = request->with->origins;
    if (request->found != ROUTE_OTHER_METHOD || strcmp(http_method(request->http), "OPTIONS") != 0 ||
        !origin_rules_lists_any(rules)) {
        return false;
    }
    const char *origin = http_header(request->http, "Origin");
    char allow[ROUTE_ALLOW_SIZE + sizeof ", OPTIONS"];
    snprintf(allow, sizeof allow, "%s, OPTIONS", request->match.allow);
    http_add_header(request->http, "Allow", allow);
    if (origin != NULL && origin_rules_lists(rules, origin)) {
        allow_preflight(request);
    }
    struct buf *nothing = &request->with->answer;
    buf_clear(nothing);
    response_content(request, 204, NULL, nothing);
    return true;
}
