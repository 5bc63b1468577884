// SPDX-License-Identifier: MIT
// The dispatcher's promises: whatever the provider does and whoever dies, each message is delivered, and the provider
// sees it under one key.

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/delivery.h"
#include "tests/support/load.h"
#include "tests/support/payload.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"

#define CLAIM_MS 4000 // API_WORKER_CLAIM_TIMEOUT_SECS of stack.c

static struct stack *stack;
static unsigned next_sender = 1000; // each test has senders of its own

static void start(void) {
    stack = stack_create("dispatcher", NULL);
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

static struct load *begin_load(unsigned count) {
    return load_start(&(struct load_options){.ports = {stack_port(stack, "ingest-1")},
                                             .threads = 4,
                                             .count = count,
                                             .senders = 20,
                                             .recipients = count,
                                             .first = next_sender});
}

static int64_t count_of(const char *status) {
    return status_count(stack, next_sender, status);
}

static int64_t attempts_of(const char *outcome) {
    return attempt_count(stack, next_sender, outcome);
}

START_TEST(errors_are_retried_until_the_message_is_sent) {
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":40,\"ratelimit_pct\":0,\"seed\":7}");
    stack_start_with(stack, "dispatcher-1", (const char *const[]){"API_BREAKER_ERROR_THRESHOLD=1000", NULL});
    send_many(stack, next_sender, 40);
    WAIT_FOR(20000, count_of("sent") == 40);
    ck_assert_int_gt(attempts_of("server_error"), 0);
    ck_assert_int_eq(attempts_of("sent"), 40);
    WAIT_FOR(5000, stack_is_drained(stack));
}
END_TEST

START_TEST(time_outs_are_retried_until_the_message_is_sent) {
    mock_configure(stack, "{\"timeout_pct\":100,\"error_pct\":0,\"ratelimit_pct\":0}");
    stack_start_with(stack, "dispatcher-1",
                     (const char *const[]){"PROVIDER_TIMEOUT_MS=200", "API_BREAKER_ERROR_THRESHOLD=1000", NULL});
    char *id = send_sms_from(stack, next_sender);
    WAIT_FOR(10000, attempts_of("timeout") >= 2);
    mock_configure(stack, MOCK_WELL);
    WAIT_FOR(10000, message_is(stack, id, "sent"));
    free(id);
}
END_TEST

START_TEST(too_many_requests_waits_the_time_asked_and_spends_no_attempt) {
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":100,\"retry_after_secs\":1}");
    stack_start_with(stack, "dispatcher-1", (const char *const[]){"API_WORKER_MAX_RETRIES=1", NULL});
    char *id = send_sms_from(stack, next_sender);
    WAIT_FOR(10000, attempts_of("rate_limited") == 2);
    mock_configure(stack, MOCK_WELL);
    WAIT_FOR(10000, message_is(stack, id, "sent"));
    ck_assert_int_ge(stack_sql(stack,
                               "SELECT min(gap) FROM (SELECT extract(epoch FROM started_at - lag(started_at) OVER "
                               "(ORDER BY call)) * 1000 AS gap FROM dispatch_attempts WHERE message_id = '%s') AS gaps",
                               id),
                     1000 - 5);
    free(id);
}
END_TEST

// The mock takes that number for no phone.
START_TEST(what_the_provider_refuses_for_good_fails_at_once_and_is_a_dead_letter) {
    stack_start(stack, "dispatcher-1");
    char *id = send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+15550004001", "+15005550001", "text"));
    WAIT_FOR(10000, message_is(stack, id, "failed"));
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dispatch_attempts WHERE message_id = '%s'", id), 1);
    ck_assert_int_eq(stack_sql(stack, "SELECT http_status FROM dispatch_attempts WHERE message_id = '%s'", id), 400);
    ck_assert_int_eq(
        stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE message_id = '%s' AND stage = 'dispatch'", id), 1);
    ck_assert(!breaker_is(stack, "sms-mms", "open"));
    free(id);
}
END_TEST

START_TEST(a_message_fails_after_its_last_attempt) {
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":100,\"ratelimit_pct\":0}");
    stack_start_with(stack, "dispatcher-1",
                     (const char *const[]){"API_WORKER_MAX_RETRIES=3", "API_BREAKER_ERROR_THRESHOLD=1000", NULL});
    char *id = send_sms_from(stack, next_sender);
    WAIT_FOR(10000, message_is(stack, id, "failed"));
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dispatch_attempts WHERE message_id = '%s'", id), 3);
    ck_assert_int_eq(stack_sql(stack, "SELECT attempts FROM dead_letters WHERE message_id = '%s'", id), 3);
    free(id);
}
END_TEST

