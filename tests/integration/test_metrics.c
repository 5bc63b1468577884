// SPDX-License-Identifier: MIT
// GET /metrics: the counters, the histograms, and what waits where, as an operator's tools read them.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shared/base/mem.h"
#include "tests/support/payload.h"
#include "tests/support/stack.h"

static struct stack *stack;

static const char *const environment[] = {"API_BREAKER_ERROR_THRESHOLD=3", "API_BREAKER_OPEN_SECS=1",
                                          "API_WORKER_MAX_RETRIES=1000", "SCHEDULED_MAX=10", NULL};

static void start(void) {
    stack = stack_create("metrics", environment);
    stack_start_all(stack);
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
}

static struct answer *get(const char *accept) {
    char *header = xasprintf("Accept: %s", accept);
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/metrics", NULL, (const char *const[]){header, NULL});
    ck_assert_int_eq(answer->status, 200);
    free(header);
    return answer;
}

static double number(const char *path) {
    struct answer *answer = get("application/json");
    double value = answer_number(answer, path);
    answer_free(answer);
    return value;
}

static bool says(const char *path, const char *text) {
    struct answer *answer = get("application/json");
    bool same = strcmp(answer_text(answer, path), text) == 0;
    answer_free(answer);
    return same;
}

// The value of a line of the text format, by all that stands before the value; -1 when there is no such line.
static double sample(const char *series) {
    struct answer *answer = get("text/plain");
    double value = -1;
    char *line = xasprintf("\n%s ", series);
    const char *at = strstr(answer->body, line);
    if (at != NULL) {
        value = strtod(at + strlen(line), NULL);
    }
    free(line);
    answer_free(answer);
    return value;
}

static void set_mock(const char *body) {
    ck_assert_int_eq(stack_status(stack, "ingest-1", "PUT", "/api/provider/mock/config", body), 200);
}

// Each is of a conversation of its own, so that none waits for another.
static void send_sms(const char *body) {
    static int sent;
    char *to = xasprintf("+1804%07d", sent++);
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+1201", to, body)));
    free(to);
}

static void send_in_turn(const char *body) {
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+1201", "+1804", body)));
}

START_TEST(every_counter_of_the_brief_stands_in_the_json_by_its_name) {
    static const char *const names[] = {
        "ts_unix_ms",           "rate_limited",           "breaker_open",          "dispatch_attempts",
        "dispatch_success",     "dispatch_unconfirmed",   "dispatch_error",        "dispatch_rate_limited",
        "breaker_transitions",  "worker_claimed",         "worker_processed",      "worker_error",
        "worker_dead_letter",   "worker_latency_avg_us",  "worker_latency_max_us", "conversations_created",
        "conversations_reused", "conversations_failures", "invalid_routing",       "webhooks_kept",
        "webhooks_not_kept",    "webhooks_unsigned",      "redelivery_differs",    "sms_mms_dispatch_attempts",
        "email_breaker_open",   "order_released",         "scheduled_begun",       "cancelled",
        "email_cancelled",      "conversations_erased",   "messages_erased",
    };
    struct answer *answer = get("application/json");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ck_assert_msg(answer_number(answer, names[i]) >= 0, "%s is missing", names[i]);
    }
    answer_free(answer);
}
END_TEST

START_TEST(a_send_is_timed_at_each_stage) {
    send_sms("timed");
    WAIT_FOR(10000, sample("messaging_accept_to_sent_seconds_count") >= 1);
    WAIT_FOR(10000, sample("messaging_accept_to_persisted_seconds_count") >= 1);
    WAIT_FOR(10000, sample("messaging_worker_latency_seconds_count") >= 2);
    WAIT_FOR(10000,
             sample("messaging_accept_seconds_count") >= 1); // each thread counts by itself, and adds it up later
    ck_assert(sample("messaging_dispatch_seconds_count{provider=\"sms-mms\"}") >= 1);
    ck_assert(sample("messaging_dispatch_seconds_count{provider=\"email\"}") == 0);
    ck_assert(sample("messaging_persist_batch_seconds_count") >= 1);
    ck_assert(sample("messaging_accept_seconds_sum") > 0);
    ck_assert(sample("messaging_accept_seconds_bucket{le=\"+Inf\"}") == sample("messaging_accept_seconds_count"));
    ck_assert(number("worker_latency_avg_us") >= 0);
    ck_assert(number("worker_latency_max_us") >= number("worker_latency_avg_us"));
}
END_TEST

