// SPDX-License-Identifier: MIT
#include "shared/counters.h"

#include <check.h>
#include <stdlib.h>

#include "tests/support/private_redis.h"
#include "tests/support/wait.h"

static uv_loop_t loop;
static struct private_redis *redis;
static struct redis_link *server_link;
static struct counters *counters;

static void on_up(void *argument) {
    (void)argument;
}

static void setup(void) {
    redis = private_redis_start(NULL);
    uv_loop_init(&loop);
    const struct redis_link_options options = {
        .url = private_redis_url(redis), .name = "counters", .timeout_ms = 1000, .on_up = on_up};
    server_link = redis_link_create(&loop, &options);
    counters = counters_create(&loop, server_link);
}

static void teardown(void) {
    counters_destroy(counters);
    redis_link_destroy(server_link);
    wait_closed(&loop);
    private_redis_destroy(redis);
}

static long stored(enum counter counter) {
    redisReply *reply = private_redis_command(redis, "HGET metrics %s", counter_name(counter));
    long value = reply->type == REDIS_REPLY_STRING ? strtol(reply->str, NULL, 10) : 0;
    freeReplyObject(reply);
    return value;
}

START_TEST(every_counter_has_a_name_and_a_help_line) {
    ck_assert_str_eq(counter_name(COUNTER_RATE_LIMITED), "rate_limited");
    ck_assert_str_eq(counter_name(COUNTER_CONVERSATIONS_REUSED), "conversations_reused");
    for (int i = 0; i < COUNTER_COUNT; i++)
        ck_assert_str_ne(counter_help((enum counter)i), "");
}
END_TEST

START_TEST(what_was_added_arrives_once) {
    counters_add(counters, COUNTER_DISPATCH_ATTEMPTS, 3);
    counters_add(counters, COUNTER_DISPATCH_ATTEMPTS, 4);
    counters_add(counters, COUNTER_WORKER_ERROR, 1);
    RUN_UNTIL(&loop, 5000, stored(COUNTER_DISPATCH_ATTEMPTS) == 7 && stored(COUNTER_WORKER_ERROR) == 1);
    run_for(&loop, 500);
    ck_assert_int_eq(stored(COUNTER_DISPATCH_ATTEMPTS), 7);
}
END_TEST

START_TEST(a_flush_sends_without_waiting_for_the_timer) {
    RUN_UNTIL(&loop, 5000, redis_link_is_up(server_link));
    counters_add(counters, COUNTER_WORKER_PROCESSED, 5);
    counters_flush(counters);
    RUN_UNTIL(&loop, 5000, stored(COUNTER_WORKER_PROCESSED) == 5);
}
END_TEST

START_TEST(what_could_not_be_sent_waits_for_redis) {
    RUN_UNTIL(&loop, 5000, redis_link_is_up(server_link));
    private_redis_kill(redis);
    RUN_UNTIL(&loop, 5000, !redis_link_is_up(server_link));
    counters_add(counters, COUNTER_BREAKER_OPEN, 2);
    run_for(&loop, 300);
    private_redis_restart(redis);
    RUN_UNTIL(&loop, 10000, stored(COUNTER_BREAKER_OPEN) == 2);
}
END_TEST

START_TEST(what_redis_refused_is_sent_again) {
    RUN_UNTIL(&loop, 5000, redis_link_is_up(server_link));
    private_redis_do(redis, "SET metrics wrong-type");
    counters_add(counters, COUNTER_BREAKER_OPEN, 2);
    run_for(&loop, 300);
    private_redis_do(redis, "DEL metrics");
    RUN_UNTIL(&loop, 5000, stored(COUNTER_BREAKER_OPEN) == 2);
}
END_TEST

Suite *suite_counters(void);

Suite *suite_counters(void) {
    Suite *suite = suite_create("counters");
    TCase *tcase = tcase_create("counters");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, every_counter_has_a_name_and_a_help_line);
    tcase_add_test(tcase, what_was_added_arrives_once);
    tcase_add_test(tcase, a_flush_sends_without_waiting_for_the_timer);
    tcase_add_test(tcase, what_could_not_be_sent_waits_for_redis);
    tcase_add_test(tcase, what_redis_refused_is_sent_again);
    suite_add_tcase(suite, tcase);
    return suite;
}
