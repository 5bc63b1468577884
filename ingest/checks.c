// SPDX-License-Identifier: MIT
#include "ingest/checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ingest/access/access.h"
#include "ingest/access/origin.h"
#include "ingest/access/rate_limit.h"
#include "ingest/batch/batch.h"
#include "ingest/request/client_address.h"
#include "ingest/request/log.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "ingest/request/webhook.h"
#include "ingest/routes.h"
#include "shared/base/buf.h"
#include "shared/base/unicode.h"
#include "shared/base/uuid.h"
#include "shared/http/media_type.h"
#include "shared/provider/provider.h"
#include "shared/settings/settings.h"

// ---- What http_server reports

static void take_id(struct ingest_request *request) {
    const char *given = http_header(request->http, "X-Request-Id");
    if (given != NULL && unicode_is_printable_ascii(given, sizeof request->id - 1)) {
        strcpy(request->id, given);
        return;
    }
    struct uuid made = uuid_v7();
    uuid_format(&made, request->id);
}

static void checks_join_forwarded(void *argument, const char *name, const char *value) {
    struct buf *list = argument;
    if (strcasecmp(name, "X-Forwarded-For") == 0 && value != NULL) {
        if (list->length > 0) {
            buf_putc(list, ',');
        }
        buf_puts(list, value);
    }
}

static void find_client(struct ingest_request *request) {
    struct buf *list = &request->with->answer;
    buf_clear(list);
    if (http_header(request->http, "X-Forwarded-For") != NULL) {
        http_each_header(request->http, checks_join_forwarded, list);
    }
    client_address_find(request->with->trusted_proxies, http_peer(request->http), list->length > 0 ? list->data : NULL,
                        http_header(request->http, "X-Real-IP"), request->client);
    http_set_client(request->http, request->client);
}

void checks_on_headers(struct ingest_resources *with, struct http_request *http) {
    struct ingest_request *request = request_begin(with, http);
    take_id(request);
    find_client(request);
    origin_add_headers(request);
    request->found = route_find(http_method(http), http_path(http), with->settings->health_path, &request->match);
    if (request->found != ROUTE_FOUND) {
        return;
    }
    origin_read_headers(request);
    if (request->origin != ORIGIN_ADMITTED) {
        return;
    }
    if (webhook_is_route(request->match.route)) {
        webhook_find_way_in(request);
        webhook_take_body(request);
    }
    if (request_has_flag(request, ROUTE_LIST)) {
        http_set_max_body(http, batch_max_body(with->settings));
    }
    access_read_headers(request);
    if (request->access == ACCESS_GRANTED && request_has_flag(request, ROUTE_BODY)) {
        rate_limit_begin(request); // a reply travels while the body arrives
    }
}

void checks_on_request(struct http_request *http, enum http_body_state body) {
    struct ingest_request *request = http_context(http);
    request->has_arrived = true;
    request->body = body;
    access_read_body(request);
    if (body != HTTP_BODY_OK && request->limit == LIMIT_DEFERRED) {
        rate_limit_ask(request); // it is answered at once, and counted all the same
    }
    checks_proceed(request);
}

void checks_on_done(struct http_request *http) {
    struct ingest_request *request = http_context(http);
    if (request == NULL) {
        return;
    }
    if (!http_is_answered(http)) {
        request_log(request, 0); // the client went away before it had sent everything
    }
    request_end(request);
}

// ---- The checks: first whether there is a request at all, then whether it may be answered. Each returns whether the
// request may go on; if not, it has answered.

static bool check_route(struct ingest_request *request) {
    if (request->found == ROUTE_FOUND) {
        return true;
    }
    if (origin_answer_options(request)) {
        return false;
    }
    if (request->found == ROUTE_UNKNOWN) {
        response_error(request, API_NOT_FOUND, "no such resource");
        return false;
    }
    char message[ROUTE_ALLOW_SIZE + 32];
    snprintf(message, sizeof message, "this route takes %s", request->match.allow);
    http_add_header(request->http, "Allow", request->match.allow);
    response_error(request, API_METHOD_NOT_ALLOWED, message);
    return false;
}

static bool check_framing(struct ingest_request *request) {
    if (request->body != HTTP_BODY_MALFORMED) {
        return true;
    }
    response_and_close(request, API_BAD_REQUEST, "the request's head is malformed, or could be understood in two ways");
    return false;
}

