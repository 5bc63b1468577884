// SPDX-License-Identifier: MIT
// STREAM_PARTITIONS is changed, at once or ingest by ingest: a repeat under an Idempotency-Key finds its first wherever
// that lay, and nothing is sent twice.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/payload.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"

enum { SENDERS = 12 };
#define THEIRS "+16660000000"
#define NUMBERS "idem:partitions"

static struct stack *stack;

static void start(void) {
    stack = stack_create("partitions", NULL);
    stack_start(stack, "postgres");
}

static void end(void) {
    stack_destroy(stack);
}

static void start_ingest(const char *name, const char *partitions, const char *ttl) {
    char *environment[] = {xasprintf("STREAM_PARTITIONS=%s", partitions), xasprintf("IDEMPOTENCY_TTL_SECS=%s", ttl),
                           NULL};
    stack_start_with(stack, name, (const char *const *)environment);
    free(environment[0]);
    free(environment[1]);
}

static struct answer *send_from(const char *ingest, unsigned sender, const char *key, const char *text) {
    char *from = xasprintf("+1555%07u", sender);
    struct answer *answer = send_under_key(stack, ingest, PATH_SMS, key, payload_sms(from, THEIRS, text));
    free(from);
    return answer;
}

static int64_t sends(void) {
    int64_t sum = 0;
    for (int i = 0; i < 8; i++) {
        sum += stack_redis_int(stack, "XLEN outbound:{sms-mms:%d}", i);
    }
    return sum;
}

static void send_firsts(const char *ingest, unsigned first, char ids[SENDERS][37]) {
    for (unsigned i = 0; i < SENDERS; i++) {
        struct answer *answer = send_from(ingest, first + i, "k", "text");
        ck_assert_int_eq(answer->status, 202);
        snprintf(ids[i], 37, "%s", answer_text(answer, "id"));
        answer_free(answer);
    }
}

static void assert_repeats(const char *ingest, unsigned first, char ids[SENDERS][37]) {
    int64_t before = sends();
    for (unsigned i = 0; i < SENDERS; i++) {
        struct answer *answer = send_from(ingest, first + i, "k", "text");
        ck_assert_msg(answer->status == 202 && strcmp(answer_text(answer, "id"), ids[i]) == 0, "%ld %s, not %s",
                      answer->status, answer->body, ids[i]);
        char *replayed = answer_header(answer, "Idempotent-Replayed");
        ck_assert_pstr_eq(replayed, "true");
        ck_assert_int_gt(answer_header_number(answer, "RateLimit-Remaining"), 0);
        free(replayed);
        answer_free(answer);
        answer = send_from(ingest, first + i, "k", "another text");
        ck_assert_int_eq(answer->status, 422);
        answer_free(answer);
    }
    ck_assert_int_eq(sends(), before);
}

START_TEST(a_repeat_finds_its_first_through_several_changes) {
    static const char *const numbers[] = {"4", "3", "8", "1"};
    char ids[SENDERS][37];
    start_ingest("ingest-1", "1", "7200");
    send_firsts("ingest-1", 1000, ids);
    stack_stop(stack, "ingest-1");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        start_ingest("ingest-1", numbers[i], "7200");
        assert_repeats("ingest-1", 1000, ids);
        stack_stop(stack, "ingest-1");
    }
    // What was brought along lives no longer than it would have.
    redisReply *keys = stack_redis(stack, "KEYS idem:{*}:*");
    for (size_t i = 0; i < keys->elements; i++) {
        ck_assert_int_le(stack_redis_int(stack, "PTTL %s", keys->element[i]->str), 7200 * 1000);
    }
    freeReplyObject(keys);
}
END_TEST

static bool knows(const char *number) {
    return stack_redis_int(stack, "HEXISTS " NUMBERS " %s", number) == 1;
}

START_TEST(old_and_new_ingests_side_by_side_find_what_the_other_has_accepted) {
    char old[SENDERS][37], new[SENDERS][37];
    start_ingest("ingest-1", "1", "7200");
    start_ingest("ingest-2", "4", "7200");
    send_firsts("ingest-1", 2000, old);
    assert_repeats("ingest-2", 2000, old);
    // The old one learns of the new one's number within a second or so.
    struct answer *first, *second;
    unsigned sender = 2100;
    bool same;
    do {
        first = send_from("ingest-2", sender, "learnt", "text");
        second = send_from("ingest-1", sender++, "learnt", "text");
        same = strcmp(answer_text(first, "id"), answer_text(second, "id")) == 0 && sender > 2112;
        answer_free(first);
        answer_free(second);
    } while (!same && sender < 2500);
    send_firsts("ingest-2", 3000, new);
    assert_repeats("ingest-1", 3000, new);
    stack_stop(stack, "ingest-1");
    stack_stop(stack, "ingest-2");
}
END_TEST

START_TEST(a_number_that_is_no_longer_in_use_is_forgotten_with_its_keys) {
    start_ingest("ingest-1", "5", "2");
    WAIT_FOR(5000, knows("5"));
    stack_stop(stack, "ingest-1");
    start_ingest("ingest-1", "1", "2");
    ck_assert(knows("5"));
    // One of a clock that was ahead, and damage.
    freeReplyObject(stack_redis(stack, "HSET " NUMBERS " 6 99999999999999 garbage garbage 7 garbage"));
    WAIT_FOR(15000, !knows("5") && !knows("6") && !knows("7") && !knows("garbage") && knows("1"));
    struct answer *answer = send_from("ingest-1", 4000, "k", "text");
    ck_assert_int_eq(answer->status, 202);
    answer_free(answer);
    stack_stop(stack, "ingest-1");
}
END_TEST

START_TEST(a_place_that_cannot_be_asked_is_503_and_nothing_is_written) {
    start_ingest("ingest-1", "1", "7200");
    answer_free(send_from("ingest-1", 5000, "k", "text"));
    stack_stop(stack, "ingest-1");
    start_ingest("ingest-1", "7", "7200");
    redisReply *keys = stack_redis(stack, "KEYS idem:{sms-mms:0}:*");
    for (size_t i = 0; i < keys->elements; i++) {
        freeReplyObject(stack_redis(stack, "DEL %s", keys->element[i]->str));
        freeReplyObject(stack_redis(stack, "LPUSH %s thing", keys->element[i]->str));
    }
    freeReplyObject(keys);
    int64_t before = sends();
    struct answer *answer = send_from("ingest-1", 5000, "k", "text");
    ck_assert_int_eq(answer->status, 503);
    ck_assert_ptr_null(answer_at(answer, "details.ambiguous"));
    answer_free(answer);
    ck_assert_int_eq(sends(), before);
    answer = send_from("ingest-1", 5001, "another", "text");
    ck_assert_int_eq(answer->status, 202);
    answer_free(answer);
    stack_stop(stack, "ingest-1");
}
END_TEST

Suite *suite_partitions(void);

Suite *suite_partitions(void) {
    Suite *suite = suite_create("partitions");
    TCase *tests = tcase_create("partitions");
    tcase_set_timeout(tests, 120);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_test(tests, a_repeat_finds_its_first_through_several_changes);
    tcase_add_test(tests, old_and_new_ingests_side_by_side_find_what_the_other_has_accepted);
    tcase_add_test(tests, a_number_that_is_no_longer_in_use_is_forgotten_with_its_keys);
    tcase_add_test(tests, a_place_that_cannot_be_asked_is_503_and_nothing_is_written);
    suite_add_tcase(suite, tests);
    return suite;
}
