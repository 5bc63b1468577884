// SPDX-License-Identifier: MIT
// Providers in trouble: when a breaker opens and closes, who calls meanwhile, and what a 429 asks for. Each test prints
// what it measured.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/delivery.h"
#include "tests/support/fake_server.h"
#include "tests/support/payload.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"
#include "tests/support/wait.h"

#define PROBES 3
#define GRANT_MS 100 // from asking
#define SMS "sms-mms"
#define EMAIL "email"
#define SMS_FAILS                                                                                                      \
    "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"providers\":{\"sms-mms\":{\"timeout_pct\":0,"            \
    "\"error_pct\":100,\"ratelimit_pct\":0},\"email\":{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,"         \
    "\"latency_ms\":100}}}"

static struct stack *stack;
static unsigned next_sender = 1000; // each test has senders of its own

static void start(void) {
    static const char *const environment[] = {"API_WORKER_MAX_RETRIES=1000", NULL};
    stack = stack_create("providers", environment);
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

static int64_t calls_of(const char *provider) {
    return mock_count(stack, provider, "calls");
}

static int64_t metric(const char *name) {
    redisReply *reply = stack_redis(stack, "HGET metrics %s", name);
    int64_t number = reply_text(reply, 0)[0] != '\0' ? reply_int(reply, 0) : 0;
    freeReplyObject(reply);
    return number;
}

// The provider works again and the breaker is closed: what waits is sent.
static void let_through(unsigned count) {
    mock_configure(stack, MOCK_WELL);
    breakers_reset(stack);
    WAIT_FOR(20000, status_count(stack, next_sender, "sent") == count);
}

// ---- The breaker

// Ends of attempts in ms since 1970, the n-th (from 1) of this test's that failed.
static int64_t failure_end(int n) {
    return stack_sql(
        stack,
        "SELECT floor(extract(epoch FROM a.started_at) * 1000 + a.latency_us / 1000)::bigint AS ended FROM "
        "dispatch_attempts AS a JOIN messages AS m ON m.id = a.message_id WHERE a.outcome = "
        "'server_error' AND m.from_address BETWEEN '+1555%07u' AND '+1555%07u' ORDER BY ended OFFSET %d "
        "LIMIT 1",
        next_sender, next_sender + 99, n - 1);
}

// Successful calls of this test that began before a moment, ms since 1970.
static int64_t sent_before(int64_t moment_ms) {
    return stack_sql(stack,
                     "SELECT count(*) FROM dispatch_attempts AS a JOIN messages AS m ON m.id = a.message_id WHERE "
                     "a.outcome = 'sent' AND m.from_address BETWEEN '+1555%07u' AND '+1555%07u' AND "
                     "extract(epoch FROM a.started_at) * 1000 < %lld",
                     next_sender, next_sender + 99, (long long)moment_ms);
}

START_TEST(twenty_failures_in_a_row_open_the_breaker_and_three_good_probes_after_the_cool_down_close_it) {
    int64_t counted = metric("breaker_transitions");
    mock_configure(stack, SMS_FAILS);
    dispatchers_start(stack, 1, (const char *const[]){"API_BREAKER_OPEN_SECS=3", "DISPATCH_MAX_IN_FLIGHT=10", NULL});
    send_many(stack, next_sender, 40);
    WAIT_FOR(10000, breaker_is(stack, SMS, "open"));
    int64_t opened_ms = breaker_number(stack, SMS, "since"), reopens_ms = breaker_number(stack, SMS, "until");
    WAIT_FOR(5000, failure_end(20) != PROBE_NONE);
    int64_t after_ms = opened_ms - failure_end(20);
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"latency_ms\":200}");
    WAIT_FOR(10000, breaker_is(stack, SMS, "closed"));
    int64_t closed_ms = breaker_number(stack, SMS, "since");
    WAIT_FOR(10000, status_count(stack, next_sender, "sent") == 40);
    printf("open %lld ms after the end of the 20th failure in a row; closed %lld ms later, by %lld probes\n",
           (long long)after_ms, (long long)(closed_ms - opened_ms), (long long)sent_before(closed_ms));
    ck_assert_int_le(after_ms, 1000);
    ck_assert_int_eq(reopens_ms - opened_ms, 3000);
    ck_assert_int_eq(sent_before(reopens_ms), 0);
    ck_assert_int_eq(sent_before(closed_ms), PROBES);
    ck_assert_int_eq(breaker_number(stack, SMS, "transitions"), 3);
    WAIT_FOR(10000, metric("breaker_transitions") - counted == 3);
    WAIT_FOR(5000, stack_log_count(stack, "dispatcher-1", "mock_breaker_transition") == 3);
}
END_TEST

