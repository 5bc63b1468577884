// SPDX-License-Identifier: MIT
#include "shared/loop/turn.h"

#include <check.h>

#include "tests/support/wait.h"

Suite *suite_loop_turn(void);

struct owner {
    struct turn turn;
    int runs, others;
    int closed;
};

static uv_loop_t loop;
static struct owner owner;

static void setup(void) {
    uv_loop_init(&loop);
    owner = (struct owner){0};
    turn_init(&loop, &owner.turn, &owner);
}

static void count_closed(uv_handle_t *handle) {
    ((struct owner *)handle->data)->closed++;
}

static void teardown(void) {
    uv_close((uv_handle_t *)&owner.turn.idle, count_closed);
    wait_closed(&loop);
    ck_assert_int_eq(owner.closed, 1);
}

static void count_run(void *argument) {
    ((struct owner *)argument)->runs++;
}

static void count_other(void *argument) {
    ((struct owner *)argument)->others++;
}

static void ask_again(void *argument) {
    count_run(argument);
    turn_at_end(&owner.turn, count_other);
}

START_TEST(what_is_asked_for_often_is_done_once_and_not_at_once) {
    for (int i = 0; i < 3; i++) {
        turn_at_end(&owner.turn, count_run);
    }
    ck_assert_int_eq(owner.runs, 0);
    uv_run(&loop, UV_RUN_DEFAULT); // ends, as nothing keeps the loop alive any more
    ck_assert_int_eq(owner.runs, 1);
}
END_TEST

START_TEST(what_was_asked_for_first_stands) {
    turn_at_end(&owner.turn, count_run);
    turn_at_end(&owner.turn, count_other);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(owner.runs, 1);
    ck_assert_int_eq(owner.others, 0);
}
END_TEST

START_TEST(what_was_stopped_makes_way_for_something_else) {
    turn_at_end(&owner.turn, count_run);
    uv_idle_stop(&owner.turn.idle);
    turn_at_end(&owner.turn, count_other);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(owner.runs, 0);
    ck_assert_int_eq(owner.others, 1);
}
END_TEST

START_TEST(what_is_asked_for_meanwhile_is_done_a_turn_later) {
    turn_at_end(&owner.turn, ask_again);
    uv_run(&loop, UV_RUN_NOWAIT);
    ck_assert_int_eq(owner.runs, 1);
    ck_assert_int_eq(owner.others, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(owner.runs, 1);
    ck_assert_int_eq(owner.others, 1);
}
END_TEST

Suite *suite_loop_turn(void) {
    Suite *suite = suite_create("loop_turn");
    TCase *tests = tcase_create("turn");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, what_is_asked_for_often_is_done_once_and_not_at_once);
    tcase_add_test(tests, what_was_asked_for_first_stands);
    tcase_add_test(tests, what_was_stopped_makes_way_for_something_else);
    tcase_add_test(tests, what_is_asked_for_meanwhile_is_done_a_turn_later);
    suite_add_tcase(suite, tests);
    return suite;
}
