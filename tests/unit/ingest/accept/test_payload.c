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

#define NOW_MS INT64_C(1730469600000) // TIME

static const struct payload_rules rules = {.max_attachments = 12, .now_ms = NOW_MS, .redis_ms = NOW_MS};

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

START_TEST(a_listed_send_says_by_its_type_which_kind_it_is_and_keeps_that_kinds_rules) {
    bool stamped;
    static const struct {
        const char *type;
        enum message_type expected;
    } kinds[] = {{"sms", MESSAGE_SMS}, {"Email", MESSAGE_EMAIL}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char text[256];
        snprintf(text, sizeof text, "{\"type\":\"%s\",%s" TIME "}", kinds[i].type,
                 kinds[i].expected == MESSAGE_EMAIL ? EMAIL : "\"from\":\"+1201\",\"to\":\"+1804\",\"body\":\"hi\",");
        struct message message = taken(PAYLOAD_SEND_LISTED, text, &stamped);
        ck_assert_int_eq(message.type, kinds[i].expected);
        ck_assert_int_eq(message.direction, MESSAGE_OUTBOUND);
        message_free(&message);
    }
    assert_refused(PAYLOAD_SEND_LISTED, "{" EMAIL TIME "}", "type");
    assert_refused(PAYLOAD_SEND_LISTED, "{\"type\":\"fax\"," EMAIL TIME "}", "type");
    assert_refused(PAYLOAD_SEND_LISTED, "{\"type\":7," EMAIL TIME "}", "type");
    assert_refused(PAYLOAD_SEND_LISTED, "{\"type\":\"sms\"," EMAIL TIME "}", "from");
    assert_refused(PAYLOAD_SEND_LISTED, "{\"type\":\"mms\",\"from\":\"+1201\",\"to\":\"+1804\"," TIME "}",
                   "attachments");
    assert_refused(PAYLOAD_SEND_LISTED, "{\"type\":\"email\",\"cc\":\"x@y.z\"," EMAIL TIME "}", "cc");
    assert_refused(PAYLOAD_SEND_LISTED, "[]", "");
}
END_TEST

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

#define PAIR "\"from\":\"123\",\"to\":\"456\","
#define ID "\"messaging_provider_id\":\"m\","

START_TEST(a_webhook_without_a_type_is_an_mms_where_it_has_attachments) {
    static const char *const types[] = {"", "\"type\":null,"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        for (int is_mms = 0; is_mms <= 1; is_mms++) {
            char text[256];
            bool stamped;
            snprintf(text, sizeof text, "{" PAIR ID "%s\"body\":\"x\",\"attachments\":[%s]," TIME "}", types[i],
                     is_mms ? "\"a\"" : "\"\"");
            struct message message = taken(PAYLOAD_WEBHOOK_SMS, text, &stamped);
            ck_assert_int_eq(message.type, is_mms ? MESSAGE_MMS : MESSAGE_SMS);
            message_free(&message);
        }
    }
    assert_refused(PAYLOAD_WEBHOOK_SMS, "{" PAIR ID "\"type\":\"\",\"body\":\"x\"," TIME "}", "type");
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
    static const char blank[] = "{" PAIR "\"type\":\"sms\",\"body\":\" \\u00a0\\n\\u200b\\ufeff\"," ID TIME "}";
    assert_refused(PAYLOAD_SEND_SMS, blank, "body");
    assert_taken(PAYLOAD_WEBHOOK_SMS, blank);
    assert_refused(PAYLOAD_WEBHOOK_SMS, "{" PAIR ID "\"type\":\"sms\",\"body\":null," TIME "}", "body");
}
END_TEST

static void assert_body(enum payload_kind kind, const char *text, const char *body) {
    bool stamped;
    struct message message = taken(kind, text, &stamped);
    ck_assert_str_eq(message.body, body);
    message_free(&message);
}