// Emails a second, from the begin of the first call to the end of the last. They are let go all at once, so that the
// pace is the dispatcher's, not that of the sending.
static double email_pace(const char *from, unsigned count) {
    freeReplyObject(stack_redis(stack, "HSET breaker:{email} mode open"));
    send_emails(stack, from, count);
    freeReplyObject(stack_redis(stack, "HSET breaker:{email} mode auto"));
    WAIT_FOR(20000, stack_sql(stack,
                              "SELECT count(*) FROM deliveries AS d JOIN messages AS m ON m.id = d.message_id WHERE "
                              "d.status = 'sent' AND m.from_address = '%s'",
                              from) == count);
    return count * 1000.0 /
           (double)stack_sql(stack,
                             "SELECT ceil(extract(epoch FROM max(a.started_at + a.latency_us * interval "
                             "'1 microsecond') - min(a.started_at)) * 1000)::bigint FROM dispatch_attempts AS a JOIN "
                             "messages AS m ON m.id = a.message_id WHERE m.from_address = '%s'",
                             from);
}

START_TEST(while_a_breaker_is_open_no_call_arrives_and_the_other_provider_keeps_its_pace) {
    // 10 calls of 100 ms at once make at most 100 emails a second, whatever the machine can do.
    dispatchers_start(stack, 1, (const char *const[]){"DISPATCH_MAX_IN_FLIGHT=10", "API_BREAKER_OPEN_SECS=60", NULL});
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"latency_ms\":100}");
    double before = email_pace("before@x.com", 100);
    mock_configure(stack, SMS_FAILS);
    send_many(stack, next_sender, 100);
    WAIT_FOR(10000, breaker_is(stack, SMS, "open") && held_count(stack) == 0);
    int64_t calls = calls_of(SMS);
    double during = email_pace("during@x.com", 100);
    for (int i = 0; during < 0.8 * before && i < 2; i++) { // the machine may have been at something else
        during = email_pace(i == 0 ? "once.more@x.com" : "the.last@x.com", 100);
    }
    int64_t arrived = calls_of(SMS) - calls;
    printf("email: %.0f a second before, %.0f while the breaker of SMS was open, in which %lld SMS calls arrived\n",
           before, during, (long long)arrived);
    ck_assert_int_eq(arrived, 0);
    ck_assert(breaker_is(stack, SMS, "open"));
    ck_assert(during >= 0.8 * before);
    let_through(100);
}
END_TEST

// How often a command was run, by functions too, since CONFIG RESETSTAT.
static int64_t command_count(const char *command) {
    redisReply *reply = stack_redis(stack, "INFO commandstats");
    char *wanted = xasprintf("cmdstat_%s:calls=", command);
    const char *at = strstr(reply_text(reply, 0), wanted);
    int64_t count = at != NULL ? strtoll(at + strlen(wanted), NULL, 10) : 0;
    freeReplyObject(reply);
    free(wanted);
    return count;
}

