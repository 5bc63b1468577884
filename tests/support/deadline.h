// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_DEADLINE_H
#define TESTS_SUPPORT_DEADLINE_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

// Waiting for a condition with a deadline; no test sleeps for a guess. A deadline is met in time that a busy machine
// leaves: what a pause takes longer than it was to doesn't count, for then what is waited for waits as well.

// A time in ms, longer where programs run under valgrind (VALGRIND=1) or a sanitizer.
int deadline_scaled(int ms);
// Now, in ms of that time.
int64_t deadline_now(void);
// The moment ms (scaled) from now.
int64_t deadline_in(int ms);
// Whether it has passed, after a pause of paused_us that was to last at most pause_ms. What the tested code takes is no
// pause: it counts. One thread of a process waits.
bool deadline_has_passed(int64_t deadline, int64_t paused_us, int pause_ms);
// Pauses a moment between two looks; false once the deadline has passed.
bool deadline_pause(int64_t deadline);

// Looks until condition holds; fails the test when it doesn't within ms (scaled).
#define WAIT_FOR(ms, condition)                                                                                        \
    do {                                                                                                               \
        int64_t wait_deadline = deadline_in(ms);                                                                       \
        bool wait_met;                                                                                                 \
        while (!(wait_met = (condition)) && deadline_pause(wait_deadline)) {                                           \
        }                                                                                                              \
        ck_assert_msg(wait_met, "not within %d ms: %s", deadline_scaled(ms), #condition);                              \
    } while (0)

#endif
