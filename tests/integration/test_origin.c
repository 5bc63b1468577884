// SPDX-License-Identifier: MIT
// What pages of other origins may do, and under which names /api is served: SECURITY.md, "Browsers".

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/payload.h"
#include "tests/support/stack.h"

#define LISTED "https://app.example.com"
#define FOREIGN "https://evil.example"
#define TEXT_PLAIN "Content-Type: text/plain"

Suite *suite_origin(void);

static struct stack *stack;

// ingest-1 as a newcomer has it; ingest-2 with lists, and nobody trusted as a proxy; ingest-3 asks for keys.
static void start(void) {
    stack = stack_create("origin", NULL);
    stack_start(stack, "postgres");
    stack_start(stack, "persister-1");
    stack_start(stack, "ingest-1");
    stack_start_with(stack, "ingest-2",
                     (const char *const[]){"CORS_ALLOWED_ORIGINS=" LISTED ",http://localhost:3000",
                                           "ALLOWED_HOSTS=api.example.com", "TRUSTED_PROXIES=203.0.113.0/24",
                                           "WEBHOOK_PUBLIC_URL=https://hooks.example.com", NULL});
    char *keys = xasprintf("API_KEYS=one:read:%064d", 1);
    stack_start_with(stack, "ingest-3", (const char *const[]){keys, NULL});
    free(keys);
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
}

struct headers {
    const char *lines[6];
};

static struct answer *call(const char *ingest, const char *method, const char *path, const char *body,
                           struct headers headers) {
    return stack_call(stack, ingest, method, path, body, headers.lines);
}

static long status_of(const char *ingest, const char *method, const char *path, const char *body,
                      struct headers headers) {
    struct answer *answer = call(ingest, method, path, body, headers);
    long status = answer->status;
    answer_free(answer);
    return status;
}

// What the service itself is reached as.
static char *own_origin(const char *ingest) {
    return xasprintf("Origin: http://127.0.0.1:%u", stack_port(stack, ingest));
}

#define REPLAY "/api/dead-letters/1/replay"

// Each route that writes, with a body that it would take.
static const struct {
    const char *method, *path, *body;
} writes[] = {
    {"POST", PATH_SMS, "{}"},
    {"POST", PATH_EMAIL, "{}"},
    {"POST", PATH_SMS_WEBHOOK, "{}"},
    {"POST", PATH_EMAIL_WEBHOOK, "{}"},
    {"POST", PATH_SMS_WEBHOOK "/status", "{}"},
    {"POST", PATH_EMAIL_WEBHOOK "/events", "{}"},
    {"POST", "/api/provider/mock/inbound", "{}"},
    {"PUT", "/api/provider/mock/config", "{\"timeout_pct\":100,\"error_pct\":0,\"ratelimit_pct\":0}"},
    {"POST", "/api/dead-letters/replay", "{}"},
    {"POST", REPLAY, NULL},
};
enum { WRITES = sizeof writes / sizeof *writes };

START_TEST(no_page_of_another_origin_writes_by_any_route) {
    char *other_port = xasprintf("Origin: http://127.0.0.1:%u", stack_port(stack, "ingest-2"));
    char *other_name = xasprintf("Origin: http://localhost:%u", stack_port(stack, "ingest-1"));
    const char *const origins[] = {
        "Origin: " FOREIGN,         "Origin: null", "Origin;", other_port, other_name, "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site"};
    for (size_t i = 0; i < WRITES; i++) {
        for (size_t k = 0; k < sizeof origins / sizeof *origins; k++) {
            // As a form or a beacon can, and as one that has asked for leave would.
            const struct headers simple = {{origins[k], TEXT_PLAIN}};
            const struct headers typed = {{origins[k], "Content-Type: application/json"}};
            ck_assert_msg(status_of("ingest-1", writes[i].method, writes[i].path, writes[i].body, simple) == 403,
                          "%s of %s", writes[i].path, origins[k]);
            ck_assert_msg(status_of("ingest-1", writes[i].method, writes[i].path, writes[i].body, typed) == 403,
                          "%s of %s", writes[i].path, origins[k]);
        }
    }
    ck_assert_int_eq(stack_redis_int(stack, "EXISTS mock:config"), 0);
    ck_assert_int_eq(stack_redis_int(stack, "EXISTS rate:ip:{127.0.0.1}"), 0);
    free(other_name);
    free(other_port);
}
END_TEST

