// SPDX-License-Identifier: MIT
// What the server makes of a request's head: of its target, its Host, its framing and its size.
#include <arpa/inet.h>
#include <check.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/http/server.h"
#include "tests/support/sockets.h"
#include "tests/support/wait.h"

Suite *suite_http_head(void);

static uv_loop_t loop;
static struct http_server *server;
static uint16_t port;

// What the owner was asked last.
static struct {
    unsigned requests;
    char path[256], target[256];
    struct http_host host;
} seen;

static void on_request(void *argument, struct http_request *request, enum http_body_state state) {
    (void)argument;
    seen.requests++;
    snprintf(seen.path, sizeof seen.path, "%s", http_path(request));
    snprintf(seen.target, sizeof seen.target, "%s", http_target(request));
    seen.host = *http_host(request);
    if (state == HTTP_BODY_OK) {
        http_reply(request, 200, "text/plain", "well", 4);
    } else {
        http_reply_and_close(request, 400, "text/plain", "ill", 3);
    }
}

static void setup(void) {
    struct sockaddr_in bound;
    socklen_t length = sizeof bound;
    memset(&seen, 0, sizeof seen);
    uv_loop_init(&loop);
    int fd = http_listen("127.0.0.1", 0, true);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&bound, &length), 0);
    port = ntohs(bound.sin_port);
    server = http_server_create(&loop, &(struct http_server_options){
                                           .listen_socket = fd,
                                           .max_connections = 16,
                                           .max_body = 1000,
                                           .request_timeout_ms = 60000, // whatever is to be answered must not wait
                                           .keep_target = true,
                                           .on_request = on_request,
                                       });
    ck_assert_ptr_nonnull(server);
}

static void teardown(void) {
    http_server_destroy(server);
    wait_closed(&loop);
}

static unsigned count_answers(const struct buf *got) {
    unsigned count = 0;
    for (const char *at = got->data; at && (at = strstr(at, "HTTP/1.1 ")); at++) {
        count++;
    }
    return count;
}

// What has come by now is dealt with by then.
static void turn(void) {
    for (int i = 0; i < 4; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
    }
}

// Each piece is a packet at once, and waits for no acknowledgement of the one before.
static int open_socket(void) {
    int fd = socket_open(port, NULL);
    ck_assert_int_eq(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)), 0);
    return fd;
}

// Says it on a connection of its own and hears until `answers` have come, and the connection has been closed where
// that is expected. The caller frees what was heard.
static struct buf say(const char *bytes, size_t length, unsigned answers, bool closes) {
    struct buf got = {0};
    int fd = open_socket();
    ck_assert(socket_say(fd, bytes, length));
    bool open = true;
    RUN_UNTIL(&loop, 10000, (open = open && socket_hear(fd, &got), count_answers(&got) >= answers && open == !closes));
    close(fd);
    ck_assert_msg(count_answers(&got) == answers, "%.*s was answered:\n%s", (int)length, bytes, got.data);
    return got;
}

// One answer, with that status.
static void assert_answer(const char *head, const char *status) {
    bool closes = strcmp(status, "200") != 0;
    struct buf got = say(head, strlen(head), 1, closes);
    ck_assert_msg(strncmp(got.data + strlen("HTTP/1.1 "), status, strlen(status)) == 0, "%s was answered:\n%s", head,
                  got.data);
    buf_free(&got);
}

// ---- Target and Host

static void assert_seen(const char *head, const char *path, const char *target, const char *host, unsigned host_port) {
    assert_answer(head, "200");
    ck_assert_str_eq(seen.path, path);
    ck_assert_str_eq(seen.target, target);
    ck_assert_str_eq(seen.host.name, host);
    ck_assert_uint_eq(seen.host.port, host_port);
}

