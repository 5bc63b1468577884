// SPDX-License-Identifier: MIT
#include "shared/base/decimal.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

Suite *suite_base_decimal(void);

static const int64_t numbers[] = {
    0, 1, -1, 9, 10, -10, 99, 100, 60000, INT32_MIN, UINT32_MAX, 1700000000000, INT64_MAX, INT64_MIN, INT64_MIN + 1,
};

START_TEST(a_number_is_written_as_printf_does) {
    char expected[32], room[DECIMAL_SIZE];
    snprintf(expected, sizeof expected, "%" PRId64, numbers[_i]);
    const char *text = decimal_write(numbers[_i], room);
    ck_assert_str_eq(text, expected);
    ck_assert_ptr_eq(text + strlen(text) + 1, room + sizeof room);
}
END_TEST

START_TEST(each_argument_has_its_own_room) {
    size_t size = 7;
    const char *arguments[] = {DECIMAL(1), DECIMAL(-2), DECIMAL(size), DECIMAL(size > 7 ? 1 : 0)};
    ck_assert_str_eq(arguments[0], "1");
    ck_assert_str_eq(arguments[1], "-2");
    ck_assert_str_eq(arguments[2], "7");
    ck_assert_str_eq(arguments[3], "0");
}
END_TEST

Suite *suite_base_decimal(void) {
    Suite *suite = suite_create("base_decimal");
    TCase *tests = tcase_create("decimal");
    tcase_add_loop_test(tests, a_number_is_written_as_printf_does, 0, sizeof numbers / sizeof numbers[0]);
    tcase_add_test(tests, each_argument_has_its_own_room);
    suite_add_tcase(suite, tests);
    return suite;
}