START_TEST(a_message_past_its_deadline_fails_uncalled) {
    int64_t calls = mock_count(stack, "sms-mms", "calls");
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":100,\"retry_after_secs\":3}");
    stack_start_with(stack, "dispatcher-1", (const char *const[]){"API_WORKER_DEADLINE_SECS=2", NULL});
    char *id = send_sms_from(stack, next_sender);
    WAIT_FOR(5000, attempts_of("rate_limited") == 1);
    mock_configure(stack, MOCK_WELL);
    WAIT_FOR(10000, message_is(stack, id, "failed"));
    ck_assert_int_eq(attempts_of("expired"), 1);
    ck_assert_int_eq(mock_count(stack, "sms-mms", "calls") - calls, 1);
    free(id);
}
END_TEST

START_TEST(an_open_breaker_lets_messages_wait_and_the_other_provider_notices_nothing) {
    mock_configure(
        stack, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"providers\":{\"sms-mms\":{\"error_pct\":100,"
               "\"timeout_pct\":0,\"ratelimit_pct\":0}}}");
    stack_start_with(stack, "dispatcher-1",
                     (const char *const[]){"API_BREAKER_ERROR_THRESHOLD=5", "API_BREAKER_OPEN_SECS=1",
                                           "DISPATCH_MAX_IN_FLIGHT=5", NULL});
    send_many(stack, next_sender, 60);
    WAIT_FOR(10000, breaker_is(stack, "sms-mms", "open"));
    char *email = send_accepted(stack, "ingest-1", PATH_EMAIL, payload_email("a@x.com", "b@x.com", "text"));
    WAIT_FOR(5000, message_is(stack, email, "sent"));
    ck_assert(!breaker_is(stack, "email", "open"));
    ck_assert_int_eq(count_of("sent") + count_of("failed"), 0);
    WAIT_FOR(5000, breaker_is(stack, "sms-mms", "half-open") || breaker_is(stack, "sms-mms", "open"));
    int64_t burnt = attempts_of("server_error");
    ck_assert_int_le(burnt, 5 + 5 + 3 * 3); // what opened it, what was in flight then, probes since
    mock_configure(stack, MOCK_WELL);
    WAIT_FOR(15000, count_of("sent") == 60);
    WAIT_FOR(5000, breaker_is(stack, "sms-mms", "closed"));
    WAIT_FOR(5000, stack_log_count(stack, "dispatcher-1", "mock_breaker_transition") >= 3);
    free(email);
}
END_TEST

START_TEST(wrong_credentials_open_the_breaker_and_spend_no_attempt) {
    stack_start_with(
        stack, "dispatcher-1",
        (const char *const[]){"PROVIDER_SMS_TOKEN=wrong", "API_WORKER_MAX_RETRIES=1", "API_BREAKER_OPEN_SECS=1", NULL});
    char *id = send_sms_from(stack, next_sender);
    WAIT_FOR(10000, breaker_is(stack, "sms-mms", "open"));
    WAIT_FOR(10000, attempts_of("credentials") >= 1);
    redisReply *reason = stack_redis(stack, "HGET breaker:{sms-mms} reason");
    ck_assert_str_eq(reply_text(reason, 0), "credentials");
    freeReplyObject(reason);
    ck_assert(!message_is(stack, id, "failed"));
    stack_stop(stack, "dispatcher-1");
    stack_start_with(stack, "dispatcher-1",
                     (const char *const[]){"API_WORKER_MAX_RETRIES=1", "API_BREAKER_PROBES=1", NULL});
    WAIT_FOR(10000, message_is(stack, id, "sent"));
    WAIT_FOR(5000, breaker_is(stack, "sms-mms", "closed")); // by the one probe that there was
    free(id);
}
END_TEST

