// SPDX-License-Identifier: MIT
// redis/messaging.lua: receipts, called directly. What a provider says became of a message is recorded once, and ends
// the token of one that is parked though it was delivered.

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/redis/library.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"

#define ID "0194c0de-0000-7000-8000-000000000001"
#define OTHER "0194c0de-0000-7000-8000-000000000002"
#define DELIVERED "{\"provider\":\"sms-mms\",\"status\":\"delivered\",\"provider_message_id\":\"SM1\"}"
#define UNDELIVERED "{\"provider\":\"sms-mms\",\"status\":\"undelivered\",\"code\":\"30003\"}"
#define TAG "{sms-mms:0}"
#define DAY_MS 86400000

static struct stack *stack;

static void start(void) {
    stack = stack_create("receipts_library", NULL);
    freeReplyObject(stack_redis(stack, "FUNCTION LOAD %s", library_text));
}

static void end(void) {
    stack_destroy(stack);
}

static void empty(void) {
    freeReplyObject(stack_redis(stack, "FLUSHALL"));
}

static int64_t now_ms(void) {
    redisReply *reply = stack_redis(stack, "TIME");
    int64_t now = reply_int(reply, 0) * 1000 + reply_int(reply, 1) / 1000;
    freeReplyObject(reply);
    return now;
}

struct call {
    int cap;     // 0: 1000
    int late_ms; // so long ago was its deadline
    bool memory_is_short;
    const char *signature; // 10 bytes; NULL: none
};

struct receipt {
    const char *id, *payload;
    const char *digest; // 10 bytes; NULL: none
};

static redisReply *call(const struct call *how, const struct receipt *receipts, size_t count) {
    const char *argv[64] = {
        "FCALL",       library_function(LIBRARY_RECEIPTS), "4", "events:" TAG, "parked:" TAG, "parked-due:" TAG,
        "refused:" TAG};
    int argc = 7;
    char *cap = xasprintf("%d", how->cap > 0 ? how->cap : 1000);
    char *deadline = xasprintf("%lld", (long long)now_ms() + (how->late_ms > 0 ? -how->late_ms : 60000));
    argv[argc++] = cap;
    argv[argc++] = deadline;
    argv[argc++] = how->memory_is_short ? "0" : "1";
    argv[argc++] = how->signature != NULL ? how->signature : "";
    for (const struct receipt *receipt = receipts; receipt < receipts + count; receipt++) {
        argv[argc++] = receipt->id;
        argv[argc++] = strstr(receipt->payload, "undelivered") != NULL ? "undelivered" : "delivered";
        argv[argc++] = receipt->digest != NULL ? receipt->digest : "";
        argv[argc++] = receipt->payload;
    }
    redisReply *reply = stack_redis_argv(stack, argc, argv);
    free(cap);
    free(deadline);
    return reply;
}

static void assert_says_all(const char *words, const struct call *how, const struct receipt *receipts, size_t count) {
    redisReply *reply = call(how, receipts, count);
    char got[256] = "";
    if (reply->type == REDIS_REPLY_ARRAY) {
        for (size_t i = 0; i < reply->elements; i++) {
            const redisReply *one = reply->element[i];
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", i > 0 ? " " : "",
                     one->type == REDIS_REPLY_ERROR ? "error" : one->str);
        }
    } else {
        snprintf(got, sizeof got, "all %s", reply->str);
    }
    ck_assert_str_eq(got, words);
    freeReplyObject(reply);
}

static void assert_says(const char *word, const char *id, const char *payload, const char *digest) {
    assert_says_all(word, &(struct call){0}, &(struct receipt){id, payload, digest}, 1);
}

static void assert_events(int64_t count) {
    ck_assert_int_eq(stack_redis_int(stack, "XLEN events:" TAG), count);
}

// The event at that place, from 0, as its fields; owned by *all.
static const redisReply *event_at(size_t place, redisReply **all) {
    *all = stack_redis(stack, "XRANGE events:" TAG " - +");
    ck_assert_uint_gt((*all)->elements, place);
    return (*all)->element[place]->element[1];
}

static void assert_event(size_t place, const char *name, const char *value) {
    redisReply *all;
    const redisReply *fields = event_at(place, &all);
    ck_assert_str_eq(reply_field(fields, name), value);
    freeReplyObject(all);
}

static void park(const char *id, int gen, int call_number) {
    char *token = xasprintf("%s:%d", id, gen);
    char *packed = xasprintf("{\"v\":\"1\",\"id\":\"%s\",\"gen\":\"%d\",\"call\":\"%d\",\"spent\":\"1\",\"at\":\"5\","
                             "\"p\":\"{}\",\"wait\":\"1000\"}",
                             id, gen, call_number);
    freeReplyObject(stack_redis(stack, "HSET parked:" TAG " %s %s", token, packed));
    freeReplyObject(stack_redis(stack, "ZADD parked-due:" TAG " 99 %s", token));
    freeReplyObject(stack_redis(stack, "ZADD refused:" TAG " 98 %s", token));
    free(token);
    free(packed);
}

