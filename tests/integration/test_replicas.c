// SPDX-License-Identifier: MIT
// REDIS_WAIT_REPLICAS with a real replica that follows, stands still, is gone and comes back: a 202 only where it has
// the message, every answer in time, and nothing else waits meanwhile.

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/load.h"
#include "tests/support/payload.h"
#include "tests/support/private_redis.h"
#include "tests/support/stack.h"

#define ANSWER_MS 2000
#define AT_ONCE_MS 500 // what waits for no replica; a WAIT lasts for 750 ms
#define THEIRS "+15550002222"

static struct stack *stack;
static struct private_redis *replica;

static void start(void) {
    static char port[8];
    static const char *arguments[] = {"--replicaof", "127.0.0.1", port, "--repl-timeout", "5", NULL};
    stack = stack_create("replicas", NULL);
    snprintf(port, sizeof port, "%u", stack_port(stack, "redis"));
    freeReplyObject(stack_redis(stack, "CONFIG SET repl-diskless-sync-delay 0"));
    replica = private_redis_start(arguments);
    stack_start(stack, "postgres");
    stack_start(stack, "persister-1");
    stack_start_with(stack, "ingest-1", (const char *const[]){"REDIS_WAIT_REPLICAS=1", NULL});
}

static void end(void) {
    private_redis_destroy(replica);
    stack_destroy(stack);
}

// No dispatcher runs, so that what was sent can be counted: the status is degraded in any case.
static bool says(bool failing, const char *replicas) {
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/readyz", NULL, NULL);
    ck_assert_int_lt(answer->millis, deadline_scaled(ANSWER_MS));
    bool yes = answer->status == 200 && (strstr(answer->body, "\"wait_failing\"") != NULL) == failing &&
               strcmp(answer_text(answer, "replicas"), replicas) == 0;
    answer_free(answer);
    return yes;
}

static struct answer *send_sms(const char *key) {
    struct answer *answer = send_under_key(stack, "ingest-1", PATH_SMS, key, payload_sms("+15550001111", THEIRS, key));
    ck_assert_int_lt(answer->millis, deadline_scaled(ANSWER_MS));
    return answer;
}

static void assert_accepted(const char *key) {
    struct answer *answer = send_sms(key);
    ck_assert_msg(answer->status == 202, "%ld %s", answer->status, answer->body);
    answer_free(answer);
}

static int64_t waiting_on(struct private_redis *redis) {
    redisReply *reply = private_redis_command(redis, "XLEN outbound:{sms-mms:0}");
    int64_t length = reply->integer;
    freeReplyObject(reply);
    return length;
}

// Refused at once, and without a trace. On a busy machine one answer or another comes late; all would, if each waited.
static void assert_refused(const char *key) {
    int64_t before = stack_redis_int(stack, "XLEN outbound:{sms-mms:0}"), quickest_ms = INT64_MAX;
    for (int i = 0; i < 5; i++) {
        struct answer *answer = send_sms(key);
        ck_assert_int_eq(answer->status, 503);
        ck_assert_ptr_null(answer_at(answer, "details.ambiguous"));
        ck_assert_int_eq(answer_header_number(answer, "Retry-After"), 1);
        quickest_ms = answer->millis < quickest_ms ? answer->millis : quickest_ms;
        answer_free(answer);
    }
    ck_assert_int_lt(quickest_ms, deadline_scaled(AT_ONCE_MS));
    ck_assert_int_eq(stack_redis_int(stack, "XLEN outbound:{sms-mms:0}"), before);
}

// Asks for what has nothing to do with replicas, over and over, until told to stop.
struct looker {
    pthread_t thread;
    const char *path;
    unsigned answers, late, other; // late: not at once; other: than 200
    _Atomic bool stop;
};

static void *look(void *argument) {
    struct looker *looker = argument;
    while (!looker->stop) {
        struct answer *answer = stack_call(stack, "ingest-1", "GET", looker->path, NULL, NULL);
        looker->answers++;
        looker->late += answer->millis >= deadline_scaled(AT_ONCE_MS);
        looker->other += answer->status != 200;
        answer_free(answer);
    }
    return NULL;
}

// Behind one WAIT after the other most of them would be late.
static void assert_quick(struct looker *looker) {
    looker->stop = true;
    pthread_join(looker->thread, NULL);
    ck_assert_uint_eq(looker->other, 0);
    ck_assert_msg(looker->answers > 2 * looker->late, "%s: %u of %u answers came late", looker->path, looker->late,
                  looker->answers);
}