START_TEST(a_providers_calls_are_counted_apart) {
    double sms = number("sms_mms_dispatch_success"), all = number("dispatch_success");
    free(send_accepted(stack, "ingest-1", PATH_EMAIL, payload_email("a@x.com", "b@x.com", "one")));
    WAIT_FOR(10000, number("email_dispatch_success") == 1);
    WAIT_FOR(10000, number("dispatch_success") == all + 1);
    ck_assert(number("sms_mms_dispatch_success") == sms);
    ck_assert(sample("messaging_provider_dispatch_success_total{provider=\"email\"}") == 1);
}
END_TEST

START_TEST(what_can_not_be_routed_is_counted) {
    double before = number("invalid_routing");
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", PATH_SMS,
                                  "{\"from\":\"no number!\",\"to\":\"+1804\",\"type\":\"sms\",\"body\":\"x\","
                                  "\"attachments\":null,\"timestamp\":\"2024-11-01T14:00:00Z\"}"),
                     400);
    WAIT_FOR(5000, number("invalid_routing") == before + 1);
}
END_TEST

static char *redeliver(const char *body) {
    return send_accepted(stack, "ingest-1", PATH_SMS_WEBHOOK,
                         payload_sms_webhook("+18045551234", "+12016661234", "differs", body));
}

START_TEST(a_webhook_that_comes_again_with_other_content_is_counted_and_logged) {
    double before = number("redelivery_differs");
    char *first = redeliver("one"), *again = redeliver("one"), *other = redeliver("two");
    ck_assert_str_eq(again, first);
    ck_assert_str_eq(other, first);
    WAIT_FOR(5000, number("redelivery_differs") == before + 1);
    ck_assert(sample("messaging_redelivery_differs_total") == before + 1);
    ck_assert_int_eq(stack_log_about(stack, "ingest-1", "redelivery_differs", first), 1);
    ck_assert_int_eq(stack_log_about(stack, "ingest-1", "redelivery_differs", "correlation_id"), 1);
    free(first);
    free(again);
    free(other);
}
END_TEST

START_TEST(what_waits_for_a_dispatcher_shows_with_its_age) {
    stack_stop(stack, "dispatcher-1");
    send_sms("waits");
    send_sms("waits, too");
    ck_assert(number("providers.sms-mms.outbound.length") == 2);
    ck_assert(number("providers.sms-mms.outbound.lag") == 2);
    ck_assert(number("providers.email.outbound.length") == 0);
    WAIT_FOR(10000, sample("messaging_stream_oldest_age_seconds{stream=\"outbound\",provider=\"sms-mms\",partition="
                           "\"0\"}") > 0.2);
    ck_assert(sample("messaging_stream_lag_entries{stream=\"outbound\",provider=\"sms-mms\",partition=\"0\"}") == 2);
    ck_assert(sample("messaging_stream_oldest_age_seconds{stream=\"outbound\",provider=\"email\",partition=\"0\"}") ==
              0);
    ck_assert(sample("messaging_processes_alive{program=\"dispatcher\"}") == 0);
    stack_start(stack, "dispatcher-1");
    WAIT_FOR(10000, number("providers.sms-mms.outbound.length") == 0);
    WAIT_FOR(10000, sample("messaging_processes_alive{program=\"dispatcher\"}") == 1);
}
END_TEST

#define TURNS_OVERDUE "messaging_trouble{code=\"turns_overdue\",provider=\"sms-mms\"}"

#define SCHEDULED_OVERDUE "messaging_trouble{code=\"scheduled_overdue\",provider=\"sms-mms\"}"
#define SCHEDULED_FILLING "messaging_trouble{code=\"scheduled_filling\",provider=\"sms-mms\"}"
#define SCHEDULED_FULL "messaging_trouble{code=\"scheduled_full\",provider=\"sms-mms\"}"

