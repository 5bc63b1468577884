// SPDX-License-Identifier: MIT
// Senders whom their provider refuses (402, 403, 404, 405, 410), and accounts that it doesn't know: whose messages
// wait, whose don't, and which of them fail. Each test prints what it measured.
//
// A message has one attempt here, so that whatever spends one fails at once.

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

#define SMS "sms-mms"
#define EMAIL "email"
#define BAD "bad%u@x.com"
#define REFUSES_FIVE                                                                                                   \
    "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"latency_ms\":20,\"refused_senders\":[\"bad0@x.com\","    \
    "\"bad1@x.com\",\"bad2@x.com\",\"bad3@x.com\",\"bad4@x.com\"]}"

static struct stack *stack;
static unsigned next_sender = 1000; // each test has senders of its own

static const char *const short_holds[] = {"API_SENDER_HOLD_SECS=1", "API_BREAKER_OPEN_SECS=1", NULL};
// As they are by default, but for the hold.
static const char *const real_waits[] = {"API_SENDER_HOLD_SECS=10", "API_BREAKER_OPEN_SECS=60",
                                         "API_WORKER_BACKOFF_BASE_MS=500", "API_WORKER_BACKOFF_CAP_MS=300000", NULL};

static void start(void) {
    static const char *const environment[] = {"API_WORKER_MAX_RETRIES=1", NULL};
    stack = stack_create("senders", environment);
    stack_start(stack, "postgres");
    stack_start(stack, "mock-provider");
    stack_start(stack, "ingest-1");
    stack_start(stack, "persister-1");
}

static void end(void) {
    stack_destroy(stack);
}

// Emails of earlier tests don't count.
static void recover(void) {
    delivery_recover(stack);
    freeReplyObject(stack_redis(stack, "DEL outbound:{email:0} parked:{email:0} parked-due:{email:0} turn:{email:0} "
                                       "held:{email:0} held-order:{email:0} held-due:{email:0}"));
    stack_sql(stack, "WITH forgotten AS (UPDATE messages SET from_address = 'forgotten' WHERE from_address LIKE "
                     "'%%@x.com' RETURNING 1) SELECT count(*) FROM forgotten");
    next_sender += 100;
}

static int64_t emails(const char *from, const char *status) {
    return stack_sql(stack,
                     "SELECT count(*) FROM deliveries AS d JOIN messages AS m ON m.id = d.message_id WHERE d.status = "
                     "'%s' AND m.from_address LIKE '%s'",
                     status, from);
}

static int64_t email_calls(const char *from) {
    return stack_sql(stack,
                     "SELECT count(*) FROM dispatch_attempts AS a JOIN messages AS m ON m.id = a.message_id WHERE "
                     "m.from_address LIKE '%s'",
                     from);
}

static int64_t held_senders(const char *provider) {
    return stack_redis_int(stack, "HLEN held-senders:{%s:0}", provider);
}

static void send_email_of(unsigned bad) {
    char from[32];
    snprintf(from, sizeof from, BAD, bad);
    send_emails(stack, from, 1);
}

// From acceptance to the provider's 2xx, in ms, of what that sender sent.
static double percentile(const char *from, int percent) {
    int64_t us = stack_sql(stack,
                           "SELECT (1000000 * percentile_cont(%d / 100.0) WITHIN GROUP (ORDER BY extract(epoch FROM "
                           "a.started_at - m.accepted_at) + a.latency_us / 1e6))::bigint FROM dispatch_attempts AS a "
                           "JOIN messages AS m ON m.id = a.message_id WHERE a.outcome = 'sent' AND m.from_address = "
                           "'%s'",
                           percent, from);
    return (double)us / 1000;
}

struct figures {
    double p50, p99;
};

// 400 good emails one after the other; with bad ones, five senders send one each now and then.
static struct figures send_good(const char *from, bool with_bad) {
    enum { GOOD = 400, EVERY = 8 };
    for (unsigned i = 0; i < GOOD; i++) {
        send_emails(stack, from, 1);
        if (with_bad && i % EVERY == 0) {
            send_email_of(i / EVERY % 5);
        }
    }
    WAIT_FOR(20000, emails(from, "sent") == GOOD);
    return (struct figures){percentile(from, 50), percentile(from, 99)};
}

// ---- One sender

