// SPDX-License-Identifier: MIT
//
// hiredis writes and reads the protocol here (redisFormatCommandArgv, redisReader); the socket is libuv's own.
//
// Rejected: hiredis 0.14's async context with its libuv adapter. The adapter returns on an error event, at which libuv
// has already stopped polling, so that a refused connect is never reported; the context calls assert() on a reply that
// nobody asked for, so that a wrong port could end the process; it runs callbacks from within its own free; and it
// knows no time-outs. With a uv_tcp_t the same takes less code, and one write(2) a turn without arming epoll for it.
//
// TLS (shared/loop/tls.h) lies between the socket and both ends: what a turn queued is sealed piece by piece as the
// kernel takes it, what has arrived is opened record by record.
//
// Time-outs: Redis answers in order, so only the oldest call matters. It is late when nothing has arrived for
// timeout_ms since it was sent, plus what it may block at the server.
#include "shared/redis/conn.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/loop/deadline.h"
#include "shared/loop/turn.h"
#include "shared/redis/tls_sentence.h"

enum {
    READ_BYTES = 64 * 1024,
    KEEPALIVE_SECS = 60,
    SEAL_BYTES = 256 * 1024, // at once: what stays in the processor's cache
};

struct call {
    struct call *next;
    redis_link_reply done; // may be NULL
    void *argument;
    int64_t sent_ms;
    int64_t block_ms;
};

struct redis_conn {
    uv_tcp_t tcp;
    struct deadline deadline;
    struct turn end_of_turn; // runs before the next poll: the moment to write what the turn queued
    uv_connect_t connect;
    uv_write_t write;
    int open_handles; // freed when the last one has closed
    const struct redis_conn_events *events;
    void *owner;
    int64_t timeout_ms;
    int64_t last_arrival_ms; // while connecting: when that began
    struct tls *tls;         // NULL: plain
    char *host;              // that its certificate must be for
    bool announced;          // by Sentinels
    char *tls_said;          // redis_conn_tls
    bool reached;            // TCP is connected
    bool connected;          // and TLS's handshake done
    bool heard;              // something has arrived
    bool writing;            // `flight` belongs to libuv
    bool broken;             // on_broken was called
    bool dropped;
    struct buf out;
    size_t sealed; // how much of `out` TLS has taken
    struct buf flight;
    struct call *first; // calls that wait, oldest first
    struct call **last;
    redisReader *reader;
    char input[READ_BYTES];
};

static void redis_conn_on_closed(uv_handle_t *handle) {
    struct redis_conn *conn = handle->data;
    if (--conn->open_handles > 0) {
        return;
    }
    redisReaderFree(conn->reader);
    if (conn->tls != NULL) {
        tls_destroy(conn->tls);
    }
    free(conn->host);
    free(conn->tls_said);
    buf_free(&conn->out);
    buf_free(&conn->flight);
    free(conn);
}

static void redis_conn_break_off(struct redis_conn *conn, const char *why) {
    if (conn->broken || conn->dropped) {
        return;
    }
    conn->broken = true;
    conn->events->on_broken(conn->owner, why);
}

static void redis_conn_break_off_tls(struct redis_conn *conn) {
    char *why = redis_tls_sentence(conn->tls, conn->host, conn->announced);
    redis_conn_break_off(conn, why);
    free(why);
}

// It is closed or reset. The one side of a port that speaks TLS ends a connection like that on which the other speaks
// none.
static void redis_conn_break_off_closed(struct redis_conn *conn, int status) {
    const char *why = status == UV_EOF ? "Redis closed the connection" : uv_strerror(status);
    if (conn->tls != NULL && !conn->connected) {
        why = "Redis closed the connection in TLS's handshake: where it speaks no TLS on this port, write redis:// in "
              "REDIS_URL";
    } else if (conn->tls == NULL && !conn->heard) {
        why = "Redis closed the connection before it said anything: where it speaks TLS on this port, write rediss:// "
              "in REDIS_URL";
    }
    redis_conn_break_off(conn, why);
}

static int64_t redis_conn_due_ms(const void *owner) {
    const struct redis_conn *conn = owner;
    const struct call *oldest = conn->first;
    if (!conn->connected) {
        return conn->last_arrival_ms + conn->timeout_ms;
    }
    if (oldest == NULL) {
        return -1;
    }
    int64_t since = oldest->sent_ms > conn->last_arrival_ms ? oldest->sent_ms : conn->last_arrival_ms;
    return since + conn->timeout_ms + oldest->block_ms;
}

