// SPDX-License-Identifier: MIT
// What a gateway of plain JSON is sent, what is made of its answers, and what is read in its receipts.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/provider/provider.h"
#include "shared/provider/x_signature.h"

#define ID "01930000-0000-7000-8000-000000000001"
#define OTHER_ID "01930000-0000-7000-8000-000000000002"
#define NOW 1700000000

Suite *suite_provider_generic(void);

static char generic[] = "generic", url[] = "https://gw.example/v1/send/", token[] = "a secret of the gateway",
            nothing[] = "", public_url[] = "https://hooks.example.com";

static struct settings settings_with(char *secret, char *base) {
    return (struct settings){.provider_sms_kind = generic,
                             .provider_sms_url = url,
                             .provider_sms_token = secret,
                             .webhook_public_url = base};
}

static char *body_of(const struct settings *settings, const struct message *message) {
    struct buf out = {0};
    provider_adapter(settings, PROVIDER_SMS_MMS)->write_body(&(struct provider_send){settings, ID, 7, message}, &out);
    return out.data;
}

static char from[] = "+1 (201) 666-1234", to[] = "+1 804 555 1234", sender[] = "+12016661234",
            recipient[] = "+18045551234", text[] = "say \"hi\" \xc3\xa9", first[] = "https://example.com/a.png?x=1&y=2",
            second[] = "https://example.com/b";
static char *media[] = {first, second};

START_TEST(an_sms_is_our_own_send_with_its_id) {
    struct settings settings = settings_with(token, nothing);
    struct message message = {.type = MESSAGE_SMS,
                              .from = from,
                              .to = to,
                              .sender = sender,
                              .recipient = recipient,
                              .body = text,
                              .occurred_ms = 1730469600123};
    char *body = body_of(&settings, &message);
    ck_assert_str_eq(body, "{\"id\":\"" ID "\",\"from\":\"+12016661234\",\"to\":\"+18045551234\",\"type\":\"sms\","
                           "\"body\":\"say \\\"hi\\\" \xc3\xa9\",\"attachments\":[],"
                           "\"timestamp\":\"2024-11-01T14:00:00.123Z\"}");
    free(body);
}
END_TEST

START_TEST(an_mms_has_its_media_and_says_where_to_report) {
    struct settings settings = settings_with(token, public_url);
    char brand[] = "My Brand", identity[] = "my brand", empty[] = "";
    struct message message = {.type = MESSAGE_MMS,
                              .from = brand,
                              .to = to,
                              .sender = identity,
                              .recipient = recipient,
                              .body = empty,
                              .attachments = media,
                              .attachment_count = 2};
    char *body = body_of(&settings, &message);
    const char *why;
    cJSON *read = json_parse(body, strlen(body), &why);
    ck_assert_msg(read != NULL, "%s", body);
    ck_assert_str_eq(json_string(read, "from"), "My Brand");
    ck_assert_str_eq(json_string(read, "type"), "mms");
    ck_assert_str_eq(json_string(read, "body"), "");
    ck_assert_str_eq(cJSON_GetArrayItem(json_member(read, "attachments"), 0)->valuestring, first);
    ck_assert_str_eq(cJSON_GetArrayItem(json_member(read, "attachments"), 1)->valuestring, second);
    ck_assert_str_eq(json_string(read, "status_callback"),
                     "https://hooks.example.com/api/webhooks/sms/status?message_id=" ID "&partition=7");
    cJSON_Delete(read);
    free(body);
}
END_TEST

START_TEST(it_goes_to_the_url_as_it_is_without_authorization) {
    struct settings settings = settings_with(token, nothing);
    const struct provider_adapter *adapter = provider_adapter(&settings, PROVIDER_SMS_MMS);
    char *called = adapter->url(&settings);
    ck_assert_str_eq(called, url);
    ck_assert_ptr_null(adapter->authorization(&settings));
    free(called);
}
END_TEST

