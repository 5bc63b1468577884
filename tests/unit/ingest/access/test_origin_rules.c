// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/access/origin_rules.h"

Suite *suite_access_origin_rules(void);

static struct origin_rules *rules_of(const char *origins, const char *hosts, const char *public_url,
                                     const char **setting) {
    union {
        const char *in;
        char *out;
    } lists[] = {{origins}, {hosts}, {public_url}}; // only read
    const struct settings settings = {
        .cors_allowed_origins = lists[0].out, .allowed_hosts = lists[1].out, .webhook_public_url = lists[2].out};
    const char *reason;
    return origin_rules_create(&settings, setting, &reason);
}

static struct origin_rules *rules(const char *origins, const char *hosts, const char *public_url) {
    const char *setting = "";
    struct origin_rules *made = rules_of(origins, hosts, public_url, &setting);
    ck_assert_msg(made != NULL, "%s is refused", setting);
    return made;
}

static struct http_host host_of(const char *text) {
    struct http_host host;
    ck_assert_msg(http_host_parse(text, strlen(text), &host), "%s", text);
    return host;
}

START_TEST(a_page_is_the_services_own_by_host_and_port) {
    static const struct {
        const char *origin, *host;
        bool behind_tls, is_own;
    } cases[] = {
        {"http://127.0.0.1:8080", "127.0.0.1:8080", false, true},
        {"http://127.0.0.1:8081", "127.0.0.1:8080", false, false},
        {"http://localhost:8080", "127.0.0.1:8080", false, false},
        {"http://example.com", "example.com", false, true},
        {"http://example.com:80", "example.com", false, true},
        {"http://example.com", "example.com:80", false, true},
        {"https://example.com", "example.com", true, true},
        {"https://example.com", "example.com:443", true, true},
        {"https://example.com:443", "example.com", false, true},
        {"https://example.com", "example.com:80", false, false},
        {"https://example.com:8443", "example.com", true, false}, // another service of that machine may be there
        {"https://example.com:8443", "example.com:8443", true, true},
        {"http://example.com", "example.com", true, false}, // a page that anybody between could have written
        {"HTTPS://EXAMPLE.COM", "Example.com", true, true},
        {"https://example.com.", "example.com", true, true},
        {"https://example.com", "example.com.:443", true, true},
        {"http://[::1]:8080", "[::1]:8080", false, true},
        {"http://[::1]:8080", "[0:0::0:1]:8080", false, true},
        {"http://[::1]", "[::2]", false, false},
        {"https://example.com.evil.example", "example.com", true, false},
        {"https://evil-example.com", "example.com", true, false},
        {"https://sub.example.com", "example.com", true, false},
        {"https://example.com@evil.example", "example.com", true, false},
        {"https://evil.example/example.com", "example.com", true, false},
        {"https://example.com/", "example.com", true, false}, // no browser writes so
        {"https://example.com https://evil.example", "example.com", true, false},
        {"chrome-extension://example", "example", false, false},
        {"ftp://example.com:80", "example.com:80", false, false},
        {"null", "null", false, false},
        {"", "example.com", false, false},
        {"example.com", "example.com", false, false},
        {"://example.com", "example.com", false, false},
        {"http://", "", false, false},
        {"http://:80", "", false, false},
        {"http://example.com", "", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_host host = host_of(cases[i].host);
        ck_assert_msg(origin_is_of(cases[i].origin, &host, cases[i].behind_tls) == cases[i].is_own, "%s of %s",
                      cases[i].origin, cases[i].host);
    }
}
END_TEST

START_TEST(a_listed_origin_is_known_by_scheme_host_and_port) {
    struct origin_rules *listed = rules(
        "https://app.example.com, http://localhost:3000 ,capacitor://localhost,https://[2001:db8::1]:8443", "", "");
    static const char *const in[] = {"https://app.example.com", "https://app.example.com:443",
                                     "HTTPS://App.Example.com", "http://localhost:3000",
                                     "capacitor://localhost",   "https://[2001:db8:0::1]:8443"};
    static const char *const out[] = {"http://app.example.com",
                                      "https://app.example.com:8443",
                                      "https://example.com",
                                      "https://app.example.com.evil.example",
                                      "http://localhost",
                                      "http://localhost:30000",
                                      "null",
                                      "*",
                                      ""};
    ck_assert(origin_rules_lists_any(listed));
    for (size_t i = 0; i < sizeof in / sizeof *in; i++) {
        ck_assert_msg(origin_rules_lists(listed, in[i]), "%s", in[i]);
    }
    for (size_t i = 0; i < sizeof out / sizeof *out; i++) {
        ck_assert_msg(!origin_rules_lists(listed, out[i]), "%s", out[i]);
    }
    origin_rules_free(listed);
    struct origin_rules *none = rules(" , ", "", "");
    ck_assert(!origin_rules_lists_any(none));
    ck_assert(!origin_rules_lists(none, "https://app.example.com"));
    origin_rules_free(none);
}
END_TEST

START_TEST(a_host_is_known_that_nobody_else_can_point_here) {
    struct origin_rules *made =
        rules("", "api.example.com, Sms.Example.COM.", "https://user:word@hooks.example.com:8443/in");
    static const char *const known[] = {"127.0.0.1",
                                        "127.0.0.1:8080",
                                        "[::1]:8080",
                                        "203.0.113.7",
                                        "localhost",
                                        "localhost:8080",
                                        "LOCALHOST",
                                        "localhost.",
                                        "ingest",
                                        "my-machine:8080",
                                        "api.example.com",
                                        "API.example.com:8080",
                                        "api.example.com.",
                                        "sms.example.com:1234",
                                        "hooks.example.com",
                                        "hooks.example.com.",
                                        ""};
    static const char *const unknown[] = {"evil.example",         "evil.example:8080",  "x.api.example.com",
                                          "api.example.com.evil", "localhost.evil.com", "127.0.0.1.evil.example",
                                          "example.com",          "machine.local",      "evil."};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct http_host host = host_of(known[i]);
        ck_assert_msg(origin_rules_know(made, &host), "%s", known[i]);
    }
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        struct http_host host = host_of(unknown[i]);
        ck_assert_msg(!origin_rules_know(made, &host), "%s", unknown[i]);
    }
    origin_rules_free(made);
}
END_TEST

