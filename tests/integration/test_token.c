// SPDX-License-Identifier: MIT
// redis/messaging.lua: a message as one token, called directly: settle, unpark, claim, renew, give back, done, reap,
// replay. Whatever happens, it is one entry of outbound or one field of parked until its last outcome is in events.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/redis/library.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"

#define STREAMS "outbound:{sms-mms:0} events:{sms-mms:0} parked:{sms-mms:0} parked-due:{sms-mms:0}"
#define REFUSALS "refused:{sms-mms:0} senders:{sms-mms:0} senders-at:{sms-mms:0} held-senders:{sms-mms:0}"

static struct stack *stack;

static void start(void) {
    stack = stack_create("token", NULL);
    freeReplyObject(stack_redis(stack, "FUNCTION LOAD %s", library_text));
}

static void end(void) {
    stack_destroy(stack);
}

static void empty(void) {
    freeReplyObject(stack_redis(stack, "FLUSHALL"));
    freeReplyObject(stack_redis(stack, "XGROUP CREATE outbound:{sms-mms:0} dispatchers 0 MKSTREAM"));
}

// The verdict of a call that answers with one word.
#define ASSERT_SAYS(word, ...)                                                                                         \
    do {                                                                                                               \
        redisReply *said = stack_redis(stack, __VA_ARGS__);                                                            \
        ck_assert_str_eq(reply_text(said, 0), word);                                                                   \
        freeReplyObject(said);                                                                                         \
    } while (0)

static void add(const char *entry, const char *id) {
    ASSERT_SAYS(entry, "XADD outbound:{sms-mms:0} %s v 1 id %s gen 0 call 1 spent 0 at 1 p {}", entry, id);
}

static void read_all(const char *consumer) {
    freeReplyObject(stack_redis(stack, "XREADGROUP GROUP dispatchers %s STREAMS outbound:{sms-mms:0} >", consumer));
}

static redisReply *settle(const char *me, const char *entry, int count, const char *id, const char *verdict,
                          int delay_ms, int free_of_charge) {
    return stack_redis(stack, "FCALL %s 8 " STREAMS " " REFUSALS " %s 0 5 30000 %s %d %s 0 1 %s %d %d s - {}",
                       library_function(LIBRARY_SETTLE), me, entry, count, id, verdict, delay_ms, free_of_charge);
}

#define ASSERT_SETTLED(word, ...)                                                                                      \
    do {                                                                                                               \
        redisReply *said = settle(__VA_ARGS__);                                                                        \
        ck_assert_str_eq(reply_text(said, 0), word);                                                                   \
        freeReplyObject(said);                                                                                         \
    } while (0)

static int64_t redis_ms(void) {
    redisReply *reply = stack_redis(stack, "TIME");
    int64_t now_ms = reply_int(reply, 0) * 1000 + reply_int(reply, 1) / 1000;
    freeReplyObject(reply);
    return now_ms;
}

static redisReply *claim(const char *me, int steal, int idle_ms, int most, const char *known) {
    return stack_redis(stack, "FCALL %s 1 outbound:{sms-mms:0} dispatchers %s %lld %d %d %s",
                       library_function(LIBRARY_CLAIM), me, steal ? (long long)redis_ms() : 0, idle_ms, most, known);
}

static void assert_state(int outbound, int pending, int parked, int events) {
    ck_assert_int_eq(stack_redis_int(stack, "XLEN outbound:{sms-mms:0}"), outbound);
    redisReply *reply = stack_redis(stack, "XPENDING outbound:{sms-mms:0} dispatchers");
    ck_assert_int_eq(reply_int(reply, 0), pending);
    freeReplyObject(reply);
    ck_assert_int_eq(stack_redis_int(stack, "HLEN parked:{sms-mms:0}"), parked);
    ck_assert_int_eq(stack_redis_int(stack, "ZCARD parked-due:{sms-mms:0}"), parked);
    ck_assert_int_eq(stack_redis_int(stack, "XLEN events:{sms-mms:0}"), events);
}

static void assert_last_event(const char *name, const char *value) {
    redisReply *reply = stack_redis(stack, "XREVRANGE events:{sms-mms:0} + - COUNT 1");
    ck_assert_uint_eq(reply_count(reply), 1);
    ck_assert_str_eq(reply_field(reply->element[0]->element[1], name), value);
    freeReplyObject(reply);
}

START_TEST(a_final_verdict_ends_the_token_and_is_recorded) {
    add("1-1", "a");
    add("1-2", "b");
    read_all("me");
    ASSERT_SETTLED("OK", "me", "1-1", 1, "a", "sent", 0, 0);
    assert_last_event("verdict", "sent");
    ASSERT_SETTLED("OK", "me", "1-2", 1, "b", "failed", 0, 0);
    assert_last_event("id", "b");
    assert_state(0, 0, 0, 2);
}
END_TEST

