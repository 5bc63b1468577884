// SPDX-License-Identifier: MIT
// What the server makes of a request's head: of its target, its Host, its framing and its size.
#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/http_server.h"
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

// Says it on a connection of its own and hears until `answers` have come, and the connection has been closed where
// that is expected. The caller frees what was heard.
static struct buf say(const char *bytes, size_t length, unsigned answers, bool closes) {
    struct buf got = {0};
    int fd = socket_open(port, NULL);
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
    assert_answer("GET /a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "200");
    assert_answer("GET /a HTTP/1.1\r\nHost:\r\n\r\n", "200"); // a client whose URI has no authority
    assert_answer("GET /a HTTP/1.0\r\nHost: a b\r\n\r\n", "400");
}
END_TEST

Suite *suite_http_head(void) {
    Suite *suite = suite_create("http_head");
    TCase *tests = tcase_create("http_head");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, an_absolute_target_is_its_path_and_its_host_counts);
    tcase_add_test(tests, what_one_request_named_is_not_the_nexts);
    tcase_add_test(tests, a_target_of_no_form_is_a_400);
    tcase_add_test(tests, there_is_one_well_formed_host);
    suite_add_tcase(suite, tests);
    return suite;
}