START_TEST(an_mms_needs_no_body_nor_does_a_webhook_with_something_else_in_it) {
    static const char *const bodies[] = {"", "\"body\":null,", "\"body\":\"\","};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        char text[512];
        snprintf(text, sizeof text, "{" PAIR ID "%s\"type\":\"mms\",\"attachments\":[\"a\"]," TIME "}", bodies[i]);
        assert_body(PAYLOAD_SEND_SMS, text, "");
        assert_body(PAYLOAD_WEBHOOK_SMS, text, "");
        snprintf(text, sizeof text, "{" PAIR ID "%s\"type\":\"mms\"," TIME "}", bodies[i]);
        assert_body(PAYLOAD_WEBHOOK_SMS, text, "");
        assert_refused(PAYLOAD_SEND_SMS, text, "attachments");
    }
    assert_body(PAYLOAD_SEND_SMS, "{" PAIR "\"type\":\"mms\",\"body\":\" \",\"attachments\":[\"a\"]," TIME "}", " ");
    assert_body(PAYLOAD_WEBHOOK_SMS, "{" PAIR ID "\"type\":\"sms\",\"attachments\":[\"a\"]," TIME "}", "");
    assert_body(PAYLOAD_WEBHOOK_EMAIL,
                "{\"from\":\"a@b.c\",\"to\":\"d@e.f\",\"xillio_id\":\"x\",\"subject\":\"s\"," TIME "}", "");
    assert_refused(PAYLOAD_SEND_EMAIL, "{\"from\":\"a@b.c\",\"to\":\"d@e.f\",\"subject\":\"s\"," TIME "}", "body");
}
END_TEST

// A body of so many characters of two bytes each.
static char *with_long_body(const char *head, int count) {
    struct buf text = {0};
    buf_puts(&text, head);
    buf_puts(&text, "\"body\":\"");
    for (int i = 0; i < count; i++) {
        buf_puts(&text, "\xc3\xa9");
    }
    buf_puts(&text, "\"}");
    return text.data;
}