START_TEST(a_retry_parks_the_message_with_its_next_call_and_what_it_has_spent) {
    add("1-1", "a");
    add("1-2", "b");
    read_all("me");
    ASSERT_SETTLED("OK", "me", "1-1", 1, "a", "retry", 60000, 0);
    ASSERT_SETTLED("OK", "me", "1-2", 1, "b", "retry", 60000, 1);
    assert_state(0, 0, 2, 2);
    redisReply *reply = stack_redis(stack, "HGET parked:{sms-mms:0} a:0");
    ck_assert_ptr_nonnull(strstr(reply_text(reply, 0), "\"call\":\"2\""));
    ck_assert_ptr_nonnull(strstr(reply_text(reply, 0), "\"spent\":\"1\""));
    freeReplyObject(reply);
    reply = stack_redis(stack, "HGET parked:{sms-mms:0} b:0");
    ck_assert_ptr_nonnull(strstr(reply_text(reply, 0), "\"call\":\"2\""));
    ck_assert_ptr_nonnull(strstr(reply_text(reply, 0), "\"spent\":\"0\""));
    freeReplyObject(reply);
}
END_TEST

// After a fail-over: it was called, and waits again.
START_TEST(a_late_success_takes_a_message_that_is_held_or_scheduled) {
    freeReplyObject(stack_redis(stack, "HSET held:{sms-mms:0} a:0 %s", "2 1 0 1 0 5 c {}"));
    freeReplyObject(stack_redis(stack, "ZADD held-order:{sms-mms:0} 0 %s", "c 0000000001 a:0"));
    freeReplyObject(stack_redis(stack, "ZADD held-due:{sms-mms:0} 5 c"));
    freeReplyObject(stack_redis(stack, "HSET scheduled:{sms-mms:0} b:0 %s", "2 7 0 1 0 99999999999999 c {}"));
    freeReplyObject(stack_redis(stack, "ZADD scheduled-due:{sms-mms:0} 99999999999999 %s", "7 b:0"));
    freeReplyObject(stack_redis(stack, "SET scheduled-bytes:{sms-mms:0} 29"));
    ASSERT_SETTLED("LATE", "me", "1-9", 1, "a", "sent", 0, 0);
    ASSERT_SETTLED("LATE", "me", "1-9", 1, "b", "sent", 0, 0);
    ck_assert_int_eq(stack_redis_int(stack, "EXISTS held:{sms-mms:0} held-order:{sms-mms:0} held-due:{sms-mms:0}"), 0);
    ck_assert_int_eq(stack_redis_int(stack, "EXISTS scheduled:{sms-mms:0} scheduled-due:{sms-mms:0}"), 0);
    ck_assert_int_eq(stack_redis_int(stack, "INCRBY scheduled-bytes:{sms-mms:0} 0"), 0);
    assert_state(0, 0, 0, 2);
}
END_TEST

START_TEST(nobody_settles_what_is_not_theirs) {
    add("1-1", "a");
    read_all("me");
    ASSERT_SETTLED("LOST", "another", "1-1", 1, "a", "failed", 0, 0);
    ASSERT_SETTLED("LOST", "me", "1-1", 2, "a", "retry", 0, 0);
    ASSERT_SETTLED("LOST", "me", "1-1", 1, "b", "failed", 0, 0);
    ASSERT_SETTLED("LOST", "me", "1-9", 1, "a", "retry", 0, 0);
    assert_state(1, 1, 0, 0);
}
END_TEST

START_TEST(a_late_success_is_recorded_and_ends_the_token_wherever_it_is) {
    add("1-1", "a");
    read_all("me");
    ASSERT_SETTLED("LATE", "another", "1-1", 1, "a", "sent", 0, 0);
    assert_last_event("late", "1");
    assert_state(0, 0, 0, 1);

    add("2-1", "b");
    read_all("me");
    ASSERT_SETTLED("OK", "me", "2-1", 1, "b", "retry", 60000, 0);
    assert_state(0, 0, 1, 2);
    ASSERT_SETTLED("LATE", "another", "2-1", 1, "b", "sent", 0, 0);
    assert_state(0, 0, 0, 3);
}
END_TEST

START_TEST(a_late_success_leaves_an_entry_alone_that_is_another_message_by_now) {
    add("1-1", "new");
    read_all("me");
    ASSERT_SETTLED("LATE", "me", "1-1", 1, "old", "sent", 0, 0);
    assert_last_event("id", "old");
    assert_state(1, 1, 0, 1);
}
END_TEST

// One call that settles several, `arguments` being all of them.
static redisReply *settle_together(const char *arguments) {
    char *format = xasprintf("FCALL %%s 8 " STREAMS " " REFUSALS " me 0 5 30000 %s", arguments);
    redisReply *reply = stack_redis(stack, format, library_function(LIBRARY_SETTLE));
    free(format);
    return reply;
}

static void assert_settled_together(const char *arguments, const char *verdicts) {
    redisReply *reply = settle_together(arguments);
    char got[64] = "";
    for (size_t i = 0; i < reply_count(reply); i++) {
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", i > 0 ? " " : "", reply_text(reply, i));
    }
    ck_assert_str_eq(got, verdicts);
    freeReplyObject(reply);
}

