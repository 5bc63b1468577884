// SPDX-License-Identifier: MIT
#include "ingest/request/response.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ingest/request/log.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "shared/base/decimal.h"
#include "shared/base/json.h"
#include "shared/redis/counters.h"

// Bytes of an answer that libmicrohttpd gets a copy of, so that the memory in which answers are put together stays.
enum { MOST_COPIED = 32 * 1024 };

static const char json_type[] = "application/json";

static const struct {
    unsigned status;
    const char *code;
} errors[] = {
    [API_BAD_REQUEST] = {400, "bad_request"},
    [API_UNAUTHORIZED] = {401, "unauthorized"},
    [API_FORBIDDEN] = {403, "forbidden"},
    [API_NOT_FOUND] = {404, "not_found"},
    [API_METHOD_NOT_ALLOWED] = {405, "method_not_allowed"},
    [API_NOT_ACCEPTABLE] = {406, "not_acceptable"},
    [API_REQUEST_TIMEOUT] = {408, "request_timeout"},
    [API_CONFLICT] = {409, "conflict"},
    [API_PAYLOAD_TOO_LARGE] = {413, "payload_too_large"},
    [API_UNSUPPORTED_MEDIA_TYPE] = {415, "unsupported_media_type"},
    [API_IDEMPOTENCY_KEY_REUSED] = {422, "idempotency_key_reused"},
    [API_OPTED_OUT] = {422, "opted_out"},
    [API_RATE_LIMITED] = {429, "rate_limited"},
    [API_INTERNAL_ERROR] = {500, "internal_error"},
    [API_SERVICE_UNAVAILABLE] = {503, "service_unavailable"},
};

static const char *const security_headers[][2] = {
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
};

static const char strict_policy[] = "default-src 'none'; frame-ancestors 'none'";
// A frame made from srcdoc inherits it: an HTML message can neither run nor fetch anything.
static const char page_policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                                  "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static void response_add_number(struct ingest_request *request, const char *name, int64_t value) {
    http_add_header(request->http, name, DECIMAL(value));
}

static void add_common_headers(struct ingest_request *request) {
    for (size_t i = 0; i < sizeof security_headers / sizeof *security_headers; i++) {
        http_add_header(request->http, security_headers[i][0], security_headers[i][1]);
    }
    http_add_header(request->http, "Content-Security-Policy",
                    request_has_flag(request, ROUTE_PAGE) ? page_policy : strict_policy);
    http_add_header(request->http, "X-Request-Id", request->id);
    if (request->shows_limit) {
        response_add_number(request, "RateLimit-Limit", request->window.limit);
        response_add_number(request, "RateLimit-Remaining", request->window.left);
        response_add_number(request, "RateLimit-Reset", request->window.reset_secs);
    }
}

void response_content(struct ingest_request *request, unsigned status, const char *content_type, struct buf *body) {
    if (!http_hold_answer(request->http, body->length)) {
        response_crowded(request); // which is small, and so has room
        return;
    }
    add_common_headers(request);
    request_log(request, status);
    if (body->length > MOST_COPIED) {
        http_reply_taking(request->http, status, content_type, body);
    } else {
        http_reply(request->http, status, content_type, body->data, body->length);
    }
}

void response_empty(struct ingest_request *request, unsigned status) {
    add_common_headers(request);
    request_log(request, status);
    http_reply_constant(request->http, status, NULL, "", 0);
}

void response_constant(struct ingest_request *request, const char *content_type, const char *body) {
    add_common_headers(request);
    request_log(request, 200);
    http_reply_constant(request->http, 200, content_type, body, strlen(body));
}

void response_json(struct ingest_request *request, unsigned status, struct buf *json) {
    response_content(request, status, json_type, json);
}

static void begin_stream(struct ingest_request *request) {
    add_common_headers(request);
    http_add_header(request->http, "Cache-Control", "no-store");
    request_log(request, 200);
}

void response_stream(struct ingest_request *request, const char *content_type, size_t most_unsent) {
    begin_stream(request);
    http_reply_stream(request->http, 200, content_type, most_unsent);
}

void response_stream_head(struct ingest_request *request, const char *content_type) {
    begin_stream(request);
    http_reply_stream_head(request->http, 200, content_type);
}

void response_accepted(struct ingest_request *request, bool replayed) {
    response_accepted_as(request, 202, replayed);
}

void response_accepted_as(struct ingest_request *request, unsigned status, bool replayed) {
    char location[sizeof "/api/messages/" + UUID_TEXT_SIZE];
    snprintf(location, sizeof location, "/api/messages/%s", request->message_id);
    http_add_header(request->http, "Location", location);
    if (replayed) {
        http_add_header(request->http, "Idempotent-Replayed", "true");
    }
    struct buf *json = &request->with->answer;
    buf_clear(json);
    buf_puts(json, "{\"status\":\"accepted\"");
    json_write_member(json, "id", request->message_id);
    buf_putc(json, '}');
    response_json(request, status, json);
}

// The error's object up to where "details" may follow; end_error closes it. A part's says its status, too, and what
// would else be a header.
static struct buf *begin_error(struct ingest_request *request, enum api_error error, const char *message) {
    struct buf *json = &request->with->answer;
    buf_clear(json);
    buf_putc(json, '{');
    if (request->take_error != NULL) {
        json_write_member_int(json, "status", errors[error].status);
    }
    json_write_member(json, "code", errors[error].code);
    json_write_member(json, "message", message);
    return json;
}

