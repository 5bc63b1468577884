// SPDX-License-Identifier: MIT
// Messages of one conversation are called in the order in which they were accepted: through retries, deaths, refusals,
// whatever ends the one that has the turn. And nobody waits for ever for one that fails.

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/base/rfc3339.h"
#include "shared/redis/library.h"
#include "tests/support/child.h"
#include "tests/support/delivery.h"
#include "tests/support/payload.h"
#include "tests/support/private_postgres.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"
#include "tests/support/stand_in.h"

#define OURS "+12016661234"
#define OF_ORDER "{sms-mms:0}"
#define CLAIM_MS 4000
#define SETTLED_MS 20000 // until format 2 is written

static struct stack *stack;
static struct stand_in *provider;
static unsigned recipients; // each test has conversations of its own
static int released_before;

// ---- The stack

static const char *const names[] = {"dispatcher-1", "dispatcher-2"};

static char *new_recipient(void) {
    return xasprintf("+1804555%04u", 1000 + recipients++);
}

static char *send_from(const char *ingest, const char *from, const char *to, unsigned number) {
    char *body = xasprintf("%u", number);
    char *id = send_accepted(stack, ingest, PATH_SMS, payload_sms(from, to, body));
    free(body);
    return id;
}

// Its id is owned by the caller.
static char *send_one(const char *to, unsigned number) {
    return send_from("ingest-1", OURS, to, number);
}

static void send_some(const char *to, unsigned first, unsigned last) {
    for (unsigned number = first; number <= last; number++) {
        free(send_one(to, number));
    }
}

static void start_dispatcher(const char *name, const char *first, const char *second) {
    stack_start_with(stack, name, (const char *const[]){stand_in_url(provider), first, second, NULL});
}

static void forget_all(void) {
    freeReplyObject(stack_redis(stack,
                                "DEL outbound:" OF_ORDER " parked:" OF_ORDER " parked-due:" OF_ORDER " turn:" OF_ORDER
                                " held:" OF_ORDER " held-order:" OF_ORDER " held-due:" OF_ORDER " open-ms:" OF_ORDER));
}

static bool is_ordered(void) {
    char *to = new_recipient();
    send_some(to, 1, 1);
    free(to);
    return stack_redis_int(stack, "EXISTS turn:" OF_ORDER) == 1;
}

static void start(void) {
    static const char *const environment[] = {"OPT_OUT=on", "API_BREAKER_ERROR_THRESHOLD=1000000",
                                              "API_WORKER_MAX_RETRIES=1000", NULL};
    stack = stack_create("order", environment);
    provider = stand_in_start();
    stack_start(stack, "postgres");
    stack_start(stack, "mock-provider");
    stack_start(stack, "ingest-1");
    stack_start(stack, "persister-1");
    WAIT_FOR(SETTLED_MS, is_ordered());
}

static void end(void) {
    stand_in_destroy(provider);
    stack_destroy(stack);
}

static int releases(void) {
    return stack_log_count(stack, names[0], "turn_released") + stack_log_count(stack, names[1], "turn_released");
}

static void recover(void) {
    stand_in_forget_rules(provider);
    stand_in_release(provider);
    delivery_recover(stack);
    forget_all();
    released_before = releases();
}

// ---- What is seen

static int64_t held(void) {
    return stack_redis_int(stack, "HLEN held:" OF_ORDER);
}

static bool is_over(void) {
    return stack_is_drained(stack) && held() == 0 && stack_redis_int(stack, "HLEN turn:" OF_ORDER) == 0;
}

static int released(void) {
    return releases() - released_before;
}

static int64_t open_ms(void) {
    redisReply *reply = stack_redis(stack, "HGET open-ms:" OF_ORDER " ms");
    int64_t ms = reply_text(reply, 0)[0] != '\0' ? reply_int(reply, 0) : 0;
    freeReplyObject(reply);
    return ms;
}

static void assert_called(const char *to, const char *order) {
    char *seen = stand_in_order(provider, to);
    ck_assert_str_eq(seen, order);
    free(seen);
}

// So many were called, in their order, each once the one before it was through.
static void assert_in_order(const char *to, unsigned count) {
    char order[512] = "";
    WAIT_FOR(60000, stand_in_messages(provider, to) == count);
    for (unsigned i = 1; i <= count; i++) {
        snprintf(order + strlen(order), sizeof order - strlen(order), "%s%u", i > 1 ? " " : "", i);
    }
    assert_called(to, order);
    ck_assert_uint_eq(stand_in_overtaking(provider, to), 0);
}

static void assert_all_in_order(const char *to, unsigned count) {
    assert_in_order(to, count);
    WAIT_FOR(20000, is_over());
    ck_assert_int_eq(released(), 0);
}

static bool has_failed_by(const char *id, const char *reason) {
    return stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE message_id = '%s' AND reason LIKE '%s%%'", id,
                     reason) == 1;
}

// ---- Retries

START_TEST(a_message_that_fails_twice_holds_the_next_ones_until_it_is_through) {
    char *to = new_recipient();
    stand_in_rule(provider, to, 1, STAND_IN_FAILS, 2);
    stand_in_rule(provider, to, 3, STAND_IN_FAILS, 3);
    start_dispatcher("dispatcher-1", NULL, NULL);
    send_some(to, 1, 6);
    assert_all_in_order(to, 6);
    ck_assert_uint_eq(stand_in_calls(provider, to, 1), 3);
    ck_assert_uint_eq(stand_in_calls(provider, to, 3), 4);
    ck_assert_uint_eq(stand_in_calls(provider, to, 0), 6 + 5);
    free(to);
}
END_TEST