#define FORM "Content-Type: application/x-www-form-urlencoded"
#define MULTIPART "Content-Type: multipart/form-data; boundary=x"

// The webhooks read what the vendors post as forms: Twilio's, and SendGrid's of several parts. JSON is no field of
// either.
static bool takes_form(const char *path, const char *type) {
    return (strncmp(path, PATH_SMS_WEBHOOK, strlen(PATH_SMS_WEBHOOK)) == 0 && strcmp(type, FORM) == 0) ||
           (strcmp(path, PATH_EMAIL_WEBHOOK) == 0 && strcmp(type, MULTIPART) == 0);
}

// The only types that a form can send; JSON in such a one is not taken, whoever sends it.
START_TEST(no_route_takes_json_in_a_forms_type) {
    static const char *const types[] = {FORM, TEXT_PLAIN, MULTIPART, "Content-Type:"};
    for (size_t i = 0; i < WRITES; i++) {
        for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
            struct headers headers = {{types[k]}};
            if (!takes_form(writes[i].path, types[k])) {
                long status = status_of("ingest-1", writes[i].method, writes[i].path, "{}", headers);
                ck_assert_msg(status == 415, "%s, %s: %ld", writes[i].path, types[k], status);
            }
        }
    }
}
END_TEST

// A dead letter that a foreign page may not replay, and everybody else may.
START_TEST(a_dead_letter_is_replayed_by_its_own_page_and_by_whoever_is_no_browser) {
    char *own = own_origin("ingest-1");
    const struct headers admitted[] = {
        {{NULL}},
        {{own}},
        {{own, "Sec-Fetch-Site: same-origin"}},
        {{"Sec-Fetch-Site: same-origin"}},
        {{"Origin: " FOREIGN, "Sec-Fetch-Site: same-origin"}}, // behind a proxy that changes Host
        {{"Sec-Fetch-Site: none"}},
        {{own, "Sec-Fetch-Site: none"}},
    };
    for (size_t i = 0; i < sizeof admitted / sizeof *admitted; i++) {
        ck_assert_msg(status_of("ingest-1", "POST", REPLAY, NULL, admitted[i]) == 404, "case %zu", i);
    }
    ck_assert_int_eq(status_of("ingest-1", "POST", REPLAY, NULL, (struct headers){{"Sec-Fetch-Site: cross-site"}}),
                     403);
    free(own);
}
END_TEST

START_TEST(a_page_behind_a_proxy_is_known_by_what_the_proxy_passes_on) {
    static const struct {
        const char *headers[4];
        long trusting, distrusting;
    } cases[] = {
        {{"Origin: https://api.example.com", "X-Forwarded-Host: api.example.com"}, 404, 403},
        {{"Origin: https://api.example.com:8443", "X-Forwarded-Host: api.example.com:8443"}, 404, 403},
        {{"Origin: https://api.example.com", "X-Forwarded-Host: a.example, api.example.com"}, 404, 403},
        {{"Origin: https://api.example.com", "X-Forwarded-Host: b.example", "X-Forwarded-Host: api.example.com"},
         404,
         403},
        {{"Origin: https://api.example.com", "X-Forwarded-Host: evil.example"}, 403, 403},
        {{"Origin: http://api.example.com", "X-Forwarded-Host: api.example.com", "X-Forwarded-Proto: https"}, 403, 403},
        {{"Origin: http://api.example.com", "X-Forwarded-Host: api.example.com", "X-Forwarded-Proto: http"}, 404, 403},
        {{"Origin: https://api.example.com", "Host: api.example.com", "X-Forwarded-Proto: https"}, 403, 404},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct headers headers = {{cases[i].headers[0], cases[i].headers[1], cases[i].headers[2]}};
        ck_assert_msg(status_of("ingest-1", "POST", REPLAY, NULL, headers) == cases[i].trusting, "case %zu", i);
        ck_assert_msg(status_of("ingest-2", "POST", REPLAY, NULL, headers) == cases[i].distrusting, "case %zu", i);
    }
}
END_TEST

