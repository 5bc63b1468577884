// SPDX-License-Identifier: MIT
// Calls of a provider that misbehaves: each comes to an outcome, and within its time-out.

#include "dispatcher/provider/call.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/support/fake_server.h"
#include "tests/support/wait.h"

#define TIMEOUT_MS 600
#define ENDLESS "\xff" // says the same again and again, see on_input

Suite *suite_provider_call(void);

static uv_loop_t loop;
static struct outcome heard;
static bool is_done, was_sent;

static void setup(void) {
    uv_loop_init(&loop);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    heard = (struct outcome){.retry_after_ms = -1};
    is_done = was_sent = false;
}

static void teardown(void) {
    wait_closed(&loop);
    outcome_clear(&heard);
    curl_global_cleanup();
}

static bool may_begin(void *argument) {
    return *(bool *)argument;
}

static void on_done(void *argument, struct outcome *outcome) {
    (void)argument;
    is_done = true;
    was_sent = outcome != NULL;
    if (outcome) {
        heard = *outcome;
    }
}

// Calls what is at that port, and waits for the end of it.
static void call_port(uint16_t port, bool permitted) {
    static const struct call_events events = {may_begin, on_done};
    char url[64], text[] = "+15550000001", nothing[] = "";
    snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
    struct settings settings = {.provider_sms_url = url,
                                .provider_sms_account = text,
                                .provider_sms_token = text,
                                .provider_sms_key_sid = nothing,
                                .provider_sms_key_secret = nothing,
                                .provider_sms_service = nothing,
                                .webhook_public_url = nothing,
                                .provider_ca_file = nothing,
                                .provider_timeout_ms = TIMEOUT_MS,
                                .provider_connect_timeout_ms = TIMEOUT_MS};
    struct message message = {.from = text, .to = text, .sender = text, .recipient = text, .body = text};
    struct transport *transport = transport_create(&loop, 1);
    struct caller *caller = caller_create(transport, &provider_twilio, &settings);
    (void)call_start(caller, &(struct provider_send){&settings, "0193-id", 7, &message}, &events, &permitted);
    RUN_UNTIL(&loop, 20 * TIMEOUT_MS, is_done);
    caller_destroy(caller);
    transport_destroy(transport);
}

struct answer {
    const char *text; // NULL: none ever
    bool hang_up;     // after it
};

static bool on_input(void *argument, const char *input, size_t length, struct buf *out) {
    const struct answer *answer = argument;
    (void)input, (void)length;
    for (size_t i = 0; answer->text && i < (strstr(answer->text, ENDLESS) ? 1500 : 1); i++) {
        buf_puts(out, answer->text);
    }
    return !answer->hang_up;
}

static void assert_outcome(enum outcome_class class, int http_status, const char *text, bool hang_up) {
    struct answer answer = {text, hang_up};
    struct fake_server *server =
        fake_server_start(&loop, &(struct fake_behaviour){.on_input = on_input, .argument = &answer});
    outcome_clear(&heard);
    is_done = false;
    int64_t began_us = clock_monotonic_us();
    call_port(fake_server_port(server), true);
    ck_assert_msg(was_sent && heard.class == class, "came to %s: %s", outcome_name(heard.class), heard.error);
    ck_assert_int_eq(heard.http_status, http_status);
    ck_assert_int_eq(heard.error != NULL, class != OUTCOME_SENT); // a failure says why
    ck_assert_int_le(heard.latency_us, clock_monotonic_us() - began_us);
    fake_server_destroy(server);
}

START_TEST(a_provider_that_accepts_and_never_answers_is_a_time_out) {
    assert_outcome(OUTCOME_TIMEOUT, 0, NULL, false);
    ck_assert_int_ge(heard.latency_us / 1000, TIMEOUT_MS - 1);
}
END_TEST

START_TEST(one_that_hangs_up_or_resets_is_a_failed_connection) {
    assert_outcome(OUTCOME_CONNECTION_FAILED, 0, NULL, true);
    assert_outcome(OUTCOME_CONNECTION_FAILED, 0, "HTTP/1.1 100 Continue\r\n\r\n", true);
    assert_outcome(OUTCOME_CONNECTION_FAILED, 0, "HTTP/1", true);
    outcome_clear(&heard);
    is_done = false;
    struct fake_server *server = fake_server_start(&loop, &(struct fake_behaviour){.hang_up = true});
    call_port(fake_server_port(server), true);
    ck_assert_int_eq(heard.class, OUTCOME_CONNECTION_FAILED);
    fake_server_destroy(server);
}
END_TEST

