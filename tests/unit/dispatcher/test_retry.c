// SPDX-License-Identifier: MIT
// The retry policy: which outcome spends an attempt, counts for the breaker, and waits how long.

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "dispatcher/retry.h"
#include "shared/settings/table.h"

#define HOUR_MS (3600LL * 1000)
#define LONGEST_PAUSE_MS (300 * 1000)

Suite *suite_dispatcher_retry(void);

static const struct settings settings = {
    .worker_max_retries = 3,
    .worker_backoff_base_ms = 500,
    .worker_backoff_cap_ms = 300000,
    .message_deadline_secs = 72 * 3600,
    .provider_max_pause_secs = 300,
};

static struct retry_decision decide(enum outcome_class class, int64_t retry_after_ms, int64_t spent, int64_t age_ms,
                                    bool probe) {
    struct outcome outcome = {.class = class, .retry_after_ms = retry_after_ms};
    return retry_decide(&settings, &(struct retry_case){&outcome, spent, spent + 1, age_ms, probe, false});
}

static struct retry_decision decide_first(enum outcome_class class) {
    return decide(class, -1, 0, 0, false);
}

static const char *default_of(const char *name) {
    for (size_t i = 0; i < settings_table_count; i++) {
        if (strcmp(settings_table[i].name, name) == 0) {
            return settings_table[i].fallback;
        }
    }
    ck_abort_msg("there is no setting %s", name);
}

START_TEST(each_outcome_has_its_consequences) {
    static const struct {
        enum outcome_class class;
        enum attempt_verdict verdict;
        enum breaker_word breaker;
        bool spends;
    } cases[] = {
        {OUTCOME_SENT, VERDICT_SENT, BREAKER_OK, false},
        {OUTCOME_RATE_LIMITED, VERDICT_RETRY, BREAKER_NONE, false},
        {OUTCOME_TIMEOUT, VERDICT_RETRY, BREAKER_FAIL, true},
        {OUTCOME_CONNECTION_FAILED, VERDICT_RETRY, BREAKER_FAIL, true},
        {OUTCOME_SERVER_ERROR, VERDICT_RETRY, BREAKER_FAIL, true},
        {OUTCOME_CREDENTIALS, VERDICT_RETRY, BREAKER_TRIP, false},
        {OUTCOME_REFUSED, VERDICT_REFUSED, BREAKER_NONE, false},
        {OUTCOME_REJECTED, VERDICT_FAILED, BREAKER_OK, true},
        {OUTCOME_UNREADABLE, VERDICT_FAILED, BREAKER_NONE, false},
        {OUTCOME_OPTED_OUT, VERDICT_FAILED, BREAKER_NONE, false},
        {OUTCOME_EXPIRED, VERDICT_FAILED, BREAKER_NONE, false},
        {OUTCOME_INTERRUPTED, VERDICT_RETRY, BREAKER_NONE, false},
    };
    ck_assert_uint_eq(sizeof cases / sizeof *cases, OUTCOME_CLASS_COUNT);
    for (size_t i = 0; i < OUTCOME_CLASS_COUNT; i++) {
        struct retry_decision decision = decide_first(cases[i].class);
        ck_assert_int_eq(decision.verdict, cases[i].verdict);
        ck_assert_int_eq(decision.breaker, cases[i].breaker);
        ck_assert_int_eq(!decision.free, cases[i].spends);
        ck_assert_int_eq(decision.delay_ms > 0,
                         cases[i].verdict == VERDICT_RETRY || cases[i].verdict == VERDICT_REFUSED);
        ck_assert_int_eq(decision.pause_ms > 0, cases[i].class == OUTCOME_RATE_LIMITED);
    }
}
END_TEST

START_TEST(the_last_attempt_that_fails_is_final) {
    ck_assert_int_eq(decide(OUTCOME_TIMEOUT, -1, 1, 0, false).verdict, VERDICT_RETRY);
    ck_assert_int_eq(decide(OUTCOME_TIMEOUT, -1, 2, 0, false).verdict, VERDICT_FAILED);
    ck_assert_int_eq(decide(OUTCOME_RATE_LIMITED, 1000, 2, 0, false).verdict, VERDICT_RETRY);
    ck_assert_int_eq(decide(OUTCOME_CREDENTIALS, -1, 2, 0, false).verdict, VERDICT_RETRY);
}
END_TEST

START_TEST(a_probe_that_fails_spends_no_attempt) {
    struct retry_decision decision = decide(OUTCOME_SERVER_ERROR, -1, 2, 0, true);
    ck_assert_int_eq(decision.verdict, VERDICT_RETRY);
    ck_assert_int_eq(decision.breaker, BREAKER_FAIL);
    ck_assert(decision.free);
}
END_TEST

