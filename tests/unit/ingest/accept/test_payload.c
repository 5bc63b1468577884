// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/accept/payload.h"

Suite *suite_accept_payload(void);

#define SMS "\"from\":\"+1 (201) 666-1234\",\"to\":\"+18045551234\",\"type\":\"sms\",\"body\":\"hi\","
#define TIME "\"timestamp\":\"2024-11-01T14:00:00Z\""
#define EMAIL "\"from\":\"A+x@B.c\",\"to\":\"d@e.f\",\"body\":\"<b>\","

static const struct payload_rules rules = {.max_attachments = 2, .now_ms = 1234};

static int parse(enum payload_kind kind, const char *text, struct message *out, bool *stamped,
                 struct payload_error *error) {
    return payload_parse(kind, text, strlen(text), &rules, out, stamped, error);
}

static void assert_refused(enum payload_kind kind, const char *text, const char *field) {
    struct message message;
    struct payload_error error;
    bool stamped;
    ck_assert_msg(parse(kind, text, &message, &stamped, &error) == -1, "was taken: %s", text);
    ck_assert_str_eq(error.field, field);
    ck_assert_ptr_nonnull(error.reason);
    ck_assert_ptr_null(message.from);
}

static struct message taken(enum payload_kind kind, const char *text, bool *stamped) {
    struct message message;
    struct payload_error error = {.reason = NULL};
    ck_assert_msg(parse(kind, text, &message, stamped, &error) == 0, "%s: %s %s", text, error.field, error.reason);
    return message;
}

static void assert_taken(enum payload_kind kind, const char *text) {
    bool stamped;
    struct message message = taken(kind, text, &stamped);
    message_free(&message);
}

START_TEST(a_send_keeps_its_addresses_and_compares_them_normalized) {
    bool stamped;
    struct message message = taken(PAYLOAD_SEND_SMS, "{" SMS TIME "}", &stamped);
    ck_assert_str_eq(message.from, "+1 (201) 666-1234");
    ck_assert_str_eq(message.sender, "+12016661234");
    ck_assert_str_eq(message.recipient, "+18045551234");
    ck_assert_int_eq(message.type, MESSAGE_SMS);
    ck_assert_int_eq(message.direction, MESSAGE_OUTBOUND);
    ck_assert_int_eq(message.occurred_ms, INT64_C(1730469600000));
    ck_assert(!stamped);
    ck_assert_ptr_null(message.provider_message_id);
    message_free(&message);
}
END_TEST

START_TEST(what_is_no_json_object_is_refused_as_a_whole) {
    assert_refused(PAYLOAD_SEND_SMS, "", "");
    assert_refused(PAYLOAD_SEND_SMS, "{", "");
    assert_refused(PAYLOAD_SEND_SMS, "[]", "");
    assert_refused(PAYLOAD_SEND_SMS, "\"x\"", "");
    assert_refused(PAYLOAD_SEND_SMS, "{" SMS SMS TIME "}", "");
}
END_TEST

START_TEST(each_required_field_of_a_send_is_named_when_it_is_missing) {
    assert_refused(PAYLOAD_SEND_SMS, "{}", "from");
    assert_refused(PAYLOAD_SEND_SMS, "{\"from\":\"+12345\"}", "to");
    assert_refused(PAYLOAD_SEND_SMS, "{\"from\":\"+12345\",\"to\":\"+12345\"}", "type");
    assert_refused(PAYLOAD_SEND_SMS, "{\"from\":\"+12345\",\"to\":\"+12345\",\"type\":\"sms\"}", "body");
    assert_refused(PAYLOAD_SEND_SMS, "{" SMS "\"x\":1}", "timestamp");
    assert_refused(PAYLOAD_SEND_SMS, "{" SMS "\"timestamp\":null}", "timestamp");
    assert_refused(PAYLOAD_SEND_SMS, "{\"From\":\"+12345\"}", "from");
    assert_refused(PAYLOAD_SEND_SMS, "{\"from\":12345}", "from");
}
END_TEST

START_TEST(the_type_may_be_in_any_case_and_must_be_a_phones) {
    bool stamped;
    struct message message = taken(
        PAYLOAD_SEND_SMS,
        "{\"from\":\"123\",\"to\":\"456\",\"type\":\"MmS\",\"body\":\"x\",\"attachments\":[\"a\"]," TIME "}", &stamped);
    ck_assert_int_eq(message.type, MESSAGE_MMS);
    message_free(&message);
    assert_refused(PAYLOAD_SEND_SMS, "{\"from\":\"123\",\"to\":\"456\",\"type\":\"email\",\"body\":\"x\"," TIME "}",
                   "type");
}
END_TEST

