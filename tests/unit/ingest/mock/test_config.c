// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "dispatcher/mock/refusals.h"
#include "ingest/mock/config.h"

#define RECEIPTS "\"receipts_pct\":100,\"undelivered_pct\":0,\"receipt_delay_ms\":400," // by default

Suite *suite_mock_config(void);

static void assert_shown(const struct mock_config *config, const char *expected) {
    struct buf json = {0};
    ingest_mock_config_write(config, &json);
    ck_assert_str_eq(json.data, expected);
    buf_free(&json);
}

// Shows it and lets go of it.
static void assert_shows(struct mock_config config, const char *expected) {
    assert_shown(&config, expected);
    ingest_mock_config_free(&config);
}

static void assert_refused(const char *text, const char *field) {
    struct mock_config config;
    struct mock_config_error error;
    ck_assert_msg(ingest_mock_config_parse(text, strlen(text), &config, &error) == -1, "was taken: %s", text);
    ck_assert_str_eq(error.field, field);
}

static struct mock_config taken(const char *text) {
    struct mock_config config;
    struct mock_config_error error = {"", ""};
    ck_assert_msg(ingest_mock_config_parse(text, strlen(text), &config, &error) == 0, "%s %s", error.field,
                  error.reason);
    return config;
}

START_TEST(the_three_shares_are_required_and_the_rest_has_defaults) {
    assert_shows(taken("{\"timeout_pct\":1,\"error_pct\":2,\"ratelimit_pct\":97}"),
                 "{\"timeout_pct\":1,\"error_pct\":2,\"ratelimit_pct\":97,\"seed\":null,\"latency_ms\":0,"
                 "\"retry_after_secs\":1," RECEIPTS "\"refused_senders\":[],\"providers\":{}}");
    assert_refused("{}", "timeout_pct");
    assert_refused("{\"timeout_pct\":1}", "error_pct");
    assert_refused("{\"timeout_pct\":1,\"error_pct\":1}", "ratelimit_pct");
    assert_refused("[]", "");
    assert_refused("{", "");
}
END_TEST

START_TEST(a_value_out_of_its_range_is_named) {
    assert_refused("{\"timeout_pct\":101}", "timeout_pct");
    assert_refused("{\"timeout_pct\":-1}", "timeout_pct");
    assert_refused("{\"timeout_pct\":\"1\"}", "timeout_pct");
    assert_refused("{\"timeout_pct\":null}", "timeout_pct");
    assert_refused("{\"timeout_pct\":0.5}", "timeout_pct");
    assert_refused("{\"seed\":9007199254740992}", "seed");
    assert_refused("{\"seed\":-1}", "seed");
}
END_TEST

START_TEST(the_shares_make_at_most_100_for_each_provider) {
    assert_refused("{\"timeout_pct\":50,\"error_pct\":50,\"ratelimit_pct\":1}", "ratelimit_pct");
    assert_refused("{\"timeout_pct\":50,\"error_pct\":50,\"ratelimit_pct\":0,"
                   "\"providers\":{\"email\":{\"ratelimit_pct\":1}}}",
                   "providers.email.ratelimit_pct");
    struct mock_config config = taken("{\"timeout_pct\":50,\"error_pct\":50,\"ratelimit_pct\":0,"
                                      "\"providers\":{\"email\":{\"ratelimit_pct\":1,\"error_pct\":0}}}");
    ingest_mock_config_free(&config);
}
END_TEST

START_TEST(an_override_names_a_provider_and_keeps_what_it_leaves_out) {
    struct mock_config config = taken("{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"seed\":7,"
                                      "\"providers\":{\"sms-mms\":{\"seed\":null},\"email\":{}}}");
    assert_shown(&config, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"seed\":7,\"latency_ms\":0,"
                          "\"retry_after_secs\":1," RECEIPTS
                          "\"refused_senders\":[],\"providers\":{\"sms-mms\":{\"seed\":null}}}");
    ingest_mock_config_free(&config);
    assert_refused("{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"providers\":{\"fax\":{}}}", "providers");
    assert_refused("{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"providers\":{\"email\":1}}",
                   "providers.email");
}
END_TEST

