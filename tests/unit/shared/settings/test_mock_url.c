// SPDX-License-Identifier: MIT
#include "shared/settings/mock_url.h"

#include <check.h>

Suite *suite_settings_mock_url(void);

START_TEST(the_mock_is_known_by_this_machine_or_its_service_and_its_port) {
    static const char *const its[] = {
        "http://127.0.0.1:8090",     "http://localhost:8090/", "HTTP://LocalHost:8090",       "http://[::1]:8090/x?y",
        "http://mock-provider:8090", "https://127.0.0.1:8090", "http://mock-provider:08090?a"};
    for (size_t i = 0; i < sizeof its / sizeof *its; i++) {
        ck_assert_msg(mock_url_is(its[i], 8090), "%s", its[i]);
    }
    ck_assert(mock_url_is("http://localhost", 80));
    ck_assert(mock_url_is("https://localhost:/", 443));
}
END_TEST

START_TEST(whatever_else_there_is_is_not_the_mock) {
    static const char *const others[] = {"",
                                         "http://",
                                         "http://127.0.0.1",
                                         "http://127.0.0.1:8091",
                                         "http://127.0.0.1:80900",
                                         "http://127.0.0.1:8090.example.com",
                                         "http://127.0.0.1.example.com:8090",
                                         "http://localhost:8090@example.com",
                                         "http://user@localhost:8090",
                                         "http://[::1:8090",
                                         "http://[",
                                         "http://::1:8090",
                                         "http://mock-provider.example.com:8090",
                                         "https://api.twilio.com",
                                         "ftp://localhost:8090",
                                         "localhost:8090",
                                         "http://127.0.0.1:000000000000008090",
                                         "http://example.com/http://localhost:8090"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        ck_assert_msg(!mock_url_is(others[i], 8090), "%s", others[i]);
    }
}
END_TEST

Suite *suite_settings_mock_url(void) {
    Suite *suite = suite_create("settings_mock_url");
    TCase *tests = tcase_create("mock_url");
    tcase_add_test(tests, the_mock_is_known_by_this_machine_or_its_service_and_its_port);
    tcase_add_test(tests, whatever_else_there_is_is_not_the_mock);
    suite_add_tcase(suite, tests);
    return suite;
}