START_TEST(good_mail_is_as_fast_beside_five_senders_who_are_refused_as_without_them) {
    mock_configure(stack, REFUSES_FIVE);
    for (unsigned i = 1; i <= 2; i++) {
        stack_start_with(stack, i == 1 ? "dispatcher-1" : "dispatcher-2", short_holds);
    }
    struct figures alone = send_good("alone@x.com", false), beside = send_good("beside@x.com", true);
    for (int i = 0; (beside.p50 > 2 * alone.p50 + 10 || beside.p99 > 2 * alone.p99 + 20) && i < 2; i++) {
        alone =
            send_good(i == 0 ? "alone.again@x.com" : "alone.at.last@x.com", false); // the machine was at something else
        beside = send_good(i == 0 ? "once.more@x.com" : "the.last@x.com", true);
    }
    ck_assert_int_eq(breaker_number(stack, EMAIL, "transitions"), PROBE_NONE);
    int64_t bad = emails("bad%", "retrying") + emails("bad%", "failed") + emails("bad%", "queued");
    printf(
        "good mail, of a provider that takes 20 ms: p50 %.1f ms, p99 %.1f ms; beside 5 refused senders (%lld mails): "
        "p50 %.1f ms, p99 %.1f ms; the breaker stayed closed\n",
        alone.p50, alone.p99, (long long)bad, beside.p50, beside.p99);
    ck_assert(beside.p50 <= 2 * alone.p50 + 10);
    ck_assert(beside.p99 <= 2 * alone.p99 + 20);
    ck_assert_int_eq(held_senders(EMAIL), 5);
    ck_assert_int_eq(emails("bad%", "sent"), 0);
}
END_TEST

// All in one moment, with what others send in between only after it.
START_TEST(senders_who_are_held_at_one_moment_open_nothing_while_others_are_accepted) {
    enum { SECONDS = 5 };
    mock_configure(stack, REFUSES_FIVE);
    send_emails(stack, "first@x.com", 1); // all of the dispatcher's room is there from the first answer on
    for (unsigned i = 0; i < 30; i++) {
        send_email_of(i % 5);
    }
    stack_start_with(stack, "dispatcher-1", short_holds);
    WAIT_FOR(10000, held_senders(EMAIL) == 5);
    int64_t began_ms = redis_now_ms(stack);
    unsigned good = 0;
    for (; redis_now_ms(stack) - began_ms < SECONDS * 1000; good++) {
        send_emails(stack, "good@x.com", 1);
        WAIT_FOR(10000, emails("good@x.com", "sent") == good + 1); // the next one when this one is through
    }
    printf("5 senders held at one moment: %u good mails went through one by one in %d s\n", good, SECONDS);
    ck_assert_int_eq(breaker_number(stack, EMAIL, "transitions"), PROBE_NONE);
}
END_TEST

START_TEST(five_refused_mails_fail_once_others_were_accepted_and_spend_no_attempt) {
    mock_configure(stack, REFUSES_FIVE);
    stack_start_with(stack, "dispatcher-1", short_holds);
    send_emails(stack, "bad0@x.com", 5);
    WAIT_FOR(10000, held_senders(EMAIL) == 1);
    ck_assert_int_eq(emails("bad0@x.com", "failed"), 0); // nothing was accepted yet
    send_emails(stack, "good@x.com", 20);
    WAIT_FOR(5000, emails("good@x.com", "sent") == 20);
    WAIT_FOR(20000, emails("bad0@x.com", "failed") == 5); // a probe a second
    printf("5 refused mails: failed by %lld calls\n", (long long)email_calls("bad0@x.com"));
    ck_assert_int_eq(email_calls("bad0@x.com"), 10); // its first, and the one that came after
    ck_assert_int_eq(stack_sql(stack,
                               "SELECT count(*) FROM dead_letters AS d JOIN messages AS m ON m.id = d.message_id WHERE "
                               "d.reason LIKE 'refused%%' AND m.from_address = 'bad0@x.com'"),
                     5);
    ck_assert_int_eq(stack_redis_int(stack, "EXISTS refused:{email:0}"), 0);
    ck_assert(!breaker_is(stack, EMAIL, "open"));
}
END_TEST

START_TEST(a_held_sender_is_called_once_a_hold_by_all_dispatchers_together) {
    enum { SECONDS = 5 };
    mock_configure(stack, REFUSES_FIVE);
    stack_start_with(stack, "dispatcher-1", short_holds);
    stack_start_with(stack, "dispatcher-2", short_holds);
    send_emails(stack, "good@x.com", 10);
    send_emails(stack, "bad0@x.com", 40);
    WAIT_FOR(10000, held_senders(EMAIL) == 1);
    WAIT_FOR(10000,
             stack_redis_int(stack, "XLEN outbound:{email:0}") + stack_redis_int(stack, "XLEN events:{email:0}") == 0);
    int64_t began_ms = redis_now_ms(stack), calls = email_calls("bad0@x.com");
    WAIT_FOR(5000 + SECONDS * 1000, redis_now_ms(stack) - began_ms >= SECONDS * 1000);
    int64_t more = email_calls("bad0@x.com") - calls, took_ms = redis_now_ms(stack) - began_ms;
    printf("40 mails of a refused sender: %lld calls until it was held, then %lld in %lld ms of 1 s holds, by 2 "
           "dispatchers\n",
           (long long)calls, (long long)more, (long long)took_ms);
    ck_assert_int_gt(more, 0);
    ck_assert_int_le(more, took_ms / 1000 + 1);
    mock_configure(stack, MOCK_WELL); // it was verified meanwhile
    WAIT_FOR(20000, emails("bad0@x.com", "sent") + emails("bad0@x.com", "failed") == 40);
    ck_assert_int_gt(emails("bad0@x.com", "sent"), 20);
    WAIT_FOR(5000, held_senders(EMAIL) == 0);
}
END_TEST