START_TEST(one_that_fails_for_good_lets_the_next_go) {
    char *to = new_recipient();
    stand_in_rule(provider, to, 1, STAND_IN_REJECTS, 0);
    stand_in_rule(provider, to, 2, STAND_IN_FAILS, 1);
    send_some(to, 1, 3);
    start_dispatcher("dispatcher-1", NULL, NULL);
    assert_all_in_order(to, 3);
    ck_assert_uint_eq(stand_in_calls(provider, to, 1), 1);
    free(to);
}
END_TEST

START_TEST(a_message_that_waits_is_held_and_says_so) {
    char *to = new_recipient();
    stand_in_rule(provider, to, 1, STAND_IN_FAILS, 0);
    start_dispatcher("dispatcher-1", NULL, NULL);
    char *first = send_one(to, 1), *second = send_one(to, 2);
    WAIT_FOR(20000, message_is(stack, first, "retrying") && message_is(stack, second, "held"));
    WAIT_FOR(20000, stand_in_calls(provider, to, 1) >= 5);
    ck_assert_uint_eq(stand_in_messages(provider, to), 1);
    stand_in_forget_rules(provider);
    assert_all_in_order(to, 2);
    WAIT_FOR(20000, message_is(stack, first, "sent") && message_is(stack, second, "sent"));
    free(first);
    free(second);
    free(to);
}
END_TEST

START_TEST(without_order_the_next_ones_pass) {
    char *ordered = new_recipient(), *loose = new_recipient();
    stack_start_with(stack, "ingest-2", (const char *const[]){"DISPATCH_ORDER=none", NULL});
    stand_in_rule(provider, ordered, 1, STAND_IN_FAILS, 0);
    stand_in_rule(provider, loose, 1, STAND_IN_FAILS, 0);
    start_dispatcher("dispatcher-1", NULL, NULL);
    for (unsigned number = 1; number <= 5; number++) {
        free(send_from("ingest-1", OURS, ordered, number));
        free(send_from("ingest-2", OURS, loose, number));
    }
    WAIT_FOR(20000, stand_in_messages(provider, loose) == 5);
    ck_assert_uint_eq(stand_in_overtaking(provider, loose), 4);
    ck_assert_uint_eq(stand_in_messages(provider, ordered), 1);
    ck_assert_int_eq(held(), 4);
    stand_in_forget_rules(provider);
    assert_all_in_order(ordered, 5);
    stack_stop(stack, "ingest-2");
    free(ordered);
    free(loose);
}
END_TEST

// ---- Many at it

START_TEST(two_dispatchers_keep_the_order_of_many_conversations) {
    enum { CONVERSATIONS = 20, MESSAGES = 8 };
    char *to[CONVERSATIONS];
    start_dispatcher("dispatcher-1", NULL, NULL);
    start_dispatcher("dispatcher-2", NULL, NULL);
    for (unsigned i = 0; i < CONVERSATIONS; i++) {
        to[i] = new_recipient();
        stand_in_rule(provider, to[i], 1 + i % MESSAGES, STAND_IN_FAILS, 1 + i % 3);
        stand_in_rule(provider, to[i], 1 + (i + 3) % MESSAGES, STAND_IN_FAILS, 1);
    }
    for (unsigned number = 1; number <= MESSAGES; number++) {
        for (unsigned i = 0; i < CONVERSATIONS; i++) {
            send_some(to[i], number, number);
        }
    }
    for (unsigned i = 0; i < CONVERSATIONS; i++) {
        assert_all_in_order(to[i], MESSAGES);
        free(to[i]);
    }
}
END_TEST

START_TEST(one_bad_recipient_keeps_nobody_else_waiting) {
    enum { OTHERS = 40 };
    char *bad = new_recipient(), *to[OTHERS];
    stand_in_rule(provider, bad, 0, STAND_IN_FAILS, 0);
    start_dispatcher("dispatcher-1", NULL, NULL);
    send_some(bad, 1, 20);
    WAIT_FOR(20000, stand_in_calls(provider, bad, 1) >= 2);
    for (unsigned i = 0; i < OTHERS; i++) {
        to[i] = new_recipient();
        send_some(to[i], 1, 2);
        WAIT_FOR(20000, stand_in_messages(provider, to[i]) == 2);
        ck_assert_uint_eq(stand_in_calls(provider, to[i], 0), 2);
        free(to[i]);
    }
    ck_assert_uint_eq(stand_in_messages(provider, bad), 1);
    ck_assert_int_eq(held(), 19);
    stand_in_forget_rules(provider);
    assert_all_in_order(bad, 20);
    free(bad);
}
END_TEST

START_TEST(messages_of_other_channels_and_senders_do_not_wait_for_each_other) {
    char *to = new_recipient();
    stand_in_rule(provider, to, 1, STAND_IN_FAILS, 0);
    start_dispatcher("dispatcher-1", NULL, NULL);
    send_some(to, 1, 1);
    free(send_from("ingest-1", "+12016665678", to, 2)); // another address of ours
    WAIT_FOR(20000, stand_in_messages(provider, to) == 2);
    ck_assert_int_eq(held(), 0);
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_mms(OURS, to, "3"))); // of the same thread
    WAIT_FOR(20000, held() == 1);
    stand_in_forget_rules(provider);
    WAIT_FOR(20000, stand_in_messages(provider, to) == 3);
    assert_called(to, "1 2 3");
    free(to);
}
END_TEST

