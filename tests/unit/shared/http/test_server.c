// SPDX-License-Identifier: MIT
#include "shared/http/server.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/http/budget.h"
#include "shared/http/peers.h"
#include "tests/support/wait.h"

enum { MAX_BODY = 100000, MAX_CONNECTIONS = 16, OF_ONE_ADDRESS = 4 };

static uv_loop_t loop;
static struct http_server *server;
static uint16_t port;
static struct http_peers *peers;           // NULL: any number of one address
static bool keeps_target;                  // of the next server
static int64_t timeout_ms;                 // of the next server
static struct http_budget *of_next_server; // NULL: none

// What the owner under test saw and does.
static struct {
    int headers, requests, dones, dones_unanswered;
    enum http_body_state state;
    char method[16], path[256], query[64], header[64], peer[64], target[64];
    unsigned query_count, header_count;
    size_t body_length;
    char body_start[16];
    struct http_request *waiting[8]; // requests to "/later"
    size_t waiting_count;
    bool destroy_when_done;
    int filters;     // that exist
    size_t filtered; // bytes of bodies that went through one
} seen;

enum { MAX_FILTERED = 40 * 1024 * 1024 };

// ---- A filter that keeps each byte that isn't 'x', and says at the end that it is there

static void filter_take(void *state, const char *bytes, size_t length, struct buf *out) {
    ck_assert_ptr_eq(state, &seen);
    seen.filtered += length;
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != 'x') {
            buf_putc(out, bytes[i]);
        }
    }
}

static void filter_end(void *state, struct buf *out) {
    ck_assert_ptr_eq(state, &seen);
    buf_puts(out, ".");
}

static void filter_free(void *state) {
    ck_assert_ptr_eq(state, &seen);
    seen.filters--;
}

static void filter(struct http_request *request) {
    http_set_filter(request, &(struct http_filter){filter_take, filter_end, filter_free, &seen, 1000});
    http_set_max_body(request, MAX_FILTERED);
    seen.filters++;
}

static void on_headers(void *argument, struct http_request *request) {
    (void)argument;
    seen.headers++;
    if (strcmp(http_path(request), "/early") == 0) {
        http_reply(request, 404, "text/plain", "early", 5);
    }
    if (strncmp(http_path(request), "/filtered", 9) == 0) {
        filter(request);
    }
}

static void note(struct http_request *request, enum http_body_state state) {
    const char *query = http_query(request, "q", &seen.query_count);
    const char *header = http_header(request, "x-test");
    seen.requests++;
    seen.state = state;
    snprintf(seen.method, sizeof seen.method, "%s", http_method(request));
    snprintf(seen.path, sizeof seen.path, "%s", http_path(request));
    snprintf(seen.query, sizeof seen.query, "%s", query ? query : "(none)");
    snprintf(seen.header, sizeof seen.header, "%s", header ? header : "(none)");
    snprintf(seen.peer, sizeof seen.peer, "%s", http_peer(request));
    snprintf(seen.target, sizeof seen.target, "%s", http_target(request) ? http_target(request) : "(none)");
    snprintf(seen.body_start, sizeof seen.body_start, "%s", http_body(request, &seen.body_length));
    seen.header_count = http_header_count(request);
    ck_assert_int_gt(http_started_us(request), 0);
}

static void on_request(void *argument, struct http_request *request, enum http_body_state state) {
    (void)argument;
    note(request, state);
    http_set_context(request, &seen);
    http_add_header(request, "X-Answer", "yes");
    if (state == HTTP_BODY_TOO_LARGE) {
        http_reply_and_close(request, 413, "text/plain", "large", 5);
    } else if (state == HTTP_BODY_MALFORMED) {
        http_reply_and_close(request, 400, "text/plain", "malformed", 9);
    } else if (state == HTTP_BODY_LATE) {
        http_reply_and_close(request, 408, "text/plain", "late", 4);
    } else if (strcmp(http_path(request), "/later") == 0) {
        seen.waiting[seen.waiting_count++] = request;
    } else {
        http_reply(request, 200, "text/plain", "now", 3);
    }
}

static void on_done(void *argument, struct http_request *request) {
    (void)argument;
    seen.dones++;
    seen.dones_unanswered += !http_is_answered(request);
    if (http_context(request)) {
        ck_assert_ptr_eq(http_context(request), &seen);
    }
    if (seen.destroy_when_done && http_server_pending(server) == 0) {
        http_server_destroy(server);
        server = NULL;
    }
}

static bool is_exempt(void *argument, const char *peer) {
    (void)argument;
    return strcmp(peer, "127.0.0.3") == 0;
}

static void start_on(const char *address) {
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    int fd = http_listen(address, 0, true);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&bound, &length), 0);
    port = ntohs(bound.ss_family == AF_INET ? ((struct sockaddr_in *)&bound)->sin_port
                                            : ((struct sockaddr_in6 *)&bound)->sin6_port);
    const struct http_server_options options = {
        .listen_socket = fd,
        .max_connections = MAX_CONNECTIONS,
        .peers = peers,
        .is_exempt = is_exempt,
        .budget = of_next_server,
        .max_body = MAX_BODY,
        .request_timeout_ms = timeout_ms,
        .keep_target = keeps_target,
        .on_headers = on_headers,
        .on_request = on_request,
        .on_done = on_done,
    };
    server = http_server_create(&loop, &options);
    ck_assert_ptr_nonnull(server);
}

static void setup(void) {
    memset(&seen, 0, sizeof seen);
    timeout_ms = 1000;
    uv_loop_init(&loop);
    start_on("127.0.0.1");
}

// Nobody's time is over while a test looks at something else, however slow the machine is.
static void start_patient_on(const char *address) {
    http_server_destroy(server);
    timeout_ms = 600000;
    start_on(address);
}

static void teardown(void) {
    if (server) {
        http_server_destroy(server);
    }
    wait_closed(&loop);
    ck_assert_int_eq(seen.headers, seen.dones);
    ck_assert_int_eq(seen.filters, 0);
}

// ---- A client