START_TEST(what_one_call_settles_is_judged_one_by_one) {
    add("1-1", "a");
    add("1-2", "b");
    add("1-3", "c");
    read_all("me");
    assert_settled_together(
        "1-1 1 a 0 1 sent 0 0 s - {} 1-2 2 b 0 1 failed 0 0 s - {} 1-3 1 c 0 1 retry 60000 0 s - {}", "OK LOST OK");
    assert_last_event("verdict", "retry");
    assert_state(1, 1, 1, 2);
}
END_TEST

START_TEST(what_cannot_be_settled_is_an_error_of_its_own) {
    add("1-1", "a");
    add("1-2", "b");
    add("1-3", "c");
    read_all("me");
    freeReplyObject(stack_redis(stack, "SET parked:{sms-mms:0} text"));
    redisReply *reply =
        settle_together("1-1 1 a 0 1 sent 0 0 s - {} 1-2 1 b 0 1 retry 0 0 s - {} 1-3 1 c 0 1 failed 0 0 s - {}");
    ck_assert_str_eq(reply_text(reply, 0), "OK");
    ck_assert_msg(strncmp(reply_text(reply, 1), "ERR script: WRONGTYPE", 21) == 0, "%s", reply_text(reply, 1));
    ck_assert_str_eq(reply_text(reply, 2), "OK");
    freeReplyObject(reply);
    freeReplyObject(stack_redis(stack, "DEL parked:{sms-mms:0}"));
    assert_state(1, 1, 0, 3);
    ASSERT_SETTLED("OK", "me", "1-2", 1, "b", "retry", 60000, 0);
    assert_state(0, 0, 1, 4);
}
END_TEST

START_TEST(an_entry_that_a_call_has_ended_is_gone_for_the_rest_of_the_call) {
    add("1-1", "a");
    read_all("me");
    assert_settled_together("1-1 9 a 0 1 sent 0 0 s - {} 1-1 1 a 0 1 retry 60000 0 s - {} 1-1 1 a 0 1 sent 0 0 s - {}",
                            "LATE LOST LATE");
    assert_state(0, 0, 0, 2);
}
END_TEST

START_TEST(a_settle_goes_through_though_the_group_is_gone) {
    add("1-1", "a");
    read_all("me");
    freeReplyObject(stack_redis(stack, "XGROUP DESTROY outbound:{sms-mms:0} dispatchers"));
    ASSERT_SETTLED("OK", "me", "1-1", 1, "a", "sent", 0, 0);
    ck_assert_int_eq(stack_redis_int(stack, "XLEN outbound:{sms-mms:0}"), 0);
    ck_assert_int_eq(stack_redis_int(stack, "XLEN events:{sms-mms:0}"), 1);
}
END_TEST

#define ID "01890000-0000-7000-8000-000000000001"

static redisReply *unpark_from(const char *cursor, int most, int longest_ms) {
    return stack_redis(stack, "FCALL %s 4 " STREAMS " %d %d %s 60000 1", library_function(LIBRARY_UNPARK), most,
                       longest_ms, cursor);
}

static redisReply *unpark(int most) {
    return unpark_from("0 0 0", most, 300000);
}

START_TEST(only_what_is_due_leaves_the_park_and_the_next_time_is_told) {
    add("1-1", "now");
    add("1-2", "later");
    read_all("me");
    ASSERT_SETTLED("OK", "me", "1-1", 1, "now", "retry", 0, 0);
    ASSERT_SETTLED("OK", "me", "1-2", 1, "later", "retry", 60000, 0);
    redisReply *reply = unpark(10);
    ck_assert_int_eq(reply_int(reply, 0), 1);
    ck_assert_int_gt(reply_int(reply, 1), 50000);
    ck_assert_int_le(reply_int(reply, 1), 60000);
    freeReplyObject(reply);
    assert_state(1, 0, 1, 2);
    reply = stack_redis(stack, "XRANGE outbound:{sms-mms:0} - +");
    ck_assert_str_eq(reply_field(reply->element[0]->element[1], "id"), "now");
    ck_assert_str_eq(reply_field(reply->element[0]->element[1], "call"), "2");
    ck_assert_str_eq(reply_field(reply->element[0]->element[1], "p"), "{}");
    freeReplyObject(reply);
}
END_TEST

START_TEST(no_more_leave_the_park_at_once_than_asked_for) {
    for (int i = 0; i < 5; i++) {
        char entry[16];
        snprintf(entry, sizeof entry, "1-%d", i + 1);
        add(entry, entry);
        read_all("me");
        ASSERT_SETTLED("OK", "me", entry, 1, entry, "retry", 0, 0);
    }
    redisReply *reply = unpark(3);
    ck_assert_int_eq(reply_int(reply, 0), 3);
    ck_assert_int_eq(reply_int(reply, 1), 0);
    freeReplyObject(reply);
    reply = unpark(3);
    ck_assert_int_eq(reply_int(reply, 0), 2);
    ck_assert_int_eq(reply_int(reply, 1), -1);
    freeReplyObject(reply);
}
END_TEST

START_TEST(a_parked_message_whose_payload_is_gone_has_failed) {
    freeReplyObject(stack_redis(stack, "ZADD parked-due:{sms-mms:0} 1 " ID ":3"));
    freeReplyObject(unpark(10));
    assert_state(0, 0, 0, 1);
    assert_last_event("verdict", "failed");
    assert_last_event("gen", "3");
}
END_TEST

