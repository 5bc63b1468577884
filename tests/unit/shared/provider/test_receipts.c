// SPDX-License-Identifier: MIT
// What the adapters read in posts about what became of messages: Twilio's status callback, SendGrid's Event Webhook.

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/provider/provider.h"

Suite *suite_provider_receipts(void);

#define FORM_TYPE "application/x-www-form-urlencoded"
#define ID "0194c0de-0000-7000-8000-000000000001"

static struct receipts receipts;
static const char *error;
static const char *query_id, *query_partition; // of the URL

static void setup(void) {
    query_id = ID;
    query_partition = "2";
}

static void teardown(void) {
    receipts_free(&receipts);
}

static const char *parameter(const void *context, const char *name) {
    (void)context;
    return strcmp(name, "message_id") == 0 ? query_id : strcmp(name, "partition") == 0 ? query_partition : NULL;
}

static int read_post(enum provider provider, const char *media_type, const char *body, size_t length) {
    const struct provider_post post = {.body = body, .length = length, .parameter = parameter};
    receipts_free(&receipts);
    error = NULL;
    return provider_way_in_of_any(provider, PROVIDER_ROUTE_RECEIPTS, media_type)
        ->read_receipts(&post, &receipts, &error);
}

static int read_form(const char *form) {
    return read_post(PROVIDER_SMS_MMS, FORM_TYPE, form, strlen(form));
}

static int read_events(const char *json) {
    return read_post(PROVIDER_EMAIL, "application/json", json, strlen(json));
}

static void assert_text(const char *got, const char *expected) {
    if (expected == NULL) {
        ck_assert_msg(got == NULL, "%s", got);
    } else {
        ck_assert_ptr_nonnull(got);
        ck_assert_str_eq(got, expected);
    }
}

static const struct receipt *only(void) {
    ck_assert_uint_eq(receipts.count, 1);
    ck_assert_uint_eq(receipts.broken, 0);
    ck_assert_uint_eq(receipts.skipped, 0);
    return receipts.items;
}

static void assert_id(const struct receipt *receipt, const char *expected) {
    char id[UUID_TEXT_SIZE];
    ck_assert(receipt->has_message_id);
    uuid_format(&receipt->message_id, id);
    ck_assert_str_eq(id, expected);
}

// ---- Twilio

#define SIDS "MessageSid=SM1&SmsSid=SM1&AccountSid=AC1&ApiVersion=2010-04-01&From=%2B12016661234&To=%2B18045551234"

START_TEST(a_delivered_callback_is_a_receipt_of_the_urls_message) {
    ck_assert_int_eq(read_form(SIDS "&MessageStatus=delivered&SmsStatus=delivered&RawDlrDoneDate=2411011400"), 0);
    const struct receipt *receipt = only();
    assert_id(receipt, ID);
    ck_assert_uint_eq(receipt->partition, 2);
    ck_assert(receipt->has_status);
    ck_assert_int_eq(receipt->status, RECEIPT_DELIVERED);
    ck_assert_int_eq(receipt->occurred_ms, RECEIPT_NO_TIME);
    assert_text(receipt->provider_message_id, "SM1");
    assert_text(receipt->event_id, "SM1:delivered");
    assert_text(receipt->our_address, "+12016661234");
    assert_text(receipt->their_address, "+18045551234");
    assert_text(receipt->code, NULL);
    assert_text(receipt->reason, NULL);
    ck_assert_int_eq(receipt->opt, RECEIPT_OPT_NONE);
}
END_TEST

START_TEST(the_names_may_be_those_of_old) {
    ck_assert_int_eq(read_form("SmsSid=SM2&SmsStatus=Failed&ErrorCode=30008&From= 1201&To=+1804"), 0);
    const struct receipt *receipt = only();
    ck_assert_int_eq(receipt->status, RECEIPT_UNDELIVERED);
    assert_text(receipt->provider_message_id, "SM2");
    assert_text(receipt->our_address, "+1201");
    assert_text(receipt->their_address, "+1804");
    assert_text(receipt->code, "30008");
}
END_TEST