// ---- Deaths

START_TEST(what_a_dispatcher_died_with_is_called_again_before_the_next) {
    char *to = new_recipient();
    stand_in_rule(provider, to, 1, STAND_IN_KEEPS, 0);
    start_dispatcher("dispatcher-1", "PROVIDER_TIMEOUT_MS=10000", "API_WORKER_CLAIM_TIMEOUT_SECS=22");
    send_some(to, 1, 3);
    WAIT_FOR(20000, stand_in_calls(provider, to, 1) == 1);
    stack_kill(stack, "dispatcher-1");
    stand_in_forget_rules(provider);
    stand_in_rule(provider, to, 1, STAND_IN_FAILS, 1);
    start_dispatcher("dispatcher-2", NULL, NULL);
    assert_all_in_order(to, 3);
    ck_assert_uint_eq(stand_in_calls(provider, to, 1), 3);
    free(to);
}
END_TEST

START_TEST(dispatchers_that_die_and_come_again_keep_the_order) {
    enum { CONVERSATIONS = 10, MESSAGES = 12, DEATHS = 6 };
    char *to[CONVERSATIONS];
    for (unsigned i = 0; i < CONVERSATIONS; i++) {
        to[i] = new_recipient();
        stand_in_rule(provider, to[i], 2, STAND_IN_FAILS, 2);
        stand_in_rule(provider, to[i], 5, STAND_IN_FAILS, 1);
        send_some(to[i], 1, MESSAGES);
    }
    start_dispatcher("dispatcher-1", NULL, NULL);
    start_dispatcher("dispatcher-2", NULL, NULL);
    for (unsigned i = 0; i < DEATHS; i++) {
        unsigned calls = stand_in_calls(provider, to[0], 0);
        WAIT_FOR(20000, stand_in_calls(provider, to[0], 0) > calls || stand_in_messages(provider, to[0]) == MESSAGES);
        stack_kill(stack, names[i % 2]);
        start_dispatcher(names[i % 2], NULL, NULL);
    }
    for (unsigned i = 0; i < CONVERSATIONS; i++) {
        assert_all_in_order(to[i], MESSAGES);
        free(to[i]);
    }
}
END_TEST

START_TEST(redis_is_killed_and_the_order_is_there_when_it_comes_again) {
    char *to = new_recipient();
    stand_in_rule(provider, to, 1, STAND_IN_FAILS, 0);
    start_dispatcher("dispatcher-1", NULL, NULL);
    start_dispatcher("dispatcher-2", NULL, NULL);
    send_some(to, 1, 4);
    WAIT_FOR(20000, stand_in_calls(provider, to, 1) >= 2);
    stack_kill(stack, "redis");
    stack_start(stack, "redis");
    stack_settle(stack);
    send_some(to, 5, 6);
    unsigned calls = stand_in_calls(provider, to, 1);
    WAIT_FOR(20000, stand_in_calls(provider, to, 1) > calls + 2);
    ck_assert_uint_eq(stand_in_messages(provider, to), 1);
    stand_in_forget_rules(provider);
    assert_all_in_order(to, 6);
    free(to);
}
END_TEST

// As after a fail-over to a replica that had not received everything.
static void lose_token(const char *id) {
    redisReply *entries = stack_redis(stack, "XRANGE outbound:" OF_ORDER " - +");
    for (size_t i = 0; i < reply_count(entries); i++) {
        const redisReply *entry = entries->element[i];
        if (strcmp(reply_field(entry->element[1], "id"), id) == 0) {
            freeReplyObject(stack_redis(stack, "XDEL outbound:" OF_ORDER " %s", reply_text(entry, 0)));
        }
    }
    freeReplyObject(entries);
    freeReplyObject(stack_redis(stack, "HDEL parked:" OF_ORDER " %s:0", id));
    freeReplyObject(stack_redis(stack, "ZREM parked-due:" OF_ORDER " %s:0", id));
}

static void reconcile(void) {
    char *script = xasprintf("%s/bin/reconcile.sh", getenv("PROJECT_ROOT"));
    char *redis = xasprintf("REDIS_URL=redis://127.0.0.1:%u", stack_port(stack, "redis"));
    char *url = postgres_url(stack_port(stack, "postgres")), *postgres = xasprintf("DATABASE_URL=%s", url);
    child_run(&(struct child_options){.name = "reconcile",
                                      .folder = stack_folder(stack),
                                      .argv = (const char *const[]){"bash", script, "--older-than", "0", NULL},
                                      .environment = (const char *const[]){redis, postgres, NULL},
                                      .death_signal = SIGKILL},
              deadline_scaled(60000));
    free(postgres);
    free(url);
    free(redis);
    free(script);
}

// What other tests have left behind is not to be sent again.
static void end_all_rows(void) {
    WAIT_FOR(20000, stack_redis_int(stack, "XLEN events:" OF_ORDER) == 0);
    stack_sql(stack,
              "WITH ended AS (UPDATE deliveries SET status = 'failed', final = true WHERE NOT final RETURNING 1) "
              "SELECT count(*) FROM ended");
}