// A good one that is due after everything else that is.
static void park_a_good_one(void) {
    add("1-1", "good");
    read_all("me");
    ASSERT_SETTLED("OK", "me", "1-1", 1, "good", "retry", 0, 0);
    ck_assert_int_eq(stack_redis_int(stack, "DEL events:{sms-mms:0}"), 1);
}

static void park_badly(const char *token, const char *payload) {
    freeReplyObject(stack_redis(stack, "HSET parked:{sms-mms:0} %s %s", token, payload));
    freeReplyObject(stack_redis(stack, "ZADD parked-due:{sms-mms:0} 1 %s", token));
}

START_TEST(what_cannot_be_read_leaves_the_park_alone_as_a_failure_with_its_content) {
    static const char *const payloads[] = {
        "garbage", "{}", "[]", "7", "null", "{\"v\":\"1\",\"id\":", "{\"v\":1,\"id\":{},\"gen\":[],\"call\":null}"};
    park_a_good_one();
    park_badly(ID ":2", payloads[_i]);
    freeReplyObject(unpark(10));
    assert_state(1, 0, 0, 2);
    redisReply *reply = stack_redis(stack, "XRANGE events:{sms-mms:0} - +");
    const redisReply *failed = reply->element[0]->element[1], *poison = reply->element[1]->element[1];
    ck_assert_str_eq(reply_field(failed, "verdict"), "failed");
    ck_assert_str_eq(reply_field(failed, "id"), ID);
    ck_assert_str_eq(reply_field(failed, "gen"), "2");
    ck_assert_str_eq(reply_field(poison, "k"), "poison");
    ck_assert_str_eq(reply_field(poison, "parked"), ID ":2");
    ck_assert_str_eq(reply_field(poison, "payload"), payloads[_i]);
    ck_assert_ptr_nonnull(strstr(reply_field(poison, "why"), "its parked payload"));
    freeReplyObject(reply);
}
END_TEST

START_TEST(what_says_to_be_another_message_is_not_called_as_that) {
    park_badly(ID ":2",
               "{\"v\":\"1\",\"id\":\"x\",\"gen\":\"2\",\"call\":\"2\",\"spent\":\"0\",\"at\":\"1\",\"p\":\"{}\"}");
    freeReplyObject(unpark(10));
    assert_state(0, 0, 0, 2);
    assert_last_event("why", "its parked payload is of another message");
}
END_TEST

START_TEST(a_name_without_its_number_leaves_the_park_with_what_it_had) {
    static const char *const names[] = {ID, "x", ID ":", ID ":one", ":1"};
    park_a_good_one();
    park_badly(names[_i], "{\"p\":\"hello\"}");
    freeReplyObject(unpark(10));
    assert_state(1, 0, 0, 1);
    assert_last_event("k", "poison");
    assert_last_event("parked", names[_i]);
    assert_last_event("payload", "{\"p\":\"hello\"}");
    freeReplyObject(stack_redis(stack, "ZADD parked-due:{sms-mms:0} 1 %s", names[_i]));
    freeReplyObject(unpark(10));
    ck_assert_int_eq(stack_redis_int(stack, "XLEN events:{sms-mms:0}"), 2);
}
END_TEST

static int64_t score_of(const char *token) {
    redisReply *reply = stack_redis(stack, "ZSCORE parked-due:{sms-mms:0} %s", token);
    int64_t score = strtoll(reply_text(reply, 0), NULL, 10);
    freeReplyObject(reply);
    return score;
}

START_TEST(a_wait_that_is_longer_than_any_could_be_begins_anew) {
    add("1-1", "a");
    add("1-2", "b");
    read_all("me");
    ASSERT_SETTLED("OK", "me", "1-1", 1, "a", "retry", 5000, 0);
    ASSERT_SETTLED("OK", "me", "1-2", 1, "b", "retry", 299000, 0);
    const int64_t ahead[] = {900000, 400LL * 24 * 3600 * 1000};
    int64_t was = score_of("b:0");
    freeReplyObject(stack_redis(stack, "ZINCRBY parked-due:{sms-mms:0} %lld a:0", (long long)ahead[_i]));
    park_badly("x", "garbage");
    freeReplyObject(stack_redis(stack, "ZADD parked-due:{sms-mms:0} inf x"));
    freeReplyObject(unpark(10));
    int64_t left = score_of("a:0") - redis_ms();
    ck_assert_int_le(left, 5000);
    ck_assert_int_gt(left, 0);
    ck_assert_int_eq(score_of("b:0"), was);
    ck_assert_int_le(score_of("x"), redis_ms());
}
END_TEST

