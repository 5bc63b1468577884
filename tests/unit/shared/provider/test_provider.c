// SPDX-License-Identifier: MIT
// What the two providers are sent, and what is made of their answers.

#include "shared/provider/provider.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"

Suite *suite_provider(void);

static char first[] = "https://example.com/a.png?x=1&y=2", second[] = "https://example.com/b.pdf";
static char *links[] = {first, second};
static char account[] = "AC/1", token[] = "secret", sms_url[] = "https://sms.example/",
            email_url[] = "https://e.example", nothing[] = "";

static const struct settings settings = {.provider_sms_url = sms_url,
                                         .provider_sms_account = account,
                                         .provider_sms_token = token,
                                         .provider_sms_key_sid = nothing,
                                         .provider_sms_key_secret = nothing,
                                         .provider_sms_service = nothing,
                                         .provider_email_url = email_url,
                                         .provider_email_token = token,
                                         .webhook_public_url = nothing,
                                         .conversation_snippet_length = 10};

static char *body_by(const struct settings *by, const struct provider_adapter *adapter, const char *body,
                     size_t attachments) {
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
    adapter->write_body(&(struct provider_send){by, "id-1", 7, &message}, &out);
    free(text);
    return out.data;
}

static char *body_for(const struct provider_adapter *adapter, const char *body, size_t attachments) {
    return body_by(&settings, adapter, body, attachments);
}

static cJSON *email_for(const char *body, size_t attachments) {
    const char *why;
    char *text = body_for(&provider_sendgrid, body, attachments);
    cJSON *email = json_parse(text, strlen(text), &why);
    ck_assert_msg(email != NULL, "%s: %s", why, text);
    free(text);
    return email;
}

static void assert_part(const cJSON *email, int index, const char *type, const char *value) {
    const cJSON *part = cJSON_GetArrayItem(json_member(email, "content"), index);
    ck_assert_pstr_eq(json_string(part, "type"), type);
    ck_assert_pstr_eq(json_string(part, "value"), value);
}

static void assert_text(const char *body, size_t attachments, const char *value) {
    cJSON *email = email_for(body, attachments);
    assert_part(email, 0, "text/plain", value);
    assert_part(email, 1, NULL, NULL);
    cJSON_Delete(email);
}

// text: of the part that comes before.
static void assert_html(const char *body, size_t attachments, const char *text, const char *value) {
    cJSON *email = email_for(body, attachments);
    assert_part(email, 0, "text/plain", text);
    assert_part(email, 1, "text/html", value);
    assert_part(email, 2, NULL, NULL);
    cJSON_Delete(email);
}

START_TEST(an_sms_is_a_form_with_the_normalized_numbers) {
    char *form = body_for(&provider_twilio, "1 + 1 = 2 & more\xc3\xa9", 0);
    ck_assert_str_eq(form, "From=%2B1555&To=%2B1666&Body=1%20%2B%201%20%3D%202%20%26%20more%C3%A9");
    free(form);
}
END_TEST

START_TEST(an_mms_names_each_attachment) {
    char *form = body_for(&provider_twilio, "x", 2);
    ck_assert_str_eq(form, "From=%2B1555&To=%2B1666&Body=x&MediaUrl=https%3A%2F%2Fexample.com%2Fa.png%3Fx%3D1%26y%3D2"
                           "&MediaUrl=https%3A%2F%2Fexample.com%2Fb.pdf");
    free(form);
    form = body_for(&provider_twilio, "", 1);
    ck_assert_str_eq(form, "From=%2B1555&To=%2B1666&MediaUrl=https%3A%2F%2Fexample.com%2Fa.png%3Fx%3D1%26y%3D2");
    free(form);
}
END_TEST

START_TEST(a_sender_id_goes_as_it_was_written) {
    char from[] = "My Brand", to[] = "+1666", sender[] = "my brand", text[] = "x";
    struct message message = {.from = from, .to = to, .sender = sender, .recipient = to, .body = text};
    struct buf form = {0};
    provider_twilio.write_body(&(struct provider_send){&settings, "id-1", 7, &message}, &form);
    ck_assert_str_eq(form.data, "From=My%20Brand&To=%2B1666&Body=x");
    buf_free(&form);
}
END_TEST

START_TEST(a_messaging_service_is_named_beside_the_sender) {
    char service[] = "MG1";
    struct settings with_service = settings;
    with_service.provider_sms_service = service;
    char *form = body_by(&with_service, &provider_twilio, "x", 0);
    ck_assert_str_eq(form, "From=%2B1555&MessagingServiceSid=MG1&To=%2B1666&Body=x");
    free(form);
}
END_TEST