START_TEST(an_open_breaker_with_a_backlog_reads_nothing_and_asks_now_and_then) {
    enum { SECONDS = 3, DISPATCHERS = 2, LANES = 2 };
    mock_configure(stack, SMS_FAILS);
    dispatchers_start(stack, DISPATCHERS, (const char *const[]){"API_BREAKER_OPEN_SECS=60", NULL});
    send_many(stack, next_sender, 100);
    WAIT_FOR(10000, breaker_is(stack, SMS, "open") && held_count(stack) == 0);
    WAIT_FOR(10000, stack_redis_int(stack, "HLEN parked:{sms-mms:0}") == 0); // their backoff is over
    stack_stop(stack, "persister-1");                                        // which reads all the time
    freeReplyObject(stack_redis(stack, "CONFIG RESETSTAT"));
    int64_t began_ms = redis_now_ms(stack);
    WAIT_FOR(5000 + SECONDS * 1000, redis_now_ms(stack) - began_ms >= SECONDS * 1000);
    int64_t reads = command_count("xreadgroup"), claims = command_count("xclaim"), asked = command_count("fcall");
    stack_start(stack, "persister-1");
    printf("%d s open, a backlog of 100, %d dispatchers: %lld XREADGROUP, %lld XCLAIM, %lld FCALL\n", SECONDS,
           DISPATCHERS, (long long)reads, (long long)claims, (long long)asked);
    ck_assert_int_eq(reads, 0);
    ck_assert_int_eq(claims, 0);
    ck_assert_int_eq(held_count(stack), 0);
    // A lane asks the breaker and looks among the parked once a second each.
    ck_assert_int_le(asked, 2 * DISPATCHERS * LANES * (SECONDS + 2));
    ck_assert_int_eq(stack_redis_int(stack, "XLEN outbound:{sms-mms:0}"), 100);
    let_through(100);
}
END_TEST

static const char *const slow_probes[] = {"API_BREAKER_ERROR_THRESHOLD=5", "API_BREAKER_OPEN_SECS=1", NULL};

// With three dispatchers behind a breaker that has just opened, and nothing under way.
static void open_breaker(unsigned dispatchers) {
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":100,\"ratelimit_pct\":0}");
    dispatchers_start(stack, dispatchers, slow_probes);
    send_many(stack, next_sender, 100);
    WAIT_FOR(10000, breaker_is(stack, SMS, "open"));
}

// Whether so many half-open periods have passed since, and how many calls there were up to now.
static bool periods_passed(int64_t since, int64_t periods, int64_t *calls) {
    int64_t before = breaker_number(stack, SMS, "transitions");
    *calls = calls_of(SMS);
    return before - since >= 2 * periods && (before - since) % 2 == 0 && held_count(stack) == 0 &&
           breaker_number(stack, SMS, "transitions") == before;
}

START_TEST(three_dispatchers_at_half_open_make_three_probes) {
    open_breaker(3);
    // What was granted before it opened has begun by the time that it was half-open once.
    int64_t calls, since, first, opened = breaker_number(stack, SMS, "transitions");
    WAIT_FOR(10000,
             (since = breaker_number(stack, SMS, "transitions")) >= opened + 2 && periods_passed(since, 0, &first));
    WAIT_FOR(15000, periods_passed(since, 2, &calls));
    int64_t periods = (breaker_number(stack, SMS, "transitions") - since) / 2;
    printf("3 dispatchers, half-open %lld times: %lld calls arrived\n", (long long)periods, (long long)(calls - first));
    ck_assert_int_eq(calls - first, PROBES * periods);
    let_through(100);
}
END_TEST

static int64_t leases(void) {
    redisReply *reply = stack_redis(stack, "HKEYS breaker:{sms-mms}");
    int64_t count = 0;
    for (size_t i = 0; i < reply_count(reply); i++) {
        count += strncmp(reply_text(reply, i), "lease:", strlen("lease:")) == 0;
    }
    freeReplyObject(reply);
    return count;
}