START_TEST(a_failure_waits_a_random_time_up_to_twice_the_last_one) {
    for (int64_t spent = 0; spent < 2; spent++) {
        int64_t longest = 0;
        for (int i = 0; i < 1000; i++) {
            int64_t delay_ms = decide(OUTCOME_SERVER_ERROR, -1, spent, 0, false).delay_ms;
            ck_assert_int_ge(delay_ms, 1);
            longest = delay_ms > longest ? delay_ms : longest;
        }
        ck_assert_int_le(longest, 500 << spent);
        ck_assert_int_gt(longest, (500 << spent) * 9 / 10);
    }
}
END_TEST

START_TEST(no_failure_waits_longer_than_the_cap) {
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_le(decide(OUTCOME_CREDENTIALS, -1, 40, 0, false).delay_ms, settings.worker_backoff_cap_ms);
    }
}
END_TEST

START_TEST(too_many_requests_waits_and_pauses_as_long_as_asked) {
    struct retry_decision decision = decide(OUTCOME_RATE_LIMITED, 7000, 0, 0, false);
    ck_assert_int_eq(decision.delay_ms, 7000);
    ck_assert_int_eq(decision.pause_ms, 7000);
    decision = decide(OUTCOME_RATE_LIMITED, LONGEST_PAUSE_MS, 0, 0, false);
    ck_assert_int_eq(decision.delay_ms, LONGEST_PAUSE_MS);
    decision = decide(OUTCOME_RATE_LIMITED, -1, 0, 0, false); // it doesn't say
    ck_assert_int_eq(decision.delay_ms, 1000);
    decision = decide(OUTCOME_RATE_LIMITED, 0, 0, 0, false); // or nonsense
    ck_assert_int_ge(decision.delay_ms, 100);
}
END_TEST

// So that the probe which follows is another message, where there is one.
START_TEST(what_was_refused_for_longer_than_a_pause_may_be_waits_a_little_beyond_it) {
    struct retry_decision decision = decide(OUTCOME_RATE_LIMITED, 48 * HOUR_MS, 0, 0, false);
    ck_assert_int_gt(decision.delay_ms, LONGEST_PAUSE_MS);
    ck_assert_int_le(decision.delay_ms, LONGEST_PAUSE_MS + 5000);
    ck_assert_int_eq(decision.pause_ms, 48 * HOUR_MS); // the library cuts it, and says so
}
END_TEST

START_TEST(a_503_that_says_when_to_come_back_is_heard_as_far_as_a_pause_may_last) {
    static const enum outcome_class classes[] = {OUTCOME_SERVER_ERROR, OUTCOME_REFUSED};
    for (size_t i = 0; i < 2; i++) {
        struct retry_decision decision = decide(classes[i], 7000, 0, 0, false);
        ck_assert_int_eq(decision.delay_ms, 7000);
        ck_assert_int_eq(decision.pause_ms, 0);
        ck_assert_int_eq(decide(classes[i], 48 * HOUR_MS, 0, 0, false).delay_ms, LONGEST_PAUSE_MS);
    }
}
END_TEST

START_TEST(what_is_refused_while_nothing_is_accepted_is_tried_seldom) {
    struct outcome outcome = {.class = OUTCOME_REFUSED, .retry_after_ms = -1};
    struct settings patient = settings;
    patient.sender_hold_secs = 30;
    for (int i = 0; i < 100; i++) {
        int64_t delay_ms = retry_decide(&patient, &(struct retry_case){&outcome, 0, 1, 0, false, true}).delay_ms;
        ck_assert_int_ge(delay_ms, 15000);
        ck_assert_int_le(delay_ms, 30000);
        ck_assert_int_le(retry_decide(&patient, &(struct retry_case){&outcome, 0, 1, 0, false, false}).delay_ms, 500);
    }
}
END_TEST

// Else one message that always fails would open the breaker for all.
START_TEST(only_a_first_call_that_fails_counts_for_the_breaker_but_any_probe_does) {
    static const enum outcome_class classes[] = {OUTCOME_TIMEOUT, OUTCOME_CONNECTION_FAILED, OUTCOME_SERVER_ERROR};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        ck_assert_int_eq(decide(classes[i], -1, 0, 0, false).breaker, BREAKER_FAIL);
        ck_assert_int_eq(decide(classes[i], -1, 1, 0, false).breaker, BREAKER_NONE);
        ck_assert_int_eq(decide(classes[i], -1, 1, 0, true).breaker, BREAKER_FAIL);
    }
    ck_assert_int_eq(decide(OUTCOME_CREDENTIALS, -1, 1, 0, false).breaker, BREAKER_TRIP);
    ck_assert_int_eq(decide(OUTCOME_SENT, -1, 1, 0, false).breaker, BREAKER_OK);
    ck_assert_int_eq(decide(OUTCOME_REJECTED, -1, 1, 0, false).breaker, BREAKER_OK);
    ck_assert_int_eq(decide(OUTCOME_REFUSED, -1, 0, 0, true).breaker, BREAKER_REFUSED);
    ck_assert_int_eq(decide(OUTCOME_REFUSED, -1, 0, 0, false).breaker, BREAKER_NONE);
}
END_TEST