START_TEST(one_where_nobody_listens_is_a_failed_connection) {
    struct fake_server *server = fake_server_start(&loop, &(struct fake_behaviour){.hang_up = true});
    uint16_t port = fake_server_port(server);
    fake_server_destroy(server);
    run_for(&loop, 20);
    call_port(port, true);
    ck_assert_int_eq(heard.class, OUTCOME_CONNECTION_FAILED);
    ck_assert_ptr_nonnull(heard.error);
}
END_TEST

START_TEST(rubbish_is_a_failed_connection) {
    assert_outcome(OUTCOME_CONNECTION_FAILED, 0, "\x16\x03\x01 no HTTP at all \r\n\r\n", true);
    assert_outcome(OUTCOME_CONNECTION_FAILED, 0, "SSH-2.0-OpenSSH_9.2p1\r\n", true);
    assert_outcome(OUTCOME_TIMEOUT, 0, "HT", false);
}
END_TEST

START_TEST(half_an_answer_is_what_its_status_says) {
    static const char failed[] = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 100\r\n\r\nhalf";
    static const char created[] = "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{\"sid\":\"SM1";
    assert_outcome(OUTCOME_SERVER_ERROR, 500, failed, true);
    assert_outcome(OUTCOME_SERVER_ERROR, 500, failed, false); // silent until the time-out
    assert_outcome(OUTCOME_SENT, 201, created, true);
    ck_assert_ptr_null(heard.provider_message_id);
    assert_outcome(OUTCOME_SENT, 201, created, false);
    assert_outcome(OUTCOME_SERVER_ERROR, 503, "HTTP/1.1 503 Unavailable\r\nRetry-Af", true);
}
END_TEST

