// SPDX-License-Identifier: MIT
// redis/messaging.lua: the breaker of a provider, called directly.

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/redis/library.h"
#include "tests/support/delivery.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"

#define THRESHOLD 3
#define PROBES 3
#define OPEN_MS 300
#define LEASE_MS 200
#define PAUSE_MS 500 // the longest
#define HELD 3

static struct stack *stack;

static void start(void) {
    stack = stack_create("breaker", NULL);
    freeReplyObject(stack_redis(stack, "FUNCTION LOAD %s", library_text));
}

static void end(void) {
    stack_destroy(stack);
}

static void empty(void) {
    freeReplyObject(stack_redis(stack, "FLUSHALL"));
}

// {NO, ms, why, moved, accepted} | {GO, epoch, moved, accepted} | {PROBE, epoch, moved, accepted, lease …}
static redisReply *probe_at(int want, int per_second) {
    return stack_redis(stack, "FCALL %s 1 breaker:{x} %d %d %d %d %d %d", library_function(LIBRARY_BREAKER_PROBE), want,
                       LEASE_MS, PROBES, OPEN_MS, PAUSE_MS, per_second);
}

static redisReply *probe(int want) {
    return probe_at(want, 0);
}

// {state, moved, stale, accepted, 1 where a pause begins}; accepted_ms: when such a call began, 0: none
static redisReply *record_about(const char *epoch, const char *lease, const char *result, int count, int pause_ms,
                                int64_t accepted_ms, const char *sender) {
    return stack_redis(stack, "FCALL %s 1 breaker:{x} %s %b %s %d %d %d %d %d because %d %d %lld %d %s",
                       library_function(LIBRARY_BREAKER_RECORD), epoch, lease, strlen(lease), result, count, pause_ms,
                       THRESHOLD, OPEN_MS, PROBES, LEASE_MS, PAUSE_MS, (long long)accepted_ms, HELD, sender);
}

static redisReply *record(const char *epoch, const char *lease, const char *result, int count, int pause_ms) {
    return record_about(epoch, lease, result, count, pause_ms, 0, "nobody");
}

// The epoch of now; owned by the caller.
static char *epoch(void) {
    redisReply *reply = stack_redis(stack, "HGET breaker:{x} epoch");
    char *text = xstrdup(reply_text(reply, 0)[0] != '\0' ? reply_text(reply, 0) : "0");
    freeReplyObject(reply);
    return text;
}

static void assert_probe(const char *verdict) {
    redisReply *reply = probe(1);
    ck_assert_str_eq(reply_text(reply, 0), verdict);
    freeReplyObject(reply);
}

static void assert_recorded(const char *lease, const char *result, int count, const char *state) {
    char *now = epoch();
    redisReply *reply = record(now, lease, result, count, 0);
    ck_assert_str_eq(reply_text(reply, 0), state);
    ck_assert_int_eq(reply_int(reply, 2), 0);
    freeReplyObject(reply);
    free(now);
}

static void open_it(void) {
    assert_recorded("", "fail", THRESHOLD, "open");
}

static bool says(const char *verdict, redisReply **kept) {
    freeReplyObject(*kept);
    *kept = probe(PROBES);
    return strcmp(reply_text(*kept, 0), verdict) == 0;
}

// Waits out the cool-down; the reply with its leases, released by the caller.
static redisReply *half_open(void) {
    redisReply *reply = NULL;
    open_it();
    WAIT_FOR(5000, says("PROBE", &reply));
    return reply;
}

START_TEST(a_breaker_that_nobody_has_touched_lets_calls_through) {
    redisReply *reply = probe(5);
    ck_assert_str_eq(reply_text(reply, 0), "GO");
    ck_assert_str_eq(reply_text(reply, 1), "0");
    freeReplyObject(reply);
}
END_TEST

