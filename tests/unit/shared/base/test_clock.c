// SPDX-License-Identifier: MIT
#include <check.h>
#include <time.h>

#include "shared/base/clock.h"
#include "tests/support/each.h"

Suite *suite_base_clock(void);

START_TEST(wall_time_agrees_with_the_system) {
    int64_t before = (int64_t)time(NULL) * 1000 - 1000;
    int64_t now = clock_unix_ms();
    int64_t after = (int64_t)time(NULL) * 1000 + 2000;
    ck_assert_int_ge(now, before);
    ck_assert_int_le(now, after);
}
END_TEST

START_TEST(durations_never_run_backwards) {
    int64_t last = clock_monotonic_us();
    int64_t last_boot = clock_boot_ms();
    for (int i = 0; i < 10000; i++) {
        int64_t now = clock_monotonic_us();
        int64_t boot = clock_boot_ms();
        ASSERT_EACH(now >= last);
        ASSERT_EACH(boot >= last_boot);
        last = now;
        last_boot = boot;
    }
}
END_TEST

START_TEST(boot_time_counts_at_least_what_monotonic_time_counts) {
    int64_t monotonic_ms = clock_monotonic_us() / 1000;
    ck_assert_int_ge(clock_boot_ms(), monotonic_ms);
}
END_TEST

Suite *suite_base_clock(void) {
    Suite *suite = suite_create("base_clock");
    TCase *tests = tcase_create("clock");
    tcase_add_test(tests, wall_time_agrees_with_the_system);
    tcase_add_test(tests, durations_never_run_backwards);
    tcase_add_test(tests, boot_time_counts_at_least_what_monotonic_time_counts);
    suite_add_tcase(suite, tests);
    return suite;
}
