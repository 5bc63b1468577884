// SPDX-License-Identifier: MIT
#include <check.h>

#include "persister/retention_pace.h"

Suite *suite_persister_retention_pace(void);

#define LONGEST_US 8000
#define MANY 1000000

START_TEST(transactions_grow_until_they_take_as_long_as_they_may) {
    struct retention_pace pace;
    retention_pace_start(&pace);
    for (int i = 0; i < 50; i++) {
        (void)retention_pace_next(&pace, pace.rows, pace.rows * 40, false); // a row takes 40 us
    }
    ck_assert_int_le(pace.rows * 40, LONGEST_US);
    ck_assert_int_ge(pace.rows * 40, LONGEST_US / 4);
}
END_TEST

START_TEST(one_that_took_too_long_is_followed_by_a_shorter_one_but_never_by_none) {
    struct retention_pace pace;
    retention_pace_start(&pace);
    int before = pace.rows;
    (void)retention_pace_next(&pace, pace.rows, LONGEST_US + 1, false);
    ck_assert_int_lt(pace.rows, before);
    for (int i = 0; i < 50; i++) {
        (void)retention_pace_next(&pace, pace.rows, MANY, false);
    }
    ck_assert_int_gt(pace.rows, 0);
}
END_TEST

START_TEST(it_rests_for_most_of_the_time) {
    static const int64_t took_us[] = {0, 100, 1000, 8000, 50000, 1000000};
    for (size_t i = 0; i < sizeof took_us / sizeof *took_us; i++) {
        struct retention_pace pace;
        retention_pace_start(&pace);
        int64_t rest_ms = retention_pace_next(&pace, pace.rows, took_us[i], false);
        ck_assert_int_ge(rest_ms * 1000, 4 * took_us[i]);
        ck_assert_int_gt(rest_ms, 0);
    }
}
END_TEST

START_TEST(where_more_comes_in_than_goes_the_rests_get_shorter_until_it_keeps_up) {
    struct retention_pace pace;
    retention_pace_start(&pace);
    int64_t usual_ms = retention_pace_next(&pace, pace.rows, 8000, false), last_ms = usual_ms;
    for (int i = 0; i < 2; i++) {
        retention_pace_judge(&pace, true);
        int64_t rest_ms = retention_pace_next(&pace, pace.rows, 8000, false);
        ck_assert_int_lt(rest_ms, last_ms);
        last_ms = rest_ms;
    }
    for (int i = 0; i < 20; i++) {
        retention_pace_judge(&pace, true);
    }
    ck_assert_int_ge(retention_pace_next(&pace, pace.rows, 8000, false), 8); // never all of the time
    for (int i = 0; i < 20; i++) {
        retention_pace_judge(&pace, false);
    }
    ck_assert_int_eq(retention_pace_next(&pace, pace.rows, 8000, false), usual_ms);
}
END_TEST

START_TEST(while_events_pile_up_it_rests_longer) {
    struct retention_pace pace;
    retention_pace_start(&pace);
    int64_t usual_ms = retention_pace_next(&pace, pace.rows, 1000, false);
    ck_assert_int_gt(retention_pace_next(&pace, pace.rows, 1000, true), 10 * usual_ms);
    ck_assert_int_ge(retention_pace_next(&pace, pace.rows, MANY, true), 4000);
}
END_TEST

START_TEST(few_messages_that_are_due_say_nothing_about_how_many_may_go_at_once) {
    struct retention_pace pace;
    retention_pace_start(&pace);
    int before = pace.rows;
    (void)retention_pace_next(&pace, 1, 500, false);
    ck_assert_int_eq(pace.rows, before);
}
END_TEST

Suite *suite_persister_retention_pace(void) {
    Suite *suite = suite_create("persister_retention_pace");
    TCase *tests = tcase_create("retention_pace");
    tcase_add_test(tests, transactions_grow_until_they_take_as_long_as_they_may);
    tcase_add_test(tests, one_that_took_too_long_is_followed_by_a_shorter_one_but_never_by_none);
    tcase_add_test(tests, it_rests_for_most_of_the_time);
    tcase_add_test(tests, where_more_comes_in_than_goes_the_rests_get_shorter_until_it_keeps_up);
    tcase_add_test(tests, while_events_pile_up_it_rests_longer);
    tcase_add_test(tests, few_messages_that_are_due_say_nothing_about_how_many_may_go_at_once);
    suite_add_tcase(suite, tests);
    return suite;
}