START_TEST(a_phone_takes_1600_characters_from_a_client) {
    static const char sms[] = "{" PAIR ID "\"type\":\"sms\"," TIME ",";
    static const char email[] = "{\"from\":\"a@b.c\",\"to\":\"d@e.f\"," TIME ",";
    char *most = with_long_body(sms, 1600), *more = with_long_body(sms, 1601), *mail = with_long_body(email, 1601);
    assert_taken(PAYLOAD_SEND_SMS, most);
    assert_refused(PAYLOAD_SEND_SMS, more, "body");
    assert_taken(PAYLOAD_WEBHOOK_SMS, more);
    assert_taken(PAYLOAD_SEND_EMAIL, mail);
    free(most);
    free(more);
    free(mail);
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
        {"[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\"]", "attachments"},
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

static char *list_of(const char *item, int count) {
    struct buf list = {0};
    buf_putc(&list, '[');
    for (int i = 0; i < count; i++) {
        buf_printf(&list, "%s\"%s\"", i > 0 ? "," : "", item);
    }
    buf_putc(&list, ']');
    return list.data;
}

static void assert_attachments(enum payload_kind kind, const char *attachments, const char *refused) {
    bool is_email = kind == PAYLOAD_SEND_EMAIL || kind == PAYLOAD_WEBHOOK_EMAIL;
    char *text =
        xasprintf("{%s" ID "\"xillio_id\":\"x\"," TIME ",\"attachments\":%s}", is_email ? EMAIL : SMS, attachments);
    if (refused != NULL) {
        assert_refused(kind, text, refused);
    } else {
        assert_taken(kind, text);
    }
    free(text);
}

START_TEST(a_phone_takes_10_media_from_a_client_and_any_number_comes_in) {
    char *ten = list_of("a", 10), *eleven = list_of("a", 11), *many = list_of("cid:x", 32767),
         *most = list_of("a", 32768);
    assert_attachments(PAYLOAD_SEND_SMS, ten, NULL);
    assert_attachments(PAYLOAD_SEND_SMS, eleven, "attachments");
    assert_attachments(PAYLOAD_SEND_EMAIL, eleven, NULL);
    assert_attachments(PAYLOAD_WEBHOOK_SMS, eleven, NULL);
    assert_attachments(PAYLOAD_WEBHOOK_EMAIL, many, NULL);
    assert_attachments(PAYLOAD_WEBHOOK_EMAIL, most, "attachments");
    free(ten);
    free(eleven);
    free(many);
    free(most);
}
END_TEST

static void assert_kept_attachments(const char *attachments, size_t count, const char *first) {
    bool stamped;
    char *text = xasprintf("{" SMS ID TIME ",\"attachments\":%s}", attachments);
    struct message message = taken(PAYLOAD_WEBHOOK_SMS, text, &stamped);
    ck_assert_uint_eq(message.attachment_count, count);
    ck_assert_str_eq(message.attachments[0], first);
    message_free(&message);
    free(text);
}

START_TEST(a_webhooks_attachments_are_kept_as_they_are) {
    char url[2501], list[2600];
    memset(url, 'u', sizeof url - 1);
    url[2500] = '\0';
    snprintf(list, sizeof list, "[\"%s\"]", url);
    assert_kept_attachments(list, 1, url);
    assert_kept_attachments("[\" javascript:alert(1)\",\"cid:x\",\"http:\"]", 3, " javascript:alert(1)");
    assert_kept_attachments("[\"\",null,\"a\\nb\"]", 1, "a\nb");
    assert_kept_attachments("\"one\"", 1, "one");
    assert_attachments(PAYLOAD_WEBHOOK_SMS, "\"\"", NULL);
    assert_attachments(PAYLOAD_WEBHOOK_SMS, "[\"a\",7]", "attachments[1]");
    assert_attachments(PAYLOAD_WEBHOOK_SMS, "{}", "attachments");
    assert_attachments(PAYLOAD_SEND_SMS, "[null]", "attachments[0]");
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
    bool stamped;
    struct message message =
        taken(PAYLOAD_WEBHOOK_SMS, "{" SMS TIME ",\"messaging_provider_id\":\"message-1\"}", &stamped);
    ck_assert_str_eq(message.provider_message_id, "message-1");
    message_free(&message);
}
END_TEST

static void assert_provider_id(const char *value, const char *kept) {
    bool stamped;
    char *text = xasprintf("{" SMS TIME ",\"messaging_provider_id\":%s}", value);
    struct message message = taken(PAYLOAD_WEBHOOK_SMS, text, &stamped);
    ck_assert_str_eq(message.provider_message_id, kept);
    message_free(&message);
    free(text);
}

START_TEST(a_providers_id_is_kept_in_full) {
    char id[3001], quoted[3003];
    memset(id, 'i', sizeof id - 1);
    id[3000] = '\0';
    snprintf(quoted, sizeof quoted, "\"%s\"", id);
    assert_provider_id(quoted, id);
    assert_provider_id("\"a\\tb\"", "a\tb");
    assert_provider_id("123456789012345678901234567890", "123456789012345678901234567890");
    assert_provider_id("-0", "-0");
    char *number = xasprintf("9%0100d", 7);
    assert_provider_id(number, number);
    free(number);
    assert_refused(PAYLOAD_WEBHOOK_SMS, "{" SMS TIME ",\"messaging_provider_id\":1.5}", "messaging_provider_id");
    assert_refused(PAYLOAD_WEBHOOK_SMS, "{" SMS TIME ",\"messaging_provider_id\":true}", "messaging_provider_id");
    assert_refused(PAYLOAD_WEBHOOK_SMS, "{" SMS TIME ",\"messaging_provider_id\":\" \"}", "messaging_provider_id");
}
END_TEST

START_TEST(a_webhooks_addresses_and_body_may_be_numbers) {
    bool stamped;
    struct message message =
        taken(PAYLOAD_WEBHOOK_SMS, "{\"from\":12015551234,\"to\":24273,\"type\":\"sms\",\"body\":123456," ID TIME "}",
              &stamped);
    ck_assert_str_eq(message.from, "12015551234");
    ck_assert_str_eq(message.sender, "12015551234");
    ck_assert_str_eq(message.recipient, "24273");
    ck_assert_str_eq(message.body, "123456");
    message_free(&message);
}
END_TEST

START_TEST(a_webhook_keeps_half_a_character_as_a_replacement_character_and_a_send_does_not) {
    static const char text[] = "{" PAIR ID "\"type\":\"sms\",\"body\":\"a\\ud83d\\u0000\",\"x\":\"\\udc00\"," TIME "}";
    assert_body(PAYLOAD_WEBHOOK_SMS, text, "a\xef\xbf\xbd\xef\xbf\xbd");
    assert_refused(PAYLOAD_SEND_SMS, text, "");
}
END_TEST

START_TEST(a_long_number_that_nobody_reads_costs_no_message) {
    char *text = xasprintf("{" SMS ID TIME ",\"x\":[-1%0100d.5e+10]}", 0);
    assert_taken(PAYLOAD_SEND_SMS, text);
    assert_taken(PAYLOAD_WEBHOOK_SMS, text);
    free(text);
}
END_TEST

static void assert_time(const char *value, int64_t ms) {
    bool stamped;
    char *text = xasprintf("{" SMS ID "\"timestamp\":%s}", value);
    struct message message = taken(PAYLOAD_WEBHOOK_SMS, text, &stamped);
    ck_assert_int_eq(message.occurred_ms, ms);
    ck_assert(!stamped);
    message_free(&message);
    free(text);
}

START_TEST(a_webhooks_time_may_be_written_as_providers_do) {
    assert_time("\"Fri, 1 Nov 2024 14:00:00 +0000\"", NOW_MS);
    assert_time("\"2024-11-01 19:30:00+0530\"", NOW_MS);
    assert_time("1730469600", NOW_MS);
    assert_time("1730469600.123", NOW_MS + 123);
    assert_time("1730469600123", NOW_MS + 123);
    assert_time("\"1730469600123\"", NOW_MS + 123);
    assert_refused(PAYLOAD_SEND_SMS, "{" SMS "\"timestamp\":1730469600}", "timestamp");
    assert_refused(PAYLOAD_SEND_SMS, "{" SMS "\"timestamp\":\"2024-11-01 14:00:00Z\"}", "timestamp");
}
END_TEST

static void assert_arrival(const char *timestamp) {
    char text[256];
    bool stamped;
    snprintf(text, sizeof text, "{" SMS ID "\"timestamp\":%s}", timestamp);
    struct message message = taken(PAYLOAD_WEBHOOK_SMS, text, &stamped);
    ck_assert(stamped);
    ck_assert_int_eq(message.occurred_ms, NOW_MS);
    message_free(&message);
}

START_TEST(no_message_is_of_more_than_a_day_ahead) {
    assert_taken(PAYLOAD_SEND_SMS, "{" SMS "\"timestamp\":\"2024-11-02T14:00:00Z\"}");
    assert_refused(PAYLOAD_SEND_SMS, "{" SMS "\"timestamp\":\"2024-11-02T14:00:00.001Z\"}", "timestamp");
    assert_time("\"2024-11-02T14:00:00Z\"", NOW_MS + 86400000);
    assert_arrival("\"9999-12-31T23:59:59Z\"");
}
END_TEST

START_TEST(a_webhook_of_a_clock_that_nobody_set_is_of_its_arrival) {
    assert_arrival("\"0001-01-01T00:00:00Z\"");
    assert_arrival("\"1970-01-01T00:00:00Z\"");
    assert_time("\"1980-01-01T00:00:00Z\"", INT64_C(315532800000));
}
END_TEST

static void assert_subject(enum payload_kind kind, const char *text, const char *subject) {
    bool stamped;
    struct message message = taken(kind, text, &stamped);
    ck_assert_pstr_eq(message.subject, subject);
    message_free(&message);
}

START_TEST(an_email_may_have_a_subject) {
    assert_subject(PAYLOAD_SEND_EMAIL, "{" EMAIL TIME "}", NULL);
    assert_subject(PAYLOAD_SEND_EMAIL, "{" EMAIL TIME ",\"subject\":null}", NULL);
    assert_subject(PAYLOAD_SEND_EMAIL, "{" EMAIL TIME ",\"subject\":\" H\u00e9llo \"}", " H\xc3\xa9llo ");
    static const char *const bad[] = {"\"\"", "\" \"", "7", "[]", "\"a\\r\\nBcc: b@c.d\"", "\"\\u0085\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[512];
        snprintf(text, sizeof text, "{" EMAIL TIME ",\"subject\":%s}", bad[i]);
        assert_refused(PAYLOAD_SEND_EMAIL, text, "subject");
    }
    char *most = xasprintf("{" EMAIL TIME ",\"subject\":\"%0998d\"}", 7);
    char *more = xasprintf("{" EMAIL TIME ",\"subject\":\"%0999d\"}", 7);
    assert_taken(PAYLOAD_SEND_EMAIL, most);
    assert_refused(PAYLOAD_SEND_EMAIL, more, "subject");
    free(most);
    free(more);
}
END_TEST

START_TEST(an_sms_is_sent_without_a_subject_and_a_webhook_keeps_any) {
    assert_refused(PAYLOAD_SEND_SMS, "{" SMS TIME ",\"subject\":\"s\"}", "subject");
    assert_subject(PAYLOAD_SEND_SMS, "{" SMS TIME ",\"subject\":null}", NULL);
    assert_subject(PAYLOAD_WEBHOOK_SMS, "{" SMS ID TIME ",\"subject\":\"s\"}", "s");
    assert_subject(PAYLOAD_WEBHOOK_SMS, "{" SMS ID TIME ",\"subject\":\" \"}", NULL);
    assert_subject(PAYLOAD_WEBHOOK_SMS, "{" SMS ID TIME ",\"subject\":{}}", NULL);
    assert_subject(PAYLOAD_WEBHOOK_EMAIL, "{" EMAIL TIME ",\"xillio_id\":1,\"subject\":\"a\\nb\"}", "a\nb");
}
END_TEST

START_TEST(what_is_not_done_is_refused_in_a_send_by_its_name) {
    static const char *const names[] = {"cc", "bcc", "reply_to", "media_url", "status_callback"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[512];
        snprintf(text, sizeof text, "{" EMAIL TIME ",\"%s\":[]}", names[i]);
        assert_refused(PAYLOAD_SEND_EMAIL, text, names[i]);
        snprintf(text, sizeof text, "{" SMS ID TIME ",\"%s\":\"x\"}", names[i]);
        assert_refused(PAYLOAD_SEND_SMS, text, names[i]);
        assert_taken(PAYLOAD_WEBHOOK_SMS, text);
        snprintf(text, sizeof text, "{" SMS TIME ",\"%s\":null,\"%sx\":1}", names[i], names[i]);
        assert_taken(PAYLOAD_SEND_SMS, text);
    }
}
END_TEST

static void assert_send_at(enum payload_kind kind, const char *value, int64_t ms) {
    bool stamped;
    bool is_email = kind == PAYLOAD_SEND_EMAIL || kind == PAYLOAD_WEBHOOK_EMAIL;
    char *text = xasprintf("{%s" ID "\"xillio_id\":\"x\"," TIME "%s%s}", is_email ? EMAIL : SMS,
                           *value != '\0' ? ",\"send_at\":" : "", value);
    struct message message = taken(kind, text, &stamped);
    ck_assert_msg(message.send_at_ms == ms, "%s: %lld", value, (long long)message.send_at_ms);
    ck_assert_int_eq(message.occurred_ms, NOW_MS);
    message_free(&message);
    free(text);
}

START_TEST(a_send_may_be_for_later) {
    static const enum payload_kind sends[] = {PAYLOAD_SEND_SMS, PAYLOAD_SEND_EMAIL};
    for (size_t i = 0; i < 2; i++) {
        assert_send_at(sends[i], "\"2024-11-01T14:00:00.001Z\"", NOW_MS + 1);
        assert_send_at(sends[i], "\"2024-11-01t16:00:01+02:00\"", NOW_MS + 1000);
        assert_send_at(sends[i], "\"2024-12-06T14:00:00Z\"", NOW_MS + INT64_C(35) * 86400000);
    }
}
END_TEST

START_TEST(a_send_that_names_no_time_or_one_that_is_past_is_for_now) {
    assert_send_at(PAYLOAD_SEND_SMS, "", MESSAGE_SEND_NOW);
    assert_send_at(PAYLOAD_SEND_SMS, "null", MESSAGE_SEND_NOW);
    assert_send_at(PAYLOAD_SEND_SMS, "\"2024-11-01T14:00:00Z\"", NOW_MS); // what it was is kept: see the digest
    assert_send_at(PAYLOAD_SEND_SMS, "\"2024-10-01T14:00:00Z\"", NOW_MS - INT64_C(31) * 86400000);
    assert_send_at(PAYLOAD_SEND_SMS, "\"1970-01-01T00:00:00Z\"", MESSAGE_SEND_NOW);
    assert_send_at(PAYLOAD_SEND_SMS, "\"0001-01-01T00:00:00Z\"", MESSAGE_SEND_NOW);
}
END_TEST

static void assert_send_at_refused(const char *value, const char *reason) {
    static const enum payload_kind sends[] = {PAYLOAD_SEND_SMS, PAYLOAD_SEND_EMAIL};
    for (size_t i = 0; i < 2; i++) {
        struct message message;
        struct payload_error error;
        bool stamped;
        char *text = xasprintf("{%s" TIME ",\"send_at\":%s}", i == 0 ? SMS : EMAIL, value);
        ck_assert_msg(parse(sends[i], text, &message, &stamped, &error) == -1, "was taken: %s", text);
        ck_assert_str_eq(error.field, "send_at");
        ck_assert_str_eq(error.reason, reason);
        free(text);
    }
}

START_TEST(a_time_to_send_at_that_is_none_is_refused) {
    static const char *const values[] = {"1730469600",
                                         "1730469600000",
                                         "true",
                                         "false",
                                         "[]",
                                         "{}",
                                         "\"\"",
                                         "\"tomorrow\"",
                                         "\"2024-11-02\"",
                                         "\"2024-11-02T14:00:00\"",
                                         "\"2024-11-02 14:00:00Z\"",
                                         "\"2024-11-31T14:00:00Z\"",
                                         "\"1730469600\"",
                                         "\" 2024-11-02T14:00:00Z\"",
                                         "[\"2024-11-02T14:00:00Z\"]"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        assert_send_at_refused(values[i], "must be an RFC 3339 date-time, such as 2024-11-01T14:00:00Z, or null");
    }
}
END_TEST

START_TEST(nothing_is_sent_later_than_in_35_days) {
    static const char *const values[] = {"\"2024-12-06T14:00:00.001Z\"", "\"2024-12-06T13:30:00-01:00\"",
                                         "\"9999-12-31T23:59:59Z\""};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        assert_send_at_refused(values[i], "must be at most 35 days ahead, now until 2024-12-06T14:00:00.000Z");
    }
}
END_TEST