START_TEST(an_api_key_authenticates_and_the_account_stays_in_the_url) {
    char sid[] = "SK1", secret[] = "s3";
    struct settings with_key = settings;
    with_key.provider_sms_key_sid = sid;
    with_key.provider_sms_key_secret = secret;
    char *authorization = provider_twilio.authorization(&with_key);
    ck_assert_str_eq(authorization, "Basic U0sxOnMz");
    free(authorization);
    char *url = provider_twilio.url(&with_key);
    ck_assert_str_eq(url, "https://sms.example/2010-04-01/Accounts/AC%2F1/Messages.json");
    free(url);
}
END_TEST

START_TEST(the_subject_of_an_email_is_its_snippet) {
    cJSON *email = email_for("  Hello,\n\n dear  customers of ours", 0);
    ck_assert_str_eq(json_string(email, "subject"), "Hello, dea");
    ck_assert_str_eq(json_string(json_member(email, "custom_args"), "message_id"), "id-1");
    cJSON_Delete(email);
}
END_TEST

START_TEST(the_subject_of_an_html_email_is_of_its_text) {
    cJSON *email = email_for("<html><head><title>No</title><style>p{}</style></head><p>A &amp; B</p><p>more words", 0);
    ck_assert_str_eq(json_string(email, "subject"), "A & B more");
    cJSON_Delete(email);
    email = email_for("<img src=\"x\">", 0);
    ck_assert_str_eq(json_string(email, "subject"), "(no subject)");
    cJSON_Delete(email);
    email = email_for("<p>a&#13;&#10;Bcc: x&#1;y</p>", 0);
    ck_assert_str_eq(json_string(email, "subject"), "a Bcc: xy");
    cJSON_Delete(email);
}
END_TEST

static void assert_subject(const char *given, const char *expected) {
    char address[] = "a@x.com", body[] = "The body", *subject = strdup(given);
    struct message message = {.type = MESSAGE_EMAIL, .from = address, .to = address, .body = body, .subject = subject};
    struct buf out = {0};
    provider_sendgrid.write_body(&(struct provider_send){&settings, "id-1", 7, &message}, &out);
    const char *why;
    cJSON *email = json_parse(out.data, out.length, &why);
    ck_assert_str_eq(json_string(email, "subject"), expected);
    cJSON_Delete(email);
    buf_free(&out);
    free(subject);
}

START_TEST(a_subject_that_is_given_goes_out_in_one_line) {
    assert_subject("Longer than the snippet is", "Longer than the snippet is");
    assert_subject("<b>not</b> &amp; HTML", "<b>not</b> &amp; HTML");
    assert_subject("a\r\nBcc: b@x.com\x01\x7f", "a Bcc: b@x.com");
    assert_subject(" \n", "The body");
}
END_TEST

START_TEST(a_subject_has_at_most_998_bytes_and_no_character_in_part) {
    char given[2002] = "", expected[1000] = "a";
    for (size_t i = 1; i < 2000; i += 2) {
        memcpy(given + i, "\xc3\xa9", 2);
        memcpy(expected + (i < 996 ? i : 995), "\xc3\xa9", 2);
    }
    given[0] = 'a';
    assert_subject(given, expected);
    ck_assert_uint_eq(strlen(expected), 997);
}
END_TEST

START_TEST(attachments_of_an_email_are_links_in_its_body) {
    assert_text("text", 0, "text");
    assert_text("a < b and <ann@x.com>, I <3 vector<int>", 0, "a < b and <ann@x.com>, I <3 vector<int>");
    assert_text("text", 2, "text\n\nhttps://example.com/a.png?x=1&y=2\nhttps://example.com/b.pdf");
    assert_html("<p>text</p>", 1, "text\n\nhttps://example.com/a.png?x=1&y=2",
                "<p>text</p><p><a href=\"https://example.com/a.png?x=1&amp;y=2\">"
                "https://example.com/a.png?x=1&amp;y=2</a></p>");
    assert_html("<br>", 1, "https://example.com/a.png?x=1&y=2",
                "<br><p><a href=\"https://example.com/a.png?x=1&amp;y=2\">"
                "https://example.com/a.png?x=1&amp;y=2</a></p>");
    assert_html("<html><body>x</BODY></html>", 1, "x\n\nhttps://example.com/a.png?x=1&y=2",
                "<html><body>x<p><a href=\"https://example.com/a.png?x=1&amp;y=2\">"
                "https://example.com/a.png?x=1&amp;y=2</a></p></BODY></html>");
}
END_TEST