START_TEST(an_absolute_target_is_its_path_and_its_host_counts) {
    assert_seen("GET http://There:81/a%20b?q=%2B HTTP/1.1\r\nHost: here\r\n\r\n", "/a b", "/a%20b?q=%2B", "there", 81);
    assert_seen("GET http://%61/b HTTP/1.1\r\nHost: here\r\n\r\n", "/b", "/b", "%61", 0);
    assert_seen("GET HTTPS://[::1] HTTP/1.1\r\nHost: here\r\n\r\n", "/", "/", "::1", 0);
    assert_seen("GET http://there?q HTTP/1.1\r\nHost: here\r\n\r\n", "/", "/?q", "there", 0);
    assert_seen("GET /a?b=http://there/ HTTP/1.1\r\nHost: Here:8080\r\n\r\n", "/a", "/a?b=http://there/", "here", 8080);
    assert_seen("GET /http://there/ HTTP/1.1\r\nHost: here\r\n\r\n", "/http://there/", "/http://there/", "here", 0);
}
END_TEST

START_TEST(what_one_request_named_is_not_the_nexts) {
    static const char two[] = "GET http://there/a HTTP/1.1\r\nHost: here\r\n\r\nGET /b HTTP/1.0\r\n\r\n";
    struct buf got = say(two, sizeof two - 1, 2, true);
    ck_assert_str_eq(seen.path, "/b");
    ck_assert_str_eq(seen.host.name, "");
    buf_free(&got);
}
END_TEST