// Until all programs know of each other that they read what it takes, messages go unordered.
static bool is_held_with_another_send(void) {
    send_in_turn("in turn");
    return stack_redis_int(stack, "HLEN held:{sms-mms:0}") > 0;
}

static int64_t redis_now_ms(void) {
    redisReply *reply = stack_redis(stack, "TIME");
    int64_t now_ms = strtoll(reply->element[0]->str, NULL, 10) * 1000;
    freeReplyObject(reply);
    return now_ms;
}

// The first that waits should have gone on that long ago, by the clock of turns, at which somebody looked just now.
static void let_a_turn_be_overdue(int64_t ms) {
    redisReply *first = stack_redis(stack, "ZRANGE held-due:{sms-mms:0} 0 0 WITHSCORES");
    long long due_ms = strtoll(first->element[1]->str, NULL, 10);
    freeReplyObject(first);
    freeReplyObject(stack_redis(stack, "HSET open-ms:{sms-mms:0} ms %lld at %lld", due_ms + (long long)ms,
                                (long long)redis_now_ms()));
}

static bool turn_is_overdue_for(int64_t ms) {
    let_a_turn_be_overdue(ms);
    return sample(TURNS_OVERDUE) == 1;
}

START_TEST(what_waits_for_its_turn_shows_with_its_age_and_is_no_trouble_before_its_turn_is_due) {
    WAIT_FOR(20000, stack_is_drained(stack));
    stack_stop(stack, "dispatcher-1");
    WAIT_FOR(20000, is_held_with_another_send());
    double held = number("providers.sms-mms.held");
    ck_assert(held > 0);
    ck_assert(sample("messaging_held_messages{provider=\"sms-mms\"}") == held);
    ck_assert(number("providers.email.held") == 0);
    WAIT_FOR(10000, sample("messaging_held_oldest_age_seconds{provider=\"sms-mms\"}") > 0.2);
    ck_assert(number("providers.sms-mms.held_oldest_ms") > 0);
    ck_assert(sample(TURNS_OVERDUE) == 0);
    WAIT_FOR(10000, sample("messaging_held_overdue_seconds{provider=\"sms-mms\"}") > 0); // nobody looks
    WAIT_FOR(10000, turn_is_overdue_for(61000));
    ck_assert(number("providers.sms-mms.held_overdue_ms") >= 61000);
    ck_assert(!turn_is_overdue_for(50000));
    ck_assert(turn_is_overdue_for(61000));
    freeReplyObject(stack_redis(stack, "HSET breaker:{sms-mms} mode open")); // it may not be called
    ck_assert(!turn_is_overdue_for(61000));
    freeReplyObject(stack_redis(stack, "HDEL breaker:{sms-mms} mode"));
    stack_start(stack, "dispatcher-1");
    WAIT_FOR(20000, stack_is_drained(stack));
    WAIT_FOR(10000, sample("messaging_held_messages{provider=\"sms-mms\"}") == 0);
    ck_assert(sample("messaging_held_overdue_seconds{provider=\"sms-mms\"}") == 0);
}
END_TEST

// So many ms from now on, in RFC 3339.
static char *time_in(int64_t ms) {
    time_t at = (time_t)((redis_now_ms() + ms) / 1000);
    struct tm parts;
    char text[32];
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &parts));
    return xstrdup(text);
}

static int send_later(void) {
    char *at = time_in(3600000);
    char *body =
        xasprintf("{\"from\":\"+1201\",\"to\":\"+1804\",\"type\":\"sms\",\"body\":\"later\",\"attachments\":null,"
                  "\"timestamp\":\"2024-11-01T14:00:00Z\",\"send_at\":\"%s\"}",
                  at);
    int status = stack_status(stack, "ingest-1", "POST", PATH_SMS, body);
    free(body);
    free(at);
    return status;
}

// Until all programs read it, a send for later is 503.
static bool schedules_with_another_send(void) {
    return send_later() == 202;
}

static void schedule(int count) {
    WAIT_FOR(20000, schedules_with_another_send());
    while (stack_redis_int(stack, "HLEN scheduled:{sms-mms:0}") < count) {
        ck_assert_int_eq(send_later(), 202);
    }
}

