// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_WAIT_H
#define TESTS_SUPPORT_WAIT_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "tests/support/deadline.h"

// Waiting for a condition while a loop runs.

// Runs one turn of the loop, a few ms at most; false once the deadline (of deadline_in) has passed.
bool wait_turn(uv_loop_t *loop, int64_t deadline);

// Runs the loop until condition holds; fails the test when it doesn't within ms (scaled).
#define RUN_UNTIL(loop, ms, condition)                                                                                 \
    do {                                                                                                               \
        int64_t run_deadline = deadline_in(ms);                                                                        \
        bool run_met;                                                                                                  \
        while (!(run_met = (condition)) && wait_turn(loop, run_deadline)) {                                            \
        }                                                                                                              \
        ck_assert_msg(run_met, "not within %d ms: %s", deadline_scaled(ms), #condition);                               \
    } while (0)

// Runs the loop for ms (not scaled), to see that something does not happen.
void run_for(uv_loop_t *loop, int ms);

// Runs the loop out and closes it; fails the test when a handle is left open.
void wait_closed(uv_loop_t *loop);

#endif
