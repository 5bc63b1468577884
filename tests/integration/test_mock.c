// SPDX-License-Identifier: MIT
// The mock provider: what it is told reaches every process at once, and its misbehaviour can be repeated.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/support/delivery.h"
#include "tests/support/stack.h"

#define SMS_CALL "/2010-04-01/Accounts/AC00000000000000000000000000000000/Messages.json"
#define SMS_AUTHORIZATION "Authorization: Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDptb2NrLXRva2Vu"
#define EMAIL_CALL "/v3/mail/send"
#define EMAIL_BODY                                                                                                     \
    "{\"personalizations\":[{\"to\":[{\"email\":\"a@x.com\"}]}],\"from\":{\"email\":\"b@x.com\"},\"subject\":\"s\","   \
    "\"content\":[{\"type\":\"text/plain\",\"value\":\"v\"}]}"
#define FAILS "{\"timeout_pct\":0,\"error_pct\":100,\"ratelimit_pct\":0}"
#define MIXED "{\"timeout_pct\":0,\"error_pct\":30,\"ratelimit_pct\":20,\"seed\":7}"
#define CALLS 60
#define CHANGES 6

static struct stack *stack;
static unsigned next_sender = 1000; // each test has senders of its own
static unsigned next_key;

static void start(void) {
    stack = stack_create("mock", NULL);
    stack_start(stack, "postgres");
    stack_start(stack, "mock-provider");
    stack_start(stack, "ingest-1");
    stack_start(stack, "persister-1");
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    delivery_recover(stack);
    next_sender += 100;
}

static struct answer *call(const char *mock, const char *path, const char *key, int timeout_ms) {
    bool sms = strcmp(path, SMS_CALL) == 0;
    char *url = xasprintf("http://127.0.0.1:%u%s", stack_port(stack, mock), path);
    char *header = xasprintf("Idempotency-Key: %s", key);
    const char *headers[] = {header, sms ? SMS_AUTHORIZATION : "Authorization: Bearer mock-token",
                             sms ? "Content-Type: application/x-www-form-urlencoded" : "Content-Type: application/json",
                             NULL};
    struct answer *answer =
        client_call("POST", url, sms ? "From=%2B1555&To=%2B1666&Body=x" : EMAIL_BODY, headers, timeout_ms);
    free(header);
    free(url);
    return answer;
}

// Under a key of its own.
static long call_anew(const char *mock, const char *path, int timeout_ms) {
    char key[24];
    snprintf(key, sizeof key, "key-%u", next_key++);
    struct answer *answer = call(mock, path, key, timeout_ms);
    long status = answer->status;
    answer_free(answer);
    return status;
}

static bool both_answer(long status) {
    return call_anew("mock-provider", SMS_CALL, 1000) == status &&
           call_anew("mock-provider-2", SMS_CALL, 1000) == status;
}

START_TEST(what_is_put_reaches_all_processes_within_200_ms) {
    char *port = xasprintf("MOCK_PROVIDER_PORT=%u", stack_port(stack, "mock-provider-2"));
    stack_start_with(stack, "mock-provider-2", (const char *const[]){port, NULL});
    stack_start(stack, "ingest-2");
    WAIT_FOR(10000, both_answer(201));
    unsigned in_time = 0;
    int64_t slowest_us = 0;
    for (int i = 0; i < CHANGES; i++) {
        const char *config = i % 2 == 0 ? "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":100}" : MOCK_WELL;
        const char *ingest = i % 3 == 0 ? "ingest-1" : "ingest-2";
        ck_assert_int_eq(stack_status(stack, ingest, "PUT", "/api/provider/mock/config", config), 200);
        int64_t put_us = clock_monotonic_us();
        WAIT_FOR(5000, both_answer(i % 2 == 0 ? 429 : 201));
        int64_t took_us = clock_monotonic_us() - put_us;
        slowest_us = took_us > slowest_us ? took_us : slowest_us;
        in_time += took_us <= 200000;
    }
    printf("%d changes of the mock's configuration: %u seen by 2 mocks within 200 ms, the last after %lld ms\n",
           CHANGES, in_time, (long long)slowest_us / 1000);
    ck_assert_uint_gt(in_time, CHANGES / 2); // all, but where the machine is at something else
    stack_stop(stack, "mock-provider-2");
    free(port);
}
END_TEST