START_TEST(a_success_with_a_broken_body_is_a_success) {
    assert_outcome(OUTCOME_SENT, 201, "HTTP/1.1 201 Created\r\nContent-Length: 6\r\n\r\n{\"sid\"", false);
    ck_assert_ptr_null(heard.provider_message_id);
    assert_outcome(OUTCOME_SENT, 200, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nnonsense", true);
    assert_outcome(OUTCOME_SENT, 200, "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"sid\":[\"SM1\"]} ", false);
    ck_assert_ptr_null(heard.provider_message_id);
    assert_outcome(OUTCOME_SENT, 201, "HTTP/1.1 201 Created\r\nContent-Length: 13\r\n\r\n{\"sid\":\"SM1\"}", false);
    ck_assert_str_eq(heard.provider_message_id, "SM1");
}
END_TEST

START_TEST(an_answer_without_end_is_given_up) {
    static const char line[] = "HTTP/1.1 500 Internal Server Error\r\n\r\n" ENDLESS;
    char text[1200];
    snprintf(text, sizeof text, "%s%01000d", line, 0);
    assert_outcome(OUTCOME_SERVER_ERROR, 500, text, false);
}
END_TEST

START_TEST(what_a_provider_asks_for_in_retry_after_is_heard) {
    assert_outcome(OUTCOME_RATE_LIMITED, 429,
                   "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", true);
    ck_assert_int_eq(heard.retry_after_ms, 7000);
    assert_outcome(OUTCOME_RATE_LIMITED, 429,
                   "HTTP/1.1 429 Too Many\r\nretry-after: Fri, 31 Dec 2100 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n",
                   true);
    ck_assert_int_gt(heard.retry_after_ms, 300LL * 24 * 3600 * 1000);
    assert_outcome(OUTCOME_RATE_LIMITED, 429, "HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\n\r\n", true);
    ck_assert_int_eq(heard.retry_after_ms, -1);
}
END_TEST

START_TEST(a_call_that_may_not_begin_any_more_sends_nothing) {
    struct fake_server *server = fake_server_start(&loop, &(struct fake_behaviour){.hang_up = false});
    call_port(fake_server_port(server), false);
    ck_assert(!was_sent);
    run_for(&loop, 20);
    ck_assert_uint_eq(fake_server_connections(server), 1);
    fake_server_destroy(server);
}
END_TEST

// ---- A renewal

static char authorizations[3][64], paths[3][80];
static int requests;

static bool on_request(void *argument, const char *input, size_t length, struct buf *out) {
    const bool *answers = argument;
    static const char header[] = "Authorization: Basic ";
    const char *given = strstr(input, header);
    (void)length;
    ck_assert_ptr_nonnull(given);
    ck_assert_int_lt(requests, 3);
    given += sizeof header - 1;
    snprintf(authorizations[requests], sizeof authorizations[0], "%.*s", (int)strcspn(given, "\r"), given);
    snprintf(paths[requests++], sizeof paths[0], "%.*s", (int)strcspn(input, "\r"), input);
    if (*answers) {
        buf_puts(out, "HTTP/1.1 201 Created\r\nContent-Length: 13\r\n\r\n{\"sid\":\"SM1\"}");
    }
    return true;
}

START_TEST(calls_that_begin_after_a_renewal_go_by_the_new_settings) {
    static const struct call_events events = {may_begin, on_done};
    char url[64], text[] = "+15550000001", nothing[] = "", first[] = "AC1", second[] = "AC2", token[] = "t";
    bool permitted = true, answers = false;
    struct fake_server *server =
        fake_server_start(&loop, &(struct fake_behaviour){.on_input = on_request, .argument = &answers});
    snprintf(url, sizeof url, "http://127.0.0.1:%u", fake_server_port(server));
    struct settings settings = {.provider_sms_url = url,
                                .provider_sms_account = first,
                                .provider_sms_token = token,
                                .provider_sms_key_sid = nothing,
                                .provider_sms_key_secret = nothing,
                                .provider_sms_service = nothing,
                                .webhook_public_url = nothing,
                                .provider_ca_file = nothing,
                                .provider_timeout_ms = TIMEOUT_MS,
                                .provider_connect_timeout_ms = TIMEOUT_MS};
    struct message message = {.from = text, .to = text, .sender = text, .recipient = text, .body = text};
    const struct provider_send send = {&settings, "0193-id", 7, &message};
    struct transport *transport = transport_create(&loop, 1);
    struct caller *caller = caller_create(transport, &provider_twilio, &settings);
    requests = 0;
    (void)call_start(caller, &send, &events, &permitted); // under way at the renewal, and used no more after it
    RUN_UNTIL(&loop, 20 * TIMEOUT_MS, requests == 1);
    settings.provider_sms_account = second;
    caller_renew(caller);
    RUN_UNTIL(&loop, 20 * TIMEOUT_MS, is_done);
    ck_assert_int_eq(heard.class, OUTCOME_TIMEOUT);
    answers = true;
    for (int i = 1; i <= 2; i++) {
        is_done = false;
        outcome_clear(&heard);
        (void)call_start(caller, &send, &events, &permitted);
        RUN_UNTIL(&loop, 20 * TIMEOUT_MS, is_done);
        ck_assert_int_eq(heard.class, OUTCOME_SENT);
        ck_assert_str_eq(paths[i], "POST /2010-04-01/Accounts/AC2/Messages.json HTTP/1.1");
        ck_assert_str_eq(authorizations[i], "QUMyOnQ="); // AC2:t
    }
    ck_assert_str_eq(authorizations[0], "QUMxOnQ="); // AC1:t
    caller_destroy(caller);
    transport_destroy(transport);
    fake_server_destroy(server);
}
END_TEST

Suite *suite_provider_call(void) {
    Suite *suite = suite_create("provider_call");
    TCase *tests = tcase_create("dispatcher_call");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_provider_that_accepts_and_never_answers_is_a_time_out);
    tcase_add_test(tests, one_that_hangs_up_or_resets_is_a_failed_connection);
    tcase_add_test(tests, one_where_nobody_listens_is_a_failed_connection);
    tcase_add_test(tests, rubbish_is_a_failed_connection);
    tcase_add_test(tests, half_an_answer_is_what_its_status_says);
    tcase_add_test(tests, a_success_with_a_broken_body_is_a_success);
    tcase_add_test(tests, an_answer_without_end_is_given_up);
    tcase_add_test(tests, what_a_provider_asks_for_in_retry_after_is_heard);
    tcase_add_test(tests, a_call_that_may_not_begin_any_more_sends_nothing);
    tcase_add_test(tests, calls_that_begin_after_a_renewal_go_by_the_new_settings);
    suite_add_tcase(suite, tests);
    return suite;
}