START_TEST(the_hash_gives_back_what_was_put) {
    struct mock_config config = {0};
    ingest_mock_config_take(&config, "timeout_pct", "5");
    ingest_mock_config_take(&config, "seed", "");
    ingest_mock_config_take(&config, "email.latency_ms", "30");
    ingest_mock_config_take(&config, "version", "12");
    ingest_mock_config_take(&config, "owner", "x");
    assert_shown(&config, "{\"timeout_pct\":5,\"seed\":null,\"providers\":{\"email\":{\"latency_ms\":30}}}");
}
END_TEST

START_TEST(what_the_settings_give_one_provider_only_is_an_override) {
    struct settings settings = {0};
    settings.mock[PROVIDER_SMS_MMS] = (struct mock_settings){{{1, 2, 3, -1, 4, 5, 6, 7, 8}}};
    settings.mock[PROVIDER_EMAIL] = (struct mock_settings){{{1, 9, 3, -1, 4, 5, 6, 7, 8}}};
    struct mock_config config;
    ingest_mock_config_from_settings(&settings, &config);
    assert_shown(&config, "{\"timeout_pct\":1,\"error_pct\":2,\"ratelimit_pct\":3,\"seed\":null,\"latency_ms\":4,"
                          "\"retry_after_secs\":5,\"receipts_pct\":6,\"undelivered_pct\":7,\"receipt_delay_ms\":8,"
                          "\"refused_senders\":[],\"providers\":{\"email\":{\"error_pct\":9}}}");
    ingest_mock_config_free(&config);
}
END_TEST

#define NONE "\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,"

START_TEST(receipts_are_set_for_all_or_for_one_provider) {
    assert_shows(taken("{" NONE "\"receipts_pct\":90,\"undelivered_pct\":100,\"receipt_delay_ms\":600000,"
                       "\"providers\":{\"email\":{\"receipts_pct\":0,\"receipt_delay_ms\":0}}}"),
                 "{" NONE "\"seed\":null,\"latency_ms\":0,\"retry_after_secs\":1,\"receipts_pct\":90,"
                 "\"undelivered_pct\":100,\"receipt_delay_ms\":600000,\"refused_senders\":[],"
                 "\"providers\":{\"email\":{\"receipts_pct\":0,\"receipt_delay_ms\":0}}}");
    assert_refused("{" NONE "\"receipts_pct\":101}", "receipts_pct");
    assert_refused("{" NONE "\"undelivered_pct\":-1}", "undelivered_pct");
    assert_refused("{" NONE "\"receipt_delay_ms\":600001}", "receipt_delay_ms");
    assert_refused("{" NONE "\"providers\":{\"email\":{\"receipts_pct\":null}}}", "providers.email.receipts_pct");
}
END_TEST

START_TEST(refused_senders_are_a_list_for_all_or_for_one_provider) {
    assert_shows(taken("{" NONE "\"refused_senders\":[\"a\\\"@b.c\",\"+15550001\"],"
                       "\"providers\":{\"sms-mms\":{\"refused_senders\":[]}}}"),
                 "{" NONE "\"seed\":null,\"latency_ms\":0,\"retry_after_secs\":1," RECEIPTS
                 "\"refused_senders\":[\"a\\\"@b.c\",\"+15550001\"],"
                 "\"providers\":{\"sms-mms\":{\"refused_senders\":[]}}}");
    assert_refused("{" NONE "\"refused_senders\":null}", "refused_senders");
    assert_refused("{" NONE "\"refused_senders\":\"a@b.c\"}", "refused_senders");
    assert_refused("{" NONE "\"refused_senders\":[1]}", "refused_senders");
    assert_refused("{" NONE "\"refused_senders\":[\"\"]}", "refused_senders");
    assert_refused("{" NONE "\"providers\":{\"email\":{\"refused_senders\":[[]]}}}", "providers.email.refused_senders");
}
END_TEST