START_TEST(what_is_accepted_is_on_the_replica) {
    WAIT_FOR(10000, says(false, "follow"));
    for (int i = 0; i < 20; i++) {
        char key[16];
        snprintf(key, sizeof key, "follows-%d", i);
        int64_t before = waiting_on(replica);
        assert_accepted(key);
        ck_assert_int_eq(waiting_on(replica), before + 1);
    }
}
END_TEST

// How many entries the stream of the replica ever had: a persister takes them out.
static int64_t events_added(void) {
    redisReply *reply = private_redis_command(replica, "XINFO STREAM events:{email:0}");
    int64_t added = 0;
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2) {
        if (strcmp(reply->element[i]->str, "entries-added") == 0) {
            added = reply->element[i + 1]->integer;
        }
    }
    freeReplyObject(reply);
    return added;
}

static long post_event(int number) {
    char *event = xasprintf("{\"event\":\"delivered\",\"sg_event_id\":\"replicas-%d\",\"message_id\":"
                            "\"0194c0de-0000-7000-8000-000000000001\",\"partition\":\"0\"}",
                            number);
    long status = stack_status(stack, "ingest-1", "POST", "/api/webhooks/email/events", event);
    free(event);
    return status;
}

START_TEST(what_became_of_a_message_is_on_the_replica_before_it_is_answered) {
    WAIT_FOR(10000, says(false, "follow"));
    WAIT_FOR(20000, post_event(0) == 204); // once format 2 is written
    for (int i = 1; i <= 20; i++) {
        int64_t before = events_added();
        ck_assert_int_eq(post_event(i), 204);
        ck_assert_int_eq(events_added(), before + 1);
    }
    private_redis_freeze(replica);
    ck_assert_int_eq(post_event(21), 503);
    ck_assert_int_eq(post_event(22), 503);
    private_redis_thaw(replica);
    WAIT_FOR(10000, says(false, "follow"));
    ck_assert_int_eq(post_event(21), 204);
}
END_TEST

// The replica stands still from before the call on. Whether Redis has it: where that is known to be missing, not.
static bool is_left_undecided(const char *key) {
    WAIT_FOR(10000, says(false, "follow"));
    private_redis_freeze(replica);
    struct answer *answer = send_sms(key);
    bool undecided = answer->status == 503 && answer_at(answer, "details.ambiguous") != NULL;
    answer_free(answer);
    private_redis_thaw(replica);
    return undecided;
}

static void forget_keys(void) {
    redisReply *keys = stack_redis(stack, "KEYS idem:{*");
    ck_assert_uint_gt(keys->elements, 0);
    for (size_t i = 0; i < keys->elements; i++) {
        freeReplyObject(stack_redis(stack, "DEL %s", keys->element[i]->str));
    }
    freeReplyObject(keys);
}

// As after a fail-over to a replica that lacked the message, when a persister had it already.
START_TEST(a_repeat_of_what_redis_has_forgotten_is_the_same_message) {
    WAIT_FOR(20000, is_left_undecided("forgotten"));
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM messages WHERE body = 'forgotten'") == 1);
    char *id = stack_sql_text(stack, "SELECT id FROM messages WHERE body = 'forgotten'");
    WAIT_FOR(10000, says(false, "follow"));
    for (int i = 0; i < 2; i++) {
        forget_keys();
        struct answer *answer = send_sms("forgotten");
        ck_assert_int_eq(answer->status, 202);
        ck_assert_str_eq(answer_text(answer, "id"), id);
        answer_free(answer);
    }
    WAIT_FOR(10000, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 0);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE body = 'forgotten'"), 1);
    free(id);
}
END_TEST

START_TEST(a_burst_shares_its_waits) {
    WAIT_FOR(10000, says(false, "follow"));
    freeReplyObject(stack_redis(stack, "CONFIG RESETSTAT"));
    struct load *load = load_start(&(struct load_options){
        .ports = {stack_port(stack, "ingest-1")}, .threads = 16, .count = 2000, .senders = 2000, .first = 1000});
    struct load_result *result = load_finish(load);
    ck_assert_uint_eq(result->accepted, 2000);
    redisReply *after = stack_redis(stack, "INFO commandstats");
    const char *waits = strstr(after->str, "cmdstat_wait:calls=");
    ck_assert_ptr_nonnull(waits);
    ck_assert_int_lt(strtoll(waits + strlen("cmdstat_wait:calls="), NULL, 10), 2000);
    load_result_free(result);
    freeReplyObject(after);
}
END_TEST