// The statuses of CALLS calls one after the other, as letters; with others in between.
static void draw(const char *path, const char *between, char out[CALLS + 1]) {
    for (int i = 0; i < CALLS; i++) {
        long status = call_anew("mock-provider", path, 5000);
        out[i] = status == 429 ? 'l' : status == 500 ? 'e' : status == 503 ? 'u' : '.';
        if (between != NULL && i % 3 != 0) {
            (void)call_anew("mock-provider", between, 5000);
        }
    }
    out[CALLS] = '\0';
}

START_TEST(a_seed_makes_each_providers_sequence_the_same_whatever_the_other_does) {
    char sms[CALLS + 1], email[CALLS + 1], again[CALLS + 1];
    mock_configure(stack, MIXED);
    draw(SMS_CALL, NULL, sms);
    draw(EMAIL_CALL, NULL, email);
    printf("seed 7: %s\n", sms);
    ck_assert_str_ne(sms, email);
    mock_configure(stack, MIXED);
    draw(SMS_CALL, EMAIL_CALL, again);
    ck_assert_str_eq(again, sms);
    mock_configure(stack, MIXED);
    draw(EMAIL_CALL, SMS_CALL, again);
    ck_assert_str_eq(again, email);
    stack_stop(stack, "mock-provider");
    stack_start_with(stack, "mock-provider",
                     (const char *const[]){"API_PROVIDER_ERROR_PCT=30", "API_PROVIDER_RATELIMIT_PCT=20",
                                           "API_PROVIDER_SEED=7", NULL});
    draw(SMS_CALL, NULL, again);
    ck_assert_str_eq(again, sms);
}
END_TEST

// What a dispatcher's calls came to, in their order; owned by the caller.
static char *run_of_outcomes(unsigned messages) {
    mock_configure(stack, "{\"timeout_pct\":2,\"error_pct\":33,\"ratelimit_pct\":10,\"retry_after_secs\":0,"
                          "\"latency_ms\":4,\"seed\":11}");
    next_sender += 100;
    send_many(stack, next_sender, messages);
    stack_start_with(stack, "dispatcher-1",
                     (const char *const[]){"DISPATCH_MAX_IN_FLIGHT=1", "API_BREAKER_ERROR_THRESHOLD=1000",
                                           "API_WORKER_MAX_RETRIES=1000", NULL});
    WAIT_FOR(30000, status_count(stack, next_sender, "sent") == messages && stack_is_drained(stack));
    stack_stop(stack, "dispatcher-1");
    return stack_sql_text(stack,
                          "SELECT string_agg(a.outcome || a.http_status, ' ' ORDER BY a.started_at, a.latency_us) FROM "
                          "dispatch_attempts AS a JOIN messages AS m ON m.id = a.message_id WHERE m.from_address "
                          "BETWEEN '+1555%07u' AND '+1555%07u'",
                          next_sender, next_sender + 99);
}

START_TEST(with_a_seed_and_one_call_at_a_time_every_run_is_the_same) {
    char *first = run_of_outcomes(40), *second = run_of_outcomes(40);
    ck_assert_pstr_eq(first, second);
    ck_assert_ptr_nonnull(strstr(first, "timeout0"));
    ck_assert_ptr_nonnull(strstr(first, "rate_limited429"));
    free(first);
    free(second);
}
END_TEST

