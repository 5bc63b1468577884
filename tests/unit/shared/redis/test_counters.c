// SPDX-License-Identifier: MIT
#include "shared/redis/counters.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/private_redis.h"
#include "tests/support/target.h"
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
        .target = target_at(private_redis_url(redis)), .name = "counters", .timeout_ms = 1000, .on_up = on_up};
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
    for (int i = 0; i < COUNTER_FIRST_OF_PROVIDERS; i++) {
        ck_assert_str_ne(counter_help((enum counter)i), "");
    }
}
END_TEST

START_TEST(a_provider_has_each_of_its_counters_apart) {
    ck_assert_int_eq(counter_of_provider(COUNTER_BREAKER_OPEN, PROVIDER_SMS_MMS), COUNTER_SMS_MMS_BREAKER_OPEN);
    ck_assert_int_eq(counter_of_provider(COUNTER_DISPATCH_ERROR, PROVIDER_SMS_MMS), COUNTER_SMS_MMS_ERROR);
    ck_assert_int_eq(counter_of_provider(COUNTER_BREAKER_TRANSITIONS, PROVIDER_EMAIL),
                     COUNTER_EMAIL_BREAKER_TRANSITIONS);
    for (int i = COUNTER_BREAKER_OPEN; i <= COUNTER_BREAKER_TRANSITIONS; i++) {
        const char *name = counter_name(counter_of_provider((enum counter)i, PROVIDER_EMAIL));
        ck_assert_str_eq(name + strlen("email_"), counter_name((enum counter)i));
    }
}
END_TEST

START_TEST(an_amount_is_counted_for_all_and_for_its_provider) {
    counters_add_many_for(counters, COUNTER_SCHEDULED_BEGUN, PROVIDER_EMAIL, 7);
    counters_add_for(counters, COUNTER_ORDER_RELEASED, PROVIDER_SMS_MMS);
    counters_add_for(counters, COUNTER_CANCELLED, PROVIDER_SMS_MMS);
    RUN_UNTIL(&loop, 5000, stored(COUNTER_SCHEDULED_BEGUN) == 7 && stored(COUNTER_EMAIL_SCHEDULED_BEGUN) == 7);
    ck_assert_int_eq(stored(COUNTER_SMS_MMS_SCHEDULED_BEGUN), 0);
    ck_assert_int_eq(stored(COUNTER_SMS_MMS_ORDER_RELEASED), 1);
    ck_assert_int_eq(stored(COUNTER_SMS_MMS_CANCELLED), 1);
}
END_TEST

static struct counter_values read_back(void) {
    struct counter_values values;
    redisReply *reply = private_redis_command(redis, "HGETALL metrics");
    counters_read(reply, &values);
    freeReplyObject(reply);
    return values;
}

START_TEST(durations_fall_into_their_buckets_and_are_read_back) {
    counters_observe(counters, HISTOGRAM_ACCEPT, 500);        // on the bound: below or equal
    counters_observe(counters, HISTOGRAM_ACCEPT, 501);        // the next bucket
    counters_observe(counters, HISTOGRAM_ACCEPT, 4000000000); // above all
    counters_observe(counters, HISTOGRAM_DISPATCH_EMAIL, -5); // clocks that disagree
    counters_observe(counters, HISTOGRAM_WORKER_LATENCY, 900);
    counters_observe(counters, HISTOGRAM_WORKER_LATENCY, 700);
    RUN_UNTIL(&loop, 5000, read_back().worker_latency_max_us == 900);
    counters_observe(counters, HISTOGRAM_WORKER_LATENCY, 800); // lowers nothing
    RUN_UNTIL(&loop, 5000, read_back().histogram[HISTOGRAM_WORKER_LATENCY][HISTOGRAM_SUM] == 2400);
    struct counter_values values = read_back();
    ck_assert_int_eq(values.worker_latency_max_us, 900);
    ck_assert_int_eq(values.histogram[HISTOGRAM_ACCEPT][0], 1);
    ck_assert_int_eq(values.histogram[HISTOGRAM_ACCEPT][1], 1);
    ck_assert_int_eq(values.histogram[HISTOGRAM_ACCEPT][HISTOGRAM_ABOVE], 1);
    ck_assert_int_eq(values.histogram[HISTOGRAM_ACCEPT][HISTOGRAM_SUM], 4000001001);
    ck_assert_int_eq(values.histogram[HISTOGRAM_DISPATCH_EMAIL][0], 1);
    ck_assert_int_eq(values.histogram[HISTOGRAM_DISPATCH_EMAIL][HISTOGRAM_SUM], 0);
    ck_assert_int_eq(values.histogram[HISTOGRAM_DISPATCH_SMS_MMS][0], 0);
}
END_TEST

