// SPDX-License-Identifier: MIT
//
// A connection has two sides, each of which is read only while what it said last is written to the other: no queue
// grows. Its memory goes when both handles have closed and no write is under way.
#include "tests/support/proxy.h"

#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "shared/base/mem.h"
#include "tests/support/each.h"
#include "tests/support/port.h"

enum { MOST_PAIRS = 24, BACKLOG = 512, CHUNK = 64 * 1024 };

struct connection;

struct side {
    uv_tcp_t tcp;
    uv_write_t write; // of what the other side said
    struct connection *connection;
    struct side *other;
    char chunk[CHUNK]; // what this side said
    bool reading, is_writing;
};

struct connection {
    struct side client, target;
    uv_connect_t connect;
    struct pair *pair;
    struct connection *previous, *next;
    int open_handles;
    bool connected, closing;
    bool ended;     // one side has said all: closed once that is written
    bool has_holes; // bytes of it were swallowed
};

struct pair {
    char *name;
    uint16_t target_port;
    uv_tcp_t listener;
    enum proxy_mode mode;
    struct connection *first;
};

enum order_kind { ORDER_MODE, ORDER_RESET, ORDER_TURN, ORDER_STOP };

struct order {
    enum order_kind kind;
    struct pair *pair;
    enum proxy_mode mode;
    uint16_t target_port;
};

struct proxy {
    uv_loop_t loop;
    uv_async_t wake;
    uv_sem_t done;
    pthread_t thread;
    struct order order; // the one under way
    struct pair pairs[MOST_PAIRS];
    size_t pair_count;
};

static struct sockaddr_in loopback(uint16_t port) {
    struct sockaddr_in address;
    ASSERT_EACH(uv_ip4_addr("127.0.0.1", port, &address) == 0);
    return address;
}

// ---- The end of a connection

static void on_closed(uv_handle_t *handle) {
    struct side *side = handle->data;
    struct connection *connection = side->connection;
    if (--connection->open_handles > 0) {
        return;
    }
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        connection->pair->first = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    free(connection);
}

static void close_side(struct side *side, bool reset) {
    if (!reset || uv_tcp_close_reset(&side->tcp, on_closed) != 0) {
        uv_close((uv_handle_t *)&side->tcp, on_closed);
    }
}

static void end(struct connection *connection, bool reset) {
    if (!connection->closing) {
        connection->closing = true;
        close_side(&connection->client, reset);
        close_side(&connection->target, reset);
    }
}

// ---- What passes

static void read_on(struct side *side);

static void on_written(uv_write_t *write, int status) {
    struct side *from = write->data;
    struct connection *connection = from->connection;
    from->other->is_writing = false;
    if (connection->closing) {
        return;
    }
    if (status < 0) {
        end(connection, true);
    } else if (connection->ended) {
        end(connection, false);
    } else {
        read_on(from);
    }
}

static void hand_over(struct side *from, size_t length) {
    struct side *to = from->other;
    uv_buf_t bytes = uv_buf_init(from->chunk, (unsigned)length);
    uv_read_stop((uv_stream_t *)&from->tcp);
    from->reading = false;
    to->write.data = from;
    to->is_writing = true;
    if (uv_write(&to->write, (uv_stream_t *)&to->tcp, &bytes, 1, on_written) != 0) {
        end(from->connection, true);
    }
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
    (void)suggested;
    struct side *side = handle->data;
    *out = uv_buf_init(side->chunk, CHUNK);
}

static void on_input(uv_stream_t *stream, ssize_t length, const uv_buf_t *input) {
    (void)input;
    struct side *side = stream->data;
    struct connection *connection = side->connection;
    if (connection->closing || length == 0) {
        return;
    }
    if (length == UV_EOF) {
        connection->ended = true;
        if (!side->is_writing && !side->other->is_writing) {
            end(connection, false);
        }
    } else if (length < 0) {
        end(connection, true);
    } else if (connection->pair->mode == PROXY_SWALLOW) {
        connection->has_holes = true;
    } else {
        hand_over(side, (size_t)length);
    }
}

static void read_on(struct side *side) {
    struct connection *connection = side->connection;
    bool may = connection->connected && !connection->closing && connection->pair->mode != PROXY_DELAY;
    if (may && !side->reading && !side->other->is_writing) {
        side->reading = uv_read_start((uv_stream_t *)&side->tcp, on_room, on_input) == 0;
    }
}

static void hold(struct side *side) {
    uv_read_stop((uv_stream_t *)&side->tcp);
    side->reading = false;
}

// ---- The beginning of a connection

static void on_connect(uv_connect_t *connect, int status) {
    struct connection *connection = connect->data;
    if (connection->closing) {
        return;
    }
    if (status < 0) {
        end(connection, true);
        return;
    }
    connection->connected = true;
    read_on(&connection->client);
    read_on(&connection->target);
}

static void set_up(struct connection *connection, struct side *side, struct side *other, uv_loop_t *loop) {
    side->connection = connection;
    side->other = other;
    side->tcp.data = side;
    uv_tcp_init(loop, &side->tcp);
    connection->open_handles++;
}

