// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "persister/event.h"

Suite *suite_persister_event(void);

#define ID "018f3c5e-0000-7000-8000-000000000001"
#define MESSAGE                                                                                                        \
    "{\"type\":\"mms\",\"direction\":\"outbound\",\"from\":\"+1 804\",\"to\":\"+2\",\"sender\":\"+1804\","             \
    "\"recipient\":\"+2\",\"body\":\"hi\",\"attachments\":[\"https://a/b\"],\"occurred_ms\":1,\"accepted_ms\":2,"      \
    "\"request_id\":\"r\"}"
#define ATTEMPT                                                                                                        \
    "{\"provider\":\"email\",\"outcome\":\"server_error\",\"http_status\":503,\"latency_us\":1200,"                    \
    "\"started_ms\":1730469600000,\"error\":\"busy\"}"

static struct buf packed;

// Packs name, value, …, NULL.
static void pack(const char *name, ...) {
    va_list values;
    buf_clear(&packed);
    va_start(values, name);
    for (const char *text = name; text != NULL; text = va_arg(values, const char *)) {
        event_pack(&packed, text, strlen(text));
    }
    va_end(values);
}

static void tear_down(void) {
    buf_free(&packed);
}

static enum event_result decode(struct event *event, const char **reason) {
    *reason = NULL;
    return event_decode(packed.data, packed.length, event, reason);
}

static void assert_poison(const char *expected) {
    struct event event;
    const char *reason;
    ck_assert_int_eq(decode(&event, &reason), EVENT_POISON);
    ck_assert_str_eq(reason, expected);
}

START_TEST(an_accepted_entry_carries_its_message) {
    struct event event;
    const char *reason;
    pack("v", "1", "k", "accepted", "id", ID, "gen", "0", "at", "1730469600000", "p", MESSAGE, NULL);
    ck_assert_int_eq(decode(&event, &reason), EVENT_OK);
    ck_assert_int_eq(event.kind, EVENT_MESSAGE);
    ck_assert_str_eq(event.id, ID);
    ck_assert_int_eq(event.at_ms, 1730469600000);
    ck_assert_str_eq(event.message.sender, "+1804");
    event_free(&event);
}
END_TEST

START_TEST(what_is_packed_is_read_as_what_has_a_field_each) {
    struct event event;
    const char *reason;
    pack("v", "2", "id", ID, "m", "accepted 0 1730469600000 held", "p", MESSAGE, NULL);
    ck_assert_int_eq(decode(&event, &reason), EVENT_OK);
    ck_assert_int_eq(event.kind, EVENT_MESSAGE);
    ck_assert_int_eq(event.state, EVENT_STATE_HELD);
    ck_assert_int_eq(event.at_ms, 1730469600000);
    ck_assert_str_eq(event.message.body, "hi");
    event_free(&event);
    pack("v", "2", "id", ID, "m", "outcome 1 7 3 2 retry 900 0", "p", ATTEMPT, NULL);
    ck_assert_int_eq(decode(&event, &reason), EVENT_OK);
    ck_assert_int_eq(event.generation, 1);
    ck_assert_int_eq(event.call, 3);
    ck_assert_int_eq(event.delivery, 2);
    ck_assert_int_eq(event.verdict, VERDICT_RETRY);
    ck_assert_int_eq(event.due_ms, 900);
    ck_assert(!event.late);
    event_free(&event);
    pack("v", "2", "id", ID, "m", "outcome 1 7 3 2 sent - 1", "p", ATTEMPT, NULL);
    ck_assert_int_eq(decode(&event, &reason), EVENT_OK);
    ck_assert_int_eq(event.due_ms, -1);
    ck_assert(event.late);
    event_free(&event);
    pack("v", "2", "id", ID, "m", "outcome 0 7 0 0 cancelled - 0", "p", ATTEMPT, NULL);
    ck_assert_int_eq(decode(&event, &reason), EVENT_OK);
    ck_assert_int_eq(event.verdict, VERDICT_CANCELLED);
    ck_assert_int_eq(event.call, 0); // it was cancelled before the first
    event_free(&event);
    pack("v", "2", "id", ID, "m", "replayed 2 5 scheduled", NULL);
    ck_assert_int_eq(decode(&event, &reason), EVENT_OK);
    ck_assert_int_eq(event.kind, EVENT_REPLAYED);
    ck_assert_int_eq(event.state, EVENT_STATE_SCHEDULED);
    event_free(&event);
}
END_TEST