static void stand_still(void) {
    private_redis_freeze(replica);
}

static void be_gone(void) {
    private_redis_kill(replica);
}

static void go_on(void) {
    private_redis_thaw(replica);
}

static void be_back(void) {
    private_redis_restart(replica);
}

static const struct { void (*away)(void), (*back)(void); } troubles[] = {{stand_still, go_on}, {be_gone, be_back}};

START_TEST(every_answer_is_in_time_while_the_replica_is_away) {
    WAIT_FOR(10000, says(false, "follow"));
    struct looker metrics = {.path = "/metrics"}, reads = {.path = "/api/conversations"};
    pthread_create(&metrics.thread, NULL, look, &metrics);
    pthread_create(&reads.thread, NULL, look, &reads);
    troubles[_i].away();
    struct load *load = load_start(&(struct load_options){.ports = {stack_port(stack, "ingest-1")},
                                                          .threads = 24,
                                                          .count = 480,
                                                          .senders = 480,
                                                          .first = 5000 + 1000 * (unsigned)_i});
    struct load_result *result = load_finish(load);
    ck_assert_uint_eq(result->accepted, 0);
    ck_assert_uint_eq(result->other, 0);
    ck_assert_int_lt(result->slowest_ms, deadline_scaled(ANSWER_MS));
    // Those of the first WAIT of each of two threads, and what came while it was under way.
    ck_assert_uint_le(result->ambiguous, 48);
    ck_assert_uint_eq(result->refused + result->ambiguous, 480);
    load_result_free(result);
    ck_assert(says(true, "missing"));
    assert_refused("refused");
    assert_quick(&metrics);
    assert_quick(&reads);
    troubles[_i].back();
    WAIT_FOR(20000, says(false, "follow"));
    assert_accepted(_i == 0 ? "after a stop" : "after a death");
}
END_TEST

START_TEST(it_is_known_without_a_send_that_the_replica_is_away) {
    WAIT_FOR(10000, says(false, "follow"));
    private_redis_freeze(replica);
    WAIT_FOR(5000, says(true, "missing"));
    assert_refused("unasked");
    private_redis_thaw(replica);
    WAIT_FOR(10000, says(false, "follow"));
}
END_TEST

START_TEST(a_redis_that_stands_still_is_no_reason_for_a_late_answer) {
    WAIT_FOR(10000, says(false, "follow"));
    stack_signal(stack, "redis", SIGSTOP);
    struct load *load = load_start(&(struct load_options){
        .ports = {stack_port(stack, "ingest-1")}, .threads = 8, .count = 16, .senders = 16, .first = 8000});
    struct load_result *result = load_finish(load);
    stack_signal(stack, "redis", SIGCONT);
    ck_assert_uint_eq(result->accepted + result->other, 0);
    ck_assert_int_lt(result->slowest_ms, deadline_scaled(ANSWER_MS));
    load_result_free(result);
    stack_settle(stack);
    WAIT_FOR(10000, says(false, "follow"));
    assert_accepted("after all");
}
END_TEST

START_TEST(all_end_in_order) {
    stack_finish(stack);
}
END_TEST

Suite *suite_replicas(void);

Suite *suite_replicas(void) {
    Suite *suite = suite_create("replicas");
    TCase *tests = tcase_create("replicas");
    tcase_set_timeout(tests, 120);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_test(tests, what_is_accepted_is_on_the_replica);
    tcase_add_test(tests, what_became_of_a_message_is_on_the_replica_before_it_is_answered);
    tcase_add_test(tests, a_repeat_of_what_redis_has_forgotten_is_the_same_message);
    tcase_add_test(tests, a_burst_shares_its_waits);
    tcase_add_loop_test(tests, every_answer_is_in_time_while_the_replica_is_away, 0, 2);
    tcase_add_test(tests, it_is_known_without_a_send_that_the_replica_is_away);
    tcase_add_test(tests, a_redis_that_stands_still_is_no_reason_for_a_late_answer);
    tcase_add_test(tests, all_end_in_order);
    suite_add_tcase(suite, tests);
    return suite;
}