START_TEST(what_is_scheduled_shows_with_its_bounds_and_is_no_trouble_before_its_time) {
    schedule(7);
    ck_assert(number("providers.sms-mms.scheduled") == 7);
    ck_assert(number("providers.sms-mms.scheduled_bytes") > 7 * 100);
    ck_assert(sample("messaging_scheduled_messages{provider=\"sms-mms\"}") == 7);
    ck_assert(sample("messaging_scheduled_full_ratio{provider=\"sms-mms\"}") == 0.7);
    ck_assert(sample("messaging_scheduled_max_messages") == 10);
    ck_assert(sample("messaging_scheduled_max_bytes") > 1000000); // of Redis's memory
    ck_assert(number("providers.sms-mms.scheduled_overdue") == 0);
    ck_assert(sample(SCHEDULED_FILLING) == 0);
    ck_assert(sample(SCHEDULED_OVERDUE) == 0);
    ck_assert(number("providers.sms-mms.outbound.length") == 0);
    ck_assert_int_eq(send_later(), 202);
    ck_assert(sample(SCHEDULED_FILLING) == 1);
    ck_assert(sample(SCHEDULED_FULL) == 0);
    ck_assert_int_eq(send_later(), 202);
    ck_assert_int_eq(send_later(), 202);
    ck_assert(sample(SCHEDULED_FULL) == 1);
    ck_assert(sample(SCHEDULED_FILLING) == 0);
    ck_assert_int_eq(send_later(), 503);
    freeReplyObject(
        stack_redis(stack, "DEL scheduled:{sms-mms:0} scheduled-due:{sms-mms:0} scheduled-bytes:{sms-mms:0}"));
}
END_TEST

// The first of them, whose payload says the time that it was to have.
static void let_all_be_due(int64_t ago_ms) {
    redisReply *tokens = stack_redis(stack, "ZRANGE scheduled-due:{sms-mms:0} 0 -1");
    for (size_t i = 0; i < tokens->elements; i++) {
        freeReplyObject(stack_redis(stack, "ZADD scheduled-due:{sms-mms:0} %lld %s",
                                    (long long)(redis_now_ms() - ago_ms), tokens->element[i]->str));
    }
    freeReplyObject(tokens);
}

START_TEST(what_is_scheduled_and_overdue_shows_for_how_long) {
    stack_stop(stack, "dispatcher-1");
    schedule(10);
    let_all_be_due(50000);
    ck_assert(number("providers.sms-mms.scheduled_overdue") == 10);
    ck_assert(sample("messaging_scheduled_overdue_messages{provider=\"sms-mms\"}") == 10);
    ck_assert(sample("messaging_scheduled_overdue_seconds{provider=\"sms-mms\"}") >= 50);
    let_all_be_due(62000);
    ck_assert(sample(SCHEDULED_OVERDUE) == 1);
    freeReplyObject(stack_redis(stack, "HSET breaker:{sms-mms} paused %lld", (long long)(redis_now_ms() + 60000)));
    ck_assert(sample(SCHEDULED_OVERDUE) == 0);
    freeReplyObject(stack_redis(stack, "HDEL breaker:{sms-mms} paused"));
    double begun = number("scheduled_begun");
    stack_start(stack, "dispatcher-1");
    WAIT_FOR(20000, stack_redis_int(stack, "HLEN scheduled:{sms-mms:0}") == 0);
    WAIT_FOR(20000, number("scheduled_begun") == begun + 10);
    ck_assert(sample("messaging_scheduled_overdue_messages{provider=\"sms-mms\"}") == 0);
    WAIT_FOR(20000, stack_is_drained(stack));
}
END_TEST

// A half-open breaker needs messages to probe with, and the mock may take 200 ms until it behaves as it was told.
static bool is_with_another_send(const char *state) {
    send_sms("probe");
    return says("providers.sms-mms.breaker.state", state);
}

static bool pauses_with_another_send(void) {
    send_sms("pauses");
    return number("providers.sms-mms.breaker.paused_ms") > 0;
}