START_TEST(so_many_failures_in_a_row_open_it) {
    assert_recorded("", "fail", THRESHOLD - 1, "closed");
    assert_recorded("", "ok", 1, "closed");
    assert_recorded("", "fail", THRESHOLD - 1, "closed");
    assert_probe("GO");
    assert_recorded("", "fail", 1, "open");
    redisReply *reply = probe(1);
    ck_assert_str_eq(reply_text(reply, 0), "NO");
    ck_assert_str_eq(reply_text(reply, 2), "open");
    ck_assert_int_gt(reply_int(reply, 1), 0);
    ck_assert_int_le(reply_int(reply, 1), OPEN_MS);
    freeReplyObject(reply);
    reply = stack_redis(stack, "HMGET breaker:{x} state reason transitions");
    ck_assert_str_eq(reply_text(reply, 0), "open");
    ck_assert_str_eq(reply_text(reply, 1), "because");
    ck_assert_str_eq(reply_text(reply, 2), "1");
    freeReplyObject(reply);
}
END_TEST

START_TEST(wrong_credentials_open_it_at_once) {
    assert_recorded("", "trip", 1, "open");
}
END_TEST

START_TEST(after_its_cool_down_it_admits_so_many_probes_and_no_more) {
    redisReply *reply = half_open();
    ck_assert_uint_eq(reply_count(reply), 4 + PROBES);
    ck_assert_str_eq(reply_text(reply, 2), "open");
    freeReplyObject(reply);
    reply = probe(1);
    ck_assert_str_eq(reply_text(reply, 0), "NO");
    ck_assert_str_eq(reply_text(reply, 2), "half-open");
    ck_assert_int_le(reply_int(reply, 1), LEASE_MS);
    freeReplyObject(reply);
}
END_TEST

START_TEST(as_many_good_probes_close_it) {
    redisReply *leases = half_open();
    for (size_t i = 0; i < PROBES; i++) {
        assert_recorded(reply_text(leases, 4 + i), "ok", 1, i + 1 < PROBES ? "half-open" : "closed");
    }
    freeReplyObject(leases);
    assert_probe("GO");
}
END_TEST

START_TEST(one_bad_probe_opens_it_again) {
    redisReply *leases = half_open();
    assert_recorded(reply_text(leases, 4), "ok", 1, "half-open");
    assert_recorded(reply_text(leases, 5), "fail", 1, "open");
    freeReplyObject(leases);
    assert_probe("NO");
}
END_TEST

START_TEST(a_probe_that_was_never_heard_of_again_frees_its_place) {
    redisReply *reply = half_open();
    char *lease = xstrdup(reply_text(reply, 4));
    char *then = xstrdup(reply_text(reply, 1));
    WAIT_FOR(5000, says("PROBE", &reply));
    freeReplyObject(reply);
    reply = record(then, lease, "fail", 1, 0);
    ck_assert_str_eq(reply_text(reply, 0), "half-open");
    ck_assert_int_eq(reply_int(reply, 2), 1);
    freeReplyObject(reply);
    free(lease);
    free(then);
}
END_TEST

START_TEST(a_probe_is_counted_once) {
    redisReply *leases = half_open();
    assert_recorded(reply_text(leases, 4), "ok", 1, "half-open");
    redisReply *reply = record(reply_text(leases, 1), reply_text(leases, 4), "ok", 1, 0);
    ck_assert_int_eq(reply_int(reply, 2), 1);
    freeReplyObject(reply);
    reply = stack_redis(stack, "HGET breaker:{x} ok");
    ck_assert_str_eq(reply_text(reply, 0), "1");
    freeReplyObject(reply);
    freeReplyObject(leases);
}
END_TEST

START_TEST(a_call_that_began_in_another_state_says_nothing_about_this_one) {
    char *then = epoch();
    open_it();
    redisReply *reply = record(then, "", "ok", 1, 0);
    ck_assert_str_eq(reply_text(reply, 0), "open");
    ck_assert_str_eq(reply_text(reply, 1), "");
    ck_assert_int_eq(reply_int(reply, 2), 1);
    freeReplyObject(reply);
    free(then);
}
END_TEST

