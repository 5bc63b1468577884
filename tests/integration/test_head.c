// SPDX-License-Identifier: MIT
// HEAD: every route of GET answers it with GET's head and no body, and the connection serves the next request.

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/mem.h"
#include "tests/support/payload.h"
#include "tests/support/sockets.h"
#include "tests/support/stack.h"

static struct stack *stack;
static char *message_id;

static void start(void) {
    stack = stack_create("head", NULL);
    stack_start_all(stack);
    message_id = send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+1201", "+1804", "looked at"));
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM deliveries WHERE status = 'sent'") == 1);
}

static void end(void) {
    free(message_id);
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
}

#define LAST "\r\nX-Request-Id: the-next\r\n"

// Asks, and asks for something else on the same connection: all that came up to the second answer's head.
static char *ask(const char *method, const char *path, const char *header) {
    struct buf asked = {0}, got = {0};
    buf_printf(&asked, "%s %s HTTP/1.1\r\nHost: h\r\n%s\r\nGET /healthz HTTP/1.1\r\nHost: h" LAST "\r\n", method, path,
               header);
    int fd = socket_open(stack_port(stack, "ingest-1"), NULL);
    ck_assert(socket_say(fd, asked.data, asked.length));
    buf_puts(&got, "");
    WAIT_FOR(10000, (ck_assert_msg(socket_hear(fd, &got), "%s %s closed: %s", method, path, got.data),
                     strstr(got.data, LAST) != NULL));
    close(fd);
    buf_free(&asked);
    return got.data;
}

// The value of a header in the first head, or NULL; owned by the caller.
static char *value_of(const char *text, const char *name) {
    const char *end = strstr(text, "\r\n\r\n"), *at = strcasestr(text, name);
    return at != NULL && at < end ? xstrndup(at, strcspn(at, "\r")) : NULL;
}

static void assert_same(const char *path, const char *name, const char *head, const char *get) {
    char *of_head = value_of(head, name), *of_get = value_of(get, name);
    ck_assert_msg((of_head == NULL) == (of_get == NULL) && (of_head == NULL || strcmp(of_head, of_get) == 0),
                  "%s: HEAD says %s, GET says %s", path, of_head ? of_head : "nothing", of_get ? of_get : "nothing");
    free(of_head);
    free(of_get);
}

static void assert_no_body(const char *path, const char *head) {
    const char *end = strstr(head, "\r\n\r\n") + 4;
    ck_assert_msg(strncmp(end, "HTTP/1.1 200 ", 13) == 0, "HEAD %s was answered with a body: %s", path, head);
}

static void assert_head_of(const char *path, const char *header, int status) {
    char *head = ask("HEAD", path, header), *get = ask("GET", path, header), line[32];
    snprintf(line, sizeof line, "HTTP/1.1 %d ", status);
    ck_assert_msg(strncmp(head, line, strlen(line)) == 0, "HEAD %s: %s", path, head);
    ck_assert_msg(strncmp(get, line, strlen(line)) == 0, "GET %s: %s", path, get);
    assert_no_body(path, head);
    static const char *const same[] = {"\nContent-Type:", "\nAllow:", "\nContent-Security-Policy:", "\nCache-Control:"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_same(path, same[i], head, get);
    }
    if (strcmp(path, "/metrics") != 0 && strcmp(path, "/readyz") != 0) { // what they say changes
        assert_same(path, "\nContent-Length:", head, get);
    }
    free(head);
    free(get);
}

START_TEST(each_route_of_get_answers_head_with_its_head_alone) {
    static const struct {
        const char *path, *header;
        int status;
    } cases[] = {
        {"/", "", 200},
        {"/console.css", "", 200},
        {"/console.js", "", 200},
        {"/openapi.yaml", "", 200},
        {"/healthz", "", 200},
        {"/readyz", "", 200},
        {"/metrics", "", 200},
        {"/metrics", "Accept: text/plain\r\n", 200},
        {"/metrics", "Accept: image/png\r\n", 406},
        {"/api/conversations", "", 200},
        {"/api/conversations?page=x", "", 400},
        {"/api/conversations", "Accept: text/html\r\n", 406},
        {"/api/conversations/1/messages", "", 200},
        {"/api/conversations/999999/messages", "", 404},
        {"/api/dead-letters", "", 200},
        {"/api/dead-letters/999999", "", 404},
        {"/api/provider/mock/config", "", 200},
        {"/api/messages/00000000-0000-0000-0000-000000000000", "", 404},
        {"/api/messages/sms", "", 405},
        {"/nowhere", "", 404},
        {"/api/events", "Last-Event-ID: none\r\n", 400},
        {"/api/events", "Accept: text/html\r\n", 406},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_head_of(cases[i].path, cases[i].header, cases[i].status);
    }
    char *path = xasprintf("/api/messages/%s", message_id);
    assert_head_of(path, "", 200);
    free(path);
}
END_TEST

// GET's answer has no end.
START_TEST(head_of_the_event_stream_has_no_chunk_and_takes_no_place) {
    for (int i = 0; i < 3; i++) {
        char *head = ask("HEAD", "/api/events", "");
        ck_assert(strncmp(head, "HTTP/1.1 200 ", 13) == 0);
        assert_no_body("/api/events", head);
        static const char *const told[] = {"\nContent-Type: text/event-stream", "\nCache-Control: no-store"};
        for (size_t j = 0; j < sizeof told / sizeof *told; j++) {
            char *value = value_of(head, told[j]);
            ck_assert_msg(value != NULL, "%s", head);
            free(value);
        }
        free(head);
    }
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_head(void);

Suite *suite_head(void) {
    Suite *suite = suite_create("head");
    TCase *tests = tcase_create("head");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, each_route_of_get_answers_head_with_its_head_alone);
    tcase_add_test(tests, head_of_the_event_stream_has_no_chunk_and_takes_no_place);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