START_TEST(a_dispatcher_that_is_killed_with_all_probes_does_not_wedge_the_breaker) {
    open_breaker(1);
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"latency_ms\":900}");
    WAIT_FOR(10000, breaker_is(stack, SMS, "half-open") && leases() == PROBES && held_count(stack) == PROBES);
    stack_kill(stack, "dispatcher-1");
    int64_t killed_ms = redis_now_ms(stack);
    ck_assert_int_eq(leases(), PROBES);
    stack_start_with(stack, "dispatcher-2", slow_probes);
    WAIT_FOR(15000, breaker_is(stack, SMS, "closed"));
    printf(
        "killed with 3 probes under way; another dispatcher closed the breaker %lld ms later (a probe's lease: 3000)\n",
        (long long)(breaker_number(stack, SMS, "since") - killed_ms));
    WAIT_FOR(20000, status_count(stack, next_sender, "sent") == 100);
}
END_TEST

// ---- What a provider says

START_TEST(a_429_is_obeyed_in_full_by_all_dispatchers_and_the_other_provider_goes_on) {
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"providers\":{\"sms-mms\":{"
                          "\"ratelimit_pct\":100,\"retry_after_secs\":7}}}");
    send_many(stack, next_sender, 40);
    dispatchers_start(stack, 3, (const char *const[]){"DISPATCH_MAX_IN_FLIGHT=3", "API_WORKER_MAX_RETRIES=1", NULL});
    WAIT_FOR(10000, breaker_number(stack, SMS, "paused") > redis_now_ms(stack) && held_count(stack) == 0);
    int64_t calls = calls_of(SMS), limited = mock_count(stack, SMS, "by_outcome.rate_limited");
    mock_configure(stack, MOCK_WELL);
    double pace = email_pace("meanwhile@x.com", 30);
    ck_assert_int_gt(breaker_number(stack, SMS, "paused"), redis_now_ms(stack));
    ck_assert_int_eq(calls_of(SMS), calls);
    ck_assert(!breaker_is(stack, SMS, "open"));
    WAIT_FOR(20000, status_count(stack, next_sender, "sent") == 40);
    int64_t gap_ms =
        stack_sql(stack,
                  "SELECT floor(extract(epoch FROM min(s.started_at) - max(l.started_at + l.latency_us * interval '1 "
                  "microsecond')) * 1000)::bigint FROM dispatch_attempts AS s, dispatch_attempts AS l, messages AS m "
                  "WHERE s.outcome = 'sent' AND s.provider = 'sms-mms' AND l.outcome = 'rate_limited' AND m.id = "
                  "s.message_id AND m.from_address BETWEEN '+1555%07u' AND '+1555%07u'",
                  next_sender, next_sender + 99);
    printf("%lld calls of 40 answered with 429, Retry-After 7: the next call of 3 dispatchers %lld ms after the last; "
           "%.0f emails a second meanwhile\n",
           (long long)limited, (long long)gap_ms, pace);
    ck_assert_int_ge(gap_ms, 7000 - 1); // a latency is cut to whole microseconds, a start to milliseconds
    ck_assert_int_eq(status_count(stack, next_sender, "failed"), 0);
}
END_TEST

