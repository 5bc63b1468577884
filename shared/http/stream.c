// SPDX-License-Identifier: MIT
//
// An answer that goes on: libmicrohttpd asks for more of the body whenever the socket takes it; when there is nothing,
// the connection is suspended until something is written. What waits for a slow client is bounded here and, by a small
// send buffer, in the kernel; a client that exceeds it has its socket shut down, because libmicrohttpd doesn't ask
// again before the socket takes more, which may be never.
#include "shared/http/stream.h"

#include <string.h>
#include <sys/socket.h>

#include "shared/base/log.h"
#include "shared/http/reply_private.h"
#include "shared/http/request_private.h"

enum { BLOCK_BYTES = 16 * 1024, KERNEL_BYTES = 64 * 1024 };

// All is sent. What one that was slow for a while had needed isn't kept for it.
static void http_stream_clear(struct http_request *request) {
    struct buf *unsent = &request->stream.unsent;
    if (unsent->room > HTTP_FREE_BYTES) {
        buf_free(unsent);
    } else {
        buf_clear(unsent);
    }
    http_claim_release(&request->claim);
    request->stream.sent = 0;
}

static ssize_t read_more(void *cls, uint64_t position, char *out, size_t room) {
    struct http_request *request = cls;
    struct http_stream *stream = &request->stream;
    (void)position;
    if (stream->broken) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    size_t left = stream->unsent.length - stream->sent;
    if (left > 0) {
        size_t piece = left < room ? left : room;
        memcpy(out, stream->unsent.data + stream->sent, piece);
        stream->sent += piece;
        if (stream->sent == stream->unsent.length) {
            http_stream_clear(request);
        }
        return (ssize_t)piece;
    }
    if (stream->ended) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    stream->suspended = true;
    MHD_suspend_connection(request->connection);
    return 0;
}

static int socket_of(const struct http_request *request) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info != NULL ? info->connect_fd : -1;
}

void http_reply_stream(struct http_request *request, unsigned status, const char *content_type, size_t most_unsent) {
    if (request->answered) {
        log_error("http_answered_twice", "a second answer (%u) to %s %s was dropped", status, request->method,
                  request->path);
        return;
    }
    int bytes = KERNEL_BYTES;
    (void)setsockopt(socket_of(request), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    request->stream.is_one = true;
    request->stream.most = most_unsent;
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_more, request, NULL);
    if (response != NULL) {
        http_reply_add_headers(request, response, content_type);
    }
    http_reply_is_ready(request, status, response);
}

// A response of unknown length is what HEAD should be answered with, but libmicrohttpd 0.9.75 sends its last chunk even
// so. An empty one has "Content-Length: 0" there, which clients pass over; later versions can leave it out.
void http_reply_stream_head(struct http_request *request, unsigned status, const char *content_type) {
    struct MHD_Response *response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (response != NULL) {
#if MHD_VERSION >= 0x01000000
        (void)MHD_set_response_options(response, MHD_RF_HEAD_ONLY_RESPONSE, MHD_RO_END);
#endif
        http_reply_add_headers(request, response, content_type);
    }
    http_reply_is_ready(request, status, response);
}

static void http_stream_go_on(struct http_request *request) {
    if (request->stream.suspended) {
        request->stream.suspended = false;
        MHD_resume_connection(request->connection);
        http_daemon_run_soon(request->server);
    }
}

// Drops what was taken already, so that a stream's memory doesn't grow with its age.
static void compact(struct http_stream *stream) {
    if (stream->sent > 0) {
        stream->unsent.length -= stream->sent;
        memmove(stream->unsent.data, stream->unsent.data + stream->sent, stream->unsent.length);
        stream->sent = 0;
    }
}

int http_stream_write(struct http_request *request, const char *bytes, size_t length) {
    struct http_stream *stream = &request->stream;
    if (stream->broken || stream->ended) {
        return stream->broken ? -1 : 0;
    }
    if (stream->unsent.length - stream->sent + length > stream->most) {
        http_stream_break(request);
        return -1;
    }
    compact(stream);
    if (!http_claim_hold(&request->claim, 2 * (stream->unsent.length + length))) { // its memory grows by doubling
        http_stream_break(request);
        return -1;
    }
    buf_append(&stream->unsent, bytes, length);
    http_stream_go_on(request);
    return 0;
}

void http_stream_end(struct http_request *request) {
    request->stream.ended = true;
    http_stream_go_on(request);
}

void http_stream_break(struct http_request *request) {
    if (!request->stream.is_one || request->stream.broken) {
        return;
    }
    request->stream.broken = true;
    buf_free(&request->stream.unsent);
    http_claim_release(&request->claim);
    request->stream.sent = 0;
    (void)shutdown(socket_of(request), SHUT_RDWR);
    http_stream_go_on(request);
}