START_TEST(an_email_needs_no_type_and_keeps_its_body) {
    bool stamped;
    struct message message = taken(PAYLOAD_SEND_EMAIL, "{\"type\":7," EMAIL TIME "}", &stamped);
    ck_assert_int_eq(message.type, MESSAGE_EMAIL);
    ck_assert_str_eq(message.sender, "a@b.c");
    ck_assert_str_eq(message.body, "<b>");
    message_free(&message);
    assert_refused(PAYLOAD_SEND_EMAIL, "{\"from\":\"+12345\"}", "from");
}
END_TEST

START_TEST(a_blank_body_is_refused_for_sends_only) {
    static const char blank[] = "{\"from\":\"123\",\"to\":\"456\",\"type\":\"sms\",\"body\":\" \\u00a0\\n\","
                                "\"messaging_provider_id\":\"m\"," TIME "}";
    assert_refused(PAYLOAD_SEND_SMS, blank, "body");
    assert_taken(PAYLOAD_WEBHOOK_SMS, blank);
    assert_refused(PAYLOAD_WEBHOOK_SMS, "{\"from\":\"123\",\"to\":\"456\",\"type\":\"sms\",\"body\":null," TIME "}",
                   "body");
}
END_TEST

static void with_attachments(const char *attachments, char out[512]) {
    snprintf(out, 512, "{" SMS TIME ",\"attachments\":%s}", attachments);
}

START_TEST(attachments_may_be_absent_null_or_a_few_urls) {
    static const char *const good[] = {
        "null", "[]", "[\"attachment-url\"]", "[\"HTTP://x/y\",\"https://x\"]", "[\"/a:b\"]", "[\"1a:b\"]",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char text[512];
        with_attachments(good[i], text);
        assert_taken(PAYLOAD_SEND_SMS, text);
    }
}
END_TEST

START_TEST(a_wrong_attachment_is_named_by_its_place) {
    static const char *const bad[][2] = {
        {"{}", "attachments"},
        {"\"a\"", "attachments"},
        {"[\"a\",\"b\",\"c\"]", "attachments"},
        {"[\"\"]", "attachments[0]"},
        {"[\"a\",7]", "attachments[1]"},
        {"[\"ftp://x\"]", "attachments[0]"},
        {"[\"javascript:x\"]", "attachments[0]"},
        {"[\"data:x\"]", "attachments[0]"},
        {"[\"a\\u0007b\"]", "attachments[0]"},
        {"[\"a\\u0085b\"]", "attachments[0]"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[512];
        with_attachments(bad[i][0], text);
        assert_refused(PAYLOAD_SEND_SMS, text, bad[i][1]);
    }
}
END_TEST

START_TEST(an_attachment_has_at_most_2048_bytes) {
    for (int length = 2048; length <= 2049; length++) {
        char url[2050], text[3000];
        memset(url, 'a', (size_t)length);
        url[length] = '\0';
        snprintf(text, sizeof text, "{" SMS TIME ",\"attachments\":[\"%s\"]}", url);
        if (length == 2048) {
            assert_taken(PAYLOAD_SEND_SMS, text);
        } else {
            assert_refused(PAYLOAD_SEND_SMS, text, "attachments[0]");
        }
    }
}
END_TEST

START_TEST(an_mms_send_needs_an_attachment_and_an_mms_webhook_does_not) {
    static const char mms[] = "{\"from\":\"123\",\"to\":\"456\",\"type\":\"mms\",\"body\":\"x\",\"attachments\":[],"
                              "\"messaging_provider_id\":\"m\"," TIME "}";
    assert_refused(PAYLOAD_SEND_SMS, mms, "attachments");
    assert_taken(PAYLOAD_WEBHOOK_SMS, mms);
}
END_TEST

START_TEST(a_webhook_with_a_bad_timestamp_is_stamped_with_its_arrival) {
    static const char *const times[] = {"", ",\"timestamp\":\"yesterday\"", ",\"timestamp\":7", ",\"timestamp\":null"};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char text[512];
        bool stamped;
        snprintf(text, sizeof text, "{" EMAIL "\"xillio_id\":\"x\"%s}", times[i]);
        struct message message = taken(PAYLOAD_WEBHOOK_EMAIL, text, &stamped);
        ck_assert(stamped);
        ck_assert_int_eq(message.occurred_ms, rules.now_ms);
        ck_assert_int_eq(message.direction, MESSAGE_INBOUND);
        message_free(&message);
    }
    assert_refused(PAYLOAD_SEND_EMAIL, "{" EMAIL "\"timestamp\":\"2024-13-01T00:00:00Z\"}", "timestamp");
}
END_TEST

