// SPDX-License-Identifier: MIT
#include "shared/message/html_entities.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "shared/message/html_entity_table.h"

Suite *suite_message_html_entities(void);

static void check_reference(const char *text, bool in_attribute, size_t length, int32_t first, int32_t second) {
    int32_t codes[2] = {0, 0};
    size_t taken = html_entity_decode(text, strlen(text), in_attribute, codes);
    ck_assert_msg(taken == length && codes[0] == first && codes[1] == second, "%s: %zu, %x %x", text, taken, codes[0],
                  codes[1]);
}

START_TEST(the_table_has_all_of_htmls_names_in_order) {
    size_t bare = 0;
    for (size_t i = 0; i < html_entity_count; i++) {
        ck_assert(i == 0 || strcmp(html_entities[i - 1].name, html_entities[i].name) < 0);
        bare += html_entities[i].bare;
    }
    ck_assert_uint_eq(html_entity_count, 2125);
    ck_assert_uint_eq(bare, 106);
}
END_TEST

START_TEST(each_name_is_found) {
    char text[40];
    for (size_t i = 0; i < html_entity_count; i++) {
        const struct html_entity *entity = &html_entities[i];
        snprintf(text, sizeof text, "&%s;x", entity->name);
        check_reference(text, false, strlen(text) - 1, entity->first, entity->second);
        if (entity->bare) {
            snprintf(text, sizeof text, "&%s-", entity->name);
            check_reference(text, false, strlen(text) - 1, entity->first, entity->second);
        }
    }
}
END_TEST

START_TEST(a_name_is_as_long_as_html_has_one) {
    check_reference("&amp;", false, 5, '&', 0);
    check_reference("&AMP;", false, 5, '&', 0);
    check_reference("&Amp;", false, 0, 0, 0);
    check_reference("&ampx", false, 4, '&', 0);
    check_reference("&notit;", false, 4, 0xac, 0); // not, then "it;"
    check_reference("&notin;", false, 7, 0x2209, 0);
    check_reference("&copycat", false, 5, 0xa9, 0);
    check_reference("&euro", false, 0, 0, 0); // has no form without ';'
    check_reference("&euro;", false, 6, 0x20ac, 0);
    check_reference("&nGt;", false, 5, 0x226b, 0x20d2);
    check_reference("&CounterClockwiseContourIntegral;", false, 33, 0x2233, 0);
    check_reference("&CounterClockwiseContourIntegralx;", false, 0, 0, 0);
}
END_TEST

START_TEST(what_is_no_reference_is_none) {
    static const char *const none[] = {"&", "& ", "&;", "&x;", "&#", "&#;", "&#x;", "&#xg", "&&amp;", "&1;", "&am"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        check_reference(none[i], false, 0, 0, 0);
    }
}
END_TEST

START_TEST(a_number_is_a_code_point_or_the_replacement_character) {
    check_reference("&#65;", false, 5, 'A', 0);
    check_reference("&#65x", false, 4, 'A', 0);
    check_reference("&#x1F600;", false, 9, 0x1f600, 0);
    check_reference("&#X41", false, 5, 'A', 0);
    check_reference("&#0;", false, 4, 0xfffd, 0);
    check_reference("&#xd800;", false, 8, 0xfffd, 0);
    check_reference("&#xdfff;", false, 8, 0xfffd, 0);
    check_reference("&#1114111;", false, 10, 0x10ffff, 0);
    check_reference("&#1114112;", false, 10, 0xfffd, 0);
    check_reference("&#99999999999999999999;", false, 23, 0xfffd, 0);
    check_reference("&#000000000000000000065;", false, 24, 'A', 0);
}
END_TEST

START_TEST(numbers_of_windows_1252_are_what_was_meant) {
    check_reference("&#128;", false, 6, 0x20ac, 0);
    check_reference("&#146;", false, 6, 0x2019, 0);
    check_reference("&#x99;", false, 6, 0x2122, 0);
    check_reference("&#159;", false, 6, 0x178, 0);
    check_reference("&#129;", false, 6, 0x81, 0); // is nothing there
    check_reference("&#160;", false, 6, 0xa0, 0);
}
END_TEST

START_TEST(in_an_attribute_a_name_without_semicolon_ends_where_a_word_does) {
    check_reference("&copy=2", true, 0, 0, 0);
    check_reference("&copy2", true, 0, 0, 0);
    check_reference("&copy;=2", true, 6, 0xa9, 0);
    check_reference("&copy ", true, 5, 0xa9, 0);
    check_reference("&copy", true, 5, 0xa9, 0);
    check_reference("&#38b", true, 4, '&', 0);
}
END_TEST

Suite *suite_message_html_entities(void) {
    Suite *suite = suite_create("message_html_entities");
    TCase *tests = tcase_create("html_entities");
    tcase_add_test(tests, the_table_has_all_of_htmls_names_in_order);
    tcase_add_test(tests, each_name_is_found);
    tcase_add_test(tests, a_name_is_as_long_as_html_has_one);
    tcase_add_test(tests, what_is_no_reference_is_none);
    tcase_add_test(tests, a_number_is_a_code_point_or_the_replacement_character);
    tcase_add_test(tests, numbers_of_windows_1252_are_what_was_meant);
    tcase_add_test(tests, in_an_attribute_a_name_without_semicolon_ends_where_a_word_does);
    suite_add_tcase(suite, tests);
    return suite;
}
