// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/base/mem.h"
#include "shared/message/message.h"

Suite *suite_message(void);

static char first_attachment[] = "https://x.example/a.png";
static char second_attachment[] = "b \"c\"\\";
static char *given_attachments[] = {first_attachment, second_attachment};

static char given_from[] = "+1 (201) 666-1234";
static char given_to[] = "+18045551234";
static char given_sender[] = "+12016661234";
static char given_recipient[] = "+18045551234";
static char given_region[] = "US";
static char given_subject[] = "Re: \"your\" order";
static char given_body[] = "line\n\"quoted\" \\ \x01 \xf0\x9f\x98\x80 <b>html</b>";
static char given_request_id[] = "req-1";
static char given_traceparent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

static struct message sample_send(void) {
    return (struct message){
        .type = MESSAGE_MMS,
        .direction = MESSAGE_OUTBOUND,
        .from = given_from,
        .to = given_to,
        .sender = given_sender,
        .recipient = given_recipient,
        .region = given_region,
        .subject = given_subject,
        .body = given_body,
        .attachments = given_attachments,
        .attachment_count = 2,
        .occurred_ms = 1730469600000,
        .accepted_ms = 1730469600123,
        .send_at_ms = MESSAGE_SEND_NOW,
        .request_id = given_request_id,
        .traceparent = given_traceparent,
    };
}

static void check_same_text(const char *one, const char *other) {
    ck_assert_int_eq(one == NULL, other == NULL);
    if (one != NULL) {
        ck_assert_str_eq(one, other);
    }
}

static void check_same(const struct message *one, const struct message *other) {
    ck_assert_int_eq(one->type, other->type);
    ck_assert_int_eq(one->direction, other->direction);
    check_same_text(one->from, other->from);
    check_same_text(one->to, other->to);
    check_same_text(one->sender, other->sender);
    check_same_text(one->recipient, other->recipient);
    check_same_text(one->region, other->region);
    ck_assert_int_eq(one->by_envelope, other->by_envelope);
    check_same_text(one->subject, other->subject);
    check_same_text(one->body, other->body);
    ck_assert_uint_eq(one->attachment_count, other->attachment_count);
    for (size_t i = 0; i < one->attachment_count; i++) {
        check_same_text(one->attachments[i], other->attachments[i]);
    }
    ck_assert_int_eq(one->occurred_ms, other->occurred_ms);
    ck_assert_int_eq(one->accepted_ms, other->accepted_ms);
    ck_assert_int_eq(one->send_at_ms, other->send_at_ms);
    check_same_text(one->provider_message_id, other->provider_message_id);
    check_same_text(one->request_id, other->request_id);
    check_same_text(one->traceparent, other->traceparent);
}

static void check_round_trip(const struct message *message) {
    struct buf text = {0};
    struct message back;
    message_encode(message, &text);
    const char *error = message_decode(text.data, text.length, &back);
    ck_assert_msg(error == NULL, "%s: %s", text.data, error);
    check_same(message, &back);
    message_free(&back);
    buf_free(&text);
}

START_TEST(a_send_reads_back_as_it_was_written) {
    struct message message = sample_send();
    check_round_trip(&message);
    message.send_at_ms = 1730556000000;
    check_round_trip(&message);
}
END_TEST

START_TEST(a_received_email_reads_back_as_it_was_written) {
    struct message message = sample_send();
    message.type = MESSAGE_EMAIL;
    message.direction = MESSAGE_INBOUND;
    message.provider_message_id = (char[]){"xillio \"2\""};
    message.attachments = NULL;
    message.attachment_count = 0;
    message.body = (char[]){""};
    message.subject = (char[]){""};
    message.region = (char[]){""};
    message.request_id = NULL;
    message.traceparent = NULL;
    message.occurred_ms = -62135596800000;
    check_round_trip(&message);
    message.by_envelope = true;
    check_round_trip(&message);
}
END_TEST

