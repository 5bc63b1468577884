// SPDX-License-Identifier: MIT
// The dispatcher's side of a breaker, with a Redis of the test's own behind it.

#include "dispatcher/breaker.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/redis/counters.h"
#include "shared/redis/link.h"
#include "tests/support/private_redis.h"
#include "tests/support/target.h"
#include "tests/support/wait.h"

Suite *suite_dispatcher_breaker(void);

static struct settings settings = {.provider_timeout_ms = 1000,
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
    settings.provider_per_second[PROVIDER_EMAIL] = 0;
    uv_loop_init(&loop);
    redis = private_redis_start(NULL);
    env = (struct dispatch_env){.loop = &loop, .settings = &settings, .me = "test"};
    env.link = redis_link_create(
        &loop, &(struct redis_link_options){
                   .target = target_at(private_redis_url(redis)), .name = "test", .timeout_ms = 2000, .on_up = on_up});
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

START_TEST(a_rate_grants_so_many_calls_to_one_who_asks) {
    char probe[BREAKER_PROBE_SIZE];
    settings.provider_per_second[PROVIDER_EMAIL] = 20;
    ck_assert_int_eq(answer(), GRANT_PACED);
    struct grant first = granted;
    ck_assert_uint_eq(breaker_grant_size(&first), 2);
    ck_assert(breaker_take_call(&first, probe) && *probe == '\0');
    ck_assert(breaker_grant_is_good(breaker, &first, 0));
    ck_assert(breaker_take_call(&first, probe));
    ck_assert(!breaker_take_call(&first, probe));
    ck_assert(!breaker_grant_is_good(breaker, &first, 0));
    private_redis_freeze(redis); // the next one isn't answered by what this one was granted
    ask();
    ck_assert_int_eq(answers, 1);
    private_redis_thaw(redis);
    RUN_UNTIL(&loop, 5000, answers == 2);
}
END_TEST

START_TEST(what_a_rate_granted_is_void_once_the_provider_says_stop) {
    settings.provider_per_second[PROVIDER_EMAIL] = 20;
    ck_assert_int_eq(answer(), GRANT_PACED);
    breaker_forget_go(breaker);
    ck_assert(!breaker_grant_is_good(breaker, &granted, 0));
    ask();
    breaker_forget_go(breaker);
    RUN_UNTIL(&loop, 5000, answers == 2);
    ck_assert_int_eq(granted.kind, GRANT_NONE);
}
END_TEST

START_TEST(what_is_given_up_of_a_rate_is_there_for_the_next) {
    settings.provider_per_second[PROVIDER_EMAIL] = 1;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(answer(), GRANT_PACED);
        breaker_give_up(breaker, &granted);
    }
    ck_assert_int_eq(answer(), GRANT_PACED);
    struct grant kept = granted;
    ck_assert_int_eq(answer(), GRANT_NONE);
    ck_assert_int_le(waits_ms, 100);
    ck_assert(breaker_grant_is_good(breaker, &kept, 0)); // that the rate is used up takes nothing from it
}
END_TEST

// ---- Whether it may be called

static void on_looked(void *argument) {
    ++*(int *)argument;
}

static bool look(void) {
    int looks = 0;
    ck_assert_int_eq(breaker_look(breaker, on_looked, &looks), 0);
    RUN_UNTIL(&loop, 5000, looks == 1);
    return breaker_may_call(breaker);
}

// Paused for so many seconds from now.
static char *paused(int seconds) {
    redisReply *time = private_redis_command(redis, "TIME");
    char *text =
        xasprintf("HSET breaker:{email} paused %lld", (strtoll(time->element[0]->str, NULL, 10) + seconds) * 1000);
    freeReplyObject(time);
    return text;
}

START_TEST(a_look_finds_whether_it_may_be_called_and_moves_nothing) {
    static const struct {
        const char *fields;
        bool may_call;
    } cases[] = {
        {"state closed", true},
        {"state open", false},
        {"state open until 1", false}, // nobody has asked for a probe
        {"state half-open", false},
        {"state closed mode open", false},
        {"state open mode closed", true},
        {"state open mode auto", false},
        {"state closed cut 400000", false}, // a probe comes first
        {"mode closed cut 400000", true},
        {"paused 1", true}, // it is over
    };
    ck_assert(!breaker_is_known(breaker));
    ck_assert(!breaker_may_call(breaker));
    ck_assert(look()); // nothing was ever asked of it
    ck_assert(breaker_is_known(breaker));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *set = xasprintf("HSET breaker:{email} %s", cases[i].fields);
        private_redis_do(redis, "DEL breaker:{email}");
        private_redis_do(redis, set);
        redisReply *before = private_redis_command(redis, "DUMP breaker:{email}");
        ck_assert_msg(look() == cases[i].may_call, "%s", cases[i].fields);
        redisReply *after = private_redis_command(redis, "DUMP breaker:{email}");
        ck_assert_str_eq(before->str, after->str);
        freeReplyObject(after);
        freeReplyObject(before);
        free(set);
    }
}
END_TEST