static void add_retry_after(struct ingest_request *request, struct buf *json, int64_t secs) {
    if (request->take_error != NULL) {
        json_write_member_int(json, "retry_after_secs", secs);
    } else {
        response_add_number(request, "Retry-After", secs);
    }
}

static void end_error(struct ingest_request *request, enum api_error error, struct buf *json) {
    buf_putc(json, '}');
    if (request->take_error != NULL) {
        request->take_error(request, errors[error].status, json->data);
    } else {
        response_json(request, errors[error].status, json);
    }
}

void response_error(struct ingest_request *request, enum api_error error, const char *message) {
    end_error(request, error, begin_error(request, error, message));
}

void response_and_close(struct ingest_request *request, enum api_error error, const char *message) {
    struct buf *json = begin_error(request, error, message);
    buf_putc(json, '}');
    add_common_headers(request);
    request_log(request, errors[error].status);
    http_reply_and_close(request->http, errors[error].status, json_type, json->data, json->length);
}

void response_bad_field(struct ingest_request *request, const char *field, const char *reason) {
    char message[512];
    snprintf(message, sizeof message, "%s: %s", field, reason);
    struct buf *json = begin_error(request, API_BAD_REQUEST, message);
    buf_puts(json, ",\"details\":{");
    json_write_member(json, "field", field);
    buf_putc(json, '}');
    end_error(request, API_BAD_REQUEST, json);
}

void response_conflict_field(struct ingest_request *request, const char *field, const char *reason) {
    char message[512];
    snprintf(message, sizeof message, "this webhook still can't become a message: %s%s%s", field,
             field[0] != '\0' ? ": " : "", reason);
    struct buf *json = begin_error(request, API_CONFLICT, message);
    buf_puts(json, ",\"details\":{");
    json_write_member(json, "field", field[0] != '\0' ? field : NULL);
    json_write_member(json, "reason", reason);
    buf_putc(json, '}');
    end_error(request, API_CONFLICT, json);
}

void response_conflict_status(struct ingest_request *request, const char *status, const char *message) {
    struct buf *json = begin_error(request, API_CONFLICT, message);
    buf_puts(json, ",\"details\":{");
    json_write_member(json, "status", status);
    buf_putc(json, '}');
    end_error(request, API_CONFLICT, json);
}

void response_opted_out(struct ingest_request *request, const char *message) {
    struct buf *json = begin_error(request, API_OPTED_OUT, message);
    buf_puts(json, ",\"details\":{\"field\":\"to\"}");
    end_error(request, API_OPTED_OUT, json);
}

void response_unavailable(struct ingest_request *request, const char *message, int64_t retry_after_secs,
                          bool ambiguous) {
    struct buf *json = begin_error(request, API_SERVICE_UNAVAILABLE, message);
    add_retry_after(request, json, retry_after_secs);
    if (ambiguous) {
        buf_puts(json, ",\"details\":{\"ambiguous\":true}");
    }
    end_error(request, API_SERVICE_UNAVAILABLE, json);
}

void response_crowded(struct ingest_request *request) {
    response_unavailable(request, "too much waits for clients that read slowly", 1, false);
}

void response_limited(struct ingest_request *request, const char *whose, const char *of_what) {
    counters_add(request->with->counters, COUNTER_RATE_LIMITED, 1);
    char message[96];
    snprintf(message, sizeof message, "this %s's limit is %" PRId64 "%s%s a minute", whose, request->window.limit,
             of_what[0] != '\0' ? " " : "", of_what);
    struct buf *json = begin_error(request, API_RATE_LIMITED, message);
    add_retry_after(request, json, request->window.reset_secs);
    end_error(request, API_RATE_LIMITED, json);
}

void response_unauthorized(struct ingest_request *request, const char *challenge, const char *message) {
    http_add_header(request->http, "WWW-Authenticate", challenge);
    response_error(request, API_UNAUTHORIZED, message);
}

void response_forbidden(struct ingest_request *request, const char *scope) {
    char challenge[96], message[64];
    snprintf(challenge, sizeof challenge, "Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"%s\"", scope);
    snprintf(message, sizeof message, "this key lacks the scope %s", scope);
    http_add_header(request->http, "WWW-Authenticate", challenge); // RFC 6750, 3.1
    struct buf *json = begin_error(request, API_FORBIDDEN, message);
    buf_puts(json, ",\"details\":{");
    json_write_member(json, "scope", scope);
    buf_putc(json, '}');
    end_error(request, API_FORBIDDEN, json);
}

void response_foreign(struct ingest_request *request, const char *name, const char *value, const char *setting,
                      const char *message) {
    struct buf *json = begin_error(request, API_FORBIDDEN, message);
    buf_puts(json, ",\"details\":{");
    json_write_member(json, name, value);
    json_write_member(json, "setting", setting);
    buf_putc(json, '}');
    end_error(request, API_FORBIDDEN, json);
}

void response_internal_error(struct ingest_request *request) {
    response_error(request, API_INTERNAL_ERROR, "internal error");
}
