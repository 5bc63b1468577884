// SPDX-License-Identifier: MIT
// A master, replicas, three Sentinels, and REDIS_WAIT_REPLICAS=1: the master is killed under load, a fail-over is
// planned, a Sentinel dies, the old master comes back and takes itself for the master. No 202 is lost, nothing is
// stored twice, the service goes on by itself.
//
// One replica a master at each fail-over: then the one that is promoted is the one that has answered WAIT. Of two, the
// other one may have, and what was accepted is lost (docs/scaling.md).
//
// A Redis is taken for down only while one was killed. On a busy machine one that lives may be silent for longer than
// the test would wait for, and the Sentinels then promote another than the test means.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/arrival.h"
#include "tests/support/load.h"
#include "tests/support/payload.h"
#include "tests/support/port.h"
#include "tests/support/private_redis.h"
#include "tests/support/private_sentinels.h"
#include "tests/support/stack.h"

enum { FAIL_OVER_MS = 60000, SETTLE_MS = 20000, AT_ONCE_MS = 500 };
enum { DOWN_AFTER_MS = 700, NEVER_DOWN_MS = 60 * 60 * 1000 };

static struct stack *stack;
static struct private_redis *first, *second; // the stack's Redis is the first master
static struct private_sentinels *sentinels;

static struct private_redis *start_replica(uint16_t of) {
    static char ports[2][8];
    static const char *arguments[2][9];
    static unsigned started;
    unsigned i = started++;
    const char *const all[] = {"--replicaof", "127.0.0.1",    ports[i], "--repl-diskless-sync-delay",
                               "0",           "--appendonly", "yes",    NULL};
    snprintf(ports[i], sizeof ports[i], "%u", of);
    memcpy(arguments[i], all, sizeof all);
    return private_redis_start(arguments[i]);
}

static void start(void) {
    static char url[160];
    static const char *const environment[] = {url, "REDIS_WAIT_REPLICAS=1", NULL};
    stack = stack_create("sentinel", environment);
    freeReplyObject(stack_redis(stack, "CONFIG SET repl-diskless-sync-delay 0"));
    first = start_replica(stack_port(stack, "redis"));
    sentinels = private_sentinels_start(&(struct private_sentinels_options){
        .master = stack_port(stack, "redis"), .count = 3, .down_after_ms = NEVER_DOWN_MS, .replicas = 1});
    snprintf(url, sizeof url, "REDIS_URL=%s", private_sentinels_url(sentinels));
    stack_start_all(stack);
}

static void end(void) {
    private_sentinels_destroy(sentinels);
    private_redis_destroy(first);
    if (second != NULL) {
        private_redis_destroy(second);
    }
    stack_destroy(stack);
}

static struct load *begin_load(unsigned from, unsigned count) {
    return load_start(&(struct load_options){.ports = {stack_port(stack, "ingest-1")},
                                             .threads = 8,
                                             .count = count,
                                             .senders = 20,
                                             .first = from,
                                             .repeats = 300});
}

static bool replicas_are(const char *what) {
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/readyz", NULL, NULL);
    bool are = answer->status == 200 && strcmp(answer_text(answer, "replicas"), what) == 0;
    answer_free(answer);
    return are;
}

// The promoted one has no replica at first: what is sent is refused at once, with nothing written, and needs no WAIT.
static void assert_refuses_at_once(void) {
    WAIT_FOR(SETTLE_MS, replicas_are("missing"));
    int64_t quickest_ms = AT_ONCE_MS;
    for (int i = 0; i < 3; i++) {
        struct answer *answer = send_under_key(stack, "ingest-1", PATH_SMS, "refused",
                                               payload_sms("+15550009999", "+15550002222", "refused"));
        ck_assert_int_eq(answer->status, 503);
        ck_assert_ptr_null(answer_at(answer, "details.ambiguous"));
        quickest_ms = answer->millis < quickest_ms ? answer->millis : quickest_ms;
        answer_free(answer);
    }
    ck_assert_int_lt(quickest_ms, deadline_scaled(AT_ONCE_MS));
}

static void kill_master(void) {
    stack_kill(stack, "redis");
    private_sentinels_take_for_down_after(sentinels, DOWN_AFTER_MS);
    WAIT_FOR(FAIL_OVER_MS, private_sentinels_master(sentinels) == private_redis_port(first));
    private_sentinels_take_for_down_after(sentinels, NEVER_DOWN_MS);
    WAIT_FOR(SETTLE_MS, private_sentinels_are_at_rest(sentinels)); // one may have begun another fail-over by then
}

