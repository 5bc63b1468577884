// SPDX-License-Identifier: MIT
#include <check.h>

#include "persister/pace.h"

Suite *suite_persister_pace(void);

#define SECOND_US 1000000
#define MANY 1000000

// The steps of `us` microseconds of looks, `every_us` apart, from *now on.
static size_t taken_within(struct pace *pace, int64_t *now, int64_t us, int64_t every_us) {
    size_t count = 0;
    for (int64_t end = *now + us; *now < end;) {
        *now += every_us;
        count += pace_take(pace, *now, MANY);
    }
    return count;
}

START_TEST(a_second_holds_as_many_steps_as_the_rate_says) {
    static const int64_t rates[] = {1, 3, 7, 100, 200, 1000, 10000};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        struct pace pace;
        int64_t now = 5;
        pace_start(&pace, rates[i], now);
        for (int second = 0; second < 5; second++) {
            size_t count = taken_within(&pace, &now, SECOND_US, 20000);
            ck_assert_msg(count + 1 >= (size_t)rates[i] && count <= (size_t)rates[i] + 1, "%zu at %d/s", count,
                          (int)rates[i]);
        }
    }
}
END_TEST

START_TEST(what_was_missed_is_made_up_for_at_most_a_tenth_of_a_second) {
    struct pace pace;
    int64_t now = 0;
    pace_start(&pace, 200, now);
    now += 10 * SECOND_US;
    ck_assert_uint_le(pace_take(&pace, now, MANY), 21);
    ck_assert_uint_eq(pace_take(&pace, now, MANY), 0);
    ck_assert_uint_le(taken_within(&pace, &now, SECOND_US, 20000), 200);
}
END_TEST

START_TEST(a_slow_pace_makes_up_for_one_step) {
    struct pace pace;
    pace_start(&pace, 1, 0);
    ck_assert_uint_eq(pace_take(&pace, SECOND_US - 1, MANY), 0);
    ck_assert_uint_le(pace_take(&pace, 60 * SECOND_US, MANY), 2);
}
END_TEST

START_TEST(no_more_are_taken_than_asked_for_and_the_rest_stays_due) {
    struct pace pace;
    pace_start(&pace, 200, 0);
    ck_assert_uint_eq(pace_take(&pace, 50000, 4), 4);
    ck_assert_uint_eq(pace_take(&pace, 50000, MANY), 6);
    ck_assert_uint_eq(pace_take(&pace, 50000, 0), 0);
}
END_TEST

Suite *suite_persister_pace(void) {
    Suite *suite = suite_create("persister_pace");
    TCase *tests = tcase_create("pace");
    tcase_add_test(tests, a_second_holds_as_many_steps_as_the_rate_says);
    tcase_add_test(tests, what_was_missed_is_made_up_for_at_most_a_tenth_of_a_second);
    tcase_add_test(tests, a_slow_pace_makes_up_for_one_step);
    tcase_add_test(tests, no_more_are_taken_than_asked_for_and_the_rest_stays_due);
    suite_add_tcase(suite, tests);
    return suite;
}