static void assert_parked(int64_t count) {
    ck_assert_int_eq(stack_redis_int(stack, "HLEN parked:" TAG), count);
    ck_assert_int_eq(stack_redis_int(stack, "ZCARD parked-due:" TAG), count);
    ck_assert_int_eq(stack_redis_int(stack, "ZCARD refused:" TAG), count);
}

START_TEST(a_receipt_is_an_event_with_the_time_at_which_it_came) {
    int64_t before = now_ms();
    assert_says("OK", ID, UNDELIVERED, NULL);
    int64_t after = now_ms();
    redisReply *all;
    const redisReply *fields = event_at(0, &all);
    ck_assert_str_eq(reply_field(fields, "k"), "receipt");
    ck_assert_str_eq(reply_field(fields, "id"), ID);
    ck_assert_str_eq(reply_field(fields, "gen"), "0");
    ck_assert_str_eq(reply_field(fields, "p"), UNDELIVERED);
    long long at = strtoll(reply_field(fields, "at"), NULL, 10);
    ck_assert(at >= before && at <= after);
    freeReplyObject(all);
}
END_TEST

START_TEST(those_of_one_call_are_recorded_in_their_order) {
    const struct receipt receipts[] = {
        {ID, UNDELIVERED, "0000000001"}, {OTHER, DELIVERED, "0000000002"}, {ID, DELIVERED, ""}};
    assert_says_all("OK OK OK", &(struct call){0}, receipts, 3);
    assert_event(0, "p", UNDELIVERED);
    assert_event(1, "id", OTHER);
    assert_event(2, "p", DELIVERED);
}
END_TEST

START_TEST(a_delivered_message_is_taken_from_among_the_parked_as_by_a_success_of_its_last_call) {
    park(ID, 0, 4);
    park(OTHER, 0, 2);
    assert_says("TAKEN", ID, DELIVERED, NULL);
    assert_parked(1);
    assert_events(2);
    assert_event(0, "k", "receipt");
    assert_event(1, "k", "outcome");
    static const char *const fields[][2] = {{"id", ID}, {"gen", "0"},        {"call", "3"},
                                            {"n", "0"}, {"verdict", "sent"}, {"late", "1"}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        assert_event(1, fields[i][0], fields[i][1]);
    }
    redisReply *all;
    const char *payload = reply_field(event_at(1, &all), "p");
    static const char *const members[] = {"\"provider\":\"sms-mms\"", "\"outcome\":\"delivered\"", "\"http_status\":0",
                                          "\"latency_us\":0", "\"provider_message_id\":\"SM1\""};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        ck_assert_msg(strstr(payload, members[i]) != NULL, "%s has no %s", payload, members[i]);
    }
    freeReplyObject(all);
}
END_TEST

START_TEST(whichever_replay_of_it_is_parked_is_taken) {
    park(ID, _i, 1);
    assert_says("TAKEN", ID, DELIVERED, NULL);
    assert_parked(0);
    char gen[16];
    snprintf(gen, sizeof gen, "%d", _i);
    assert_event(1, "gen", gen);
    assert_event(1, "call", "0"); // none was made
}
END_TEST

START_TEST(one_that_was_not_delivered_leaves_the_parked_message_its_next_try) {
    park(ID, 0, 2);
    assert_says("OK", ID, UNDELIVERED, NULL);
    assert_parked(1);
    assert_events(1);
}
END_TEST

static const char *settle(const char *id, const char *verdict) {
    static char word[32];
    redisReply *reply = stack_redis(stack,
                                    "FCALL %s 8 outbound:" TAG " events:" TAG " parked:" TAG " parked-due:" TAG
                                    " refused:" TAG " senders:" TAG " senders-at:" TAG " held-senders:" TAG
                                    " me 0 5 30000 1-1 1 %s 0 2 %s 1000 0 s - {}",
                                    library_function(LIBRARY_SETTLE), id, verdict);
    const redisReply *one = reply->element[0];
    snprintf(word, sizeof word, "%s", reply_text(one->type == REDIS_REPLY_ARRAY ? one : reply, 0));
    freeReplyObject(reply);
    return word;
}

static void begin_call(const char *id) {
    freeReplyObject(stack_redis(stack, "XGROUP CREATE outbound:" TAG " dispatchers 0 MKSTREAM"));
    freeReplyObject(stack_redis(stack, "XADD outbound:" TAG " 1-1 v 2 id %s gen 0 call 2 spent 1 at 1 p {}", id));
    freeReplyObject(stack_redis(stack, "XREADGROUP GROUP dispatchers me STREAMS outbound:" TAG " >"));
}

