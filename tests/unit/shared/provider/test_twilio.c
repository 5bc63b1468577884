// SPDX-License-Identifier: MIT
// What Twilio posts becomes the message that our own webhook would make of it.

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "ingest/accept/payload.h"
#include "shared/base/buf.h"
#include "shared/message/message_id.h"
#include "shared/provider/provider.h"

Suite *suite_provider_twilio(void);

#define NOW_MS INT64_C(1730469600000)
#define SMS "MessageSid=SM1&From=%2B18045551234&To=%2B12016661234&Body=Hi"

static const struct payload_rules rules = {.max_attachments = 8, .now_ms = NOW_MS};

static struct message taken(enum payload_kind kind, const char *text) {
    struct message message;
    struct payload_error error = {.reason = NULL};
    bool stamped;
    int result = payload_parse(kind, text, strlen(text), &rules, &message, &stamped, &error);
    ck_assert_msg(result == 0, "%s: %s %s", text, error.field, error.reason);
    ck_assert(stamped);
    return message;
}

static int form_read(const char *text, struct message *out, bool *stamped, struct payload_error *error) {
    const char *type = "application/x-www-form-urlencoded";
    const struct provider_post post = {.content_type = type, .body = text, .length = strlen(text)};
    const struct provider_way_in *way = provider_way_in_of_any(PROVIDER_SMS_MMS, PROVIDER_ROUTE_MESSAGES, type);
    return payload_parse_post(way, &post, &rules, out, stamped, error);
}

static struct message form_taken(const char *text) {
    struct message message;
    struct payload_error error = {.reason = NULL};
    bool stamped;
    ck_assert_msg(form_read(text, &message, &stamped, &error) == 0, "%s: %s %s", text, error.field, error.reason);
    ck_assert(stamped);
    return message;
}

static void assert_refused(const char *text, const char *field, const char *reason) {
    struct message message;
    struct payload_error error;
    bool stamped;
    int result = form_read(text, &message, &stamped, &error);
    ck_assert_msg(result == -1, "was taken: %s", text);
    ck_assert_str_eq(error.field, field);
    ck_assert_str_eq(error.reason, reason);
}

START_TEST(an_sms_is_what_our_own_webhook_would_make_of_it) {
    struct message form =
        form_taken("ToCountry=US&ToState=NJ&SmsMessageSid=SM9&NumMedia=0&ToCity=&FromZip=23219&SmsSid="
                   "SM9&FromState=VA&SmsStatus=received&FromCity=RICHMOND&Body=Gr%C3%BC%C3%9Fe+%F0%9F"
                   "%98%80&FromCountry=US&To=%2B12016661234&ToZip=&NumSegments=1&MessageSid=SM9&"
                   "AccountSid=AC1&From=%2B18045551234&ApiVersion=2010-04-01");
    struct message json =
        taken(PAYLOAD_WEBHOOK_SMS, "{\"from\":\"+18045551234\",\"to\":\"+12016661234\",\"type\":\"sms\","
                                   "\"messaging_provider_id\":\"SM9\",\"body\":\"Gr\u00fc\u00dfe \U0001F600\"}");
    struct message_pair pairs[2];
    message_pair_of(&form, &pairs[0]);
    message_pair_of(&json, &pairs[1]);
    struct uuid ids[2] = {message_id_make(&form, &pairs[0]), message_id_make(&json, &pairs[1])};
    ck_assert_mem_eq(ids[0].bytes, ids[1].bytes, UUID_BYTES);
    struct buf texts[2] = {{0}, {0}};
    message_encode(&form, &texts[0]);
    message_encode(&json, &texts[1]);
    ck_assert_str_eq(texts[0].data, texts[1].data);
    ck_assert_int_eq(form.direction, MESSAGE_INBOUND);
    ck_assert_int_eq(form.occurred_ms, NOW_MS);
    for (size_t i = 0; i < 2; i++) {
        buf_free(&texts[i]);
        message_pair_free(&pairs[i]);
    }
    message_free(&form);
    message_free(&json);
}
END_TEST

START_TEST(media_make_an_mms_and_stand_by_their_numbers) {
    struct message message =
        form_taken("MessageSid=MM1&From=%2B18045551234&To=%2B12016661234&Body=&NumMedia=11&MediaUrl10=k&MediaUrl2=c&"
                   "MediaContentType0=image%2Fpng&MediaUrl1=b&MediaUrl0=a&MediaUrl9=j&MediaUrl2=again&MediaUrl3=&"
                   "MediaUrl=x&MediaUrl4x=x&MediaUrl12345678901=x&xMediaUrl5=x&mediaurl6=x");
    static const char *const expected[] = {"a", "b", "c", "again", "j", "k"};
    ck_assert_int_eq(message.type, MESSAGE_MMS);
    ck_assert_str_eq(message.body, "");
    ck_assert_uint_eq(message.attachment_count, 6);
    for (size_t i = 0; i < 6; i++) {
        ck_assert_str_eq(message.attachments[i], expected[i]);
    }
    message_free(&message);
}
END_TEST

