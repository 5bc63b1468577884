// SPDX-License-Identifier: MIT
#include <check.h>
#include <string.h>

#include "dispatcher/mock/sequence.h"

#define CALLS 500

Suite *suite_mock_sequence(void);

static const struct mock_settings shares = {.timeout_pct = 5, .error_pct = 30, .ratelimit_pct = 10};

static void draw(int64_t seed, enum provider provider, char out[CALLS]) {
    struct mock_sequence sequence;
    unsigned status;
    mock_sequence_start(&sequence, seed, provider);
    for (size_t i = 0; i < CALLS; i++) {
        out[i] = (char)mock_sequence_next(&sequence, &shares, &status);
    }
}

START_TEST(one_seed_makes_one_sequence_a_provider) {
    char first[CALLS], again[CALLS], other[CALLS], email[CALLS];
    draw(7, PROVIDER_SMS_MMS, first);
    draw(7, PROVIDER_SMS_MMS, again);
    draw(8, PROVIDER_SMS_MMS, other);
    draw(7, PROVIDER_EMAIL, email);
    ck_assert_mem_eq(first, again, CALLS);
    ck_assert_mem_ne(first, other, CALLS);
    ck_assert_mem_ne(first, email, CALLS);
}
END_TEST

// What a seed made in an earlier release it makes in this one, too.
START_TEST(seed_7_makes_what_it_always_has) {
    static const char *const expected[PROVIDER_COUNT] = {
        [PROVIDER_SMS_MMS] =
            "..e...Leeete.e.ee...e.e....e..te.ee...ee..tL..eeLe...Lee.L..e.LL.e..Lt..e.e...e..t.eL..Le",
        [PROVIDER_EMAIL] = "e..e..ee..L.Le...L..L..e..t..eLe.e..e..e...eee.e.eL...L....t.ee..t.e.t.t.e..L.eee.eee....",
    };
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        char outcomes[CALLS];
        draw(7, (enum provider)i, outcomes);
        for (size_t at = 0; expected[i][at] != '\0'; at++) {
            ck_assert_int_eq(".teL"[(size_t)outcomes[at]], expected[i][at]);
        }
    }
}
END_TEST

START_TEST(without_a_seed_each_start_has_its_own) {
    char first[CALLS], second[CALLS];
    draw(-1, PROVIDER_EMAIL, first);
    draw(-1, PROVIDER_EMAIL, second);
    ck_assert_mem_ne(first, second, CALLS);
}
END_TEST

START_TEST(in_every_hundred_calls_the_shares_are_exact) {
    char outcomes[CALLS];
    draw(-1, PROVIDER_SMS_MMS, outcomes);
    for (size_t at = 0; at < CALLS; at += MOCK_DECK) {
        unsigned counts[MOCK_OUTCOME_COUNT] = {0};
        for (size_t i = at; i < at + MOCK_DECK; i++) {
            counts[(size_t)outcomes[i]]++;
        }
        ck_assert_uint_eq(counts[MOCK_TIMEOUT], 5);
        ck_assert_uint_eq(counts[MOCK_ERROR], 30);
        ck_assert_uint_eq(counts[MOCK_RATE_LIMIT], 10);
        ck_assert_uint_eq(counts[MOCK_ACCEPT], 55);
    }
}
END_TEST

Suite *suite_mock_sequence(void) {
    Suite *suite = suite_create("mock_sequence");
    TCase *tests = tcase_create("mock_sequence");
    tcase_add_test(tests, one_seed_makes_one_sequence_a_provider);
    tcase_add_test(tests, seed_7_makes_what_it_always_has);
    tcase_add_test(tests, without_a_seed_each_start_has_its_own);
    tcase_add_test(tests, in_every_hundred_calls_the_shares_are_exact);
    suite_add_tcase(suite, tests);
    return suite;
}
