// SPDX-License-Identifier: MIT
// A provider's rate: what several dispatchers call together, what waits meanwhile, and who notices nothing. Each test
// prints what it measured.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/delivery.h"
#include "tests/support/payload.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"
#include "tests/support/wait.h"

#define RATE 20
#define SLOW_MS 1100 // a second's worth may gather, and a call may begin so long after it was granted (GRANT_MS)
#define SMS "sms-mms"
#define EMAIL "email"

Suite *suite_pace(void);

static struct stack *stack;
static unsigned next_sender = 1000; // each test has senders of its own

static void start(void) {
    static const char *const environment[] = {"STREAM_PARTITIONS=2", "STATUS_MAX_AGE_SECS=1", NULL};
    stack = stack_create("pace", environment);
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

static const char *const paced[] = {"PROVIDER_SMS_PER_SECOND=20", "API_BREAKER_OPEN_SECS=1",
                                    "API_BREAKER_ERROR_THRESHOLD=3", NULL};

#define OF_THIS_TEST                                                                                                   \
    "FROM dispatch_attempts AS a JOIN messages AS m ON m.id = a.message_id WHERE m.from_address BETWEEN "              \
    "'+1555%07u' AND '+1555%07u'"

// The most calls by which a window of any length goes over `rate` times its length.
static int64_t most_over_the_rate(int rate) {
    return stack_sql(stack,
                     "WITH calls AS (SELECT extract(epoch FROM a.started_at) * 1000 AS at, row_number() OVER (ORDER BY "
                     "a.started_at) AS n " OF_THIS_TEST
                     ") SELECT max(l.n - f.n + 1 - (l.at - f.at) * %d / 1000)::bigint FROM calls AS f JOIN calls AS l "
                     "ON l.n >= f.n",
                     next_sender, next_sender + 99, rate);
}

// From the first call to the last.
static int64_t took_ms(void) {
    return stack_sql(stack,
                     "SELECT (extract(epoch FROM max(a.started_at) - min(a.started_at)) * 1000)::bigint " OF_THIS_TEST,
                     next_sender, next_sender + 99);
}

static int64_t calls_before(int64_t moment_ms) {
    return stack_sql(stack, "SELECT count(*) " OF_THIS_TEST " AND extract(epoch FROM a.started_at) * 1000 < %lld",
                     next_sender, next_sender + 99, (long long)moment_ms);
}

static int64_t deliveries(void) {
    return stack_sql(stack, "SELECT sum(a.delivery)::bigint " OF_THIS_TEST, next_sender, next_sender + 99);
}

static int64_t sent(void) {
    return status_count(stack, next_sender, "sent");
}

// A busy machine may cut a dispatcher's link; what it holds is then read once more.
static bool a_link_broke(void) {
    return stack_log_count(stack, "dispatcher-1", "redis_down") + stack_log_count(stack, "dispatcher-2", "redis_down") >
           0;
}

START_TEST(two_dispatchers_together_keep_a_provider_s_rate_and_nothing_is_burnt) {
    enum { COUNT = 100 };
    send_many(stack, next_sender, COUNT);
    dispatchers_start(stack, 2, paced);
    WAIT_FOR(20000, sent() == COUNT);
    printf("%d messages at %d a second: %lld ms, at most %lld calls more than that in a row\n", COUNT, RATE,
           (long long)took_ms(), (long long)most_over_the_rate(RATE));
    ck_assert_int_le(most_over_the_rate(RATE), RATE * SLOW_MS / 1000 + 1);
    ck_assert_int_ge(took_ms(), (COUNT - RATE - 1) * 1000 / RATE - 100);
    ck_assert_int_eq(attempt_count(stack, next_sender, "sent"), COUNT);
    ck_assert(deliveries() == COUNT || a_link_broke()); // each was read once: what waits waits unread
}
END_TEST

START_TEST(the_other_provider_has_a_rate_of_its_own_or_none) {
    enum { COUNT = 100, SLOW_RATE = 2 }; // most of a minute's worth
    send_many(stack, next_sender, COUNT);
    dispatchers_start(stack, 1, (const char *const[]){"PROVIDER_SMS_PER_SECOND=2", NULL});
    send_emails(stack, "at.once@x.com", 200);
    WAIT_FOR(20000, stack_sql(stack, "SELECT count(*) FROM deliveries AS d JOIN messages AS m ON m.id = d.message_id "
                                     "WHERE d.status = 'sent' AND m.from_address = 'at.once@x.com'") == 200);
    int64_t waiting = COUNT - sent();
    printf("200 emails were sent while %lld SMS waited\n", (long long)waiting);
    ck_assert_int_gt(waiting, 0);
    WAIT_FOR(20000, sent() > 0);
    ck_assert_int_le(most_over_the_rate(SLOW_RATE), SLOW_RATE * SLOW_MS / 1000 + 1);
    stack_stop(stack, "dispatcher-1");
    stack_start(stack, "dispatcher-1");
    WAIT_FOR(20000, sent() == COUNT);
}
END_TEST

static bool metrics_say(const char *text) {
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/metrics", NULL, NULL);
    bool says = answer->body != NULL && strstr(answer->body, text) != NULL;
    answer_free(answer);
    return says;
}

START_TEST(a_rate_that_is_reached_is_a_note_and_no_trouble) {
    dispatchers_start(stack, 1, (const char *const[]){"PROVIDER_SMS_PER_SECOND=5", NULL});
    send_many(stack, next_sender, 40);
    WAIT_FOR(10000, metrics_say("\"code\":\"paced\""));
    ck_assert(metrics_say("\"troubles\":[]"));
    ck_assert_int_eq(stack_status(stack, "ingest-1", "GET", "/readyz", NULL), 200);
    WAIT_FOR(20000, sent() == 40);
}
END_TEST

START_TEST(a_lone_message_is_called_at_once) {
    dispatchers_start(stack, 2, (const char *const[]){"PROVIDER_SMS_PER_SECOND=1", NULL});
    char *id = send_sms_from(stack, next_sender);
    WAIT_FOR(5000, message_is(stack, id, "sent"));
    free(id);
    WAIT_FOR(5000, breaker_number(stack, SMS, "paced") / 1000 + 1000 < redis_now_ms(stack)); // one may be called
    id = send_sms_from(stack, next_sender + 1);
    WAIT_FOR(5000, message_is(stack, id, "sent"));
    int64_t waited_ms = stack_sql(stack,
                                  "SELECT (extract(epoch FROM a.started_at - m.accepted_at) * 1000)::bigint FROM "
                                  "dispatch_attempts AS a JOIN messages AS m ON m.id = a.message_id WHERE m.id = '%s'",
                                  id);
    printf("with 1 call a second, an SMS is called %lld ms after it was accepted\n", (long long)waited_ms);
    ck_assert_int_lt(waited_ms, 1000); // not for what another lane was granted and hands back
    free(id);
}
END_TEST

START_TEST(once_a_breaker_has_closed_the_rate_comes_back_within_ten_seconds) {
    enum { COUNT = 140 };
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":100,\"ratelimit_pct\":0}");
    dispatchers_start(stack, 2, paced);
    send_many(stack, next_sender, COUNT);
    WAIT_FOR(10000, breaker_is(stack, SMS, "open"));
    mock_configure(stack, MOCK_WELL);
    WAIT_FOR(10000, breaker_is(stack, SMS, "closed"));
    int64_t closed_ms = breaker_number(stack, SMS, "since");
    WAIT_FOR(30000, sent() == COUNT);
    int64_t before = calls_before(closed_ms), second = calls_before(closed_ms + 2000) - before,
            half = calls_before(closed_ms + 5000) - before, whole = calls_before(closed_ms + 10000) - before;
    printf("after it closed: %lld calls within 2 s, %lld within 5 s, %lld within 10 s\n", (long long)second,
           (long long)half, (long long)whole);
    // A tenth of 20, growing by 1.8 a second: 7.6 within 2 s, 32.5 within 5 s, 110 within 10 s; what is granted at a
    // moment may begin 100 ms later, and costs what it does then. At a tenth all would have taken 70 s.
    ck_assert_int_le(second, 12);
    ck_assert_int_le(half, 42);
    ck_assert_int_le(whole, 122);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_pace(void) {
    Suite *suite = suite_create("pace");
    TCase *tests = tcase_create("pace");
    tcase_set_timeout(tests, 180);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, two_dispatchers_together_keep_a_provider_s_rate_and_nothing_is_burnt);
    tcase_add_test(tests, the_other_provider_has_a_rate_of_its_own_or_none);
    tcase_add_test(tests, a_rate_that_is_reached_is_a_note_and_no_trouble);
    tcase_add_test(tests, a_lone_message_is_called_at_once);
    tcase_add_test(tests, once_a_breaker_has_closed_the_rate_comes_back_within_ten_seconds);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