// The provider has taken it, and it arrives before its call has timed out here.
START_TEST(one_that_arrives_while_its_call_is_under_way_is_not_parked_after_that) {
    begin_call(ID);
    assert_says("OK", ID, DELIVERED, NULL);
    ck_assert_str_eq(settle(ID, _i == 0 ? "retry" : "refused"), _i == 0 ? "OK" : "PARKED");
    ck_assert_int_eq(stack_redis_int(stack, "XLEN outbound:" TAG), 0);
    assert_parked(0);
    assert_events(3);
    assert_event(1, "verdict", "retry");
    assert_event(1, "call", "2");
    assert_event(1, "due", "");
    assert_event(2, "k", "outcome");
    assert_event(2, "verdict", "sent");
    assert_event(2, "late", "1");
    assert_event(2, "call", "2");
    assert_event(2, "n", "0");
}
END_TEST

START_TEST(one_that_did_not_arrive_or_another_is_parked_as_ever) {
    begin_call(ID);
    assert_says("OK", _i == 0 ? ID : OTHER, _i == 0 ? UNDELIVERED : DELIVERED, NULL);
    ck_assert_str_eq(settle(ID, "retry"), "OK");
    ck_assert_int_eq(stack_redis_int(stack, "HLEN parked:" TAG), 1);
    assert_events(2);
    ck_assert_int_eq(stack_redis_int(stack, "EXISTS arrived:" TAG ":%s", ID), 0);
}
END_TEST

START_TEST(that_it_arrived_is_known_for_longer_than_a_call_lasts_and_not_for_ever) {
    assert_says("OK", ID, DELIVERED, NULL);
    int64_t left_ms = stack_redis_int(stack, "PTTL arrived:" TAG ":" ID);
    ck_assert_int_gt(left_ms, 2 * 300000 - 60000); // PROVIDER_TIMEOUT_MS is 5 minutes at most
    ck_assert_int_le(left_ms, 600000);
    park(OTHER, 0, 2);
    assert_says("TAKEN", OTHER, DELIVERED, NULL);
    ck_assert_int_eq(stack_redis_int(stack, "EXISTS arrived:" TAG ":" OTHER), 0);
}
END_TEST

START_TEST(what_is_parked_and_can_not_be_read_is_left_to_unpark) {
    freeReplyObject(stack_redis(stack, "HSET parked:" TAG " " ID ":0 %s", _i == 0 ? "{" : "{\"id\":\"x\"}"));
    freeReplyObject(stack_redis(stack, "ZADD parked-due:" TAG " 1 " ID ":0"));
    assert_says("OK", ID, DELIVERED, NULL);
    ck_assert_int_eq(stack_redis_int(stack, "HLEN parked:" TAG), 1);
    ck_assert_int_eq(stack_redis_int(stack, "ZCARD parked-due:" TAG), 1);
    assert_events(1);
}
END_TEST

START_TEST(what_came_within_a_day_is_not_recorded_again) {
    assert_says("OK", ID, DELIVERED, "0123456789");
    park(ID, 0, 2);
    assert_says("SEEN", ID, DELIVERED, "0123456789");
    assert_parked(1); // it was parked after it had been delivered: by a replay
    assert_events(1);
    assert_says("OK", ID, UNDELIVERED, "012345678x");
    const struct receipt twice[] = {{ID, DELIVERED, "abcdefghij"}, {ID, DELIVERED, "abcdefghij"}};
    assert_says_all("TAKEN SEEN", &(struct call){0}, twice, 2);
    long long day = (long long)(now_ms() / DAY_MS);
    int64_t ttl_ms = stack_redis_int(stack, "PTTL signed:" TAG ":%lld:3031", day);
    ck_assert_int_gt(ttl_ms, DAY_MS);
    ck_assert_int_le(ttl_ms, 2 * DAY_MS);
}
END_TEST

START_TEST(without_anything_to_know_it_by_it_is_recorded_each_time) {
    assert_says("OK", ID, DELIVERED, "");
    assert_says("OK", ID, DELIVERED, "");
    assert_events(2);
}
END_TEST

START_TEST(while_memory_is_short_nothing_is_remembered_and_what_was_still_is) {
    const struct receipt receipt = {ID, DELIVERED, "0123456789"};
    assert_says_all("OK", &(struct call){.memory_is_short = true, .signature = "sssssssss1"}, &receipt, 1);
    assert_says_all("OK", &(struct call){.signature = "sssssssss1"}, &receipt, 1);
    assert_says_all("SEEN", &(struct call){.memory_is_short = true}, &receipt, 1);
    assert_says_all("all SEEN", &(struct call){.memory_is_short = true, .signature = "sssssssss1"}, &receipt, 1);
    assert_events(2);
}
END_TEST