START_TEST(its_body_is_signed_where_a_token_is_set) {
    struct settings with = settings_with(token, nothing), without = settings_with(nothing, nothing);
    const struct provider_adapter *adapter = provider_adapter(&with, PROVIDER_SMS_MMS);
    struct buf body = {0}, header = {0};
    uint8_t id[SIGNATURE_ID_SIZE];
    char *const secrets[WEBHOOK_SECRETS] = {token, nothing};
    buf_puts(&body, "{\"id\":1}");
    ck_assert(adapter->sign(&with, &body, NOW, &header));
    ck_assert_int_eq(x_signature_check(header.data, body.data, body.length, secrets, NOW, 0, id), SIGNATURE_RIGHT);
    buf_clear(&header);
    ck_assert(!adapter->sign(&without, &body, NOW, &header));
    ck_assert_uint_eq(header.length, 0);
    buf_free(&body);
    buf_free(&header);
}
END_TEST

static const struct {
    enum outcome_class class;
    const char *body, *id, *error;
} answers[] = {
    {OUTCOME_SENT, "{\"id\":\"G-1\"}", "G-1", NULL},
    {OUTCOME_SENT, "{\"id\":12345678901234567890}", "12345678901234567890", NULL},
    {OUTCOME_SENT, "{\"id\":1.5}", NULL, NULL},
    {OUTCOME_SENT, "{\"id\":\"\"}", NULL, NULL},
    {OUTCOME_SENT, "{\"id\":null}", NULL, NULL},
    {OUTCOME_SENT, "OK", NULL, NULL},
    {OUTCOME_SENT, "", NULL, NULL},
    {OUTCOME_REJECTED, "{\"code\":21211,\"message\":\"no such number\"}", NULL, "21211: no such number"},
    {OUTCOME_REJECTED, "{\"code\":\"E7\",\"message\":\"no\\nsuch\"}", NULL, "E7: no such"},
    {OUTCOME_REJECTED, "{\"message\":\"no such number\"}", NULL, "no such number"},
    {OUTCOME_REJECTED, "{\"code\":7}", NULL, NULL},
    {OUTCOME_REJECTED, "<p>Bad Request</p>", NULL, NULL},
    {OUTCOME_SERVER_ERROR, "{\"id\":\"G-1\",\"message\":\"later\"}", NULL, "later"},
};

START_TEST(an_answer_gives_its_id_or_says_why_not) {
    struct settings settings = settings_with(token, nothing);
    struct outcome outcome = {.class = answers[_i].class};
    provider_adapter(&settings, PROVIDER_SMS_MMS)
        ->read_answer(answers[_i].body, strlen(answers[_i].body), NULL, &outcome);
    ck_assert_pstr_eq(outcome.provider_message_id, answers[_i].id);
    ck_assert_pstr_eq(outcome.error, answers[_i].error);
    outcome_clear(&outcome);
}
END_TEST

// ---- Receipts

static const char *called_with_id, *called_with_partition; // in the URL's query

static void setup(void) {
    called_with_id = called_with_partition = NULL;
}

static const char *parameter_of(const void *context, const char *name) {
    (void)context;
    return strcmp(name, "message_id") == 0 ? called_with_id : called_with_partition;
}

static int read_of(const char *body, struct receipts *out, const char **error) {
    struct settings settings = settings_with(token, nothing);
    const struct provider_post post = {
        .content_type = "application/json", .body = body, .length = strlen(body), .parameter = parameter_of};
    const struct provider_way_in *way =
        provider_way_in(&settings, PROVIDER_SMS_MMS, PROVIDER_ROUTE_RECEIPTS, post.content_type);
    ck_assert_ptr_nonnull(way);
    return way->read_receipts(&post, out, error);
}

static struct receipts receipts_of(const char *body) {
    struct receipts receipts;
    const char *error = NULL;
    ck_assert_msg(read_of(body, &receipts, &error) == 0, "%s: %s", body, error);
    return receipts;
}