static void redis_conn_on_late(void *owner) {
    struct redis_conn *conn = owner;
    redis_conn_break_off(conn, conn->connected ? "no reply in time"
                               : conn->reached ? "TLS's handshake did not end in time: where Redis speaks no TLS on "
                                                 "this port, write redis:// in REDIS_URL"
                                               : "could not connect in time");
}

static void redis_conn_flush(void *argument);

static void redis_conn_on_written(uv_write_t *write, int status) {
    struct redis_conn *conn = write->data;
    conn->writing = false;
    buf_clear(&conn->flight);
    if (conn->dropped) {
        return;
    }
    if (status < 0) {
        redis_conn_break_off_closed(conn, status);
    } else {
        redis_conn_flush(conn);
    }
}

// What the kernel did not take at once of `wire` waits in `flight`, while more gathers behind it.
static void redis_conn_write_rest(struct redis_conn *conn, struct buf *wire, size_t written) {
    struct buf swap = conn->flight;
    conn->flight = *wire;
    *wire = swap;
    uv_buf_t rest = uv_buf_init(conn->flight.data + written, (unsigned)(conn->flight.length - written));
    int status = uv_write(&conn->write, (uv_stream_t *)&conn->tcp, &rest, 1, redis_conn_on_written);
    if (status == 0) {
        conn->writing = true;
    } else {
        redis_conn_break_off(conn, uv_strerror(status));
    }
}

// Adds the next piece of `out` to what TLS has to say, unless it waits for more to arrive.
static void redis_conn_seal(struct redis_conn *conn) {
    size_t left = conn->out.length - conn->sealed, piece = left < SEAL_BYTES ? left : SEAL_BYTES;
    if (piece == 0 || !conn->connected) {
        return;
    }
    int result = tls_write(conn->tls, conn->out.data + conn->sealed, piece);
    if (result != 0) {
        if (result < 0) {
            redis_conn_break_off_tls(conn);
        }
        return;
    }
    conn->sealed += piece;
    if (conn->sealed == conn->out.length) {
        conn->sealed = 0;
        buf_clear(&conn->out);
    }
}

// The bytes that go to the kernel next.
static struct buf *redis_conn_wire(struct redis_conn *conn) {
    if (conn->tls == NULL) {
        return &conn->out;
    }
    redis_conn_seal(conn);
    return tls_output(conn->tls);
}

static void redis_conn_flush(void *argument) {
    struct redis_conn *conn = argument;
    for (struct buf *wire;
         !conn->writing && !conn->broken && !conn->dropped && (wire = redis_conn_wire(conn))->length > 0;) {
        uv_buf_t all = uv_buf_init(wire->data, (unsigned)wire->length);
        int written = uv_try_write((uv_stream_t *)&conn->tcp, &all, 1);
        if (written < 0 && written != UV_EAGAIN) {
            redis_conn_break_off_closed(conn, written);
        } else if (written == (int)wire->length) {
            buf_clear(wire);
        } else {
            redis_conn_write_rest(conn, wire, written > 0 ? (size_t)written : 0);
        }
    }
}

static struct call *redis_conn_take_first(struct redis_conn *conn) {
    struct call *call = conn->first;
    conn->first = call->next;
    if (conn->first == NULL) {
        conn->last = &conn->first;
    }
    return call;
}

static void deliver(struct redis_conn *conn, const redisReply *reply) {
    if (conn->events->on_push != NULL && conn->events->on_push(conn->owner, reply)) {
        return;
    }
    if (conn->first == NULL) { // e.g. "-ERR max number of clients reached", or not a Redis at all
        redis_conn_break_off(conn, reply->type == REDIS_REPLY_ERROR ? reply->str : "a reply to no call");
        return;
    }
    struct call *call = redis_conn_take_first(conn);
    conn->events->on_reply(conn->owner, call->done, call->argument, reply);
    free(call);
}

// Hands on every reply that is complete. The connection may be dropped by any of them.
static void deliver_replies(struct redis_conn *conn) {
    while (!conn->dropped && !conn->broken) {
        void *reply = NULL;
        if (redisReaderGetReply(conn->reader, &reply) != REDIS_OK) {
            redis_conn_break_off(conn, conn->reader->errstr);
            return;
        }
        if (reply == NULL) {
            return;
        }
        deliver(conn, reply);
        freeReplyObject(reply);
    }
}