START_TEST(receipts_are_counted_by_provider_status_and_code_and_read_back_in_that_order) {
    counters_add_receipt(counters, PROVIDER_EMAIL, RECEIPT_DELIVERED, "");
    counters_add_receipt(counters, PROVIDER_SMS_MMS, RECEIPT_UNDELIVERED, "30007");
    counters_add_receipt(counters, PROVIDER_SMS_MMS, RECEIPT_UNDELIVERED, "30003");
    counters_add_receipt(counters, PROVIDER_SMS_MMS, RECEIPT_UNDELIVERED, "30003");
    RUN_UNTIL(&loop, 5000, read_back().receipt_count == 3);
    counters_add_receipt(counters, PROVIDER_SMS_MMS, RECEIPT_UNDELIVERED, "30003");
    RUN_UNTIL(&loop, 5000, read_back().receipts[0].count == 3);
    struct counter_values values = read_back();
    static const struct counter_receipts expected[] = {{PROVIDER_SMS_MMS, RECEIPT_UNDELIVERED, "30003", 3},
                                                       {PROVIDER_SMS_MMS, RECEIPT_UNDELIVERED, "30007", 1},
                                                       {PROVIDER_EMAIL, RECEIPT_DELIVERED, "", 1}};
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(values.receipts[i].provider, expected[i].provider);
        ck_assert_int_eq(values.receipts[i].status, expected[i].status);
        ck_assert_str_eq(values.receipts[i].code, expected[i].code);
        ck_assert_int_eq(values.receipts[i].count, expected[i].count);
    }
}
END_TEST

// Anyone may have written into the hash.
START_TEST(what_is_no_kind_of_receipts_is_passed_over) {
    static const char *const names[] = {"receipts{",
                                        "receipts{sms-mms",
                                        "receipts{sms-mms,read,}",
                                        "receipts{fax,delivered,}",
                                        "receipts{email,delivered,a\"b}",
                                        "receipts{email,delivered,}}",
                                        "receipts{email,delivered,} 1\nmore"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        redisReply *reply = private_redis_command(redis, "HSET metrics %s 1", names[i]);
        ck_assert_int_eq(reply->integer, 1);
        freeReplyObject(reply);
    }
    ck_assert_uint_eq(read_back().receipt_count, 0);
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
    counters_add_receipt(counters, PROVIDER_EMAIL, RECEIPT_DELIVERED, "");
    run_for(&loop, 300);
    private_redis_do(redis, "DEL metrics");
    RUN_UNTIL(&loop, 5000, stored(COUNTER_BREAKER_OPEN) == 2);
    ck_assert_int_eq(read_back().receipts[0].count, 1);
}
END_TEST

Suite *suite_redis_counters(void);

Suite *suite_redis_counters(void) {
    Suite *suite = suite_create("redis_counters");
    TCase *tcase = tcase_create("counters");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, every_counter_has_a_name_and_a_help_line);
    tcase_add_test(tcase, a_provider_has_each_of_its_counters_apart);
    tcase_add_test(tcase, an_amount_is_counted_for_all_and_for_its_provider);
    tcase_add_test(tcase, durations_fall_into_their_buckets_and_are_read_back);
    tcase_add_test(tcase, receipts_are_counted_by_provider_status_and_code_and_read_back_in_that_order);
    tcase_add_test(tcase, what_is_no_kind_of_receipts_is_passed_over);
    tcase_add_test(tcase, what_was_added_arrives_once);
    tcase_add_test(tcase, a_flush_sends_without_waiting_for_the_timer);
    tcase_add_test(tcase, what_could_not_be_sent_waits_for_redis);
    tcase_add_test(tcase, what_redis_refused_is_sent_again);
    suite_add_tcase(suite, tcase);
    return suite;
}