static bool has_probe(void) {
    redisReply *reply = stack_redis(stack, "HGET held-senders:{email:0} bad0@x.com");
    bool has = strstr(reply_text(reply, 0), "\"probe\":\"\"") == NULL && reply_text(reply, 0)[0] != '\0';
    freeReplyObject(reply);
    return has;
}

START_TEST(a_dispatcher_that_is_killed_with_a_senders_probe_does_not_hold_it_for_ever) {
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"latency_ms\":600,"
                          "\"refused_senders\":[\"bad0@x.com\"]}");
    stack_start_with(stack, "dispatcher-1", short_holds);
    send_emails(stack, "bad0@x.com", 7);
    WAIT_FOR(20000, held_senders(EMAIL) == 1 && has_probe());
    stack_kill(stack, "dispatcher-1");
    ck_assert(has_probe());
    mock_configure(stack, MOCK_WELL);
    int64_t killed_ms = redis_now_ms(stack);
    stack_start_with(stack, "dispatcher-2", short_holds);
    WAIT_FOR(20000, emails("bad0@x.com", "sent") == 7);
    printf("killed with a sender's probe: all of its messages were sent %lld ms later (a probe's lease: 3000)\n",
           (long long)(redis_now_ms(stack) - killed_ms));
    ck_assert_int_eq(emails("bad0@x.com", "failed"), 0);
}
END_TEST

// ---- Our own fault

START_TEST(three_held_senders_and_nothing_accepted_open_the_breaker_until_it_is_put_right) {
    mock_configure(stack, REFUSES_FIVE);
    stack_start_with(stack, "dispatcher-1", short_holds);
    for (unsigned i = 0; i < 24; i++) {
        send_email_of(i % 3);
    }
    WAIT_FOR(20000, breaker_is(stack, EMAIL, "open"));
    redisReply *why = stack_redis(stack, "HMGET breaker:{email} reason cause");
    ck_assert_str_eq(reply_text(why, 0), "held_senders");
    ck_assert_str_eq(reply_text(why, 1), "held");
    freeReplyObject(why);
    WAIT_FOR(10000, breaker_number(stack, EMAIL, "transitions") >= 3 && breaker_is(stack, EMAIL, "open")); // a probe
    int64_t calls = email_calls("bad%");
    ck_assert_int_eq(emails("bad%", "failed"), 0);
    mock_configure(stack, MOCK_WELL);
    WAIT_FOR(30000, emails("bad%", "sent") == 24);
    printf(
        "24 mails of 3 senders, all refused: %lld calls before the breaker opened and by its probes; all sent later\n",
        (long long)calls);
    WAIT_FOR(5000, breaker_is(stack, EMAIL, "closed"));
    redisReply *cause = stack_redis(stack, "HGET breaker:{email} cause");
    ck_assert_str_eq(reply_text(cause, 0), "");
    freeReplyObject(cause);
}
END_TEST

static int64_t refusals(void) {
    return attempt_count(stack, next_sender, "refused");
}

// An account that the provider doesn't know is 404 for all; the messages are there before the dispatcher is.
static int64_t calls_by_a_wrong_account(void) {
    enum { SECONDS = 5 };
    char *url = xasprintf("PROVIDER_SMS_URL=http://127.0.0.1:%u/nowhere", stack_port(stack, "mock-provider"));
    stack_start_with(stack, "dispatcher-1",
                     (const char *const[]){url, real_waits[0], real_waits[1], real_waits[2], real_waits[3], NULL});
    int64_t began_ms = redis_now_ms(stack);
    WAIT_FOR(10000, refusals() >= 5);
    WAIT_FOR(5000 + SECONDS * 1000, redis_now_ms(stack) - began_ms >= SECONDS * 1000);
    int64_t calls = refusals();
    ck_assert_int_eq(status_count(stack, next_sender, "failed"), 0);
    stack_stop(stack, "dispatcher-1");
    stack_start_with(stack, "dispatcher-1", short_holds);
    WAIT_FOR(30000, status_count(stack, next_sender, "sent") == 30);
    ck_assert_int_eq(status_count(stack, next_sender, "failed"), 0);
    free(url);
    return calls;
}

