// SPDX-License-Identifier: MIT
// Links that are up while REDIS_URL changes, as a rotation of passwords has it.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/redis/link.h"
#include "tests/support/private_redis.h"
#include "tests/support/target.h"
#include "tests/support/wait.h"

Suite *suite_redis_change(void);

enum { TIMEOUT_MS = 1000 };

struct change_link {
    struct redis_link *link;
    int ups, downs, ok;
};

static uv_loop_t loop;
static struct private_redis *redis;
static struct redis_target *target;
static struct change_link subject;

static void change_on_up(void *argument) {
    struct change_link *link = argument;
    link->ups++;
}

static void change_on_down(void *argument) {
    struct change_link *link = argument;
    link->downs++;
}

static void change_on_reply(void *argument, enum redis_result result, const redisReply *reply) {
    struct change_link *link = argument;
    (void)reply;
    link->ok += result == REDIS_LINK_OK;
}

// Of a user by that password in that database; owned by the caller.
static char *url_as(const char *user, const char *password, int database) {
    return xasprintf("redis://%s:%s@127.0.0.1:%u/%d", user, password, (unsigned)private_redis_port(redis), database);
}

static void change_to(const char *user, const char *password, int database) {
    char *url = url_as(user, password, database);
    target_change(target, url, "", NULL, NULL, NULL);
    free(url);
}

// A link that is up, as `app` by the first of the user's two passwords.
static void change_setup(void) {
    uv_loop_init(&loop);
    redis = private_redis_start(NULL);
    private_redis_do(redis, "ACL SETUSER app on >first >second ~* &* +@all");
    private_redis_do(redis, "ACL SETUSER other on >third ~* &* +@all");
    char *url = url_as("app", "first", 0);
    target = target_at(url);
    free(url);
    subject = (struct change_link){0};
    subject.link = redis_link_create(&loop, &(struct redis_link_options){.target = target,
                                                                         .name = "changing",
                                                                         .timeout_ms = TIMEOUT_MS,
                                                                         .on_up = change_on_up,
                                                                         .on_down = change_on_down,
                                                                         .argument = &subject});
    RUN_UNTIL(&loop, 5000, subject.ups == 1);
}

static void change_teardown(void) {
    redis_link_destroy(subject.link);
    wait_closed(&loop);
    private_redis_destroy(redis);
}

static bool list_has(const char *text) {
    redisReply *reply = private_redis_command(redis, "CLIENT LIST");
    const char *line = strstr(reply->str, " name=changing "), *end = line != NULL ? strchr(line, '\n') : NULL;
    const char *at = line != NULL ? strstr(line, text) : NULL;
    bool has = at != NULL && (end == NULL || at < end);
    freeReplyObject(reply);
    return has;
}

static long long auths(void) {
    redisReply *reply = private_redis_command(redis, "INFO commandstats");
    const char *at = strstr(reply->str, "cmdstat_auth:calls=");
    long long count = at != NULL ? atoll(at + strlen("cmdstat_auth:calls=")) : 0;
    freeReplyObject(reply);
    return count;
}

static size_t refused_auths(void) {
    redisReply *reply = private_redis_command(redis, "ACL LOG");
    size_t count = reply->elements;
    freeReplyObject(reply);
    return count;
}

static void assert_serves(void) {
    const char *ping[] = {"PING"};
    int before = subject.ok;
    ck_assert_int_eq(redis_link_call(subject.link, change_on_reply, &subject, 1, ping, NULL), 0);
    RUN_UNTIL(&loop, 5000, subject.ok == before + 1);
}

START_TEST(another_password_is_said_on_the_connection_that_there_is) {
    ck_assert_int_eq(auths(), 1);
    change_to("app", "second", 0);
    RUN_UNTIL(&loop, 5000, auths() == 2);
    private_redis_do(redis, "ACL SETUSER app <first");
    assert_serves();
    ck_assert_int_eq(subject.ups, 1);
    ck_assert_int_eq(subject.downs, 0);
    ck_assert_uint_eq(refused_auths(), 0);
    private_redis_do(redis, "CLIENT KILL USER app"); // and the next one goes by it
    RUN_UNTIL(&loop, 5000, subject.ups == 2);
    ck_assert_uint_eq(refused_auths(), 0);
}
END_TEST

