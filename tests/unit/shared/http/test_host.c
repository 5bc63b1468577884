// SPDX-License-Identifier: MIT
#include "shared/http/host.h"

#include <check.h>
#include <string.h>

Suite *suite_http_host(void);

static void assert_host(const char *text, const char *name, bool is_address, unsigned port) {
    struct http_host host;
    ck_assert_msg(http_host_parse(text, strlen(text), &host), "%s was refused", text);
    ck_assert_str_eq(host.name, name);
    ck_assert_msg(host.is_address == is_address, "%s", text);
    ck_assert_uint_eq(host.port, port);
}

START_TEST(a_host_is_a_name_or_an_address_and_may_have_a_port) {
    assert_host("Messages.Example.COM", "messages.example.com", false, 0);
    assert_host("localhost:8080", "localhost", false, 8080);
    assert_host("127.0.0.1:65535", "127.0.0.1", true, 65535);
    assert_host("[2001:DB8::1]:443", "2001:db8::1", true, 443);
    assert_host("[::ffff:127.0.0.1]", "::ffff:127.0.0.1", true, 0);
    assert_host("1.2.3.4.5", "1.2.3.4.5", false, 0);
    assert_host("a_b~c!$&'()*+,;=%20", "a_b~c!$&'()*+,;=%20", false, 0);
    assert_host("h:", "h", false, 0);
    assert_host("", "", false, 0);
}
END_TEST

static const char *const bad[] = {
    "a b",       "a b@c/d",   "me@h", "h/",         "h?x",    "h#x",      "h:80:80", "h:x",     "h:-1",
    "h:65536",   "h: 80",     ":80",  ":",          "h\t",    "h,i j",    "h\\i",    "\"h\"",   "<h>",
    "h\x7f",     "h\xc3\xa4", "h%",   "h%2",        "h%zz",   "[::1",     "::1",     "[::1]80", "[::1]]",
    "[1.2.3.4]", "[h]",       "[]",   "[::1%25lo]", "[v1.x]", "http://h", "h]",      "[",       "[[::1]]",
};

START_TEST(what_is_no_host_is_refused) {
    struct http_host host;
    ck_assert_msg(!http_host_parse(bad[_i], strlen(bad[_i]), &host), "%s was taken", bad[_i]);
}
END_TEST

START_TEST(neither_a_nul_nor_length_is_overlooked) {
    struct http_host host;
    char longest[HTTP_HOST_SIZE];
    memset(longest, 'h', sizeof longest);
    ck_assert(!http_host_parse("h\0i", 3, &host));
    ck_assert(!http_host_parse("[::1\0]", 6, &host));
    ck_assert(http_host_parse(longest, sizeof longest - 1, &host));
    ck_assert(!http_host_parse(longest, sizeof longest, &host));
}
END_TEST

static void assert_target(const char *target, int length, const char *name) {
    struct http_host host = {.name = "none"};
    ck_assert_msg(http_host_of_target(target, &host) == length, "%s", target);
    if (length > 0) {
        ck_assert_str_eq(host.name, name);
    }
}

START_TEST(a_target_may_name_its_host) {
    assert_target("http://H:80/path?q", 11, "h");
    assert_target("HTTPS://[::1]/", 13, "::1");
    assert_target("http://h", 8, "h");
    assert_target("http://h?q", 8, "h");
    assert_target("/http://h/", 0, NULL);
    assert_target("/a?b=http://h/", 0, NULL);
    assert_target("?http://h/", 0, NULL);
    assert_target("a/b://h/", 0, NULL);
    assert_target("h:443", 0, NULL);
    assert_target("*", 0, NULL);
    assert_target("", 0, NULL);
    assert_target("http:///path", -1, NULL);
    assert_target("http://", -1, NULL);
    assert_target("http://me@h/", -1, NULL);
    assert_target("http://h:x/", -1, NULL);
    assert_target("ftp://h/", -1, NULL);
    assert_target("httpx://h/", -1, NULL);
    assert_target("://h/", -1, NULL);
}
END_TEST

Suite *suite_http_host(void) {
    Suite *suite = suite_create("http_host");
    TCase *tests = tcase_create("http_host");
    tcase_add_test(tests, a_host_is_a_name_or_an_address_and_may_have_a_port);
    tcase_add_loop_test(tests, what_is_no_host_is_refused, 0, sizeof bad / sizeof *bad);
    tcase_add_test(tests, neither_a_nul_nor_length_is_overlooked);
    tcase_add_test(tests, a_target_may_name_its_host);
    suite_add_tcase(suite, tests);
    return suite;
}