START_TEST(who_is_paused_may_not_be_called_but_no_pause_is_believed_that_is_longer_than_any) {
    static const struct {
        int seconds;
        bool may_call;
    } cases[] = {{200, false}, {-1, true}, {3600, true}};
    RUN_UNTIL(&loop, 5000, redis_link_now_ms(env.link) > 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *set = paused(cases[i].seconds);
        private_redis_do(redis, set);
        ck_assert_msg(look() == cases[i].may_call, "%d", cases[i].seconds);
        free(set);
    }
}
END_TEST

START_TEST(every_answer_tells_whether_it_may_be_called_until_the_provider_says_stop) {
    ck_assert_int_eq(answer(), GRANT_GO);
    ck_assert(breaker_may_call(breaker));
    breaker_forget_go(breaker);
    ck_assert(!breaker_is_known(breaker));
    ck_assert_int_eq(answer(), GRANT_GO);
    ck_assert(breaker_may_call(breaker));
    breaker_record(breaker, &(struct breaker_result){granted.epoch, "", BREAKER_FAIL, "server_error", 2, 0, 0, NULL});
    ck_assert(!look()); // on its way when the answer came that it is open now
    ck_assert(!look());
    ck_assert(breaker_is_known(breaker));
    breaker_forget_go(breaker);
    ck_assert_int_eq(answer(), GRANT_NONE);
    ck_assert(breaker_is_known(breaker));
    ck_assert(!breaker_may_call(breaker));
}
END_TEST

START_TEST(a_look_that_was_on_its_way_when_the_provider_said_stop_tells_nothing) {
    int looks = 0;
    ck_assert_int_eq(breaker_look(breaker, on_looked, &looks), 0);
    breaker_forget_go(breaker);
    RUN_UNTIL(&loop, 5000, looks == 1);
    ck_assert(!breaker_is_known(breaker));
}
END_TEST

START_TEST(who_has_a_rate_may_be_called_while_it_is_used_up) {
    settings.provider_per_second[PROVIDER_EMAIL] = 1;
    ck_assert_int_eq(answer(), GRANT_PACED);
    breaker_forget_go(breaker);
    ck_assert_int_eq(answer(), GRANT_NONE);
    ck_assert(breaker_may_call(breaker));
}
END_TEST

START_TEST(what_is_known_lasts_a_second) {
    ck_assert_int_eq(answer(), GRANT_GO);
    ck_assert(breaker_is_known(breaker));
    RUN_UNTIL(&loop, 5000, !breaker_is_known(breaker));
    ck_assert(!breaker_may_call(breaker));
    ck_assert(look());
}
END_TEST

START_TEST(a_look_that_fails_tells_nothing_and_ends) {
    private_redis_do(redis, "SET breaker:{email} text");
    ck_assert(!look());
    ck_assert(!breaker_is_known(breaker));
    private_redis_kill(redis);
    RUN_UNTIL(&loop, 5000, !redis_link_is_up(env.link));
    ck_assert_int_eq(breaker_look(breaker, on_looked, NULL), -1);
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
    tcase_add_test(tests, a_rate_grants_so_many_calls_to_one_who_asks);
    tcase_add_test(tests, what_a_rate_granted_is_void_once_the_provider_says_stop);
    tcase_add_test(tests, what_is_given_up_of_a_rate_is_there_for_the_next);
    tcase_add_test(tests, a_look_finds_whether_it_may_be_called_and_moves_nothing);
    tcase_add_test(tests, who_is_paused_may_not_be_called_but_no_pause_is_believed_that_is_longer_than_any);
    tcase_add_test(tests, every_answer_tells_whether_it_may_be_called_until_the_provider_says_stop);
    tcase_add_test(tests, a_look_that_was_on_its_way_when_the_provider_said_stop_tells_nothing);
    tcase_add_test(tests, who_has_a_rate_may_be_called_while_it_is_used_up);
    tcase_add_test(tests, what_is_known_lasts_a_second);
    tcase_add_test(tests, a_look_that_fails_tells_nothing_and_ends);
    suite_add_tcase(suite, tests);
    return suite;
}