START_TEST(a_lost_message_is_sent_again_and_those_that_waited_for_it_go_by_the_clock) {
    char *to = new_recipient();
    end_all_rows();
    char *lost = send_one(to, 1), *second = send_one(to, 2), *third = send_one(to, 3);
    WAIT_FOR(20000, message_is(stack, lost, "queued") && message_is(stack, third, "held"));
    lose_token(lost);
    reconcile();
    ck_assert_int_eq(stack_redis_int(stack, "XLEN outbound:" OF_ORDER), 1); // it alone
    ck_assert_int_eq(held(), 2);
    reconcile();
    ck_assert_int_eq(stack_redis_int(stack, "XLEN outbound:" OF_ORDER), 1);
    start_dispatcher("dispatcher-1", "ORDER_MAX_WAIT_SECS=1", NULL);
    assert_in_order(to, 3);
    WAIT_FOR(20000, is_over());
    ck_assert_int_eq(released(), 1); // the third had its turn from the second
    ck_assert_uint_eq(stand_in_calls(provider, to, 0), 3);
    WAIT_FOR(20000, message_is(stack, lost, "sent") && message_is(stack, second, "sent"));
    free(lost);
    free(second);
    free(third);
    free(to);
}
END_TEST

static void assert_sent_late(const char *id) {
    WAIT_FOR(20000, message_is(stack, id, "sent"));
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dispatch_attempts WHERE message_id = '%s' AND late", id),
                     1);
}

// The first dispatcher has a success which it can't settle; the second has taken the message over, and it fails.
START_TEST(a_late_success_lets_the_next_go) {
    char *to = new_recipient();
    char *url = xasprintf("REDIS_URL=redis://apart:secret@127.0.0.1:%u", stack_port(stack, "redis"));
    freeReplyObject(stack_redis(stack, "ACL SETUSER apart on >secret ~* &* +@all"));
    stand_in_rule(provider, to, 1, STAND_IN_FAILS, 0);
    stand_in_rule(provider, to, 1, STAND_IN_KEEPS, 1);
    stack_start_with(stack, "dispatcher-1",
                     (const char *const[]){stand_in_url(provider), url, "PROVIDER_TIMEOUT_MS=10000",
                                           "API_WORKER_CLAIM_TIMEOUT_SECS=22", NULL});
    char *first = send_one(to, 1);
    send_some(to, 2, 3);
    WAIT_FOR(20000, stand_in_calls(provider, to, 1) == 1);
    freeReplyObject(stack_redis(stack, "ACL SETUSER apart off"));
    freeReplyObject(stack_redis(stack, "CLIENT KILL USER apart"));
    stand_in_release(provider);
    start_dispatcher("dispatcher-2", NULL, NULL);
    WAIT_FOR(4 * CLAIM_MS, stand_in_calls(provider, to, 1) >= 3);
    ck_assert_uint_eq(stand_in_messages(provider, to), 1);
    freeReplyObject(stack_redis(stack, "ACL SETUSER apart on"));
    assert_in_order(to, 3);
    stand_in_forget_rules(provider); // where it was under way at the second, that one goes on with it
    WAIT_FOR(20000, is_over());
    ck_assert_int_eq(released(), 0);
    assert_sent_late(first);
    free(first);
    free(url);
    free(to);
}
END_TEST

// ---- What ends a turn without a call

START_TEST(a_receipt_of_the_one_that_has_the_turn_lets_the_next_go) {
    char *to = new_recipient();
    stand_in_rule(provider, to, 1, STAND_IN_FAILS, 0);
    start_dispatcher("dispatcher-1", NULL, NULL);
    char *first = send_one(to, 1);
    send_some(to, 2, 3);
    WAIT_FOR(20000, stand_in_calls(provider, to, 1) >= 2);
    char *path = xasprintf("/api/webhooks/sms/status?message_id=%s&partition=0", first);
    char *form = xasprintf("MessageSid=SM0123456789abcdef0123456789abcdef&MessageStatus=delivered&From=%%2B12016661234"
                           "&To=%%2B%s",
                           to + 1);
    struct answer *answer = stack_call(stack, "ingest-1", "POST", path, form,
                                       (const char *const[]){"Content-Type: application/x-www-form-urlencoded", NULL});
    ck_assert_int_eq(answer->status, 204);
    WAIT_FOR(20000, stand_in_messages(provider, to) == 3);
    assert_called(to, "1 2 3");
    WAIT_FOR(20000, is_over());
    ck_assert_int_eq(released(), 0);
    answer_free(answer);
    free(form);
    free(path);
    free(first);
    free(to);
}
END_TEST

START_TEST(those_that_are_past_their_deadline_fail_in_their_turn) {
    enum { DEADLINE_MS = 2000 };
    char *to = new_recipient();
    char *first = send_one(to, 1), *second = send_one(to, 2), *third = send_one(to, 3);
    int64_t sent_ms = redis_now_ms(stack);
    WAIT_FOR(20000, redis_now_ms(stack) - sent_ms > DEADLINE_MS);
    start_dispatcher("dispatcher-1", "API_WORKER_DEADLINE_SECS=2", NULL);
    WAIT_FOR(20000,
             has_failed_by(first, "expired") && has_failed_by(second, "expired") && has_failed_by(third, "expired"));
    send_some(to, 4, 5);
    WAIT_FOR(20000, stand_in_messages(provider, to) == 2);
    assert_called(to, "4 5");
    WAIT_FOR(20000, is_over());
    ck_assert_int_eq(released(), 0);
    free(first);
    free(second);
    free(third);
    free(to);
}
END_TEST

