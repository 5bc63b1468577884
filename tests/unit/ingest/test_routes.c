// SPDX-License-Identifier: MIT
#include <check.h>

#include "ingest/routes.h"
#include "shared/http/media_type.h"

Suite *suite_ingest_routes(void);

static struct route_match find(const char *method, const char *path, enum route_result expected) {
    struct route_match match;
    ck_assert_msg(route_find(method, path, "/alive", &match) == expected, "%s %s", method, path);
    return match;
}

START_TEST(a_route_is_found_by_method_and_path) {
    struct route_match match = find("POST", "/api/messages/sms", ROUTE_FOUND);
    ck_assert_str_eq(match.route->pattern, "/api/messages/sms");
    ck_assert_uint_ne(match.route->flags & ROUTE_SEND, 0);
    match = find("GET", "/api/conversations", ROUTE_FOUND);
    ck_assert_str_eq(match.route->pattern, "/api/conversations");
}
END_TEST

START_TEST(the_server_itself_takes_what_any_of_its_paths_does) {
    struct route_match match = find("OPTIONS", "*", ROUTE_OTHER_METHOD);
    ck_assert_ptr_nonnull(strstr(match.allow, "GET, HEAD"));
    ck_assert_ptr_nonnull(strstr(match.allow, "POST"));
    ck_assert_ptr_nonnull(strstr(match.allow, "PUT"));
}
END_TEST

START_TEST(an_id_in_the_path_is_handed_on) {
    struct route_match match = find("GET", "/api/conversations/42/messages", ROUTE_FOUND);
    ck_assert_str_eq(match.parameter, "42");
    match = find("GET", "/api/messages/0192e7a1-3c00-7b5e-9d1a-0c2f5b7e8a11", ROUTE_FOUND);
    ck_assert_str_eq(match.parameter, "0192e7a1-3c00-7b5e-9d1a-0c2f5b7e8a11");
}
END_TEST

START_TEST(a_literal_route_wins_over_a_pattern_whatever_its_method) {
    struct route_match match = find("GET", "/api/messages/sms", ROUTE_OTHER_METHOD);
    ck_assert_str_eq(match.allow, "POST");
    match = find("DELETE", "/api/messages/sms", ROUTE_OTHER_METHOD);
    ck_assert_str_eq(match.allow, "POST");
    ck_assert_str_eq(find("GET", "/api/conversations/1", ROUTE_OTHER_METHOD).allow, "DELETE");
    match = find("POST", "/api/messages/sms2", ROUTE_OTHER_METHOD);
    ck_assert_str_eq(match.allow, "GET, HEAD, DELETE");
}
END_TEST

START_TEST(a_replay_of_many_is_no_dead_letters_id) {
    ck_assert_str_eq(find("POST", "/api/dead-letters/replay", ROUTE_FOUND).route->pattern, "/api/dead-letters/replay");
    ck_assert_str_eq(find("GET", "/api/dead-letters/replay", ROUTE_OTHER_METHOD).allow, "POST");
    ck_assert_str_eq(find("GET", "/api/dead-letters/42", ROUTE_FOUND).parameter, "42");
    ck_assert_str_eq(find("POST", "/api/dead-letters/42/replay", ROUTE_FOUND).parameter, "42");
}
END_TEST

START_TEST(allow_names_all_methods_of_the_path) {
    struct route_match match = find("OPTIONS", "/api/provider/mock/config", ROUTE_OTHER_METHOD);
    ck_assert_str_eq(match.allow, "GET, HEAD, PUT");
}
END_TEST

START_TEST(head_works_where_get_does) {
    ck_assert_str_eq(find("HEAD", "/metrics", ROUTE_FOUND).route->method, "GET");
    (void)find("HEAD", "/api/webhooks/sms", ROUTE_OTHER_METHOD);
}
END_TEST

START_TEST(the_health_path_is_the_settings) {
    (void)find("GET", "/alive", ROUTE_FOUND);
    (void)find("GET", "/healthz", ROUTE_UNKNOWN);
    (void)find("GET", "HEALTH_PATH", ROUTE_UNKNOWN);
}
END_TEST

START_TEST(any_other_path_is_unknown) {
    static const char *const paths[] = {
        "/index.html",
        "",
        "/api",
        "/api/",
        "/api/conversations/",
        "/api/conversations//messages",
        "/api/messages/",
        "/api/conversations/1/messages/",
        "/api/messages/a/b",
        "/API/conversations",
        "/api/messages/0123456789012345678901234567890123456789012345678901234567890123456789",
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        (void)find("GET", paths[i], ROUTE_UNKNOWN);
    }
}
END_TEST

START_TEST(a_json_body_may_carry_parameters) {
    ck_assert(media_type_is_json("application/json"));
    ck_assert(media_type_is_json("Application/JSON; charset=utf-8"));
    ck_assert(media_type_is_json("application/json ;charset=utf-8"));
    ck_assert(!media_type_is_json("application/jsonx"));
    ck_assert(!media_type_is_json("text/json"));
    ck_assert(!media_type_is_json(""));
    ck_assert(!media_type_is_json(NULL));
}
END_TEST