START_TEST(long_waits_are_shortened_a_few_a_call_and_the_next_call_is_due_at_once) {
    for (int i = 0; i < 25; i++) {
        char token[16];
        snprintf(token, sizeof token, "x:%d", i);
        park_badly(token, "garbage");
        freeReplyObject(stack_redis(stack, "ZADD parked-due:{sms-mms:0} 9999999999999 %s", token));
    }
    int64_t left = 25;
    for (int call = 0; left > 0 && call < 3; call++) {
        redisReply *reply = unpark(10);
        ck_assert_int_eq(reply_int(reply, 1), left > 10 ? 0 : -1);
        freeReplyObject(reply);
        int64_t now_left = stack_redis_int(stack, "ZCARD parked-due:{sms-mms:0}");
        ck_assert_int_eq(left - now_left, left > 10 ? 10 : left);
        left = now_left;
    }
    ck_assert_int_eq(left, 0);
}
END_TEST

START_TEST(what_is_parked_without_a_time_is_found_and_becomes_due) {
    enum { MANY = 1000 };
    for (int i = 0; i < MANY; i++) {
        char token[16];
        snprintf(token, sizeof token, "id-%d:0", i);
        freeReplyObject(stack_redis(
            stack,
            "HSET parked:{sms-mms:0} %s "
            "{\"v\":\"1\",\"id\":\"id-%d\",\"gen\":\"0\",\"call\":\"2\",\"spent\":\"1\",\"at\":\"1\",\"p\":\"{}\"}",
            token, i));
        if (i % 2 == 0) {
            freeReplyObject(
                stack_redis(stack, "ZADD parked-due:{sms-mms:0} %lld %s", (long long)redis_ms() + 60000, token));
        }
    }
    char cursor[72] = "0 0 0";
    int calls = 0;
    do {
        redisReply *reply = unpark_from(cursor, 100, 300000);
        snprintf(cursor, sizeof cursor, "%s", reply_text(reply, 2));
        ck_assert_int_le(reply_int(reply, 0), 100);
        freeReplyObject(reply);
        calls++;
    } while (stack_redis_int(stack, "XLEN outbound:{sms-mms:0}") < MANY / 2 && calls < MANY);
    assert_state(MANY / 2, 0, MANY / 2, 0);
    ck_assert_int_ge(calls, 10);
}
END_TEST

START_TEST(a_time_that_has_not_come_yet_is_not_kept_as_when_a_message_began) {
    ASSERT_SAYS("1-1", "XADD outbound:{sms-mms:0} 1-1 v 1 id a gen 0 call 1 spent 0 at 9999999999999 p {}");
    add("1-2", "b");
    read_all("me");
    ASSERT_SETTLED("OK", "me", "1-1", 1, "a", "retry", 0, 0);
    ASSERT_SETTLED("OK", "me", "1-2", 1, "b", "retry", 0, 0);
    freeReplyObject(unpark(10));
    redisReply *reply = stack_redis(stack, "XRANGE outbound:{sms-mms:0} - +");
    ck_assert_int_le(strtoll(reply_field(reply->element[0]->element[1], "at"), NULL, 10), redis_ms());
    ck_assert_str_eq(reply_field(reply->element[1]->element[1], "at"), "1");
    freeReplyObject(reply);
}
END_TEST

START_TEST(claim_takes_my_own_entries_but_those_i_know) {
    add("1-1", "a");
    add("1-2", "b");
    read_all("me");
    redisReply *reply = claim("me", 0, 0, 10, "1-1");
    ck_assert_uint_eq(reply_count(reply), 1);
    ck_assert_str_eq(reply_text(reply->element[0], 0), "1-2");
    ck_assert_int_eq(reply_int(reply->element[0], 1), 2);
    ck_assert_str_eq(reply_field(reply->element[0]->element[2], "id"), "b");
    freeReplyObject(reply);
}
END_TEST

START_TEST(claim_leaves_others_alone_until_it_may_steal_what_is_idle) {
    add("1-1", "a");
    read_all("another");
    redisReply *reply = claim("me", 0, 0, 10, "");
    ck_assert_uint_eq(reply_count(reply), 0);
    freeReplyObject(reply);
    reply = claim("me", 1, 3600000, 10, "");
    ck_assert_uint_eq(reply_count(reply), 0);
    freeReplyObject(reply);
    reply = claim("me", 1, 0, 10, "");
    ck_assert_uint_eq(reply_count(reply), 1);
    freeReplyObject(reply);
    ASSERT_SETTLED("LOST", "another", "1-1", 1, "a", "failed", 0, 0);
    ASSERT_SETTLED("OK", "me", "1-1", 2, "a", "sent", 0, 0);
}
END_TEST

START_TEST(claim_takes_what_was_delivered_but_is_held_by_nobody) {
    add("1-1", "a");
    freeReplyObject(stack_redis(stack, "XGROUP SETID outbound:{sms-mms:0} dispatchers $"));
    redisReply *reply = claim("me", 1, 0, 10, "");
    ck_assert_uint_eq(reply_count(reply), 1);
    freeReplyObject(reply);
    assert_state(1, 1, 0, 0);
}
END_TEST

START_TEST(claim_takes_no_more_than_asked_for) {
    for (int i = 1; i <= 5; i++) {
        char entry[16];
        snprintf(entry, sizeof entry, "1-%d", i);
        add(entry, entry);
    }
    read_all("another");
    redisReply *reply = claim("me", 1, 0, 2, "");
    ck_assert_uint_eq(reply_count(reply), 2);
    freeReplyObject(reply);
}
END_TEST