START_TEST(over_500_calls_the_shares_are_within_5_points_of_those_set) {
    static const struct {
        const char *name;
        int share;
    } expected[] = {{"timeout", 4}, {"error", 30}, {"rate_limited", 10}, {"accepted", 56}};
    int64_t before[4];
    mock_configure(stack, "{\"timeout_pct\":4,\"error_pct\":30,\"ratelimit_pct\":10}");
    for (size_t i = 0; i < 4; i++) {
        char *path = xasprintf("by_outcome.%s", expected[i].name);
        before[i] = mock_count(stack, "sms-mms", path);
        free(path);
    }
    for (int i = 0; i < 500; i++) {
        (void)call_anew("mock-provider", SMS_CALL, 50); // a time-out is not waited for
    }
    for (size_t i = 0; i < 4; i++) {
        char *path = xasprintf("by_outcome.%s", expected[i].name);
        int64_t count = mock_count(stack, "sms-mms", path) - before[i];
        printf("%s %.1f %% (%d set)%s", expected[i].name, (double)count / 5, expected[i].share, i < 3 ? ", " : "\n");
        ck_assert_int_le(llabs(count - 5 * expected[i].share), 5 * 5);
        free(path);
    }
}
END_TEST

START_TEST(calls_are_counted_by_idempotency_key_and_a_repeat_gets_the_first_ones_id) {
    int64_t keys = mock_count(stack, "sms-mms", "distinct_keys"), repeats = mock_count(stack, "sms-mms", "repeats");
    mock_configure(stack, FAILS);
    answer_free(call("mock-provider", SMS_CALL, "mine", 5000));
    mock_configure(stack, MOCK_WELL);
    struct answer *first = call("mock-provider", SMS_CALL, "mine", 5000);
    mock_configure(stack, FAILS); // what was accepted once is not refused any more
    struct answer *again = call("mock-provider", SMS_CALL, "mine", 5000);
    ck_assert_int_eq(again->status, 201);
    ck_assert_str_ne(answer_text(first, "sid"), "");
    ck_assert_str_eq(answer_text(again, "sid"), answer_text(first, "sid"));
    answer_free(first);
    answer_free(again);
    struct answer *calls = stack_call(stack, "mock-provider", "GET", "/mock/calls/mine", NULL, NULL);
    ck_assert_int_eq((int)answer_number(calls, "calls"), 3);
    answer_free(calls);
    ck_assert_int_eq(mock_count(stack, "sms-mms", "distinct_keys") - keys, 1);
    ck_assert_int_eq(mock_count(stack, "sms-mms", "repeats") - repeats, 2);
}
END_TEST

static void assert_answer(const char *path, const char *key, long status, const char *body) {
    struct answer *answer = call("mock-provider", path, key, 5000);
    ck_assert_int_eq(answer->status, status);
    ck_assert_ptr_nonnull(strstr(answer->body, body));
    answer_free(answer);
}

START_TEST(a_refused_sender_gets_403_in_each_providers_own_words) {
    int64_t refused = mock_count(stack, "email", "by_outcome.refused");
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"refused_senders\":[\"B+x@X.com\"],"
                          "\"providers\":{\"sms-mms\":{\"refused_senders\":[\"+1 555\"]}}}");
    assert_answer(SMS_CALL, "refused-sms", 403, "{\"code\":20403,\"message\":\"Forbidden\",\"more_info\":");
    assert_answer(EMAIL_CALL, "refused-email", 403,
                  "{\"errors\":[{\"message\":\"The from address does not match a verified Sender Identity.");
    ck_assert_int_eq(mock_count(stack, "email", "by_outcome.refused") - refused, 1);
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"refused_senders\":[\"b@x.com\"],"
                          "\"providers\":{\"email\":{\"refused_senders\":[]}}}");
    assert_answer(SMS_CALL, "refused-sms", 201, "\"sid\"");
    assert_answer(EMAIL_CALL, "refused-email", 202, "");
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_mock(void);

Suite *suite_mock(void) {
    Suite *suite = suite_create("mock");
    TCase *tests = tcase_create("mock");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, what_is_put_reaches_all_processes_within_200_ms);
    tcase_add_test(tests, a_seed_makes_each_providers_sequence_the_same_whatever_the_other_does);
    tcase_add_test(tests, with_a_seed_and_one_call_at_a_time_every_run_is_the_same);
    tcase_add_test(tests, over_500_calls_the_shares_are_within_5_points_of_those_set);
    tcase_add_test(tests, calls_are_counted_by_idempotency_key_and_a_repeat_gets_the_first_ones_id);
    tcase_add_test(tests, a_refused_sender_gets_403_in_each_providers_own_words);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