START_TEST(a_message_out_of_postgres_gets_its_normalized_addresses_back) {
    static const char sms[] = "{\"type\":\"sms\",\"direction\":\"outbound\",\"from\":\"+1 (201) 666-1234\",\"to\":"
                              "\"+18045551234\",\"body\":\"x\",\"attachments\":[\"a\"],\"occurred_ms\":1,"
                              "\"accepted_ms\":2,\"request_id\":null}";
    static const char email[] =
        "{\"type\":\"email\",\"direction\":\"outbound\",\"from\":\"A+tag@X.com\",\"to\":"
        "\"b@x.com\",\"subject\":\"s\",\"body\":\"x\",\"attachments\":[],\"occurred_ms\":1,\"accepted_ms\":2,"
        "\"request_id\":\"r\"}";
    struct message message;
    ck_assert_ptr_null(message_recall(sms, strlen(sms), NULL, &message));
    ck_assert_str_eq(message.from, "+1 (201) 666-1234");
    ck_assert_str_eq(message.sender, "+12016661234");
    ck_assert_str_eq(message.recipient, "+18045551234");
    ck_assert_str_eq(message.region, "");
    ck_assert_ptr_null(message.subject);
    ck_assert_str_eq(message.attachments[0], "a");
    ck_assert_ptr_null(message.request_id);
    message_free(&message);
    ck_assert_ptr_null(message_recall(sms, strlen(sms), phone_region_find("us"), &message));
    ck_assert_str_eq(message.region, "US");
    message_free(&message);
    ck_assert_ptr_null(message_recall(email, strlen(email), NULL, &message));
    ck_assert_str_eq(message.sender, "a@x.com");
    ck_assert_str_eq(message.subject, "s");
    ck_assert_str_eq(message.request_id, "r");
    message_free(&message);
}
END_TEST

START_TEST(what_is_no_message_is_not_recalled) {
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"type\":\"sms\",\"direction\":\"outbound\"}",
        "{\"type\":\"sms\",\"direction\":\"outbound\",\"from\":\"a@x.com\",\"to\":\"+18045551234\"}",
        "{\"type\":\"sms\",\"direction\":\"outbound\",\"from\":\"+12016661234\",\"to\":5}",
        "{\"type\":\"sms\",\"direction\":\"outbound\",\"from\":\"+12016661234\",\"to\":\"+18045551234\"}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct message message;
        ck_assert_msg(message_recall(texts[i], strlen(texts[i]), NULL, &message) != NULL, "%s", texts[i]);
        ck_assert_ptr_null(message.from);
    }
}
END_TEST

START_TEST(the_payload_is_a_readable_object) {
    struct message message = sample_send();
    message.body = (char[]){"hi"};
    message.attachment_count = 1;
    struct buf text = {0};
    message_encode(&message, &text);
    ck_assert_str_eq(
        text.data,
        "{\"type\":\"mms\",\"direction\":\"outbound\",\"from\":\"+1 (201) 666-1234\","
        "\"to\":\"+18045551234\",\"sender\":\"+12016661234\",\"recipient\":\"+18045551234\","
        "\"region\":\"US\",\"subject\":\"Re: \\\"your\\\" "
        "order\",\"body\":\"hi\",\"attachments\":[\"https://x.example/a.png\"],\"occurred_ms\":1730469600000,"
        "\"accepted_ms\":1730469600123,\"request_id\":\"req-1\","
        "\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"}");
    buf_free(&text);
}
END_TEST

struct change {
    const char *member; // replaced by `value`, or taken out where that is NULL
    const char *value;
    const char *error; // a part of the sentence; NULL: still taken
};