// "<v> <place> <gen> <call> <spent> <at> <conversation> <payload>"
static void spoil_held(const char *id, bool token_too) {
    redisReply *was = stack_redis(stack, "HGET held:" OF_ORDER " %s:0", id);
    char *packed = xstrdup(reply_text(was, 0)), *payload = strchr(packed, '{');
    ck_assert_ptr_nonnull(payload);
    snprintf(payload, strlen(payload) + 1, "{\"a");
    freeReplyObject(stack_redis(stack, "HSET held:" OF_ORDER " %s:0 %s", id, token_too ? "spoilt" : packed));
    freeReplyObject(was);
    free(packed);
}

START_TEST(those_that_can_not_be_read_fail_in_their_turn) {
    char *to = new_recipient();
    stand_in_rule(provider, to, 1, STAND_IN_FAILS, 0);
    stack_allow_error(stack, "entry_poison");
    start_dispatcher("dispatcher-1", NULL, NULL);
    char *first = send_one(to, 1), *second = send_one(to, 2), *third = send_one(to, 3);
    send_some(to, 4, 4);
    WAIT_FOR(20000, held() == 3);
    spoil_held(second, false);
    spoil_held(third, true);
    stand_in_forget_rules(provider);
    WAIT_FOR(20000, stand_in_messages(provider, to) == 2);
    assert_called(to, "1 4");
    WAIT_FOR(20000, is_over());
    WAIT_FOR(20000, message_is(stack, second, "failed") && message_is(stack, third, "failed"));
    ck_assert_int_eq(released(), 0);
    free(first);
    free(second);
    free(third);
    free(to);
}
END_TEST

static void says(const char *from, const char *body) {
    char *payload = payload_sms_webhook(from, OURS, body, body);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", PATH_SMS_WEBHOOK, payload), 202);
    free(payload);
}

START_TEST(who_opts_out_is_sent_nothing_of_what_waits_and_what_comes_later_goes) {
    char *to = new_recipient();
    stand_in_rule(provider, to, 1, STAND_IN_FAILS, 0);
    start_dispatcher("dispatcher-1", NULL, NULL);
    char *first = send_one(to, 1), *second = send_one(to, 2), *third = send_one(to, 3);
    WAIT_FOR(20000, stand_in_calls(provider, to, 1) >= 2);
    says(to, "STOP");
    WAIT_FOR(20000, has_failed_by(first, "opted_out") && has_failed_by(second, "opted_out") &&
                        has_failed_by(third, "opted_out"));
    WAIT_FOR(20000, is_over());
    says(to, "START");
    stand_in_forget_rules(provider);
    send_some(to, 4, 5);
    WAIT_FOR(20000, stand_in_messages(provider, to) == 3);
    assert_called(to, "1 4 5");
    ck_assert_int_eq(released(), 0);
    free(first);
    free(second);
    free(third);
    free(to);
}
END_TEST

// Of one that waits; false where it may be under way, or isn't recorded yet.
static bool cancel(const char *id) {
    char *path = xasprintf("/api/messages/%s", id);
    long status = stack_status(stack, "ingest-1", "DELETE", path, NULL);
    ck_assert_msg(status == 202 || status == 409 || status == 503, "%ld", status);
    free(path);
    return status == 202;
}

START_TEST(who_is_cancelled_gives_its_turn_on_and_who_waits_leaves_no_gap) {
    char *to = new_recipient();
    stand_in_rule(provider, to, 1, STAND_IN_FAILS, 0);
    start_dispatcher("dispatcher-1", NULL, NULL);
    char *first = send_one(to, 1), *second = send_one(to, 2), *third = send_one(to, 3);
    send_some(to, 4, 5);
    WAIT_FOR(20000, stand_in_calls(provider, to, 1) >= 2);
    WAIT_FOR(20000, cancel(third));
    WAIT_FOR(20000, cancel(first)); // between two calls
    unsigned calls = stand_in_calls(provider, to, 1);
    WAIT_FOR(20000, stand_in_messages(provider, to) == 4);
    assert_called(to, "1 2 4 5");
    WAIT_FOR(20000, is_over());
    WAIT_FOR(20000, message_is(stack, first, "cancelled") && message_is(stack, third, "cancelled") &&
                        message_is(stack, second, "sent"));
    ck_assert_uint_eq(stand_in_calls(provider, to, 1), calls);
    ck_assert_int_eq(released(), 0);
    free(first);
    free(second);
    free(third);
    free(to);
}
END_TEST

START_TEST(a_batch_to_one_conversation_goes_in_its_order) {
    enum { MESSAGES = 30 };
    char *to = new_recipient();
    struct buf list = {0};
    for (unsigned number = 1; number <= MESSAGES; number++) {
        char *body = xasprintf("%u", number), *payload = payload_sms(OURS, to, body);
        buf_printf(&list, "%s%s", number == 1 ? "{\"messages\":[" : ",", payload);
        free(payload);
        free(body);
    }
    buf_puts(&list, "]}");
    stand_in_rule(provider, to, 1, STAND_IN_FAILS, 2);
    stand_in_rule(provider, to, 17, STAND_IN_FAILS, 1);
    start_dispatcher("dispatcher-1", NULL, NULL);
    start_dispatcher("dispatcher-2", NULL, NULL);
    struct answer *answer = stack_call(stack, "ingest-1", "POST", "/api/messages/batch", list.data, NULL);
    ck_assert_msg(answer->status / 100 == 2, "%ld: %s", answer->status, answer->body);
    assert_all_in_order(to, MESSAGES);
    answer_free(answer);
    buf_free(&list);
    free(to);
}
END_TEST

