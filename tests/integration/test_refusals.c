// SPDX-License-Identifier: MIT
// redis/messaging.lua, called directly: what settle makes of a refusal, whom it holds, and whom admit lets go.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/redis/library.h"
#include "tests/support/delivery.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"

#define STREAMS                                                                                                        \
    "outbound:{x} events:{x} parked:{x} parked-due:{x} refused:{x} senders:{x} senders-at:{x} held-senders:{x}"
#define HOLD_AT 3
#define HOLD_MS 400
#define LEASE_MS 300
#define DAY_MS (24 * 3600 * 1000LL)

static struct stack *stack;
static unsigned entries;

static void start(void) {
    stack = stack_create("refusals", NULL);
    freeReplyObject(stack_redis(stack, "FUNCTION LOAD %s", library_text));
}

static void end(void) {
    stack_destroy(stack);
}

static void empty(void) {
    freeReplyObject(stack_redis(stack, "FLUSHALL"));
    freeReplyObject(stack_redis(stack, "XGROUP CREATE outbound:{x} dispatchers 0 MKSTREAM"));
    entries = 0;
}

// A message into outbound, and read by `me`. Its entry is 1-<n>; n is returned.
static unsigned take(const char *id) {
    freeReplyObject(
        stack_redis(stack, "XADD outbound:{x} 1-%u v 1 id %s gen 0 call 1 spent 0 at 1 p {}", ++entries, id));
    freeReplyObject(stack_redis(stack, "XREADGROUP GROUP dispatchers me STREAMS outbound:{x} >"));
    return entries;
}

static redisReply *settle(unsigned entry, const char *id, const char *verdict, const char *sender,
                          int64_t accepted_ms) {
    return stack_redis(stack, "FCALL %s 8 " STREAMS " me %lld %d %d 1-%u 1 %s 0 1 %s 60000 1 %s - {}",
                       library_function(LIBRARY_SETTLE), (long long)accepted_ms, HOLD_AT, HOLD_MS, entry, id, verdict,
                       sender);
}

// Refused: the verdict of settle and 0, 1 or 2: how its sender is held.
static void assert_refused(const char *id, const char *sender, int64_t accepted_ms, const char *verdict, int held) {
    redisReply *reply = settle(take(id), id, "refused", sender, accepted_ms);
    ck_assert_msg(reply->element[0]->type == REDIS_REPLY_ARRAY, "%s", reply_text(reply, 0));
    ck_assert_str_eq(reply_text(reply->element[0], 0), verdict);
    ck_assert_int_eq(reply_int(reply->element[0], 1), held);
    freeReplyObject(reply);
}

static void assert_sent(const char *id, const char *sender) {
    redisReply *reply = settle(take(id), id, "sent", sender, 0);
    ck_assert_str_eq(reply_text(reply, 0), "OK");
    freeReplyObject(reply);
}

static bool admits(unsigned entry, const char *id, const char *sender, const char *verdict) {
    redisReply *reply = stack_redis(
        stack, "FCALL %s 4 outbound:{x} parked:{x} parked-due:{x} held-senders:{x} me %d %d %s 1-%u 1 %s 0 %s pair - 0",
        library_function(LIBRARY_ADMIT), HOLD_MS, LEASE_MS, "", entry, id, sender);
    const redisReply *one = reply->element[0];
    bool same = strcmp(one->type == REDIS_REPLY_ARRAY ? reply_text(one, 0) : reply_text(reply, 0), verdict) == 0;
    freeReplyObject(reply);
    return same;
}

static int64_t parked(void) {
    int64_t count = stack_redis_int(stack, "HLEN parked:{x}");
    ck_assert_int_eq(stack_redis_int(stack, "ZCARD parked-due:{x}"), count);
    return count;
}

static void unpark_all(void) {
    freeReplyObject(stack_redis(stack, "DEL parked:{x} parked-due:{x}"));
}

static void hold(const char *sender) {
    char id[16];
    for (int i = 1; i <= HOLD_AT; i++) {
        snprintf(id, sizeof id, "%s%d", sender, i);
        assert_refused(id, sender, 0, "PARKED", i == HOLD_AT);
    }
    unpark_all();
}

static bool hold_is_over(const char *sender) {
    unsigned entry = take("probe");
    bool goes = admits(entry, "probe", sender, "GO");
    unpark_all();
    return goes;
}