START_TEST(a_429_that_asks_for_a_day_is_believed_for_a_while_and_another_message_is_the_probe_that_follows) {
    int64_t counted = metric("sms_mms_dispatch_pauses");
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":100,\"retry_after_secs\":86400}");
    dispatchers_start(stack, 2, (const char *const[]){"API_PROVIDER_MAX_PAUSE_SECS=2", NULL});
    char *first = send_sms_from(stack, next_sender);
    WAIT_FOR(10000, breaker_number(stack, SMS, "paused") > redis_now_ms(stack));
    int64_t began_ms = redis_now_ms(stack);
    ck_assert_int_le(breaker_number(stack, SMS, "paused"), began_ms + 2000);
    // The other dispatcher asked for this message, too: what it was granted then lasts a little into the pause.
    WAIT_FOR(5000, redis_now_ms(stack) > began_ms + GRANT_MS);
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"latency_ms\":300}");
    send_many(stack, next_sender + 20, 20);
    WAIT_FOR(20000, status_count(stack, next_sender, "sent") == 21);
    printf("a 429 that asked for a day: all 21 messages were sent %lld ms later\n",
           (long long)(redis_now_ms(stack) - began_ms));
    char *probe =
        stack_sql_text(stack,
                       "SELECT a.message_id FROM dispatch_attempts AS a JOIN messages AS m ON m.id = a.message_id "
                       "WHERE a.outcome = 'sent' AND m.from_address BETWEEN '+1555%07u' AND '+1555%07u' "
                       "ORDER BY a.started_at LIMIT 1",
                       next_sender, next_sender + 99);
    ck_assert_str_ne(probe, first);
    // Nothing else began before it had come back; a start is cut to whole milliseconds.
    ck_assert_int_eq(
        stack_sql(stack,
                  "SELECT count(*) FROM dispatch_attempts AS a, dispatch_attempts AS p WHERE p.message_id = "
                  "'%s' AND p.outcome = 'sent' AND a.outcome = 'sent' AND a.provider = 'sms-mms' AND "
                  "a.message_id <> p.message_id AND a.started_at >= p.started_at AND a.started_at < p.started_at - "
                  "interval '2 ms' + p.latency_us * "
                  "interval '1 "
                  "microsecond'",
                  probe),
        0);
    WAIT_FOR(10000, metric("sms_mms_dispatch_pauses") - counted == 1);
    ck_assert_int_eq(stack_log_about(stack, "dispatcher-1", "mock_provider_paused", "\"asked_ms\":86400000") +
                         stack_log_about(stack, "dispatcher-2", "mock_provider_paused", "\"asked_ms\":86400000"),
                     1);
    free(probe);
    free(first);
}
END_TEST

// ---- One message that fails for long, with all times 6,000 times shorter than by default: 300 s are 50 ms, 8 hours
// 4.8 s.

#define EIGHT_HOURS_MS 4800
static const char *const scaled[] = {"API_WORKER_MAX_RETRIES=250", "API_WORKER_BACKOFF_BASE_MS=1",
                                     "API_WORKER_BACKOFF_CAP_MS=50"};

START_TEST(a_lone_message_outlives_eight_hours_of_5xx_and_opens_no_breaker) {
    mock_configure(stack, SMS_FAILS);
    dispatchers_start(stack, 1, (const char *const[]){scaled[0], scaled[1], scaled[2], NULL});
    char *id = send_sms_from(stack, next_sender);
    int64_t began_ms = redis_now_ms(stack);
    WAIT_FOR(EIGHT_HOURS_MS + 5000, redis_now_ms(stack) - began_ms >= EIGHT_HOURS_MS);
    ck_assert(message_is(stack, id, "retrying"));
    int64_t failures = attempt_count(stack, next_sender, "server_error");
    ck_assert_int_gt(failures, 25); // beyond what opens a breaker
    ck_assert_int_eq(breaker_number(stack, SMS, "transitions"), PROBE_NONE);
    mock_configure(stack, MOCK_WELL);
    WAIT_FOR(10000, message_is(stack, id, "sent"));
    printf("alone, 8 hours at 6,000 times their pace: %lld failures, then sent\n", (long long)failures);
    free(id);
}
END_TEST

START_TEST(with_the_breaker_opening_all_messages_outlive_eight_hours_of_5xx) {
    mock_configure(stack, SMS_FAILS);
    dispatchers_start(stack, 1,
                      (const char *const[]){scaled[0], scaled[1], scaled[2], "API_BREAKER_OPEN_SECS=1", NULL});
    send_many(stack, next_sender, 40);
    int64_t began_ms = redis_now_ms(stack);
    WAIT_FOR(10000, breaker_is(stack, SMS, "open"));
    WAIT_FOR(EIGHT_HOURS_MS + 5000, redis_now_ms(stack) - began_ms >= EIGHT_HOURS_MS);
    ck_assert_int_eq(status_count(stack, next_sender, "failed"), 0);
    let_through(40);
}
END_TEST