static void redis_conn_on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
    (void)suggested;
    struct redis_conn *conn = handle->data;
    *out = uv_buf_init(conn->input, sizeof conn->input);
}

static void redis_conn_take(struct redis_conn *conn, const char *data, size_t length) {
    redisReaderFeed(conn->reader, data, length);
    deliver_replies(conn);
}

static void redis_conn_begin(struct redis_conn *conn) {
    conn->connected = true;
    deadline_stop(&conn->deadline);
    conn->events->on_connected(conn->owner);
}

// A step of TLS's handshake; its last message leaves with the first commands.
static void redis_conn_shake(struct redis_conn *conn) {
    int done = tls_shake(conn->tls);
    if (done == 1) {
        conn->tls_said = xasprintf("%s%s", tls_version(conn->tls), tls_was_resumed(conn->tls) ? ", resumed" : "");
        redis_conn_begin(conn);
    }
    redis_conn_flush(conn); // where it failed, Redis is told
    if (done < 0) {
        redis_conn_break_off_tls(conn);
    }
}

// Opens what has arrived. The connection may be dropped by any reply in it.
static void redis_conn_open_sealed(struct redis_conn *conn, const char *data, size_t length) {
    const char *plain;
    ssize_t got = 0;
    tls_feed(conn->tls, data, length);
    if (!conn->connected) {
        redis_conn_shake(conn);
    }
    while (conn->connected && !conn->dropped && !conn->broken && (got = tls_read(conn->tls, &plain)) > 0) {
        redis_conn_take(conn, plain, (size_t)got);
    }
    if (conn->dropped || conn->broken) {
        return;
    }
    if (got < 0) {
        redis_conn_break_off_tls(conn);
    } else if (tls_output(conn->tls)->length > 0 || conn->out.length > 0) { // e.g. new keys; what waited for them
        turn_at_end(&conn->end_of_turn, redis_conn_flush);
    }
}

// An alert, which is how a server of TLS answers what is none.
static bool redis_conn_is_alert(const char *data, size_t length) {
    return length >= 2 && data[0] == '\x15' && data[1] == '\x03';
}

static void redis_conn_on_input(uv_stream_t *stream, ssize_t length, const uv_buf_t *input) {
    struct redis_conn *conn = stream->data;
    if (length == 0 || conn->dropped) {
        return;
    }
    if (length < 0) {
        redis_conn_break_off_closed(conn, (int)length);
        return;
    }
    if (conn->tls != NULL) {
        conn->last_arrival_ms = conn->connected ? deadline_now_ms() : conn->last_arrival_ms;
        redis_conn_open_sealed(conn, input->base, (size_t)length);
        return;
    }
    conn->last_arrival_ms = deadline_now_ms();
    if (!conn->heard && redis_conn_is_alert(input->base, (size_t)length)) {
        redis_conn_break_off(conn, "Redis speaks TLS on this port: write rediss:// in REDIS_URL");
        return;
    }
    conn->heard = true;
    redis_conn_take(conn, input->base, (size_t)length);
}

static void redis_conn_on_connect(uv_connect_t *connect, int status) {
    struct redis_conn *conn = connect->data;
    if (conn->dropped) {
        return;
    }
    if (status == 0) {
        status = uv_read_start((uv_stream_t *)&conn->tcp, redis_conn_on_room, redis_conn_on_input);
    }
    if (status < 0) {
        redis_conn_break_off(conn, uv_strerror(status));
        return;
    }
    // Neither can fail in a way that matters: they make it faster, and a silent peer found sooner.
    (void)uv_tcp_nodelay(&conn->tcp, 1);
    (void)uv_tcp_keepalive(&conn->tcp, 1, KEEPALIVE_SECS);
    conn->reached = true;
    if (conn->tls != NULL) {
        redis_conn_shake(conn);
    } else {
        redis_conn_begin(conn);
    }
}

static int redis_conn_numeric_address(const char *address, uint16_t port, struct sockaddr_storage *out) {
    if (uv_ip4_addr(address, port, (struct sockaddr_in *)out) == 0) {
        return 0;
    }
    return uv_ip6_addr(address, port, (struct sockaddr_in6 *)out);
}