START_TEST(what_was_not_delivered_has_its_code_and_a_reason) {
    static const struct {
        const char *fields, *code, *reason;
        enum receipt_opt opt;
    } cases[] = {
        {"MessageStatus=undelivered&ErrorCode=30003", "30003",
         "The phone can't be reached: it is off, has no signal or takes no messages", RECEIPT_OPT_NONE},
        {"MessageStatus=failed&ErrorCode=30034&ErrorMessage=theirs", "30034",
         "The sender isn't registered for 10DLC, which messages to the US need", RECEIPT_OPT_NONE},
        {"MessageStatus=failed&ErrorCode=21610", "21610", "The recipient has opted out of messages from this sender",
         RECEIPT_OPT_OUT},
        {"MessageStatus=undelivered&ErrorCode=39999&ErrorMessage=Some%0Athing+new", "39999", "Some thing new",
         RECEIPT_OPT_NONE},
        {"MessageStatus=undelivered&ErrorCode=39999", "39999", NULL, RECEIPT_OPT_NONE},
        {"MessageStatus=undelivered&ErrorCode=", NULL, NULL, RECEIPT_OPT_NONE},
        {"MessageStatus=undelivered&ErrorCode=0", NULL, NULL, RECEIPT_OPT_NONE},
        {"MessageStatus=undelivered&ErrorCode=%0A", NULL, NULL, RECEIPT_OPT_NONE},
        {"MessageStatus=undelivered", NULL, NULL, RECEIPT_OPT_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *form = xasprintf("%s&%s", SIDS, cases[i].fields);
        ck_assert_int_eq(read_form(form), 0);
        ck_assert_int_eq(only()->status, RECEIPT_UNDELIVERED);
        assert_text(only()->code, cases[i].code);
        assert_text(only()->reason, cases[i].reason);
        ck_assert_int_eq(only()->opt, cases[i].opt);
        free(form);
    }
}
END_TEST

START_TEST(what_is_not_the_end_of_a_message_is_passed_over) {
    static const char *const words[] = {"queued", "sending",   "sent",     "accepted",
                                        "read",   "scheduled", "canceled", "partially_delivered",
                                        "new",    "deliveredx"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char *form = xasprintf("%s&MessageStatus=%s&ErrorCode=30003", SIDS, words[i]);
        ck_assert_int_eq(read_form(form), 0);
        ck_assert_uint_eq(receipts.count, 0);
        ck_assert_uint_eq(receipts.skipped, 1);
        free(form);
    }
}
END_TEST

START_TEST(without_an_id_of_ours_it_is_read_all_the_same) {
    static const char *const ids[] = {NULL, ""};
    static const char *const partitions[] = {NULL, "", "x", "-1", "1 ", "1234567"};
    query_id = ids[_i];
    for (size_t i = 0; i < sizeof partitions / sizeof *partitions; i++) {
        query_partition = partitions[i];
        ck_assert_int_eq(read_form(SIDS "&MessageStatus=delivered"), 0);
        ck_assert(!only()->has_message_id);
        ck_assert_uint_eq(only()->partition, RECEIPT_NO_PARTITION);
    }
}
END_TEST

START_TEST(what_can_not_be_read_says_why) {
    query_id = "42";
    ck_assert_int_eq(read_form(SIDS "&MessageStatus=delivered"), -1);
    ck_assert_str_eq(error, "The URL's message_id is no UUID.");
    query_id = ID;
    static const char *const without[] = {"", "MessageSid=SM1", "MessageStatus=&SmsStatus=", "messagestatus=sent"};
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        ck_assert_int_eq(read_form(without[i]), -1);
        ck_assert_str_eq(error, "The form has no MessageStatus.");
    }
    ck_assert_int_eq(read_form("MessageSid=SM1&SmsStatus=received&Body=hi&" SIDS), -1);
    ck_assert_str_eq(error, "This is a message that came in: it belongs to /api/webhooks/sms.");
    struct buf many = {0};
    for (int i = 0; i < 1001; i++) {
        buf_printf(&many, "f%d=&", i);
    }
    ck_assert_int_eq(read_form(many.data), -1);
    ck_assert_str_eq(error, "The form holds more than 1000 fields.");
    ck_assert(receipts.items == NULL && receipts.count == 0);
    buf_free(&many);
}
END_TEST

