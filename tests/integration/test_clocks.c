// SPDX-License-Identifier: MIT
// Redis's clock is wrong, and is put right (clock.so): by a quarter of an hour or 400 days, either way. What goes on
// goes on, and nothing waits for longer than it would have.

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/delivery.h"
#include "tests/support/other_clock.h"
#include "tests/support/payload.h"
#include "tests/support/stack.h"

#define MINUTE_MS 60000LL
#define DAY_MS (24 * 60 * MINUTE_MS)
#define MOCK_FAILS "{\"timeout_pct\":0,\"error_pct\":100,\"ratelimit_pct\":0}"
#define MOCK_IS_SLOW "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"latency_ms\":600}"

#define WAITS_LONG                                                                                                     \
    (const char *const[]) {                                                                                            \
        "API_WORKER_BACKOFF_BASE_MS=2000", "API_WORKER_BACKOFF_CAP_MS=2000", NULL                                      \
    }

static const int64_t shifts_ms[] = {15 * MINUTE_MS, 400 * DAY_MS, -15 * MINUTE_MS, -400 * DAY_MS};
enum { SHIFTS = sizeof shifts_ms / sizeof *shifts_ms, SHIFTS_AHEAD = 2 };

static struct stack *stack;
static struct other_clock *clock_of_redis;

static void set_clock(int64_t shift_ms) {
    other_clock_set(clock_of_redis, shift_ms);
}

static void start(void) {
    static const char *const programs[] = {"API_BREAKER_ERROR_THRESHOLD=100000", NULL};
    stack = stack_create("clocks", programs);
    clock_of_redis = other_clock_create(stack, "shift");
    other_clock_of_redis(clock_of_redis, stack);
    stack_start_all(stack);
}

static void end(void) {
    stack_destroy(stack);
    other_clock_destroy(clock_of_redis);
}

static void recover(void) {
    set_clock(0);
    delivery_recover(stack);
}

static bool send_is_taken(unsigned sender) {
    char *from = xasprintf("+1555%07u", sender), *payload = payload_sms(from, "+16660000000", "text");
    bool taken = stack_status(stack, "ingest-1", "POST", PATH_SMS, payload) == 202;
    free(payload);
    free(from);
    return taken;
}

START_TEST(redis_has_the_time_that_it_is_given) {
    int64_t right_ms = redis_now_ms(stack);
    set_clock(shifts_ms[_i]);
    ck_assert_int_lt(llabs(redis_now_ms(stack) - right_ms - shifts_ms[_i]), 60000);
}
END_TEST

START_TEST(sends_are_taken_and_delivered_while_the_clock_jumps) {
    stack_start(stack, "dispatcher-1");
    unsigned first = 1000 + 100 * (unsigned)_i;
    for (unsigned i = 0; i < 6; i++) {
        set_clock(i % 2 == 0 ? shifts_ms[_i] : 0);
        WAIT_FOR(10000, send_is_taken(first + i));
    }
    WAIT_FOR(20000, status_count(stack, first, "sent") == 6);
}
END_TEST

START_TEST(what_was_accepted_by_a_wrong_clock_is_not_past_its_deadline) {
    unsigned first = 2000 + 100 * (unsigned)_i;
    set_clock(shifts_ms[_i]);
    WAIT_FOR(10000, send_is_taken(first));
    set_clock(0);
    stack_start(stack, "dispatcher-1");
    WAIT_FOR(15000, status_count(stack, first, "sent") == 1);
}
END_TEST

START_TEST(what_was_parked_by_a_wrong_clock_waits_no_longer_than_any_does) {
    unsigned first = 3000 + 100 * (unsigned)_i;
    set_clock(shifts_ms[_i]);
    WAIT_FOR(10000, send_is_taken(first));
    mock_configure(stack, MOCK_FAILS);
    stack_start_with(stack, "dispatcher-1", WAITS_LONG);
    WAIT_FOR(20000, stack_redis_int(stack, "HLEN parked:{sms-mms:0}") == 1);
    stack_kill(stack, "dispatcher-1");
    mock_configure(stack, MOCK_WELL);
    set_clock(0);
    stack_start(stack, "dispatcher-1");
    WAIT_FOR(20000, status_count(stack, first, "sent") == 1);
}
END_TEST

START_TEST(what_a_dead_dispatcher_holds_by_a_wrong_clock_is_taken_over) {
    unsigned first = 4000 + 100 * (unsigned)_i;
    set_clock(shifts_ms[_i]);
    WAIT_FOR(10000, send_is_taken(first));
    mock_configure(stack, MOCK_IS_SLOW);
    stack_start(stack, "dispatcher-2");
    WAIT_FOR(10000, held_count(stack) == 1);
    stack_kill(stack, "dispatcher-2");
    ck_assert_int_eq(held_count(stack), 1);
    mock_configure(stack, MOCK_WELL);
    set_clock(0);
    stack_start(stack, "dispatcher-1");
    WAIT_FOR(30000, status_count(stack, first, "sent") == 1);
}
END_TEST

