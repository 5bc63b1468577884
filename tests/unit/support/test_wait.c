// SPDX-License-Identifier: MIT
#include "tests/support/wait.h"

#include <poll.h>

Suite *suite_support_wait(void);

enum { DEADLINE_MS = 100, BLOCK_MS = 300 };

static void block(uv_timer_t *timer) {
    (void)timer;
    poll(NULL, 0, BLOCK_MS);
}

START_TEST(what_a_callback_takes_counts) {
    uv_loop_t loop;
    uv_timer_t timer;
    uv_loop_init(&loop);
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, block, 0, 0);
    ck_assert(!wait_turn(&loop, deadline_now() + DEADLINE_MS));
    uv_close((uv_handle_t *)&timer, NULL);
    wait_closed(&loop);
}
END_TEST

START_TEST(what_a_pause_takes_longer_than_it_was_to_does_not) {
    int64_t deadline = deadline_now() + DEADLINE_MS;
    ck_assert(!deadline_has_passed(deadline, 2000 * BLOCK_MS, BLOCK_MS));
    poll(NULL, 0, DEADLINE_MS);
    ck_assert(!deadline_has_passed(deadline, DEADLINE_MS * 1000, DEADLINE_MS));
    poll(NULL, 0, BLOCK_MS);
    ck_assert(deadline_has_passed(deadline, BLOCK_MS * 1000, BLOCK_MS));
}
END_TEST

Suite *suite_support_wait(void) {
    Suite *suite = suite_create("support_wait");
    TCase *tests = tcase_create("deadlines");
    tcase_add_test(tests, what_a_callback_takes_counts);
    tcase_add_test(tests, what_a_pause_takes_longer_than_it_was_to_does_not);
    suite_add_tcase(suite, tests);
    return suite;
}
