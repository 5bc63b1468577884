// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/base/backoff.h"

Suite *suite_base_backoff(void);

#define ROUNDS 20000

START_TEST(a_wait_lies_between_1_and_the_doubled_base) {
    for (unsigned attempt = 0; attempt < 12; attempt++) {
        int64_t limit = INT64_C(500) << attempt;
        limit = limit < 300000 ? limit : 300000;
        for (int i = 0; i < 2000; i++) {
            int64_t wait = backoff_full_jitter_ms(attempt, 500, 300000);
            ck_assert_int_ge(wait, 1);
            ck_assert_int_le(wait, limit);
        }
    }
}
END_TEST

START_TEST(waits_are_spread_over_the_whole_range) {
    int tenths[10] = {0};
    for (int i = 0; i < ROUNDS; i++) {
        int64_t wait = backoff_full_jitter_ms(0, 1000, 1000);
        tenths[wait == 1000 ? 9 : wait / 100]++;
    }
    for (int i = 0; i < 10; i++) { // each expects a tenth; 15% off is more than six standard deviations
        ck_assert_int_gt(tenths[i], ROUNDS / 10 * 85 / 100);
        ck_assert_int_lt(tenths[i], ROUNDS / 10 * 115 / 100);
    }
}
END_TEST

START_TEST(a_great_attempt_does_not_overflow) {
    static const unsigned attempts[] = {62, 63, 64, 1000, UINT32_MAX};
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        int64_t wait = backoff_full_jitter_ms(attempts[i], 500, 300000);
        ck_assert_int_ge(wait, 1);
        ck_assert_int_le(wait, 300000);
        ck_assert_int_ge(backoff_full_jitter_ms(attempts[i], 3, INT64_MAX), 1);
    }
}
END_TEST

START_TEST(a_base_above_the_cap_waits_at_most_the_cap) {
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_le(backoff_full_jitter_ms(0, 5000, 10), 10);
    }
}
END_TEST

START_TEST(no_base_or_no_cap_waits_a_millisecond) {
    ck_assert_int_eq(backoff_full_jitter_ms(5, 0, 1000), 1);
    ck_assert_int_eq(backoff_full_jitter_ms(5, 1000, 0), 1);
    ck_assert_int_eq(backoff_full_jitter_ms(5, -4, -4), 1);
    ck_assert_int_eq(backoff_full_jitter_ms(0, 1, 1), 1);
}
END_TEST

Suite *suite_base_backoff(void) {
    Suite *suite = suite_create("base_backoff");
    TCase *tests = tcase_create("backoff");
    tcase_add_test(tests, a_wait_lies_between_1_and_the_doubled_base);
    tcase_add_test(tests, waits_are_spread_over_the_whole_range);
    tcase_add_test(tests, a_great_attempt_does_not_overflow);
    tcase_add_test(tests, a_base_above_the_cap_waits_at_most_the_cap);
    tcase_add_test(tests, no_base_or_no_cap_waits_a_millisecond);
    suite_add_tcase(suite, tests);
    return suite;
}