START_TEST(a_webhook_needs_the_providers_id) {
    assert_refused(PAYLOAD_WEBHOOK_SMS, "{" SMS TIME "}", "messaging_provider_id");
    assert_refused(PAYLOAD_WEBHOOK_EMAIL, "{" EMAIL TIME ",\"messaging_provider_id\":\"m\"}", "xillio_id");
    assert_refused(PAYLOAD_WEBHOOK_SMS, "{" SMS TIME ",\"messaging_provider_id\":\"\"}", "messaging_provider_id");
    assert_refused(PAYLOAD_WEBHOOK_SMS, "{" SMS TIME ",\"messaging_provider_id\":\"a\\tb\"}", "messaging_provider_id");
    bool stamped;
    struct message message =
        taken(PAYLOAD_WEBHOOK_SMS, "{" SMS TIME ",\"messaging_provider_id\":\"message-1\"}", &stamped);
    ck_assert_str_eq(message.provider_message_id, "message-1");
    message_free(&message);
}
END_TEST

START_TEST(a_providers_id_has_at_most_255_characters) {
    for (int length = 255; length <= 256; length++) {
        char id[600] = "", text[1000];
        for (int i = 0; i < length; i++) {
            strcat(id, "é");
        }
        snprintf(text, sizeof text, "{" SMS TIME ",\"messaging_provider_id\":\"%s\"}", id);
        if (length == 255) {
            assert_taken(PAYLOAD_WEBHOOK_SMS, text);
        } else {
            assert_refused(PAYLOAD_WEBHOOK_SMS, text, "messaging_provider_id");
        }
    }
}
END_TEST

START_TEST(a_mock_inbound_takes_its_type_from_the_channel) {
    bool stamped;
    struct message message = taken(
        PAYLOAD_MOCK_INBOUND, "{\"channel\":\"mms\",\"from\":\"123\",\"to\":\"456\",\"body\":\"\"," TIME "}", &stamped);
    ck_assert_int_eq(message.type, MESSAGE_MMS);
    ck_assert_int_eq(message.direction, MESSAGE_INBOUND);
    ck_assert_ptr_null(message.provider_message_id);
    message_free(&message);
    message = taken(PAYLOAD_MOCK_INBOUND, "{\"channel\":\"email\",\"xillio_id\":\"x\"," EMAIL TIME "}", &stamped);
    ck_assert_int_eq(message.type, MESSAGE_EMAIL);
    ck_assert_str_eq(message.provider_message_id, "x");
    message_free(&message);
    assert_refused(PAYLOAD_MOCK_INBOUND, "{" SMS TIME "}", "channel");
    assert_refused(PAYLOAD_MOCK_INBOUND, "{\"channel\":\"fax\"," SMS TIME "}", "channel");
}
END_TEST

Suite *suite_accept_payload(void) {
    Suite *suite = suite_create("accept_payload");
    TCase *tests = tcase_create("payload");
    tcase_add_test(tests, a_send_keeps_its_addresses_and_compares_them_normalized);
    tcase_add_test(tests, what_is_no_json_object_is_refused_as_a_whole);
    tcase_add_test(tests, each_required_field_of_a_send_is_named_when_it_is_missing);
    tcase_add_test(tests, the_type_may_be_in_any_case_and_must_be_a_phones);
    tcase_add_test(tests, an_email_needs_no_type_and_keeps_its_body);
    tcase_add_test(tests, a_blank_body_is_refused_for_sends_only);
    tcase_add_test(tests, attachments_may_be_absent_null_or_a_few_urls);
    tcase_add_test(tests, a_wrong_attachment_is_named_by_its_place);
    tcase_add_test(tests, an_attachment_has_at_most_2048_bytes);
    tcase_add_test(tests, an_mms_send_needs_an_attachment_and_an_mms_webhook_does_not);
    tcase_add_test(tests, a_webhook_with_a_bad_timestamp_is_stamped_with_its_arrival);
    tcase_add_test(tests, a_webhook_needs_the_providers_id);
    tcase_add_test(tests, a_providers_id_has_at_most_255_characters);
    tcase_add_test(tests, a_mock_inbound_takes_its_type_from_the_channel);
    suite_add_tcase(suite, tests);
    return suite;
}