// What the help of API_WORKER_MAX_RETRIES says. The waits are random: of a hundred messages all outlive 8 hours, and in
// the mean it is 10 (0.25 s x (2^10 - 1) + 239 x 150 s; a message's deviation is 22 minutes).
START_TEST(by_the_defaults_a_message_that_always_fails_outlives_an_outage_of_8_hours) {
    enum { MESSAGES = 100 };
    struct settings defaults = settings;
    defaults.worker_max_retries = strtoll(default_of("API_WORKER_MAX_RETRIES"), NULL, 10);
    defaults.worker_backoff_base_ms = strtoll(default_of("API_WORKER_BACKOFF_BASE_MS"), NULL, 10);
    defaults.worker_backoff_cap_ms = strtoll(default_of("API_WORKER_BACKOFF_CAP_MS"), NULL, 10);
    defaults.message_deadline_secs = strtoll(default_of("API_WORKER_DEADLINE_SECS"), NULL, 10);
    int64_t sum_ms = 0;
    for (int i = 0; i < MESSAGES; i++) {
        struct outcome outcome = {.class = OUTCOME_SERVER_ERROR, .retry_after_ms = -1};
        int64_t age_ms = 0, spent = 0;
        struct retry_decision decision;
        while (decision =
                   retry_decide(&defaults, &(struct retry_case){&outcome, spent, spent + 1, age_ms, false, false}),
               decision.verdict == VERDICT_RETRY) {
            age_ms += decision.delay_ms;
            spent++;
        }
        ck_assert_int_eq(spent + 1, defaults.worker_max_retries);
        ck_assert_int_gt(age_ms, 8 * HOUR_MS);
        sum_ms += age_ms;
    }
    ck_assert_int_gt(sum_ms / MESSAGES, 9.7 * HOUR_MS);
    ck_assert_int_lt(sum_ms / MESSAGES, 10.4 * HOUR_MS);
}
END_TEST

START_TEST(nothing_waits_beyond_its_deadline) {
    ck_assert_int_eq(decide(OUTCOME_RATE_LIMITED, 2 * HOUR_MS, 0, 72 * HOUR_MS - 60000, false).delay_ms, 60000);
    ck_assert_int_eq(decide(OUTCOME_RATE_LIMITED, 1000, 0, 72 * HOUR_MS, false).verdict, VERDICT_FAILED);
    ck_assert_int_eq(decide(OUTCOME_SERVER_ERROR, -1, 0, 72 * HOUR_MS, true).verdict, VERDICT_FAILED);
    ck_assert(!retry_is_expired(&settings, 72 * HOUR_MS - 1));
    ck_assert(retry_is_expired(&settings, 72 * HOUR_MS));
}
END_TEST

Suite *suite_dispatcher_retry(void) {
    Suite *suite = suite_create("dispatcher_retry");
    TCase *tests = tcase_create("dispatcher_retry");
    tcase_add_test(tests, each_outcome_has_its_consequences);
    tcase_add_test(tests, the_last_attempt_that_fails_is_final);
    tcase_add_test(tests, a_probe_that_fails_spends_no_attempt);
    tcase_add_test(tests, a_failure_waits_a_random_time_up_to_twice_the_last_one);
    tcase_add_test(tests, no_failure_waits_longer_than_the_cap);
    tcase_add_test(tests, too_many_requests_waits_and_pauses_as_long_as_asked);
    tcase_add_test(tests, what_was_refused_for_longer_than_a_pause_may_be_waits_a_little_beyond_it);
    tcase_add_test(tests, a_503_that_says_when_to_come_back_is_heard_as_far_as_a_pause_may_last);
    tcase_add_test(tests, what_is_refused_while_nothing_is_accepted_is_tried_seldom);
    tcase_add_test(tests, only_a_first_call_that_fails_counts_for_the_breaker_but_any_probe_does);
    tcase_add_test(tests, by_the_defaults_a_message_that_always_fails_outlives_an_outage_of_8_hours);
    tcase_add_test(tests, nothing_waits_beyond_its_deadline);
    suite_add_tcase(suite, tests);
    return suite;
}