START_TEST(a_malformed_list_is_refused_by_its_setting) {
    static const char *const origins[] = {"*",
                                          "null",
                                          "example.com",
                                          "https://example.com/",
                                          "https://example.com/path",
                                          "https://user@example.com",
                                          "https://",
                                          "https://example.com:port",
                                          "https://example.com:99999",
                                          "https://a.example https://b.example",
                                          "https://a.example,nonsense",
                                          "1http://example.com",
                                          "https://ex\xc3\xa4mple.com"};
    static const char *const hosts[] = {"https://example.com", "example.com:8080", "*.example.com",     "*",
                                        "a.example b.example", "a.example,b/c",    "ex\xc3\xa4mple.com"};
    const char *setting;
    for (size_t i = 0; i < sizeof origins / sizeof *origins; i++) {
        ck_assert_msg(rules_of(origins[i], "", "", &setting) == NULL, "%s", origins[i]);
        ck_assert_str_eq(setting, "CORS_ALLOWED_ORIGINS");
    }
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        ck_assert_msg(rules_of("", hosts[i], "", &setting) == NULL, "%s", hosts[i]);
        ck_assert_str_eq(setting, "ALLOWED_HOSTS");
    }
}
END_TEST

Suite *suite_access_origin_rules(void) {
    Suite *suite = suite_create("access_origin_rules");
    TCase *tests = tcase_create("origin_rules");
    tcase_add_test(tests, a_page_is_the_services_own_by_host_and_port);
    tcase_add_test(tests, a_listed_origin_is_known_by_scheme_host_and_port);
    tcase_add_test(tests, a_host_is_known_that_nobody_else_can_point_here);
    tcase_add_test(tests, a_malformed_list_is_refused_by_its_setting);
    suite_add_tcase(suite, tests);
    return suite;
}