START_TEST(epochs_only_grow) {
    int64_t last = 0;
    for (int i = 0; i < 3; i++) {
        redisReply *leases = half_open();
        ck_assert_int_gt(reply_int(leases, 1), last);
        last = reply_int(leases, 1);
        for (size_t k = 0; k < PROBES; k++) {
            assert_recorded(reply_text(leases, 4 + k), "ok", 1, k + 1 < PROBES ? "half-open" : "closed");
        }
        freeReplyObject(leases);
    }
}
END_TEST

START_TEST(too_many_requests_pauses_for_the_time_asked_and_is_no_failure) {
    char *now = epoch();
    redisReply *reply = record(now, "", "none", 1, 400);
    ck_assert_str_eq(reply_text(reply, 0), "closed");
    freeReplyObject(reply);
    reply = probe(1);
    ck_assert_str_eq(reply_text(reply, 0), "NO");
    ck_assert_str_eq(reply_text(reply, 2), "paused");
    ck_assert_int_gt(reply_int(reply, 1), 200);
    ck_assert_int_le(reply_int(reply, 1), 400);
    freeReplyObject(reply);
    freeReplyObject(record(now, "", "none", 1, 1)); // a shorter pause doesn't cut a longer one
    reply = probe(1);
    ck_assert_int_gt(reply_int(reply, 1), 100);
    WAIT_FOR(10000, says("GO", &reply));
    freeReplyObject(reply);
    free(now);
}
END_TEST

START_TEST(a_longer_pause_is_cut_and_one_probe_follows_it) {
    char *now = epoch();
    redisReply *reply = record(now, "", "none", 1, 86400000);
    ck_assert_int_eq(reply_int(reply, 4), 1); // it begins
    freeReplyObject(reply);
    reply = record(now, "", "none", 1, 86400000);
    ck_assert_int_eq(reply_int(reply, 4), 0); // it goes on
    freeReplyObject(reply);
    reply = probe(PROBES);
    ck_assert_str_eq(reply_text(reply, 2), "paused");
    ck_assert_int_le(reply_int(reply, 1), PAUSE_MS);
    WAIT_FOR(5000, says("PROBE", &reply));
    ck_assert_uint_eq(reply_count(reply), 4 + 1); // of PROBES that were asked for
    ck_assert_str_eq(reply_text(reply, 2), "closed");
    char *then = xstrdup(reply_text(reply, 1));
    freeReplyObject(record(then, reply_text(reply, 4), "ok", 1, 0));
    ck_assert(says("PROBE", &reply));
    ck_assert_uint_eq(reply_count(reply), 4 + PROBES - 1); // it works: the others
    freeReplyObject(reply);
    free(then);
    free(now);
}
END_TEST

START_TEST(a_pause_can_be_lifted) {
    char *now = epoch();
    freeReplyObject(record(now, "", "none", 1, 86400000));
    redisReply *reply = stack_redis(stack, "FCALL %s 1 breaker:{x}", library_function(LIBRARY_BREAKER_RESUME));
    ck_assert_int_gt(reply->integer, 0);
    ck_assert_int_le(reply->integer, PAUSE_MS);
    freeReplyObject(reply);
    assert_probe("GO");
    free(now);
}
END_TEST