static const struct change changes[] = {
    {"type", NULL, "type"},
    {"type", "\"SMS\"", "type"},
    {"type", "\"fax\"", "type"},
    {"type", "1", "type"},
    {"direction", NULL, "direction"},
    {"direction", "\"sideways\"", "direction"},
    {"direction", "null", "direction"},
    {"from", NULL, "from"},
    {"from", "\"\"", "from"},
    {"from", "5", "from"},
    {"from", "null", "from"},
    {"to", NULL, "to"},
    {"to", "[]", "to"},
    {"sender", NULL, "sender"},
    {"sender", "\"\"", "sender"},
    {"recipient", NULL, "recipient"},
    {"recipient", "{}", "recipient"},
    {"region", NULL, NULL},
    {"region", "\"\"", NULL},
    {"region", "\"USA\"", "region"},
    {"region", "1", "region"},
    {"subject", NULL, NULL},
    {"subject", "null", NULL},
    {"subject", "\"\"", NULL},
    {"subject", "[]", "subject"},
    {"body", NULL, "body"},
    {"body", "null", "body"},
    {"body", "7", "body"},
    {"body", "\"\"", NULL},
    {"body", "\"a\\u0000b\"", "\\u0000"},
    {"body", "\"\xff\"", "UTF-8"},
    {"attachments", NULL, "attachments"},
    {"attachments", "null", "attachments"},
    {"attachments", "\"x\"", "attachments"},
    {"attachments", "[1]", "attachments"},
    {"attachments", "[\"x\",null]", "attachments"},
    {"attachments", "[\"\"]", "attachments"},
    {"attachments", "[]", NULL},
    {"occurred_ms", NULL, "occurred_ms"},
    {"occurred_ms", "\"1\"", "occurred_ms"},
    {"occurred_ms", "1.5", "occurred_ms"},
    {"occurred_ms", "1e300", "occurred_ms"},
    {"occurred_ms", "253402300800000", "occurred_ms"},
    {"occurred_ms", "-62135596800001", "occurred_ms"},
    {"occurred_ms", "0", NULL},
    {"accepted_ms", NULL, "accepted_ms"},
    {"accepted_ms", "false", "accepted_ms"},
    {"provider_message_id", "\"x\"", "provider_message_id"},
    {"provider_message_id", "null", NULL},
    {"provider_message_id", "3", "provider_message_id"},
    {"direction", "\"inbound\"", "provider_message_id"},
    {"request_id", NULL, NULL},
    {"request_id", "null", NULL},
    {"request_id", "\"\"", "request_id"},
    {"request_id", "1", "request_id"},
    {"traceparent", NULL, NULL},
    {"traceparent", "[]", "traceparent"},
    {"send_at", "null", NULL},
    {"send_at", "1", NULL},
    {"send_at", "0", "send_at"},
    {"send_at", "-1", "send_at"},
    {"send_at", "1.5", "send_at"},
    {"send_at", "253402300800000", "send_at"},
    {"send_at", "\"2024-11-01T14:00:00Z\"", "send_at"},
    {"unknown", "{\"deep\":[1]}", NULL},
};

// The sample's payload with one member changed.
static char *changed_payload(const struct change *change) {
    struct message message = sample_send();
    struct buf text = {0};
    message_encode(&message, &text);
    cJSON *tree = cJSON_Parse(text.data);
    buf_free(&text);
    cJSON_DeleteItemFromObjectCaseSensitive(tree, change->member);
    if (change->value != NULL) {
        cJSON_AddRawToObject(tree, change->member, change->value);
    }
    char *payload = cJSON_PrintUnformatted(tree);
    cJSON_Delete(tree);
    return payload;
}

START_TEST(each_field_is_checked) {
    const struct change *change = &changes[_i];
    char *payload = changed_payload(change);
    struct message message;
    memset(&message, 0x55, sizeof message);
    const char *error = message_decode(payload, strlen(payload), &message);
    if (change->error == NULL) {
        ck_assert_msg(error == NULL, "%s: %s", payload, error);
    } else {
        ck_assert_msg(error != NULL, "%s was taken", payload);
        ck_assert_msg(strstr(error, change->error) != NULL, "%s: %s", payload, error);
        struct message empty = {0};
        check_same(&message, &empty);
    }
    message_free(&message);
    free(payload);
}
END_TEST

static const char *const garbage[] = {"",        "{", "[]", "null", "\"x\"", "1", "{}", "{}{}", "{\"type\":\"sms\"}",
                                      "\xff\xfe"};

START_TEST(what_is_no_payload_is_refused) {
    struct message message;
    ck_assert_ptr_nonnull(message_decode(garbage[_i], strlen(garbage[_i]), &message));
    ck_assert_ptr_null(message.from);
}
END_TEST

// Of so many bytes; owned by the caller.
static char *text_of(size_t length) {
    char *text = xmalloc(length + 1);
    memset(text, '1', length);
    text[length] = '\0';
    return text;
}