START_TEST(a_provider_that_is_away_is_waited_for) {
    stack_kill(stack, "mock-provider");
    stack_start_with(stack, "dispatcher-1",
                     (const char *const[]){"API_BREAKER_ERROR_THRESHOLD=5", "API_BREAKER_OPEN_SECS=1", NULL});
    send_many(stack, next_sender, 20);
    WAIT_FOR(10000, attempts_of("connection_failed") > 0);
    WAIT_FOR(10000, breaker_is(stack, "sms-mms", "open"));
    stack_start(stack, "mock-provider");
    WAIT_FOR(15000, count_of("sent") == 20);
}
END_TEST

START_TEST(a_dispatcher_that_is_killed_with_calls_in_flight_delivers_each_message) {
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"latency_ms\":150}");
    int64_t keys = mock_count(stack, "sms-mms", "distinct_keys");
    stack_start(stack, "dispatcher-1");
    struct load *load = begin_load(150);
    for (unsigned i = 1; i <= 3; i++) {
        WAIT_FOR(10000, load_accepted(load) >= i * 30 && held_count(stack) > 0);
        stack_kill(stack, "dispatcher-1");
        stack_start(stack, "dispatcher-1");
    }
    struct load_result *result = load_finish(load);
    ck_assert_uint_eq(result->accepted, 150);
    WAIT_FOR(20000, count_of("sent") == 150);
    WAIT_FOR(10000, stack_is_drained(stack));
    ck_assert_int_eq(mock_count(stack, "sms-mms", "distinct_keys") - keys, 150);
    load_result_free(result);
}
END_TEST

START_TEST(what_a_dead_dispatcher_held_is_taken_over_by_another) {
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"latency_ms\":300}");
    stack_start(stack, "dispatcher-1");
    stack_start(stack, "dispatcher-2");
    send_many(stack, next_sender, 60);
    WAIT_FOR(10000, held_count(stack) > 0);
    stack_kill(stack, "dispatcher-1");
    WAIT_FOR(4 * CLAIM_MS, count_of("sent") == 60);
    WAIT_FOR(10000, stack_is_drained(stack));
}
END_TEST

// Nor does it blame the provider for the calls that ran out meanwhile, which would open the breaker for all.
START_TEST(a_dispatcher_that_was_stopped_and_goes_on_settles_nothing_twice) {
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"latency_ms\":600}");
    stack_start_with(stack, "dispatcher-1", (const char *const[]){"API_BREAKER_ERROR_THRESHOLD=3", NULL});
    int64_t keys = mock_count(stack, "sms-mms", "distinct_keys");
    int64_t repeats = mock_count(stack, "sms-mms", "repeats");
    send_many(stack, next_sender, 20);
    WAIT_FOR(10000, held_count(stack) > 3);
    stack_signal(stack, "dispatcher-1", SIGSTOP);
    stack_start(stack, "dispatcher-2");
    WAIT_FOR(4 * CLAIM_MS, count_of("sent") == 20);
    stack_signal(stack, "dispatcher-1", SIGCONT);
    char *id = send_sms_from(stack, next_sender);
    WAIT_FOR(10000, message_is(stack, id, "sent"));
    WAIT_FOR(10000, stack_is_drained(stack));
    ck_assert_int_eq(count_of("sent"), 21);
    ck_assert_int_eq(mock_count(stack, "sms-mms", "distinct_keys") - keys, 21);
    ck_assert_int_le(mock_count(stack, "sms-mms", "repeats") - repeats,
                     20); // at most once more what the stopped one had begun
    ck_assert(!breaker_is(stack, "sms-mms", "open"));
    free(id);
}
END_TEST

// A dispatcher with a Redis user of its own, so that it alone can be cut off.
static void start_apart(void) {
    char *url = xasprintf("REDIS_URL=redis://apart:secret@127.0.0.1:%u", stack_port(stack, "redis"));
    freeReplyObject(stack_redis(stack, "ACL SETUSER apart on >secret ~* &* +@all"));
    stack_start_with(stack, "dispatcher-1", (const char *const[]){url, NULL});
    free(url);
}

static void cut_off(void) {
    freeReplyObject(stack_redis(stack, "ACL SETUSER apart off"));
    freeReplyObject(stack_redis(stack, "CLIENT KILL USER apart"));
}

static void let_back(void) {
    freeReplyObject(stack_redis(stack, "ACL SETUSER apart on"));
}

