// SPDX-License-Identifier: MIT
#include <check.h>
#include <string.h>

#include "shared/base/percent.h"

Suite *suite_base_percent(void);

START_TEST(an_escape_is_three_characters_within_the_length) {
    ck_assert_int_eq(percent_byte("%2B", 3), '+');
    ck_assert_int_eq(percent_byte("%fF", 3), 255);
    ck_assert_int_eq(percent_byte("%00", 3), 0);
    ck_assert_int_eq(percent_byte("%411", 4), 'A');
    ck_assert_int_eq(percent_byte("%41", 2), -1);
    ck_assert_int_eq(percent_byte("%4", 3), -1);
    ck_assert_int_eq(percent_byte("%", 3), -1);
    ck_assert_int_eq(percent_byte("", 3), -1);
    ck_assert_int_eq(percent_byte("%4g", 3), -1);
    ck_assert_int_eq(percent_byte("%g4", 3), -1);
    ck_assert_int_eq(percent_byte("41%", 3), -1);
}
END_TEST

static const struct {
    const char *text, *decoded;
} forms[] = {
    {"", ""},     {"a+b", "a b"},     {"%2B", "+"},   {"%C3%a9", "é"},  {"100%", "100%"},
    {"%4", "%4"}, {"%zz+%", "%zz %"}, {"%%41", "%A"}, {"%2541", "%41"}, {"a%26b%3dc", "a&b=c"},
};

START_TEST(a_form_is_decoded_in_place) {
    char text[32];
    strcpy(text, forms[_i].text);
    ck_assert_uint_eq(percent_decode_form(text, strlen(text), text), strlen(forms[_i].decoded));
    ck_assert_str_eq(text, forms[_i].decoded);
}
END_TEST

START_TEST(a_form_is_decoded_as_far_as_its_length_goes) {
    char out[8];
    ck_assert_uint_eq(percent_decode_form("a%00b%41", 7, out), 5);
    ck_assert_mem_eq(out, "a\0b%4", 6);
}
END_TEST

Suite *suite_base_percent(void) {
    Suite *suite = suite_create("base_percent");
    TCase *tests = tcase_create("percent");
    tcase_add_test(tests, an_escape_is_three_characters_within_the_length);
    tcase_add_loop_test(tests, a_form_is_decoded_in_place, 0, sizeof forms / sizeof forms[0]);
    tcase_add_test(tests, a_form_is_decoded_as_far_as_its_length_goes);
    suite_add_tcase(suite, tests);
    return suite;
}