static struct redis_conn *new_conn(uv_loop_t *loop) {
    struct redis_conn *conn = xcalloc(1, sizeof *conn);
    conn->last = &conn->first;
    conn->reader = redisReaderCreate();
    if (conn->reader == NULL) {
        mem_exhausted();
    }
    conn->tcp.data = conn;
    conn->connect.data = conn->write.data = conn;
    uv_tcp_init(loop, &conn->tcp);
    conn->deadline = (struct deadline){.due_ms = redis_conn_due_ms, .on_late = redis_conn_on_late, .owner = conn};
    deadline_init(loop, &conn->deadline);
    turn_init(loop, &conn->end_of_turn, conn);
    conn->open_handles = 3;
    return conn;
}

struct redis_conn *redis_conn_open(uv_loop_t *loop, const struct redis_conn_options *options,
                                   const struct redis_conn_events *events, void *owner, const char **error) {
    struct sockaddr_storage peer = {0};
    int status = redis_conn_numeric_address(options->address, options->port, &peer);
    if (status < 0) {
        *error = uv_strerror(status);
        return NULL;
    }
    struct redis_conn *conn = new_conn(loop);
    conn->timeout_ms = options->timeout_ms;
    conn->events = events;
    conn->owner = owner;
    conn->last_arrival_ms = deadline_now_ms();
    if (options->tls != NULL) {
        conn->host = xstrdup(options->host);
        conn->announced = options->announced;
        conn->tls = tls_create(options->tls, options->host, options->memory);
    }
    status = uv_tcp_connect(&conn->connect, &conn->tcp, (const struct sockaddr *)&peer, redis_conn_on_connect);
    if (status < 0) {
        *error = uv_strerror(status);
        redis_conn_drop(conn);
        return NULL;
    }
    deadline_watch(&conn->deadline);
    return conn;
}

static void put_head(struct buf *out, char kind, size_t number) {
    buf_putc(out, kind);
    buf_put_int(out, (int64_t)number);
    buf_append(out, "\r\n", 2);
}

// As RESP has it, and as redisFormatCommandArgv does by way of several sprintfs an argument.
static void put_command(struct buf *out, int argc, const char **argv, const size_t *lengths) {
    put_head(out, '*', (size_t)argc);
    for (int i = 0; i < argc; i++) {
        size_t length = lengths != NULL ? lengths[i] : strlen(argv[i]);
        put_head(out, '$', length);
        buf_append(out, argv[i], length);
        buf_append(out, "\r\n", 2);
    }
}

void redis_conn_send(struct redis_conn *conn, int64_t block_ms, redis_link_reply done, void *argument, int argc,
                     const char **argv, const size_t *lengths) {
    put_command(&conn->out, argc, argv, lengths);
    struct call *call = xmalloc(sizeof *call);
    *call = (struct call){.done = done, .argument = argument, .sent_ms = deadline_now_ms(), .block_ms = block_ms};
    *conn->last = call;
    conn->last = &call->next;
    deadline_watch(&conn->deadline);
    turn_at_end(&conn->end_of_turn, redis_conn_flush);
}

const char *redis_conn_tls(const struct redis_conn *conn) {
    return conn->tls_said;
}

// Tells Redis that nothing more comes, where the kernel takes it at once.
static void redis_conn_end_tls(struct redis_conn *conn) {
    if (conn->tls == NULL || !conn->connected || conn->writing || conn->broken) {
        return;
    }
    struct buf *wire = tls_output(conn->tls);
    tls_end(conn->tls);
    if (wire->length > 0) {
        uv_buf_t all = uv_buf_init(wire->data, (unsigned)wire->length);
        (void)uv_try_write((uv_stream_t *)&conn->tcp, &all, 1);
    }
}

void redis_conn_drop(struct redis_conn *conn) {
    if (conn->dropped) {
        return;
    }
    conn->dropped = true;
    redis_conn_end_tls(conn);
    uv_close((uv_handle_t *)&conn->tcp, redis_conn_on_closed);
    deadline_close(&conn->deadline, conn, redis_conn_on_closed);
    uv_close((uv_handle_t *)&conn->end_of_turn.idle, redis_conn_on_closed);
    while (conn->first != NULL) {
        struct call *call = redis_conn_take_first(conn);
        if (call->done) {
            call->done(call->argument, REDIS_LINK_LOST, NULL);
        }
        free(call);
    }
}
