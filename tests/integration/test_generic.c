// SPDX-License-Identifier: MIT
// A gateway of plain JSON, as docs/gateways.md has it, in the test's own loop: what it is sent, what it posts.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/provider/x_signature.h"
#include "tests/support/delivery.h"
#include "tests/support/fake_server.h"
#include "tests/support/payload.h"
#include "tests/support/stack.h"
#include "tests/support/wait.h"

#define TOKEN "what goes out is signed by this"
#define SECRET "what comes in is signed by this"
#define PUBLIC_URL "https://gateway.test/base"
#define PATH_STATUS "/api/webhooks/sms/status"
#define SETTLED_MS 20000 // until format 2 is written
#define US "+12016661234"
#define THEM "+18045551234"

Suite *suite_generic(void);

static struct stack *stack;

// ---- The gateway

struct gateway {
    const char *status, *body; // of its answers
    struct buf input;          // of the request that comes
    char *request;             // the last whole one; NULL: none
    unsigned requests;
};

static uv_loop_t loop;
static struct fake_server *server;
static struct gateway gateway;

// Where the body of a request that came whole begins; NULL: there is more to come.
static const char *whole_body(const struct buf *input) {
    const char *end = strstr(input->data, "\r\n\r\n"), *length = strcasestr(input->data, "\r\nContent-Length:");
    if (end == NULL || length == NULL || length > end) {
        return NULL;
    }
    size_t wanted = strtoul(strchr(length + 2, ':') + 1, NULL, 10);
    return strlen(end + 4) >= wanted ? end + 4 : NULL;
}

static bool generic_on_input(void *argument, const char *input, size_t length, struct buf *out) {
    (void)argument;
    buf_append(&gateway.input, input, length);
    if (whole_body(&gateway.input) == NULL) {
        return true;
    }
    free(gateway.request);
    gateway.request = xstrdup(gateway.input.data);
    gateway.requests++;
    buf_clear(&gateway.input);
    buf_printf(out, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", gateway.status,
               strlen(gateway.body), gateway.body);
    return true;
}

static void open_gateway_with(const char *status, const char *body, const char *setting) {
    gateway = (struct gateway){.status = status, .body = body};
    uv_loop_init(&loop);
    server = fake_server_start(&loop, &(struct fake_behaviour){.on_input = generic_on_input});
    char *url = xasprintf("PROVIDER_SMS_URL=http://127.0.0.1:%u/v1/messages", fake_server_port(server));
    dispatchers_start(stack, 1, (const char *const[]){url, "DISPATCH_MAX_IN_FLIGHT=1", setting, NULL});
    free(url);
}

static void open_gateway(const char *status, const char *body) {
    open_gateway_with(status, body, NULL);
}

static void close_gateway(void) {
    stack_stop(stack, "dispatcher-1");
    fake_server_destroy(server);
    wait_closed(&loop);
    buf_free(&gateway.input);
    free(gateway.request);
    gateway = (struct gateway){.status = ""};
}

// A header of the last request; owned by the caller, NULL: there is none.
static char *header_of_request(const char *name) {
    char *line = xasprintf("\r\n%s:", name);
    const char *at = strcasestr(gateway.request, line), *end = strstr(gateway.request, "\r\n\r\n");
    free(line);
    if (at == NULL || at > end) {
        return NULL;
    }
    at = strchr(at + 2, ':') + 1;
    at += strspn(at, " ");
    return xstrndup(at, strcspn(at, "\r"));
}

static const char *body_of_request(void) {
    return strstr(gateway.request, "\r\n\r\n") + 4;
}

// ---- What the gateway posts

static struct answer *post_with(const char *path, const char *secret, const char *body) {
    struct buf header = {0};
    buf_puts(&header, "X-Signature: ");
    x_signature_make(secret, body, strlen(body), clock_unix_ms() / 1000, &header);
    struct answer *answer = stack_call(stack, "ingest-1", "POST", path, body, (const char *const[]){header.data, NULL});
    buf_free(&header);
    return answer;
}

static void post(const char *path, const char *body, long status) {
    struct answer *answer = post_with(path, SECRET, body);
    ck_assert_msg(answer->status == status, "%ld: %s", answer->status, answer->body);
    answer_free(answer);
}

static bool takes_receipts(void) {
    struct answer *answer = post_with(PATH_STATUS, SECRET, "[]");
    bool takes = answer->status == 204;
    answer_free(answer);
    return takes;
}

static void start(void) {
    static const char *const environment[] = {"PROVIDER_SMS_KIND=generic", "PROVIDER_SMS_TOKEN=" TOKEN,
                                              "WEBHOOK_SMS_SECRET=" SECRET, "WEBHOOK_PUBLIC_URL=" PUBLIC_URL, NULL};
    stack = stack_create("generic", environment);
    stack_start(stack, "postgres");
    stack_start(stack, "mock-provider");
    stack_start(stack, "ingest-1");
    stack_start(stack, "persister-1");
    WAIT_FOR(SETTLED_MS, takes_receipts());
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    delivery_recover(stack);
}