static void assert_id(const struct receipt *receipt, const char *expected) {
    char id[UUID_TEXT_SIZE];
    ck_assert(receipt->has_message_id);
    uuid_format(&receipt->message_id, id);
    ck_assert_str_eq(id, expected);
}

START_TEST(a_receipt_says_all_that_is_known) {
    struct receipts receipts = receipts_of("{\"message_id\":\"" ID "\",\"status\":\"undelivered\",\"code\":30003,"
                                           "\"reason\":\"switched\\noff\",\"timestamp\":\"2024-11-01T14:00:00Z\","
                                           "\"provider_message_id\":98765432109876543210,\"more\":[1]}");
    const struct receipt *receipt = receipts.items;
    ck_assert_uint_eq(receipts.count, 1);
    assert_id(receipt, ID);
    ck_assert(receipt->has_status && receipt->status == RECEIPT_UNDELIVERED);
    ck_assert_str_eq(receipt->code, "30003");
    ck_assert_str_eq(receipt->reason, "switched off");
    ck_assert_int_eq(receipt->occurred_ms, 1730469600000);
    ck_assert_str_eq(receipt->provider_message_id, "98765432109876543210");
    ck_assert_uint_eq(receipt->partition, RECEIPT_NO_PARTITION);
    receipts_free(&receipts);
}
END_TEST

START_TEST(a_receipt_needs_no_more_than_message_and_status) {
    struct receipts receipts = receipts_of(" [{\"message_id\":\"" ID "\",\"status\":\"Delivered\",\"code\":null,"
                                           "\"reason\":7,\"timestamp\":\"once\",\"provider_message_id\":{}}]\n");
    const struct receipt *receipt = receipts.items;
    ck_assert_uint_eq(receipts.count, 1);
    ck_assert(receipt->has_status && receipt->status == RECEIPT_DELIVERED);
    ck_assert(receipt->code == NULL && receipt->reason == NULL && receipt->provider_message_id == NULL);
    ck_assert_int_eq(receipt->occurred_ms, RECEIPT_NO_TIME);
    receipts_free(&receipts);
}
END_TEST

START_TEST(a_time_before_1970_is_none) {
    struct receipts receipts = receipts_of("{\"message_id\":\"" ID "\",\"status\":\"delivered\","
                                           "\"timestamp\":\"1012-11-01T14:00:05Z\"}");
    ck_assert_uint_eq(receipts.count, 1);
    ck_assert_int_eq(receipts.items->occurred_ms, RECEIPT_NO_TIME);
    receipts_free(&receipts);
}
END_TEST

START_TEST(of_many_the_broken_and_the_unknown_sink_none) {
    struct receipts receipts = receipts_of(
        "[{\"message_id\":\"" ID "\",\"status\":\"delivered\"},{\"message_id\":\"x\",\"status\":\"delivered\"},"
        "{\"message_id\":\"" ID "\",\"status\":\"queued\"},7,{\"message_id\":\"" ID "\"},{\"status\":,},"
        "{\"status\":\"delivered\"},{\"message_id\":1,\"status\":\"delivered\"},"
        "{\"message_id\":\"" OTHER_ID "\",\"status\":\"undelivered\",\"timestamp\":1730469600}]");
    ck_assert_uint_eq(receipts.count, 2);
    ck_assert_uint_eq(receipts.skipped, 1);
    ck_assert_uint_eq(receipts.broken, 6);
    assert_id(&receipts.items[0], ID);
    assert_id(&receipts.items[1], OTHER_ID);
    ck_assert_int_eq(receipts.items[1].occurred_ms, 1730469600000);
    receipts_free(&receipts);
}
END_TEST