// A provider of the test's own.
struct fake {
    const char *answer;
    const char *fails; // what a request's body holds that is answered with 503
    unsigned requests;
};

static bool on_input(void *argument, const char *input, size_t length, struct buf *out) {
    struct fake *fake = argument;
    if (length > 4 && memcmp(input, "POST", 4) == 0) { // else the rest of one
        fake->requests++;
        bool bad = fake->fails && memmem(input, length, fake->fails, strlen(fake->fails)) != NULL;
        buf_puts(out, bad ? "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n" : fake->answer);
    }
    return true;
}

static struct fake_server *start_fake(uv_loop_t *loop, struct fake *fake, const char *threshold) {
    uv_loop_init(loop);
    struct fake_server *server =
        fake_server_start(loop, &(struct fake_behaviour){.on_input = on_input, .argument = fake});
    char *url = xasprintf("PROVIDER_SMS_URL=http://127.0.0.1:%u", fake_server_port(server));
    dispatchers_start(
        stack, 1, (const char *const[]){url, threshold, "DISPATCH_MAX_IN_FLIGHT=5", "API_BREAKER_OPEN_SECS=60", NULL});
    free(url);
    return server;
}

static void end_fake(uv_loop_t *loop, struct fake_server *server) {
    fake_server_destroy(server);
    wait_closed(loop);
}

START_TEST(beside_good_traffic_a_message_outlives_eight_hours_of_5xx) {
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct fake fake = {.answer = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n"
                                  "{\"sid\":\"SM123\"}",
                        .fails = "%2B18045550000"};
    struct fake_server *server =
        fake_server_start(&loop, &(struct fake_behaviour){.on_input = on_input, .argument = &fake});
    char *url = xasprintf("PROVIDER_SMS_URL=http://127.0.0.1:%u", fake_server_port(server));
    dispatchers_start(stack, 1, (const char *const[]){url, scaled[0], scaled[1], scaled[2], NULL});
    char *id = send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+15559990000", "+18045550000", "text"));
    int64_t began_ms = redis_now_ms(stack);
    for (unsigned sent = 0; redis_now_ms(stack) - began_ms < EIGHT_HOURS_MS; sent += 5) {
        for (unsigned i = 0; i < 5; i++) {
            free(send_sms_from(stack, next_sender + i));
        }
        RUN_UNTIL(&loop, 10000, status_count(stack, next_sender, "sent") == sent + 5);
    }
    ck_assert(message_is(stack, id, "retrying"));
    ck_assert_int_eq(breaker_number(stack, SMS, "transitions"), PROBE_NONE);
    fake.fails = NULL;
    RUN_UNTIL(&loop, 10000, message_is(stack, id, "sent"));
    free(id);
    free(url);
    end_fake(&loop, server);
}
END_TEST

START_TEST(a_400_is_called_once) {
    uv_loop_t loop;
    struct fake fake = {.answer = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 49\r\n"
                                  "\r\n{\"code\":21211,\"message\":\"no number\",\"status\":400}"};
    struct fake_server *server = start_fake(&loop, &fake, "API_BREAKER_ERROR_THRESHOLD=1");
    char *id = send_sms_from(stack, next_sender);
    RUN_UNTIL(&loop, 10000, message_is(stack, id, "failed"));
    printf("a 400: %u call, then failed\n", fake.requests);
    ck_assert_uint_eq(fake.requests, 1);
    char *error = stack_sql_text(stack, "SELECT error FROM dispatch_attempts WHERE message_id = '%s'", id);
    ck_assert_pstr_eq(error, "21211: no number");
    ck_assert(!breaker_is(stack, SMS, "open")); // the provider works
    free(error);
    free(id);
    end_fake(&loop, server);
}
END_TEST

