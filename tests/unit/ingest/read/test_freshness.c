// SPDX-License-Identifier: MIT
#include "ingest/read/freshness.h"

#include <check.h>
#include <stddef.h>

Suite *suite_read_freshness(void);

START_TEST(no_cache_and_max_age_0_ask_for_what_is_true_now) {
    static const char *const asking[] = {"no-cache",
                                         "max-age=0",
                                         "No-Cache",
                                         "no-store, no-cache",
                                         "max-stale,no-cache",
                                         " no-cache ",
                                         "max-age=0, must-revalidate"};
    for (size_t i = 0; i < sizeof asking / sizeof *asking; i++) {
        ck_assert_msg(freshness_of(asking[i]), "%s", asking[i]);
    }
}
END_TEST

START_TEST(nothing_else_does) {
    static const char *const others[] = {"",          "no-store",   "max-age=05", "max-age=60", "no-cache2",
                                         "xno-cache", "no-cache=x", ",,,",        "max-stale"};
    ck_assert(!freshness_of(NULL));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        ck_assert_msg(!freshness_of(others[i]), "%s", others[i]);
    }
}
END_TEST

Suite *suite_read_freshness(void) {
    Suite *suite = suite_create("read_freshness");
    TCase *tcase = tcase_create("freshness");
    tcase_add_test(tcase, no_cache_and_max_age_0_ask_for_what_is_true_now);
    tcase_add_test(tcase, nothing_else_does);
    suite_add_tcase(suite, tcase);
    return suite;
}