START_TEST(a_refusal_says_what_to_set) {
    struct answer *answer = call("ingest-1", "POST", REPLAY, NULL, (struct headers){{"Origin: " FOREIGN}});
    ck_assert_int_eq(answer->status, 403);
    ck_assert_str_eq(answer_text(answer, "code"), "forbidden");
    ck_assert_str_eq(answer_text(answer, "details.origin"), FOREIGN);
    ck_assert_str_eq(answer_text(answer, "details.setting"), "CORS_ALLOWED_ORIGINS");
    ck_assert_ptr_nonnull(strstr(answer_text(answer, "message"), FOREIGN));
    answer_free(answer);
    answer = call("ingest-1", "GET", "/api/conversations", NULL, (struct headers){{"Host: sms.example.com:8080"}});
    ck_assert_int_eq(answer->status, 403);
    ck_assert_str_eq(answer_text(answer, "details.host"), "sms.example.com");
    ck_assert_str_eq(answer_text(answer, "details.setting"), "ALLOWED_HOSTS");
    ck_assert_ptr_nonnull(strstr(answer_text(answer, "message"), "list sms.example.com in ALLOWED_HOSTS"));
    char *id = answer_header(answer, "X-Request-Id");
    ck_assert_int_eq(stack_log_about(stack, "ingest-1", "origin_refused", id), 1);
    free(id);
    answer_free(answer);
}
END_TEST

START_TEST(without_keys_the_api_is_served_under_known_names_alone) {
    static const struct headers foreign = {{"Host: evil.example", "Origin: http://evil.example",
                                            "Sec-Fetch-Site: same-origin"}}; // as the browser has it after a rebinding
    static const char *const reads[] = {"/api/conversations",       "/api/conversations/1/messages", "/api/messages/1",
                                        "/api/dead-letters",        "/api/dead-letters/1",           "/api/events",
                                        "/api/provider/mock/config"};
    static const char *const open[] = {"/healthz", "/readyz", "/metrics", "/", "/console.js", "/openapi.yaml"};
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
        ck_assert_msg(status_of("ingest-1", "GET", reads[i], NULL, foreign) == 403, "%s", reads[i]);
        ck_assert_msg(status_of("ingest-3", "GET", reads[i], NULL, foreign) == 401, "%s with keys", reads[i]);
    }
    for (size_t i = 0; i < WRITES; i++) {
        ck_assert_msg(status_of("ingest-1", writes[i].method, writes[i].path, writes[i].body, foreign) == 403, "%s",
                      writes[i].path);
    }
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        ck_assert_msg(status_of("ingest-1", "GET", open[i], NULL, foreign) == 200, "%s", open[i]);
    }
    static const char head[] = "HEAD /api/conversations HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    char *text = client_raw(stack_port(stack, "ingest-1"), head, sizeof head - 1, 2000);
    ck_assert_msg(strncmp(text, "HTTP/1.1 403", 12) == 0, "%s", text);
    free(text);
    ck_assert_int_eq(status_of("ingest-1", "GET", "/api/nothing", NULL, foreign), 404); // the route comes first
    ck_assert_int_eq(status_of("ingest-1", "PATCH", PATH_SMS, NULL, foreign), 405);
}
END_TEST

