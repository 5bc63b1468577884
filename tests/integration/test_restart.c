// SPDX-License-Identifier: MIT
// Everything may die: Redis, Postgres, all programs at once. No 202 is lost, nothing is stored twice, work resumes.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/mem.h"
#include "tests/support/arrival.h"
#include "tests/support/load.h"
#include "tests/support/payload.h"
#include "tests/support/stack.h"

static struct stack *stack;
static unsigned next_sender = 1000; // each test has senders of its own

static const char *const programs[] = {"ingest-1", "ingest-2", "dispatcher-1", "persister-1", "mock-provider"};

static void start(void) {
    stack = stack_create("restart", NULL);
    stack_start_all(stack);
    stack_start(stack, "ingest-2");
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        if (!stack_is_running(stack, programs[i])) {
            stack_start(stack, programs[i]);
        }
    }
    next_sender += 100;
}

// Each send is repeated under its Idempotency-Key until it is accepted, as a client would.
static struct load *begin_load(unsigned count) {
    return load_start(&(struct load_options){.ports = {stack_port(stack, "ingest-1"), stack_port(stack, "ingest-2")},
                                             .threads = 8,
                                             .count = count,
                                             .senders = 20,
                                             .first = next_sender,
                                             .repeats = 300});
}

static void assert_all_arrives(struct load *load, unsigned count) {
    arrival_check(stack, load, next_sender, count);
}

START_TEST(redis_is_killed_under_load_and_no_202_is_lost) {
    struct load *load = begin_load(800);
    for (unsigned i = 1; i <= 2; i++) {
        WAIT_FOR(10000, load_accepted(load) > i * 200);
        stack_kill(stack, "redis");
        stack_start(stack, "redis");
    }
    assert_all_arrives(load, 800);
}
END_TEST

START_TEST(redis_is_restarted_in_order_under_load_and_no_202_is_lost) {
    struct load *load = begin_load(500);
    WAIT_FOR(10000, load_accepted(load) > 150);
    stack_stop(stack, "redis");
    stack_start(stack, "redis");
    assert_all_arrives(load, 500);
}
END_TEST

START_TEST(everything_is_killed_at_once_under_load_and_no_202_is_lost) {
    struct load *load = begin_load(800);
    WAIT_FOR(10000, load_accepted(load) > 300);
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        stack_kill(stack, programs[i]);
    }
    stack_kill(stack, "redis");
    stack_kill(stack, "postgres");
    stack_start(stack, "redis");
    stack_start(stack, "postgres");
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        stack_start(stack, programs[i]);
    }
    assert_all_arrives(load, 800);
}
END_TEST

START_TEST(ingests_that_are_killed_in_turn_under_load_lose_no_202) {
    struct load *load = begin_load(600);
    for (unsigned i = 0; i < 4; i++) {
        WAIT_FOR(10000, load_accepted(load) > (i + 1) * 100);
        stack_kill(stack, programs[i % 2]);
        stack_start(stack, programs[i % 2]);
    }
    assert_all_arrives(load, 600);
}
END_TEST

// What a Redis leaves behind that is killed while it writes: its append-only log ends within the step that was to be
// written last, here one that accepts a send.
static void tear_log(void) {
    char *path = xasprintf("%s/redis/appendonlydir/appendonly.aof.1.incr.aof", stack_folder(stack));
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    size_t length = (size_t)ftell(file);
    char *bytes = xmalloc(length);
    rewind(file);
    ck_assert_uint_eq(fread(bytes, 1, length, file), length);
    (void)fclose(file);
    static const char remembers[] = "idem:{"; // the last but one thing of an accept
    size_t at = length - strlen(remembers);
    while (at > 0 && memcmp(bytes + at, remembers, strlen(remembers)) != 0) {
        at--;
    }
    ck_assert_uint_gt(at, 0);
    ck_assert_int_eq(truncate(path, (off_t)at), 0);
    free(bytes);
    free(path);
}

static char *send_once(const char *from) {
    struct answer *answer =
        send_under_key(stack, "ingest-1", PATH_SMS, "torn", payload_sms(from, "+16660000001", "hi"));
    ck_assert_msg(answer->status == 202, "%ld: %s", answer->status, answer->body);
    char *id = xstrdup(answer_text(answer, "id"));
    answer_free(answer);
    return id;
}

START_TEST(a_send_of_which_redis_wrote_a_part_when_it_was_killed_never_was) {
    char from[24];
    snprintf(from, sizeof from, "+1555%07u", next_sender);
    stack_stop(stack, "dispatcher-1"); // nobody is given anything of it
    stack_stop(stack, "persister-1");
    char *first = send_once(from);
    stack_kill(stack, "redis");
    tear_log();
    stack_start(stack, "redis");
    stack_settle(stack);
    char *second = send_once(from);
    ck_assert_str_ne(first, second);
    stack_kill(stack, "redis");
    stack_start(stack, "redis");
    stack_start(stack, "dispatcher-1");
    stack_start(stack, "persister-1");
    WAIT_FOR(30000, arrival_sent(stack, next_sender) >= 1);
    WAIT_FOR(30000, stack_is_drained(stack));
    ck_assert_int_eq(arrival_stored(stack, next_sender), 1);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE id = '%s'", second), 1);
    free(first);
    free(second);
}
END_TEST

START_TEST(programs_that_start_before_their_servers_wait_for_them) {
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        stack_stop(stack, programs[i]);
    }
    stack_stop(stack, "redis");
    stack_stop(stack, "postgres");
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        stack_start(stack, programs[i]);
    }
    ck_assert_int_eq(stack_status(stack, "ingest-1", "GET", "/healthz", NULL), 200);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "GET", "/readyz", NULL), 503);
    stack_start(stack, "redis");
    stack_start(stack, "postgres");
    assert_all_arrives(begin_load(50), 50);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_restart(void);

Suite *suite_restart(void) {
    Suite *suite = suite_create("restart");
    TCase *tests = tcase_create("restart");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, redis_is_killed_under_load_and_no_202_is_lost);
    tcase_add_test(tests, redis_is_restarted_in_order_under_load_and_no_202_is_lost);
    tcase_add_test(tests, everything_is_killed_at_once_under_load_and_no_202_is_lost);
    tcase_add_test(tests, ingests_that_are_killed_in_turn_under_load_lose_no_202);
    tcase_add_test(tests, a_send_of_which_redis_wrote_a_part_when_it_was_killed_never_was);
    tcase_add_test(tests, programs_that_start_before_their_servers_wait_for_them);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