START_TEST(a_replay_takes_no_turn_and_gives_none_on) {
    char *to = new_recipient();
    stand_in_rule(provider, to, 1, STAND_IN_REJECTS, 1);
    stand_in_rule(provider, to, 2, STAND_IN_FAILS, 0);
    start_dispatcher("dispatcher-1", NULL, NULL);
    char *first = send_one(to, 1);
    send_some(to, 2, 3);
    WAIT_FOR(20000, message_is(stack, first, "failed") && stand_in_calls(provider, to, 2) >= 2);
    int64_t letter = stack_sql(stack, "SELECT id FROM dead_letters WHERE message_id = '%s'", first);
    char *path = xasprintf("/api/dead-letters/%lld/replay", (long long)letter);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", path, NULL), 202);
    WAIT_FOR(20000, message_is(stack, first, "sent"));
    unsigned calls = stand_in_calls(provider, to, 2);
    WAIT_FOR(20000, stand_in_calls(provider, to, 2) >= calls + 3);
    assert_called(to, "1 2");
    stand_in_forget_rules(provider);
    assert_all_in_order(to, 3);
    free(path);
    free(first);
    free(to);
}
END_TEST

// ---- What is to be sent later

static int64_t begun(void) {
    return stack_redis_int(stack, "EVAL %s 0",
                           "return tonumber(redis.call('HGET', 'metrics', 'scheduled_begun') or 0)");
}

// So many seconds from now, by Redis's clock.
static char *send_later(const char *to, unsigned number, int seconds) {
    char when[RFC3339_SIZE];
    rfc3339_format(redis_now_ms(stack) + seconds * 1000, when);
    char *payload = xasprintf("{\"from\":\"" OURS "\",\"to\":\"%s\",\"type\":\"sms\",\"body\":\"%u\",\"timestamp\":"
                              "\"2024-11-01T14:00:00Z\",\"send_at\":\"%s\"}",
                              to, number, when);
    return send_accepted(stack, "ingest-1", PATH_SMS, payload);
}

START_TEST(what_is_sent_later_holds_up_nobody_and_takes_its_place_when_its_time_has_come) {
    char *to = new_recipient();
    int64_t before = begun();
    start_dispatcher("dispatcher-1", NULL, NULL);
    char *later = send_later(to, 3, 3);
    send_some(to, 1, 1);
    WAIT_FOR(20000, stand_in_messages(provider, to) == 1 && message_is(stack, later, "scheduled"));
    stand_in_rule(provider, to, 2, STAND_IN_FAILS, 0);
    send_some(to, 2, 2);
    WAIT_FOR(20000, held() == 1); // its time has come, and it waits for its turn
    ck_assert_uint_eq(stand_in_messages(provider, to), 2);
    send_some(to, 4, 4);
    WAIT_FOR(5000, begun() == before + 1);
    stand_in_forget_rules(provider);
    assert_all_in_order(to, 4);
    free(later);
    free(to);
}
END_TEST

// ---- The clock

START_TEST(one_that_keeps_failing_is_passed_after_the_longest_wait_by_exactly_one) {
    char *to = new_recipient();
    stand_in_rule(provider, to, 1, STAND_IN_FAILS, 0);
    start_dispatcher("dispatcher-1", "ORDER_MAX_WAIT_SECS=1", NULL);
    char *first = send_one(to, 1), *second = send_one(to, 2);
    send_some(to, 3, 5);
    WAIT_FOR(20000, stand_in_messages(provider, to) == 5);
    assert_called(to, "1 2 3 4 5");
    WAIT_FOR(20000, held() == 0);
    ck_assert_int_eq(released(), 1); // the others had their turns from it
    ck_assert_int_ge(open_ms(), 1000);
    char *had = xasprintf("\"had\":\"%s:0\",\"has\":\"%s:0\"", first, second);
    ck_assert_int_eq(stack_log_about(stack, "dispatcher-1", "turn_released", had), 1);
    stand_in_forget_rules(provider);
    WAIT_FOR(20000, message_is(stack, first, "sent") && is_over());
    free(had);
    free(first);
    free(second);
    free(to);
}
END_TEST

START_TEST(each_that_keeps_failing_is_passed_in_its_turn_and_the_releases_are_counted) {
    int64_t before =
        stack_redis_int(stack, "EVAL %s 0", "return tonumber(redis.call('HGET', 'metrics', 'order_released') or 0)");
    char *to = new_recipient();
    stand_in_rule(provider, to, 0, STAND_IN_FAILS, 0);
    start_dispatcher("dispatcher-1", "ORDER_MAX_WAIT_SECS=1", NULL);
    start_dispatcher("dispatcher-2", "ORDER_MAX_WAIT_SECS=1", NULL);
    send_some(to, 1, 4);
    WAIT_FOR(30000, stand_in_messages(provider, to) == 4);
    assert_called(to, "1 2 3 4");
    WAIT_FOR(5000, released() == 3);
    ck_assert_int_ge(open_ms(), 3000); // each after its own wait
    WAIT_FOR(5000,
             stack_redis_int(stack, "EVAL %s 0",
                             "return tonumber(redis.call('HGET', 'metrics', 'order_released') or 0)") == before + 3);
    stand_in_forget_rules(provider);
    WAIT_FOR(20000, is_over());
    free(to);
}
END_TEST