START_TEST(an_open_breaker_shows_and_so_do_those_that_wait_for_it) {
    set_mock("{\"timeout_pct\":0,\"error_pct\":100,\"ratelimit_pct\":0}");
    double opened = number("sms_mms_breaker_open");
    WAIT_FOR(10000, is_with_another_send("open"));
    WAIT_FOR(10000, sample("messaging_breaker_state{provider=\"sms-mms\",state=\"open\"}") == 1);
    ck_assert(sample("messaging_breaker_state{provider=\"email\",state=\"closed\"}") == 1);
    WAIT_FOR(5000, number("sms_mms_breaker_open") > opened);
    WAIT_FOR(10000, sample("messaging_parked_messages{provider=\"sms-mms\"}") > 0 ||
                        number("providers.sms-mms.outbound.length") > 0);
    WAIT_FOR(10000,
             number("providers.sms-mms.parked_oldest_ms") > 0 || number("providers.sms-mms.outbound.oldest_ms") > 0);
    set_mock("{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0}");
    WAIT_FOR(20000, is_with_another_send("closed"));
    WAIT_FOR(20000, stack_is_drained(stack));
}
END_TEST

START_TEST(a_pause_that_a_429_asked_for_shows_until_when) {
    set_mock("{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":100,\"retry_after_secs\":2}");
    WAIT_FOR(10000, pauses_with_another_send());
    ck_assert(sample("messaging_provider_paused_until_seconds{provider=\"email\"}") == 0);
    set_mock("{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0}");
    WAIT_FOR(20000, stack_is_drained(stack));
}
END_TEST

START_TEST(redis_memory_is_shown_against_its_cap) {
    double used = sample("messaging_redis_memory_used_bytes");
    ck_assert(used > 100000);
    ck_assert(sample("messaging_redis_memory_max_bytes") > used);
}
END_TEST

// promtool reads the text on its standard input, says what it finds wrong, and ends with 0 only where that is nothing.
static int promtool_check(const char *text) {
    FILE *promtool = popen("promtool check metrics 2>&1", "w");
    ck_assert_ptr_nonnull(promtool);
    ck_assert_uint_eq(fwrite(text, 1, strlen(text), promtool), strlen(text));
    return pclose(promtool);
}

START_TEST(promtool_finds_nothing_wrong_with_the_text) {
    struct answer *answer = get("text/plain");
    ck_assert_int_eq(promtool_check(answer->body), 0);
    answer_free(answer);
}
END_TEST

START_TEST(openmetrics_ends_with_its_mark) {
    struct answer *answer = get("application/openmetrics-text");
    ck_assert_ptr_nonnull(strstr(answer->body, "# TYPE messaging_dispatch_success counter\n"));
    ck_assert_str_eq(answer->body + strlen(answer->body) - 6, "# EOF\n");
    answer_free(answer);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_metrics(void);

Suite *suite_metrics(void) {
    Suite *suite = suite_create("metrics");
    TCase *tests = tcase_create("metrics");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, every_counter_of_the_brief_stands_in_the_json_by_its_name);
    tcase_add_test(tests, a_send_is_timed_at_each_stage);
    tcase_add_test(tests, a_providers_calls_are_counted_apart);
    tcase_add_test(tests, what_can_not_be_routed_is_counted);
    tcase_add_test(tests, a_webhook_that_comes_again_with_other_content_is_counted_and_logged);
    tcase_add_test(tests, what_waits_for_a_dispatcher_shows_with_its_age);
    tcase_add_test(tests, what_waits_for_its_turn_shows_with_its_age_and_is_no_trouble_before_its_turn_is_due);
    tcase_add_test(tests, what_is_scheduled_shows_with_its_bounds_and_is_no_trouble_before_its_time);
    tcase_add_test(tests, what_is_scheduled_and_overdue_shows_for_how_long);
    tcase_add_test(tests, an_open_breaker_shows_and_so_do_those_that_wait_for_it);
    tcase_add_test(tests, a_pause_that_a_429_asked_for_shows_until_when);
    tcase_add_test(tests, redis_memory_is_shown_against_its_cap);
    tcase_add_test(tests, promtool_finds_nothing_wrong_with_the_text);
    tcase_add_test(tests, openmetrics_ends_with_its_mark);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
