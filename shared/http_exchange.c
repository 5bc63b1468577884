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
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/clock.h"
#include "shared/http_private.h"

enum { DRAIN_BYTES = 64 * 1024 }; // a body up to this size is read away for the sake of the connection

// What the head says of the request's bounds.
struct framing {
    unsigned lengths, encodings, hosts;
    bool chunked;
    bool bad_name;
    bool hides; // bytes that the library's strings don't show
    // The head as it lies in the library's buffer, and where the value before ended in it; NULL: there was none.
    const char *begin, *end, *value_end;
    uint64_t declared; // Content-Length
    const char *host;  // NULL: none
};

// RFC 9110, 5.6.2: what a header's name is made of.
static bool is_name(const char *name) {
    const char *at = name;
    while (isalnum((unsigned char)*at) || (*at != '\0' && strchr("!#$%&'*+-.^_`|~", *at))) {
        at++;
    }
    return *at == '\0' && at > name;
}

static bool is_in_head(const struct framing *framing, const char *text) {
    return text >= framing->begin && text < framing->end;
}

// The library's strings end at a NUL, and a header that goes on behind one goes on unseen; but the next header's name
// then lies farther away than a line's end. A folded header (RFC 9112, 5.2, lets a server refuse it) libmicrohttpd
// 0.9.75 puts together anew, elsewhere and wrongly: what was folded ends up in the name.
static void look_behind(struct framing *framing, const char *name, const char *value) {
    if (!is_in_head(framing, name) || !is_in_head(framing, value)) {
        framing->hides = true;
        return;
    }
    if (framing->value_end) {
        framing->hides |= name - framing->value_end != 1 && name - framing->value_end != 2;
    }
    framing->value_end = value + strlen(value);
}

// Behind the last header there are two line ends.
static bool hides_behind_last(const struct framing *framing) {
    return framing->value_end && (framing->end - framing->value_end < 2 || framing->end - framing->value_end > 4);
}

static void look_at_header(void *argument, const char *name, const char *value) {
    struct framing *framing = argument;
    look_behind(framing, name, value);
    if (!is_name(name)) { // "Content-Length : 3" is another reader's Content-Length
        framing->bad_name = true;
    } else if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        framing->lengths++;
        framing->declared = strtoull(value, NULL, 10); // the library has refused what is no number
    } else if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        framing->encodings++;
        framing->chunked = strcasecmp(value, "chunked") == 0;
    } else if (strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0) {
        framing->hosts++;
        framing->host = value;
    }
}

// Whether a word of the request line goes on behind a NUL, where the library's string of it ends: then the next word
// isn't where it should be. Several blanks are one to the library, and those behind the target belong to it.
static bool has_hidden_words(const struct http_request *request, const char *version) {
    const struct http_connection *place = request->place;
    const char *at = request->method + strlen(request->method) + 1;
    while (at < place->target && *at == ' ') {
        at++;
    }
    return at != place->target || version != place->target + place->target_length + 1;
}

// RFC 9112, 3.2, 5 and 6: whatever could be understood in two ways must not be understood in one.
static bool is_ambiguous(const struct framing *framing, const char *version) {
    bool http_1_1 = strcmp(version, MHD_HTTP_VERSION_1_1) == 0;
    if (framing->bad_name || framing->hides || hides_behind_last(framing)) {
        return true;
    }
    if (framing->hosts > 1 || (framing->hosts == 0 && http_1_1)) {
        return true;
    }
    if (framing->encodings > 0) {
        return framing->encodings > 1 || framing->lengths > 0 || !framing->chunked || !http_1_1;
    }
    return framing->lengths > 1;
}

// What the library took for the path of an absolute target is that target, decoded.
static void take_path(struct http_request *request) {
    if (request->place->form == HTTP_FORM_ABSOLUTE) {
        request->path += request->place->path_at;
        request->path = *request->path == '/' ? request->path : "/";
    }
}