START_TEST(a_refusal_parks_and_spends_nothing_until_something_else_was_accepted_since) {
    int64_t before_ms = redis_now_ms(stack);
    assert_refused("m", "s", before_ms - 1, "PARKED", 0); // that was accepted before
    redisReply *reply = stack_redis(stack, "HGET parked:{x} m:0");
    ck_assert_ptr_nonnull(strstr(reply_text(reply, 0), "\"spent\":\"0\""));
    ck_assert_ptr_nonnull(strstr(reply_text(reply, 0), "\"call\":\"2\""));
    freeReplyObject(reply);
    unpark_all();
    assert_refused("m", "s", before_ms - 1, "PARKED", 0);
    unpark_all();
    WAIT_FOR(5000, redis_now_ms(stack) > before_ms + 5);
    assert_refused("m", "s", redis_now_ms(stack) - 1, "FAILED", 0);
    ck_assert_int_eq(parked(), 0);
    ck_assert_int_eq(stack_redis_int(stack, "EXISTS refused:{x}"), 0);
    reply = stack_redis(stack, "XREVRANGE events:{x} + - COUNT 1");
    ck_assert_str_eq(reply_field(reply->element[0]->element[1], "verdict"), "failed");
    freeReplyObject(reply);
}
END_TEST

START_TEST(times_of_a_clock_that_was_ahead_fail_nothing) {
    assert_refused("m", "s", redis_now_ms(stack) + DAY_MS, "PARKED", 0);
    unpark_all();
    assert_refused("m", "s", redis_now_ms(stack) + DAY_MS, "PARKED", 0);
    unpark_all();
    freeReplyObject(stack_redis(stack, "ZADD refused:{x} %lld m:0", (long long)(redis_now_ms(stack) + DAY_MS)));
    assert_refused("m", "s", redis_now_ms(stack), "PARKED", 0); // as its first
    redisReply *first = stack_redis(stack, "ZSCORE refused:{x} m:0");
    ck_assert_int_le(reply_int(first, 0), redis_now_ms(stack));
    freeReplyObject(first);
}
END_TEST

START_TEST(so_many_messages_hold_their_sender_and_one_that_is_refused_again_counts_once) {
    assert_refused("a", "s", 0, "PARKED", 0);
    unpark_all();
    assert_refused("a", "s", 0, "PARKED", 0);
    unpark_all();
    assert_refused("a", "s", 0, "PARKED", 0);
    assert_refused("b", "s", 0, "PARKED", 0);
    assert_refused("x", "another", 0, "PARKED", 0);
    assert_refused("c", "s", 0, "PARKED", 1);
    assert_refused("d", "s", 0, "PARKED", 2); // it was on its way
    ck_assert_int_eq(stack_redis_int(stack, "HLEN held-senders:{x}"), 1);
}
END_TEST

START_TEST(a_success_of_the_sender_forgets_what_was_refused_before) {
    assert_refused("a", "s", 0, "PARKED", 0);
    assert_refused("b", "s", 0, "PARKED", 0);
    assert_sent("c", "another");
    assert_sent("d", "s");
    assert_refused("e", "s", 0, "PARKED", 0);
    assert_refused("f", "s", 0, "PARKED", 0);
    unpark_all();
    assert_refused("a", "s", 0, "PARKED", 1); // once more, since that success
}
END_TEST

START_TEST(a_late_success_frees_its_sender_too) {
    hold("s");
    redisReply *reply = settle(999, "late", "sent", "s", 0);
    ck_assert_str_eq(reply_text(reply, 0), "LATE");
    freeReplyObject(reply);
    ck_assert_int_eq(stack_redis_int(stack, "EXISTS held-senders:{x} senders:{x} senders-at:{x}"), 0);
}
END_TEST

START_TEST(while_a_sender_is_held_its_messages_wait_as_they_are_and_others_go) {
    hold("s");
    unsigned entry = take("m");
    ck_assert(admits(take("n"), "n", "another", "GO"));
    int64_t events = stack_redis_int(stack, "XLEN events:{x}");
    ck_assert(admits(entry, "m", "s", "LATER"));
    ck_assert_int_eq(parked(), 1);
    redisReply *reply = stack_redis(stack, "HGET parked:{x} m:0");
    ck_assert_ptr_nonnull(strstr(reply_text(reply, 0), "\"call\":\"1\""));
    ck_assert_ptr_nonnull(strstr(reply_text(reply, 0), "\"spent\":\"0\""));
    freeReplyObject(reply);
    ck_assert_int_eq(stack_redis_int(stack, "XLEN events:{x}"), events); // nothing has happened to it
    reply = stack_redis(stack, "XRANGE outbound:{x} 1-%u 1-%u", entry, entry);
    ck_assert_uint_eq(reply_count(reply), 0);
    freeReplyObject(reply);
    ck_assert(admits(entry, "m", "s", "LOST"));
}
END_TEST

