// SPDX-License-Identifier: MIT
#include "shared/redis/partitions.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/private_redis.h"
#include "tests/support/target.h"
#include "tests/support/wait.h"

enum { MOST_SERVED = 16 };

Suite *suite_redis_partitions(void);

static uv_loop_t loop;
static struct private_redis *redis;
static struct redis_link *redis_link;
static struct heartbeat *heartbeat;
static struct partitions *partitions;
static char served[MOST_SERVED][64];
static size_t served_count;

static void *serve(void *argument, const char *tag, enum provider provider) {
    ck_assert_ptr_eq(argument, &served_count);
    ck_assert_int_eq(provider, tag[0] == 'e' ? PROVIDER_EMAIL : PROVIDER_SMS_MMS);
    strcpy(served[served_count], tag);
    return served[served_count++];
}

static void setup(void) {
    uv_loop_init(&loop);
    redis = private_redis_start(NULL);
    redis_link = redis_link_create(
        &loop,
        &(struct redis_link_options){.target = target_at(private_redis_url(redis)), .name = "d-0", .timeout_ms = 1000});
    heartbeat = heartbeat_create(&loop, redis_link, "dispatcher", "d-0");
    served_count = 0;
    partitions = partitions_create(
        &(struct partitions_options){
            .link = redis_link, .heartbeat = heartbeat, .serve = serve, .argument = &served_count},
        2);
    RUN_UNTIL(&loop, 5000, redis_link_is_up(redis_link));
}

static void teardown(void) {
    heartbeat_destroy(heartbeat);
    redis_link_destroy(redis_link);
    partitions_destroy(partitions);
    wait_closed(&loop);
    private_redis_destroy(redis);
}

static void add(const char *tags) {
    char command[256];
    snprintf(command, sizeof command, "SADD partitions %s", tags);
    freeReplyObject(private_redis_command(redis, command));
}

static bool is_served(const char *tag) {
    for (size_t i = 0; i < served_count; i++) {
        if (strcmp(served[i], tag) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_in_set(const char *tag) {
    char command[256];
    snprintf(command, sizeof command, "SISMEMBER partitions %s", tag);
    redisReply *reply = private_redis_command(redis, command);
    bool is = reply->integer == 1;
    freeReplyObject(reply);
    return is;
}

START_TEST(a_tag_is_a_provider_and_a_number) {
    static const char *const tags[] = {"sms-mms:0", "email:0", "email:255", "email:007", "sms-mms:123456"};
    static const char *const others[] = {"",         "email",    "email:",    ":1",      "push:1",  "email:-1",
                                         "email:1 ", "email: 1", "email:1:2", "Email:1", "email:x", "email:12345678"};
    enum provider provider;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        ck_assert_msg(partition_parse(tags[i], strlen(tags[i]), &provider) == 0, "%s", tags[i]);
        ck_assert_int_eq(provider, tags[i][0] == 'e' ? PROVIDER_EMAIL : PROVIDER_SMS_MMS);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        ck_assert_msg(partition_parse(others[i], strlen(others[i]), &provider) != 0, "%s", others[i]);
    }
    ck_assert_int_ne(partition_parse("email:1\0002", 9, &provider), 0);
}
END_TEST

START_TEST(those_of_the_settings_are_served_at_once) {
    ck_assert_uint_eq(partitions_count(partitions), 4);
    ck_assert(is_served("sms-mms:0") && is_served("email:0") && is_served("sms-mms:1") && is_served("email:1"));
    for (size_t i = 0; i < 4; i++) {
        ck_assert_ptr_eq(partitions_at(partitions, i), served[i]);
    }
}
END_TEST

START_TEST(those_of_the_set_are_served_once_and_garbage_is_not) {
    add("email:0 email:7 email:12345678 garbage");
    partitions_look(partitions);
    RUN_UNTIL(&loop, 5000, is_served("email:7"));
    add("sms-mms:9");
    partitions_look(partitions);
    RUN_UNTIL(&loop, 5000, is_served("sms-mms:9"));
    ck_assert_uint_eq(served_count, 6);
    ck_assert_uint_eq(partitions_count(partitions), 6);
}
END_TEST

START_TEST(what_is_served_is_told_with_the_heartbeat) {
    RUN_UNTIL(&loop, 5000, is_in_set("email:1") && is_in_set("sms-mms:0"));
}
END_TEST

static void on_pong(void *argument, enum redis_result result, const redisReply *reply) {
    (void)reply;
    *(bool *)argument = result == REDIS_LINK_OK;
}

START_TEST(after_a_stop_no_others_are_served) {
    bool answered = false;
    add("email:7");
    partitions_look(partitions);
    partitions_stop(partitions);
    ck_assert_int_eq(redis_link_call(redis_link, on_pong, &answered, 1, (const char *[]){"PING"}, NULL), 0);
    RUN_UNTIL(&loop, 5000, answered); // behind the look's own answer
    ck_assert_uint_eq(served_count, 4);
}
END_TEST

Suite *suite_redis_partitions(void) {
    Suite *suite = suite_create("redis_partitions");
    TCase *tcase = tcase_create("partitions");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_tag_is_a_provider_and_a_number);
    tcase_add_test(tcase, those_of_the_settings_are_served_at_once);
    tcase_add_test(tcase, those_of_the_set_are_served_once_and_garbage_is_not);
    tcase_add_test(tcase, what_is_served_is_told_with_the_heartbeat);
    tcase_add_test(tcase, after_a_stop_no_others_are_served);
    suite_add_tcase(suite, tcase);
    return suite;
}
