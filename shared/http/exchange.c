// SPDX-License-Identifier: MIT
//
// The course of one request through libmicrohttpd's access handler, which is called once with the headers, then with
// each piece of the body, then without data once the request is complete, and again after each resume. An answer can be
// queued in the first call or in the last ones, never between. In the first call of a POST or PUT it makes the library
// close the connection afterwards, whatever the body's size. So:
//   - an answer given in on_headers waits until a small body has been read away, which keeps the connection;
//   - a body that is declared too large, a malformed framing, or a client that waits for "100 Continue" gets its answer
//     in the first call, and the connection closes;
//   - a chunked body that turns out too large is read away up to twice max_body and answered at its end; beyond that
//     the answer is written to the socket past the library, and the connection closed;
//   - so is the answer to a request that has not come whole in time, or whose body has to make way.
#include "shared/http/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/http/connection.h"
#include "shared/http/reply_private.h"
#include "shared/http/request.h"
#include "shared/http/request_private.h"
#include "shared/http/wire.h"

enum { DRAIN_BYTES = 64 * 1024 }; // a body up to this size is read away for the sake of the connection

// What the head says of the request's bounds; it has been judged before (http/head.c).
struct framing {
    bool chunked;
    uint64_t declared; // Content-Length
};

// What the library took for the path of an absolute target is that target, decoded.
static void take_path(struct http_request *request) {
    if (request->place->form == HTTP_FORM_ABSOLUTE) {
        request->path += request->place->path_at;
        request->path = *request->path == '/' ? request->path : "/";
    }
}

// Without the blanks behind it, which libmicrohttpd 0.9.75 leaves there.
static size_t length_of_value(const char *value) {
    size_t length = strlen(value);
    while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t')) {
        length--;
    }
    return length;
}

// Notes whom the request is for. An absolute target outranks the header (RFC 9112, 3.2.2), which must be well-formed
// all the same. Returns whether the target and the header are.
static bool take_host(struct http_request *request) {
    const struct http_connection *place = request->place;
    const char *host = http_header(request, MHD_HTTP_HEADER_HOST);
    if (host != NULL && !http_host_parse(host, length_of_value(host), &request->host)) {
        request->host = (struct http_host){0};
        return false;
    }
    switch (place->form) {
    case HTTP_FORM_ORIGIN:
        return true;
    case HTTP_FORM_ABSOLUTE:
        request->host = *place->named;
        return true;
    case HTTP_FORM_ASTERISK:
        return strcmp(request->method, MHD_HTTP_METHOD_OPTIONS) == 0;
    case HTTP_FORM_NONE:
        break;
    }
    return false;
}

static enum http_body_state http_exchange_judge(struct http_request *request) {
    return http_wire_has_seen(request->place) && take_host(request) ? HTTP_BODY_OK : HTTP_BODY_MALFORMED;
}

static void http_exchange_ask(struct http_request *request) {
    const struct http_server_options *options = &request->server->options;
    request->asked = true;
    if (!request->answered) {
        options->on_request(options->argument, request, request->state);
    }
}

static struct http_request *new_request(struct http_server *server, struct MHD_Connection *connection, const char *url,
                                        const char *method) {
    struct http_request *request = xcalloc(1, sizeof *request);
    request->server = server;
    request->connection = connection;
    request->place = http_connection_of(connection);
    request->place->request = request;
    request->target = request->place->kept_target;
    request->place->kept_target = NULL;
    request->path = url;
    request->method = method;
    request->max_body = server->options.max_body;
    request->started_us = clock_monotonic_us();
    http_request_read_peer(request);
    request->claim = (struct http_claim){.budget = server->options.budget,
                                         .claimant = &server->claimant,
                                         .network = request->place->network,
                                         .since_us = request->started_us,
                                         .owner = request};
    LIST_INSERT_HEAD(&server->requests, request, entry);
    server->pending++;
    return request;
}

// Whether an answer given by now is queued in the first call: see the top.
static bool answer_now(const struct http_request *request, const struct framing *framing) {
    return request->state != HTTP_BODY_OK || framing->chunked || framing->declared > DRAIN_BYTES ||
           (framing->declared > 0 && http_header(request, MHD_HTTP_HEADER_EXPECT) != NULL);
}