START_TEST(what_is_packed_and_cut_short_is_poison) {
    pack("v", "2", "id", ID, "m", "", NULL);
    assert_poison("k is not accepted, received, outcome, replayed, unread, reread, receipt, optout or erase");
    pack("v", "2", "id", ID, "m", "accepted", NULL);
    assert_poison("gen is not an integer of 0 to 2147483647");
    pack("v", "2", "id", ID, "m", "accepted 0 5 queued", NULL);
    assert_poison("p is missing");
    pack("v", "2", "id", ID, "m",
         "accepted 0 "
         "11111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111"
         "11111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111"
         " queued",
         NULL);
    assert_poison("at is not a time of the years 1 to 9999 in milliseconds since 1970");
}
END_TEST

START_TEST(an_id_is_kept_in_lower_case) {
    struct event event;
    const char *reason;
    pack("v", "1", "k", "replayed", "id", "018F3C5E-0000-7000-8000-00000000000A", "gen", "2", "at", "5", NULL);
    ck_assert_int_eq(decode(&event, &reason), EVENT_OK);
    ck_assert_str_eq(event.id, "018f3c5e-0000-7000-8000-00000000000a");
    ck_assert_int_eq(event.kind, EVENT_REPLAYED);
    ck_assert_int_eq(event.generation, 2);
    event_free(&event);
}
END_TEST

START_TEST(an_outcome_carries_its_call) {
    struct event event;
    const char *reason;
    pack("v", "1", "k", "outcome", "id", ID, "gen", "1", "at", "7", "call", "3", "n", "2", "verdict", "retry", "due",
         "900", "p", ATTEMPT, NULL);
    ck_assert_int_eq(decode(&event, &reason), EVENT_OK);
    ck_assert_int_eq(event.kind, EVENT_OUTCOME);
    ck_assert_int_eq(event.verdict, VERDICT_RETRY);
    ck_assert_int_eq(event.call, 3);
    ck_assert_int_eq(event.delivery, 2);
    ck_assert_int_eq(event.due_ms, 900);
    ck_assert(!event.late);
    ck_assert_int_eq(event.attempt.http_status, 503);
    ck_assert_str_eq(event.attempt.error, "busy");
    ck_assert_ptr_null(event.attempt.provider_message_id);
    event_free(&event);
}
END_TEST

START_TEST(a_late_success_says_so_and_has_no_next_attempt) {
    struct event event;
    const char *reason;
    pack("v", "1", "k", "outcome", "id", ID, "gen", "0", "at", "7", "call", "1", "n", "1", "verdict", "sent", "p",
         ATTEMPT, "late", "1", NULL);
    ck_assert_int_eq(decode(&event, &reason), EVENT_OK);
    ck_assert(event.late);
    ck_assert_int_eq(event.due_ms, -1);
    event_free(&event);
}
END_TEST

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define WEBHOOK(raw)                                                                                                   \
    "v", "2", "k", "unread", "hash", HASH, "at", "1730469600000", "channel", "email", "field", "from", "why",          \
        "is required", "type", "application/json", "from", "192.0.2.1", "request", "r-1", "raw", raw