START_TEST(nobody_is_released_while_the_breaker_is_open) {
    char *to = new_recipient();
    stand_in_rule(provider, to, 0, STAND_IN_FAILS, 0);
    stack_start_with(stack, "dispatcher-1",
                     (const char *const[]){stand_in_url(provider), "ORDER_MAX_WAIT_SECS=1",
                                           "API_BREAKER_ERROR_THRESHOLD=1", "API_BREAKER_OPEN_SECS=1",
                                           "API_BREAKER_PROBES=1", NULL});
    send_some(to, 1, 4);
    WAIT_FOR(60000, breaker_number(stack, "sms-mms", "transitions") >= 11); // half-open and open again five times
    ck_assert_int_eq(released(), 0);
    ck_assert_uint_eq(stand_in_messages(provider, to), 1);
    ck_assert_int_eq(held(), 3);
    ck_assert_int_lt(open_ms(), 1000);
    stand_in_forget_rules(provider);
    assert_all_in_order(to, 4);
    free(to);
}
END_TEST

START_TEST(nobody_is_released_while_the_provider_is_stopped_by_hand_or_paused) {
    static const char *const stops[] = {"HSET breaker:{sms-mms} mode open",
                                        "HSET breaker:{sms-mms} mode auto paused %lld"};
    char *to = new_recipient();
    stand_in_rule(provider, to, 1, STAND_IN_FAILS, 0);
    start_dispatcher("dispatcher-1", "ORDER_MAX_WAIT_SECS=3", NULL);
    send_some(to, 1, 3);
    WAIT_FOR(20000, stand_in_calls(provider, to, 1) >= 2 && held() == 2);
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        int64_t began_ms = redis_now_ms(stack);
        freeReplyObject(stack_redis(stack, stops[i], (long long)began_ms + 100000));
        WAIT_FOR(20000, redis_now_ms(stack) - began_ms >= 5000);
        ck_assert_int_eq(released(), 0);
        ck_assert_uint_eq(stand_in_messages(provider, to), 1);
    }
    freeReplyObject(stack_redis(stack, "HDEL breaker:{sms-mms} mode paused"));
    WAIT_FOR(30000, stand_in_messages(provider, to) == 3); // the clock goes on
    ck_assert_int_eq(released(), 1);
    stand_in_forget_rules(provider);
    WAIT_FOR(20000, is_over());
    free(to);
}
END_TEST

START_TEST(nobody_is_released_while_the_sender_is_held) {
    char *to = new_recipient(), *other = new_recipient();
    const char *from = "+12016669999";
    stand_in_rule(provider, to, 0, STAND_IN_REFUSES, 0);
    stand_in_rule(provider, other, 0, STAND_IN_REFUSES, 0);
    stack_start_with(stack, "dispatcher-1",
                     (const char *const[]){stand_in_url(provider), "ORDER_MAX_WAIT_SECS=1",
                                           "API_SENDER_HOLD_MESSAGES=2", "API_SENDER_HOLD_SECS=2", NULL});
    for (unsigned number = 1; number <= 3; number++) {
        free(send_from("ingest-1", from, to, number));
        free(send_from("ingest-1", from, other, number));
    }
    WAIT_FOR(20000, stack_redis_int(stack, "HLEN held-senders:" OF_ORDER) == 1);
    int64_t since = open_ms();
    WAIT_FOR(60000, open_ms() >= since + 5000);
    ck_assert_int_eq(released(), 0);
    ck_assert_uint_eq(stand_in_messages(provider, to), 1);
    ck_assert_uint_eq(stand_in_messages(provider, other), 1);
    ck_assert_int_eq(held(), 4);
    stand_in_forget_rules(provider); // from now on the clock lets go as ever
    WAIT_FOR(20000, stand_in_messages(provider, to) == 3 && stand_in_messages(provider, other) == 3);
    assert_called(to, "1 2 3");
    assert_called(other, "1 2 3");
    WAIT_FOR(20000, is_over());
    free(other);
    free(to);
}
END_TEST

// ---- An older release beside this one

// Nobody takes anything out while it is asked.
static bool becomes_ordered(void) {
    forget_all();
    bool is = is_ordered();
    forget_all();
    return is;
}

// Nobody is called meanwhile: the first of each conversation has its turn, and the others wait behind it.
static void assert_holds_from_its_first_send_on(const char *ingest) {
    char *to = new_recipient();
    for (unsigned number = 1; number <= 3; number++) {
        free(send_from(ingest, OURS, to, number));
    }
    ck_assert_int_eq(held(), 2);
    forget_all();
    free(to);
}

START_TEST(an_ingest_that_has_just_started_beside_others_gives_turns_from_its_first_send_on) {
    stack_start(stack, "dispatcher-1");
    stack_start(stack, "ingest-2");
    WAIT_FOR(SETTLED_MS, stack_redis_int(stack, "ZCARD formats") >= 4);
    stack_stop(stack, "dispatcher-1"); // what it has agreed on with others is known
    for (int i = 0; i < 3; i++) {
        stack_kill(stack, "ingest-2");
        stack_start(stack, "ingest-2");
        assert_holds_from_its_first_send_on("ingest-2");
    }
    stack_stop(stack, "ingest-2");
}
END_TEST