static char *send_sms(const char *text) {
    return send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(US, THEM, text));
}

// What the API says that became of a message.
static bool is_shown(const char *id, const char *status) {
    char *path = xasprintf("/api/messages/%s", id);
    struct answer *answer = stack_call(stack, "ingest-1", "GET", path, NULL, NULL);
    bool is_so = strcmp(answer_text(answer, "status"), status) == 0;
    answer_free(answer);
    free(path);
    return is_so;
}

START_TEST(a_message_goes_out_as_the_page_shows_it) {
    open_gateway("200 OK", "{\"id\":\"G-1\"}");
    char *id = send_sms("Hello");
    RUN_UNTIL(&loop, 10000, message_is(stack, id, "sent"));
    ck_assert_msg(strncmp(gateway.request, "POST /v1/messages HTTP/1.1\r\n", 28) == 0, "%s", gateway.request);
    char *expected = xasprintf("{\"id\":\"%s\",\"from\":\"" US "\",\"to\":\"" THEM "\",\"type\":\"sms\","
                               "\"body\":\"Hello\",\"attachments\":[],\"timestamp\":\"2024-11-01T14:00:00.000Z\","
                               "\"status_callback\":\"" PUBLIC_URL PATH_STATUS "?message_id=%s&partition=0\"}",
                               id, id);
    ck_assert_str_eq(body_of_request(), expected);
    char *key = header_of_request("Idempotency-Key"), *type = header_of_request("Content-Type");
    ck_assert_pstr_eq(key, id);
    ck_assert_pstr_eq(type, "application/json");
    ck_assert_ptr_null(header_of_request("Authorization"));
    ck_assert_int_eq(stack_sql(stack,
                               "SELECT count(*) FROM dispatch_attempts WHERE message_id = '%s' AND "
                               "provider_message_id = 'G-1'",
                               id),
                     1);
    free(key);
    free(type);
    free(expected);
    free(id);
    close_gateway();
}
END_TEST

START_TEST(what_goes_out_is_signed_each_call_anew) {
    static char token[] = TOKEN, none[] = "";
    static char *const secrets[WEBHOOK_SECRETS] = {token, none};
    uint8_t known[SIGNATURE_ID_SIZE];
    open_gateway("503 Service Unavailable", "");
    char *id = send_sms("Signed");
    for (unsigned calls = 1; calls <= 2; calls++) {
        RUN_UNTIL(&loop, 10000, gateway.requests >= calls);
        char *signature = header_of_request("X-Signature"), *key = header_of_request("Idempotency-Key");
        ck_assert_ptr_nonnull(signature);
        ck_assert_pstr_eq(key, id);
        ck_assert_int_eq(x_signature_check(signature, body_of_request(), strlen(body_of_request()), secrets,
                                           clock_unix_ms() / 1000, 300, known),
                         SIGNATURE_RIGHT);
        free(signature);
        free(key);
    }
    gateway.status = "202 Accepted";
    gateway.body = "{\"id\":77}";
    RUN_UNTIL(&loop, 10000, message_is(stack, id, "sent"));
    free(id);
    close_gateway();
}
END_TEST

START_TEST(without_a_token_nothing_is_signed_and_each_call_has_its_key) {
    open_gateway_with("200 OK", "{\"id\":\"G-4\"}", "PROVIDER_SMS_TOKEN=");
    for (unsigned calls = 1; calls <= 3; calls++) {
        char *id = send_sms("Unsigned");
        RUN_UNTIL(&loop, 10000, message_is(stack, id, "sent"));
        char *key = header_of_request("Idempotency-Key");
        ck_assert_uint_eq(gateway.requests, calls);
        ck_assert_pstr_eq(key, id);
        ck_assert_ptr_null(header_of_request("X-Signature"));
        free(key);
        free(id);
    }
    close_gateway();
}
END_TEST

START_TEST(an_error_says_why) {
    open_gateway("400 Bad Request", "{\"code\":\"E7\",\"message\":\"no such number\"}");
    char *id = send_sms("Refused");
    RUN_UNTIL(&loop, 10000, message_is(stack, id, "failed"));
    ck_assert_uint_eq(gateway.requests, 1);
    char *error = stack_sql_text(stack, "SELECT error FROM dispatch_attempts WHERE message_id = '%s'", id);
    ck_assert_pstr_eq(error, "E7: no such number");
    free(error);
    free(id);
    close_gateway();
}
END_TEST

// The path and query of the last request's status_callback, owned by the caller.
static char *callback_path(void) {
    const char *at = strstr(body_of_request(), "\"status_callback\":\"" PUBLIC_URL);
    ck_assert_ptr_nonnull(at);
    at += strlen("\"status_callback\":\"" PUBLIC_URL);
    return xstrndup(at, strcspn(at, "\""));
}