static bool check_time(struct ingest_request *request) {
    if (request->body == HTTP_BODY_LATE) {
        response_and_close(request, API_REQUEST_TIMEOUT, "the request was not complete in time");
    } else if (request->body == HTTP_BODY_CROWDED_OUT) {
        response_and_close(request, API_REQUEST_TIMEOUT, "the request was not complete when others needed its place");
    } else {
        return true;
    }
    return false;
}

static bool check_end(struct ingest_request *request) {
    if (!request->with->ended || !request_has_flag(request, ROUTE_INCOMING)) {
        return true;
    }
    response_unavailable(request, "this process is being stopped", 1, false);
    return false;
}

static bool check_limit(struct ingest_request *request) {
    if (request->limit == LIMIT_UNKNOWN) {
        response_unavailable(request, "Redis is unreachable", 1, false);
    } else if (request->limit == LIMIT_REFUSED) {
        response_limited(request, "address", "");
    } else {
        return true;
    }
    return false;
}

static bool needs_media_type(const struct ingest_request *request) {
    size_t length = 0;
    if (request_has_flag(request, ROUTE_EMPTY_BODY)) {
        (void)http_body(request->http, &length);
        return length > 0 || request->body != HTTP_BODY_OK;
    }
    return request_has_flag(request, ROUTE_BODY);
}

// "the body must be application/json or application/x-www-form-urlencoded".
static void refuse_media_type(struct ingest_request *request) {
    const struct route *route = request->match.route;
    const struct provider_way_in *way;
    struct buf message = {0};
    buf_puts(&message, "the body must be ");
    if (!webhook_is_route(route)) {
        buf_puts(&message, "application/json");
    } else {
        for (size_t i = 0; (way = provider_way_in_at(request->with->settings, webhook_provider(route),
                                                     webhook_route(route), i)) != NULL;
             i++) {
            buf_printf(&message, "%s%s", i > 0 ? " or " : "", way->media_type);
        }
    }
    response_error(request, API_UNSUPPORTED_MEDIA_TYPE, message.data);
    buf_free(&message);
}

static bool check_media_type(struct ingest_request *request) {
    bool is_taken = request->way_in != NULL || (!webhook_is_route(request->match.route) &&
                                                media_type_is_json(http_header(request->http, "Content-Type")));
    if (!needs_media_type(request) || is_taken) {
        return true;
    }
    if (!rate_limit_comes_first(request)) {
        refuse_media_type(request);
    }
    return false;
}

static bool check_size(struct ingest_request *request) {
    if (request->body != HTTP_BODY_TOO_LARGE) {
        return true;
    }
    char message[64];
    snprintf(message, sizeof message, "the body is over %" PRIu64 " bytes", http_max_body(request->http));
    response_and_close(request, API_PAYLOAD_TOO_LARGE, message);
    return false;
}

static bool check_accept(struct ingest_request *request) {
    const char *accept = http_header(request->http, "Accept");
    if (request_has_flag(request, ROUTE_JSON) && media_type_quality(accept, "application", "json") == 0) {
        response_error(request, API_NOT_ACCEPTABLE, "this resource is application/json");
        return false;
    }
    if (request_has_flag(request, ROUTE_EVENTS) && media_type_quality(accept, "text", "event-stream") == 0) {
        response_error(request, API_NOT_ACCEPTABLE, "this resource is text/event-stream");
        return false;
    }
    return true;
}

static bool (*const checks[])(struct ingest_request *) = {
    check_framing, check_time,  check_route,      check_end,  origin_check,
    access_check,  check_limit, check_media_type, check_size, check_accept,
};

// A body that http_server doesn't gather is answered at once, whatever the limit will say.
static bool is_complete(const struct ingest_request *request) {
    return request->has_arrived && (request->limit != LIMIT_ASKED || request->body != HTTP_BODY_OK);
}

void checks_proceed(struct ingest_request *request) {
    if (http_is_answered(request->http) || !is_complete(request)) {
        return;
    }
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        if (!checks[i](request)) {
            return;
        }
    }
    request->match.route->handle(request);
}

void checks_abandon_all(struct ingest_resources *with) {
    struct ingest_request *next;
    for (struct ingest_request *request = LIST_FIRST(&with->live); request != NULL; request = next) {
        next = LIST_NEXT(request, entry);
        if (!http_is_answered(request->http)) {
            response_unavailable(request, "this process is being stopped", 1, false);
        }
    }
}