// Redis's clock was far ahead when they were set, and is put right.
START_TEST(no_wait_is_believed_to_be_longer_than_it_could_have_been) {
    freeReplyObject(stack_redis(stack, "HSET breaker:{x} paused 99999999999999 accepted 99999999999999"));
    redisReply *reply = probe(1);
    ck_assert_str_eq(reply_text(reply, 2), "paused");
    ck_assert_int_le(reply_int(reply, 1), PAUSE_MS);
    ck_assert_str_eq(reply_text(reply, 4), "0"); // nobody knows when that was
    freeReplyObject(stack_redis(stack, "FLUSHALL"));
    freeReplyObject(stack_redis(stack, "HSET breaker:{x} state open until 99999999999999 epoch 99999999999999"));
    WAIT_FOR(OPEN_MS + 5000, says("PROBE", &reply));
    ck_assert_int_gt(reply_int(reply, 1), 99999999999999); // epochs only grow
    freeReplyObject(stack_redis(stack, "FLUSHALL"));
    freeReplyObject(stack_redis(stack, "HSET breaker:{x} state half-open lease:1 99999999999999 lease:2 99999999999999 "
                                       "lease:3 99999999999999"));
    ck_assert(says("NO", &reply));
    WAIT_FOR(LEASE_MS + 5000, says("PROBE", &reply));
    freeReplyObject(reply);
}
END_TEST

// The same of a pause whose length is known: it lasts that long from when the clock is right again, and was none too
// long.
START_TEST(a_pause_of_a_clock_that_was_wrong_lasts_as_long_as_it_was_asked_for) {
    char *now = epoch();
    freeReplyObject(record(now, "", "none", 1, 300));
    freeReplyObject(stack_redis(stack, "HINCRBY breaker:{x} paused 900000"));
    freeReplyObject(stack_redis(stack, "HINCRBY breaker:{x} paused_at 900000"));
    redisReply *reply = probe(1);
    ck_assert_str_eq(reply_text(reply, 2), "paused");
    ck_assert_int_le(reply_int(reply, 1), 300);
    WAIT_FOR(10000, says("GO", &reply));
    freeReplyObject(reply);
    free(now);
}
END_TEST

// Tells that a sender is held. Returns the state that it is in by that.
static bool held_makes_it(const char *sender, const char *state) {
    char *now = epoch();
    redisReply *reply = record_about(now, "", "held", 1, 0, 0, sender);
    bool same = strcmp(reply_text(reply, 0), state) == 0;
    freeReplyObject(reply);
    free(now);
    return same;
}

static void accept_one(void) {
    char *now = epoch();
    freeReplyObject(record_about(now, "", "ok", 1, 0, redis_now_ms(stack), "nobody"));
    free(now);
}

START_TEST(held_senders_open_it_once_nobody_has_had_a_success_for_a_while) {
    ck_assert(held_makes_it("a", "closed"));
    ck_assert(held_makes_it("a", "closed"));
    ck_assert(held_makes_it("b", "closed"));
    accept_one(); // all are forgotten
    ck_assert(held_makes_it("c", "closed"));
    ck_assert(held_makes_it("d", "closed"));
    int64_t began_ms = redis_now_ms(stack);
    ck_assert(held_makes_it("e", "closed")); // too soon: others may be on their way
    WAIT_FOR(5000, held_makes_it("e", "open"));
    ck_assert_int_ge(redis_now_ms(stack) - began_ms, 2000 - 50);
    redisReply *reply = stack_redis(stack, "HMGET breaker:{x} cause held:e");
    ck_assert_str_eq(reply_text(reply, 0), "held");
    ck_assert_str_eq(reply_text(reply, 1), "");
    freeReplyObject(reply);
}
END_TEST

START_TEST(a_success_within_that_while_keeps_it_closed) {
    ck_assert(held_makes_it("a", "closed"));
    ck_assert(held_makes_it("b", "closed"));
    ck_assert(held_makes_it("c", "closed"));
    accept_one();
    int64_t began_ms = redis_now_ms(stack);
    WAIT_FOR(8000, redis_now_ms(stack) - began_ms >= 2500);
    ck_assert(held_makes_it("c", "closed"));
}
END_TEST