struct client {
    int fd;
    struct buf unsent, got;
    bool closed;
    int64_t trickled_us; // of clock_monotonic_us: when it last said a byte
};

static void client_open_from(struct client *client, const char *from) {
    struct sockaddr_in own = {.sin_family = AF_INET};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    memset(client, 0, sizeof *client);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(client->fd, 0);
    ck_assert_int_eq(inet_pton(AF_INET, from, &own.sin_addr), 1);
    ck_assert_int_eq(bind(client->fd, (struct sockaddr *)&own, sizeof own), 0);
    ck_assert_int_eq(connect(client->fd, (struct sockaddr *)&address, sizeof address), 0);
}

static void client_open(struct client *client) {
    client_open_from(client, "127.0.0.1");
}

static void client_say(struct client *client, const char *text) {
    buf_puts(&client->unsent, text);
}

static void client_say_bytes(struct client *client, size_t count) {
    buf_reserve(&client->unsent, count);
    for (size_t i = 0; i < count; i++) {
        buf_putc(&client->unsent, 'x');
    }
}

static void client_turn(struct client *client) {
    char piece[16384];
    if (client->unsent.length > 0) {
        ssize_t sent = send(client->fd, client->unsent.data, client->unsent.length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            struct buf rest = {0};
            buf_append(&rest, client->unsent.data + sent, client->unsent.length - (size_t)sent);
            buf_free(&client->unsent);
            client->unsent = rest;
        }
    }
    ssize_t length = recv(client->fd, piece, sizeof piece, MSG_DONTWAIT);
    if (length > 0) {
        buf_append(&client->got, piece, (size_t)length);
    } else if (length == 0 || errno != EAGAIN) {
        client->closed = true;
    }
}

static bool client_got(struct client *client, const char *text) {
    client_turn(client);
    return client->got.data && strstr(client->got.data, text);
}

static bool client_closed(struct client *client) {
    client_turn(client);
    return client->closed;
}

static int client_answers(const struct client *client) {
    int count = 0;
    const char *at = client->got.data;
    while (at && (at = strstr(at, "HTTP/1.1 ")) != NULL) {
        count++;
        at++;
    }
    return count;
}

static void client_close(struct client *client) {
    close(client->fd);
    buf_free(&client->unsent);
    buf_free(&client->got);
}

// One request on a connection of its own, which the server must close after an answer that begins with `start`.
static void expect_and_close(const char *request, size_t more, const char *start) {
    struct client client;
    client_open(&client);
    client_say(&client, request);
    client_say_bytes(&client, more);
    RUN_UNTIL(&loop, 5000, client_closed(&client));
    ck_assert_msg(client.got.data && strncmp(client.got.data, start, strlen(start)) == 0, "%s",
                  client.got.data ? client.got.data : "(nothing)");
    ck_assert_ptr_nonnull(strstr(client.got.data, "Connection: close\r\n"));
    ck_assert_int_eq(client_answers(&client), 1);
    client_close(&client);
}

// ---- A stream

static void stream_begins(struct client *client, const char *version) {
    client_open(client);
    client_say(client, "GET /later HTTP/");
    client_say(client, version);
    client_say(client, "\r\nHost: h\r\n\r\n");
    client_turn(client);
    RUN_UNTIL(&loop, 5000, seen.waiting_count == 1);
    http_reply_stream(seen.waiting[0], 200, "text/plain", 1000);
}

static int stream_says(const char *text) {
    return http_stream_write(seen.waiting[0], text, strlen(text));
}

// ---- Tests

START_TEST(a_stream_goes_out_piece_by_piece_and_ends_when_it_is_told_to) {
    struct client client;
    stream_begins(&client, "1.1");
    ck_assert_int_eq(stream_says("one"), 0);
    RUN_UNTIL(&loop, 5000, client_got(&client, "one"));
    run_for(&loop, 50); // nothing to send: it waits, and costs nothing
    ck_assert_int_eq(stream_says("two"), 0);
    RUN_UNTIL(&loop, 5000, client_got(&client, "two"));
    ck_assert_int_eq(seen.dones, 0);
    http_stream_end(seen.waiting[0]);
    RUN_UNTIL(&loop, 5000, client_got(&client, "\r\n0\r\n\r\n") && seen.dones == 1);
    client_close(&client);
}
END_TEST

START_TEST(a_stream_to_a_client_of_http_1_0_ends_with_its_connection) {
    struct client client;
    stream_begins(&client, "1.0");
    ck_assert_int_eq(stream_says("bare"), 0);
    http_stream_end(seen.waiting[0]);
    RUN_UNTIL(&loop, 5000, client_got(&client, "\r\n\r\nbare") && client_closed(&client));
    client_close(&client);
}
END_TEST

START_TEST(more_than_may_wait_drops_the_streams_client) {
    struct client client;
    stream_begins(&client, "1.1");
    char large[1001];
    memset(large, 'x', sizeof large);
    ck_assert_int_eq(http_stream_write(seen.waiting[0], large, sizeof large), -1);
    ck_assert_int_eq(stream_says("late"), -1);
    RUN_UNTIL(&loop, 5000, client_closed(&client) && seen.dones == 1);
    ck_assert(!client_got(&client, "late"));
    client_close(&client);
}
END_TEST

START_TEST(a_client_that_has_gone_is_noticed_when_something_is_written) {
    struct client client;
    stream_begins(&client, "1.1");
    RUN_UNTIL(&loop, 5000, client_got(&client, "200 OK"));
    client_close(&client);
    RUN_UNTIL(&loop, 5000, seen.dones == 1 || (stream_says("x"), false));
}
END_TEST

START_TEST(a_server_that_goes_away_takes_its_streams_with_it) {
    struct client client;
    stream_begins(&client, "1.1");
    RUN_UNTIL(&loop, 5000, client_got(&client, "200 OK"));
    http_server_destroy(server);
    server = NULL;
    ck_assert_int_eq(seen.dones, 1);
    RUN_UNTIL(&loop, 5000, client_closed(&client));
    client_close(&client);
}
END_TEST