START_TEST(without_a_sid_nothing_makes_it_the_same_when_it_comes_again) {
    ck_assert_int_eq(read_form("MessageStatus=delivered"), 0);
    assert_text(only()->provider_message_id, NULL);
    assert_text(only()->event_id, NULL);
    assert_text(only()->our_address, NULL);
}
END_TEST

// ---- SendGrid

#define HEAD                                                                                                           \
    "\"email\":\"jane@example.com\",\"timestamp\":1730469600,\"sg_event_id\":\"e1\",\"sg_message_id\":\"m1.filter."    \
    "2\","                                                                                                             \
    "\"message_id\":\"" ID "\",\"partition\":\"3\",\"our_address\":\"us@example.org\""

START_TEST(a_delivered_event_is_a_receipt) {
    ck_assert_int_eq(read_events("[{\"event\":\"delivered\",\"response\":\"250 OK\"," HEAD "}]\r\n"), 0);
    const struct receipt *receipt = only();
    assert_id(receipt, ID);
    ck_assert_uint_eq(receipt->partition, 3);
    ck_assert(receipt->has_status);
    ck_assert_int_eq(receipt->status, RECEIPT_DELIVERED);
    ck_assert_int_eq(receipt->occurred_ms, 1730469600000);
    assert_text(receipt->provider_message_id, "m1");
    assert_text(receipt->event_id, "e1");
    assert_text(receipt->our_address, "us@example.org");
    assert_text(receipt->their_address, "jane@example.com");
    assert_text(receipt->code, NULL);
    assert_text(receipt->reason, NULL);
}
END_TEST

