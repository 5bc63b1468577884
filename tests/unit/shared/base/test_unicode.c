// SPDX-License-Identifier: MIT
#include <check.h>
#include <utf8proc.h>

#include "shared/base/unicode.h"
#include "tests/support/each.h"

Suite *suite_base_unicode(void);

static bool is_scalar(int32_t code) {
    return code < 0xd800 || code > 0xdfff;
}

static bool reads_back(int32_t code) {
    utf8proc_uint8_t bytes[4];
    size_t written = (size_t)utf8proc_encode_char(code, bytes);
    size_t length = 0;
    return unicode_decode((const char *)bytes, written, &length) == code && length == written &&
           (written == 1 || unicode_sequence((const char *)bytes, written - 1) == 0);
}

START_TEST(every_code_point_is_read_as_it_was_written) {
    for (int32_t code = 0; code <= 0x10ffff; code++) {
        ASSERT_EACH(!is_scalar(code) || reads_back(code));
    }
}
END_TEST

static const char *const malformed[] = {
    "\x80",             // a continuation alone
    "\xbf",             //
    "\xc0\x80",         // overlong NUL
    "\xc1\xbf",         // overlong
    "\xe0\x9f\xbf",     // overlong
    "\xf0\x8f\xbf\xbf", // overlong
    "\xed\xa0\x80",     // U+D800
    "\xed\xbf\xbf",     // U+DFFF
    "\xf4\x90\x80\x80", // U+110000
    "\xf5\x80\x80\x80", //
    "\xff",             //
    "\xfe",             //
    "\xc3",             // cut short
    "\xe2\x82",         //
    "\xf0\x9f\x98",     //
    "\xc3(",            // no continuation
    "\xe2\x82(",        //
    "\xe2(\xa1",        //
    "\xf0\x9f\x98(",    //
};

START_TEST(a_malformed_sequence_is_none) {
    size_t size = 0;
    while (malformed[_i][size] != '\0') {
        size++;
    }
    size_t length;
    ck_assert_uint_eq(unicode_sequence(malformed[_i], size), 0);
    ck_assert_int_eq(unicode_decode(malformed[_i], size, &length), 0xfffd);
    ck_assert_uint_eq(length, 1);
}
END_TEST

START_TEST(nothing_is_no_sequence) {
    ck_assert_uint_eq(unicode_sequence("a", 0), 0);
}
END_TEST

START_TEST(a_text_is_utf8_as_far_as_its_length_goes) {
    ck_assert(unicode_is_utf8("", 0));
    ck_assert(unicode_is_utf8("a\0b", 3));
    ck_assert(unicode_is_utf8("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80", 11));
    ck_assert(!unicode_is_utf8("gr\xc3\xbc\xc3\x9f", 5));
    ck_assert(!unicode_is_utf8("a\xff"
                               "b",
                               3));
    ck_assert(!unicode_is_utf8("\xff", 1));
}
END_TEST

START_TEST(control_characters_are_the_category_cc) {
    for (int32_t code = 0; code <= 0x10ffff; code++) {
        bool control = is_scalar(code) && utf8proc_category(code) == UTF8PROC_CATEGORY_CC;
        ASSERT_EACH(unicode_is_control(code) == control);
    }
}
END_TEST

// Format characters that show nothing, of which those within scripts and emojis count as their own.
START_TEST(invisible_are_the_marks_that_come_along_with_copies) {
    static const int32_t invisible[][2] = {{0x200b, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x2069}, {0xfeff, 0xfeff}};
    for (size_t i = 0; i < sizeof invisible / sizeof *invisible; i++) {
        for (int32_t code = invisible[i][0]; code <= invisible[i][1]; code++) {
            ck_assert(unicode_is_invisible(code));
        }
        ck_assert(!unicode_is_invisible(invisible[i][0] - 1) && !unicode_is_invisible(invisible[i][1] + 1));
    }
}
END_TEST

// White_Space of PropList.txt: the separators (Z*) and, of the control characters, TAB to CR and NEL.
START_TEST(white_space_is_the_unicode_property) {
    int count = 0;
    for (int32_t code = 0; code <= 0x10ffff; code++) {
        utf8proc_category_t category = utf8proc_category(code);
        bool separator = is_scalar(code) && (category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
                                             category == UTF8PROC_CATEGORY_ZP);
        bool expected = separator || (code >= 0x09 && code <= 0x0d) || code == 0x85;
        ASSERT_EACH(unicode_is_space(code) == expected);
        count += expected;
    }
    ck_assert_int_eq(count, 25); // as PropList.txt counts them
}
END_TEST

Suite *suite_base_unicode(void) {
    Suite *suite = suite_create("base_unicode");
    TCase *tests = tcase_create("unicode");
    tcase_add_test(tests, every_code_point_is_read_as_it_was_written);
    tcase_add_loop_test(tests, a_malformed_sequence_is_none, 0, sizeof malformed / sizeof *malformed);
    tcase_add_test(tests, nothing_is_no_sequence);
    tcase_add_test(tests, a_text_is_utf8_as_far_as_its_length_goes);
    tcase_add_test(tests, control_characters_are_the_category_cc);
    tcase_add_test(tests, invisible_are_the_marks_that_come_along_with_copies);
    tcase_add_test(tests, white_space_is_the_unicode_property);
    suite_add_tcase(suite, tests);
    return suite;
}
