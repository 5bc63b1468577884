// SPDX-License-Identifier: MIT
#include <check.h>
#include <string.h>

#include "ingest/mock_config.h"

Suite *suite_mock_config(void);

static void assert_shown(const struct mock_config *config, const char *expected) {
    struct buf json = {0};
    ingest_mock_config_write(config, &json);
    ck_assert_str_eq(json.data, expected);
    buf_free(&json);
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
    struct mock_config config = taken("{\"timeout_pct\":1,\"error_pct\":2,\"ratelimit_pct\":97}");
    assert_shown(&config, "{\"timeout_pct\":1,\"error_pct\":2,\"ratelimit_pct\":97,\"seed\":null,\"latency_ms\":0,"
                          "\"retry_after_secs\":1,\"providers\":{}}");
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
    (void)taken("{\"timeout_pct\":50,\"error_pct\":50,\"ratelimit_pct\":0,"
                "\"providers\":{\"email\":{\"ratelimit_pct\":1,\"error_pct\":0}}}");
}
END_TEST

START_TEST(an_override_names_a_provider_and_keeps_what_it_leaves_out) {
    struct mock_config config = taken("{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"seed\":7,"
                                      "\"providers\":{\"sms-mms\":{\"seed\":null},\"email\":{}}}");
    assert_shown(&config, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"seed\":7,\"latency_ms\":0,"
                          "\"retry_after_secs\":1,\"providers\":{\"sms-mms\":{\"seed\":null}}}");
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
    settings.mock[PROVIDER_SMS_MMS] = (struct mock_settings){1, 2, 3, -1, 4, 5};
    settings.mock[PROVIDER_EMAIL] = (struct mock_settings){1, 9, 3, -1, 4, 5};
    struct mock_config config;
    ingest_mock_config_from_settings(&settings, &config);
    assert_shown(&config, "{\"timeout_pct\":1,\"error_pct\":2,\"ratelimit_pct\":3,\"seed\":null,\"latency_ms\":4,"
                          "\"retry_after_secs\":5,\"providers\":{\"email\":{\"error_pct\":9}}}");
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
    tcase_add_test(tests, what_the_settings_give_one_provider_only_is_an_override);
    suite_add_tcase(suite, tests);
    return suite;
}