START_TEST(what_is_given_back_goes_to_the_next_who_claims) {
    add("1-1", "a");
    read_all("another");
    ASSERT_SAYS("OK", "FCALL %s 1 outbound:{sms-mms:0} dispatchers another 1-1 1", library_function(LIBRARY_GIVE_BACK));
    ASSERT_SETTLED("LOST", "another", "1-1", 1, "a", "failed", 0, 0);
    redisReply *reply = claim("me", 0, 0, 10, "");
    ck_assert_uint_eq(reply_count(reply), 1);
    ck_assert_int_eq(reply_int(reply->element[0], 1), 2);
    freeReplyObject(reply);
}
END_TEST

static redisReply *quarantine(const char *me, const char *entry, int count) {
    return stack_redis(stack, "FCALL %s 2 outbound:{sms-mms:0} events:{sms-mms:0} %s %s %d why [\"x\"]",
                       library_function(LIBRARY_QUARANTINE), me, entry, count);
}

START_TEST(what_is_no_token_is_moved_to_the_events_once_and_by_its_holder_only) {
    add("1-1", "a");
    read_all("me");
    static const struct {
        const char *me;
        int count;
        const char *says;
    } tries[] = {{"other", 1, "LOST"}, {"me", 2, "LOST"}, {"me", 1, "OK"}, {"me", 1, "LOST"}};
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        redisReply *said = quarantine(tries[i].me, "1-1", tries[i].count);
        ck_assert_str_eq(reply_text(said, 0), tries[i].says);
        freeReplyObject(said);
    }
    assert_state(0, 0, 0, 1);
    assert_last_event("k", "poison");
    assert_last_event("entry", "1-1");
    assert_last_event("fields", "[\"x\"]");
}
END_TEST

START_TEST(a_lease_is_renewed_by_its_holder_only_and_keeps_its_count) {
    add("1-1", "a");
    read_all("me");
    ASSERT_SAYS("LOST", "FCALL %s 1 outbound:{sms-mms:0} dispatchers another 1-1 1", library_function(LIBRARY_RENEW));
    ASSERT_SAYS("LOST", "FCALL %s 1 outbound:{sms-mms:0} dispatchers me 1-1 2", library_function(LIBRARY_RENEW));
    ASSERT_SAYS("OK", "FCALL %s 1 outbound:{sms-mms:0} dispatchers me 1-1 1", library_function(LIBRARY_RENEW));
    ASSERT_SETTLED("OK", "me", "1-1", 1, "a", "sent", 0, 0);
}
END_TEST

START_TEST(done_deletes_as_many_entries_as_it_is_given) {
    enum { COUNT = 2500 };
    char *list = malloc(COUNT * 8);
    int length = 0;
    for (int i = 1; i <= COUNT; i++) {
        freeReplyObject(stack_redis(stack, "XADD outbound:{sms-mms:0} 1-%d id x", i));
        length += snprintf(list + length, 8, "1-%d ", i);
    }
    read_all("me");
    const char *argv[COUNT + 5] = {"FCALL", library_function(LIBRARY_DONE), "1", "outbound:{sms-mms:0}", "dispatchers"};
    int argc = 5;
    for (char *entry = strtok(list, " "); entry != NULL; entry = strtok(NULL, " ")) {
        argv[argc++] = entry;
    }
    redisReply *reply = stack_redis_argv(stack, argc, argv);
    ck_assert_int_eq(reply_int(reply, 0), COUNT);
    freeReplyObject(reply);
    free(list);
    assert_state(0, 0, 0, 0);
}
END_TEST

START_TEST(only_silent_consumers_without_entries_are_forgotten) {
    add("1-1", "a");
    read_all("busy");
    ck_assert_int_eq(stack_redis_int(stack, "XGROUP CREATECONSUMER outbound:{sms-mms:0} dispatchers idle"), 1);
    ck_assert_int_eq(
        stack_redis_int(stack, "FCALL %s 1 outbound:{sms-mms:0} dispatchers 3600000", library_function(LIBRARY_REAP)),
        0);
    WAIT_FOR(10000, stack_redis_int(stack, "FCALL %s 1 outbound:{sms-mms:0} dispatchers 0",
                                    library_function(LIBRARY_REAP)) == 1);
    redisReply *reply = stack_redis(stack, "XINFO CONSUMERS outbound:{sms-mms:0} dispatchers");
    ck_assert_uint_eq(reply_count(reply), 1);
    ck_assert_str_eq(reply_field(reply->element[0], "name"), "busy");
    freeReplyObject(reply);
}
END_TEST

#define REPLAY_KEYS                                                                                                    \
    "outbound:{sms-mms:0} events:{sms-mms:0} parked:{sms-mms:0} replayed:{sms-mms:0}:a:1 idem:{sms-mms:0}:k"

// What a replay of message a says: cap entries at most, recorded by Postgres or not, under a key where ttl_ms is not 0.
static void assert_replay(const char *says, int cap, int recorded, int ttl_ms, const char *token) {
    ASSERT_SAYS(says, "FCALL %s 5 " REPLAY_KEYS " a 1 {} %d %d %d %s %s 0", library_function(LIBRARY_REPLAY), cap,
                recorded, ttl_ms, token, "");
}