// A call is in flight when its dispatcher is cut off; another, which calls `url`, takes the message over. Returns the
// message's id, owned by the caller.
static char *pass_on(const char *config, const char *url) {
    int64_t calls = mock_count(stack, "sms-mms", "calls");
    mock_configure(stack, config);
    start_apart();
    char *id = send_sms_from(stack, next_sender);
    WAIT_FOR(10000, mock_count(stack, "sms-mms", "calls") > calls);
    cut_off();
    mock_configure(stack, MOCK_WELL);
    stack_start_with(
        stack, "dispatcher-2",
        (const char *const[]){url, "API_WORKER_MAX_RETRIES=1000", "API_BREAKER_ERROR_THRESHOLD=1000000", NULL});
    return id;
}

START_TEST(a_success_that_comes_late_is_recorded_and_ends_the_token) {
    int logged = stack_log_count(stack, "dispatcher-1", "dispatch_late");
    char *id = pass_on("{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"latency_ms\":800}",
                       "PROVIDER_SMS_URL=http://127.0.0.1:1");
    WAIT_FOR(4 * CLAIM_MS, attempts_of("connection_failed") > 0);
    ck_assert(message_is(stack, id, "retrying"));
    let_back();
    WAIT_FOR(15000, message_is(stack, id, "sent"));
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dispatch_attempts WHERE message_id = '%s' AND late", id),
                     1);
    WAIT_FOR(5000, stack_log_count(stack, "dispatcher-1", "dispatch_late") == logged + 1);
    WAIT_FOR(10000, stack_is_drained(stack));
    free(id);
}
END_TEST

START_TEST(a_failure_that_comes_late_is_logged_and_ignored) {
    int logged = stack_log_count(stack, "dispatcher-1", "dispatch_lost");
    char *id = pass_on("{\"timeout_pct\":0,\"error_pct\":100,\"ratelimit_pct\":0,\"latency_ms\":800}",
                       "API_WORKER_MAX_RETRIES=1000");
    WAIT_FOR(10000, message_is(stack, id, "sent"));
    let_back();
    WAIT_FOR(15000, stack_log_count(stack, "dispatcher-1", "dispatch_lost") == logged + 1);
    WAIT_FOR(10000, stack_is_drained(stack));
    ck_assert(message_is(stack, id, "sent"));
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dispatch_attempts WHERE message_id = '%s'", id), 1);
    free(id);
}
END_TEST

// Where the parked ones should be there is a text, so that a retry can't be settled.
START_TEST(what_cannot_be_settled_does_not_hold_up_what_can) {
    stack_allow_error(stack, "settle_failed");
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":40,\"ratelimit_pct\":0,\"seed\":7}");
    send_many(stack, next_sender, 40);
    freeReplyObject(stack_redis(stack, "SET parked:{sms-mms:0} broken"));
    int64_t calls = mock_count(stack, "sms-mms", "calls");
    stack_start_with(stack, "dispatcher-1", (const char *const[]){"API_BREAKER_ERROR_THRESHOLD=1000", NULL});
    WAIT_FOR(CLAIM_MS, mock_count(stack, "sms-mms", "calls") - calls == 40 && attempts_of("server_error") > 0 &&
                           attempts_of("server_error") + attempts_of("sent") == 40 &&
                           stack_redis_int(stack, "XLEN outbound:{sms-mms:0}") == attempts_of("server_error"));
    freeReplyObject(stack_redis(stack, "DEL parked:{sms-mms:0}"));
    WAIT_FOR(20000, count_of("sent") == 40);
    ck_assert_int_eq(attempts_of("sent"), 40);
}
END_TEST

START_TEST(a_lost_group_and_library_heal_under_load) {
    stack_start(stack, "dispatcher-1");
    struct load *load = begin_load(300);
    WAIT_FOR(10000, load_accepted(load) > 50);
    freeReplyObject(stack_redis(stack, "XGROUP DESTROY outbound:{sms-mms:0} dispatchers"));
    WAIT_FOR(10000, load_accepted(load) > 120);
    freeReplyObject(stack_redis(stack, "FUNCTION FLUSH"));
    WAIT_FOR(10000, load_accepted(load) > 200);
    freeReplyObject(stack_redis(stack, "XGROUP DELCONSUMER outbound:{sms-mms:0} dispatchers dispatcher-1"));
    struct load_result *result = load_finish(load);
    WAIT_FOR(4 * CLAIM_MS, count_of("sent") == result->accepted);
    ck_assert_uint_eq(result->accepted, 300);
    load_result_free(result);
    WAIT_FOR(10000, stack_is_drained(stack));
}
END_TEST

