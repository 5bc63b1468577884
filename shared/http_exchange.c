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
//     the answer is written to the socket past the library, and the connection closed.
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/clock.h"
#include "shared/http_private.h"

enum { DRAIN_BYTES = 64 * 1024 }; // a body up to this size is read away for the sake of the connection

// What the headers say of the body.
struct framing {
    unsigned lengths, encodings;
    bool chunked;
    uint64_t declared; // Content-Length
};

static void look_at_header(void *argument, const char *name, const char *value) {
    struct framing *framing = argument;
    if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        framing->lengths++;
        framing->declared = strtoull(value, NULL, 10); // the library has refused what is no number
    } else if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        framing->encodings++;
        framing->chunked = strcasecmp(value, "chunked") == 0;
    }
}

// RFC 9112, 6.1 and 6.3: whatever could be understood in two ways must not be understood in one.
static enum http_body_state judge(const struct framing *framing, size_t max_body) {
    if (framing->lengths > 1 || framing->encodings > 1 || (framing->lengths > 0 && framing->encodings > 0) ||
        (framing->encodings > 0 && !framing->chunked))
        return HTTP_BODY_MALFORMED;
    return framing->declared > max_body ? HTTP_BODY_TOO_LARGE : HTTP_BODY_OK;
}

static void ask(struct http_request *request) {
    const struct http_server_options *options = &request->server->options;
    request->asked = true;
    if (!request->answered)
        options->on_request(options->argument, request, request->state);
}

// What the library calls as soon as it has the request's first line, where http_server.c asked for it; it hands the
// result on as the slot. The request begins later, or never: then http_exchange_completed finds it without a server.
void *http_exchange_target(void *cls, const char *target, struct MHD_Connection *connection) {
    struct http_request *request = xcalloc(1, sizeof *request);
    (void)cls;
    (void)connection;
    request->target = xstrdup(target);
    return request;
}

static struct http_request *new_request(struct http_request *request, struct http_server *server,
                                        struct MHD_Connection *connection, const char *url, const char *method) {
    if (!request)
        request = xcalloc(1, sizeof *request);
    request->server = server;
    request->connection = connection;
    request->path = url;
    request->method = method;
    request->started_us = clock_monotonic_us();
    http_request_read_peer(request);
    request->next = server->first;
    request->back = &server->first;
    if (server->first)
        server->first->back = &request->next;
    server->first = request;
    server->pending++;
    return request;
}

// Whether an answer given by now is queued in the first call: see the top.
static bool answer_now(const struct http_request *request, const struct framing *framing) {
    return request->state != HTTP_BODY_OK || framing->chunked || framing->declared > DRAIN_BYTES ||
           (framing->declared > 0 && http_header(request, MHD_HTTP_HEADER_EXPECT));
}

static enum MHD_Result begin(struct http_request *request) {
    const struct http_server_options *options = &request->server->options;
    struct framing framing = {0};
    http_each_header(request, look_at_header, &framing);
    request->state = judge(&framing, options->max_body);
    if (options->on_headers)
        options->on_headers(options->argument, request);
    if (request->state != HTTP_BODY_OK)
        ask(request);
    if (!request->answered || !answer_now(request, &framing))
        return MHD_YES;
    if (request->response)
        (void)MHD_add_response_header(request->response, MHD_HTTP_HEADER_CONNECTION, "close");
    return http_reply_queue(request);
}

// The chunked body does not end: answer at once, and close.
static enum MHD_Result cut_short(struct http_request *request) {
    request->cut_short = true;
    if (!request->asked)
        ask(request);
    return MHD_NO;
}

static enum MHD_Result take_body(struct http_request *request, const char *data, size_t *size) {
    size_t max_body = request->server->options.max_body;
    request->received += *size;
    if (request->state == HTTP_BODY_OK && request->received > max_body) {
        request->state = HTTP_BODY_TOO_LARGE;
        buf_free(&request->body);
    }
    if (request->received > 2 * (uint64_t)max_body)
        return cut_short(request);
    if (request->state == HTTP_BODY_OK && !request->answered)
        buf_append(&request->body, data, *size);
    *size = 0;
    return MHD_YES;
}

static enum MHD_Result complete(struct http_request *request) {
    if (request->aborted)
        return MHD_NO;
    if (!request->asked)
        ask(request);
    if (request->answered)
        return http_reply_queue(request);
    request->suspended = true;
    MHD_suspend_connection(request->connection);
    return MHD_YES;
}

enum MHD_Result http_exchange_handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                     const char *version, const char *data, size_t *size, void **slot) {
    (void)version;
    struct http_request *request = *slot;
    if (!request || !request->server) {
        *slot = request = new_request(request, cls, connection, url, method);
        return begin(request);
    }
    return *size > 0 ? take_body(request, data, size) : complete(request);
}

void http_exchange_completed(void *cls, struct MHD_Connection *connection, void **slot,
                             enum MHD_RequestTerminationCode how) {
    struct http_server *server = cls;
    struct http_request *request = *slot;
    (void)connection;
    (void)how;
    if (!request)
        return;
    *slot = NULL;
    if (!request->server) {
        free(request->target);
        free(request);
        return;
    }
    *request->back = request->next;
    if (request->next)
        request->next->back = request->back;
    server->pending--;
    if (server->options.on_done)
        server->options.on_done(server->options.argument, request);
    if (request->response)
        MHD_destroy_response(request->response);
    buf_free(&request->body);
    buf_free(&request->headers);
    buf_free(&request->stream.unsent);
    free(request->target);
    free(request);
}
