// SPDX-License-Identifier: MIT
#include "shared/provider/reasons.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/base/unicode.h"

Suite *suite_provider_reasons(void);

static void assert_made(const char *sentence, const char *text, const char *expected) {
    char *made = reason_make(sentence, text);
    if (expected == NULL) {
        ck_assert_ptr_null(made);
    } else {
        ck_assert_ptr_nonnull(made);
        ck_assert_str_eq(made, expected);
    }
    free(made);
}

START_TEST(codes_mean_something_to_people) {
    static const char *const codes[] = {"30001", "30002", "30003", "30004", "30005", "30006", "30007",
                                        "30008", "30034", "21610", "21614", "21211", "21408", "21617"};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        ck_assert_ptr_nonnull(reason_of_twilio(codes[i]));
    }
    ck_assert_str_eq(reason_of_twilio("30006"), "The number is a landline, or its carrier can't be reached");
    ck_assert_ptr_null(reason_of_twilio("30999"));
    ck_assert_ptr_null(reason_of_twilio("3000"));
    ck_assert_ptr_null(reason_of_twilio(""));
    ck_assert_ptr_null(reason_of_twilio(NULL));
    static const char *const words[] = {"bounce", "blocked", "dropped", "spamreport"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        ck_assert_ptr_nonnull(reason_of_sendgrid(words[i]));
    }
    ck_assert_ptr_null(reason_of_sendgrid("delivered"));
    ck_assert_ptr_null(reason_of_sendgrid(NULL));
}
END_TEST

START_TEST(the_known_codes_can_be_gone_through_each_once_in_their_order) {
    size_t count = 0;
    for (const char *code, *last = ""; (code = reason_twilio_code(count)) != NULL; last = code) {
        ck_assert_str_gt(code, last);
        const char *sentence = reason_of_twilio(code);
        ck_assert_msg(strlen(sentence) > 10 && sentence[strlen(sentence) - 1] != '.', "%s", sentence);
        count++;
    }
    ck_assert_uint_ge(count, 20);
    ck_assert_ptr_null(reason_twilio_code(count + 1));
}
END_TEST

START_TEST(status_codes_of_mail_servers_are_as_many_as_are_registered) {
    static const char *const statuses[] = {"5.1.1", "4.0.0", "5.7.30", "4.2.2", "5.1.10", "5.6.10"};
    static const char *const others[] = {"",       "5",      "5.1",    "5.1.",   "5.1.11", "5.7.31", "2.0.0",  "5.8.1",
                                         "5.1.01", "5.1.1 ", "5.1.-1", "5.1.1a", "550",    "bounce", "5.7.300"};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        ck_assert_msg(reason_is_mail_status(statuses[i]), "%s", statuses[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        ck_assert_msg(!reason_is_mail_status(others[i]), "%s", others[i]);
    }
    ck_assert(!reason_is_mail_status(NULL));
}
END_TEST

START_TEST(a_vendors_words_stand_behind_the_sentence) {
    assert_made("Refused", "550 5.1.1 no such user", "Refused: 550 5.1.1 no such user");
    assert_made("Refused", NULL, "Refused");
    assert_made("Refused", " \t\r\n", "Refused");
    assert_made(NULL, "no such user", "no such user");
    assert_made(NULL, NULL, NULL);
    assert_made(NULL, "", NULL);
    assert_made(NULL, "\x01\xe2\x80\xae", NULL);
}
END_TEST

START_TEST(it_is_one_line_of_plain_text) {
    assert_made(NULL, "  550-5.1.1 no\r\n\t550 such\xc2\xa0user \x1b[2J ", "550-5.1.1 no 550 such user [2J");
    assert_made(NULL,
                "a\xe2\x80\xae"
                "b\xef\xbb\xbf"
                "c",
                "abc");
    assert_made(NULL,
                "a\xff"
                "b\xc3",
                "a\xef\xbf\xbd"
                "b\xef\xbf\xbd");
    assert_made(NULL, "Grüße", "Grüße");
}
END_TEST

START_TEST(it_is_cut_between_characters) {
    for (size_t before = 0; before < 4; before++) {
        char *text = xmalloc(4001 + before);
        memset(text, 'x', before);
        for (size_t i = 0; i < 1000; i++) {
            memcpy(text + before + 4 * i, "\xf0\x9f\x98\x80", 4);
        }
        text[before + 4000] = '\0';
        char *made = reason_make("S", text);
        ck_assert_uint_le(strlen(made), REASON_MAX);
        ck_assert_uint_gt(strlen(made), REASON_MAX - 4);
        ck_assert(unicode_is_utf8(made, strlen(made)));
        free(made);
        free(text);
    }
}
END_TEST

Suite *suite_provider_reasons(void) {
    Suite *suite = suite_create("provider_reasons");
    TCase *tcase = tcase_create("reasons");
    tcase_add_test(tcase, codes_mean_something_to_people);
    tcase_add_test(tcase, the_known_codes_can_be_gone_through_each_once_in_their_order);
    tcase_add_test(tcase, status_codes_of_mail_servers_are_as_many_as_are_registered);
    tcase_add_test(tcase, a_vendors_words_stand_behind_the_sentence);
    tcase_add_test(tcase, it_is_one_line_of_plain_text);
    tcase_add_test(tcase, it_is_cut_between_characters);
    suite_add_tcase(suite, tcase);
    return suite;
}
