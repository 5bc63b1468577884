// SPDX-License-Identifier: MIT
#include "shared/http/reply.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "shared/base/log.h"
#include "shared/http/reply_private.h"
#include "shared/http/request_private.h"

void http_add_header(struct http_request *request, const char *name, const char *value) {
    buf_append(&request->headers, name, strlen(name) + 1);
    buf_append(&request->headers, value, strlen(value) + 1);
}

// Calls each(argument, name, value) for every header that http_add_header gathered.
static void each_added(const struct http_request *request, void (*each)(void *, const char *, const char *),
                       void *argument) {
    const char *at = request->headers.data;
    const char *end = at != NULL ? at + request->headers.length : NULL;
    while (at < end) {
        const char *name = at;
        const char *value = name + strlen(name) + 1;
        at = value + strlen(value) + 1;
        each(argument, name, value);
    }
}

static void add_to_response(void *argument, const char *name, const char *value) {
    if (MHD_add_response_header(argument, name, value) != MHD_YES) {
        log_error("http_header", "the answer's header %s could not be set", name);
    }
}

static void add_to_text(void *argument, const char *name, const char *value) {
    buf_printf(argument, "%s: %s\r\n", name, value);
}

// The first lines of an answer that closes its connection.
static void http_reply_begin_text(struct buf *text, unsigned status, const char *content_type, size_t length) {
    char date[64];
    time_t now = time(NULL);
    struct tm utc;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &utc));
    buf_printf(text, "HTTP/1.1 %u %s\r\nDate: %s\r\nConnection: close\r\nContent-Length: %zu\r\n", status,
               MHD_get_reason_phrase_for(status), date, length);
    if (content_type != NULL) {
        add_to_text(text, "Content-Type", content_type);
    }
}

// Writes the answer to the socket as far as it goes without waiting, and reads away what the client has sent so far,
// because closing a socket with unread bytes resets it, which may overtake the answer.
static void send_past_daemon(struct http_request *request, unsigned status, const char *content_type, const char *body,
                             size_t length) {
    int fd = request->place->fd;
    struct buf text = {0};
    char unread[4096];
    http_reply_begin_text(&text, status, content_type, length);
    each_added(request, add_to_text, &text);
    buf_puts(&text, "\r\n");
    buf_append(&text, body, length);
    if (send(fd, text.data, text.length, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
        shutdown(fd, SHUT_WR);
        int left = 64; // times: the body may be long
        while (left > 0 && recvfrom(fd, unread, sizeof unread, MSG_DONTWAIT, NULL, NULL) > 0) {
            left--;
        }
    }
    buf_free(&text);
}

void http_reply_refusal(int fd, const struct http_refusal *refusal) {
    struct buf text = {0};
    http_reply_begin_text(&text, refusal->status, "text/plain", strlen(refusal->why) + 1);
    buf_printf(&text, "\r\n%s\n", refusal->why);
    (void)!send(fd, text.data, text.length, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(fd, SHUT_WR);
    buf_free(&text);
}

void http_reply_add_headers(const struct http_request *request, struct MHD_Response *response,
                            const char *content_type) {
    if (content_type != NULL) {
        add_to_response(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    }
    each_added(request, add_to_response, response);
}

struct answer_body {
    const char *bytes;
    size_t length;
    enum MHD_ResponseMemoryMode mode;
};

static struct MHD_Response *make_response(const struct http_request *request, const char *content_type,
                                          const struct answer_body *body, bool close) {
    // libmicrohttpd 0.9.75 takes void * even where it only copies.
    union {
        const char *in;
        void *out;
    } bytes = {.in = body->bytes};
    struct MHD_Response *response = MHD_create_response_from_buffer(body->length, bytes.out, body->mode);
    if (response == NULL) {
        return NULL;
    }
    http_reply_add_headers(request, response, content_type);
    if (close || request->server->quiesced) {
        add_to_response(response, MHD_HTTP_HEADER_CONNECTION, "close");
    }
    return response;
}

void http_reply_is_ready(struct http_request *request, unsigned status, struct MHD_Response *response) {
    request->answered = true;
    request->status = status;
    request->response = response;
    if (request->suspended) {
        request->suspended = false;
        MHD_resume_connection(request->connection);
        http_daemon_run_soon(request->server);
    }
}

// What the body took of the budget is the answer's from here on.
static void account(struct http_request *request, const struct answer_body *body) {
    request->answer_bytes = body->length;
    if (request->claim.budget != NULL) {
        buf_free(&request->body);
        http_claim_force(&request->claim, body->mode == MHD_RESPMEM_PERSISTENT ? 0 : body->length);
    }
}

static void http_reply_answer(struct http_request *request, unsigned status, const char *content_type,
                              const struct answer_body *body, bool close) {
    if (request->answered) {
        log_error("http_answered_twice", "a second answer (%u) to %s %s was dropped", status, request->method,
                  request->path);
        return;
    }
    struct MHD_Response *response = NULL;
    if (request->cut_short) {
        send_past_daemon(request, status, content_type, body->bytes, body->length);
    } else {
        response = make_response(request, content_type, body, close);
    }
    account(request, body);
    http_reply_is_ready(request, status, response);
}

void http_reply(struct http_request *request, unsigned status, const char *content_type, const char *body,
                size_t length) {
    http_reply_answer(request, status, content_type, &(struct answer_body){body, length, MHD_RESPMEM_MUST_COPY}, false);
}

void http_reply_taking(struct http_request *request, unsigned status, const char *content_type, struct buf *body) {
    if (request->answered || request->cut_short) { // the library won't take it
        http_reply(request, status, content_type, body->data, body->length);
        buf_free(body);
        return;
    }
    char *bytes = xrealloc(body->data, body->length > 0 ? body->length : 1);
    http_reply_answer(request, status, content_type, &(struct answer_body){bytes, body->length, MHD_RESPMEM_MUST_FREE},
                      false);
    *body = (struct buf){0};
}

void http_reply_constant(struct http_request *request, unsigned status, const char *content_type, const char *body,
                         size_t length) {
    http_reply_answer(request, status, content_type, &(struct answer_body){body, length, MHD_RESPMEM_PERSISTENT},
                      false);
}

void http_reply_and_close(struct http_request *request, unsigned status, const char *content_type, const char *body,
                          size_t length) {
    http_reply_answer(request, status, content_type, &(struct answer_body){body, length, MHD_RESPMEM_MUST_COPY}, true);
}

// The slowest client that an answer waits for: so many bytes in a millisecond, on average.
enum { SLOWEST_BYTES_PER_MS = 8 };

// How long the client may take for it.
static int64_t time_for(const struct http_request *request) {
    return request->server->options.request_timeout_ms + (int64_t)(request->answer_bytes / SLOWEST_BYTES_PER_MS);
}

enum MHD_Result http_reply_queue(struct http_request *request) {
    if (request->response == NULL) {
        return MHD_NO; // cut short, or no memory for an answer: close
    }
    if (request->stream.is_one) {
        http_stage_enter(request->place, HTTP_STAGE_FREE, 0);
    } else {
        http_stage_enter(request->place, HTTP_STAGE_SENT, time_for(request));
    }
    enum MHD_Result result = MHD_queue_response(request->connection, request->status, request->response);
    MHD_destroy_response(request->response); // the connection holds its own reference
    request->response = NULL;
    return result;
}