START_TEST(a_webhook_that_is_no_message_carries_its_body_and_what_is_wrong) {
    struct event event;
    const char *reason;
    pack(WEBHOOK("e30="), NULL);
    ck_assert_int_eq(decode(&event, &reason), EVENT_OK);
    ck_assert_int_eq(event.kind, EVENT_UNREAD);
    ck_assert_str_eq(event.id, "");
    ck_assert_int_eq(event.at_ms, 1730469600000);
    ck_assert_int_eq(event.unread.channel, CHANNEL_EMAIL);
    ck_assert_str_eq(event.unread.hash, HASH);
    ck_assert_str_eq(event.unread.field, "from");
    ck_assert_str_eq(event.unread.reason, "is required");
    ck_assert_str_eq(event.unread.address, "192.0.2.1");
    ck_assert_str_eq(event.unread.raw, "e30=");
    event_free(&event);
    pack(WEBHOOK(""), NULL);
    ck_assert_int_eq(decode(&event, &reason), EVENT_OK);
    event_free(&event);
}
END_TEST

START_TEST(a_webhook_that_lacks_something_is_poison) {
    pack(WEBHOOK("e3"), NULL);
    assert_poison("raw is not base64");
    pack(WEBHOOK("e30="), "hash", "0123", NULL);
    assert_poison("hash is not 64 hexadecimal digits");
    pack(WEBHOOK("e30="), "channel", "fax", NULL);
    assert_poison("channel is not sms or email");
    pack("v", "2", "k", "unread", "at", "1", "channel", "sms", "hash", HASH, "raw", "", NULL);
    assert_poison("field, why, type, from or request is missing or longer than 1024 bytes");
    pack("v", "2", "k", "unread", "at", "now", NULL);
    assert_poison("at is not a time of the years 1 to 9999 in milliseconds since 1970");
}
END_TEST

START_TEST(a_webhook_that_is_read_again_names_its_dead_letter) {
    struct event event;
    const char *reason;
    pack("v", "2", "k", "reread", "id", ID, "letter", HASH, "at", "5", NULL);
    ck_assert_int_eq(decode(&event, &reason), EVENT_OK);
    ck_assert_int_eq(event.kind, EVENT_REREAD);
    ck_assert_str_eq(event.letter, HASH);
    ck_assert_str_eq(event.id, ID);
    event_free(&event);
    pack("v", "2", "k", "reread", "id", ID, "letter", "17", "at", "5", NULL);
    assert_poison("letter is not 64 hexadecimal digits");
}
END_TEST

START_TEST(a_receipt_carries_what_the_provider_said) {
    struct event event;
    const char *reason;
    pack("v", "2", "k", "receipt", "id", ID, "gen", "7", "at", "1730469600000", "p",
         "{\"provider\":\"email\",\"status\":\"undelivered\",\"at\":1730469600001,\"code\":\"bounce\",\"reason\":"
         "\"full\","
         "\"provider_message_id\":\"x.1\"}",
         NULL);
    ck_assert_int_eq(decode(&event, &reason), EVENT_OK);
    ck_assert_int_eq(event.kind, EVENT_RECEIPT);
    ck_assert_str_eq(event.id, ID);
    ck_assert_int_eq(event.generation, 0); // it is the message's, whatever came of it
    ck_assert_int_eq(event.at_ms, 1730469600000);
    ck_assert_int_eq(event.receipt.provider, PROVIDER_EMAIL);
    ck_assert_int_eq(event.receipt.status, RECEIPT_UNDELIVERED);
    ck_assert_int_eq(event.receipt.at_ms, 1730469600001);
    ck_assert_str_eq(event.receipt.code, "bounce");
    ck_assert_str_eq(event.receipt.reason, "full");
    ck_assert_str_eq(event.receipt.provider_message_id, "x.1");
    event_free(&event);
}
END_TEST

START_TEST(what_is_no_receipt_is_poison_with_its_reason) {
    pack("v", "2", "k", "receipt", "id", ID, "gen", "0", "at", "1", NULL);
    assert_poison("p is missing");
    pack("v", "2", "k", "receipt", "id", ID, "gen", "0", "at", "1", "p", "{\"provider\":\"email\",\"status\":\"read\"}",
         NULL);
    assert_poison("status is not delivered or undelivered");
    pack("v", "2", "k", "receipt", "id", "x", "gen", "0", "at", "1", "p", "{}", NULL);
    assert_poison("id is not a UUID");
}
END_TEST