START_TEST(a_newcomers_names_and_listed_ones_are_known) {
    static const char *const anywhere[] = {"Host: localhost:8080", "Host: my-machine:8080", "Host: 192.0.2.1",
                                           "Host: [::1]:8080", "Host: proxy"};
    static const char *const listed[] = {"Host: api.example.com", "Host: API.Example.com.:8080",
                                         "Host: hooks.example.com"};
    for (size_t i = 0; i < sizeof anywhere / sizeof *anywhere; i++) {
        struct headers headers = {{anywhere[i]}};
        ck_assert_msg(status_of("ingest-1", "GET", "/api/conversations", NULL, headers) == 200, "%s", anywhere[i]);
    }
    for (size_t i = 0; i < sizeof listed / sizeof *listed; i++) {
        struct headers headers = {{listed[i]}};
        ck_assert_msg(status_of("ingest-1", "GET", "/api/conversations", NULL, headers) == 403, "%s", listed[i]);
        ck_assert_msg(status_of("ingest-2", "GET", "/api/conversations", NULL, headers) == 200, "%s", listed[i]);
    }
}
END_TEST

// A vendor calls by the public name and sends neither Origin nor Sec-Fetch-Site.
START_TEST(a_vendors_webhook_comes_in_by_the_public_name) {
    char *sms = payload_sms_webhook("+18045551234", "+12016661234", "by-name-1", "x");
    ck_assert_int_eq(
        status_of("ingest-2", "POST", PATH_SMS_WEBHOOK, sms, (struct headers){{"Host: hooks.example.com"}}), 202);
    ck_assert_int_eq(status_of("ingest-3", "POST", PATH_SMS_WEBHOOK, sms, (struct headers){{"Host: any.example.com"}}),
                     202);
    struct answer *answer =
        call("ingest-1", "POST", PATH_SMS_WEBHOOK, sms, (struct headers){{"Host: hooks.example.com"}});
    ck_assert_int_eq(answer->status, 403);
    ck_assert_str_eq(answer_text(answer, "details.setting"), "ALLOWED_HOSTS");
    answer_free(answer);
    free(sms);
}
END_TEST

// ---- CORS

static void expect_header(const struct answer *answer, const char *name, const char *value) {
    char *given = answer_header(answer, name);
    ck_assert_msg(value == NULL ? given == NULL : given != NULL && strcmp(given, value) == 0, "%s: %s", name,
                  given != NULL ? given : "none");
    free(given);
}

static bool exposes(const struct answer *answer, const char *name) {
    char *given = answer_header(answer, "Access-Control-Expose-Headers");
    bool found = given != NULL && strstr(given, name) != NULL;
    free(given);
    return found;
}

START_TEST(a_listed_origins_page_may_write_and_read_the_answer) {
    char *sms = payload_sms("+12016661234", "+18045551234", "by a page");
    struct answer *answer =
        call("ingest-2", "POST", PATH_SMS, sms, (struct headers){{"Origin: " LISTED, "Sec-Fetch-Site: cross-site"}});
    ck_assert_int_eq(answer->status, 202);
    expect_header(answer, "Access-Control-Allow-Origin", LISTED);
    expect_header(answer, "Vary", "Origin");
    expect_header(answer, "Access-Control-Allow-Credentials", NULL);
    static const char *const seen[] = {"Idempotent-Replayed", "RateLimit-Limit", "RateLimit-Remaining",
                                       "RateLimit-Reset",     "Location",        "Retry-After",
                                       "X-Request-Id"};
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++) {
        ck_assert_msg(exposes(answer, seen[i]), "%s", seen[i]);
    }
    answer_free(answer);
    free(sms);
}
END_TEST