static struct framing look_at_head(const struct http_request *request) {
    const char *length = http_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return (struct framing){
        .chunked = http_header(request, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL,
        .declared = length != NULL ? strtoull(length, NULL, 10) : 0,
    };
}

static enum MHD_Result http_exchange_begin(struct http_request *request) {
    const struct http_server_options *options = &request->server->options;
    struct framing framing = look_at_head(request);
    request->declared = framing.declared;
    http_stage_enter(request->place, HTTP_STAGE_BODY, options->request_timeout_ms);
    take_path(request);
    request->state = http_exchange_judge(request);
    if (options->on_headers != NULL) {
        options->on_headers(options->argument, request);
    }
    if (request->state == HTTP_BODY_OK && framing.declared > request->max_body) {
        request->state = HTTP_BODY_TOO_LARGE;
    }
    if (request->state != HTTP_BODY_OK) {
        http_exchange_ask(request);
    }
    if (!request->answered || !answer_now(request, &framing)) {
        return MHD_YES;
    }
    if (request->response != NULL) {
        (void)MHD_add_response_header(request->response, MHD_HTTP_HEADER_CONNECTION, "close");
    }
    return http_reply_queue(request);
}

// The chunked body does not end: answer at once, and close.
static enum MHD_Result cut_short(struct http_request *request) {
    request->cut_short = true;
    if (!request->asked) {
        http_exchange_ask(request);
    }
    return MHD_NO;
}

void http_exchange_give_up(struct http_request *request, enum http_body_state why) {
    if (request->answered) {
        return;
    }
    request->state = why;
    http_exchange_drop(&request->claim);
    http_claim_release(&request->claim);
    (void)cut_short(request);
}

void http_exchange_drop(struct http_claim *claim) {
    struct http_request *request = claim->owner;
    buf_free(&request->body);
}

// Doubles, but not beyond the length that was declared.
static bool http_exchange_make_room(struct http_request *request, size_t more) {
    struct buf *body = &request->body;
    size_t needed = body->length + more + 1;
    if (needed <= body->room) {
        return true;
    }
    size_t room = needed > 2 * body->room ? needed : 2 * body->room;
    if (request->declared >= needed - 1 && request->declared < room) {
        room = (size_t)request->declared + 1;
    }
    if (!http_claim_grow(&request->claim, room)) {
        return false;
    }
    buf_reserve_exactly(body, room - body->length - 1);
    return true;
}

static bool http_exchange_keep(struct http_request *request, const char *data, size_t size) {
    bool kept = http_exchange_make_room(request, size);
    if (kept) {
        buf_append(&request->body, data, size);
    }
    return kept;
}

// What the filter leaves of a piece, or of the body's end where data is NULL.
static bool http_exchange_keep_filtered(struct http_request *request, const char *data, size_t size) {
    struct buf *filtered = &request->server->filtered;
    buf_clear(filtered);
    if (data != NULL) {
        request->filter.take(request->filter.state, data, size, filtered);
    } else {
        request->filter.end(request->filter.state, filtered);
    }
    return filtered->length == 0 || http_exchange_keep(request, filtered->data, filtered->length);
}

static bool http_exchange_take_piece(struct http_request *request, const char *data, size_t size) {
    if (request->state != HTTP_BODY_OK || request->answered) {
        return true;
    }
    return request->filter.take != NULL ? http_exchange_keep_filtered(request, data, size)
                                        : http_exchange_keep(request, data, size);
}

// Of a long body each stretch has the time that a short one has as a whole, so that no large mail is too slow, and who
// trickles is still found out.
static void http_exchange_renew(struct http_request *request, size_t size) {
    uint64_t before = request->received - size;
    if (before / HTTP_RENEWING_BYTES < request->received / HTTP_RENEWING_BYTES) {
        http_stage_enter(request->place, HTTP_STAGE_BODY, request->server->options.request_timeout_ms);
    }
}

static enum MHD_Result http_exchange_take_body(struct http_request *request, const char *data, size_t *size) {
    request->received += *size;
    if (request->state == HTTP_BODY_OK && request->received > request->max_body) {
        request->state = HTTP_BODY_TOO_LARGE;
        buf_free(&request->body);
        http_claim_release(&request->claim);
    }
    if (request->received > 2 * request->max_body) {
        return cut_short(request);
    }
    http_exchange_renew(request, *size);
    if (!http_exchange_take_piece(request, data, *size)) {
        http_exchange_give_up(request, HTTP_BODY_CROWDED_OUT);
        return MHD_NO;
    }
    *size = 0;
    return MHD_YES;
}

// It comes here again when the answer is there.
static bool http_exchange_end_body(struct http_request *request) {
    bool is_due =
        request->filter.end != NULL && request->state == HTTP_BODY_OK && !request->answered && !request->asked;
    return !is_due || http_exchange_keep_filtered(request, NULL, 0);
}

static enum MHD_Result complete(struct http_request *request) {
    if (request->aborted) {
        return MHD_NO;
    }
    if (!http_exchange_end_body(request) || !http_claim_keep(&request->claim)) {
        http_claim_release(&request->claim);
        buf_free(&request->body);
        request->state = HTTP_BODY_CROWDED_OUT;
    }
    if (!request->asked) {
        http_exchange_ask(request);
    }
    if (request->answered) {
        return http_reply_queue(request);
    }
    request->suspended = true;
    http_stage_enter(request->place, HTTP_STAGE_FREE, 0);
    MHD_suspend_connection(request->connection);
    return MHD_YES;
}

enum MHD_Result http_exchange_handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                     const char *version, const char *data, size_t *size, void **slot) {
    (void)version;
    if (*slot == NULL) {
        *slot = new_request(cls, connection, url, method);
        return http_exchange_begin(*slot);
    }
    return *size > 0 ? http_exchange_take_body(*slot, data, size) : complete(*slot);
}

void http_exchange_completed(void *cls, struct MHD_Connection *connection, void **slot,
                             enum MHD_RequestTerminationCode how) {
    struct http_server *server = cls;
    struct http_request *request = *slot;
    (void)connection;
    (void)how;
    if (request == NULL) {
        return;
    }
    *slot = NULL;
    request->place->request = NULL;
    http_stage_enter(request->place, HTTP_STAGE_HEAD, server->options.request_timeout_ms);
    LIST_REMOVE(request, entry);
    server->pending--;
    if (server->options.on_done != NULL) {
        server->options.on_done(server->options.argument, request);
    }
    if (request->response != NULL) {
        MHD_destroy_response(request->response);
    }
    buf_free(&request->body);
    buf_free(&request->headers);
    buf_free(&request->stream.unsent);
    http_claim_release(&request->claim);
    if (request->filter.free != NULL) {
        request->filter.free(request->filter.state);
    }
    free(request->target);
    free(request);
}
