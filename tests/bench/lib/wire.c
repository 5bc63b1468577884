// SPDX-License-Identifier: MIT
#include "tests/bench/lib/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"

#define ANSWER_BYTES 65536

struct wire {
    uv_loop_t *loop;
    uv_tcp_t tcp;
    uv_connect_t connecting;
    uint16_t port;
    struct wire_events events;
    void *argument, *context;
    bool was_ready;     // it has been connected before
    bool is_open;       // it is connected now
    bool is_asked;      // a request is under way
    struct buf waiting; // the request that waits for the connection
    size_t length;      // of the answer so far
    char answer[ANSWER_BYTES + 1];
};

static _Noreturn void give_up(const char *what, int status) {
    fprintf(stderr, "%s: %s\n", what, uv_strerror(status));
    exit(EXIT_FAILURE);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
    (void)suggested;
    struct wire *wire = handle->data;
    *out = uv_buf_init(wire->answer + wire->length, (unsigned)(ANSWER_BYTES - wire->length));
}

// The body of a whole answer, or NULL as long as it isn't whole.
static const char *find_body(const struct wire *wire) {
    const char *body = strstr(wire->answer, "\r\n\r\n");
    const char *length = body != NULL ? strcasestr(wire->answer, "\r\nContent-Length:") : NULL;
    if (length == NULL || length > body) {
        return NULL;
    }
    size_t whole = (size_t)(body + 4 - wire->answer) + strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
    return wire->length >= whole ? body + 4 : NULL;
}

static void connect_wire(struct wire *wire);

static void on_closed_idle(uv_handle_t *handle) {
    connect_wire(handle->data);
}

// A server may close what has idled for long.
static void reopen(struct wire *wire, int status) {
    if (wire->is_asked) {
        give_up("a connection broke", status);
    }
    wire->is_open = false;
    uv_close((uv_handle_t *)&wire->tcp, on_closed_idle);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *room) {
    (void)room;
    struct wire *wire = stream->data;
    if (count < 0) {
        reopen(wire, (int)count);
        return;
    }
    wire->length += (size_t)count;
    wire->answer[wire->length] = '\0';
    const char *body = find_body(wire);
    if (body == NULL) {
        return;
    }
    int status = (int)strtol(wire->answer + strlen("HTTP/1.1 "), NULL, 10);
    wire->length = 0;
    wire->is_asked = false;
    wire->events.answer(wire, status, body, wire->argument);
}

// The socket is empty, so a request of a few hundred bytes always fits.
static void write_whole(struct wire *wire, const char *bytes, size_t length) {
    union {
        const char *in;
        char *out;
    } text = {.in = bytes};
    uv_buf_t buffer = uv_buf_init(text.out, (unsigned)length);
    int status = uv_try_write((uv_stream_t *)&wire->tcp, &buffer, 1);
    if (status != (int)length) {
        give_up("a request could not be written", status < 0 ? status : UV_EAGAIN);
    }
}

static void on_connected(uv_connect_t *connecting, int status) {
    struct wire *wire = connecting->data;
    if (status < 0) {
        give_up("can't connect", status);
    }
    wire->is_open = true;
    uv_tcp_nodelay(&wire->tcp, 1);
    uv_read_start((uv_stream_t *)&wire->tcp, give_room, on_read);
    if (wire->waiting.length > 0) {
        write_whole(wire, wire->waiting.data, wire->waiting.length);
        buf_clear(&wire->waiting);
    }
    if (!wire->was_ready) {
        wire->was_ready = true;
        wire->events.ready(wire, wire->argument);
    }
}

static void connect_wire(struct wire *wire) {
    struct sockaddr_in address;
    uv_tcp_init(wire->loop, &wire->tcp);
    uv_ip4_addr("127.0.0.1", wire->port, &address);
    int status = uv_tcp_connect(&wire->connecting, &wire->tcp, (const struct sockaddr *)&address, on_connected);
    if (status < 0) {
        give_up("can't connect", status);
    }
}

struct wire *wire_open(uv_loop_t *loop, uint16_t port, const struct wire_events *events, void *argument) {
    struct wire *wire = xcalloc(1, sizeof *wire);
    wire->loop = loop;
    wire->port = port;
    wire->events = *events;
    wire->argument = argument;
    wire->tcp.data = wire->connecting.data = wire;
    connect_wire(wire);
    return wire;
}

void wire_set_context(struct wire *wire, void *context) {
    wire->context = context;
}

void *wire_context(const struct wire *wire) {
    return wire->context;
}

void wire_send(struct wire *wire, const char *bytes, size_t length) {
    wire->is_asked = true;
    if (wire->is_open) {
        write_whole(wire, bytes, length);
    } else {
        buf_append(&wire->waiting, bytes, length);
    }
}
