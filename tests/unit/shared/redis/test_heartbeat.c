// SPDX-License-Identifier: MIT
#include "shared/redis/heartbeat.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/json.h"
#include "shared/message/format.h"
#include "tests/support/private_redis.h"
#include "tests/support/target.h"
#include "tests/support/wait.h"

#define TROUBLE "trouble:persister:p-0"

Suite *suite_redis_heartbeat(void);

static uv_loop_t loop;
static struct private_redis *redis;
static struct redis_link *redis_link;
static struct heartbeat *heartbeat;

static void setup(void) {
    uv_loop_init(&loop);
    redis = private_redis_start(NULL);
    redis_link = redis_link_create(
        &loop,
        &(struct redis_link_options){.target = target_at(private_redis_url(redis)), .name = "p-0", .timeout_ms = 1000});
    heartbeat = heartbeat_create(&loop, redis_link, "persister", "p-0");
}

static void teardown(void) {
    heartbeat_destroy(heartbeat);
    redis_link_destroy(redis_link);
    wait_closed(&loop);
    private_redis_destroy(redis);
}

// What the key holds, to be deleted; NULL where it isn't there.
static cJSON *told(void) {
    const char *why;
    redisReply *reply = private_redis_command(redis, "GET " TROUBLE);
    cJSON *array = reply->str ? json_parse(reply->str, reply->len, &why) : NULL;
    freeReplyObject(reply);
    return array;
}

static int told_count(void) {
    cJSON *array = told();
    int count = cJSON_GetArraySize(array);
    cJSON_Delete(array);
    return count;
}

static long long number_of(const char *command) {
    redisReply *reply = private_redis_command(redis, command);
    long long number = reply->integer;
    freeReplyObject(reply);
    return number;
}

static int64_t since_of_first(void) {
    int64_t since_ms = -1;
    cJSON *array = told();
    (void)!json_integer(cJSON_GetArrayItem(array, 0), "since_ms", &since_ms);
    cJSON_Delete(array);
    return since_ms;
}

START_TEST(a_trouble_is_told_with_each_beat_until_it_is_over) {
    heartbeat_trouble(heartbeat, "persister_repeats", "Postgres said \"no\"");
    heartbeat_trouble(heartbeat, "wait", "no replica");
    RUN_UNTIL(&loop, 5000, told_count() == 2);
    cJSON *array = told();
    ck_assert_str_eq(json_string(cJSON_GetArrayItem(array, 0), "code"), "persister_repeats");
    ck_assert_str_eq(json_string(cJSON_GetArrayItem(array, 0), "text"), "Postgres said \"no\"");
    ck_assert_str_eq(json_string(cJSON_GetArrayItem(array, 1), "code"), "wait");
    cJSON_Delete(array);
    private_redis_do(redis, "DEL " TROUBLE);
    RUN_UNTIL(&loop, 5000, told_count() == 2);
    heartbeat_trouble(heartbeat, "persister_repeats", NULL);
    RUN_UNTIL(&loop, 5000, told_count() == 1);
    heartbeat_trouble(heartbeat, "wait", NULL);
    RUN_UNTIL(&loop, 5000, number_of("EXISTS " TROUBLE) == 0);
}
END_TEST

START_TEST(it_keeps_the_time_at_which_it_began_whatever_its_text_becomes) {
    heartbeat_trouble(heartbeat, "wait", "one");
    RUN_UNTIL(&loop, 5000, told_count() == 1);
    run_for(&loop, 1200);
    int64_t since_ms = since_of_first();
    heartbeat_trouble(heartbeat, "wait", "two");
    run_for(&loop, 1200);
    ck_assert_int_le(llabs(since_of_first() - since_ms), 100); // two clocks are told apart in ms
}
END_TEST

START_TEST(it_goes_with_its_process) {
    heartbeat_trouble(heartbeat, "wait", "no replica");
    RUN_UNTIL(&loop, 5000, told_count() == 1);
    ck_assert_int_gt(number_of("PTTL " TROUBLE), 0);
    ck_assert_int_le(number_of("PTTL " TROUBLE), HEARTBEAT_ALIVE_MS);
    heartbeat_stop(heartbeat);
    RUN_UNTIL(&loop, 5000, number_of("EXISTS " TROUBLE) == 0);
}
END_TEST

START_TEST(what_one_of_that_name_told_before_is_over_with_the_first_beat) {
    private_redis_do(redis, "SET " TROUBLE " [] PX 60000");
    RUN_UNTIL(&loop, 5000, number_of("EXISTS processes") == 1 && number_of("EXISTS " TROUBLE) == 0);
}
END_TEST

// Another program, which lives on and reads the format, or announces none.
struct other {
    uv_timer_t timer;
    const char *member;
    int format; // 0: none
};

static void on_other_beat(uv_timer_t *timer) {
    const struct other *other = timer->data;
    long long now_ms = redis_link_now_ms(redis_link);
    freeReplyObject(private_redis_command(redis, "ZADD processes %lld %s", now_ms, other->member));
    if (other->format > 0) {
        freeReplyObject(private_redis_command(redis, "ZADD formats %lld %d:%s", now_ms, other->format, other->member));
    }
}