START_TEST(a_target_of_no_form_is_a_400) {
    assert_answer("GET a HTTP/1.1\r\nHost: h\r\n\r\n", "400");
    assert_answer("GET * HTTP/1.1\r\nHost: h\r\n\r\n", "400");
    assert_answer("GET ?q HTTP/1.1\r\nHost: h\r\n\r\n", "400");
    assert_answer("GET http://me@there/ HTTP/1.1\r\nHost: h\r\n\r\n", "400");
    assert_answer("GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n", "400");
    assert_answer("GET file:///etc/passwd HTTP/1.1\r\nHost: h\r\n\r\n", "400");
    assert_answer("CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", "400");
    assert_answer("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "200");
    ck_assert_str_eq(seen.path, "*");
}
END_TEST

START_TEST(there_is_one_well_formed_host) {
    assert_answer("GET /a HTTP/1.1\r\nHost: a b@c/d\r\n\r\n", "400");
    assert_answer("GET /a HTTP/1.1\r\nHost: me@h\r\n\r\n", "400");
    assert_answer("GET /a HTTP/1.1\r\nHost: h:x\r\n\r\n", "400");
    assert_answer("GET http://h/a HTTP/1.1\r\nHost: h/\r\n\r\n", "400");
    assert_answer("GET http://h/a HTTP/1.1\r\n\r\n", "400");
    assert_answer("GET /a HTTP/1.1\r\n\r\n", "400");
    assert_answer("GET /a HTTP/1.1\r\nHost: h\r\nhost: h\r\n\r\n", "400");
    assert_answer("GET /a HTTP/1.1\r\nHost: [::1]:80 \t\r\n\r\n", "200");
    assert_answer("GET /a HTTP/1.1\r\nHost:\r\n\r\n", "200"); // a client whose URI has no authority
    assert_answer("GET /a HTTP/1.0\r\nHost: a b\r\n\r\n", "400");
}
END_TEST

// ---- Framing

// What two readers could understand in two ways, or not at all: one 400, and the connection is closed.
static const char *const malformed[] = {
#define POST "POST /a HTTP/1.1\r\nHost: h\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
    (POST "Content-Length: +5\r\n\r\nabcde"),
    (POST "Content-Length: -5\r\n\r\nabcde"),
    (POST "Content-Length: 5,5\r\n\r\nabcde"),
    (POST "Content-Length: 5, 5\r\n\r\nabcde"),
    (POST "Content-Length: 0x5\r\n\r\nabcde"),
    (POST "Content-Length: 5 \r\n\r\nabcde"),
    (POST "Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n"),
    (POST "Content-Length: 5 5\r\n\r\nabcde"),
    (POST "Content-Length: 5.0\r\n\r\nabcde"),
    (POST "Content-Length: \"5\"\r\n\r\nabcde"),
    (POST "Content-Length: 5;\r\n\r\nabcde"),
    (POST "Content-Length:\r\n\r\n"),
    (POST "Content-Length: five\r\n\r\nabcde"),
    (POST "Content-Length : 5\r\n\r\nabcde"),
    (POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde"),
    (POST "Content-Length: 5\r\ncontent-length: 6\r\n\r\nabcdef"),
    (POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    (POST "Transfer-Encoding: identity\r\n\r\n"),
    (POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (POST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"),
    (POST "Transfer-Encoding:\r\n\r\n"),
    (POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
    "GET /a HTTP/1.1\r\nHost: h\r\n Content-Length: 5\r\n\r\nabcde",
    "GET /a HTTP/1.1\r\n X: y\r\nHost: h\r\n\r\n",
    "GET /a HTTP/1.1\r\nHost: h\r\nX: a\rY: b\r\n\r\n",
    "GET /a HTTP/1.1\r\nHost: h\r\n\r\r\n\r\n",
    "GET  /a HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /a  HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET\t/a HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /a\tHTTP/1.1\r\nHost: h\r\n\r\n",
    " GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /a HTTP/1.1 \r\nHost: h\r\n\r\n",
    "GET /a http/1.1\r\nHost: h\r\n\r\n",
    "GET /a HTTP/1.10\r\nHost: h\r\n\r\n",
    "G(T /a HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /a\r\n\r\n",
    (CHUNKED "zz\r\nab\r\n0\r\n\r\n"),
    (CHUNKED "-1\r\n"),
    (CHUNKED "0x2\r\nab\r\n0\r\n\r\n"),
    (CHUNKED " 2\r\nab\r\n0\r\n\r\n"),
    (CHUNKED "2 \r\nab\r\n0\r\n\r\n"),
    (CHUNKED "2 ;x\r\nab\r\n0\r\n\r\n"),
    (CHUNKED "2\nab\r\n0\r\n\r\n"),
    (CHUNKED "2\r\nabc\r\n0\r\n\r\n"),
    (CHUNKED "2\r\nab\n0\r\n\r\n"),
    (CHUNKED "2\r\nab0\r\n\r\n"),
    (CHUNKED "\r\n"),
    (CHUNKED ";x\r\nab"),
    (CHUNKED "10000000000000002\r\nab\r\n0\r\n\r\n"),
    (CHUNKED "0\r\nX : y\r\n\r\n"),
    (CHUNKED "0\r\n folded\r\n\r\n"),
    (CHUNKED "2;x\ry\r\nab\r\n0\r\n\r\n"),
};

START_TEST(what_is_malformed_is_one_400_and_the_end) {
    assert_answer(malformed[_i], "400");
}
END_TEST

// However it is cut into pieces, and whatever well-formed request it follows.
START_TEST(what_is_malformed_is_so_in_pieces_and_behind_another_request) {
    static const char before[] = "GET /before HTTP/1.1\r\nHost: h\r\n\r\n";
    struct buf got = {0};
    int fd = open_socket();
    ck_assert(socket_say(fd, before, sizeof before - 1));
    bool open = true;
    for (const char *at = malformed[_i]; *at; at++) {
        open = open && socket_say(fd, at, 1);
        turn();
        open = open && socket_hear(fd, &got);
    }
    RUN_UNTIL(&loop, 10000, (open = open && socket_hear(fd, &got), !open));
    close(fd);
    ck_assert_uint_eq(count_answers(&got), 2);
    ck_assert_ptr_nonnull(strstr(got.data, "HTTP/1.1 200 "));
    ck_assert_ptr_nonnull(strstr(got.data, "HTTP/1.1 400 "));
    buf_free(&got);
}
END_TEST

START_TEST(a_length_beyond_all_measure_is_a_413) {
    assert_answer(POST "Content-Length: 9223372036854775808\r\n\r\n", "413");
    assert_answer(POST "Content-Length: 18446744073709551616\r\n\r\n", "413");
    assert_answer(POST "Content-Length: 99999999999999999999999999\r\n\r\n", "413");
}
END_TEST

START_TEST(a_version_that_is_not_spoken_is_a_505) {
    assert_answer("GET /a HTTP/2.0\r\nHost: h\r\n\r\n", "505");
    assert_answer("GET /a HTTP/0.9\r\nHost: h\r\n\r\n", "505");
}
END_TEST

START_TEST(what_is_well_formed_is_taken) {
    assert_answer(POST "Content-Length: \t 5\r\n\r\nabcde", "200");
    assert_answer(POST "Content-Length: 0005\r\n\r\nabcde", "200");
    assert_answer(POST "Transfer-Encoding: Chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", "200");
    assert_answer(CHUNKED "0002;name=value\r\nab\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nX-Trailer: y\r\n\r\n", "200");
    assert_answer("\r\n\r\nGET /\xc3\xa4?[x]={y}|z HTTP/1.1\r\nHost: h\r\nX:\r\nY: \xe4 \x01\r\n\r\n", "200");
    assert_answer("GET /a HTTP/1.1\nHost: h\n\n", "200");
}
END_TEST

START_TEST(a_refusal_waits_for_the_answers_before_it) {
    static const char text[] = POST "Content-Length: 2\r\n\r\nab" CHUNKED "1\r\na\r\n0\r\n\r\n"
                                    "GET /c HTTP/1.1\r\nHost: h\r\n\r\nGET /d HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n"
                                    "GET /e HTTP/1.1\r\nHost: h\r\n\r\n";
    struct buf got = say(text, sizeof text - 1, 4, true);
    ck_assert_uint_eq(seen.requests, 3);
    ck_assert_str_eq(seen.path, "/c");
    ck_assert_ptr_nonnull(strstr(strstr(got.data, "HTTP/1.1 400 "), "a header is malformed"));
    buf_free(&got);
}
END_TEST

// ---- Size

enum { SMALLEST = 500, FROM_HERE_ON_EACH = 7000, LARGEST = 9000 };

// How a head of just `size` bytes comes by them.
enum filler {
    FILLER_HEADER,
    FILLER_NAME,
    FILLER_HEADERS,
    FILLER_SMALL_HEADERS,
    FILLER_TARGET,
    FILLER_PARAMETERS,
    FILLER_COOKIE,
    FILLERS
};

static void fill(struct buf *head, size_t size, const char *piece) {
    while (head->length + strlen(piece) <= size) {
        buf_puts(head, piece);
    }
    while (head->length < size) {
        buf_putc(head, 'y');
    }
}

static void make_head(struct buf *head, enum filler filler, size_t size) {
    static const char end[] = "\r\n\r\n", line[] = " HTTP/1.1\r\nHost: h";
    buf_puts(head, "GET /a?");
    if (filler == FILLER_TARGET || filler == FILLER_PARAMETERS) {
        fill(head, size - strlen(line) - strlen(end), filler == FILLER_TARGET ? "x" : "p=q&");
        buf_puts(head, line);
    } else {
        buf_puts(head, line);
        static const char *const pieces[] = {
            [FILLER_HEADER] = "y",
            [FILLER_NAME] = "y",
            [FILLER_HEADERS] = "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\nX-Name: ",
            [FILLER_SMALL_HEADERS] = "y\r\nX: ",
            [FILLER_COOKIE] = "c=d; "};
        buf_puts(head, filler == FILLER_COOKIE ? "\r\nCookie: " : filler == FILLER_NAME ? "\r\nX" : "\r\nX: ");
        fill(head, size - strlen(end) - 8, pieces[filler]);
        buf_puts(head, filler == FILLER_NAME ? "Y: zzzzz" : "\r\nY: zzz");
    }
    buf_puts(head, end);
    ck_assert_uint_eq(head->length, size);
}

static void note_answer(const char *answer, enum filler filler, size_t size, unsigned *taken, unsigned *refused) {
    bool is_taken = strncmp(answer, "HTTP/1.1 200 ", 13) == 0;
    bool is_refused = strncmp(answer, "HTTP/1.1 431 ", 13) == 0 || strncmp(answer, "HTTP/1.1 414 ", 13) == 0;
    ck_assert_msg(is_taken || is_refused, "%zu bytes (%d): %.40s", size, filler, answer);
    *taken += is_taken;
    *refused += is_refused;
}

// By itself, or in pieces, or behind another request.
static void try_head(enum filler filler, size_t size, size_t piece, bool is_second, unsigned *taken,
                     unsigned *refused) {
    static const char first[] = "GET /first HTTP/1.1\r\nHost: h\r\n\r\n";
    struct buf head = {0}, got = {0};
    if (is_second) {
        buf_puts(&head, first);
    }
    struct buf own = {0};
    make_head(&own, filler, size);
    buf_append(&head, own.data, own.length);
    int fd = open_socket();
    bool open = true;
    for (size_t at = 0; open && at < head.length; at += piece) {
        open = socket_say(fd, head.data + at, piece < head.length - at ? piece : head.length - at);
        turn();
    }
    unsigned answers = is_second ? 2 : 1;
    RUN_UNTIL(&loop, 10000, (open = open && socket_hear(fd, &got), count_answers(&got) >= answers || !open));
    ck_assert_msg(count_answers(&got) == answers, "%zu bytes (%d): %s", size, filler, got.data ? got.data : "nothing");
    note_answer(is_second ? strstr(got.data + 1, "HTTP/1.1 ") : got.data, filler, size, taken, refused);
    close(fd);
    buf_free(&own);
    buf_free(&head);
    buf_free(&got);
}

START_TEST(a_head_of_any_size_is_taken_or_refused_at_once) {
    enum filler filler = (enum filler)_i;
    unsigned taken = 0, refused = 0;
    for (size_t size = SMALLEST; size <= LARGEST; size += size < FROM_HERE_ON_EACH ? 37 : 1) {
        try_head(filler, size, size % 3 == 0 ? 1000 : SIZE_MAX / 2, size % 2 == 0, &taken, &refused);
    }
    ck_assert_uint_gt(taken, 0);
    ck_assert_uint_gt(refused, 0);
}
END_TEST

START_TEST(so_is_one_that_comes_byte_by_byte) {
    unsigned taken = 0, refused = 0;
    for (size_t size = 7900; size <= 8200; size += 50) {
        try_head(FILLER_HEADER, size, 1, false, &taken, &refused);
    }
    ck_assert_uint_gt(taken, 0);
    ck_assert_uint_gt(refused, 0);
}
END_TEST

// A body finds room behind it, and the answer too.
START_TEST(behind_the_largest_head_there_is_room_for_a_body) {
    struct buf text = {0};
    make_head(&text, FILLER_HEADER, 7800);
    memcpy(text.data, "PUT", 3);
    text.length -= strlen("zzz\r\n\r\n");
    buf_puts(&text, "\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 100; i++) {
        buf_puts(&text,
                 "3;extension=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\nabc\r\n");
    }
    buf_puts(&text, "0\r\nX-Trailer: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n\r\n");
    struct buf got = say(text.data, text.length, 1, false);
    ck_assert_ptr_nonnull(strstr(got.data, "HTTP/1.1 200 "));
    buf_free(&text);
    buf_free(&got);
}
END_TEST

Suite *suite_http_head(void) {
    const int malformed_count = (int)(sizeof malformed / sizeof *malformed);
    Suite *suite = suite_create("http_head");
    TCase *tests = tcase_create("http_head");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, an_absolute_target_is_its_path_and_its_host_counts);
    tcase_add_test(tests, what_one_request_named_is_not_the_nexts);
    tcase_add_test(tests, a_target_of_no_form_is_a_400);
    tcase_add_test(tests, there_is_one_well_formed_host);
    tcase_add_loop_test(tests, what_is_malformed_is_one_400_and_the_end, 0, malformed_count);
    tcase_add_loop_test(tests, what_is_malformed_is_so_in_pieces_and_behind_another_request, 0, malformed_count);
    tcase_add_test(tests, a_length_beyond_all_measure_is_a_413);
    tcase_add_test(tests, a_version_that_is_not_spoken_is_a_505);
    tcase_add_test(tests, what_is_well_formed_is_taken);
    tcase_add_test(tests, a_refusal_waits_for_the_answers_before_it);
    tcase_add_loop_test(tests, a_head_of_any_size_is_taken_or_refused_at_once, 0, FILLERS);
    tcase_add_test(tests, so_is_one_that_comes_byte_by_byte);
    tcase_add_test(tests, behind_the_largest_head_there_is_room_for_a_body);
    suite_add_tcase(suite, tests);
    return suite;
}
