// SPDX-License-Identifier: MIT
#include "ingest/read/lag.h"

#include <check.h>

Suite *suite_read_lag(void);

START_TEST(who_has_all_is_not_behind) {
    struct lag lag = {0};
    ck_assert_int_eq(lag_ms(&lag, 5000), 0);
    lag_mark(&lag, 100, 1000);
    lag_reach(&lag, 100);
    ck_assert_int_eq(lag_ms(&lag, 60000), 0);
}
END_TEST

START_TEST(nothing_written_is_nothing_missed) {
    struct lag lag = {0};
    for (int64_t now_ms = 0; now_ms < 100000; now_ms += 1000) {
        lag_mark(&lag, 7, now_ms);
        lag_reach(&lag, 7);
        ck_assert_int_eq(lag_ms(&lag, now_ms + 500), 0);
    }
}
END_TEST

START_TEST(it_is_behind_since_the_primary_had_what_it_lacks) {
    struct lag lag = {0};
    lag_mark(&lag, 100, 1000);
    lag_mark(&lag, 110, 2000);
    lag_mark(&lag, 120, 3000);
    lag_reach(&lag, 99);
    ck_assert_int_eq(lag_ms(&lag, 3500), 2500);
    lag_reach(&lag, 115);
    ck_assert_int_eq(lag_ms(&lag, 3500), 500);
    lag_reach(&lag, 121);
    ck_assert_int_eq(lag_ms(&lag, 3500), 0);
}
END_TEST

START_TEST(one_that_stands_still_falls_behind_for_as_long_as_it_stands) {
    struct lag lag = {0};
    for (int64_t second = 1; second <= 600; second++) {
        lag_mark(&lag, 100 + second, second * 1000);
        lag_reach(&lag, 100);
        ck_assert_int_eq(lag_ms(&lag, second * 1000), (second - 1) * 1000);
    }
    ck_assert_uint_le(lag.count, LAG_MARKS);
}
END_TEST

// It is still far behind when it has passed the marks of the first half a minute.
START_TEST(who_catches_up_counts_as_near_only_once_he_is) {
    struct lag lag = {0};
    for (int64_t second = 1; second <= 600; second++) {
        lag_mark(&lag, 100 + second, second * 1000);
        lag_reach(&lag, 100);
    }
    lag_reach(&lag, 400);
    ck_assert_int_gt(lag_ms(&lag, 600000), 100000);
    lag_reach(&lag, 700);
    ck_assert_int_eq(lag_ms(&lag, 600000), 0);
}
END_TEST

START_TEST(another_primary_is_measured_from_the_beginning) {
    struct lag lag = {0};
    lag_mark(&lag, 1000, 1000);
    lag_forget(&lag);
    ck_assert_int_eq(lag_ms(&lag, 90000), 0);
    lag_mark(&lag, 10, 90000);
    lag_reach(&lag, 10);
    ck_assert_int_eq(lag_ms(&lag, 100000), 0);
}
END_TEST

Suite *suite_read_lag(void) {
    Suite *suite = suite_create("read_lag");
    TCase *tcase = tcase_create("lag");
    tcase_add_test(tcase, who_has_all_is_not_behind);
    tcase_add_test(tcase, nothing_written_is_nothing_missed);
    tcase_add_test(tcase, it_is_behind_since_the_primary_had_what_it_lacks);
    tcase_add_test(tcase, one_that_stands_still_falls_behind_for_as_long_as_it_stands);
    tcase_add_test(tcase, who_catches_up_counts_as_near_only_once_he_is);
    tcase_add_test(tcase, another_primary_is_measured_from_the_beginning);
    suite_add_tcase(suite, tcase);
    return suite;
}