static int64_t claims(void) {
    redisReply *reply = stack_redis(stack, "INFO commandstats");
    const char *at = strstr(reply_text(reply, 0), "cmdstat_xclaim:calls=");
    int64_t count = at != NULL ? strtoll(at + strlen("cmdstat_xclaim:calls="), NULL, 10) : 0;
    freeReplyObject(reply);
    return count;
}

// A newer release was here, and went back.
START_TEST(thousands_of_entries_of_a_newer_format_keep_nothing_waiting_and_are_put_aside_once) {
    enum { NEWER = 3000, SECONDS = 3 };
    int lines = stack_log_count(stack, "dispatcher-1", "entries_newer");
    freeReplyObject(stack_redis(
        stack, "EVAL %s 1 outbound:{sms-mms:0} %d",
        "for i = 1, tonumber(ARGV[1]) do redis.call('XADD', KEYS[1], '*', 'v', '99', 'x', 'y') end", NEWER));
    send_many(stack, next_sender, 20); // behind them
    int64_t began_ms = redis_now_ms(stack);
    stack_start(stack, "dispatcher-1");
    WAIT_FOR(10000, count_of("sent") == 20);
    WAIT_FOR(5000, held_count(stack) == 0);
    int64_t before = claims(), then_ms = redis_now_ms(stack);
    WAIT_FOR(5000 + SECONDS * 1000, redis_now_ms(stack) - then_ms >= SECONDS * 1000);
    ck_assert_int_eq(claims() - before, 0);
    ck_assert_int_eq(stack_redis_int(stack, "XLEN outbound:{sms-mms:0}"), NEWER);
    int64_t seconds = (redis_now_ms(stack) - began_ms) / 1000;
    ck_assert_int_ge(stack_log_count(stack, "dispatcher-1", "entries_newer") - lines, 1);
    ck_assert_int_le(stack_log_count(stack, "dispatcher-1", "entries_newer") - lines, seconds + 1);
    stack_stop(stack, "dispatcher-1");
    freeReplyObject(stack_redis(stack, "DEL outbound:{sms-mms:0}"));
}
END_TEST

START_TEST(a_drain_finishes_the_calls_in_flight) {
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"latency_ms\":300}");
    stack_start(stack, "dispatcher-1");
    send_many(stack, next_sender, 10);
    WAIT_FOR(10000, held_count(stack) > 0);
    stack_stop(stack, "dispatcher-1");
    ck_assert_int_eq(held_count(stack), 0);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_dispatcher(void);

Suite *suite_dispatcher(void) {
    Suite *suite = suite_create("dispatcher");
    TCase *tests = tcase_create("dispatcher");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, errors_are_retried_until_the_message_is_sent);
    tcase_add_test(tests, time_outs_are_retried_until_the_message_is_sent);
    tcase_add_test(tests, too_many_requests_waits_the_time_asked_and_spends_no_attempt);
    tcase_add_test(tests, what_the_provider_refuses_for_good_fails_at_once_and_is_a_dead_letter);
    tcase_add_test(tests, a_message_fails_after_its_last_attempt);
    tcase_add_test(tests, a_message_past_its_deadline_fails_uncalled);
    tcase_add_test(tests, an_open_breaker_lets_messages_wait_and_the_other_provider_notices_nothing);
    tcase_add_test(tests, wrong_credentials_open_the_breaker_and_spend_no_attempt);
    tcase_add_test(tests, a_provider_that_is_away_is_waited_for);
    tcase_add_test(tests, a_dispatcher_that_is_killed_with_calls_in_flight_delivers_each_message);
    tcase_add_test(tests, what_a_dead_dispatcher_held_is_taken_over_by_another);
    tcase_add_test(tests, a_dispatcher_that_was_stopped_and_goes_on_settles_nothing_twice);
    tcase_add_test(tests, a_success_that_comes_late_is_recorded_and_ends_the_token);
    tcase_add_test(tests, a_failure_that_comes_late_is_logged_and_ignored);
    tcase_add_test(tests, what_cannot_be_settled_does_not_hold_up_what_can);
    tcase_add_test(tests, a_lost_group_and_library_heal_under_load);
    tcase_add_test(tests, thousands_of_entries_of_a_newer_format_keep_nothing_waiting_and_are_put_aside_once);
    tcase_add_test(tests, a_drain_finishes_the_calls_in_flight);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
