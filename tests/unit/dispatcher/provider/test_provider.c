// SPDX-License-Identifier: MIT
// What the two providers are sent, and what is made of their answers.

#include "dispatcher/provider/provider.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"

Suite *suite_provider(void);

static char first[] = "https://example.com/a.png?x=1&y=2", second[] = "https://example.com/b.pdf";
static char *links[] = {first, second};
static char account[] = "AC/1", token[] = "secret", sms_url[] = "https://sms.example/",
            email_url[] = "https://e.example";

static const struct settings settings = {.provider_sms_url = sms_url,
                                         .provider_sms_account = account,
                                         .provider_sms_token = token,
                                         .provider_email_url = email_url,
                                         .provider_email_token = token,
                                         .conversation_snippet_length = 10};

static char *body_for(const struct provider_adapter *adapter, const char *body, size_t attachments) {
    char from[] = "Ann <ann@x.com>", to[] = "+1 (555) 000", sender[] = "+1555", recipient[] = "+1666";
    char *text = strdup(body);
    struct message message = {.from = from,
                              .to = to,
                              .sender = sender,
                              .recipient = recipient,
                              .body = text,
                              .attachments = links,
                              .attachment_count = attachments};
    struct buf out = {0};
    adapter->write_body(&settings, "id-1", &message, &out);
    free(text);
    return out.data;
}

static cJSON *email_for(const char *body, size_t attachments) {
    const char *why;
    char *text = body_for(&provider_email_adapter, body, attachments);
    cJSON *email = json_parse(text, strlen(text), &why);
    ck_assert_msg(email != NULL, "%s: %s", why, text);
    free(text);
    return email;
}

static void assert_content(const char *body, size_t attachments, const char *type, const char *value) {
    cJSON *email = email_for(body, attachments);
    const cJSON *content = cJSON_GetArrayItem(json_member(email, "content"), 0);
    ck_assert_str_eq(json_string(content, "type"), type);
    ck_assert_str_eq(json_string(content, "value"), value);
    cJSON_Delete(email);
}

START_TEST(an_sms_is_a_form_with_the_normalized_numbers) {
    char *form = body_for(&provider_sms_adapter, "1 + 1 = 2 & more\xc3\xa9", 0);
    ck_assert_str_eq(form, "From=%2B1555&To=%2B1666&Body=1%20%2B%201%20%3D%202%20%26%20more%C3%A9");
    free(form);
}
END_TEST

START_TEST(an_mms_names_each_attachment) {
    char *form = body_for(&provider_sms_adapter, "x", 2);
    ck_assert_str_eq(form, "From=%2B1555&To=%2B1666&Body=x&MediaUrl=https%3A%2F%2Fexample.com%2Fa.png%3Fx%3D1%26y%3D2"
                           "&MediaUrl=https%3A%2F%2Fexample.com%2Fb.pdf");
    free(form);
}
END_TEST

START_TEST(the_subject_of_an_email_is_its_snippet) {
    cJSON *email = email_for("  Hello,\n\n dear  customers of ours", 0);
    ck_assert_str_eq(json_string(email, "subject"), "Hello, dea");
    ck_assert_str_eq(json_string(json_member(email, "custom_args"), "message_id"), "id-1");
    cJSON_Delete(email);
}
END_TEST

START_TEST(attachments_of_an_email_are_links_in_its_body) {
    assert_content("text", 0, "text/plain", "text");
    assert_content("a < b and <ann@x.com>", 0, "text/plain", "a < b and <ann@x.com>");
    assert_content("text", 2, "text/plain", "text\n\nhttps://example.com/a.png?x=1&y=2\nhttps://example.com/b.pdf");
    assert_content("<p>text</p>", 1, "text/html",
                   "<p>text</p><p><a href=\"https://example.com/a.png?x=1&amp;y=2\">"
                   "https://example.com/a.png?x=1&amp;y=2</a></p>");
    assert_content("<html><body>x</BODY></html>", 1, "text/html",
                   "<html><body>x<p><a href=\"https://example.com/a.png?x=1&amp;y=2\">"
                   "https://example.com/a.png?x=1&amp;y=2</a></p></BODY></html>");
}
END_TEST

START_TEST(the_credentials_and_paths_are_the_providers_own) {
    char *url = provider_sms_adapter.url(&settings);
    ck_assert_str_eq(url, "https://sms.example/2010-04-01/Accounts/AC%2F1/Messages.json");
    free(url);
    url = provider_email_adapter.url(&settings);
    ck_assert_str_eq(url, "https://e.example/v3/mail/send");
    free(url);
    char *authorization = provider_sms_adapter.authorization(&settings);
    ck_assert_str_eq(authorization, "Basic QUMvMTpzZWNyZXQ=");
    free(authorization);
    authorization = provider_email_adapter.authorization(&settings);
    ck_assert_str_eq(authorization, "Bearer secret");
    free(authorization);
}
END_TEST

static void assert_read(const struct provider_adapter *adapter, enum outcome_class class, const char *body,
                        const char *id, const char *error) {
    struct outcome outcome = {.class = class};
    adapter->read_answer(body, strlen(body), "header-id", &outcome);
    ck_assert_pstr_eq(outcome.provider_message_id, id);
    ck_assert_pstr_eq(outcome.error, error);
    outcome_clear(&outcome);
}

START_TEST(an_answer_gives_the_providers_id_or_its_error) {
    const struct provider_adapter *sms = &provider_sms_adapter, *email = &provider_email_adapter;
    assert_read(sms, OUTCOME_SENT, "{\"sid\":\"SM1\"}", "SM1", NULL);
    assert_read(sms, OUTCOME_SENT, "{\"sid\":", NULL, NULL);
    assert_read(sms, OUTCOME_REJECTED, "{\"code\":21211,\"message\":\"Invalid\\n'To'\"}", NULL, "21211: Invalid 'To'");
    assert_read(sms, OUTCOME_SERVER_ERROR, "<html>", NULL, NULL);
    assert_read(email, OUTCOME_SENT, "", "header-id", NULL);
    assert_read(email, OUTCOME_REJECTED, "{\"errors\":[{\"field\":\"to\",\"message\":\"missing\"}]}", NULL,
                "to: missing");
    assert_read(email, OUTCOME_SERVER_ERROR, "{\"errors\":{}}", NULL, NULL);
}
END_TEST

Suite *suite_provider(void) {
    Suite *suite = suite_create("provider");
    TCase *tests = tcase_create("dispatcher_provider");
    tcase_add_test(tests, an_sms_is_a_form_with_the_normalized_numbers);
    tcase_add_test(tests, an_mms_names_each_attachment);
    tcase_add_test(tests, the_subject_of_an_email_is_its_snippet);
    tcase_add_test(tests, attachments_of_an_email_are_links_in_its_body);
    tcase_add_test(tests, the_credentials_and_paths_are_the_providers_own);
    tcase_add_test(tests, an_answer_gives_the_providers_id_or_its_error);
    suite_add_tcase(suite, tests);
    return suite;
}