START_TEST(errors_and_the_stream_can_be_read_by_a_listed_origins_page_as_well) {
    static const struct {
        const char *method, *path;
        long status;
    } cases[] = {{"GET", "/api/messages/nonsense", 404},
                 {"GET", "/nowhere", 404},
                 {"DELETE", PATH_SMS, 405},
                 {"POST", PATH_SMS, 415},
                 {"GET", "/api/conversations?page=x", 400}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct headers headers = {{"Origin: http://localhost:3000", "Content-Type:"}};
        struct answer *answer = call("ingest-2", cases[i].method, cases[i].path, NULL, headers);
        ck_assert_msg(answer->status == cases[i].status, "%s: %ld", cases[i].path, answer->status);
        expect_header(answer, "Access-Control-Allow-Origin", "http://localhost:3000");
        answer_free(answer);
    }
    static const char request[] = "GET /api/events HTTP/1.1\r\nHost: h\r\nOrigin: " LISTED "\r\n\r\n";
    char *text = client_raw(stack_port(stack, "ingest-2"), request, sizeof request - 1, 700);
    ck_assert_msg(strncmp(text, "HTTP/1.1 200", 12) == 0, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "Access-Control-Allow-Origin: " LISTED "\r\n"));
    free(text);
}
END_TEST

START_TEST(no_other_page_can_read_an_answer) {
    struct answer *answer = call("ingest-2", "GET", "/api/conversations", NULL, (struct headers){{"Origin: " FOREIGN}});
    ck_assert_int_eq(answer->status, 200); // a browser keeps it from the page
    expect_header(answer, "Access-Control-Allow-Origin", NULL);
    expect_header(answer, "Vary", "Origin");
    answer_free(answer);
    answer = call("ingest-2", "POST", REPLAY, NULL, (struct headers){{"Origin: " FOREIGN}});
    ck_assert_int_eq(answer->status, 403);
    expect_header(answer, "Access-Control-Allow-Origin", NULL);
    answer_free(answer);
    answer = call("ingest-1", "GET", "/api/conversations", NULL, (struct headers){{"Origin: " LISTED}});
    ck_assert_int_eq(answer->status, 200);
    expect_header(answer, "Access-Control-Allow-Origin", NULL); // off
    expect_header(answer, "Vary", NULL);
    answer_free(answer);
}
END_TEST

START_TEST(a_preflight_is_answered_before_keys_are_asked_for) {
    char *keys = xasprintf("API_KEYS=one:read:%064d", 1);
    stack_start_with(stack, "ingest-4", (const char *const[]){keys, "CORS_ALLOWED_ORIGINS=" LISTED, NULL});
    free(keys);
    struct answer *answer = call("ingest-4", "OPTIONS", PATH_SMS, NULL,
                                 (struct headers){{"Origin: " LISTED, "Access-Control-Request-Method: POST",
                                                   "Access-Control-Request-Headers: authorization,content-type"}});
    ck_assert_int_eq(answer->status, 204);
    ck_assert_str_eq(answer->body, "");
    expect_header(answer, "Access-Control-Allow-Origin", LISTED);
    expect_header(answer, "Access-Control-Allow-Methods", "POST");
    expect_header(answer, "Access-Control-Max-Age", "600");
    expect_header(answer, "Allow", "POST, OPTIONS");
    char *allowed = answer_header(answer, "Access-Control-Allow-Headers");
    ck_assert_ptr_nonnull(strstr(allowed, "Authorization"));
    ck_assert_ptr_nonnull(strstr(allowed, "Content-Type"));
    ck_assert_ptr_nonnull(strstr(allowed, "Idempotency-Key"));
    free(allowed);
    answer_free(answer);
    answer = call("ingest-4", "GET", "/api/conversations", NULL, (struct headers){{"Origin: " LISTED}});
    ck_assert_int_eq(answer->status, 401); // and the page can see why
    expect_header(answer, "Access-Control-Allow-Origin", LISTED);
    answer_free(answer);
    stack_stop(stack, "ingest-4");
}
END_TEST