START_TEST(a_request_is_shown_as_it_came) {
    struct client client;
    client_open(&client);
    client_say(&client, "POST /a%2Fb%20c?q=1+2&q=%26&x HTTP/1.1\r\nHost: h\r\nX-Test: one\r\nX-TEST: two\r\n"
                        "Content-Length: 4\r\n\r\nbody");
    RUN_UNTIL(&loop, 5000, client_got(&client, "now"));
    ck_assert_str_eq(seen.method, "POST");
    ck_assert_str_eq(seen.path, "/a/b c");
    ck_assert_str_eq(seen.query, "1 2");
    ck_assert_uint_eq(seen.query_count, 2);
    ck_assert_str_eq(seen.header, "one");
    ck_assert_uint_eq(seen.header_count, 4);
    ck_assert_str_eq(seen.peer, "127.0.0.1");
    ck_assert_uint_eq(seen.body_length, 4);
    ck_assert_str_eq(seen.body_start, "body");
    ck_assert_ptr_nonnull(strstr(client.got.data, "HTTP/1.1 200 "));
    ck_assert_ptr_nonnull(strstr(client.got.data, "X-Answer: yes\r\n"));
    ck_assert_ptr_nonnull(strstr(client.got.data, "Content-Type: text/plain\r\n"));
    client_close(&client);
}
END_TEST

// ---- Filters