START_TEST(a_success_without_the_provider_s_id_is_sent_counted_and_warned_of_once) {
    uv_loop_t loop;
    int warned = stack_log_count(stack, "dispatcher-1", "dispatch_unconfirmed");
    int64_t counted = metric("dispatch_unconfirmed"), of_sms = metric("sms_mms_dispatch_unconfirmed");
    struct fake fake = {.answer =
                            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<p>It works!</p>"};
    struct fake_server *server = start_fake(&loop, &fake, "API_BREAKER_ERROR_THRESHOLD=5");
    send_many(stack, next_sender, 20);
    RUN_UNTIL(&loop, 10000, status_count(stack, next_sender, "sent") == 20);
    RUN_UNTIL(&loop, 10000, metric("dispatch_unconfirmed") == counted + 20);
    ck_assert_int_eq(metric("sms_mms_dispatch_unconfirmed"), of_sms + 20);
    ck_assert_int_eq(stack_log_count(stack, "dispatcher-1", "dispatch_unconfirmed"), warned + 1);
    end_fake(&loop, server);
}
END_TEST

START_TEST(rubbish_opens_the_breaker_like_any_failure) {
    uv_loop_t loop;
    struct fake fake = {.answer = "\x16\x03\x01 no HTTP at all\r\n\r\n"};
    struct fake_server *server = start_fake(&loop, &fake, "API_BREAKER_ERROR_THRESHOLD=5");
    send_many(stack, next_sender, 20);
    RUN_UNTIL(&loop, 10000, breaker_is(stack, SMS, "open"));
    RUN_UNTIL(&loop, 10000, attempt_count(stack, next_sender, "connection_failed") >= 5);
    redisReply *reply = stack_redis(stack, "HGET breaker:{sms-mms} reason");
    ck_assert_str_eq(reply_text(reply, 0), "connection_failed");
    freeReplyObject(reply);
    ck_assert_int_eq(status_count(stack, next_sender, "failed"), 0);
    stack_stop(stack, "dispatcher-1");
    end_fake(&loop, server);
    breakers_reset(stack);
    stack_start(stack, "dispatcher-1");
    WAIT_FOR(10000, status_count(stack, next_sender, "sent") == 20);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_providers(void);

Suite *suite_providers(void) {
    Suite *suite = suite_create("providers");
    TCase *tests = tcase_create("providers");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, twenty_failures_in_a_row_open_the_breaker_and_three_good_probes_after_the_cool_down_close_it);
    tcase_add_test(tests, while_a_breaker_is_open_no_call_arrives_and_the_other_provider_keeps_its_pace);
    tcase_add_test(tests, an_open_breaker_with_a_backlog_reads_nothing_and_asks_now_and_then);
    tcase_add_test(tests, three_dispatchers_at_half_open_make_three_probes);
    tcase_add_test(tests, a_dispatcher_that_is_killed_with_all_probes_does_not_wedge_the_breaker);
    tcase_add_test(tests, a_429_is_obeyed_in_full_by_all_dispatchers_and_the_other_provider_goes_on);
    tcase_add_test(tests,
                   a_429_that_asks_for_a_day_is_believed_for_a_while_and_another_message_is_the_probe_that_follows);
    tcase_add_test(tests, a_lone_message_outlives_eight_hours_of_5xx_and_opens_no_breaker);
    tcase_add_test(tests, with_the_breaker_opening_all_messages_outlive_eight_hours_of_5xx);
    tcase_add_test(tests, beside_good_traffic_a_message_outlives_eight_hours_of_5xx);
    tcase_add_test(tests, a_400_is_called_once);
    tcase_add_test(tests, a_success_without_the_provider_s_id_is_sent_counted_and_warned_of_once);
    tcase_add_test(tests, rubbish_opens_the_breaker_like_any_failure);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
