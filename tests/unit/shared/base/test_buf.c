// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/buf.h"

Suite *suite_base_buf(void);

START_TEST(what_is_appended_stands_there_in_order) {
    struct buf buf = {0};
    buf_puts(&buf, "one");
    buf_putc(&buf, ' ');
    buf_append(&buf, "two\0three", 9);
    buf_printf(&buf, "-%d-%s", 4, "five");
    ck_assert_uint_eq(buf.length, 3 + 1 + 9 + 7);
    ck_assert_mem_eq(buf.data, "one two\0three-4-five", 21);
    buf_free(&buf);
}
END_TEST

START_TEST(every_integer_is_written_in_decimal) {
    static const int64_t numbers[] = {0, 7, -7, 10, -10, 1234567890, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct buf buf = {0};
        char expected[32];
        snprintf(expected, sizeof expected, "%lld", (long long)numbers[i]);
        buf_put_int(&buf, numbers[i]);
        ck_assert_str_eq(buf.data, expected);
        buf_free(&buf);
    }
}
END_TEST

START_TEST(it_is_nul_terminated_after_each_step) {
    struct buf buf = {0};
    for (int i = 0; i < 5000; i++) {
        buf_putc(&buf, (char)('a' + i % 26));
        ck_assert_uint_eq(buf.length, (size_t)i + 1);
        ck_assert_int_eq(buf.data[buf.length], '\0');
    }
    ck_assert_int_eq(buf.data[4999], 'a' + 4999 % 26);
    buf_free(&buf);
}
END_TEST

START_TEST(appending_nothing_makes_an_empty_text) {
    struct buf buf = {0};
    buf_append(&buf, NULL, 0);
    ck_assert_str_eq(buf.data, "");
    ck_assert_uint_eq(buf.length, 0);
    buf_free(&buf);
    buf_printf(&buf, "%s", "");
    ck_assert_str_eq(buf.data, "");
    buf_free(&buf);
}
END_TEST

START_TEST(a_print_longer_than_the_room_is_whole) {
    struct buf buf = {0};
    for (int width = 1; width < 3000; width += 7) {
        size_t before = buf.length;
        buf_printf(&buf, "%*d", width, 7);
        ck_assert_uint_eq(buf.length, before + (size_t)width);
        ck_assert_int_eq(buf.data[buf.length - 1], '7');
    }
    ck_assert_uint_eq(strlen(buf.data), buf.length);
    buf_free(&buf);
}
END_TEST

START_TEST(reserved_room_can_be_written_to) {
    struct buf buf = {0};
    buf_puts(&buf, "x");
    buf_reserve(&buf, 100000);
    ck_assert_uint_ge(buf.room - buf.length, 100001);
    memset(buf.data + buf.length, 'y', 100000);
    ck_assert_int_eq(buf.data[0], 'x');
    buf_free(&buf);
}
END_TEST

START_TEST(clearing_keeps_the_memory) {
    struct buf buf = {0};
    buf_clear(&buf);
    ck_assert_ptr_null(buf.data);
    buf_puts(&buf, "text");
    size_t room = buf.room;
    buf_clear(&buf);
    ck_assert_uint_eq(buf.length, 0);
    ck_assert_uint_eq(buf.room, room);
    ck_assert_str_eq(buf.data, "");
    buf_free(&buf);
    ck_assert_ptr_null(buf.data);
    ck_assert_uint_eq(buf.room, 0);
}
END_TEST

Suite *suite_base_buf(void) {
    Suite *suite = suite_create("base_buf");
    TCase *tests = tcase_create("buf");
    tcase_add_test(tests, what_is_appended_stands_there_in_order);
    tcase_add_test(tests, every_integer_is_written_in_decimal);
    tcase_add_test(tests, it_is_nul_terminated_after_each_step);
    tcase_add_test(tests, appending_nothing_makes_an_empty_text);
    tcase_add_test(tests, a_print_longer_than_the_room_is_whole);
    tcase_add_test(tests, reserved_room_can_be_written_to);
    tcase_add_test(tests, clearing_keeps_the_memory);
    suite_add_tcase(suite, tests);
    return suite;
}
