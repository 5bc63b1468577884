// SPDX-License-Identifier: MIT
// Many messages at once, of a provider that fails in every way: each is delivered under one key, none is lost.
//   CROWD=5000        so many in the first test (1000)
//   IN_FLIGHT=9800    so many calls at once in the second (1200); `make test-crowd` runs both at full size

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/support/delivery.h"
#include "tests/support/stack.h"

#define FIRST 1000
#define SECOND 2000
#define MOST_ATTEMPTS 20
#define PAUSE_MS 1000
#define ROUNDED_MS 2 // both ends of a pause are told in whole milliseconds
#define GRANT_MS 100 // a call may begin so long after its dispatcher has asked

static struct stack *stack;

static void start(void) {
    stack = stack_create("crowd", NULL);
    stack_start(stack, "postgres");
    stack_start_with(stack, "mock-provider", (const char *const[]){"MAX_CONNECTIONS=10000", NULL});
    stack_start(stack, "ingest-1");
    stack_start(stack, "persister-1");
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    delivery_recover(stack);
}

static unsigned size_of(const char *variable, unsigned usual) {
    const char *given = getenv(variable);
    return given != NULL ? (unsigned)strtoul(given, NULL, 10) : usual;
}

// The most failed attempts that any message has spent.
static int64_t most_spent(void) {
    return stack_sql(stack, "SELECT max(n) FROM (SELECT count(*) AS n FROM dispatch_attempts WHERE outcome NOT IN "
                            "('sent', 'rate_limited') GROUP BY message_id) AS spent");
}

// How long after a 429 was in, and before the pause that it asked for was over, a call began at the latest.
static int64_t latest_call_in_a_pause(void) {
    return stack_sql(
        stack,
        "SELECT coalesce(max(extract(epoch FROM a.started_at - p.since) * 1000)::bigint, 0) FROM (SELECT "
        "DISTINCT started_at + latency_us * interval '1 microsecond' AS since FROM dispatch_attempts WHERE "
        "outcome = 'rate_limited') AS p JOIN dispatch_attempts AS a ON a.started_at > p.since AND a.started_at "
        "< p.since + %d * interval '1 millisecond'",
        PAUSE_MS - ROUNDED_MS);
}

static void start_dispatchers(const char *const *environment) {
    stack_start_with(stack, "dispatcher-1", environment);
    stack_start_with(stack, "dispatcher-2", environment);
}

START_TEST(errors_429s_and_time_outs_lose_nothing) {
    unsigned count = size_of("CROWD", 1000);
    const char *const environment[] = {"API_WORKER_MAX_RETRIES=20",  "API_WORKER_BACKOFF_BASE_MS=20",
                                       "PROVIDER_TIMEOUT_MS=300",    "API_BREAKER_ERROR_THRESHOLD=1000000",
                                       "DISPATCH_MAX_IN_FLIGHT=128", NULL};
    mock_configure(stack, "{\"timeout_pct\":5,\"error_pct\":30,\"ratelimit_pct\":10,\"retry_after_secs\":1,"
                          "\"latency_ms\":50,\"seed\":1}");
    send_many(stack, FIRST, count);
    int64_t began_ms = clock_unix_ms();
    start_dispatchers(environment);
    WAIT_FOR(20000 + 20 * (int)count, status_count(stack, FIRST, "sent") == count);
    int64_t took_ms = clock_unix_ms() - began_ms;
    WAIT_FOR(10000, stack_is_drained(stack));
    int64_t calls = mock_count(stack, "sms-mms", "calls"), limited = attempt_count(stack, FIRST, "rate_limited");
    int64_t spent = most_spent(), late_ms = latest_call_in_a_pause();
    printf("%u messages, 30%% errors, 10%% 429, 5%% time-outs: all sent in %lld ms by %lld calls, %lld of them 429; "
           "most attempts spent %lld; latest call within a pause %lld ms after its 429\n",
           count, (long long)took_ms, (long long)calls, (long long)limited, (long long)spent, (long long)late_ms);
    ck_assert_int_eq(status_count(stack, FIRST, "failed"), 0);
    ck_assert_int_eq(mock_count(stack, "sms-mms", "distinct_keys"), count);
    ck_assert_int_eq(attempt_count(stack, FIRST, "sent"), count);
    // Each call that arrived is an attempt; where the machine is slow, some time out before they arrive.
    ck_assert_int_le(calls, stack_sql(stack, "SELECT count(*) FROM dispatch_attempts"));
    ck_assert_int_le(spent, MOST_ATTEMPTS);
    ck_assert_int_gt(limited, 0);
    ck_assert_int_le(late_ms, deadline_scaled(3 * GRANT_MS));
}
END_TEST

// A curl multi handle takes 500 calls, so these need several.
START_TEST(thousands_of_calls_are_in_flight_at_once) {
    unsigned count = size_of("IN_FLIGHT", 1200);
    const char *const environment[] = {"DISPATCH_MAX_IN_FLIGHT=10000", "PROVIDER_TIMEOUT_MS=100000",
                                       "API_WORKER_CLAIM_TIMEOUT_SECS=300", NULL};
    stack_start_with(stack, "dispatcher-1", environment);
    char *id = send_sms_from(stack, SECOND); // until the provider has accepted one, only a handful are called
    WAIT_FOR(10000, message_is(stack, id, "sent"));
    free(id);
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"latency_ms\":60000}");
    int64_t calls = mock_count(stack, "sms-mms", "calls");
    send_many(stack, SECOND, count);
    WAIT_FOR(30000, held_count(stack) == count && mock_count(stack, "sms-mms", "calls") - calls == count);
    printf("%u calls in flight at once, none answered before the last had come\n", count);
    stack_stop(stack, "mock-provider"); // which answers all that it holds, as it drains
    WAIT_FOR(30000, status_count(stack, SECOND, "sent") == count + 1);
    ck_assert_int_eq(attempt_count(stack, SECOND, "sent"), count + 1);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_crowd(void);

Suite *suite_crowd(void) {
    Suite *suite = suite_create("crowd");
    TCase *tests = tcase_create("crowd");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, errors_429s_and_time_outs_lose_nothing);
    tcase_add_test(tests, thousands_of_calls_are_in_flight_at_once);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
