// SPDX-License-Identifier: MIT
#include <check.h>
#include <string.h>

#include "ingest/dead_letters/replay_request.h"

Suite *suite_dead_letters_replay_request(void);

static const struct settings settings = {.replay_per_second = 100, .replay_max_per_second = 1000};

static struct replay_request taken(const char *text) {
    struct replay_request wish;
    struct replay_request_error error = {"", ""};
    ck_assert_msg(replay_request_parse(text, strlen(text), &settings, &wish, &error) == 0, "%s: %s %s", text,
                  error.field, error.reason);
    return wish;
}

static void assert_refused(const char *text, const char *field) {
    struct replay_request wish;
    struct replay_request_error error;
    ck_assert_msg(replay_request_parse(text, strlen(text), &settings, &wish, &error) == -1, "was taken: %s", text);
    ck_assert_ptr_nonnull(error.reason);
    if (field == NULL) {
        ck_assert_ptr_null(error.field);
    } else {
        ck_assert_str_eq(error.field, field);
    }
}

START_TEST(an_empty_object_wishes_for_all_at_the_usual_pace) {
    struct replay_request wish = taken("{}");
    ck_assert_ptr_null(wish.filter.provider);
    ck_assert_ptr_null(wish.filter.class);
    ck_assert_str_eq(wish.filter.since, "-infinity");
    ck_assert(!wish.dry_run);
    ck_assert_int_eq(wish.per_second, 100);
    wish = taken("{\"provider\":null,\"reason\":null,\"since\":null,\"dry_run\":null,\"per_second\":null}");
    ck_assert_ptr_null(wish.filter.provider);
    ck_assert_int_eq(wish.per_second, 100);
}
END_TEST

START_TEST(filters_dry_run_and_pace_are_read) {
    struct replay_request wish =
        taken("{\"provider\":\"email\",\"reason\":\"timeout\",\"since\":\"2024-11-01T15:00:00+01:00\","
              "\"dry_run\":true,\"per_second\":1000,\"unknown\":1}");
    ck_assert_str_eq(wish.filter.provider, "email");
    ck_assert_str_eq(wish.filter.class, "timeout");
    ck_assert_str_eq(wish.filter.since, "2024-11-01T14:00:00.000Z");
    ck_assert(wish.dry_run);
    ck_assert_int_eq(wish.per_second, 1000);
}
END_TEST

START_TEST(the_usual_pace_is_never_above_the_greatest) {
    const struct settings narrow = {.replay_per_second = 100, .replay_max_per_second = 10};
    struct replay_request wish;
    struct replay_request_error error;
    ck_assert_int_eq(replay_request_parse("{}", 2, &narrow, &wish, &error), 0);
    ck_assert_int_eq(wish.per_second, 10);
}
END_TEST

START_TEST(what_is_wrong_is_named) {
    assert_refused("", NULL);
    assert_refused("[]", NULL);
    assert_refused("{\"provider\":\"sms\"}", "provider");
    assert_refused("{\"provider\":5}", "provider");
    assert_refused("{\"reason\":\"sent\"}", "reason");
    assert_refused("{\"reason\":\"rejected: no\"}", "reason");
    assert_refused("{\"since\":\"2024-11-01\"}", "since");
    assert_refused("{\"since\":1730469600}", "since");
    assert_refused("{\"dry_run\":\"yes\"}", "dry_run");
    assert_refused("{\"dry_run\":1}", "dry_run");
    assert_refused("{\"per_second\":0}", "per_second");
    assert_refused("{\"per_second\":1001}", "per_second");
    assert_refused("{\"per_second\":1.5}", "per_second");
    assert_refused("{\"per_second\":\"200\"}", "per_second");
    assert_refused("{\"per_second\":-1}", "per_second");
}
END_TEST

START_TEST(each_outcome_that_ends_a_message_is_a_reason_to_filter_by) {
    static const char *const classes[] = {"rejected",    "server_error", "timeout",  "connection_failed",
                                          "credentials", "rate_limited", "expired",  "lost",
                                          "poison",      "unread",       "opted_out"};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        struct dead_letter_filter filter;
        dead_letter_filter_init(&filter);
        ck_assert_ptr_null(dead_letter_filter_set(&filter, "reason", classes[i]));
        ck_assert_str_eq(filter.class, classes[i]);
    }
}
END_TEST

Suite *suite_dead_letters_replay_request(void) {
    Suite *suite = suite_create("dead_letters_replay_request");
    TCase *tests = tcase_create("replay_wish");
    tcase_add_test(tests, an_empty_object_wishes_for_all_at_the_usual_pace);
    tcase_add_test(tests, filters_dry_run_and_pace_are_read);
    tcase_add_test(tests, the_usual_pace_is_never_above_the_greatest);
    tcase_add_test(tests, what_is_wrong_is_named);
    tcase_add_test(tests, each_outcome_that_ends_a_message_is_a_reason_to_filter_by);
    suite_add_tcase(suite, tests);
    return suite;
}