// Whatever ingest's own clock says.
START_TEST(how_far_ahead_a_time_is_counts_from_rediss_clock) {
    static const char text[] = "{" SMS TIME ",\"send_at\":\"2024-12-06T14:00:00Z\"}";
    struct payload_rules other = rules;
    struct message message;
    struct payload_error error;
    bool stamped;
    other.now_ms = NOW_MS - 86400000;
    ck_assert_int_eq(payload_parse(PAYLOAD_SEND_SMS, text, strlen(text), &other, &message, &stamped, &error), 0);
    message_free(&message);
    other = rules;
    other.redis_ms = NOW_MS - 1;
    ck_assert_int_eq(payload_parse(PAYLOAD_SEND_SMS, text, strlen(text), &other, &message, &stamped, &error), -1);
    ck_assert_str_eq(error.field, "send_at");
}
END_TEST

START_TEST(a_webhook_has_no_time_to_be_sent_at) {
    static const char *const values[] = {"\"2024-11-02T14:00:00Z\"", "7", "\"x\"", "\"9999-12-31T23:59:59Z\""};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        assert_send_at(PAYLOAD_WEBHOOK_SMS, values[i], MESSAGE_SEND_NOW);
        assert_send_at(PAYLOAD_WEBHOOK_EMAIL, values[i], MESSAGE_SEND_NOW);
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
    tcase_add_test(tests, a_listed_send_says_by_its_type_which_kind_it_is_and_keeps_that_kinds_rules);
    tcase_add_test(tests, a_send_keeps_its_addresses_and_compares_them_normalized);
    tcase_add_test(tests, what_is_no_json_object_is_refused_as_a_whole);
    tcase_add_test(tests, each_required_field_of_a_send_is_named_when_it_is_missing);
    tcase_add_test(tests, the_type_may_be_in_any_case_and_must_be_a_phones);
    tcase_add_test(tests, a_webhook_without_a_type_is_an_mms_where_it_has_attachments);
    tcase_add_test(tests, an_email_needs_no_type_and_keeps_its_body);
    tcase_add_test(tests, a_blank_body_is_refused_for_sends_only);
    tcase_add_test(tests, attachments_may_be_absent_null_or_a_few_urls);
    tcase_add_test(tests, a_wrong_attachment_is_named_by_its_place);
    tcase_add_test(tests, an_mms_needs_no_body_nor_does_a_webhook_with_something_else_in_it);
    tcase_add_test(tests, a_phone_takes_1600_characters_from_a_client);
    tcase_add_test(tests, a_phone_takes_10_media_from_a_client_and_any_number_comes_in);
    tcase_add_test(tests, a_webhooks_attachments_are_kept_as_they_are);
    tcase_add_test(tests, an_mms_send_needs_an_attachment_and_an_mms_webhook_does_not);
    tcase_add_test(tests, a_webhook_with_a_bad_timestamp_is_stamped_with_its_arrival);
    tcase_add_test(tests, a_webhook_needs_the_providers_id);
    tcase_add_test(tests, a_providers_id_is_kept_in_full);
    tcase_add_test(tests, a_webhooks_addresses_and_body_may_be_numbers);
    tcase_add_test(tests, a_webhook_keeps_half_a_character_as_a_replacement_character_and_a_send_does_not);
    tcase_add_test(tests, a_long_number_that_nobody_reads_costs_no_message);
    tcase_add_test(tests, a_webhooks_time_may_be_written_as_providers_do);
    tcase_add_test(tests, no_message_is_of_more_than_a_day_ahead);
    tcase_add_test(tests, a_webhook_of_a_clock_that_nobody_set_is_of_its_arrival);
    tcase_add_test(tests, an_email_may_have_a_subject);
    tcase_add_test(tests, an_sms_is_sent_without_a_subject_and_a_webhook_keeps_any);
    tcase_add_test(tests, what_is_not_done_is_refused_in_a_send_by_its_name);
    tcase_add_test(tests, a_send_may_be_for_later);
    tcase_add_test(tests, a_send_that_names_no_time_or_one_that_is_past_is_for_now);
    tcase_add_test(tests, a_time_to_send_at_that_is_none_is_refused);
    tcase_add_test(tests, nothing_is_sent_later_than_in_35_days);
    tcase_add_test(tests, how_far_ahead_a_time_is_counts_from_rediss_clock);
    tcase_add_test(tests, a_webhook_has_no_time_to_be_sent_at);
    tcase_add_test(tests, a_mock_inbound_takes_its_type_from_the_channel);
    suite_add_tcase(suite, tests);
    return suite;
}