static void on_knock(uv_stream_t *listener, int status) {
    struct pair *pair = listener->data;
    if (status < 0) {
        return;
    }
    struct connection *connection = xcalloc(1, sizeof *connection);
    connection->pair = pair;
    connection->next = pair->first;
    if (pair->first != NULL) {
        pair->first->previous = connection;
    }
    pair->first = connection;
    set_up(connection, &connection->client, &connection->target, listener->loop);
    set_up(connection, &connection->target, &connection->client, listener->loop);
    struct sockaddr_in address = loopback(pair->target_port);
    connection->connect.data = connection;
    if (uv_accept(listener, (uv_stream_t *)&connection->client.tcp) != 0 ||
        uv_tcp_connect(&connection->connect, &connection->target.tcp, (const struct sockaddr *)&address, on_connect) !=
            0) {
        end(connection, true);
        return;
    }
    uv_tcp_nodelay(&connection->client.tcp, 1);
    uv_tcp_nodelay(&connection->target.tcp, 1);
}

// ---- Orders

static void set_mode(struct pair *pair, enum proxy_mode mode) {
    pair->mode = mode;
    for (struct connection *connection = pair->first; connection != NULL; connection = connection->next) {
        if (connection->closing) {
            continue;
        }
        if (mode == PROXY_DELAY) {
            hold(&connection->client);
            hold(&connection->target);
        } else if (mode == PROXY_PASS && connection->has_holes) {
            end(connection, true);
        } else {
            read_on(&connection->client);
            read_on(&connection->target);
        }
    }
}

static void reset(struct pair *pair) {
    for (struct connection *connection = pair->first; connection != NULL; connection = connection->next) {
        end(connection, true);
    }
}

static void close_all(struct proxy *proxy) {
    uv_close((uv_handle_t *)&proxy->wake, NULL);
    for (size_t i = 0; i < proxy->pair_count; i++) {
        uv_close((uv_handle_t *)&proxy->pairs[i].listener, NULL);
        reset(&proxy->pairs[i]);
    }
}

static void on_wake(uv_async_t *wake) {
    struct proxy *proxy = wake->data;
    switch (proxy->order.kind) {
    case ORDER_MODE:
        set_mode(proxy->order.pair, proxy->order.mode);
        break;
    case ORDER_RESET:
        reset(proxy->order.pair);
        break;
    case ORDER_TURN:
        proxy->order.pair->target_port = proxy->order.target_port;
        reset(proxy->order.pair);
        break;
    case ORDER_STOP:
        close_all(proxy);
        break;
    }
    uv_sem_post(&proxy->done);
}

static void give(struct proxy *proxy, struct order order) {
    proxy->order = order;
    uv_async_send(&proxy->wake);
    uv_sem_wait(&proxy->done);
}

static struct pair *find(struct proxy *proxy, const char *name) {
    for (size_t i = 0; i < proxy->pair_count; i++) {
        if (strcmp(proxy->pairs[i].name, name) == 0) {
            return &proxy->pairs[i];
        }
    }
    ck_abort_msg("there is no pair %s", name);
}

void proxy_set_mode(struct proxy *proxy, const char *pair, enum proxy_mode mode) {
    give(proxy, (struct order){.kind = ORDER_MODE, .pair = find(proxy, pair), .mode = mode});
}

void proxy_reset(struct proxy *proxy, const char *pair) {
    give(proxy, (struct order){.kind = ORDER_RESET, .pair = find(proxy, pair)});
}

void proxy_turn(struct proxy *proxy, const char *pair, uint16_t target_port) {
    give(proxy, (struct order){.kind = ORDER_TURN, .pair = find(proxy, pair), .target_port = target_port});
}

// ---- Life

struct proxy *proxy_create(void) {
    struct proxy *proxy = xcalloc(1, sizeof *proxy);
    ck_assert_int_eq(uv_loop_init(&proxy->loop), 0);
    ck_assert_int_eq(uv_async_init(&proxy->loop, &proxy->wake, on_wake), 0);
    ck_assert_int_eq(uv_sem_init(&proxy->done, 0), 0);
    proxy->wake.data = proxy;
    return proxy;
}

uint16_t proxy_add(struct proxy *proxy, const char *name, uint16_t target_port) {
    ck_assert_uint_lt(proxy->pair_count, MOST_PAIRS);
    struct pair *pair = &proxy->pairs[proxy->pair_count++];
    uint16_t port = free_port();
    struct sockaddr_in address = loopback(port);
    pair->name = xstrdup(name);
    pair->target_port = target_port;
    uv_tcp_init(&proxy->loop, &pair->listener);
    pair->listener.data = pair;
    ck_assert_int_eq(uv_tcp_bind(&pair->listener, (const struct sockaddr *)&address, 0), 0);
    ck_assert_int_eq(uv_listen((uv_stream_t *)&pair->listener, BACKLOG, on_knock), 0);
    return port;
}

static void *run(void *argument) {
    struct proxy *proxy = argument;
    uv_run(&proxy->loop, UV_RUN_DEFAULT);
    return NULL;
}

void proxy_start(struct proxy *proxy) {
    ck_assert_int_eq(pthread_create(&proxy->thread, NULL, run, proxy), 0);
}

void proxy_destroy(struct proxy *proxy) {
    give(proxy, (struct order){.kind = ORDER_STOP});
    pthread_join(proxy->thread, NULL);
    ck_assert_int_eq(uv_loop_close(&proxy->loop), 0);
    uv_sem_destroy(&proxy->done);
    for (size_t i = 0; i < proxy->pair_count; i++) {
        free(proxy->pairs[i].name);
    }
    free(proxy);
}