START_TEST(the_master_is_killed_under_load_and_no_202_is_lost) {
    WAIT_FOR(SETTLE_MS, replicas_are("follow"));
    struct load *load = begin_load(1000, 600);
    WAIT_FOR(SETTLE_MS, load_accepted(load) > 200);
    kill_master();
    stack_follow_redis(stack, private_redis_port(first));
    assert_refuses_at_once();
    second = start_replica(private_redis_port(first));
    arrival_check(stack, load, 1000, 600);
}
END_TEST

// Once the fail-over is over: before, it would be a replica as well, and WAIT might be met by its answer without that
// of the one which is promoted.
static void start_old_master(void) {
    stack_follow_redis(stack, stack_port(stack, "redis")); // so that it is waited for
    stack_start_with(stack, "redis", (const char *const[]){"--replica-priority", "0", NULL}); // it is never promoted
}

START_TEST(a_planned_fail_over_with_a_sentinel_less_and_the_old_master_back) {
    WAIT_FOR(SETTLE_MS, private_sentinels_know_replica(sentinels, private_redis_port(second)));
    struct load *load = begin_load(2000, 600);
    private_sentinels_kill(sentinels, 0);
    WAIT_FOR(SETTLE_MS, load_accepted(load) > 200);
    private_sentinels_fail_over(sentinels);
    ck_assert_uint_eq(private_sentinels_master(sentinels), private_redis_port(second));
    start_old_master();
    stack_follow_redis(stack, private_redis_port(second));
    private_sentinels_restart(sentinels, 0);
    arrival_check(stack, load, 2000, 600);
}
END_TEST

static bool is_replica(uint16_t port) {
    stack_follow_redis(stack, port);
    redisReply *role = stack_redis(stack, "ROLE");
    bool is = role != NULL && role->type == REDIS_REPLY_ARRAY && strcmp(role->element[0]->str, "slave") == 0;
    freeReplyObject(role);
    return is;
}

// What a Redis has done since its start, and who is connected to it, as a text; owned by the caller.
static char *said_by(const char *command) {
    redisReply *reply = stack_redis(stack, command);
    ck_assert(reply != NULL && reply->type == REDIS_REPLY_STRING);
    char *text = xstrdup(reply->str);
    freeReplyObject(reply);
    return text;
}

START_TEST(nobody_has_talked_to_the_old_master_since_it_came_back) {
    WAIT_FOR(FAIL_OVER_MS, is_replica(stack_port(stack, "redis")));
    char *calls = said_by("INFO commandstats"), *clients = said_by("CLIENT LIST");
    ck_assert_msg(strstr(calls, "cmdstat_fcall:") == NULL, "%s", calls);
    ck_assert_msg(strstr(clients, "name=ingest") == NULL && strstr(clients, "name=dispatcher") == NULL &&
                      strstr(clients, "name=persister") == NULL,
                  "%s", clients);
    free(calls);
    free(clients);
    stack_follow_redis(stack, private_redis_port(second));
}
END_TEST

static bool is_unavailable_for(const char *why) {
    struct answer *answer = stack_call(stack, "ingest-2", "GET", "/readyz", NULL, NULL);
    bool is = answer->status == 503 && strstr(answer->body, why) != NULL;
    answer_free(answer);
    return is;
}

static void assert_is_told(uint16_t port, const char *why) {
    char *url = xasprintf("REDIS_URL=redis://127.0.0.1:%u", port);
    stack_launch(stack, "ingest-2", (const char *const[]){url, NULL});
    WAIT_FOR(SETTLE_MS, is_unavailable_for(why));
    stack_stop(stack, "ingest-2");
    free(url);
}

START_TEST(a_url_that_leads_elsewhere_than_to_a_master_is_told_the_right_form) {
    static char bus[8];
    static const char *const of_a_cluster[] = {"--cluster-enabled", "yes", "--cluster-port", bus, NULL};
    snprintf(bus, sizeof bus, "%u", free_port());
    struct private_redis *node = private_redis_start(of_a_cluster);
    assert_is_told(private_sentinels_port(sentinels, 1),
                   "this is a Sentinel and no Redis: REDIS_URL must be redis+sentinel://host:port,host:port/mymaster");
    assert_is_told(stack_port(stack, "redis"), "takes no writes of ours: REDIS_URL must name its master");
    assert_is_told(private_redis_port(node), "is one of a cluster's");
    private_redis_destroy(node);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_sentinel(void);

Suite *suite_sentinel(void) {
    Suite *suite = suite_create("sentinel");
    TCase *tests = tcase_create("sentinel");
    tcase_set_timeout(tests, 120);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_test(tests, the_master_is_killed_under_load_and_no_202_is_lost);
    tcase_add_test(tests, a_planned_fail_over_with_a_sentinel_less_and_the_old_master_back);
    tcase_add_test(tests, nobody_has_talked_to_the_old_master_since_it_came_back);
    tcase_add_test(tests, a_url_that_leads_elsewhere_than_to_a_master_is_told_the_right_form);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
