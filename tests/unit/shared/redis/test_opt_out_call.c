// SPDX-License-Identifier: MIT
#include <check.h>

#include "shared/redis/opt_out_call.h"

Suite *suite_redis_opt_out_call(void);

START_TEST(a_mark_names_its_redis_and_the_regions_by_which_it_was_filled) {
    static const struct {
        const char *mark, *region;
        bool known;
    } cases[] = {
        {"abc//", "", true},        {"abc//+", "", true},      {"abc/GB/", "GB", true}, {"abc/GB/+", "", false},
        {"abc//GB/+", "", true},    {"abc//GB/+", "GB", true}, {"abc/GB//", "", true},  {"abc/GB/DE/+", "DE", true},
        {"abc/GB/DE/", "G", false}, {"abc/", "", false},       {"abc/+", "", false},    {"abc/", "GB", false},
        {"abd/GB/", "GB", false},   {"ab/GB/", "GB", false},   {"abc", "", false},      {"", "", false},
        {"filling:abc", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *regions = opt_out_mark_regions(cases[i].mark, "abc");
        bool known = regions != NULL && opt_out_regions_have(regions, cases[i].region);
        ck_assert_msg(known == cases[i].known, "%s, %s", cases[i].mark, cases[i].region);
    }
}
END_TEST

Suite *suite_redis_opt_out_call(void) {
    Suite *suite = suite_create("redis_opt_out_call");
    TCase *cases = tcase_create("all");
    tcase_add_test(cases, a_mark_names_its_redis_and_the_regions_by_which_it_was_filled);
    suite_add_tcase(suite, cases);
    return suite;
}