START_TEST(another_user_is_said_likewise) {
    change_to("other", "third", 0);
    RUN_UNTIL(&loop, 5000, list_has(" user=other "));
    ck_assert_int_eq(subject.downs, 0);
    private_redis_do(redis, "ACL DELUSER app"); // which ends the connections of that user
    run_for(&loop, 100);
    assert_serves();
    ck_assert_int_eq(subject.downs, 0);
}
END_TEST

START_TEST(what_is_refused_is_tried_once_and_the_connection_goes_on) {
    change_to("app", "wrong", 0);
    RUN_UNTIL(&loop, 5000, refused_auths() == 1);
    run_for(&loop, 2500); // two more looks
    assert_serves();
    ck_assert_int_eq(subject.downs, 0);
    ck_assert_int_eq(auths(), 2);
    ck_assert(list_has(" user=app "));
    change_to("app", "second", 0);
    RUN_UNTIL(&loop, 5000, auths() == 3);
    ck_assert_int_eq(subject.downs, 0);
}
END_TEST

START_TEST(the_same_again_asks_redis_nothing) {
    change_to("app", "first", 0);
    run_for(&loop, 2500);
    ck_assert_int_eq(auths(), 1);
    ck_assert_int_eq(subject.downs, 0);
}
END_TEST

START_TEST(another_database_is_gone_to) {
    change_to("app", "first", 3);
    RUN_UNTIL(&loop, 5000, subject.ups == 2);
    ck_assert_int_eq(subject.downs, 1);
    ck_assert(list_has(" db=3 "));
}
END_TEST

START_TEST(another_redis_is_gone_to) {
    struct private_redis *second = private_redis_start(NULL);
    target_change(target, private_redis_url(second), "", NULL, NULL, NULL);
    RUN_UNTIL(&loop, 5000, subject.ups == 2);
    ck_assert_int_eq(subject.downs, 1);
    ck_assert(!list_has(""));
    private_redis_destroy(second);
}
END_TEST

START_TEST(a_link_that_is_down_goes_by_what_holds_then) {
    private_redis_kill(redis);
    RUN_UNTIL(&loop, 5000, subject.downs == 1);
    struct private_redis *second = private_redis_start(NULL);
    target_change(target, private_redis_url(second), "", NULL, NULL, NULL);
    RUN_UNTIL(&loop, 10000, subject.ups == 2);
    private_redis_destroy(second);
}
END_TEST

START_TEST(sentinels_that_name_nobody_are_left_for_what_is_named_then) {
    struct private_redis *dead = private_redis_start(NULL);
    char *url = xasprintf("redis+sentinel://127.0.0.1:%u/main", (unsigned)private_redis_port(dead));
    private_redis_kill(dead);
    target_change(target, url, "", NULL, NULL, NULL);
    RUN_UNTIL(&loop, 5000, subject.downs == 1);
    run_for(&loop, 500); // it asks in vain
    change_to("app", "first", 0);
    RUN_UNTIL(&loop, 5000, subject.ups == 2);
    private_redis_destroy(dead);
    free(url);
}
END_TEST

Suite *suite_redis_change(void) {
    Suite *suite = suite_create("redis_change");
    TCase *tests = tcase_create("redis_change");
    tcase_add_checked_fixture(tests, change_setup, change_teardown);
    tcase_add_test(tests, another_password_is_said_on_the_connection_that_there_is);
    tcase_add_test(tests, another_user_is_said_likewise);
    tcase_add_test(tests, what_is_refused_is_tried_once_and_the_connection_goes_on);
    tcase_add_test(tests, the_same_again_asks_redis_nothing);
    tcase_add_test(tests, another_database_is_gone_to);
    tcase_add_test(tests, another_redis_is_gone_to);
    tcase_add_test(tests, a_link_that_is_down_goes_by_what_holds_then);
    tcase_add_test(tests, sentinels_that_name_nobody_are_left_for_what_is_named_then);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return suite;
}