START_TEST(a_jump_of_the_clock_makes_nobody_take_what_another_works_on) {
    enum { MANY = 120, BY_NOW = 72 };
    unsigned first = 5000 + 100 * (unsigned)_i;
    send_many(stack, first, MANY);
    mock_configure(stack, MOCK_IS_SLOW);
    int64_t repeats = mock_count(stack, "sms-mms", "repeats");
    stack_start_with(stack, "dispatcher-1", (const char *const[]){"DISPATCH_MAX_IN_FLIGHT=4", NULL});
    stack_start_with(stack, "dispatcher-2", (const char *const[]){"DISPATCH_MAX_IN_FLIGHT=4", NULL});
    // Stealing begins once they have been up for a lease's time: then there must still be something to steal.
    WAIT_FOR(30000, status_count(stack, first, "sent") >= BY_NOW);
    set_clock(shifts_ms[_i]);
    WAIT_FOR(60000, status_count(stack, first, "sent") == MANY);
    ck_assert_int_eq(mock_count(stack, "sms-mms", "repeats"), repeats);
}
END_TEST

static double alive(const char *program) {
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/metrics", NULL, NULL);
    char *path = xasprintf("processes.%s", program);
    double count = answer_number(answer, path);
    free(path);
    answer_free(answer);
    return count;
}

START_TEST(who_has_died_by_a_wrong_clock_does_not_look_alive_by_the_right_one) {
    set_clock(shifts_ms[_i]);
    stack_start(stack, "persister-2");
    WAIT_FOR(10000, alive("persister") == 2);
    stack_kill(stack, "persister-2");
    set_clock(0);
    WAIT_FOR(15000, alive("persister") == 1 && alive("ingest") == 1);
}
END_TEST

START_TEST(a_key_is_remembered_for_no_longer_than_from_now_on) {
    set_clock(400 * DAY_MS);
    WAIT_FOR(10000, send_is_taken(6000));
    answer_free(send_under_key(stack, "ingest-1", PATH_SMS, "k", payload_sms("+15550006001", "+16660000000", "one")));
    set_clock(0);
    WAIT_FOR(10000, send_is_taken(6000));
    answer_free(send_under_key(stack, "ingest-1", PATH_SMS, "k", payload_sms("+15550006001", "+16660000000", "one")));
    redisReply *keys = stack_redis(stack, "KEYS idem:{sms-mms:0}:*");
    for (size_t i = 0; i < keys->elements; i++) {
        int64_t left_ms = stack_redis_int(stack, "PTTL %s", keys->element[i]->str);
        ck_assert_int_gt(left_ms, 0);
        ck_assert_int_le(left_ms, 2 * 60 * MINUTE_MS);
    }
    ck_assert_uint_gt(keys->elements, 0);
    freeReplyObject(keys);
}
END_TEST

START_TEST(all_end_in_order) {
    stack_finish(stack);
}
END_TEST

Suite *suite_clocks(void);

Suite *suite_clocks(void) {
    Suite *suite = suite_create("clocks");
    TCase *tests = tcase_create("clocks");
    tcase_set_timeout(tests, 300);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_loop_test(tests, redis_has_the_time_that_it_is_given, 0, SHIFTS);
    tcase_add_loop_test(tests, sends_are_taken_and_delivered_while_the_clock_jumps, 0, SHIFTS);
    tcase_add_loop_test(tests, what_was_accepted_by_a_wrong_clock_is_not_past_its_deadline, 0, SHIFTS);
    tcase_add_loop_test(tests, what_was_parked_by_a_wrong_clock_waits_no_longer_than_any_does, 0, SHIFTS_AHEAD);
    tcase_add_loop_test(tests, what_a_dead_dispatcher_holds_by_a_wrong_clock_is_taken_over, 0, SHIFTS_AHEAD);
    tcase_add_loop_test(tests, a_jump_of_the_clock_makes_nobody_take_what_another_works_on, 0, SHIFTS_AHEAD);
    tcase_add_loop_test(tests, who_has_died_by_a_wrong_clock_does_not_look_alive_by_the_right_one, 0, SHIFTS_AHEAD);
    tcase_add_test(tests, a_key_is_remembered_for_no_longer_than_from_now_on);
    tcase_add_test(tests, all_end_in_order);
    suite_add_tcase(suite, tests);
    return suite;
}
