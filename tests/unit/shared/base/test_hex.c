// SPDX-License-Identifier: MIT
#include <check.h>
#include <string.h>

#include "shared/base/hex.h"
#include "tests/support/each.h"

Suite *suite_base_hex(void);

START_TEST(a_digit_is_of_either_case_and_nothing_else_is_one) {
    static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
    for (int c = 0; c < 256; c++) {
        const char *in_lower = c == 0 ? NULL : strchr(lower, c), *in_upper = c == 0 ? NULL : strchr(upper, c);
        int digit = in_lower != NULL ? (int)(in_lower - lower) : in_upper != NULL ? (int)(in_upper - upper) : -1;
        ASSERT_EACH(hex_digit((char)c) == digit);
    }
}
END_TEST

START_TEST(bytes_written_are_read_back) {
    uint8_t bytes[256], read[256];
    char text[2 * sizeof bytes + 1];
    for (int i = 0; i < 256; i++) {
        bytes[i] = (uint8_t)i;
    }
    hex_encode(bytes, sizeof bytes, text);
    ck_assert_uint_eq(strlen(text), 512);
    ck_assert_int_eq(memcmp(text, "000102", 6), 0);
    ck_assert_str_eq(text + 506, "fdfeff");
    ck_assert(hex_decode(text, strlen(text), read, sizeof read));
    ck_assert_mem_eq(read, bytes, sizeof bytes);
}
END_TEST

START_TEST(what_is_too_short_too_long_or_no_digit_is_refused) {
    static const char *const bad[] = {"", "0", "00112", "001122", "0g11", "00-1", "00 1", "0x00"};
    uint8_t out[2];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(!hex_decode(bad[i], strlen(bad[i]), out, sizeof out), "%s", bad[i]);
    }
    ck_assert(hex_decode("aBC9", 4, out, sizeof out));
    ck_assert_uint_eq(out[0], 0xab);
    ck_assert_uint_eq(out[1], 0xc9);
}
END_TEST

Suite *suite_base_hex(void) {
    Suite *suite = suite_create("base_hex");
    TCase *tests = tcase_create("hex");
    tcase_add_test(tests, a_digit_is_of_either_case_and_nothing_else_is_one);
    tcase_add_test(tests, bytes_written_are_read_back);
    tcase_add_test(tests, what_is_too_short_too_long_or_no_digit_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