START_TEST(what_a_filter_leaves_is_the_body) {
    struct client client;
    client_open(&client);
    client_say(&client, "POST /filtered HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nxaxxbxcdx");
    RUN_UNTIL(&loop, 5000, client_got(&client, "now"));
    ck_assert_str_eq(seen.body_start, "abcd.");
    ck_assert_uint_eq(seen.body_length, 5);
    client_say(&client, "POST /filtered HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "2\r\nxa\r\n3\r\nbxc\r\n0\r\n\r\n");
    RUN_UNTIL(&loop, 5000, client_got(&client, "now") && client_answers(&client) == 2);
    ck_assert_str_eq(seen.body_start, "abc.");
    client_say(&client, "POST /filtered HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    RUN_UNTIL(&loop, 5000, client_got(&client, "now") && client_answers(&client) == 3);
    ck_assert_str_eq(seen.body_start, ".");
    client_say(&client, "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nxx"); // has none
    RUN_UNTIL(&loop, 5000, client_got(&client, "now") && client_answers(&client) == 4);
    ck_assert_str_eq(seen.body_start, "xx");
    client_close(&client);
}
END_TEST

static struct http_budget *start_with_budget(size_t bytes) {
    struct http_budget *budget = http_budget_create(bytes);
    http_server_destroy(server);
    of_next_server = budget;
    start_on("127.0.0.1");
    return budget;
}

static void end_with_budget(struct http_budget *budget) {
    http_server_destroy(server);
    server = NULL;
    wait_closed(&loop);
    uv_loop_init(&loop);
    of_next_server = NULL;
    http_budget_destroy(budget);
}

static void say_length(struct client *client, const char *path, size_t length) {
    char head[128];
    snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", path, length);
    client_say(client, head);
}

START_TEST(a_long_body_that_a_filter_shortens_takes_nothing_of_the_budget) {
    enum { LENGTH = 30 * 1024 * 1024, PIECE = 256 * 1024 };
    struct http_budget *budget = start_with_budget(1 << 20);
    struct client client;
    client_open(&client);
    say_length(&client, "/filtered", LENGTH + 1);
    for (size_t said = 0; said < LENGTH; said += PIECE) {
        client_say_bytes(&client, PIECE);
        RUN_UNTIL(&loop, 20000, (client_turn(&client), client.unsent.length == 0));
        ck_assert_uint_eq(http_budget_used(budget), 0);
    }
    ck_assert_int_eq(seen.requests, 0);
    client_say(&client, "a");
    RUN_UNTIL(&loop, 20000, client_got(&client, "now"));
    ck_assert_str_eq(seen.body_start, "a.");
    ck_assert_uint_eq(seen.filtered, LENGTH + 1);
    client_close(&client);
    end_with_budget(budget);
}
END_TEST

// Its body has taken what there is, so that nothing can be held besides; the body goes when the answer comes.
START_TEST(an_answer_has_the_room_of_the_body_and_a_small_one_always_has_some) {
    enum { ALL = 4 * MAX_BODY, LARGE = ALL / 4 };
    struct http_budget *budget = start_with_budget(ALL);
    struct client client;
    client_open(&client);
    say_length(&client, "/later", MAX_BODY - 1);
    client_say_bytes(&client, MAX_BODY - 1);
    RUN_UNTIL(&loop, 5000, (client_turn(&client), seen.waiting_count == 1));
    struct http_request *request = seen.waiting[0];
    ck_assert(!http_hold(request, 1));
    ck_assert(!http_hold_answer(request, LARGE + 1));
    ck_assert_uint_eq(http_budget_used(budget), MAX_BODY);
    ck_assert(http_hold_answer(request, LARGE));
    ck_assert(http_hold_answer(request, HTTP_FREE_BYTES));
    ck_assert_uint_eq(http_budget_used(budget), 0);
    http_reply(request, 200, "text/plain", "later", 5);
    RUN_UNTIL(&loop, 5000, client_got(&client, "later"));
    client_close(&client);
    end_with_budget(budget);
}
END_TEST

START_TEST(a_request_may_have_a_longer_body_than_others_have) {
    struct client client;
    client_open(&client);
    say_length(&client, "/filtered", MAX_BODY + 1);
    client_say_bytes(&client, MAX_BODY + 1);
    RUN_UNTIL(&loop, 5000, client_got(&client, "now"));
    ck_assert_int_eq(seen.state, HTTP_BODY_OK);
    client_close(&client);
    char head[128];
    snprintf(head, sizeof head, "POST /filtered HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", MAX_FILTERED + 1);
    expect_and_close(head, 0, "HTTP/1.1 413 ");
    ck_assert_int_eq(seen.state, HTTP_BODY_TOO_LARGE);
}
END_TEST

START_TEST(a_filters_client_that_goes_away_takes_it_along) {
    struct client client;
    client_open(&client);
    say_length(&client, "/filtered", 100);
    client_say(&client, "abc");
    RUN_UNTIL(&loop, 5000, (client_turn(&client), seen.filtered == 3));
    client_close(&client);
    RUN_UNTIL(&loop, 5000, seen.dones == 1);
    ck_assert_int_eq(seen.filters, 0);
}
END_TEST

START_TEST(an_escaped_nul_stays_escaped) {
    struct client client;
    client_open(&client);
    client_say(&client, "GET /a%00b%zz%4?q=x%00y HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, client_got(&client, "now"));
    ck_assert_str_eq(seen.path, "/a%00b%zz%4");
    ck_assert_str_eq(seen.query, "x%00y");
    client_close(&client);
}
END_TEST

START_TEST(a_parameter_without_value_is_empty_and_a_missing_one_is_null) {
    struct client client;
    client_open(&client);
    client_say(&client, "GET /a?q HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, client_got(&client, "now"));
    ck_assert_str_eq(seen.query, "");
    ck_assert_uint_eq(seen.query_count, 1);
    client_say(&client, "GET /b?r=1 HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, client_got(&client, "now") && client_answers(&client) == 2);
    ck_assert_str_eq(seen.query, "(none)");
    ck_assert_uint_eq(seen.query_count, 0);
    client_close(&client);
}
END_TEST

START_TEST(a_connection_serves_many_requests_in_their_order) {
    struct client client;
    client_open(&client);
    client_say(&client, "POST /later HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab"
                        "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, (client_turn(&client), seen.waiting_count == 1));
    run_for(&loop, 50);
    ck_assert_int_eq(seen.requests, 1);
    ck_assert_uint_eq(http_server_pending(server), 1);
    http_reply(seen.waiting[0], 202, "text/plain", "later", 5);
    RUN_UNTIL(&loop, 5000, client_got(&client, "now"));
    ck_assert(strstr(client.got.data, "later") < strstr(client.got.data, "now"));
    ck_assert_int_eq(seen.dones, 2);
    client_close(&client);
}
END_TEST

START_TEST(what_is_refused_behind_a_request_waits_for_its_answer) {
    struct client client;
    client_open(&client);
    client_say(&client, "GET /later HTTP/1.1\r\nHost: h\r\n\r\nGET  /a HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, (client_turn(&client), seen.waiting_count == 1));
    run_for(&loop, 50);
    ck_assert_int_eq(client_answers(&client), 0);
    http_reply(seen.waiting[0], 200, "text/plain", "later", 5);
    RUN_UNTIL(&loop, 5000, client_closed(&client));
    ck_assert_int_eq(client_answers(&client), 2);
    ck_assert(strstr(client.got.data, "later") < strstr(client.got.data, "HTTP/1.1 400 "));
    client_close(&client);
}
END_TEST

START_TEST(a_client_that_goes_while_its_refusal_waits_is_let_go_of) {
    struct client client;
    client_open(&client);
    client_say(&client, "GET /later HTTP/1.1\r\nHost: h\r\n\r\nGET  /a HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, (client_turn(&client), seen.waiting_count == 1));
    client_close(&client);
    run_for(&loop, 20);
    http_reply(seen.waiting[0], 200, "text/plain", "later", 5);
    RUN_UNTIL(&loop, 5000, seen.dones == 1);
    ck_assert_uint_eq(http_server_pending(server), 0);
}
END_TEST

START_TEST(a_late_answer_leaves_in_the_turn_after) {
    struct client client;
    client_open(&client);
    client_say(&client, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, (client_turn(&client), seen.waiting_count == 1));
    http_reply(seen.waiting[0], 200, "text/plain", "later", 5);
    uv_run(&loop, UV_RUN_NOWAIT);
    ck_assert(client_got(&client, "later"));
    client_close(&client);
}
END_TEST

START_TEST(head_gets_no_body) {
    struct client client;
    client_open(&client);
    client_say(&client, "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, client_got(&client, "\r\n\r\n"));
    ck_assert_ptr_nonnull(strstr(client.got.data, "Content-Length: 3"));
    ck_assert_ptr_null(strstr(client.got.data, "now"));
    client_close(&client);
}
END_TEST

START_TEST(an_early_answer_keeps_the_connection_past_a_small_body) {
    struct client client;
    client_open(&client);
    client_say(&client, "POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
                        "POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
                        "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, client_got(&client, "now"));
    ck_assert_int_eq(client_answers(&client), 3);
    ck_assert_int_eq(seen.requests, 1);
    client_close(&client);
}
END_TEST

START_TEST(an_early_answer_closes_before_a_larger_body) {
    expect_and_close("POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 90000\r\n\r\nabc", 0, "HTTP/1.1 404 ");
    expect_and_close("DELETE /early HTTP/1.1\r\nHost: h\r\nContent-Length: 90000\r\n\r\nabc", 0, "HTTP/1.1 404 ");
    expect_and_close("POST /early HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", 0, "HTTP/1.1 404 ");
    expect_and_close("POST /early HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", 0,
                     "HTTP/1.1 404 ");
    ck_assert_int_eq(seen.requests, 0);
}
END_TEST

START_TEST(a_client_that_expects_100_continue_gets_it) {
    struct client client;
    client_open(&client);
    client_say(&client, "POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    RUN_UNTIL(&loop, 5000, client_got(&client, "HTTP/1.1 100 "));
    client_say(&client, "abc");
    RUN_UNTIL(&loop, 5000, client_got(&client, "now"));
    ck_assert_uint_eq(seen.body_length, 3);
    client_close(&client);
}
END_TEST

START_TEST(a_body_of_just_the_limit_is_taken) {
    struct client client;
    char head[128];
    client_open(&client);
    snprintf(head, sizeof head, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", MAX_BODY);
    client_say(&client, head);
    client_say_bytes(&client, MAX_BODY);
    RUN_UNTIL(&loop, 5000, client_got(&client, "now"));
    ck_assert_uint_eq(seen.body_length, MAX_BODY);
    client_close(&client);
}
END_TEST

START_TEST(a_body_declared_too_large_is_refused_without_waiting_for_it) {
    char head[160];
    snprintf(head, sizeof head, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", MAX_BODY + 1);
    expect_and_close(head, 0, "HTTP/1.1 413 ");
    snprintf(head, sizeof head, "POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n",
             MAX_BODY + 1);
    expect_and_close(head, 0, "HTTP/1.1 413 ");
    ck_assert_int_eq(seen.state, HTTP_BODY_TOO_LARGE);
    ck_assert_uint_eq(seen.body_length, 0);
}
END_TEST

START_TEST(a_chunked_body_is_put_together) {
    struct client client;
    client_open(&client);
    client_say(&client, "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
    RUN_UNTIL(&loop, 5000, client_got(&client, "now"));
    ck_assert_str_eq(seen.body_start, "abcdefg");
    client_close(&client);
}
END_TEST

START_TEST(a_chunked_body_over_the_limit_is_drained_and_refused) {
    struct client client;
    client_open(&client);
    client_say(&client, "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n20000\r\n"); // 131072
    client_say_bytes(&client, 131072);
    client_say(&client, "\r\n0\r\n\r\n");
    RUN_UNTIL(&loop, 5000, client_closed(&client));
    ck_assert_ptr_nonnull(strstr(client.got.data, "HTTP/1.1 413 "));
    ck_assert_uint_eq(client.unsent.length, 0);
    client_close(&client);
}
END_TEST

START_TEST(a_chunked_body_without_end_is_answered_and_cut) {
    expect_and_close("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n", 300000,
                     "HTTP/1.1 413 ");
    ck_assert_int_eq(seen.requests, 1);
}
END_TEST

START_TEST(a_framing_with_two_meanings_is_malformed) {
    static const char *const requests[] = {
        "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        "GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        ("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
         "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"),
        "GET /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: h\r\nX[0]: y\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: h\r\nX: one\r\n  two\r\n\tthree\r\nY: z\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: h\r\nX: one\r\n  two\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n 3\r\n\r\nabc",
        "GET /a HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n",
        "GET /a HTTP/1.1\r\nX: y\r\n\r\n",
        "POST /a HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        expect_and_close(requests[i], 0, "HTTP/1.1 400 ");
    }
    ck_assert_int_eq(seen.headers, 0);
}
END_TEST

START_TEST(an_answer_to_a_client_that_has_gone_ends_quietly) {
    static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    for (int i = 0; i < 2; i++) {
        struct client client;
        client_open(&client);
        client_say(&client, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
        RUN_UNTIL(&loop, 5000, (client_turn(&client), seen.waiting_count == (size_t)i + 1));
        if (i == 1) {
            setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        }
        client_close(&client);
        run_for(&loop, 20);
        http_reply(seen.waiting[i], 200, "text/plain", "later", 5);
        RUN_UNTIL(&loop, 5000, seen.dones == i + 1);
    }
    ck_assert_uint_eq(http_server_pending(server), 0);
}
END_TEST

START_TEST(a_client_that_goes_within_its_body_is_done_without_an_answer) {
    struct client client;
    client_open(&client);
    client_say(&client, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    RUN_UNTIL(&loop, 5000, (client_turn(&client), seen.headers == 1));
    client_close(&client);
    RUN_UNTIL(&loop, 5000, seen.dones == 1);
    ck_assert_int_eq(seen.dones_unanswered, 1);
    ck_assert_int_eq(seen.requests, 0);
}
END_TEST

// The last bytes and the end of a client, both there before the server looks again: of that the system tells it once.
START_TEST(a_client_that_says_more_and_goes_in_one_moment_is_noticed) {
    static const char *const begins[] = {"GET /a HTTP/1.1\r\nHo",
                                         "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc",
                                         "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na"};
    struct client client, other;
    start_patient_on("127.0.0.1");
    client_open(&client);
    client_say(&client, begins[_i]);
    client_turn(&client);
    client_open(&other); // once it is answered, what came before it has been read
    client_say(&other, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, client_got(&other, "now"));
    ck_assert_int_eq(send(client.fd, "bc", 2, 0), 2);
    ck_assert_int_eq(shutdown(client.fd, SHUT_WR), 0);
    RUN_UNTIL(&loop, 5000, client_closed(&client));
    ck_assert_uint_eq(client.got.length, 0);
    client_close(&client);
    client_close(&other);
}
END_TEST

START_TEST(an_idle_connection_is_closed_but_not_one_that_waits_for_its_answer) {
    struct client idle, waiting;
    client_open(&idle);
    client_open(&waiting);
    client_say(&idle, "GET /a HTTP/1.1\r\nHo");
    client_say(&waiting, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, (client_turn(&waiting), client_closed(&idle)));
    run_for(&loop, 300);
    http_reply(seen.waiting[0], 200, "text/plain", "later", 5);
    RUN_UNTIL(&loop, 5000, client_got(&waiting, "later"));
    client_close(&idle);
    client_close(&waiting);
}
END_TEST

// Far too slow for what the tests announce, whatever the machine does meanwhile: a turn of the loop has no fixed
// length.
enum { TRICKLE_EVERY_US = 10000 };

// Says a byte every now and then; true once the server has closed.
static bool trickle_closed(struct client *client) {
    int64_t now = clock_monotonic_us();
    if (now - client->trickled_us >= TRICKLE_EVERY_US) {
        client->trickled_us = now;
        client_say(client, "x");
    }
    return client_closed(client);
}

START_TEST(a_trickled_head_is_cut_off) {
    struct client client;
    client_open(&client);
    client_say(&client, "GET /a HTTP/1.1\r\nHost: h\r\nX: ");
    RUN_UNTIL(&loop, 5000, trickle_closed(&client));
    ck_assert_int_eq(seen.requests, 0);
    client_close(&client);
}
END_TEST

START_TEST(a_trickled_body_is_answered_as_late_and_cut_off) {
    struct client client;
    client_open(&client);
    client_say(&client, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 90000\r\n\r\n");
    RUN_UNTIL(&loop, 5000, trickle_closed(&client));
    ck_assert_int_eq(seen.state, HTTP_BODY_LATE);
    ck_assert_ptr_nonnull(strstr(client.got.data, "HTTP/1.1 408 "));
    ck_assert_int_eq(seen.dones, 1);
    client_close(&client);
}
END_TEST

START_TEST(each_stretch_of_a_long_body_has_the_time_of_a_short_one) {
    struct client client;
    http_server_destroy(server);
    timeout_ms = 3000;
    start_on("127.0.0.1");
    client_open(&client);
    say_length(&client, "/filtered", 4 * HTTP_RENEWING_BYTES);
    for (int i = 0; i < 4; i++) { // longer than timeout_ms in all
        run_for(&loop, (int)timeout_ms / 3);
        client_say_bytes(&client, HTTP_RENEWING_BYTES);
        RUN_UNTIL(&loop, 5000, (client_turn(&client), client.unsent.length == 0));
    }
    RUN_UNTIL(&loop, 5000, client_got(&client, "now"));
    ck_assert_int_eq(seen.state, HTTP_BODY_OK);
    client_close(&client);
    client_open(&client);
    say_length(&client, "/filtered", 4 * HTTP_RENEWING_BYTES);
    client_say_bytes(&client, HTTP_RENEWING_BYTES + 1);
    RUN_UNTIL(&loop, 10000, trickle_closed(&client));
    ck_assert_int_eq(seen.state, HTTP_BODY_LATE);
    client_close(&client);
}
END_TEST

START_TEST(a_trickled_body_behind_an_early_answer_is_cut_off) {
    struct client client;
    client_open(&client);
    client_say(&client, "POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n");
    RUN_UNTIL(&loop, 5000, trickle_closed(&client));
    ck_assert_int_eq(seen.requests, 0);
    ck_assert_int_eq(seen.dones, 1);
    client_close(&client);
}
END_TEST

START_TEST(a_stream_has_no_deadline) {
    struct client client;
    stream_begins(&client, "1.1");
    for (int i = 0; i < 15; i++) { // 1.5 times the time-out
        ck_assert_int_eq(stream_says("."), 0);
        run_for(&loop, 100);
        ck_assert(!client_closed(&client));
    }
    http_stream_end(seen.waiting[0]);
    RUN_UNTIL(&loop, 5000, client_got(&client, "\r\n0\r\n\r\n"));
    client_close(&client);
}
END_TEST

START_TEST(at_the_limit_whoever_waits_longest_makes_way) {
    struct client busy, clients[2 * MAX_CONNECTIONS];
    start_patient_on("127.0.0.1");
    client_open(&busy);
    client_say(&busy, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, (client_turn(&busy), seen.waiting_count == 1));
    for (size_t i = 0; i < 2 * MAX_CONNECTIONS; i++) {
        client_open(&clients[i]);
        client_say(&clients[i], "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
        RUN_UNTIL(&loop, 5000, client_got(&clients[i], "now"));
    }
    ck_assert(client_closed(&clients[0]));
    ck_assert(!client_closed(&clients[2 * MAX_CONNECTIONS - 1]));
    ck_assert(!client_closed(&busy)); // which waits for us, not we for it
    http_reply(seen.waiting[0], 200, "text/plain", "later", 5);
    RUN_UNTIL(&loop, 5000, client_got(&busy, "later"));
    for (size_t i = 0; i < 2 * MAX_CONNECTIONS; i++) {
        client_close(&clients[i]);
    }
    client_close(&busy);
}
END_TEST

// Whether a further connection gets an answer, and isn't just closed.
static bool is_served(void) {
    struct client client;
    client_open(&client);
    client_say(&client, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, client_got(&client, "now") || client_closed(&client));
    bool served = client_got(&client, "now");
    client_close(&client);
    return served;
}

static size_t count_open(struct client *clients, size_t count) {
    size_t open = 0;
    for (size_t i = 0; i < count; i++) {
        open += !client_closed(&clients[i]);
    }
    return open;
}

START_TEST(at_the_limit_those_who_wait_outside_come_in_without_anyones_asking) {
    struct client clients[3 * MAX_CONNECTIONS];
    start_patient_on("127.0.0.1");
    for (size_t i = 0; i < 3 * MAX_CONNECTIONS; i++) {
        client_open(&clients[i]);
    }
    RUN_UNTIL(&loop, 5000, count_open(clients, 3 * MAX_CONNECTIONS) <= MAX_CONNECTIONS);
    for (size_t i = 0; i < 3 * MAX_CONNECTIONS; i++) {
        client_close(&clients[i]);
    }
}
END_TEST

START_TEST(one_address_has_as_many_connections_as_it_may_and_others_have_theirs) {
    struct client clients[OF_ONE_ADDRESS], refused, other, exempt[OF_ONE_ADDRESS + 1];
    peers = http_peers_create(OF_ONE_ADDRESS);
    start_patient_on("0.0.0.0");
    for (size_t i = 0; i < OF_ONE_ADDRESS; i++) {
        client_open(&clients[i]);
        client_say(&clients[i], "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
        RUN_UNTIL(&loop, 5000, client_got(&clients[i], "now"));
    }
    client_open(&refused);
    RUN_UNTIL(&loop, 5000, client_closed(&refused));
    client_open_from(&other, "127.0.0.2");
    client_say(&other, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, client_got(&other, "now"));
    for (size_t i = 0; i < OF_ONE_ADDRESS + 1; i++) {
        client_open_from(&exempt[i], "127.0.0.3");
        client_say(&exempt[i], "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
        RUN_UNTIL(&loop, 5000, client_got(&exempt[i], "now"));
    }
    client_close(&clients[0]);
    client_close(&refused);
    RUN_UNTIL(&loop, 5000, is_served()); // in the place that is free again
    client_close(&other);
    for (size_t i = 1; i < OF_ONE_ADDRESS; i++) {
        client_close(&clients[i]);
    }
    for (size_t i = 0; i < OF_ONE_ADDRESS + 1; i++) {
        client_close(&exempt[i]);
    }
    http_server_destroy(server);
    server = NULL;
    http_peers_destroy(peers);
}
END_TEST

START_TEST(what_hides_behind_a_nul_is_refused) {
    static const char target[] = "GET /a\0/b HTTP/1.1\r\nHost: h\r\n\r\n";
    static const char method[] = "GET\0 /a HTTP/1.1\r\nHost: h\r\n\r\n";
    static const char header[] = "GET /a HTTP/1.1\r\nHost: h\r\nX: a\0b\r\nY: z\r\n\r\n";
    static const char last[] = "GET /a HTTP/1.1\r\nHost: h\r\nX: a\0\0\0b\r\n\r\n";
    static const struct {
        const char *bytes;
        size_t length;
    } requests[] = {
        {target, sizeof target - 1}, {method, sizeof method - 1}, {header, sizeof header - 1}, {last, sizeof last - 1}};
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        struct client client;
        client_open(&client);
        buf_append(&client.unsent, requests[i].bytes, requests[i].length);
        RUN_UNTIL(&loop, 5000, client_closed(&client));
        ck_assert(client_got(&client, "HTTP/1.1 400 "));
        client_close(&client);
    }
    ck_assert_int_eq(seen.headers, 0);
}
END_TEST

START_TEST(a_head_may_be_written_in_many_ways) {
    static const char *const heads[] = {
        "GET /a?q=%20x&r=y HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /a HTTP/1.1\nHost: h\nX: y\n\n",
        "GET /a HTTP/1.1\r\nHost:h\r\nX:\t y\t \r\nEmpty:\r\nBlank:  \r\n\r\n",
        "\r\nGET /a HTTP/1.1\r\nHost: h\r\nCookie: a=b; c=\"d\"; e\r\nAccept: */*\r\n\r\n",
        "GET /a HTTP/1.0\r\n\r\n",
        "GET /a HTTP/1.1\r\nhost: h\n\r\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct client client;
        client_open(&client);
        client_say(&client, heads[i]);
        RUN_UNTIL(&loop, 5000, client_got(&client, "HTTP/1.1 ") || client_closed(&client));
        ck_assert_msg(client_got(&client, "now"), "%s\n%s", heads[i], client.got.data ? client.got.data : "(nothing)");
        client_close(&client);
    }
}
END_TEST

// Nearly as large as a connection's memory lets it be, in pieces: the library's buffer grows meanwhile.
START_TEST(a_large_head_is_taken) {
    struct client client;
    client_open(&client);
    client_say(&client, "GET /a HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < 6; i++) {
        client_say(&client, "X-Filler: ");
        client_say_bytes(&client, 1000);
        client_say(&client, "\r\n");
        client_turn(&client);
        run_for(&loop, 5);
    }
    client_say(&client, "\r\n");
    RUN_UNTIL(&loop, 5000, client_got(&client, "now"));
    ck_assert_uint_eq(seen.header_count, 7);
    client_close(&client);
}
END_TEST

START_TEST(after_quiesce_each_answer_closes_and_nobody_new_is_let_in) {
    struct client kept, late;
    client_open(&kept);
    client_say(&kept, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, client_got(&kept, "now"));
    client_open(&late);
    client_say(&late, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, (client_turn(&late), seen.waiting_count == 1));
    http_server_quiesce(server);
    http_reply(seen.waiting[0], 200, "text/plain", "later", 5);
    RUN_UNTIL(&loop, 5000, client_closed(&late));
    ck_assert_ptr_nonnull(strstr(late.got.data, "Connection: close\r\n"));
    client_say(&kept, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, client_closed(&kept));
    ck_assert_int_eq(client_answers(&kept), 2);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), -1);
    ck_assert_int_eq(errno, ECONNREFUSED);
    close(fd);
    client_close(&kept);
    client_close(&late);
}
END_TEST

START_TEST(it_can_be_destroyed_when_its_last_request_is_done) {
    struct client client;
    seen.destroy_when_done = true;
    client_open(&client);
    client_say(&client, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, client_closed(&client));
    ck_assert_ptr_nonnull(strstr(client.got.data, "now"));
    ck_assert_ptr_null(server);
    client_close(&client);
}
END_TEST

START_TEST(destroying_it_ends_what_still_waits) {
    struct client client;
    client_open(&client);
    client_say(&client, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, (client_turn(&client), seen.waiting_count == 1));
    http_server_destroy(server);
    server = NULL;
    ck_assert_int_eq(seen.dones, 1);
    ck_assert_int_eq(seen.dones_unanswered, 1);
    RUN_UNTIL(&loop, 5000, client_closed(&client));
    client_close(&client);
}
END_TEST

START_TEST(a_busy_port_is_noticed_although_it_is_shared) {
    ck_assert_int_eq(http_port_check("127.0.0.1", port), -1);
    ck_assert_int_eq(errno, EADDRINUSE);
    int second = http_listen("127.0.0.1", port, true);
    ck_assert_int_ge(second, 0);
    close(second);
    ck_assert_int_eq(http_listen("127.0.0.1", port, false), -1);
    ck_assert_int_eq(http_listen("localhost", port, false), -1);
    ck_assert_int_eq(errno, EINVAL);
    http_server_destroy(server);
    server = NULL;
    ck_assert_int_eq(http_port_check("127.0.0.1", port), 0);
}
END_TEST

START_TEST(the_any_address_of_ipv6_takes_ipv4_too_and_shows_it_as_such) {
    struct client client;
    http_server_destroy(server);
    start_on("::");
    client_open(&client);
    client_say(&client, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, client_got(&client, "now"));
    ck_assert_str_eq(seen.peer, "127.0.0.1");
    client_close(&client);
}
END_TEST

START_TEST(the_target_is_kept_as_it_was_sent_where_that_is_asked_for) {
    struct client client;
    client_open(&client);
    client_say(&client, "GET /a%20b?q=1 HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, client_got(&client, "now"));
    ck_assert_str_eq(seen.target, "(none)");
    client_close(&client);
    http_server_destroy(server);
    keeps_target = true;
    start_on("127.0.0.1");
    client_open(&client);
    client_say(&client, "POST /a%20b?q=%2B1&z HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi");
    RUN_UNTIL(&loop, 5000, client_got(&client, "now"));
    ck_assert_str_eq(seen.target, "/a%20b?q=%2B1&z");
    ck_assert_str_eq(seen.path, "/a b");
    ck_assert_str_eq(seen.query, "+1");
    client_say(&client, "GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, (client_turn(&client), strcmp(seen.target, "/next") == 0));
    ck_assert_str_eq(seen.target, "/next");
    client_close(&client);
}
END_TEST

START_TEST(a_target_whose_request_never_begins_is_let_go_of) {
    struct client client;
    http_server_destroy(server);
    keeps_target = true;
    start_on("127.0.0.1");
    client_open(&client);
    client_say(&client, "GET /a HTTP/1.1\r\nHost: h\r\nX-Half: "); // a leak would be the sanitizer's to find
    run_for(&loop, 50);
    client_close(&client);
    client_open(&client);
    client_say(&client, "GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    RUN_UNTIL(&loop, 5000, client_got(&client, "now"));
    client_close(&client);
    ck_assert_int_eq(seen.dones, 1);
    ck_assert_uint_eq(http_server_pending(server), 0);
}
END_TEST

Suite *suite_http_server(void);

Suite *suite_http_server(void) {
    Suite *suite = suite_create("http_server");
    TCase *tcase = tcase_create("http_server");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_target_is_kept_as_it_was_sent_where_that_is_asked_for);
    tcase_add_test(tcase, a_target_whose_request_never_begins_is_let_go_of);
    tcase_add_test(tcase, a_stream_goes_out_piece_by_piece_and_ends_when_it_is_told_to);
    tcase_add_test(tcase, a_stream_to_a_client_of_http_1_0_ends_with_its_connection);
    tcase_add_test(tcase, more_than_may_wait_drops_the_streams_client);
    tcase_add_test(tcase, a_client_that_has_gone_is_noticed_when_something_is_written);
    tcase_add_test(tcase, a_server_that_goes_away_takes_its_streams_with_it);
    tcase_add_test(tcase, a_request_is_shown_as_it_came);
    tcase_add_test(tcase, an_escaped_nul_stays_escaped);
    tcase_add_test(tcase, what_a_filter_leaves_is_the_body);
    tcase_add_test(tcase, a_long_body_that_a_filter_shortens_takes_nothing_of_the_budget);
    tcase_add_test(tcase, an_answer_has_the_room_of_the_body_and_a_small_one_always_has_some);
    tcase_add_test(tcase, a_request_may_have_a_longer_body_than_others_have);
    tcase_add_test(tcase, a_filters_client_that_goes_away_takes_it_along);
    tcase_add_test(tcase, each_stretch_of_a_long_body_has_the_time_of_a_short_one);
    tcase_add_test(tcase, a_parameter_without_value_is_empty_and_a_missing_one_is_null);
    tcase_add_test(tcase, a_connection_serves_many_requests_in_their_order);
    tcase_add_test(tcase, what_is_refused_behind_a_request_waits_for_its_answer);
    tcase_add_test(tcase, a_client_that_goes_while_its_refusal_waits_is_let_go_of);
    tcase_add_test(tcase, a_late_answer_leaves_in_the_turn_after);
    tcase_add_test(tcase, head_gets_no_body);
    tcase_add_test(tcase, an_early_answer_keeps_the_connection_past_a_small_body);
    tcase_add_test(tcase, an_early_answer_closes_before_a_larger_body);
    tcase_add_test(tcase, a_client_that_expects_100_continue_gets_it);
    tcase_add_test(tcase, a_body_of_just_the_limit_is_taken);
    tcase_add_test(tcase, a_body_declared_too_large_is_refused_without_waiting_for_it);
    tcase_add_test(tcase, a_chunked_body_is_put_together);
    tcase_add_test(tcase, a_chunked_body_over_the_limit_is_drained_and_refused);
    tcase_add_test(tcase, a_chunked_body_without_end_is_answered_and_cut);
    tcase_add_test(tcase, a_framing_with_two_meanings_is_malformed);
    tcase_add_test(tcase, an_answer_to_a_client_that_has_gone_ends_quietly);
    tcase_add_test(tcase, a_client_that_goes_within_its_body_is_done_without_an_answer);
    tcase_add_loop_test(tcase, a_client_that_says_more_and_goes_in_one_moment_is_noticed, 0, 3);
    tcase_add_test(tcase, an_idle_connection_is_closed_but_not_one_that_waits_for_its_answer);
    tcase_add_test(tcase, a_trickled_head_is_cut_off);
    tcase_add_test(tcase, a_trickled_body_is_answered_as_late_and_cut_off);
    tcase_add_test(tcase, a_trickled_body_behind_an_early_answer_is_cut_off);
    tcase_add_test(tcase, a_stream_has_no_deadline);
    tcase_add_test(tcase, at_the_limit_whoever_waits_longest_makes_way);
    tcase_add_test(tcase, at_the_limit_those_who_wait_outside_come_in_without_anyones_asking);
    tcase_add_test(tcase, one_address_has_as_many_connections_as_it_may_and_others_have_theirs);
    tcase_add_test(tcase, what_hides_behind_a_nul_is_refused);
    tcase_add_test(tcase, a_head_may_be_written_in_many_ways);
    tcase_add_test(tcase, a_large_head_is_taken);
    tcase_add_test(tcase, after_quiesce_each_answer_closes_and_nobody_new_is_let_in);
    tcase_add_test(tcase, it_can_be_destroyed_when_its_last_request_is_done);
    tcase_add_test(tcase, destroying_it_ends_what_still_waits);
    tcase_add_test(tcase, a_busy_port_is_noticed_although_it_is_shared);
    tcase_add_test(tcase, the_any_address_of_ipv6_takes_ipv4_too_and_shows_it_as_such);
    suite_add_tcase(suite, tcase);
    return suite;
}