static void live(struct other *other) {
    RUN_UNTIL(&loop, 5000, redis_link_is_up(redis_link));
    other->timer.data = other;
    uv_timer_init(&loop, &other->timer);
    uv_timer_start(&other->timer, on_other_beat, 0, 500);
}

static void die(struct other *other) {
    uv_close((uv_handle_t *)&other->timer, NULL);
}

static int agreed(void) {
    return format_agreed(clock_boot_ms());
}

START_TEST(it_announces_the_format_that_it_reads_and_takes_it_back_at_the_end) {
    RUN_UNTIL(&loop, 5000, number_of("ZCARD formats") == 1);
    redisReply *reply = private_redis_command(redis, "ZRANGE formats 0 -1");
    char member[64];
    snprintf(member, sizeof member, "%d:persister:p-0", STREAM_FORMAT);
    ck_assert_str_eq(reply->element[0]->str, member);
    freeReplyObject(reply);
    heartbeat_stop(heartbeat);
    RUN_UNTIL(&loop, 5000, number_of("ZCARD formats") == 0);
}
END_TEST

START_TEST(a_format_is_agreed_once_all_that_live_read_it) {
    static struct other newer = {.member = "dispatcher:new", .format = STREAM_FORMAT + 1};
    static struct other older = {.member = "persister:of-50b4a1b"};
    static struct other mock = {.member = "mock-provider:m"};
    live(&newer);
    live(&older);
    live(&mock);
    run_for(&loop, FORMAT_SETTLE_MS + 2000);
    ck_assert_int_eq(agreed(), STREAM_FORMAT_OLDEST);
    uv_timer_stop(&older.timer); // killed: it is in the set for HEARTBEAT_ALIVE_MS still
    RUN_UNTIL(&loop, 20000, agreed() == STREAM_FORMAT + 1);
    uv_timer_start(&older.timer, on_other_beat, 0, 500);
    RUN_UNTIL(&loop, 2500, agreed() == STREAM_FORMAT_OLDEST);
    die(&newer);
    die(&older);
    die(&mock);
}
END_TEST

START_TEST(a_look_that_fails_agrees_on_the_oldest) {
    static struct other newer = {.member = "dispatcher:new", .format = STREAM_FORMAT + 1};
    live(&newer);
    RUN_UNTIL(&loop, 20000, agreed() == STREAM_FORMAT + 1);
    private_redis_do(redis, "ACL SETUSER default -zrangebyscore");
    RUN_UNTIL(&loop, 2500, agreed() == STREAM_FORMAT_OLDEST);
    die(&newer);
}
END_TEST

static char refused_with[64];
static int beats;

static void on_beat(void *argument, const char *refusal) {
    ck_assert_ptr_eq(argument, &beats);
    beats++;
    snprintf(refused_with, sizeof refused_with, "%s", refusal == NULL ? "" : refusal);
}

START_TEST(each_beat_tells_whether_redis_took_it) {
    beats = 0;
    heartbeat_watch(heartbeat, on_beat, &beats);
    RUN_UNTIL(&loop, 5000, beats == 1);
    ck_assert_str_eq(refused_with, "");
    private_redis_do(redis, "ACL SETUSER default -zadd");
    RUN_UNTIL(&loop, 5000, strncmp(refused_with, "NOPERM", 6) == 0);
    private_redis_do(redis, "ACL SETUSER default +zadd");
    RUN_UNTIL(&loop, 5000, refused_with[0] == '\0');
}
END_TEST

START_TEST(codes_and_texts_are_bounded) {
    char code[3 * HEARTBEAT_CODE_SIZE], text[3 * HEARTBEAT_TEXT_BYTES];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < HEARTBEAT_TROUBLES + 3; i++) {
        snprintf(code, sizeof code, "code_%d", i);
        heartbeat_trouble(heartbeat, code, text);
    }
    RUN_UNTIL(&loop, 5000, told_count() == HEARTBEAT_TROUBLES);
    cJSON *array = told();
    ck_assert_uint_eq(strlen(json_string(cJSON_GetArrayItem(array, 0), "text")), HEARTBEAT_TEXT_BYTES);
    cJSON_Delete(array);
    heartbeat_trouble(heartbeat, "code_0", NULL);
    heartbeat_trouble(heartbeat, "code_9", text);
    RUN_UNTIL(&loop, 5000, told_count() == HEARTBEAT_TROUBLES);
}
END_TEST

Suite *suite_redis_heartbeat(void) {
    Suite *suite = suite_create("redis_heartbeat");
    TCase *tests = tcase_create("heartbeat");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_trouble_is_told_with_each_beat_until_it_is_over);
    tcase_add_test(tests, it_keeps_the_time_at_which_it_began_whatever_its_text_becomes);
    tcase_add_test(tests, it_goes_with_its_process);
    tcase_add_test(tests, what_one_of_that_name_told_before_is_over_with_the_first_beat);
    tcase_add_test(tests, it_announces_the_format_that_it_reads_and_takes_it_back_at_the_end);
    tcase_add_test(tests, a_format_is_agreed_once_all_that_live_read_it);
    tcase_add_test(tests, a_look_that_fails_agrees_on_the_oldest);
    tcase_add_test(tests, each_beat_tells_whether_redis_took_it);
    tcase_add_test(tests, codes_and_texts_are_bounded);
    suite_add_tcase(suite, tests);
    return suite;
}