// A list of count senders, each of length bytes.
static char *senders(int count, int length) {
    struct buf text = {0};
    buf_puts(&text, "{" NONE "\"refused_senders\":[");
    for (int i = 0; i < count; i++) {
        buf_printf(&text, "%s\"%0*d\"", i == 0 ? "" : ",", length, i);
    }
    buf_puts(&text, "]}");
    return text.data;
}

START_TEST(at_most_100_senders_of_320_bytes_are_refused) {
    char *most = senders(100, 320), *longer = senders(1, 321), *more = senders(101, 1);
    struct mock_config config = taken(most);
    ingest_mock_config_free(&config);
    assert_refused(longer, "refused_senders");
    assert_refused(more, "refused_senders");
    free(most);
    free(longer);
    free(more);
}
END_TEST

START_TEST(a_list_in_the_hash_that_is_none_is_skipped) {
    struct mock_config config = {0};
    ingest_mock_config_take(&config, "refused_senders", "[\"a@b.c\"]");
    ingest_mock_config_take(&config, "email.refused_senders", "[]");
    ingest_mock_config_take(&config, "sms-mms.refused_senders", "nothing");
    assert_shows(config, "{\"refused_senders\":[\"a@b.c\"],\"providers\":{\"email\":{\"refused_senders\":[]}}}");
}
END_TEST

START_TEST(refused_senders_are_compared_as_conversations_compare_them) {
    struct mock_refusals *mail = mock_refusals_parse(PROVIDER_EMAIL, NULL, "[\"Bad+tag@Example.COM\"]");
    struct mock_refusals *sms = mock_refusals_parse(PROVIDER_SMS_MMS, NULL, "[\"+1 (555) 000-1\",\"SHOP\"]");
    ck_assert(mock_refusals_has(mail, "bad@example.com"));
    ck_assert(!mock_refusals_has(mail, "good@example.com"));
    ck_assert(mock_refusals_has(sms, "+15550001"));
    ck_assert(mock_refusals_has(sms, "Shop"));
    ck_assert(!mock_refusals_has(sms, "+15550002"));
    ck_assert(!mock_refusals_has(NULL, "+15550002"));
    ck_assert_ptr_null(mock_refusals_parse(PROVIDER_EMAIL, NULL, "{}"));
    ck_assert_ptr_null(mock_refusals_parse(PROVIDER_EMAIL, NULL, "[1]"));
    mock_refusals_free(mail);
    mock_refusals_free(sms);
}
END_TEST

Suite *suite_mock_config(void) {
    Suite *suite = suite_create("mock_config");
    TCase *tests = tcase_create("mock_config");
    tcase_add_test(tests, the_three_shares_are_required_and_the_rest_has_defaults);
    tcase_add_test(tests, a_value_out_of_its_range_is_named);
    tcase_add_test(tests, the_shares_make_at_most_100_for_each_provider);
    tcase_add_test(tests, an_override_names_a_provider_and_keeps_what_it_leaves_out);
    tcase_add_test(tests, the_hash_gives_back_what_was_put);
    tcase_add_test(tests, receipts_are_set_for_all_or_for_one_provider);
    tcase_add_test(tests, refused_senders_are_a_list_for_all_or_for_one_provider);
    tcase_add_test(tests, at_most_100_senders_of_320_bytes_are_refused);
    tcase_add_test(tests, a_list_in_the_hash_that_is_none_is_skipped);
    tcase_add_test(tests, refused_senders_are_compared_as_conversations_compare_them);
    tcase_add_test(tests, what_the_settings_give_one_provider_only_is_an_override);
    suite_add_tcase(suite, tests);
    return suite;
}