START_TEST(a_request_whose_signature_came_before_writes_nothing_until_it_is_counted) {
    const struct receipt first = {ID, DELIVERED, "0000000001"}, second = {OTHER, DELIVERED, "0000000002"};
    assert_says_all("OK", &(struct call){.signature = "sssssssss1"}, &first, 1);
    assert_says_all("all SEEN", &(struct call){.signature = "sssssssss1"}, &second, 1);
    assert_events(1);
    assert_says_all("OK", &(struct call){0}, &second, 1);
    assert_events(2);
}
END_TEST

START_TEST(late_or_full_nothing_is_written_and_nothing_remembered) {
    const struct receipt receipt = {ID, DELIVERED, "0000000001"};
    park(ID, 0, 2);
    assert_says_all("all LATE", &(struct call){.late_ms = 5, .signature = "sssssssss1"}, &receipt, 1);
    freeReplyObject(stack_redis(stack, "XADD events:" TAG " * some thing"));
    assert_says_all("all FULL", &(struct call){.cap = 1, .signature = "sssssssss1"}, &receipt, 1);
    assert_parked(1);
    assert_events(1);
    assert_says_all("TAKEN", &(struct call){.cap = 2, .signature = "sssssssss1"}, &receipt, 1);
}
END_TEST

START_TEST(an_error_is_its_own_and_the_signature_is_not_remembered_then) {
    const struct receipt receipts[] = {
        {ID, DELIVERED, "0000000001"}, {OTHER, "no JSON", "0000000002"}, {OTHER, UNDELIVERED, "0000000003"}};
    assert_says_all("OK error OK", &(struct call){.signature = "sssssssss1"}, receipts, 3);
    assert_events(2);
    assert_says_all("SEEN error SEEN", &(struct call){.signature = "sssssssss1"}, receipts, 3);
}
END_TEST

START_TEST(it_is_refused_where_memory_is_full_before_anything_is_written) {
    freeReplyObject(stack_redis(stack, "CONFIG SET maxmemory 1"));
    redisReply *reply = call(&(struct call){0}, &(struct receipt){ID, DELIVERED, "0000000001"}, 1);
    freeReplyObject(stack_redis(stack, "CONFIG SET maxmemory 0"));
    ck_assert_int_eq(reply->type, REDIS_REPLY_ERROR);
    ck_assert_msg(strncmp(reply->str, "OOM ", 4) == 0, "%s", reply->str);
    freeReplyObject(reply);
    assert_events(0);
}
END_TEST

Suite *suite_receipts_library(void);

Suite *suite_receipts_library(void) {
    Suite *suite = suite_create("receipts_library");
    TCase *tests = tcase_create("receipts_library");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, empty, NULL);
    tcase_add_test(tests, a_receipt_is_an_event_with_the_time_at_which_it_came);
    tcase_add_test(tests, those_of_one_call_are_recorded_in_their_order);
    tcase_add_test(tests, a_delivered_message_is_taken_from_among_the_parked_as_by_a_success_of_its_last_call);
    tcase_add_loop_test(tests, whichever_replay_of_it_is_parked_is_taken, 0, 10);
    tcase_add_test(tests, one_that_was_not_delivered_leaves_the_parked_message_its_next_try);
    tcase_add_loop_test(tests, one_that_arrives_while_its_call_is_under_way_is_not_parked_after_that, 0, 2);
    tcase_add_loop_test(tests, one_that_did_not_arrive_or_another_is_parked_as_ever, 0, 2);
    tcase_add_test(tests, that_it_arrived_is_known_for_longer_than_a_call_lasts_and_not_for_ever);
    tcase_add_loop_test(tests, what_is_parked_and_can_not_be_read_is_left_to_unpark, 0, 2);
    tcase_add_test(tests, what_came_within_a_day_is_not_recorded_again);
    tcase_add_test(tests, without_anything_to_know_it_by_it_is_recorded_each_time);
    tcase_add_test(tests, while_memory_is_short_nothing_is_remembered_and_what_was_still_is);
    tcase_add_test(tests, a_request_whose_signature_came_before_writes_nothing_until_it_is_counted);
    tcase_add_test(tests, late_or_full_nothing_is_written_and_nothing_remembered);
    tcase_add_test(tests, an_error_is_its_own_and_the_signature_is_not_remembered_then);
    tcase_add_test(tests, it_is_refused_where_memory_is_full_before_anything_is_written);
    suite_add_tcase(suite, tests);
    return suite;
}
