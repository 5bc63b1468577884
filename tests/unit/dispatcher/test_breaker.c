// SPDX-License-Identifier: MIT
// The dispatcher's side of a breaker, with a Redis of the test's own behind it.

#include "dispatcher/breaker.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/redis/counters.h"
#include "shared/redis/link.h"
#include "tests/support/private_redis.h"
#include "tests/support/wait.h"

Suite *suite_dispatcher_breaker(void);

static const struct settings settings = {.provider_timeout_ms = 1000,
                                         .breaker_error_threshold = 2,
                                         .breaker_open_secs = 60,
                                         .breaker_probes = 3,
                                         .breaker_held_senders = 3,
                                         .provider_max_pause_secs = 300};

static uv_loop_t loop;
static struct private_redis *redis;
static struct dispatch_env env;
static struct breaker *breaker;
static struct grant granted;
static int64_t waits_ms;
static int answers;

static void on_up(void *argument) {
    (void)argument;
}

static void on_closed(void *argument) {
    (void)argument;
}

static void on_open(void *argument) {
    (void)argument;
}

static void setup(void) {
    uv_loop_init(&loop);
    redis = private_redis_start(NULL);
    env = (struct dispatch_env){.loop = &loop, .settings = &settings, .me = "test"};
    env.link = redis_link_create(
        &loop, &(struct redis_link_options){
                   .url = private_redis_url(redis), .name = "test", .timeout_ms = 2000, .on_up = on_up});
    env.counters = counters_create(&loop, env.link);
    breaker = breaker_create(
        &env, &(struct breaker_options){.provider = PROVIDER_EMAIL, .on_closed = on_closed, .on_open = on_open});
    answers = 0;
    RUN_UNTIL(&loop, 5000, redis_link_is_up(env.link));
}

static void teardown(void) {
    counters_destroy(env.counters);
    redis_link_destroy(env.link);
    breaker_destroy(breaker);
    wait_closed(&loop);
    private_redis_destroy(redis);
}

static void on_answer(void *argument, struct grant grant, int64_t wait_ms) {
    (void)argument;
    granted = grant;
    waits_ms = wait_ms;
    answers++;
}

static void ask(void) {
    ck_assert_int_eq(breaker_ask(breaker, 5, on_answer, NULL), 0);
}

static enum grant_kind answer(void) {
    int before = answers;
    ask();
    RUN_UNTIL(&loop, 5000, answers > before);
    return granted.kind;
}

START_TEST(a_go_serves_whoever_asks_just_after) {
    ck_assert_int_eq(answer(), GRANT_GO);
    ck_assert(breaker_grant_is_good(breaker, &granted, 0));
    private_redis_freeze(redis); // it isn't asked again
    ask();
    ck_assert_int_eq(answers, 2);
    ck_assert_int_eq(granted.kind, GRANT_GO);
    private_redis_thaw(redis);
}
END_TEST

START_TEST(a_go_is_void_once_a_call_has_come_back_with_what_stops_the_others) {
    ck_assert_int_eq(answer(), GRANT_GO);
    breaker_forget_go(breaker);
    ck_assert(!breaker_grant_is_good(breaker, &granted, 0));
}
END_TEST

START_TEST(a_go_that_is_on_its_way_meanwhile_is_void_as_well) {
    ask();
    breaker_forget_go(breaker);
    RUN_UNTIL(&loop, 5000, answers == 1);
    ck_assert_int_eq(granted.kind, GRANT_NONE);
    ck_assert_int_gt(waits_ms, 0);
    ck_assert_int_eq(answer(), GRANT_GO);
}
END_TEST

START_TEST(one_that_was_asked_for_just_before_the_pause_was_recorded_is_void) {
    ask();
    breaker_record(breaker, &(struct breaker_result){"0", "", BREAKER_NONE, "rate_limited", 1, 60000, 0, NULL});
    RUN_UNTIL(&loop, 5000, answers == 1);
    ck_assert_int_eq(granted.kind, GRANT_NONE);
    ck_assert_int_eq(answer(), GRANT_NONE); // the pause
    ck_assert_int_le(waits_ms, 1000);       // an operator may lift it
}
END_TEST

START_TEST(failures_open_it_for_all_and_a_lost_reply_grants_nothing) {
    ck_assert_int_eq(answer(), GRANT_GO);
    breaker_record(breaker, &(struct breaker_result){granted.epoch, "", BREAKER_FAIL, "server_error", 2, 0, 0, NULL});
    breaker_forget_go(breaker);
    ck_assert_int_eq(answer(), GRANT_NONE);
    private_redis_freeze(redis);
    ask();
    private_redis_kill(redis);
    RUN_UNTIL(&loop, 5000, answers == 3);
    ck_assert_int_eq(granted.kind, GRANT_NONE);
    ck_assert_int_eq(breaker_ask(breaker, 1, on_answer, NULL), -1);
    private_redis_restart(redis);
}
END_TEST

Suite *suite_dispatcher_breaker(void) {
    Suite *suite = suite_create("dispatcher_breaker");
    TCase *tests = tcase_create("dispatcher_breaker");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_go_serves_whoever_asks_just_after);
    tcase_add_test(tests, a_go_is_void_once_a_call_has_come_back_with_what_stops_the_others);
    tcase_add_test(tests, a_go_that_is_on_its_way_meanwhile_is_void_as_well);
    tcase_add_test(tests, one_that_was_asked_for_just_before_the_pause_was_recorded_is_void);
    tcase_add_test(tests, failures_open_it_for_all_and_a_lost_reply_grants_nothing);
    suite_add_tcase(suite, tests);
    return suite;
}
