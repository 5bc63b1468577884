// SPDX-License-Identifier: MIT
// The forms of a URL that Twilio may have signed: as twilio 6.3.1 for Node made them of each (validateRequest); the
// last two of an empty query are those of twilio 9.13.0 for Python.

#include "shared/provider/signed_url.h"

#include <check.h>
#include <stdbool.h>
#include <string.h>

Suite *suite_provider_signed_url(void);

static const struct {
    const char *url;
    const char *forms[SIGNED_URL_FORMS];
} cases[] = {
    {"https://example.com/sms",
     {"https://example.com/sms", "https://example.com:443/sms", "https://example.com/sms",
      "https://example.com:443/sms", "https://example.com/sms", "https://example.com:443/sms"}},
    {"https://Example.com:443/sms?b=2&a=1",
     {"https://Example.com/sms?b=2&a=1", "https://Example.com:443/sms?b=2&a=1", "https://example.com/sms?b=2&a=1",
      "https://example.com:443/sms?b=2&a=1", "https://example.com/sms?b=2&a=1", "https://example.com:443/sms?b=2&a=1"}},
    {"http://u:p@example.com:8080/sms?x=%27y%27&z=it's",
     {"http://u:p@example.com/sms?x=%27y%27&z=it's", "http://u:p@example.com:8080/sms?x=%27y%27&z=it's",
      "http://u:p@example.com/sms?x=%27y%27&z=it%27s", "http://u:p@example.com:8080/sms?x=%27y%27&z=it%27s",
      "http://u:p@example.com/sms?x='y'&z=it's", "http://u:p@example.com:8080/sms?x='y'&z=it's"}},
    {"http://[::1]/sms?t=1:2",
     {"http://[::1]/sms?t=1:2", "http://[::1]:80/sms?t=1:2", "http://[::1]/sms?t=1:2", "http://[::1]:80/sms?t=1:2",
      "http://[::1]/sms?t=1%3A2", "http://[::1]:80/sms?t=1%3A2"}},
    {"https://example.com?a=b",
     {"https://example.com?a=b", "https://example.com:443?a=b", "https://example.com/?a=b",
      "https://example.com:443/?a=b", "https://example.com/?a=b", "https://example.com:443/?a=b"}},
    {"https://example.com/sms?a=1&b=2&a=3&c&=d&&e=%zz&f=a+b",
     {"https://example.com/sms?a=1&b=2&a=3&c&=d&&e=%zz&f=a+b",
      "https://example.com:443/sms?a=1&b=2&a=3&c&=d&&e=%zz&f=a+b",
      "https://example.com/sms?a=1&b=2&a=3&c&=d&&e=%zz&f=a+b",
      "https://example.com:443/sms?a=1&b=2&a=3&c&=d&&e=%zz&f=a+b",
      "https://example.com/sms?a=1&a=3&b=2&c=&=d&e=%25zz&f=a%20b",
      "https://example.com:443/sms?a=1&a=3&b=2&c=&=d&e=%25zz&f=a%20b"}},
    {"https://u:P@HOST.example/sms?q=\xc3\xbc\"<>",
     {"https://u:P@HOST.example/sms?q=\xc3\xbc\"<>", "https://u:P@HOST.example:443/sms?q=\xc3\xbc\"<>",
      "https://u:P@host.example/sms?q=%C3%BC%22%3C%3E", "https://u:P@host.example:443/sms?q=%C3%BC%22%3C%3E",
      "https://u:P@host.example/sms?q=%C3%BC%22%3C%3E", "https://u:P@host.example:443/sms?q=%C3%BC%22%3C%3E"}},
    {"https://example.com/sms?",
     {"https://example.com/sms?", "https://example.com:443/sms?", "https://example.com/sms?",
      "https://example.com:443/sms?", "https://example.com/sms", "https://example.com:443/sms"}},
    {"https://example.com/a'b?c=d'e",
     {"https://example.com/a'b?c=d'e", "https://example.com:443/a'b?c=d'e", "https://example.com/a'b?c=d%27e",
      "https://example.com:443/a'b?c=d%27e", "https://example.com/a'b?c=d'e", "https://example.com:443/a'b?c=d'e"}},
};

static bool has(char *const forms[SIGNED_URL_FORMS], const char *wanted) {
    for (size_t i = 0; i < SIGNED_URL_FORMS; i++) {
        if (forms[i] != NULL && strcmp(forms[i], wanted) == 0) {
            return true;
        }
    }
    return false;
}

START_TEST(each_form_that_twilios_package_tries_is_there) {
    char *forms[SIGNED_URL_FORMS];
    signed_url_forms(cases[_i].url, forms);
    for (size_t i = 0; i < SIGNED_URL_FORMS; i++) {
        ck_assert_msg(has(forms, cases[_i].forms[i]), "%s: %s", cases[_i].url, cases[_i].forms[i]);
    }
    signed_url_free(forms);
}
END_TEST

START_TEST(none_is_there_that_it_does_not_try) {
    char *forms[SIGNED_URL_FORMS];
    signed_url_forms(cases[_i].url, forms);
    for (size_t i = 0; i < SIGNED_URL_FORMS; i++) {
        bool known = forms[i] == NULL;
        for (size_t k = 0; k < SIGNED_URL_FORMS && !known; k++) {
            known = strcmp(forms[i], cases[_i].forms[k]) == 0;
        }
        ck_assert_msg(known, "%s: %s", cases[_i].url, forms[i]);
        for (size_t k = 0; k < i && forms[i] != NULL; k++) {
            ck_assert_msg(forms[k] == NULL || strcmp(forms[i], forms[k]) != 0, "twice: %s", forms[i]);
        }
    }
    signed_url_free(forms);
}
END_TEST

Suite *suite_provider_signed_url(void) {
    Suite *suite = suite_create("provider_signed_url");
    TCase *tests = tcase_create("signed_url");
    tcase_add_loop_test(tests, each_form_that_twilios_package_tries_is_there, 0, sizeof cases / sizeof *cases);
    tcase_add_loop_test(tests, none_is_there_that_it_does_not_try, 0, sizeof cases / sizeof *cases);
    suite_add_tcase(suite, tests);
    return suite;
}