static const struct {
    const char *more;
    enum message_type type;
} kinds[] = {
    {"", MESSAGE_SMS},
    {"&NumMedia=0", MESSAGE_SMS},
    {"&NumMedia=", MESSAGE_SMS},
    {"&NumMedia=-1", MESSAGE_SMS},
    {"&NumMedia=x&MediaUrl0=", MESSAGE_SMS},
    {"&NumMedia=1", MESSAGE_MMS},
    {"&NumMedia=99999999999999999999", MESSAGE_MMS},
    {"&MediaUrl0=u", MESSAGE_MMS},
    {"&NumMedia=0&MediaUrl7=u", MESSAGE_MMS},
};

START_TEST(it_is_an_mms_where_media_are_told_of_or_there) {
    char text[256];
    snprintf(text, sizeof text, "%s%s", SMS, kinds[_i].more);
    struct message message = form_taken(text);
    ck_assert_int_eq(message.type, kinds[_i].type);
    message_free(&message);
}
END_TEST

static const struct {
    const char *ids, *id;
} names[] = {
    {"MessageSid=a&SmsSid=b&SmsMessageSid=c", "a"},
    {"SmsSid=b&MessageSid=", "b"},
    {"SmsMessageSid=c", "c"},
    {"MessageSid=a&MessageSid=b", "a"},
};

START_TEST(its_id_is_the_message_sid_or_what_stands_for_it) {
    char text[256];
    snprintf(text, sizeof text, "%s&From=%%2B18045551234&To=%%2B12016661234&Body=Hi", names[_i].ids);
    struct message message = form_taken(text);
    ck_assert_str_eq(message.provider_message_id, names[_i].id);
    message_free(&message);
}
END_TEST

START_TEST(what_a_customer_wrote_is_kept_whatever_its_bytes) {
    struct message message = form_taken("MessageSid=SM1&From=VM-HDFCBK&To=12016661234&Body=a%00b%FFc%0A");
    ck_assert_str_eq(message.body, "a\uFFFDb\uFFFDc\n");
    ck_assert_str_eq(message.from, "VM-HDFCBK");
    message_free(&message);
}
END_TEST

START_TEST(a_plus_that_was_not_encoded_is_one_all_the_same) {
    struct message message = form_taken("MessageSid=SM1&From=+18045551234&To=+1+201+666+1234&Body=+1+more");
    ck_assert_str_eq(message.sender, "+18045551234");
    ck_assert_str_eq(message.recipient, "+12016661234");
    ck_assert_str_eq(message.body, " 1 more");
    message_free(&message);
}
END_TEST

START_TEST(what_is_missing_is_named_as_twilio_names_it) {
    assert_refused("", "From", "is required");
    assert_refused("from=%2B18045551234", "From", "is required");
    assert_refused("From=%2B18045551234", "To", "is required");
    assert_refused("From=%2B18045551234&To=", "To", "must not be empty");
    assert_refused("From=%2B18045551234&To=%2B12016661234&MessageSid=SM1", "Body", "is required");
    assert_refused("From=%2B18045551234&To=%2B12016661234&Body=x", "MessageSid", "is required");
    assert_refused("From=%2B18045551234&To=%2B12016661234&Body=x&MessageSid=+", "MessageSid", "must not be blank");
}
END_TEST

START_TEST(a_form_of_too_many_fields_is_refused_as_a_whole) {
    struct buf body = {0};
    buf_puts(&body, SMS);
    for (int i = 0; i < 997; i++) {
        buf_puts(&body, "&x=y");
    }
    assert_refused(body.data, "", "The form holds more than 1000 fields.");
    buf_free(&body);
}
END_TEST

Suite *suite_provider_twilio(void) {
    Suite *suite = suite_create("provider_twilio");
    TCase *tests = tcase_create("twilio");
    tcase_add_test(tests, an_sms_is_what_our_own_webhook_would_make_of_it);
    tcase_add_test(tests, media_make_an_mms_and_stand_by_their_numbers);
    tcase_add_loop_test(tests, it_is_an_mms_where_media_are_told_of_or_there, 0, sizeof kinds / sizeof *kinds);
    tcase_add_loop_test(tests, its_id_is_the_message_sid_or_what_stands_for_it, 0, sizeof names / sizeof *names);
    tcase_add_test(tests, what_a_customer_wrote_is_kept_whatever_its_bytes);
    tcase_add_test(tests, a_plus_that_was_not_encoded_is_one_all_the_same);
    tcase_add_test(tests, what_is_missing_is_named_as_twilio_names_it);
    tcase_add_test(tests, a_form_of_too_many_fields_is_refused_as_a_whole);
    suite_add_tcase(suite, tests);
    return suite;
}