START_TEST(each_kind_of_event_is_what_it_says) {
    static const struct {
        const char *fields;
        bool has_status;
        const char *code, *reason;
        enum receipt_opt opt;
    } cases[] = {
        {"\"event\":\"bounce\",\"type\":\"bounce\",\"status\":\"5.1.1\",\"reason\":\"550 5.1.1\\r\\n  no such user\"",
         true, "5.1.1", "The recipient's mail server refused the message for good: 550 5.1.1 no such user",
         RECEIPT_OPT_NONE},
        {"\"event\":\"bounce\",\"type\":\"blocked\",\"reason\":\"421 try later\"", true, "blocked",
         "The recipient's mail server refused the message: 421 try later", RECEIPT_OPT_NONE},
        {"\"event\":\"bounce\",\"status\":\"\"", true, "bounce",
         "The recipient's mail server refused the message for good", RECEIPT_OPT_NONE},
        {"\"event\":\"dropped\",\"reason\":\"Bounced Address\",\"status\":\"5.0.0\"", true, "5.0.0",
         "SendGrid didn't send the message: Bounced Address", RECEIPT_OPT_NONE},
        {"\"event\":\"dropped\",\"reason\":\"Unsubscribed Address\"", true, "dropped",
         "SendGrid didn't send the message: Unsubscribed Address", RECEIPT_OPT_OUT},
        {"\"event\":\"dropped\",\"reason\":\"Spam Reporting Address\"", true, "dropped",
         "SendGrid didn't send the message: Spam Reporting Address", RECEIPT_OPT_OUT},
        {"\"event\":\"dropped\",\"reason\":[1]", true, "dropped", "SendGrid didn't send the message", RECEIPT_OPT_NONE},
        {"\"event\":\"spamreport\"", true, "spamreport", "The recipient reported the message as spam", RECEIPT_OPT_OUT},
        {"\"event\":\"unsubscribe\"", false, NULL, NULL, RECEIPT_OPT_OUT},
        {"\"event\":\"group_unsubscribe\",\"asm_group_id\":1", false, NULL, NULL, RECEIPT_OPT_OUT},
        {"\"event\":\"group_resubscribe\",\"asm_group_id\":1", false, NULL, NULL, RECEIPT_OPT_IN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *json = xasprintf("[{%s," HEAD "}]", cases[i].fields);
        ck_assert_int_eq(read_events(json), 0);
        const struct receipt *receipt = only();
        ck_assert_msg(receipt->has_status == cases[i].has_status, "%s", cases[i].fields);
        ck_assert(!receipt->has_status || receipt->status == RECEIPT_UNDELIVERED);
        assert_text(receipt->code, cases[i].code);
        assert_text(receipt->reason, cases[i].reason);
        ck_assert_msg(receipt->opt == cases[i].opt, "%s", cases[i].fields);
        assert_id(receipt, ID);
        free(json);
    }
}
END_TEST

START_TEST(what_says_nothing_of_delivery_is_passed_over) {
    ck_assert_int_eq(
        read_events("[{\"event\":\"processed\"},{\"event\":\"deferred\",\"attempt\":\"5\"},{\"event\":"
                    "\"open\",\"message_id\":7},{\"event\":\"click\"},{\"event\":\"account_status_change\"},"
                    "{\"event\":\"Delivered\"}]"),
        0);
    ck_assert_uint_eq(receipts.skipped, 6);
    ck_assert_uint_eq(receipts.count, 0);
    ck_assert_uint_eq(receipts.broken, 0);
}
END_TEST

START_TEST(a_broken_event_does_not_sink_the_rest) {
    ck_assert_int_eq(read_events("[{\"event\":\"delivered\"," HEAD "},5,{\"event\":7},{\"event\":\"delivered\","
                                 "\"message_id\":\"x\"},{\"event\":\"delivered\",\"message_id\":1},{\"event\" 1},"
                                 "{\"event\":\"open\",\"event\":\"open\"},{\"event\":\"open\",\"useragent\":\"\xff\"},,"
                                 "{\"event\":\"open\",\"useragent\":\"\\ud83d\\u0000\"},{},"
                                 "{\"event\":\"bounce\"," HEAD "}]"),
                     0);
    ck_assert_uint_eq(receipts.count, 2);
    ck_assert_int_eq(receipts.items[1].status, RECEIPT_UNDELIVERED);
    ck_assert_uint_eq(receipts.skipped, 1);
    ck_assert_uint_eq(receipts.broken, 9);
    static const struct receipt_trouble expected[] = {
        {1, "it is no object"}, {2, "event is no text"}, {3, "message_id is no UUID"}, {4, "message_id is no UUID"}};
    for (size_t i = 0; i < 4; i++) {
        ck_assert_uint_eq(receipts.troubles[i].place, expected[i].place);
        ck_assert_str_eq(receipts.troubles[i].why, expected[i].why);
    }
    ck_assert_uint_eq(receipts.troubles[7].place, 8);
}
END_TEST

START_TEST(a_time_may_be_written_in_any_way_and_be_missing) {
    static const struct {
        const char *written;
        int64_t ms;
    } cases[] = {
        {"1730469600", 1730469600000},    {"\"1730469600\"", 1730469600000},
        {"1730469600.5", 1730469600500},  {"\"1730469600.5\"", 1730469600500},
        {"1730469600123", 1730469600123}, {"\"2024-11-01T14:00:00Z\"", 1730469600000},
        {"0", RECEIPT_NO_TIME},           {"-5", RECEIPT_NO_TIME},
        {"1e300", RECEIPT_NO_TIME},       {"\"soon\"", RECEIPT_NO_TIME},
        {"null", RECEIPT_NO_TIME},        {"{}", RECEIPT_NO_TIME},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *json = xasprintf("[{\"event\":\"delivered\",\"timestamp\":%s}]", cases[i].written);
        ck_assert_int_eq(read_events(json), 0);
        ck_assert_msg(only()->occurred_ms == cases[i].ms, "%s: %lld", cases[i].written, (long long)only()->occurred_ms);
        free(json);
    }
    ck_assert_int_eq(read_events("[{\"event\":\"delivered\"}]"), 0);
    ck_assert_int_eq(only()->occurred_ms, RECEIPT_NO_TIME);
}
END_TEST

START_TEST(a_partition_may_be_a_text_or_a_number) {
    static const struct {
        const char *written;
        unsigned partition;
    } cases[] = {{"\"0\"", 0},
                 {"7", 7},
                 {"\"7x\"", RECEIPT_NO_PARTITION},
                 {"-1", RECEIPT_NO_PARTITION},
                 {"1.5", RECEIPT_NO_PARTITION},
                 {"[]", RECEIPT_NO_PARTITION}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *json = xasprintf("[{\"event\":\"delivered\",\"partition\":%s}]", cases[i].written);
        ck_assert_int_eq(read_events(json), 0);
        ck_assert_uint_eq(only()->partition, cases[i].partition);
        free(json);
    }
}
END_TEST

START_TEST(one_event_may_stand_alone_and_no_event_at_all) {
    ck_assert_int_eq(read_events(" {\"event\":\"delivered\"," HEAD "}\n"), 0);
    assert_id(only(), ID);
    ck_assert_int_eq(read_events("[]"), 0);
    ck_assert_uint_eq(receipts.count, 0);
    ck_assert_int_eq(read_events("{\"event\":1}"), 0);
    ck_assert_uint_eq(receipts.broken, 1);
}
END_TEST

START_TEST(what_is_no_array_says_so) {
    static const char *const bodies[] = {
        "", "x", "\"delivered\"", "[{\"event\":\"delivered\"}", "{\"event\":", "[] []", "[{\"event\":\"delivered\"}]x"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        ck_assert_int_eq(read_events(bodies[i]), -1);
        ck_assert_ptr_nonnull(error);
        ck_assert(receipts.items == NULL && receipts.count == 0);
    }
}
END_TEST

START_TEST(an_id_of_the_providers_ends_at_the_first_dot) {
    static const char *const cases[][2] = {{"abc", "abc"}, {"abc.d.e", "abc"}, {".x", NULL}, {"", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *json = xasprintf("[{\"event\":\"delivered\",\"sg_message_id\":\"%s\"}]", cases[i][0]);
        ck_assert_int_eq(read_events(json), 0);
        assert_text(only()->provider_message_id, cases[i][1]);
        free(json);
    }
}
END_TEST

Suite *suite_provider_receipts(void) {
    Suite *suite = suite_create("provider_receipts");
    TCase *tcase = tcase_create("receipts");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_delivered_callback_is_a_receipt_of_the_urls_message);
    tcase_add_test(tcase, the_names_may_be_those_of_old);
    tcase_add_test(tcase, what_was_not_delivered_has_its_code_and_a_reason);
    tcase_add_test(tcase, what_is_not_the_end_of_a_message_is_passed_over);
    tcase_add_loop_test(tcase, without_an_id_of_ours_it_is_read_all_the_same, 0, 2);
    tcase_add_test(tcase, what_can_not_be_read_says_why);
    tcase_add_test(tcase, without_a_sid_nothing_makes_it_the_same_when_it_comes_again);
    tcase_add_test(tcase, a_delivered_event_is_a_receipt);
    tcase_add_test(tcase, each_kind_of_event_is_what_it_says);
    tcase_add_test(tcase, what_says_nothing_of_delivery_is_passed_over);
    tcase_add_test(tcase, a_broken_event_does_not_sink_the_rest);
    tcase_add_test(tcase, a_time_may_be_written_in_any_way_and_be_missing);
    tcase_add_test(tcase, a_partition_may_be_a_text_or_a_number);
    tcase_add_test(tcase, one_event_may_stand_alone_and_no_event_at_all);
    tcase_add_test(tcase, what_is_no_array_says_so);
    tcase_add_test(tcase, an_id_of_the_providers_ends_at_the_first_dot);
    suite_add_tcase(suite, tcase);
    return suite;
}
