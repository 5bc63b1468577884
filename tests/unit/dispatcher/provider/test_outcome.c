// SPDX-License-Identifier: MIT
#include <check.h>

#include "dispatcher/provider/outcome.h"

#define NOW_MS 1730469600000LL // 2024-11-01T14:00:00Z, a Friday

Suite *suite_provider_outcome(void);

START_TEST(a_status_decides_what_a_call_came_to) {
    static const struct {
        long status;
        enum outcome_class class;
    } cases[] = {
        {200, OUTCOME_SENT},         {201, OUTCOME_SENT},     {202, OUTCOME_SENT},         {204, OUTCOME_SENT},
        {301, OUTCOME_SERVER_ERROR}, {400, OUTCOME_REJECTED}, {401, OUTCOME_CREDENTIALS},  {402, OUTCOME_REFUSED},
        {403, OUTCOME_REFUSED},      {404, OUTCOME_REFUSED},  {405, OUTCOME_REFUSED},      {406, OUTCOME_REJECTED},
        {409, OUTCOME_REJECTED},     {410, OUTCOME_REFUSED},  {408, OUTCOME_TIMEOUT},      {413, OUTCOME_REJECTED},
        {429, OUTCOME_RATE_LIMITED}, {499, OUTCOME_REJECTED}, {500, OUTCOME_SERVER_ERROR}, {503, OUTCOME_SERVER_ERROR},
        {599, OUTCOME_SERVER_ERROR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(outcome_classify(cases[i].status, CURLE_OK, 0) == cases[i].class, "%ld", cases[i].status);
        // Whatever became of the rest of the answer.
        ck_assert_msg(outcome_classify(cases[i].status, CURLE_PARTIAL_FILE, 0) == cases[i].class, "%ld",
                      cases[i].status);
    }
}
END_TEST

START_TEST(without_a_status_it_is_a_time_out_or_a_failed_connection) {
    ck_assert_int_eq(outcome_classify(0, CURLE_OPERATION_TIMEDOUT, 20), OUTCOME_TIMEOUT);
    ck_assert_int_eq(outcome_classify(0, CURLE_COULDNT_CONNECT, 0), OUTCOME_CONNECTION_FAILED);
    ck_assert_int_eq(outcome_classify(0, CURLE_GOT_NOTHING, 0), OUTCOME_CONNECTION_FAILED);
    ck_assert_int_eq(outcome_classify(100, CURLE_RECV_ERROR, 0), OUTCOME_CONNECTION_FAILED);
}
END_TEST

START_TEST(a_time_out_that_is_noticed_long_after_it_was_due_says_nothing_of_the_provider) {
    ck_assert_int_eq(outcome_classify(0, CURLE_OPERATION_TIMEDOUT, 999), OUTCOME_TIMEOUT);
    ck_assert_int_eq(outcome_classify(0, CURLE_OPERATION_TIMEDOUT, 1000), OUTCOME_INTERRUPTED);
    ck_assert_int_eq(outcome_classify(500, CURLE_OPERATION_TIMEDOUT, 1000), OUTCOME_SERVER_ERROR);
    ck_assert_int_eq(outcome_classify(0, CURLE_GOT_NOTHING, 1000), OUTCOME_CONNECTION_FAILED);
}
END_TEST

START_TEST(retry_after_is_read_as_seconds) {
    ck_assert_int_eq(outcome_retry_after_ms("0", NOW_MS), 0);
    ck_assert_int_eq(outcome_retry_after_ms("7", NOW_MS), 7000);
    ck_assert_int_eq(outcome_retry_after_ms("86400", NOW_MS), 86400000);
    ck_assert_int_eq(outcome_retry_after_ms("99999999999999999999", NOW_MS), 366LL * 24 * 3600 * 1000);
}
END_TEST

START_TEST(retry_after_is_read_as_an_http_date_in_all_its_forms) {
    ck_assert_int_eq(outcome_retry_after_ms("Fri, 01 Nov 2024 14:00:07 GMT", NOW_MS), 7000);
    ck_assert_int_eq(outcome_retry_after_ms("Friday, 01-Nov-24 14:00:07 GMT", NOW_MS), 7000);
    ck_assert_int_eq(outcome_retry_after_ms("Fri Nov  1 14:00:07 2024", NOW_MS), 7000);
    ck_assert_int_eq(outcome_retry_after_ms("Fri, 01 Nov 2024 13:00:00 GMT", NOW_MS), 0); // it has passed
    ck_assert_int_eq(outcome_retry_after_ms("Thu, 01 Jan 1970 00:00:00 GMT", NOW_MS), 0);
    ck_assert_int_eq(outcome_retry_after_ms("Sat, 01 Jan 0000 00:00:00 GMT", NOW_MS), 0);
    ck_assert_int_eq(outcome_retry_after_ms("Thu, 29 Feb 2024 24:00:00 GMT", NOW_MS), -1);
    ck_assert_int_eq(outcome_retry_after_ms("Fri Nov 15 14:00:00 2024", NOW_MS), 14LL * 24 * 3600 * 1000);
}
END_TEST

// A far-away year is cut, however many digits it has, and whatever the version of libcurl: 8.14 drops such a date.
START_TEST(a_retry_after_of_any_year_is_cut_to_a_year_from_now) {
    static const char *const cases[] = {
        "Fri, 01 Nov 9999 14:00:00 GMT",      "Fri, 01 Nov 10000 14:00:00 GMT",
        "Fri, 01 Nov 900000004 14:00:00 GMT", "Fri, 01 Nov 99999999999999999999999999 14:00:00 GMT",
        "Fri Nov  1 14:00:00 900000004",
        "Friday, 01-Nov-74 14:00:00 GMT", // 50 years ahead; 75 would be 1975
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(outcome_retry_after_ms(cases[i], NOW_MS) == 366LL * 24 * 3600 * 1000, "%s", cases[i]);
    }
    ck_assert_int_eq(outcome_retry_after_ms("Friday, 01-Nov-75 14:00:00 GMT", NOW_MS), 0);
}
END_TEST

START_TEST(a_retry_after_that_is_neither_says_nothing) {
    static const char *const cases[] = {"",
                                        "-1",
                                        "1.5",
                                        "soon",
                                        "7 s",
                                        "0x7",
                                        "20241101 14:00:07",
                                        "Fri",
                                        "Fri, 01 Nov 2024 14:00:07",
                                        "Fri, 01 Nov 2024 14:00:07 GMT+1",
                                        "Fri, 01 Nov -24 14:00:07 GMT",
                                        "Fri, 00 Nov 2024 14:00:07 GMT",
                                        "Fri, 01 Foo 2024 14:00:07 GMT",
                                        "Fri, 01 Nov 2024 14:00 GMT"};
    ck_assert_int_eq(outcome_retry_after_ms(NULL, NOW_MS), -1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(outcome_retry_after_ms(cases[i], NOW_MS) == -1, "%s", cases[i]);
    }
}
END_TEST

Suite *suite_provider_outcome(void) {
    Suite *suite = suite_create("provider_outcome");
    TCase *tests = tcase_create("dispatcher_outcome");
    tcase_add_test(tests, a_status_decides_what_a_call_came_to);
    tcase_add_test(tests, without_a_status_it_is_a_time_out_or_a_failed_connection);
    tcase_add_test(tests, a_time_out_that_is_noticed_long_after_it_was_due_says_nothing_of_the_provider);
    tcase_add_test(tests, retry_after_is_read_as_seconds);
    tcase_add_test(tests, retry_after_is_read_as_an_http_date_in_all_its_forms);
    tcase_add_test(tests, a_retry_after_of_any_year_is_cut_to_a_year_from_now);
    tcase_add_test(tests, a_retry_after_that_is_neither_says_nothing);
    suite_add_tcase(suite, tests);
    return suite;
}