START_TEST(a_refused_probe_fails_only_where_held_senders_opened_it) {
    redisReply *leases = half_open();
    assert_recorded(reply_text(leases, 4), "refused", 1, "half-open"); // its lease is given back
    ck_assert(says("PROBE", &leases));
    freeReplyObject(stack_redis(stack, "HSET breaker:{x} cause held"));
    assert_recorded(reply_text(leases, 4), "refused", 1, "open");
    WAIT_FOR(5000, says("PROBE", &leases));
    for (size_t i = 0; i < PROBES; i++) {
        assert_recorded(reply_text(leases, 4 + i), "ok", 1, i + 1 < PROBES ? "half-open" : "closed");
    }
    freeReplyObject(leases);
    ck_assert_int_eq(stack_redis_int(stack, "HEXISTS breaker:{x} cause"), 0);
}
END_TEST

START_TEST(a_refusal_says_nothing_to_a_closed_one) {
    for (int i = 0; i < 2 * THRESHOLD; i++) {
        assert_recorded("", "refused", 1, "closed");
    }
    assert_recorded("", "fail", THRESHOLD - 1, "closed");
    assert_recorded("", "refused", 1, "closed");
    assert_recorded("", "fail", 1, "open"); // nor is it a success
}
END_TEST

START_TEST(it_remembers_when_the_latest_accepted_call_began) {
    freeReplyObject(record_about("0", "", "ok", 1, 0, 5000, "nobody"));
    freeReplyObject(record_about("0", "", "ok", 1, 0, 4000, "nobody"));
    freeReplyObject(record_about("77", "", "ok", 1, 0, 6000, "nobody")); // of another epoch, but true
    redisReply *reply = probe(1);
    ck_assert_str_eq(reply_text(reply, 3), "6000");
    freeReplyObject(reply);
}
END_TEST

START_TEST(an_operator_can_hold_it_open_or_closed) {
    const char *mode = library_function(LIBRARY_BREAKER_MODE);
    freeReplyObject(stack_redis(stack, "FCALL %s 1 breaker:{x} open", mode));
    assert_probe("NO");
    freeReplyObject(stack_redis(stack, "FCALL %s 1 breaker:{x} closed", mode));
    open_it();
    assert_probe("GO");
    freeReplyObject(stack_redis(stack, "FCALL %s 1 breaker:{x} auto", mode));
    assert_probe("NO");
    redisReply *reply = stack_redis(stack, "FCALL %s 1 breaker:{x} ajar", mode);
    ck_assert_int_eq(reply->type, REDIS_REPLY_ERROR);
    freeReplyObject(reply);
}
END_TEST

Suite *suite_breaker(void);

// ---- The rate

static int64_t refused_for_ms; // by the last of these

// How many calls a GO is for, of as many as one likes; 0: NO, because of the rate.
static int paced(int per_second) {
    redisReply *reply = probe_at(1000, per_second);
    bool goes = strcmp(reply_text(reply, 0), "GO") == 0;
    int calls = goes ? (int)reply_int(reply, 4) : 0;
    if (!goes) {
        ck_assert_str_eq(reply_text(reply, 2), "paced");
        refused_for_ms = reply_int(reply, 1);
    }
    freeReplyObject(reply);
    return calls;
}

// Asks until the rate says no; how many calls that were.
static int use_up(int per_second) {
    int sum = 0;
    for (int calls; (calls = paced(per_second)) > 0;) {
        sum += calls;
    }
    return sum;
}

static int64_t now_ms(void) {
    return redis_now_ms(stack);
}

// The same without those whose time came only while we asked.
static int use_up_at_once(int per_second) {
    int64_t began_ms = now_ms();
    int sum = use_up(per_second);
    return sum - (int)((now_ms() - began_ms) * per_second / 1000);
}

static int64_t breaker_field(const char *name) {
    redisReply *reply = stack_redis(stack, "HGET breaker:{x} %s", name);
    int64_t number = strtoll(reply_text(reply, 0), NULL, 10);
    freeReplyObject(reply);
    return number;
}

