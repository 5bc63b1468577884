// SPDX-License-Identifier: MIT
#include "tests/support/fake_server.h"

#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"

enum { MOST_CLIENTS = 64 };

struct client {
    uv_tcp_t tcp;
    struct fake_server *server; // NULL once it is closing
    char input[65536];
};

struct fake_server {
    uv_tcp_t tcp;
    struct fake_behaviour behaviour;
    unsigned connections, reads;
    struct client *clients[MOST_CLIENTS];
};

static void free_data(uv_handle_t *handle) {
    free(handle->data);
}

static void close_client(struct client *client) {
    struct fake_server *server = client->server;
    if (!server) {
        return;
    }
    for (size_t i = 0; i < MOST_CLIENTS; i++) {
        if (server->clients[i] == client) {
            server->clients[i] = NULL;
        }
    }
    client->server = NULL;
    uv_close((uv_handle_t *)&client->tcp, free_data);
}

static void say(struct client *client, const char *text, size_t length) {
    struct buf copy = {0}; // libuv's bytes aren't constant
    buf_append(&copy, text, length);
    uv_buf_t bytes = uv_buf_init(copy.data, (unsigned)length);
    if (length > 0) {
        (void)uv_try_write((uv_stream_t *)&client->tcp, &bytes, 1);
    }
    buf_free(&copy);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
    struct client *client = handle->data;
    (void)suggested;
    *out = uv_buf_init(client->input, sizeof client->input);
}

static void on_input(uv_stream_t *stream, ssize_t length, const uv_buf_t *input) {
    struct client *client = stream->data;
    if (length == 0 || !client->server) {
        return;
    }
    if (length < 0) {
        close_client(client);
        return;
    }
    struct buf answer = {0};
    const struct fake_behaviour *behaviour = &client->server->behaviour;
    client->server->reads++;
    bool stay = !behaviour->on_input || behaviour->on_input(behaviour->argument, input->base, (size_t)length, &answer);
    say(client, answer.data, answer.length);
    buf_free(&answer);
    if (!stay) {
        close_client(client);
    }
}

static void remember(struct fake_server *server, struct client *client) {
    for (size_t i = 0; i < MOST_CLIENTS; i++) {
        if (!server->clients[i]) {
            server->clients[i] = client;
            return;
        }
    }
    ck_abort_msg("too many clients of a fake server");
}

static void on_connection(uv_stream_t *stream, int status) {
    struct fake_server *server = stream->data;
    struct client *client = xcalloc(1, sizeof *client);
    ck_assert_int_eq(status, 0);
    client->server = server;
    client->tcp.data = client;
    uv_tcp_init(stream->loop, &client->tcp);
    ck_assert_int_eq(uv_accept(stream, (uv_stream_t *)&client->tcp), 0);
    remember(server, client);
    server->connections++;
    if (server->behaviour.greeting) {
        say(client, server->behaviour.greeting, strlen(server->behaviour.greeting));
    }
    if (server->behaviour.hang_up) {
        close_client(client);
    } else {
        uv_read_start((uv_stream_t *)&client->tcp, on_room, on_input);
    }
}

struct fake_server *fake_server_start(uv_loop_t *loop, const struct fake_behaviour *behaviour) {
    struct fake_server *server = xcalloc(1, sizeof *server);
    struct sockaddr_in any;
    server->behaviour = *behaviour;
    server->tcp.data = server;
    uv_ip4_addr("127.0.0.1", 0, &any);
    uv_tcp_init(loop, &server->tcp);
    ck_assert_int_eq(uv_tcp_bind(&server->tcp, (struct sockaddr *)&any, 0), 0);
    ck_assert_int_eq(uv_listen((uv_stream_t *)&server->tcp, 16, on_connection), 0);
    return server;
}

uint16_t fake_server_port(const struct fake_server *server) {
    struct sockaddr_in bound;
    int length = sizeof bound;
    ck_assert_int_eq(uv_tcp_getsockname(&server->tcp, (struct sockaddr *)&bound, &length), 0);
    return ntohs(bound.sin_port);
}

unsigned fake_server_connections(const struct fake_server *server) {
    return server->connections;
}

unsigned fake_server_reads(const struct fake_server *server) {
    return server->reads;
}

void fake_server_say_bytes(struct fake_server *server, const char *bytes, size_t length) {
    for (size_t i = 0; i < MOST_CLIENTS; i++) {
        if (server->clients[i]) {
            say(server->clients[i], bytes, length);
        }
    }
}

void fake_server_say(struct fake_server *server, const char *text) {
    fake_server_say_bytes(server, text, strlen(text));
}

void fake_server_hang_up(struct fake_server *server) {
    for (size_t i = 0; i < MOST_CLIENTS; i++) {
        if (server->clients[i]) {
            close_client(server->clients[i]);
        }
    }
}

void fake_server_destroy(struct fake_server *server) {
    fake_server_hang_up(server);
    uv_close((uv_handle_t *)&server->tcp, free_data);
}