START_TEST(an_html_email_has_its_text_before_it) {
    assert_html("<h1>Hi &amp; hello</h1><p>See <a href='https://x.com/?a=1&amp;b=2'>this</a>.<br>Bye</p>", 0,
                "Hi & hello\n\nSee this (https://x.com/?a=1&b=2).\nBye",
                "<h1>Hi &amp; hello</h1><p>See <a href='https://x.com/?a=1&amp;b=2'>this</a>.<br>Bye</p>");
    cJSON *email = email_for("<p><img src='x'></p>", 0); // no text: SendGrid takes no empty part
    assert_part(email, 0, "text/html", "<p><img src='x'></p>");
    assert_part(email, 1, NULL, NULL);
    cJSON_Delete(email);
}
END_TEST

START_TEST(the_credentials_and_paths_are_the_providers_own) {
    char *url = provider_twilio.url(&settings);
    ck_assert_str_eq(url, "https://sms.example/2010-04-01/Accounts/AC%2F1/Messages.json");
    free(url);
    url = provider_sendgrid.url(&settings);
    ck_assert_str_eq(url, "https://e.example/v3/mail/send");
    free(url);
    char *authorization = provider_twilio.authorization(&settings);
    ck_assert_str_eq(authorization, "Basic QUMvMTpzZWNyZXQ=");
    free(authorization);
    authorization = provider_sendgrid.authorization(&settings);
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
    const struct provider_adapter *sms = &provider_twilio, *email = &provider_sendgrid;
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

static char public_url[] = "https://hooks.example.com";

static struct settings with_public_url(void) {
    struct settings with = settings;
    with.webhook_public_url = public_url;
    return with;
}

START_TEST(twilio_is_told_where_to_report_where_we_know_how_we_are_called) {
    struct settings with = with_public_url();
    char *form = body_by(&with, &provider_twilio, "x", 0);
    ck_assert_str_eq(form, "From=%2B1555&To=%2B1666&Body=x&StatusCallback=https%3A%2F%2Fhooks.example.com%2Fapi%2F"
                           "webhooks%2Fsms%2Fstatus%3Fmessage_id%3Did-1%26partition%3D7");
    free(form);
}
END_TEST

START_TEST(sendgrids_events_give_back_where_the_message_is) {
    struct settings with = with_public_url();
    const struct settings *const both[] = {&settings, &with};
    static const char *const expected[] = {
        "\"custom_args\":{\"message_id\":\"id-1\"}}",
        "\"custom_args\":{\"message_id\":\"id-1\",\"partition\":\"7\",\"our_address\":\"+1555\"}}"};
    for (size_t i = 0; i < 2; i++) {
        char *email = body_by(both[i], &provider_sendgrid, "x", 0);
        ck_assert_msg(strstr(email, expected[i]) != NULL, "%s", email);
        free(email);
    }
}
END_TEST

Suite *suite_provider(void) {
    Suite *suite = suite_create("provider");
    TCase *tests = tcase_create("dispatcher_provider");
    tcase_add_test(tests, an_sms_is_a_form_with_the_normalized_numbers);
    tcase_add_test(tests, an_mms_names_each_attachment);
    tcase_add_test(tests, a_sender_id_goes_as_it_was_written);
    tcase_add_test(tests, a_messaging_service_is_named_beside_the_sender);
    tcase_add_test(tests, an_api_key_authenticates_and_the_account_stays_in_the_url);
    tcase_add_test(tests, the_subject_of_an_email_is_its_snippet);
    tcase_add_test(tests, the_subject_of_an_html_email_is_of_its_text);
    tcase_add_test(tests, a_subject_that_is_given_goes_out_in_one_line);
    tcase_add_test(tests, a_subject_has_at_most_998_bytes_and_no_character_in_part);
    tcase_add_test(tests, attachments_of_an_email_are_links_in_its_body);
    tcase_add_test(tests, an_html_email_has_its_text_before_it);
    tcase_add_test(tests, the_credentials_and_paths_are_the_providers_own);
    tcase_add_test(tests, an_answer_gives_the_providers_id_or_its_error);
    tcase_add_test(tests, twilio_is_told_where_to_report_where_we_know_how_we_are_called);
    tcase_add_test(tests, sendgrids_events_give_back_where_the_message_is);
    suite_add_tcase(suite, tests);
    return suite;
}