START_TEST(what_became_of_it_is_told_at_its_callback) {
    open_gateway("200 OK", "{\"id\":\"G-2\"}");
    char *id = send_sms("Delivered");
    RUN_UNTIL(&loop, 10000, message_is(stack, id, "sent"));
    char *path = callback_path();
    post(path, "{\"status\":\"delivered\"}", 204);
    RUN_UNTIL(&loop, 10000, is_shown(id, "delivered"));
    free(path);
    free(id);
    close_gateway();
}
END_TEST

START_TEST(what_became_of_many_is_told_at_once) {
    open_gateway("200 OK", "{\"id\":\"G-3\"}");
    char *one = send_sms("One"), *other = send_sms("Other");
    RUN_UNTIL(&loop, 10000, message_is(stack, one, "sent") && message_is(stack, other, "sent"));
    char *body = xasprintf("[{\"message_id\":\"%s\",\"status\":\"delivered\"},7,{\"message_id\":\"%s\","
                           "\"status\":\"undelivered\",\"code\":\"E9\",\"reason\":\"the phone is off\","
                           "\"timestamp\":\"2024-11-01T14:00:05Z\"}]",
                           one, other);
    post(PATH_STATUS, body, 204);
    RUN_UNTIL(&loop, 10000, is_shown(one, "delivered") && is_shown(other, "undelivered"));
    ck_assert_int_eq(stack_sql(stack,
                               "SELECT count(*) FROM receipts WHERE message_id = '%s' AND code = 'E9' AND "
                               "reason = 'the phone is off' AND occurred_at = '2024-11-01T14:00:05Z'",
                               other),
                     1);
    free(body);
    free(one);
    free(other);
    close_gateway();
}
END_TEST

START_TEST(what_came_in_is_our_own_webhook) {
    post(PATH_SMS_WEBHOOK,
         "{\"from\":\"" THEM "\",\"to\":\"" US "\",\"type\":\"sms\",\"messaging_provider_id\":\"gateway-1\","
         "\"body\":\"Hi there\",\"attachments\":null,\"timestamp\":\"2024-11-01T14:00:00Z\"}",
         202);
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM messages WHERE provider_message_id = 'gateway-1' AND "
                                     "body = 'Hi there'") == 1);
}
END_TEST

START_TEST(what_is_signed_by_another_or_not_at_all_is_not_believed) {
    static const char *const paths[] = {PATH_SMS_WEBHOOK, PATH_STATUS};
    for (size_t i = 0; i < 2; i++) {
        struct answer *wrong = post_with(paths[i], TOKEN, "{\"status\":\"delivered\"}");
        struct answer *none = stack_call(stack, "ingest-1", "POST", paths[i], "{\"status\":\"delivered\"}", NULL);
        ck_assert_int_eq(wrong->status, 401);
        ck_assert_int_eq(none->status, 401);
        answer_free(wrong);
        answer_free(none);
    }
}
END_TEST

START_TEST(a_form_is_not_its_language) {
    static const char *const paths[] = {PATH_SMS_WEBHOOK, PATH_STATUS};
    for (size_t i = 0; i < 2; i++) {
        const char *body = "MessageSid=SM1";
        struct buf header = {0};
        buf_puts(&header, "X-Signature: ");
        x_signature_make(SECRET, body, strlen(body), clock_unix_ms() / 1000, &header);
        struct answer *answer =
            stack_call(stack, "ingest-1", "POST", paths[i], body,
                       (const char *const[]){"Content-Type: application/x-www-form-urlencoded", header.data, NULL});
        ck_assert_int_eq(answer->status, 415);
        ck_assert_str_eq(answer_text(answer, "message"), "the body must be application/json");
        answer_free(answer);
        buf_free(&header);
    }
}
END_TEST

START_TEST(in_the_end_every_process_exits_cleanly) {
    stack_finish(stack);
}
END_TEST

Suite *suite_generic(void) {
    Suite *suite = suite_create("generic");
    TCase *tests = tcase_create("generic");
    tcase_set_timeout(tests, 120);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, a_message_goes_out_as_the_page_shows_it);
    tcase_add_test(tests, what_goes_out_is_signed_each_call_anew);
    tcase_add_test(tests, without_a_token_nothing_is_signed_and_each_call_has_its_key);
    tcase_add_test(tests, an_error_says_why);
    tcase_add_test(tests, what_became_of_it_is_told_at_its_callback);
    tcase_add_test(tests, what_became_of_many_is_told_at_once);
    tcase_add_test(tests, what_came_in_is_our_own_webhook);
    tcase_add_test(tests, what_is_signed_by_another_or_not_at_all_is_not_believed);
    tcase_add_test(tests, a_form_is_not_its_language);
    tcase_add_test(tests, in_the_end_every_process_exits_cleanly);
    suite_add_tcase(suite, tests);
    return suite;
}