START_TEST(nobody_else_is_given_leave_by_a_preflight) {
    static const struct headers asking = {{"Origin: " FOREIGN, "Access-Control-Request-Method: POST"}};
    struct answer *answer = call("ingest-2", "OPTIONS", PATH_SMS, NULL, asking);
    ck_assert_int_eq(answer->status, 204);
    expect_header(answer, "Access-Control-Allow-Origin", NULL);
    expect_header(answer, "Access-Control-Allow-Methods", NULL);
    answer_free(answer);
    ck_assert_int_eq(status_of("ingest-1", "OPTIONS", PATH_SMS, NULL, asking), 405);
    ck_assert_int_eq(status_of("ingest-2", "OPTIONS", "/nowhere", NULL, asking), 404);
    ck_assert_int_eq(status_of("ingest-2", "TRACE", PATH_SMS, NULL, asking), 405);
    struct headers override = {{"X-HTTP-Method-Override: PUT", "Content-Type: application/json"}};
    ck_assert_int_eq(status_of("ingest-2", "POST", "/api/provider/mock/config", "{}", override), 405);
}
END_TEST

// ---- Settings

START_TEST(a_malformed_list_stops_the_start_and_is_named) {
    static const struct {
        const char *name, *value, *reason;
    } cases[] = {
        {"CORS_ALLOWED_ORIGINS", "*", "must be origins joined by commas"},
        {"CORS_ALLOWED_ORIGINS", "https://example.com/app", "must be origins joined by commas"},
        {"ALLOWED_HOSTS", "https://example.com", "must be host names joined by commas"},
        {"ALLOWED_HOSTS", "example.com:8080", "must be host names joined by commas"},
        {"WEBHOOK_PUBLIC_URL", "https://exa mple.com", "must be http:// or https://"},
    };
    const char *folder = getenv("BUILD_DIR");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *command =
            xasprintf("%s='%s' %s/ingest 2>&1", cases[i].name, cases[i].value, folder != NULL ? folder : "build");
        char said[512] = "";
        FILE *out = popen(command, "re");
        ck_assert_ptr_nonnull(out);
        (void)!fread(said, 1, sizeof said - 1, out);
        ck_assert_int_eq(WEXITSTATUS(pclose(out)), 2);
        ck_assert_ptr_nonnull(strstr(said, cases[i].name));
        ck_assert_msg(strstr(said, cases[i].reason) != NULL, "%s", said);
        free(command);
    }
}
END_TEST

START_TEST(all_programs_end_cleanly) {
    stack_finish(stack);
}
END_TEST

Suite *suite_origin(void) {
    Suite *suite = suite_create("origin");
    TCase *tests = tcase_create("origin");
    tcase_set_timeout(tests, 120);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, no_page_of_another_origin_writes_by_any_route);
    tcase_add_test(tests, no_route_takes_json_in_a_forms_type);
    tcase_add_test(tests, a_dead_letter_is_replayed_by_its_own_page_and_by_whoever_is_no_browser);
    tcase_add_test(tests, a_page_behind_a_proxy_is_known_by_what_the_proxy_passes_on);
    tcase_add_test(tests, a_refusal_says_what_to_set);
    tcase_add_test(tests, without_keys_the_api_is_served_under_known_names_alone);
    tcase_add_test(tests, a_newcomers_names_and_listed_ones_are_known);
    tcase_add_test(tests, a_vendors_webhook_comes_in_by_the_public_name);
    tcase_add_test(tests, a_listed_origins_page_may_write_and_read_the_answer);
    tcase_add_test(tests, errors_and_the_stream_can_be_read_by_a_listed_origins_page_as_well);
    tcase_add_test(tests, no_other_page_can_read_an_answer);
    tcase_add_test(tests, a_preflight_is_answered_before_keys_are_asked_for);
    tcase_add_test(tests, nobody_else_is_given_leave_by_a_preflight);
    tcase_add_test(tests, a_malformed_list_stops_the_start_and_is_named);
    tcase_add_test(tests, all_programs_end_cleanly);
    suite_add_tcase(suite, tests);
    return suite;
}
