// SPDX-License-Identifier: MIT
#include "dispatcher/mock/fate.h"

#include <check.h>
#include <string.h>

#define MESSAGES 500

Suite *suite_mock_fate(void);

static const struct settings usual = {.mock_receipt_repeats_pct = 10, .mock_receipt_shuffle_pct = 20};
static const struct mock_settings shares = {.receipts_pct = 80, .undelivered_pct = 10};

static void draw(int64_t seed, enum provider provider, struct mock_fate out[MESSAGES]) {
    struct mock_fates fates;
    mock_fates_start(&fates, seed, provider);
    for (size_t i = 0; i < MESSAGES; i++) {
        out[i] = mock_fates_next(&fates, &shares, &usual);
    }
}

static bool are_alike(const struct mock_fate *one, const struct mock_fate *other) {
    for (size_t i = 0; i < MESSAGES; i++) {
        if (one[i].is_told != other[i].is_told || one[i].is_undelivered != other[i].is_undelivered ||
            one[i].is_repeated != other[i].is_repeated || one[i].is_shuffled != other[i].is_shuffled ||
            one[i].random != other[i].random) {
            return false;
        }
    }
    return true;
}

START_TEST(one_seed_makes_one_sequence_of_fates_a_provider) {
    struct mock_fate first[MESSAGES], again[MESSAGES], other[MESSAGES], email[MESSAGES];
    draw(7, PROVIDER_SMS_MMS, first);
    draw(7, PROVIDER_SMS_MMS, again);
    draw(8, PROVIDER_SMS_MMS, other);
    draw(7, PROVIDER_EMAIL, email);
    ck_assert(are_alike(first, again));
    ck_assert(!are_alike(first, other));
    ck_assert(!are_alike(first, email));
}
END_TEST

// Each share is of those it is a share of: of the first 500 of which something is told, whatever their places.
START_TEST(the_shares_are_exact) {
    struct mock_fates fates;
    unsigned messages = 0, told = 0, undelivered = 0, repeated = 0, shuffled = 0;
    mock_fates_start(&fates, -1, PROVIDER_EMAIL);
    while (told < 400) {
        struct mock_fate fate = mock_fates_next(&fates, &shares, &usual);
        messages++;
        told += fate.is_told;
        undelivered += fate.is_undelivered;
        repeated += fate.is_repeated;
        shuffled += fate.is_shuffled;
        ck_assert(fate.is_told || (!fate.is_undelivered && !fate.is_repeated && !fate.is_shuffled));
    }
    ck_assert_uint_le(messages, 500); // 400 of each 500, wherever the last of them lies
    ck_assert_uint_eq(undelivered, 40);
    ck_assert_uint_eq(repeated, 40);
    ck_assert_uint_eq(shuffled, 80);
}
END_TEST

Suite *suite_mock_fate(void) {
    Suite *suite = suite_create("mock_fate");
    TCase *tests = tcase_create("mock_fate");
    tcase_add_test(tests, one_seed_makes_one_sequence_of_fates_a_provider);
    tcase_add_test(tests, the_shares_are_exact);
    suite_add_tcase(suite, tests);
    return suite;
}
