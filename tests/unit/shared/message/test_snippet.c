// SPDX-License-Identifier: MIT
#include <check.h>
#include <string.h>

#include "shared/message/snippet.h"

Suite *suite_message_snippet(void);

static void check(const char *body, size_t graphemes, const char *expected) {
    struct buf out = {0};
    buf_puts(&out, ">"); // it appends
    snippet_append(&out, body, strlen(body), graphemes);
    ck_assert_str_eq(out.data + 1, expected);
    ck_assert_uint_eq(out.length, strlen(expected) + 1);
    buf_free(&out);
}

START_TEST(a_short_body_stays_as_it_is) {
    check("hello world", 64, "hello world");
    check("", 64, "");
    check("x", 1, "x");
}
END_TEST

START_TEST(white_space_is_collapsed_and_trimmed) {
    check("  hello \t\r\n  world \n", 64, "hello world");
    check(" \t\n ", 64, "");
}
END_TEST

START_TEST(white_space_of_unicode_is_white_space) {
    check("\xc2\xa0"
          "a\xc2\xa0\xe2\x80\xa8\xe2\x80\xa9"
          "b\xe3\x80\x80\xc2\x85"
          "c\xe2\x80\x83\xe1\x9a\x80",
          64, "a b c");
}
END_TEST

START_TEST(a_zero_width_space_is_no_white_space) {
    check("a\xe2\x80\x8b"
          "b",
          64,
          "a\xe2\x80\x8b"
          "b");
}
END_TEST

START_TEST(a_long_body_is_cut_at_the_number_of_characters) {
    check("abcdefghij", 4, "abcd");
    check("abcdefghij", 10, "abcdefghij");
    check("abcdefghij", 0, "");
    check("\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f", 3, "\xc3\xa4\xc3\xb6\xc3\xbc");
}
END_TEST

START_TEST(white_space_counts_as_one_character) {
    check("ab   cd", 4, "ab c");
    check("   ab   cd", 5, "ab cd");
}
END_TEST

START_TEST(a_combining_mark_stays_with_its_letter) {
    check("e\xcc\x81\xcc\xa3x", 1, "e\xcc\x81\xcc\xa3");
    check("ae\xcc\x81", 1, "a");
}
END_TEST

START_TEST(a_joined_emoji_is_one_character) { // man, ZWJ, woman, ZWJ, girl
#define FAMILY "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7"
    check(FAMILY FAMILY "!", 1, FAMILY);
    check("a" FAMILY "b", 2, "a" FAMILY);
    check("\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbdxy", 2, "\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbdx"); // with a skin tone
}
END_TEST

START_TEST(flags_are_pairs_of_regional_indicators) {
#define DE "\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa"
#define FR "\xf0\x9f\x87\xab\xf0\x9f\x87\xb7"
    check(DE FR DE, 1, DE);
    check(DE FR DE, 2, DE FR);
}
END_TEST

START_TEST(hangul_syllables_of_several_letters_are_one_character) {
    check("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab\xe1\x84\x80", 1, "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab");
}
END_TEST

START_TEST(a_line_break_within_becomes_one_space) {
    check("a\r\nb", 2, "a ");
    check("a\r\nb", 3, "a b");
}
END_TEST

START_TEST(markup_is_kept) {
    check("<p>hi</p>", 64, "<p>hi</p>");
}
END_TEST

static void check_email(const char *body, size_t graphemes, const char *expected) {
    struct buf out = {0};
    buf_puts(&out, ">");
    snippet_append_email(&out, body, strlen(body), graphemes);
    ck_assert_msg(strcmp(out.data + 1, expected) == 0, "%s: '%s', not '%s'", body, out.data + 1, expected);
    ck_assert_uint_eq(out.length, strlen(expected) + 1);
    buf_free(&out);
}

START_TEST(of_an_html_email_it_is_of_the_text) {
    check_email(
        "<html><head><style>p{}</style></head><body><h1>Hi&nbsp;&amp; hello</h1><p>the <b>body</b></body></html>", 64,
        "Hi & hello the body");
    check_email("<ul><li>One</li><li>Two <a href=\"https://x.com\">x</a></li></ul>", 64, "One Two x");
    check_email("<p>abcdefghij</p>", 4, "abcd");
    check_email("<p>" FAMILY FAMILY "!</p>", 1, FAMILY);
    check_email("<p>a</p>", 0, "");
    check_email("<p><img src=x></p>", 64, "");
    check_email("I <3 vector<int> & <jane@x.com> &amp; a < b", 64, "I <3 vector<int> & <jane@x.com> &amp; a < b");
}
END_TEST

START_TEST(of_an_html_email_it_is_found_however_many_bytes_it_has) {
    struct buf body = {0}, expected = {0};
    buf_puts(&body, "<p>");
    for (int i = 0; i < 64; i++) {
        buf_puts(&body, FAMILY FAMILY);
        buf_puts(&expected, FAMILY);
    }
    check_email(body.data, 64, expected.data);
    buf_clear(&body);
    buf_puts(&body, "<p>a"); // one cluster without an end
    for (int i = 0; i < 10000; i++) {
        buf_puts(&body, "\xcc\x81");
    }
    check_email(body.data, 1, body.data + 3);
    buf_free(&body);
    buf_free(&expected);
}
END_TEST

START_TEST(the_end_of_the_length_is_the_end_of_the_body) {
    struct buf out = {0};
    snippet_append(&out, "abcdef", 3, 64);
    ck_assert_str_eq(out.data, "abc");
    buf_free(&out);
}
END_TEST

START_TEST(a_malformed_byte_becomes_the_replacement_character) {
    check("a\xff"
          "b",
          64,
          "a\xef\xbf\xbd"
          "b");
    check("\xef\xbf\xbd", 64, "\xef\xbf\xbd");
}
END_TEST

Suite *suite_message_snippet(void) {
    Suite *suite = suite_create("message_snippet");
    TCase *tests = tcase_create("snippet");
    tcase_add_test(tests, a_short_body_stays_as_it_is);
    tcase_add_test(tests, white_space_is_collapsed_and_trimmed);
    tcase_add_test(tests, white_space_of_unicode_is_white_space);
    tcase_add_test(tests, a_zero_width_space_is_no_white_space);
    tcase_add_test(tests, a_long_body_is_cut_at_the_number_of_characters);
    tcase_add_test(tests, white_space_counts_as_one_character);
    tcase_add_test(tests, a_combining_mark_stays_with_its_letter);
    tcase_add_test(tests, a_joined_emoji_is_one_character);
    tcase_add_test(tests, flags_are_pairs_of_regional_indicators);
    tcase_add_test(tests, hangul_syllables_of_several_letters_are_one_character);
    tcase_add_test(tests, a_line_break_within_becomes_one_space);
    tcase_add_test(tests, markup_is_kept);
    tcase_add_test(tests, of_an_html_email_it_is_of_the_text);
    tcase_add_test(tests, of_an_html_email_it_is_found_however_many_bytes_it_has);
    tcase_add_test(tests, the_end_of_the_length_is_the_end_of_the_body);
    tcase_add_test(tests, a_malformed_byte_becomes_the_replacement_character);
    suite_add_tcase(suite, tests);
    return suite;
}