static const struct {
    size_t member; // in struct message
    size_t format_1, format_2;
    const char *error;
} limits[] = {
    {offsetof(struct message, from), 320, MESSAGE_ADDRESS_MAX, "from is not a string of 1 to 16384 bytes"},
    {offsetof(struct message, to), 320, MESSAGE_ADDRESS_MAX, "to is not a string of 1 to 16384 bytes"},
    {offsetof(struct message, sender), 640, MESSAGE_IDENTITY_MAX, "sender is not a string of 1 to 1024 bytes"},
    {offsetof(struct message, recipient), 640, MESSAGE_IDENTITY_MAX, "recipient is not a string of 1 to 1024 bytes"},
    {offsetof(struct message, provider_message_id), 1024, 1 << 20, NULL},
};

static const char *read_back(const struct message *message) {
    struct buf text = {0};
    struct message back;
    message_encode(message, &text);
    const char *error = message_decode(text.data, text.length, &back);
    message_free(&back);
    buf_free(&text);
    return error;
}

// A text of that length is taken, and needs that format.
static const char *with_length(size_t i, size_t length, int format) {
    struct message message = sample_send();
    message.direction = MESSAGE_INBOUND;
    message.provider_message_id = (char[]){"m"};
    char *text = text_of(length);
    *(char **)(void *)((char *)&message + limits[i].member) = text;
    ck_assert_int_eq(message_format(&message), format);
    const char *error = read_back(&message);
    free(text);
    return error;
}

START_TEST(a_text_has_its_greatest_length_by_format) {
    ck_assert_ptr_null(with_length((size_t)_i, limits[_i].format_1, 1));
    ck_assert_ptr_null(with_length((size_t)_i, limits[_i].format_1 + 1, 2));
    ck_assert_ptr_null(with_length((size_t)_i, limits[_i].format_2, 2));
    if (limits[_i].error != NULL) {
        ck_assert_str_eq(with_length((size_t)_i, limits[_i].format_2 + 1, 2), limits[_i].error);
    }
}
END_TEST

// What a message with so many attachments of that length is read back as.
static const char *with_attachments(size_t count, size_t length, int format) {
    struct message message = sample_send();
    char *text = text_of(length);
    message.attachments = xcalloc(count, sizeof *message.attachments);
    for (size_t i = 0; i < count; i++) {
        message.attachments[i] = text;
    }
    message.attachment_count = count;
    ck_assert_int_eq(message_format(&message), format);
    const char *error = read_back(&message);
    free(message.attachments);
    free(text);
    return error;
}

START_TEST(attachments_are_many_and_long_in_format_2) {
    ck_assert_ptr_null(with_attachments(256, 2048, 1));
    ck_assert_ptr_null(with_attachments(257, 1, 2));
    ck_assert_ptr_null(with_attachments(1, 2049, 2));
    ck_assert_ptr_null(with_attachments(1, 1 << 20, 2));
    ck_assert_ptr_null(with_attachments(MESSAGE_ATTACHMENTS_MAX, 1, 2));
    ck_assert_str_eq(with_attachments(MESSAGE_ATTACHMENTS_MAX + 1, 1, 2),
                     "attachments is not an array of at most 32767 strings of 1 byte or more");
}
END_TEST

START_TEST(a_payload_cut_short_anywhere_is_refused) {
    struct message message = sample_send();
    struct buf text = {0};
    message_encode(&message, &text);
    for (size_t length = 0; length < text.length; length++) {
        char *cut = malloc(length + 1);
        memcpy(cut, text.data, length);
        struct message back;
        ck_assert_ptr_nonnull(message_decode(cut, length, &back));
        free(cut);
    }
    buf_free(&text);
}
END_TEST

START_TEST(a_freed_message_is_empty_and_can_be_freed_again) {
    struct message message = {0};
    message_free(&message);
    message.from = xstrdup("x");
    message.attachments = xcalloc(1, sizeof *message.attachments);
    message.attachments[0] = xstrdup("y");
    message.attachment_count = 1;
    message_free(&message);
    ck_assert_ptr_null(message.from);
    ck_assert_ptr_null(message.attachments);
    ck_assert_uint_eq(message.attachment_count, 0);
    message_free(&message);
}
END_TEST