START_TEST(a_dead_letter_is_replayed_once) {
    assert_replay("OK", 10, 0, 0, "-");
    assert_replay("ALREADY", 10, 0, 0, "-");
    assert_state(1, 0, 0, 1);
    assert_last_event("k", "replayed");
    ck_assert_int_gt(stack_redis_int(stack, "PTTL replayed:{sms-mms:0}:a:1"), 0);
}
END_TEST

START_TEST(a_dead_letter_that_is_recorded_as_replayed_is_not_replayed_though_the_guard_has_gone) {
    assert_replay("ALREADY", 10, 1, 0, "-");
    assert_state(0, 0, 0, 0);
}
END_TEST

START_TEST(a_replay_is_refused_when_the_backlog_is_at_its_cap) {
    add("1-1", "b");
    assert_replay("FULL", 1, 0, 60000, "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb");
    assert_state(1, 0, 0, 0);
    ck_assert_int_eq(stack_redis_int(stack, "EXISTS idem:{sms-mms:0}:k replayed:{sms-mms:0}:a:1"), 0);
}
END_TEST

START_TEST(a_replay_repeated_under_its_key_is_told_apart_from_another_under_it) {
    assert_replay("OK", 10, 0, 60000, "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb");
    assert_replay("REPLAY", 10, 0, 60000, "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb");
    assert_replay("REPLAY", 10, 1, 60000, "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb");
    assert_replay("REUSED", 10, 0, 60000, "aaaaaaaaaaaaaaaacccccccccccccccc");
    assert_state(1, 0, 0, 1);
}
END_TEST

#define JOB_KEYS "replays:{replay} replaying:{replay}"

static redisReply *ask(const char *token, int ttl_ms, int most, int matched) {
    return stack_redis(stack, "FCALL %s 2 replays:{replay} idem:{replay}:k %s %d %d %d last %d",
                       library_function(LIBRARY_REPLAY_ASK), token, ttl_ms, most, matched, matched);
}

#define ASSERT_ASKED(word, matched, ...)                                                                               \
    do {                                                                                                               \
        redisReply *said = ask(__VA_ARGS__);                                                                           \
        ck_assert_str_eq(reply_text(said, 0), word);                                                                   \
        ck_assert_str_eq(reply_text(said, 1), matched);                                                                \
        freeReplyObject(said);                                                                                         \
    } while (0)

START_TEST(a_replay_of_many_waits_as_a_job_and_its_repeat_makes_no_other) {
    ASSERT_ASKED("OK", "7", "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb", 60000, 2, 7);
    ASSERT_ASKED("REPLAY", "7", "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb", 60000, 2, 3);
    ASSERT_ASKED("REUSED", "", "aaaaaaaaaaaaaaaacccccccccccccccc", 60000, 2, 3);
    ASSERT_ASKED("OK", "3", "-", 0, 2, 3);
    ASSERT_ASKED("FULL", "", "-", 0, 2, 3);
    ck_assert_int_eq(stack_redis_int(stack, "XLEN replays:{replay}"), 2);
}
END_TEST

static redisReply *take(const char *me, int lease_ms) {
    return stack_redis(stack, "FCALL %s 2 " JOB_KEYS " %s %d", library_function(LIBRARY_REPLAY_TAKE), me, lease_ms);
}

// Takes the job at the head, which has come so far; its entry id is owned by the caller.
static char *take_job(const char *me, int lease_ms, const char *after) {
    redisReply *reply = take(me, lease_ms);
    ck_assert_str_eq(reply_text(reply, 0), "JOB");
    ck_assert_str_eq(reply_text(reply, 2), after);
    char *job = strdup(reply_text(reply, 1));
    freeReplyObject(reply);
    return job;
}

static void assert_taken(const char *says, const char *me) {
    redisReply *reply = take(me, 60000);
    ck_assert_str_eq(reply_text(reply, 0), says);
    freeReplyObject(reply);
}

static void assert_kept(const char *says, const char *me, const char *job, int finished, int after) {
    ASSERT_SAYS(says, "FCALL %s 2 " JOB_KEYS " %s %s 60000 %d %d 1 0", library_function(LIBRARY_REPLAY_KEEP), me, job,
                finished, after);
}

START_TEST(one_persister_at_a_time_runs_the_job_at_the_head_and_keeps_how_far_it_is) {
    assert_taken("NONE", "me");
    freeReplyObject(ask("-", 0, 10, 1));
    freeReplyObject(ask("-", 0, 10, 2));
    char *job = take_job("me", 60000, "0");
    assert_taken("BUSY", "another");
    assert_kept("LOST", "another", job, 0, 5);
    assert_kept("OK", "me", job, 0, 5);
    free(job);
    job = take_job("me", 60000, "5"); // it was restarted
    assert_kept("OK", "me", job, 1, 9);
    assert_kept("LOST", "me", job, 0, 9);
    free(job);
    free(take_job("another", 60000, "0")); // the second job, from its beginning
    ck_assert_int_eq(stack_redis_int(stack, "XLEN replays:{replay}"), 1);
}
END_TEST