START_TEST(a_wrong_account_stops_after_a_handful_of_one_senders_messages_and_none_fails) {
    for (unsigned i = 0; i < 30; i++) {
        free(send_sms_from(stack, next_sender));
    }
    int64_t calls = calls_by_a_wrong_account();
    printf("a wrong account, 30 messages of one sender: %lld calls in 5 s, none failed, all sent later\n",
           (long long)calls);
    ck_assert_int_le(calls, 5 + 5); // what holds it, and what was in flight then
}
END_TEST

START_TEST(a_wrong_account_is_called_little_by_many_senders_and_none_of_their_messages_fails) {
    send_many(stack, next_sender, 30); // of 20
    int64_t calls = calls_by_a_wrong_account();
    printf("a wrong account, 30 messages of 20 senders: %lld calls in 5 s, none failed, all sent later\n",
           (long long)calls);
    ck_assert_int_eq(calls, 30); // each once, and not again before half a hold is over
}
END_TEST

// ---- A provider of the test's own

struct fake {
    const char *status;  // what it answers to calls for `refused`
    const char *refused; // a message's id; it takes all others
};

static bool on_input(void *argument, const char *input, size_t length, struct buf *out) {
    const struct fake *fake = argument;
    if (length <= 4 || memcmp(input, "POST", 4) != 0) { // the rest of one
        return true;
    }
    if (memmem(input, length, fake->refused, strlen(fake->refused))) { // its Idempotency-Key
        buf_printf(out, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", fake->status);
    } else {
        buf_puts(out, "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n"
                      "{\"sid\":\"SM123\"}");
    }
    return true;
}

START_TEST(each_such_status_parks_the_message_and_fails_it_once_something_else_was_accepted) {
    static const char *const statuses[] = {"402 Payment Required", "403 Forbidden", "404 Not Found",
                                           "405 Method Not Allowed", "410 Gone"};
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct fake fake = {.refused = "nobody"};
    struct fake_server *server =
        fake_server_start(&loop, &(struct fake_behaviour){.on_input = on_input, .argument = &fake});
    char *url = xasprintf("PROVIDER_SMS_URL=http://127.0.0.1:%u", fake_server_port(server));
    stack_start_with(stack, "dispatcher-1", (const char *const[]){url, "API_SENDER_HOLD_SECS=1", NULL});
    for (unsigned i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        char *id = send_sms_from(stack, next_sender + i);
        fake = (struct fake){statuses[i], id}; // the call waits for the loop to run
        RUN_UNTIL(&loop, 10000, message_is(stack, id, "retrying"));
        char *other = send_sms_from(stack, next_sender + 50 + i);
        RUN_UNTIL(&loop, 10000, message_is(stack, other, "sent"));
        RUN_UNTIL(&loop, 10000, !message_is(stack, id, "retrying"));
        ck_assert_msg(message_is(stack, id, "failed"), "%s", statuses[i]);
        fake.refused = "nobody";
        free(other);
        free(id);
    }
    ck_assert_int_eq(breaker_number(stack, SMS, "transitions"), PROBE_NONE);
    fake_server_destroy(server);
    wait_closed(&loop);
    free(url);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_senders(void);

Suite *suite_senders(void) {
    Suite *suite = suite_create("senders");
    TCase *tests = tcase_create("senders");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, good_mail_is_as_fast_beside_five_senders_who_are_refused_as_without_them);
    tcase_add_test(tests, senders_who_are_held_at_one_moment_open_nothing_while_others_are_accepted);
    tcase_add_test(tests, five_refused_mails_fail_once_others_were_accepted_and_spend_no_attempt);
    tcase_add_test(tests, a_held_sender_is_called_once_a_hold_by_all_dispatchers_together);
    tcase_add_test(tests, a_dispatcher_that_is_killed_with_a_senders_probe_does_not_hold_it_for_ever);
    tcase_add_test(tests, three_held_senders_and_nothing_accepted_open_the_breaker_until_it_is_put_right);
    tcase_add_test(tests, a_wrong_account_stops_after_a_handful_of_one_senders_messages_and_none_fails);
    tcase_add_test(tests, a_wrong_account_is_called_little_by_many_senders_and_none_of_their_messages_fails);
    tcase_add_test(tests, each_such_status_parks_the_message_and_fails_it_once_something_else_was_accepted);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