START_TEST(types_are_known_by_their_exact_names) {
    enum message_type type;
    for (int i = MESSAGE_SMS; i <= MESSAGE_EMAIL; i++) {
        ck_assert_int_eq(message_type_parse(message_type_name((enum message_type)i), &type), 0);
        ck_assert_int_eq((int)type, i);
    }
    ck_assert_int_eq(message_type_parse("SMS", &type), -1);
    ck_assert_int_eq(message_type_parse("", &type), -1);
    ck_assert_int_eq(message_type_parse("smsx", &type), -1);
}
END_TEST

START_TEST(mms_shares_channel_and_provider_with_sms) {
    ck_assert_int_eq(message_channel(MESSAGE_SMS), CHANNEL_SMS);
    ck_assert_int_eq(message_channel(MESSAGE_MMS), CHANNEL_SMS);
    ck_assert_int_eq(message_channel(MESSAGE_EMAIL), CHANNEL_EMAIL);
    ck_assert_int_eq(message_provider(MESSAGE_SMS), PROVIDER_SMS_MMS);
    ck_assert_int_eq(message_provider(MESSAGE_MMS), PROVIDER_SMS_MMS);
    ck_assert_int_eq(message_provider(MESSAGE_EMAIL), PROVIDER_EMAIL);
}
END_TEST

START_TEST(providers_are_known_by_their_exact_names) {
    enum provider provider;
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        ck_assert_int_eq(provider_parse(provider_name((enum provider)i), &provider), 0);
        ck_assert_int_eq((int)provider, i);
    }
    ck_assert_int_eq(provider_parse("sms", &provider), -1);
    ck_assert_int_eq(provider_parse("", &provider), -1);
}
END_TEST

START_TEST(an_attempt_is_written_with_what_is_known) {
    struct attempt attempt = {.provider = PROVIDER_SMS_MMS,
                              .outcome = "server_error",
                              .http_status = 503,
                              .latency_us = 1234,
                              .started_ms = 1730469600123,
                              .error = "HTTP 503: \"later\""};
    struct buf text = {0};
    attempt_encode(&attempt, &text);
    ck_assert_str_eq(text.data, "{\"provider\":\"sms-mms\",\"outcome\":\"server_error\",\"http_status\":503,"
                                "\"latency_us\":1234,\"started_ms\":1730469600123,"
                                "\"error\":\"HTTP 503: \\\"later\\\"\"}");
    buf_clear(&text);
    attempt.outcome = "sent";
    attempt.error = NULL;
    attempt.provider_message_id = "SM1";
    attempt_encode(&attempt, &text);
    ck_assert_ptr_nonnull(strstr(text.data, ",\"provider_message_id\":\"SM1\"}"));
    ck_assert_ptr_null(strstr(text.data, "error\":\"HTTP"));
    buf_free(&text);
}
END_TEST

Suite *suite_message(void) {
    Suite *suite = suite_create("message");
    TCase *tests = tcase_create("message");
    tcase_add_test(tests, a_send_reads_back_as_it_was_written);
    tcase_add_test(tests, a_received_email_reads_back_as_it_was_written);
    tcase_add_test(tests, a_message_out_of_postgres_gets_its_normalized_addresses_back);
    tcase_add_test(tests, what_is_no_message_is_not_recalled);
    tcase_add_test(tests, the_payload_is_a_readable_object);
    tcase_add_loop_test(tests, each_field_is_checked, 0, sizeof changes / sizeof *changes);
    tcase_add_loop_test(tests, what_is_no_payload_is_refused, 0, sizeof garbage / sizeof *garbage);
    tcase_add_loop_test(tests, a_text_has_its_greatest_length_by_format, 0, sizeof limits / sizeof *limits);
    tcase_add_test(tests, attachments_are_many_and_long_in_format_2);
    tcase_add_test(tests, a_payload_cut_short_anywhere_is_refused);
    tcase_add_test(tests, a_freed_message_is_empty_and_can_be_freed_again);
    tcase_add_test(tests, types_are_known_by_their_exact_names);
    tcase_add_test(tests, mms_shares_channel_and_provider_with_sms);
    tcase_add_test(tests, providers_are_known_by_their_exact_names);
    tcase_add_test(tests, an_attempt_is_written_with_what_is_known);
    suite_add_tcase(suite, tests);
    return suite;
}