START_TEST(a_job_goes_to_another_persister_when_the_lease_of_its_owner_is_over) {
    freeReplyObject(ask("-", 0, 10, 1));
    char *job = take_job("me", 1, "0");
    redisReply *reply;
    WAIT_FOR(5000, (reply = take("another", 60000), freeReplyObject(reply), true) &&
                       stack_redis_int(stack, "HSTRLEN replaying:{replay} owner") == 7);
    assert_kept("LOST", "me", job, 0, 5);
    free(job);
}
END_TEST

START_TEST(a_job_that_an_operator_deletes_ends) {
    freeReplyObject(ask("-", 0, 10, 1));
    char *job = take_job("me", 60000, "0");
    ck_assert_int_eq(stack_redis_int(stack, "XDEL replays:{replay} %s", job), 1);
    assert_kept("LOST", "me", job, 0, 5);
    ck_assert_int_eq(stack_redis_int(stack, "EXISTS replaying:{replay}"), 0);
    free(job);
}
END_TEST

Suite *suite_token(void);

Suite *suite_token(void) {
    Suite *suite = suite_create("token");
    TCase *tests = tcase_create("token");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, empty, NULL);
    tcase_add_test(tests, a_final_verdict_ends_the_token_and_is_recorded);
    tcase_add_test(tests, a_retry_parks_the_message_with_its_next_call_and_what_it_has_spent);
    tcase_add_test(tests, a_late_success_takes_a_message_that_is_held_or_scheduled);
    tcase_add_test(tests, nobody_settles_what_is_not_theirs);
    tcase_add_test(tests, a_late_success_is_recorded_and_ends_the_token_wherever_it_is);
    tcase_add_test(tests, a_late_success_leaves_an_entry_alone_that_is_another_message_by_now);
    tcase_add_test(tests, what_one_call_settles_is_judged_one_by_one);
    tcase_add_test(tests, what_cannot_be_settled_is_an_error_of_its_own);
    tcase_add_test(tests, an_entry_that_a_call_has_ended_is_gone_for_the_rest_of_the_call);
    tcase_add_test(tests, a_settle_goes_through_though_the_group_is_gone);
    tcase_add_test(tests, only_what_is_due_leaves_the_park_and_the_next_time_is_told);
    tcase_add_test(tests, no_more_leave_the_park_at_once_than_asked_for);
    tcase_add_test(tests, a_parked_message_whose_payload_is_gone_has_failed);
    tcase_add_loop_test(tests, what_cannot_be_read_leaves_the_park_alone_as_a_failure_with_its_content, 0, 7);
    tcase_add_test(tests, what_says_to_be_another_message_is_not_called_as_that);
    tcase_add_loop_test(tests, a_name_without_its_number_leaves_the_park_with_what_it_had, 0, 5);
    tcase_add_loop_test(tests, a_wait_that_is_longer_than_any_could_be_begins_anew, 0, 2);
    tcase_add_test(tests, long_waits_are_shortened_a_few_a_call_and_the_next_call_is_due_at_once);
    tcase_add_test(tests, what_is_parked_without_a_time_is_found_and_becomes_due);
    tcase_add_test(tests, a_time_that_has_not_come_yet_is_not_kept_as_when_a_message_began);
    tcase_add_test(tests, claim_takes_my_own_entries_but_those_i_know);
    tcase_add_test(tests, claim_leaves_others_alone_until_it_may_steal_what_is_idle);
    tcase_add_test(tests, claim_takes_what_was_delivered_but_is_held_by_nobody);
    tcase_add_test(tests, claim_takes_no_more_than_asked_for);
    tcase_add_test(tests, what_is_given_back_goes_to_the_next_who_claims);
    tcase_add_test(tests, what_is_no_token_is_moved_to_the_events_once_and_by_its_holder_only);
    tcase_add_test(tests, a_lease_is_renewed_by_its_holder_only_and_keeps_its_count);
    tcase_add_test(tests, done_deletes_as_many_entries_as_it_is_given);
    tcase_add_test(tests, only_silent_consumers_without_entries_are_forgotten);
    tcase_add_test(tests, a_dead_letter_is_replayed_once);
    tcase_add_test(tests, a_dead_letter_that_is_recorded_as_replayed_is_not_replayed_though_the_guard_has_gone);
    tcase_add_test(tests, a_replay_is_refused_when_the_backlog_is_at_its_cap);
    tcase_add_test(tests, a_replay_repeated_under_its_key_is_told_apart_from_another_under_it);
    tcase_add_test(tests, a_replay_of_many_waits_as_a_job_and_its_repeat_makes_no_other);
    tcase_add_test(tests, one_persister_at_a_time_runs_the_job_at_the_head_and_keeps_how_far_it_is);
    tcase_add_test(tests, a_job_goes_to_another_persister_when_the_lease_of_its_owner_is_over);
    tcase_add_test(tests, a_job_that_an_operator_deletes_ends);
    suite_add_tcase(suite, tests);
    return suite;
}