START_TEST(the_url_that_was_called_tells_what_a_receipt_leaves_out) {
    called_with_id = ID;
    called_with_partition = "12";
    static const struct {
        const char *body, *id;
        unsigned partition;
    } cases[] = {
        {"{\"status\":\"delivered\"}", ID, 12},
        {"{\"status\":\"delivered\",\"message_id\":\"" ID "\"}", ID, 12},
        {"{\"status\":\"delivered\",\"message_id\":\"" OTHER_ID "\"}", OTHER_ID, RECEIPT_NO_PARTITION},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct receipts receipts = receipts_of(cases[i].body);
        ck_assert_uint_eq(receipts.count, 1);
        assert_id(receipts.items, cases[i].id);
        ck_assert_uint_eq(receipts.items->partition, cases[i].partition);
        receipts_free(&receipts);
    }
}
END_TEST

static const char *const unreadable[] = {
    "",
    "x",
    "7",
    "\"delivered\"",
    "{}",
    "{\"status\":\"delivered\"}",
    "{\"message_id\":\"" ID "\"}",
    "{\"message_id\":\"" ID "\",\"status\":1}",
    "{\"message_id\":\"no-uuid\",\"status\":\"delivered\"}",
    "[{\"message_id\":\"" ID "\",\"status\":\"delivered\"}",
};

START_TEST(what_can_not_be_read_at_all_is_refused) {
    struct receipts receipts;
    const char *error = NULL;
    ck_assert_msg(read_of(unreadable[_i], &receipts, &error) == -1, "%s", unreadable[_i]);
    ck_assert_ptr_nonnull(error);
    ck_assert_uint_eq(receipts.count, 0);
}
END_TEST

START_TEST(forms_are_twilios_alone) {
    struct settings settings = settings_with(token, nothing);
    for (int route = PROVIDER_ROUTE_MESSAGES; route <= PROVIDER_ROUTE_RECEIPTS; route++) {
        ck_assert_ptr_null(provider_way_in(&settings, PROVIDER_SMS_MMS, (enum provider_route)route,
                                           "application/x-www-form-urlencoded"));
    }
}
END_TEST

START_TEST(what_came_as_a_form_before_is_still_read_as_one) {
    const char *type = "application/x-www-form-urlencoded; charset=utf-8", *form = "From=%2B1&To=%2B2&MessageSid=SM1";
    const struct provider_way_in *way = provider_way_in_of_any(PROVIDER_SMS_MMS, PROVIDER_ROUTE_MESSAGES, type);
    const struct provider_post post = {.content_type = type, .body = form, .length = strlen(form)};
    const char *error = NULL;
    ck_assert_ptr_nonnull(way);
    cJSON *read = way->read_message(&post, &error);
    ck_assert_str_eq(json_string(read, "from"), "+1");
    cJSON_Delete(read);
    ck_assert_ptr_null(provider_way_in_of_any(PROVIDER_EMAIL, PROVIDER_ROUTE_MESSAGES, type));
}
END_TEST

Suite *suite_provider_generic(void) {
    Suite *suite = suite_create("provider_generic");
    TCase *tests = tcase_create("generic");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, an_sms_is_our_own_send_with_its_id);
    tcase_add_test(tests, an_mms_has_its_media_and_says_where_to_report);
    tcase_add_test(tests, it_goes_to_the_url_as_it_is_without_authorization);
    tcase_add_test(tests, its_body_is_signed_where_a_token_is_set);
    tcase_add_loop_test(tests, an_answer_gives_its_id_or_says_why_not, 0, sizeof answers / sizeof *answers);
    tcase_add_test(tests, a_receipt_says_all_that_is_known);
    tcase_add_test(tests, a_receipt_needs_no_more_than_message_and_status);
    tcase_add_test(tests, a_time_before_1970_is_none);
    tcase_add_test(tests, of_many_the_broken_and_the_unknown_sink_none);
    tcase_add_test(tests, the_url_that_was_called_tells_what_a_receipt_leaves_out);
    tcase_add_loop_test(tests, what_can_not_be_read_at_all_is_refused, 0, sizeof unreadable / sizeof *unreadable);
    tcase_add_test(tests, forms_are_twilios_alone);
    tcase_add_test(tests, what_came_as_a_form_before_is_still_read_as_one);
    suite_add_tcase(suite, tests);
    return suite;
}
