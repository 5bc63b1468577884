// SPDX-License-Identifier: MIT
#include <check.h>
#include <string.h>

#include "ingest/accept/attachment.h"

Suite *suite_accept_attachment(void);

static const char *const good[] = {
    "attachment-url",
    "a.png",
    "folder/a b.png",
    "/a:b",
    "1a:b",
    "?q=http:",
    "//example.com/a",
    "http://example.com",
    "HTTP://x/y",
    "https://x",
    "https://user:pass@example.com:8080/a?b#c",
    "http://[2001:db8::1]:80/",
    "http://xn--bcher-kva.example/\xc3\xbc",
    "https://a@b@c/",
};

START_TEST(a_url_or_a_plain_name_is_taken) {
    const char *reason = attachment_check(good[_i]);
    ck_assert_msg(reason == NULL, "%s: %s", good[_i], reason);
}
END_TEST

static const struct {
    const char *url;
    const char *reason; // a part of it
} bad[] = {
    {"", "1 to 2048"},
    {" ", "white space"},
    {" a", "white space"},
    {"a ", "white space"},
    {" javascript:alert(1)", "white space"},
    {"\xc2\xa0javascript:alert(1)", "white space"},
    {"https://x/\xe3\x80\x80", "white space"},
    {"\xe2\x80\xa8", "white space"},
    {"a\tb", "control"},
    {"\nhttps://x", "control"},
    {"https://x\r", "control"},
    {"java\nscript:alert(1)", "control"},
    {"a\xc2\x85z", "control"},
    {"javascript:alert(1)", "http or https"},
    {"JavaScript:alert(1)", "http or https"},
    {"data:text/html,x", "http or https"},
    {"ftp://x", "http or https"},
    {"cid:x@y", "http or https"},
    {"mailto:a@b", "http or https"},
    {"file:///etc/passwd", "http or https"},
    {"httpx://x", "http or https"},
    {"x-y.z+1:w", "http or https"},
    {"http:", "host"},
    {"http:x", "host"},
    {"http:/x", "host"},
    {"http://", "host"},
    {"https://", "host"},
    {"http:///x", "host"},
    {"http://?x", "host"},
    {"http://#x", "host"},
    {"http://:80", "host"},
    {"http://user@", "host"},
    {"http://user@/x", "host"},
    {"http:\\\\x", "host"},
    {"http://\\x", "host"},
    {"http:// x", "host"},
};

START_TEST(what_is_no_url_is_refused_with_its_reason) {
    const char *reason = attachment_check(bad[_i].url);
    ck_assert_msg(reason != NULL, "%s was taken", bad[_i].url);
    ck_assert_msg(strstr(reason, bad[_i].reason) != NULL, "%s: %s", bad[_i].url, reason);
}
END_TEST

START_TEST(a_url_has_at_most_2048_bytes) {
    char url[2050];
    memset(url, 'a', 2049);
    url[2049] = '\0';
    ck_assert_ptr_nonnull(attachment_check(url));
    url[2048] = '\0';
    ck_assert_ptr_null(attachment_check(url));
}
END_TEST

Suite *suite_accept_attachment(void) {
    Suite *suite = suite_create("accept_attachment");
    TCase *tests = tcase_create("attachment");
    tcase_add_loop_test(tests, a_url_or_a_plain_name_is_taken, 0, sizeof good / sizeof *good);
    tcase_add_loop_test(tests, what_is_no_url_is_refused_with_its_reason, 0, sizeof bad / sizeof *bad);
    tcase_add_test(tests, a_url_has_at_most_2048_bytes);
    suite_add_tcase(suite, tests);
    return suite;
}