START_TEST(when_redis_comes_again_turns_are_given_from_the_first_send_on) {
    stack_kill(stack, "redis");
    WAIT_FOR(10000, stack_status(stack, "ingest-1", "GET", "/readyz", NULL) == 503);
    stack_start(stack, "redis");
    WAIT_FOR(10000, stack_status(stack, "ingest-1", "GET", "/readyz", NULL) == 200);
    assert_holds_from_its_first_send_on("ingest-1");
}
END_TEST

START_TEST(beside_a_program_of_an_older_release_nobody_waits_and_later_the_order_is_there_again) {
    char *meanwhile = new_recipient(), *later = new_recipient();
    int said = stack_log_count(stack, "ingest-1", "older_release");
    int gone = stack_log_count(stack, "ingest-1", "older_release_gone");
    stand_in_rule(provider, meanwhile, 1, STAND_IN_FAILS, 3);
    stand_in_rule(provider, later, 1, STAND_IN_FAILS, 3);
    freeReplyObject(stack_redis(stack, "EVAL %s 0",
                                "redis.call('ZADD', 'processes', redis.call('TIME')[1] * 1000, 'dispatcher:older')"));
    WAIT_FOR(5000, !becomes_ordered());
    send_some(meanwhile, 1, 3);
    WAIT_FOR(5000, stack_log_count(stack, "ingest-1", "older_release") == said + 1);
    start_dispatcher("dispatcher-1", NULL, NULL);
    WAIT_FOR(20000, stand_in_messages(provider, meanwhile) == 3 && stack_is_drained(stack));
    ck_assert_uint_eq(stand_in_overtaking(provider, meanwhile), 2);
    stack_stop(stack, "dispatcher-1");
    freeReplyObject(stack_redis(stack, "ZREM processes dispatcher:older"));
    WAIT_FOR(SETTLED_MS, becomes_ordered());
    ck_assert_int_eq(stack_log_count(stack, "ingest-1", "older_release_gone"), gone + 1);
    send_some(later, 1, 3);
    start_dispatcher("dispatcher-1", NULL, NULL);
    assert_all_in_order(later, 3);
    free(later);
    free(meanwhile);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_order(void);

Suite *suite_order(void) {
    Suite *suite = suite_create("order");
    TCase *tests = tcase_create("order");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, a_message_that_fails_twice_holds_the_next_ones_until_it_is_through);
    tcase_add_test(tests, one_that_fails_for_good_lets_the_next_go);
    tcase_add_test(tests, a_message_that_waits_is_held_and_says_so);
    tcase_add_test(tests, without_order_the_next_ones_pass);
    tcase_add_test(tests, two_dispatchers_keep_the_order_of_many_conversations);
    tcase_add_test(tests, one_bad_recipient_keeps_nobody_else_waiting);
    tcase_add_test(tests, messages_of_other_channels_and_senders_do_not_wait_for_each_other);
    tcase_add_test(tests, what_a_dispatcher_died_with_is_called_again_before_the_next);
    tcase_add_test(tests, dispatchers_that_die_and_come_again_keep_the_order);
    tcase_add_test(tests, redis_is_killed_and_the_order_is_there_when_it_comes_again);
    tcase_add_test(tests, a_lost_message_is_sent_again_and_those_that_waited_for_it_go_by_the_clock);
    tcase_add_test(tests, a_late_success_lets_the_next_go);
    tcase_add_test(tests, a_receipt_of_the_one_that_has_the_turn_lets_the_next_go);
    tcase_add_test(tests, those_that_are_past_their_deadline_fail_in_their_turn);
    tcase_add_test(tests, those_that_can_not_be_read_fail_in_their_turn);
    tcase_add_test(tests, who_opts_out_is_sent_nothing_of_what_waits_and_what_comes_later_goes);
    tcase_add_test(tests, who_is_cancelled_gives_its_turn_on_and_who_waits_leaves_no_gap);
    tcase_add_test(tests, a_batch_to_one_conversation_goes_in_its_order);
    tcase_add_test(tests, a_replay_takes_no_turn_and_gives_none_on);
    tcase_add_test(tests, what_is_sent_later_holds_up_nobody_and_takes_its_place_when_its_time_has_come);
    tcase_add_test(tests, one_that_keeps_failing_is_passed_after_the_longest_wait_by_exactly_one);
    tcase_add_test(tests, each_that_keeps_failing_is_passed_in_its_turn_and_the_releases_are_counted);
    tcase_add_test(tests, nobody_is_released_while_the_breaker_is_open);
    tcase_add_test(tests, nobody_is_released_while_the_provider_is_stopped_by_hand_or_paused);
    tcase_add_test(tests, nobody_is_released_while_the_sender_is_held);
    tcase_add_test(tests, an_ingest_that_has_just_started_beside_others_gives_turns_from_its_first_send_on);
    tcase_add_test(tests, when_redis_comes_again_turns_are_given_from_the_first_send_on);
    tcase_add_test(tests, beside_a_program_of_an_older_release_nobody_waits_and_later_the_order_is_there_again);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