START_TEST(a_rate_grants_a_second_s_worth_at_once_and_then_as_it_says) {
    int64_t began_ms = now_ms();
    int burst = use_up(50);
    ck_assert_int_ge(burst, 50);
    ck_assert_int_le(burst, 50 + (now_ms() - began_ms) * 50 / 1000 + 1);
    WAIT_FOR(5000, (burst += use_up(50), now_ms() - began_ms >= 1000));
    int64_t took_ms = now_ms() - began_ms;
    ck_assert_int_ge(burst, 50 + took_ms * 50 / 1000 - 2);
    ck_assert_int_le(burst, 50 + took_ms * 50 / 1000 + 2);
}
END_TEST

START_TEST(one_grant_is_for_a_tenth_of_a_second_at_most) {
    ck_assert_int_eq(paced(50), 5);
    ck_assert_int_eq(paced(7), 1);
    redisReply *reply = probe_at(3, 50);
    ck_assert_int_eq(reply_int(reply, 4), 3); // nor more than was asked for
    freeReplyObject(reply);
}
END_TEST

START_TEST(a_rate_that_is_used_up_says_when_the_next_call_may_be) {
    use_up(10);
    ck_assert_int_gt(refused_for_ms, 0);
    ck_assert_int_le(refused_for_ms, 100);
    ck_assert_int_ge(breaker_field("slowed"), now_ms() - 5000);
}
END_TEST

static int64_t refund(int64_t at_ms, int64_t us) {
    return stack_redis_int(stack, "FCALL %s 1 breaker:{x} %lld %lld", library_function(LIBRARY_BREAKER_REFUND),
                           (long long)at_ms, (long long)us);
}

START_TEST(what_is_not_used_is_there_again_within_100_ms_and_never_later) {
    use_up(10);
    int64_t spent_us = breaker_field("paced");
    WAIT_FOR(5000, refund(now_ms(), 300000) == 1); // one of them is soon enough
    ck_assert_int_eq(breaker_field("paced"), spent_us - 300000);
    ck_assert_int_eq(refund(now_ms() - 101, 100000), 0);
    ck_assert_int_eq(refund(now_ms() + 60000, 100000), 0);
    ck_assert_int_eq(breaker_field("paced"), spent_us - 300000);
    empty();
    ck_assert_int_eq(refund(now_ms(), 100000), 0); // what nobody has granted is no budget
    ck_assert_int_eq(stack_redis_int(stack, "EXISTS breaker:{x}"), 0);
}
END_TEST

START_TEST(a_rate_whose_clock_was_wrong_goes_on_at_once) {
    freeReplyObject(stack_redis(stack, "HSET breaker:{x} paced %lld000", (long long)now_ms() + 3600000));
    WAIT_FOR(5000, paced(10) == 1);
    use_up(10);
    freeReplyObject(stack_redis(stack, "HSET breaker:{x} paced 5"));
    ck_assert_int_le(use_up_at_once(10), 11); // what has gathered for years is a second's worth
}
END_TEST

// As breaker_probe has it, at so many ms after it closed.
static void closed_for(int64_t ms) {
    freeReplyObject(stack_redis(stack, "HSET breaker:{x} state closed since %lld paced 0", (long long)(now_ms() - ms)));
}

START_TEST(after_it_has_closed_the_rate_grows_from_a_tenth_within_10_s) {
    closed_for(0);
    ck_assert_int_le(use_up_at_once(100), 12);
    closed_for(5000);
    ck_assert_int_ge(use_up(100), 55);
    closed_for(5000);
    ck_assert_int_le(use_up_at_once(100), 60);
    closed_for(10000);
    ck_assert_int_ge(use_up(100), 100);
    closed_for(-60000);
    ck_assert_int_ge(use_up(100), 100); // by a clock that was wrong: nobody knows
}
END_TEST

START_TEST(it_closes_with_nothing_gathered) {
    redisReply *leases = half_open();
    freeReplyObject(stack_redis(stack, "HSET breaker:{x} paced 1"));
    for (size_t i = 0; i < PROBES; i++) {
        assert_recorded(reply_text(leases, 4 + i), "ok", 1, i + 1 < PROBES ? "half-open" : "closed");
    }
    freeReplyObject(leases);
    ck_assert_int_le(use_up_at_once(10), 1);
}
END_TEST

