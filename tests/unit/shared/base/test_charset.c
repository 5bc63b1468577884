// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/charset.h"
#include "shared/base/unicode.h"

Suite *suite_base_charset(void);

static const struct {
    const char *charset, *bytes, *text;
} conversions[] = {
    {NULL,
     "Gr\xC3\xBC\xC3\x9F"
     "e",
     "Grüße"},
    {"UTF-8",
     "Gr\xC3\xBC\xC3\x9F"
     "e",
     "Grüße"},
    {"utf8", "\xF0\x9F\x98\x80", "😀"},
    {"us-ascii", "plain", "plain"},
    {"US-ASCII", "caf\xE9", "caf\uFFFD"},
    {"ANSI_X3.4-1968", "plain", "plain"},
    {"Cp1252", "\x93so\x94 \x80 5", "“so” € 5"},
    {"CP-1252", "\x93so\x94", "“so”"},
    {"windows-1252", "\x85", "…"},
    {"Windows_1252", "\x85", "…"},
    {"win1251", "\xCF\xF0\xE8\xE2\xE5\xF2", "Привет"},
    {"x-cp1251", "\xCF\xF0\xE8\xE2\xE5\xF2", "Привет"},
    {"ibm437", "\x81", "ü"},
    {"iso-8859-1", "caf\xE9 \x93", "café “"}, // as browsers have it
    {"ISO_8859-1:1987", "caf\xE9", "café"},
    {"latin1", "\xE9", "é"},
    {"iso-8859-15", "\xA4", "€"},
    {"ISO8859_2", "\xB1", "ą"},
    {"iso-8859-8-i", "\xF9\xEC\xE5\xED", "שלום"},
    {"koi8-r", "\xF0\xD2\xC9", "При"},
    {"iso-2022-jp", "\x1B$B$3$s\x1B(B!", "こん!"},
    {"ISO-2022-JP", "\x1B$B$3$s", "こん"},
    {"shift_jis", "\x82\xB1\x82\xF1", "こん"},
    {"euc-jp", "\xA4\xB3\xA4\xF3", "こん"},
    {"gb2312", "\xC4\xE3\xBA\xC3", "你好"},
    {"gb18030", "\xC4\xE3\xBA\xC3\x81\x30\x81\x30", "你好\xC2\x80"},
    {"GBK", "\xC4\xE3", "你"},
    {"big5", "\xA7\x41\xA6\x6E", "你好"},
    {"ks_c_5601-1987", "\xB0\xA1", "가"},
    {"euc-kr", "\xB0\xA1", "가"},
    {"tis-620", "\xA1", "ก"},
    {"utf-7", "Gr+APwA3w-e", "Grüße"},
    {"unicode-1-1-utf-7", "+APw-", "ü"},
    {"macintosh", "\x8A", "ä"},
    {" \"windows-1252\" ", "\xE9", "é"},
    {"'windows-1252'; x", "\xE9", "é"},
    // What is no charset is read as UTF-8.
    {"", "caf\xC3\xA9", "café"},
    {"x-unknown", "caf\xC3\xA9", "café"},
    {"unknown-8bit", "caf\xE9!", "caf\uFFFD!"},
    {"UTF-8//IGNORE", "\xE9", "\uFFFD"},
    {"INTERNAL", "abcd", "abcd"},
    {"WCHAR_T", "abcd", "abcd"},
    {"../../etc/passwd", "a", "a"},
    {"a-name-that-is-longer-than-any-charset-that-there-has-ever-been", "a", "a"},
    {"gr\xC3\xBC\xC3\x9F", "a", "a"},
    // What isn't of its charset.
    {"utf-8", "a\xFF\xC3", "a\uFFFD\uFFFD"},
    {"iso-2022-jp",
     "a\xFF"
     "b",
     "a\uFFFDb"},
    {"windows-1252",
     "a\x81"
     "b",
     "a\uFFFDb"},
    {"gb18030", "\xC4", "\uFFFD"},
    {"shift_jis", "\x82", "\uFFFD"},
    {"utf-7",
     "a\xE9"
     "b",
     "a\uFFFDb"},
};

START_TEST(a_text_of_a_declared_charset_becomes_utf_8) {
    struct buf out = {0};
    charset_append_utf8(&out, conversions[_i].charset, conversions[_i].bytes, strlen(conversions[_i].bytes));
    ck_assert_str_eq(out.data, conversions[_i].text);
    buf_free(&out);
}
END_TEST

static void assert_bytes(const char *charset, const char *bytes, size_t length, const char *text) {
    struct buf out = {0};
    buf_puts(&out, ">");
    charset_append_utf8(&out, charset, bytes, length);
    ck_assert_str_eq(out.data + 1, text);
    ck_assert_uint_eq(out.length, strlen(text) + 1);
    buf_free(&out);
}

START_TEST(a_nul_becomes_u_fffd_and_a_byte_order_mark_is_left_out) {
    assert_bytes("utf-8", "a\0b", 3, "a\uFFFDb");
    assert_bytes("windows-1252", "a\0b", 3, "a\uFFFDb");
    assert_bytes("utf-8", "\xEF\xBB\xBFhi", 5, "hi");
    assert_bytes("utf-16", "\xFF\xFEh\0i\0", 6, "hi");
    assert_bytes("utf-16", "\xFE\xFF\0h\0i", 6, "hi");
    assert_bytes("utf-16le", "h\0\0\xDCi\0", 6, "h\uFFFDi"); // half a pair of surrogates
    assert_bytes("utf-16be", "\0h\0", 3, "h\uFFFD");
    assert_bytes("utf-32le", "h\0\0\0\0\0\x11\0i\0\0\0", 12, "h\uFFFDi");
    assert_bytes("utf-8", "", 0, "");
    assert_bytes("iso-2022-jp", "", 0, "");
}
END_TEST

START_TEST(a_long_text_is_read_whole) {
    struct buf text = {0}, out = {0};
    for (int i = 0; i < 100000; i++) {
        buf_puts(&text, "\xC4\xE3\xFF");
    }
    charset_append_utf8(&out, "gb18030", text.data, text.length);
    ck_assert(unicode_is_utf8(out.data, out.length));
    ck_assert_uint_ge(out.length, 600000);
    ck_assert_int_eq(strncmp(out.data, "你\uFFFD", 6), 0);
    buf_free(&text);
    buf_free(&out);
}
END_TEST

START_TEST(a_charset_is_known_or_not) {
    ck_assert(charset_is_known("utf8"));
    ck_assert(charset_is_known("CP-1252"));
    ck_assert(!charset_is_known("x-unknown"));
    ck_assert(!charset_is_known(""));
    ck_assert(!charset_is_known(NULL));
}
END_TEST

Suite *suite_base_charset(void) {
    Suite *suite = suite_create("base_charset");
    TCase *tests = tcase_create("charset");
    tcase_add_loop_test(tests, a_text_of_a_declared_charset_becomes_utf_8, 0, sizeof conversions / sizeof *conversions);
    tcase_add_test(tests, a_nul_becomes_u_fffd_and_a_byte_order_mark_is_left_out);
    tcase_add_test(tests, a_long_text_is_read_whole);
    tcase_add_test(tests, a_charset_is_known_or_not);
    suite_add_tcase(suite, tests);
    return suite;
}