// Notes whom the request is for. An absolute target outranks the header (RFC 9112, 3.2.2), which must be well-formed
// all the same. Returns whether the target and the header are.
static bool take_host(struct http_request *request, const struct framing *framing) {
    const struct http_connection *place = request->place;
    if (framing->host && !http_host_parse(framing->host, strlen(framing->host), &request->host)) {
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

static enum http_body_state judge(const struct framing *framing, const char *version, size_t max_body) {
    if (is_ambiguous(framing, version)) {
        return HTTP_BODY_MALFORMED;
    }
    return framing->declared > max_body ? HTTP_BODY_TOO_LARGE : HTTP_BODY_OK;
}

static void ask(struct http_request *request) {
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
    request->started_us = clock_monotonic_us();
    http_request_read_peer(request);
    request->claim = (struct http_claim){.budget = server->options.budget,
                                         .claimant = &server->claimant,
                                         .network = request->place->network,
                                         .since_us = request->started_us,
                                         .owner = request};
    request->next = server->first;
    request->back = &server->first;
    if (server->first) {
        server->first->back = &request->next;
    }
    server->first = request;
    server->pending++;
    return request;
}

// Whether an answer given by now is queued in the first call: see the top.
static bool answer_now(const struct http_request *request, const struct framing *framing) {
    return request->state != HTTP_BODY_OK || framing->chunked || framing->declared > DRAIN_BYTES ||
           (framing->declared > 0 && http_header(request, MHD_HTTP_HEADER_EXPECT));
}

static struct framing look_at_head(const struct http_request *request) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    struct framing framing = {.begin = request->method, .end = request->method + (info ? info->header_size : 0)};
    http_each_header(request, look_at_header, &framing);
    return framing;
}

static enum MHD_Result begin(struct http_request *request, const char *version) {
    const struct http_server_options *options = &request->server->options;
    struct framing framing = look_at_head(request);
    request->declared = framing.declared;
    http_connection_enter(request->place, HTTP_STAGE_BODY, options->request_timeout_ms);
    take_path(request);
    bool is_understood = take_host(request, &framing) && !has_hidden_words(request, version);
    request->state = is_understood ? judge(&framing, version, options->max_body) : HTTP_BODY_MALFORMED;
    if (options->on_headers) {
        options->on_headers(options->argument, request);
    }
    if (request->state != HTTP_BODY_OK) {
        ask(request);
    }
    if (!request->answered || !answer_now(request, &framing)) {
        return MHD_YES;
    }
    if (request->response) {
        (void)MHD_add_response_header(request->response, MHD_HTTP_HEADER_CONNECTION, "close");
    }
    return http_reply_queue(request);
}

// The chunked body does not end: answer at once, and close.
static enum MHD_Result cut_short(struct http_request *request) {
    request->cut_short = true;
    if (!request->asked) {
        ask(request);
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
static bool make_room(struct http_request *request, size_t more) {
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

static bool keep(struct http_request *request, const char *data, size_t size) {
    bool kept = make_room(request, size);
    if (kept) {
        buf_append(&request->body, data, size);
    }
    return kept;
}

static enum MHD_Result take_body(struct http_request *request, const char *data, size_t *size) {
    size_t max_body = request->server->options.max_body;
    request->received += *size;
    if (request->state == HTTP_BODY_OK && request->received > max_body) {
        request->state = HTTP_BODY_TOO_LARGE;
        buf_free(&request->body);
        http_claim_release(&request->claim);
    }
    if (request->received > 2 * (uint64_t)max_body) {
        return cut_short(request);
    }
    if (request->state == HTTP_BODY_OK && !request->answered && !keep(request, data, *size)) {
        http_exchange_give_up(request, HTTP_BODY_CROWDED_OUT);
        return MHD_NO;
    }
    *size = 0;
    return MHD_YES;
}

static enum MHD_Result complete(struct http_request *request) {
    if (request->aborted) {
        return MHD_NO;
    }
    if (!http_claim_keep(&request->claim)) {
        http_claim_release(&request->claim);
        buf_free(&request->body);
        request->state = HTTP_BODY_CROWDED_OUT;
    }
    if (!request->asked) {
        ask(request);
    }
    if (request->answered) {
        return http_reply_queue(request);
    }
    request->suspended = true;
    http_connection_enter(request->place, HTTP_STAGE_FREE, 0);
    MHD_suspend_connection(request->connection);
    return MHD_YES;
}

enum MHD_Result http_exchange_handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                     const char *version, const char *data, size_t *size, void **slot) {
    if (!*slot) {
        *slot = new_request(cls, connection, url, method);
        return begin(*slot, version);
    }
    return *size > 0 ? take_body(*slot, data, size) : complete(*slot);
}

void http_exchange_completed(void *cls, struct MHD_Connection *connection, void **slot,
                             enum MHD_RequestTerminationCode how) {
    struct http_server *server = cls;
    struct http_request *request = *slot;
    (void)connection;
    (void)how;
    if (!request) {
        return;
    }
    *slot = NULL;
    request->place->request = NULL;
    http_connection_enter(request->place, HTTP_STAGE_HEAD, server->options.request_timeout_ms);
    *request->back = request->next;
    if (request->next) {
        request->next->back = request->back;
    }
    server->pending--;
    if (server->options.on_done) {
        server->options.on_done(server->options.argument, request);
    }
    if (request->response) {
        MHD_destroy_response(request->response);
    }
    buf_free(&request->body);
    buf_free(&request->headers);
    buf_free(&request->stream.unsent);
    http_claim_release(&request->claim);
    free(request->target);
    free(request);
}