START_TEST(an_opt_out_is_about_a_pair) {
    struct event event;
    const char *reason;
    pack("v", "2", "k", "optout", "id", ID, "gen", "0", "at", "1730469600000", "p",
         "{\"provider\":\"sms-mms\",\"our\":\"+1\",\"their\":\"+2\",\"state\":\"out\",\"at\":5,\"came\":6,\"by\":"
         "\"provider\"}",
         NULL);
    ck_assert_int_eq(decode(&event, &reason), EVENT_OK);
    ck_assert_int_eq(event.kind, EVENT_OPT_OUT);
    ck_assert_int_eq(event.opt_out.provider, PROVIDER_SMS_MMS);
    ck_assert_str_eq(event.opt_out.our_address, "+1");
    ck_assert_str_eq(event.opt_out.their_address, "+2");
    ck_assert_int_eq(event.opt_out.state, OPT_OUT_OUT);
    ck_assert_int_eq(event.opt_out.at_ms, 5);
    ck_assert_int_eq(event.opt_out.by, OPT_OUT_BY_PROVIDER);
    event_free(&event);
}
END_TEST

START_TEST(what_is_no_opt_out_is_poison_with_its_reason) {
    static const char *const cases[][2] = {
        {"[]", "the payload is not an object"},
        {"{}", "provider is not sms-mms or email"},
        {"{\"provider\":\"email\",\"our\":\"\",\"their\":\"b\"}", "our or their is not a string of 1 to 1024 bytes"},
        {"{\"provider\":\"email\",\"our\":\"a\",\"their\":\"b\"}", "state is not out or in"},
        {"{\"provider\":\"email\",\"our\":\"a\",\"their\":\"b\",\"state\":\"maybe\"}", "state is not out or in"},
        {"{\"provider\":\"email\",\"our\":\"a\",\"their\":\"b\",\"state\":\"in\",\"at\":\"now\"}",
         "at or came is not a time of the years 1 to 9999 in milliseconds since 1970"},
        {"{\"provider\":\"email\",\"our\":\"a\",\"their\":\"b\",\"state\":\"in\",\"at\":1,\"came\":1,\"by\":\"me\"}",
         "by is not recipient, provider or operator"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pack("v", "2", "k", "optout", "id", ID, "gen", "0", "at", "1", "p", cases[i][0], NULL);
        assert_poison(cases[i][1]);
    }
}
END_TEST

START_TEST(an_erasure_is_of_a_conversation_and_until_when) {
    struct event event;
    const char *reason;
    pack("v", "2", "id", ID, "m", "erase 0 1730469600000", "p",
         "{\"channel\":\"email\",\"one\":\"a@b.example\",\"other\":\"c@d.example\"}", NULL);
    ck_assert_int_eq(decode(&event, &reason), EVENT_OK);
    ck_assert_int_eq(event.kind, EVENT_ERASE);
    ck_assert_int_eq(event.at_ms, 1730469600000);
    ck_assert_int_eq(event.erasure.channel, CHANNEL_EMAIL);
    ck_assert_str_eq(event.erasure.one, "a@b.example");
    ck_assert_str_eq(event.erasure.other, "c@d.example");
    event_free(&event);
}
END_TEST

START_TEST(what_is_no_erasure_is_poison_with_its_reason) {
    static const char *const cases[][2] = {
        {"[]", "the payload is not an object"},
        {"{\"one\":\"a\",\"other\":\"b\"}", "channel is not sms or email"},
        {"{\"channel\":\"fax\",\"one\":\"a\",\"other\":\"b\"}", "channel is not sms or email"},
        {"{\"channel\":\"sms\",\"one\":\"a\"}", "one or other is not a string of 1 to 1024 bytes"},
        {"{\"channel\":\"sms\",\"one\":\"\",\"other\":\"b\"}", "one or other is not a string of 1 to 1024 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pack("v", "2", "id", ID, "m", "erase 0 1", "p", cases[i][0], NULL);
        assert_poison(cases[i][1]);
    }
    pack("v", "2", "id", ID, "m", "erase 0 1", NULL);
    assert_poison("p is missing");
}
END_TEST

START_TEST(a_newer_format_is_no_poison) {
    struct event event;
    const char *reason;
    pack("v", "3", "what", "ever", NULL);
    ck_assert_int_eq(decode(&event, &reason), EVENT_NEWER);
}
END_TEST

START_TEST(garbage_is_poison_with_its_reason) {
    pack("a", "b", NULL);
    assert_poison("v is not a format's number");
    pack("v", "one", NULL);
    assert_poison("v is not a format's number");
    pack("v", "1", "k", "surprise", NULL);
    assert_poison("k is not accepted, received, outcome, replayed, unread, reread, receipt, optout or erase");
    pack("v", "1", "k", "poison", "why", "its parked payload is no JSON object", "parked", ID ":0", NULL);
    assert_poison("its parked payload is no JSON object");
    pack("v", "1", "k", "accepted", "id", "x", NULL);
    assert_poison("id is not a UUID");
    pack("v", "1", "k", "accepted", "id", ID, "gen", "99999999999", NULL);
    assert_poison("gen is not an integer of 0 to 2147483647");
    pack("v", "1", "k", "accepted", "id", ID, "gen", "0", "at", "999999999999999", NULL);
    assert_poison("at is not a time of the years 1 to 9999 in milliseconds since 1970");
    pack("v", "1", "k", "accepted", "id", ID, "gen", "0", "at", "1", NULL);
    assert_poison("p is missing");
    pack("v", "1", "k", "outcome", "id", ID, "gen", "0", "at", "1", "call", "1", "n", "1", "verdict", "maybe", "p",
         ATTEMPT, NULL);
    assert_poison("verdict is not sent, failed, retry or cancelled");
    pack("v", "2", "id", ID, "m", "outcome 0 1 1 1 refused - 0", "p", ATTEMPT, NULL); // settle makes another one of it
    assert_poison("verdict is not sent, failed, retry or cancelled");
    pack("v", "1", "k", "outcome", "id", ID, "gen", "0", "at", "1", "call", "1", "n", "1", "verdict", "sent", "p", "{}",
         NULL);
    assert_poison("provider is not sms-mms or email");
}
END_TEST

START_TEST(a_received_entry_is_not_an_outbound_message) {
    pack("v", "1", "k", "received", "id", ID, "gen", "0", "at", "1", "p", MESSAGE, NULL);
    assert_poison("the direction does not fit the kind");
}
END_TEST

START_TEST(a_payload_with_a_nul_byte_is_poison) {
    struct event event;
    const char *reason;
    pack("v", "1", "k", "accepted", "id", ID, "gen", "0", "at", "1", "p", NULL);
    event_pack(&packed, "{\"type\":\0\"sms\"}", 15);
    ck_assert_int_eq(decode(&event, &reason), EVENT_POISON);
}
END_TEST

START_TEST(an_entry_is_shown_whole_as_json) {
    struct buf json = {0};
    pack("a", "\"quoted\"\n", "b", NULL);
    event_pack(&packed, "\xff\0z", 3);
    event_json(packed.data, packed.length, &json);
    ck_assert_str_eq(json.data, "{\"a\":\"\\\"quoted\\\"\\n\",\"b\":\"\xEF\xBF\xBD\\u0000z\"}");
    buf_free(&json);
}
END_TEST

START_TEST(a_field_without_a_value_at_the_end_is_left_out) {
    struct buf json = {0};
    pack("a", "1", "b", NULL);
    event_json(packed.data, packed.length, &json);
    ck_assert_str_eq(json.data, "{\"a\":\"1\"}");
    buf_free(&json);
}
END_TEST

// Packs an outcome whose attempt has a text of `length` bytes under that name.
static void pack_attempt(const char *name, size_t length) {
    char text[8192], attempt[9000];
    memset(text, 'x', length);
    text[length] = '\0';
    snprintf(attempt, sizeof attempt,
             "{\"provider\":\"email\",\"%s\":\"%s\",\"http_status\":503,\"latency_us\":1,\"started_ms\":1%s}", name,
             text, strcmp(name, "outcome") == 0 ? "" : ",\"outcome\":\"rejected\"");
    pack("v", "1", "k", "outcome", "id", ID, "gen", "0", "at", "1", "call", "1", "n", "1", "verdict", "failed", "p",
         attempt, NULL);
}

START_TEST(a_text_longer_than_an_index_takes_is_poison_with_its_reason) {
    static const struct {
        const char *name;
        size_t most;
        const char *reason;
    } texts[] = {{"outcome", 64, "outcome is not a string of 1 to 64 bytes"},
                 {"error", 4096, "error is longer than 4096 bytes"},
                 {"provider_message_id", 1024, "provider_message_id is longer than 1024 bytes"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct event event;
        const char *reason;
        pack_attempt(texts[i].name, texts[i].most);
        ck_assert_int_eq(decode(&event, &reason), EVENT_OK);
        event_free(&event);
        pack_attempt(texts[i].name, texts[i].most + 1);
        assert_poison(texts[i].reason);
    }
    pack_attempt("outcome", 6000);
    assert_poison("outcome is not a string of 1 to 64 bytes");
}
END_TEST

Suite *suite_persister_event(void) {
    Suite *suite = suite_create("persister_event");
    TCase *tcase = tcase_create("event");
    tcase_add_checked_fixture(tcase, NULL, tear_down);
    tcase_add_test(tcase, what_is_packed_is_read_as_what_has_a_field_each);
    tcase_add_test(tcase, what_is_packed_and_cut_short_is_poison);
    tcase_add_test(tcase, an_accepted_entry_carries_its_message);
    tcase_add_test(tcase, an_id_is_kept_in_lower_case);
    tcase_add_test(tcase, an_outcome_carries_its_call);
    tcase_add_test(tcase, a_text_longer_than_an_index_takes_is_poison_with_its_reason);
    tcase_add_test(tcase, a_late_success_says_so_and_has_no_next_attempt);
    tcase_add_test(tcase, a_receipt_carries_what_the_provider_said);
    tcase_add_test(tcase, what_is_no_receipt_is_poison_with_its_reason);
    tcase_add_test(tcase, a_newer_format_is_no_poison);
    tcase_add_test(tcase, an_opt_out_is_about_a_pair);
    tcase_add_test(tcase, what_is_no_opt_out_is_poison_with_its_reason);
    tcase_add_test(tcase, an_erasure_is_of_a_conversation_and_until_when);
    tcase_add_test(tcase, what_is_no_erasure_is_poison_with_its_reason);
    tcase_add_test(tcase, a_webhook_that_is_no_message_carries_its_body_and_what_is_wrong);
    tcase_add_test(tcase, a_webhook_that_lacks_something_is_poison);
    tcase_add_test(tcase, a_webhook_that_is_read_again_names_its_dead_letter);
    tcase_add_test(tcase, garbage_is_poison_with_its_reason);
    tcase_add_test(tcase, a_received_entry_is_not_an_outbound_message);
    tcase_add_test(tcase, a_payload_with_a_nul_byte_is_poison);
    tcase_add_test(tcase, an_entry_is_shown_whole_as_json);
    tcase_add_test(tcase, a_field_without_a_value_at_the_end_is_left_out);
    suite_add_tcase(suite, tcase);
    return suite;
}
