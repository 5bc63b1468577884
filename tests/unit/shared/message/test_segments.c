// SPDX-License-Identifier: MIT
// How an SMS is encoded and in how many short messages it goes: 3GPP TS 23.038, and the examples of Twilio's own
// calculator (https://github.com/TwilioDevEd/message-segment-calculator).
#include "shared/message/segments.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/buf.h"

Suite *suite_message_segments(void);

// A text of `begin` and then `count` times `repeated`.
static void check_text(const char *begin, const char *repeated, size_t count, const char *encoding, size_t expected) {
    struct buf body = {0};
    buf_puts(&body, begin);
    for (size_t i = 0; i < count; i++) {
        buf_puts(&body, repeated);
    }
    struct segments segments = segments_of(body.data, body.length);
    ck_assert_msg(strcmp(segment_encoding_name(segments.encoding), encoding) == 0 && segments.count == expected,
                  "'%s' and %zu '%s': %s, %zu", begin, count, repeated, segment_encoding_name(segments.encoding),
                  segments.count);
    buf_free(&body);
}

START_TEST(a_text_of_the_default_alphabet_has_160_septets_or_153_in_each_segment) {
    check_text("", "", 0, "GSM-7", 1);
    check_text("", "a", 160, "GSM-7", 1);
    check_text("", "a", 161, "GSM-7", 2);
    check_text("", "a", 306, "GSM-7", 2);
    check_text("", "a", 307, "GSM-7", 3);
    check_text("", "a", 1600, "GSM-7", 11);
}
END_TEST

START_TEST(a_character_of_the_extension_table_takes_two_septets) {
    static const char *const extended[] = {"|", "^", "\xe2\x82\xac", "{", "}", "[", "]", "~", "\\", "\f"};
    for (size_t i = 0; i < sizeof extended / sizeof *extended; i++) {
        check_text(extended[i], "1", 158, "GSM-7", 1);
        check_text(extended[i], "1", 159, "GSM-7", 2);
        check_text("", extended[i], 80, "GSM-7", 1);
        check_text("", extended[i], 81, "GSM-7", 2);
    }
}
END_TEST

START_TEST(an_escape_stays_with_what_it_escapes) { // 76 of them and a septet left over in each segment
    check_text("", "{", 152, "GSM-7", 2);
    check_text("", "{", 153, "GSM-7", 3);
    check_text("a", "{", 152, "GSM-7", 2);
    check_text("aa", "{", 152, "GSM-7", 3);
}
END_TEST

START_TEST(any_other_character_makes_it_ucs_2_with_70_units_or_67_in_each_segment) {
#define WINKING "\xf0\x9f\x98\x9c"
    check_text(WINKING, "2", 68, "UCS-2", 1);
    check_text(WINKING, "2", 69, "UCS-2", 2);
    check_text(WINKING, "2", 132, "UCS-2", 2);
    check_text(WINKING, "2", 133, "UCS-2", 3);
    check_text(WINKING, "]", 68, "UCS-2", 1); // of the extension table, and one unit here
    check_text(WINKING, "]", 69, "UCS-2", 2);
#define FLAG "\xf0\x9f\x87\xae\xf0\x9f\x87\xb9"
    check_text(FLAG, "2", 66, "UCS-2", 1);
    check_text(FLAG, "2", 67, "UCS-2", 2);
#define RAINBOW "\xf0\x9f\x8f\xb3\xef\xb8\x8f\xf0\x9f\x8c\x88"
    check_text(RAINBOW, "2", 65, "UCS-2", 1);
    check_text(RAINBOW, "2", 66, "UCS-2", 2);
}
END_TEST

START_TEST(the_halves_of_a_surrogate_pair_stay_together) { // 33 of them and a unit left over in each segment
    check_text("", WINKING, 35, "UCS-2", 1);
    check_text("", WINKING, 36, "UCS-2", 2);
    check_text("", WINKING, 66, "UCS-2", 2);
    check_text("", WINKING, 67, "UCS-2", 3);
}
END_TEST

START_TEST(the_default_alphabet_is_that_of_3gpp_ts_23_038) {
    check_text(
        "@\xc2\xa3$\xc2\xa5\xc3\xa8\xc3\xa9\xc3\xb9\xc3\xac\xc3\xb2\xc3\x87\n\xc3\x98\xc3\xb8\r\xc3\x85\xc3\xa5"
        "\xce\x94_\xce\xa6\xce\x93\xce\x9b\xce\xa9\xce\xa0\xce\xa8\xce\xa3\xce\x98\xce\x9e\xc3\x86\xc3\xa6\xc3\x9f"
        "\xc3\x89 !\"#\xc2\xa4%&'()*+,-./0123456789:;<=>?\xc2\xa1"
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ\xc3\x84\xc3\x96\xc3\x91\xc3\x9c\xc2\xa7\xc2\xbf"
        "abcdefghijklmnopqrstuvwxyz\xc3\xa4\xc3\xb6\xc3\xb1\xc3\xbc\xc3\xa0", // 127: all but the escape
        "a", 33, "GSM-7", 1);
    static const char *const others[] = {"`",        "\t",       "\x1b",         "\x7f",     "\xc3\x81",    "\xc3\x9a",
                                         "\xc3\xba", "\xc3\xa7", "\xc3\xad",     "\xc3\x8d", "\xc3\xb3",    "\xc3\x93",
                                         "\xc2\xa0", "\xce\xb1", "\xe2\x84\xa6", "\xff",     "\xe2\x80\x99"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        check_text("", others[i], 70, "UCS-2", 1);
        check_text("", others[i], 71, "UCS-2", 2);
    }
}
END_TEST

START_TEST(a_line_end_of_two_characters_is_two) {
    check_text("\rabcde\r\n123", "a", 149, "GSM-7", 1);
    check_text("\rabcde\r\n123", "a", 150, "GSM-7", 2);
}
END_TEST

START_TEST(a_nul_is_in_neither_table) {
    ck_assert_int_eq(segments_of("a\0b", 3).encoding, SEGMENT_UCS_2);
}
END_TEST

Suite *suite_message_segments(void) {
    Suite *suite = suite_create("message_segments");
    TCase *tests = tcase_create("segments");
    tcase_add_test(tests, a_text_of_the_default_alphabet_has_160_septets_or_153_in_each_segment);
    tcase_add_test(tests, a_character_of_the_extension_table_takes_two_septets);
    tcase_add_test(tests, an_escape_stays_with_what_it_escapes);
    tcase_add_test(tests, any_other_character_makes_it_ucs_2_with_70_units_or_67_in_each_segment);
    tcase_add_test(tests, the_halves_of_a_surrogate_pair_stay_together);
    tcase_add_test(tests, the_default_alphabet_is_that_of_3gpp_ts_23_038);
    tcase_add_test(tests, a_line_end_of_two_characters_is_two);
    tcase_add_test(tests, a_nul_is_in_neither_table);
    suite_add_tcase(suite, tests);
    return suite;
}
