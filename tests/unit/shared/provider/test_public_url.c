// SPDX-License-Identifier: MIT
// WEBHOOK_PUBLIC_URL: what it may be, and whom it names.

#include "shared/provider/public_url.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

Suite *suite_provider_public_url(void);

static const struct {
    const char *given, *kept, *host;
} right[] = {
    {"https://hooks.example.com", "https://hooks.example.com", "hooks.example.com"},
    {"https://hooks.example.com/", "https://hooks.example.com", "hooks.example.com"},
    {"http://Hooks.example.com:8080/a/b/", "http://Hooks.example.com:8080/a/b", "hooks.example.com"},
    {"https://u:p@hooks.example.com", "https://u:p@hooks.example.com", "hooks.example.com"},
    {"https://u:p%40@hooks.example.com:443/", "https://u:p%40@hooks.example.com:443", "hooks.example.com"},
    {"https://u@x:p@hooks.example.com", "https://u@x:p@hooks.example.com", "hooks.example.com"},
    {"https://hooks.example.com/a@b", "https://hooks.example.com/a@b", "hooks.example.com"},
    {"http://[::1]:8080", "http://[::1]:8080", "::1"},
    {"http://my_host", "http://my_host", "my_host"},
};

START_TEST(a_url_is_kept_but_for_the_slash_at_its_end) {
    char *url = strdup(right[_i].given);
    struct http_host host;
    ck_assert_pstr_eq(public_url_check(url), NULL);
    ck_assert_str_eq(url, right[_i].kept);
    ck_assert(public_url_host(url, &host));
    ck_assert_str_eq(host.name, right[_i].host);
    free(url);
}
END_TEST

static const char *const wrong[] = {
    "hooks.example.com",
    "ftp://hooks.example.com",
    "https://",
    "https:///a",
    "https://u:p@",
    "https://a b.com",
    "https://u:p@:443",
    "https://hooks.example.com?a",
    "https://a.com#rc=1",
    "https://a.com:x",
    "https://a\xc3\xa4.com",
};

START_TEST(anything_else_is_refused) {
    char *url = strdup(wrong[_i]);
    ck_assert_msg(public_url_check(url) != NULL, "%s", url);
    free(url);
}
END_TEST

START_TEST(none_is_right_and_names_nobody) {
    char none[] = "";
    struct http_host host;
    ck_assert_pstr_eq(public_url_check(none), NULL);
    ck_assert(!public_url_host(none, &host));
}
END_TEST

Suite *suite_provider_public_url(void) {
    Suite *suite = suite_create("provider_public_url");
    TCase *tests = tcase_create("public_url");
    tcase_add_loop_test(tests, a_url_is_kept_but_for_the_slash_at_its_end, 0, sizeof right / sizeof *right);
    tcase_add_loop_test(tests, anything_else_is_refused, 0, sizeof wrong / sizeof *wrong);
    tcase_add_test(tests, none_is_right_and_names_nobody);
    suite_add_tcase(suite, tests);
    return suite;
}