static void assert_json(const char *accept, int quality) {
    ck_assert_msg(media_type_quality(accept, "application", "json") == quality, "%s",
                  accept != NULL ? accept : "no header");
}

START_TEST(accept_is_weighed_by_its_most_specific_range) {
    assert_json(NULL, 1000);
    assert_json("", 1000);
    assert_json("*/*", 1000);
    assert_json("application/json", 1000);
    assert_json("text/html", 0);
    assert_json("text/html, */*;q=0.1", 100);
    assert_json("application/*;q=0.25, */*", 250);
    assert_json("APPLICATION/Json ; q=0.5 , application/*", 500);
    assert_json("application/json;q=0, */*", 0);
    assert_json("application/json;version=1;q=0.123", 123);
    assert_json("application/jsonx", 0);
    assert_json(",,;;q,/", 0);
}
END_TEST

// What a key must be good for. Whoever adds a route below /api must think of it here.
START_TEST(each_route_below_api_but_the_webhooks_asks_for_a_scope) {
    static const struct {
        const char *method, *path;
        enum api_scope scope;
    } cases[] = {
        {"POST", "/api/messages/sms", SCOPE_SEND},
        {"POST", "/api/messages/email", SCOPE_SEND},
        {"GET", "/api/messages/0192e7a1-3c00-7b5e-9d1a-0c2f5b7e8a11", SCOPE_READ},
        {"DELETE", "/api/messages/0192e7a1-3c00-7b5e-9d1a-0c2f5b7e8a11", SCOPE_SEND},
        {"GET", "/api/conversations", SCOPE_READ},
        {"GET", "/api/conversations/1/messages", SCOPE_READ},
        {"GET", "/api/events", SCOPE_READ},
        {"POST", "/api/provider/mock/inbound", SCOPE_ADMIN},
        {"GET", "/api/provider/mock/config", SCOPE_ADMIN},
        {"PUT", "/api/provider/mock/config", SCOPE_ADMIN},
        {"GET", "/api/dead-letters", SCOPE_ADMIN},
        {"GET", "/api/dead-letters/1", SCOPE_ADMIN},
        {"POST", "/api/dead-letters/1/replay", SCOPE_ADMIN},
        {"POST", "/api/dead-letters/replay", SCOPE_ADMIN},
        {"POST", "/api/webhooks/sms", SCOPE_NONE},
        {"POST", "/api/webhooks/email", SCOPE_NONE},
        {"POST", "/api/webhooks/sms/status", SCOPE_NONE},
        {"POST", "/api/webhooks/email/events", SCOPE_NONE},
        {"GET", "/alive", SCOPE_NONE},
        {"GET", "/readyz", SCOPE_NONE},
        {"GET", "/metrics", SCOPE_NONE},
        {"GET", "/", SCOPE_NONE},
        {"GET", "/openapi.yaml", SCOPE_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route_match match = find(cases[i].method, cases[i].path, ROUTE_FOUND);
        ck_assert_msg(match.route->scope == cases[i].scope, "%s %s", cases[i].method, cases[i].path);
    }
    ck_assert_uint_ne(find("POST", "/api/webhooks/sms", ROUTE_FOUND).route->flags & ROUTE_WEBHOOK_SMS, 0);
    ck_assert_uint_ne(find("POST", "/api/webhooks/email", ROUTE_FOUND).route->flags & ROUTE_WEBHOOK_EMAIL, 0);
    const unsigned receipts = ROUTE_RECEIPTS | ROUTE_INCOMING | ROUTE_BODY;
    ck_assert_uint_eq(find("POST", "/api/webhooks/sms/status", ROUTE_FOUND).route->flags, receipts | ROUTE_WEBHOOK_SMS);
    ck_assert_uint_eq(find("POST", "/api/webhooks/email/events", ROUTE_FOUND).route->flags,
                      receipts | ROUTE_WEBHOOK_EMAIL);
}
END_TEST

Suite *suite_ingest_routes(void) {
    Suite *suite = suite_create("ingest_routes");
    TCase *tests = tcase_create("routes");
    tcase_add_test(tests, the_server_itself_takes_what_any_of_its_paths_does);
    tcase_add_test(tests, a_route_is_found_by_method_and_path);
    tcase_add_test(tests, an_id_in_the_path_is_handed_on);
    tcase_add_test(tests, a_literal_route_wins_over_a_pattern_whatever_its_method);
    tcase_add_test(tests, a_replay_of_many_is_no_dead_letters_id);
    tcase_add_test(tests, allow_names_all_methods_of_the_path);
    tcase_add_test(tests, head_works_where_get_does);
    tcase_add_test(tests, the_health_path_is_the_settings);
    tcase_add_test(tests, any_other_path_is_unknown);
    tcase_add_test(tests, a_json_body_may_carry_parameters);
    tcase_add_test(tests, accept_is_weighed_by_its_most_specific_range);
    tcase_add_test(tests, each_route_below_api_but_the_webhooks_asks_for_a_scope);
    suite_add_tcase(suite, tests);
    return suite;
}
