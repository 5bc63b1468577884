// SPDX-License-Identifier: MIT
#include "dispatcher/mock/codes.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

Suite *suite_mock_codes(void);

static char *codes_read(const char *sms, const char *email, struct mock_codes *out) {
    char *texts[] = {xstrdup(sms), xstrdup(email)};
    struct settings settings = {.mock_undelivered_codes = texts[0], .mock_bounce_codes = texts[1]};
    char *error = mock_codes_read(&settings, out);
    free(texts[0]);
    free(texts[1]);
    return error;
}

START_TEST(codes_are_read_with_blanks_around_them_or_without) {
    struct mock_codes codes;
    ck_assert_ptr_null(codes_read("30003, 30034", " 5.1.1 ,dropped,4.222.0", &codes));
    ck_assert_uint_eq(codes.sms_count, 2);
    ck_assert_int_eq(codes.sms[1], 30034);
    ck_assert_uint_eq(codes.email_count, 3);
    ck_assert_str_eq(codes.email[0], "5.1.1");
    ck_assert_str_eq(codes.email[1], MOCK_DROPPED);
    ck_assert_str_eq(codes.email[2], "4.222.0");
    mock_codes_free(&codes);
}
END_TEST

static void assert_refused(const char *sms, const char *email, const char *setting) {
    struct mock_codes codes;
    char *error = codes_read(sms, email, &codes);
    ck_assert_msg(error != NULL && strstr(error, setting) == error && strstr(error, "allowed: ") != NULL, "%s / %s: %s",
                  sms, email, error);
    free(error);
}

START_TEST(what_is_no_code_is_refused_by_its_settings_name) {
    static const char *const bad_sms[] = {"",      ",",     "30003,",      "3003", "300030",
                                          "03003", "3000a", "30003;30004", "-3003"};
    static const char *const bad_email[] = {"",         "2.1.1",    "5.1",    "5.1.",    "5..1",  "5.1.1.1",
                                            "5.1111.1", "5.1.1111", "bounce", "Dropped", "5.1.1,"};
    for (size_t i = 0; i < sizeof bad_sms / sizeof *bad_sms; i++) {
        assert_refused(bad_sms[i], "5.1.1", "MOCK_UNDELIVERED_CODES: ");
    }
    for (size_t i = 0; i < sizeof bad_email / sizeof *bad_email; i++) {
        assert_refused("30003", bad_email[i], "MOCK_BOUNCE_CODES: ");
    }
}
END_TEST

Suite *suite_mock_codes(void) {
    Suite *suite = suite_create("mock_codes");
    TCase *tests = tcase_create("mock_codes");
    tcase_add_test(tests, codes_are_read_with_blanks_around_them_or_without);
    tcase_add_test(tests, what_is_no_code_is_refused_by_its_settings_name);
    suite_add_tcase(suite, tests);
    return suite;
}