START_TEST(nobody_puts_back_what_is_not_theirs) {
    hold("s");
    unsigned entry = take("m");
    freeReplyObject(stack_redis(stack, "XCLAIM outbound:{x} dispatchers another 0 1-%u", entry));
    ck_assert(admits(entry, "m", "s", "LOST"));
    ck_assert_int_eq(parked(), 0);
}
END_TEST

START_TEST(after_a_hold_one_message_goes_and_the_others_wait_for_what_it_comes_to) {
    hold("s");
    WAIT_FOR(5000, hold_is_over("s"));
    ck_assert(admits(take("m"), "m", "s", "LATER"));
    unpark_all();
    ck_assert(admits(take("probe"), "probe", "s", "GO")); // the same message, come again
    redisReply *reply = settle(entries, "probe", "refused", "s", 0);
    ck_assert_int_eq(reply_int(reply->element[0], 1), 1); // held again
    freeReplyObject(reply);
    ck_assert(admits(take("n"), "n", "s", "LATER"));
    unpark_all();
    WAIT_FOR(5000, hold_is_over("s"));
    reply = settle(entries, "probe", "sent", "s", 0);
    freeReplyObject(reply);
    ck_assert(admits(take("o"), "o", "s", "GO"));
    ck_assert(admits(take("p"), "p", "s", "GO"));
}
END_TEST

START_TEST(a_probe_that_says_nothing_or_is_never_heard_of_lets_another_go) {
    hold("s");
    WAIT_FOR(5000, hold_is_over("s"));
    freeReplyObject(settle(entries, "probe", "retry", "s", 0)); // a 5xx
    unpark_all();
    int64_t began_ms = redis_now_ms(stack); // no later than the lease
    ck_assert(admits(take("m"), "m", "s", "GO"));
    WAIT_FOR(5000, admits(take("n"), "n", "s", "GO"));
    ck_assert_int_ge(redis_now_ms(stack) - began_ms, LEASE_MS);
}
END_TEST

START_TEST(a_hold_of_a_clock_that_was_ahead_lasts_no_longer_than_any) {
    hold("s");
    freeReplyObject(stack_redis(stack, "HSET held-senders:{x} s %s",
                                "{\"until\":\"99999999999999\",\"probe\":\"z:0\",\"lease\":\"99999999999999\"}"));
    int64_t began_ms = redis_now_ms(stack);
    ck_assert(!hold_is_over("s"));
    WAIT_FOR(5000, hold_is_over("s"));
    ck_assert_int_ge(redis_now_ms(stack) - began_ms, HOLD_MS - 5);
    freeReplyObject(stack_redis(stack, "HSET held-senders:{x} s rubbish"));
    ck_assert(admits(take("m"), "m", "s", "GO"));
}
END_TEST

START_TEST(refusals_of_long_ago_are_forgotten) {
    assert_refused("a", "old", 0, "PARKED", 0);
    freeReplyObject(stack_redis(stack, "ZADD senders-at:{x} 1 old"));
    freeReplyObject(stack_redis(stack, "ZADD refused:{x} 1 a:0"));
    assert_refused("b", "new", 0, "PARKED", 0);
    redisReply *reply = stack_redis(stack, "HKEYS senders:{x}");
    ck_assert_uint_eq(reply_count(reply), 1);
    ck_assert_str_eq(reply_text(reply, 0), "new");
    freeReplyObject(reply);
    ck_assert_int_eq(stack_redis_int(stack, "ZCARD refused:{x}"), 1);
}
END_TEST

Suite *suite_refusals(void);

Suite *suite_refusals(void) {
    Suite *suite = suite_create("refusals");
    TCase *tests = tcase_create("refusals");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, empty, NULL);
    tcase_add_test(tests, a_refusal_parks_and_spends_nothing_until_something_else_was_accepted_since);
    tcase_add_test(tests, times_of_a_clock_that_was_ahead_fail_nothing);
    tcase_add_test(tests, so_many_messages_hold_their_sender_and_one_that_is_refused_again_counts_once);
    tcase_add_test(tests, a_success_of_the_sender_forgets_what_was_refused_before);
    tcase_add_test(tests, a_late_success_frees_its_sender_too);
    tcase_add_test(tests, while_a_sender_is_held_its_messages_wait_as_they_are_and_others_go);
    tcase_add_test(tests, nobody_puts_back_what_is_not_theirs);
    tcase_add_test(tests, after_a_hold_one_message_goes_and_the_others_wait_for_what_it_comes_to);
    tcase_add_test(tests, a_probe_that_says_nothing_or_is_never_heard_of_lets_another_go);
    tcase_add_test(tests, a_hold_of_a_clock_that_was_ahead_lasts_no_longer_than_any);
    tcase_add_test(tests, refusals_of_long_ago_are_forgotten);
    suite_add_tcase(suite, tests);
    return suite;
}