START_TEST(a_probe_is_a_call_of_the_rate_too) {
    open_it();
    redisReply *reply = NULL;
    WAIT_FOR(5000, (freeReplyObject(reply), reply = probe_at(PROBES, 1), strcmp(reply_text(reply, 0), "PROBE") == 0));
    ck_assert_uint_eq(reply_count(reply), 4 + 1);
    freeReplyObject(reply);
    ck_assert_int_ge(breaker_field("paced"), now_ms() * 1000 - 5000000); // all that had gathered is spent
}
END_TEST

START_TEST(an_open_one_says_so_whatever_the_rate) {
    use_up(1);
    open_it();
    redisReply *reply = probe_at(1, 1);
    ck_assert_str_eq(reply_text(reply, 2), "open");
    freeReplyObject(reply);
}
END_TEST

Suite *suite_breaker(void) {
    Suite *suite = suite_create("breaker");
    TCase *tests = tcase_create("breaker");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, empty, NULL);
    tcase_add_test(tests, a_breaker_that_nobody_has_touched_lets_calls_through);
    tcase_add_test(tests, so_many_failures_in_a_row_open_it);
    tcase_add_test(tests, wrong_credentials_open_it_at_once);
    tcase_add_test(tests, after_its_cool_down_it_admits_so_many_probes_and_no_more);
    tcase_add_test(tests, as_many_good_probes_close_it);
    tcase_add_test(tests, one_bad_probe_opens_it_again);
    tcase_add_test(tests, a_probe_that_was_never_heard_of_again_frees_its_place);
    tcase_add_test(tests, a_probe_is_counted_once);
    tcase_add_test(tests, a_call_that_began_in_another_state_says_nothing_about_this_one);
    tcase_add_test(tests, epochs_only_grow);
    tcase_add_test(tests, too_many_requests_pauses_for_the_time_asked_and_is_no_failure);
    tcase_add_test(tests, a_longer_pause_is_cut_and_one_probe_follows_it);
    tcase_add_test(tests, a_pause_can_be_lifted);
    tcase_add_test(tests, no_wait_is_believed_to_be_longer_than_it_could_have_been);
    tcase_add_test(tests, a_pause_of_a_clock_that_was_wrong_lasts_as_long_as_it_was_asked_for);
    tcase_add_test(tests, held_senders_open_it_once_nobody_has_had_a_success_for_a_while);
    tcase_add_test(tests, a_success_within_that_while_keeps_it_closed);
    tcase_add_test(tests, a_refused_probe_fails_only_where_held_senders_opened_it);
    tcase_add_test(tests, a_refusal_says_nothing_to_a_closed_one);
    tcase_add_test(tests, it_remembers_when_the_latest_accepted_call_began);
    tcase_add_test(tests, an_operator_can_hold_it_open_or_closed);
    tcase_add_test(tests, a_rate_grants_a_second_s_worth_at_once_and_then_as_it_says);
    tcase_add_test(tests, one_grant_is_for_a_tenth_of_a_second_at_most);
    tcase_add_test(tests, a_rate_that_is_used_up_says_when_the_next_call_may_be);
    tcase_add_test(tests, what_is_not_used_is_there_again_within_100_ms_and_never_later);
    tcase_add_test(tests, a_rate_whose_clock_was_wrong_goes_on_at_once);
    tcase_add_test(tests, after_it_has_closed_the_rate_grows_from_a_tenth_within_10_s);
    tcase_add_test(tests, it_closes_with_nothing_gathered);
    tcase_add_test(tests, a_probe_is_a_call_of_the_rate_too);
    tcase_add_test(tests, an_open_one_says_so_whatever_the_rate);
    suite_add_tcase(suite, tests);
    return suite;
}
