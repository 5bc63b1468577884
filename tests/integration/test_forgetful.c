// SPDX-License-Identifier: MIT
// Redis forgets what all processes share while they run: everything (FLUSHALL), the set of the partitions, the groups,
// the library, a type. What was in there may be gone; what comes then is delivered, and nothing needs to be started
// again.

#include <check.h>
#include <signal.h>
#include <stdlib.h>

#include "shared/base/mem.h"
#include "tests/support/delivery.h"
#include "tests/support/stack.h"

static struct stack *stack;

static void start(void) {
    stack = stack_create("forgetful", NULL);
    stack_start_all(stack);
}

static void end(void) {
    stack_destroy(stack);
}

static const char *const losses[] = {
    "FLUSHALL",
    "DEL partitions",
    "DEL processes",
    "DEL formats",
    "DEL metrics",
    "DEL outbound:{sms-mms:0} events:{sms-mms:0}",
    "XGROUP DESTROY outbound:{sms-mms:0} dispatchers",
    "XGROUP DESTROY events:{sms-mms:0} persisters",
    "FUNCTION FLUSH",
    "HSET metrics dispatch_attempts garbage worker_latency_max_us garbage accept_seconds_sum garbage",
    "SET metrics garbage",
    "SET feed garbage",
    "SET processes garbage",
    "SET formats garbage",
    "HSET replaying:{replay} owner me until garbage after garbage",
    "HSET mock:config error_pct garbage latency_ms garbage",
};
enum { LOSSES = sizeof losses / sizeof *losses };

START_TEST(what_comes_after_a_loss_is_delivered_and_recorded) {
    unsigned first = 1000 + 100 * (unsigned)_i;
    free(send_sms_from(stack, first));
    WAIT_FOR(15000, status_count(stack, first, "sent") == 1);
    freeReplyObject(stack_redis(stack, losses[_i]));
    // A send may come while the loss is being found.
    for (unsigned i = 1; i <= 3; i++) {
        char *id = send_sms_from(stack, first + i);
        free(id);
    }
    WAIT_FOR(20000, status_count(stack, first, "sent") == 4);
    freeReplyObject(stack_redis(stack, "DEL metrics feed processes formats mock:config replaying:{replay}"));
}
END_TEST

static bool partitions_are_named(void) {
    return stack_redis_int(stack, "SISMEMBER partitions sms-mms:0") == 1 &&
           stack_redis_int(stack, "SISMEMBER partitions email:0") == 1;
}

START_TEST(the_set_of_partitions_is_there_again_within_seconds_whoever_is_left) {
    static const char *const programs[] = {"ingest-1", "dispatcher-1", "persister-1"};
    for (size_t left = 0; left < 3; left++) {
        for (size_t i = 0; i < 3; i++) {
            stack_signal(stack, programs[i], i == left ? SIGCONT : SIGSTOP);
        }
        freeReplyObject(stack_redis(stack, "FLUSHALL"));
        WAIT_FOR(5000, partitions_are_named());
    }
    for (size_t i = 0; i < 3; i++) {
        stack_signal(stack, programs[i], SIGCONT);
    }
    WAIT_FOR(10000, stack_status(stack, "ingest-1", "GET", "/readyz", NULL) == 200);
}
END_TEST

START_TEST(all_end_in_order) {
    stack_finish(stack);
}
END_TEST

Suite *suite_forgetful(void);

Suite *suite_forgetful(void) {
    Suite *suite = suite_create("forgetful");
    TCase *tests = tcase_create("forgetful");
    tcase_set_timeout(tests, 120);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_loop_test(tests, what_comes_after_a_loss_is_delivered_and_recorded, 0, LOSSES);
    tcase_add_test(tests, the_set_of_partitions_is_there_again_within_seconds_whoever_is_left);
    tcase_add_test(tests, all_end_in_order);
    suite_add_tcase(suite, tests);
    return suite;
}
