// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shared/base/rfc3339.h"
#include "tests/support/each.h"

Suite *suite_base_rfc3339(void);

struct good {
    const char *text;
    int64_t ms;
};

static const struct good good[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"2024-11-01T14:00:00Z", 1730469600000},
    {"2024-11-01t14:00:00z", 1730469600000},
    {"2024-11-01T14:00:00.000Z", 1730469600000},
    {"2024-11-01T14:00:00.1Z", 1730469600100},
    {"2024-11-01T14:00:00.12Z", 1730469600120},
    {"2024-11-01T14:00:00.1239999999999999999999999Z", 1730469600123},
    {"2024-11-01T14:00:00+00:00", 1730469600000},
    {"2024-11-01T14:00:00-00:00", 1730469600000},
    {"2024-11-01T15:30:00+01:30", 1730469600000},
    {"2024-11-01T00:00:00-14:00", 1730469600000},
    {"2024-11-02T13:59:00+23:59", 1730469600000},
    {"1969-12-31T23:59:59.999Z", -1},
    {"2000-02-29T00:00:00Z", 951782400000},
    {"2024-02-29T00:00:00Z", 1709164800000},
    {"0001-01-01T00:00:00Z", -62135596800000},
    {"9999-12-31T23:59:59.999Z", 253402300799999},
    // RFC 3339's own examples of leap seconds: the end of 1990-12-31 UTC
    {"1990-12-31T23:59:60Z", 662688000000},
    {"1990-12-31T15:59:60-08:00", 662688000000},
    {"1990-12-31T23:59:60.75Z", 662688000000},
    {"1937-01-01T12:00:27.87+00:20", -1041337172130},
};

START_TEST(a_valid_time_is_read) {
    int64_t ms = 0;
    ck_assert_msg(rfc3339_parse(good[_i].text, &ms) == 0, "%s was refused", good[_i].text);
    ck_assert_int_eq(ms, good[_i].ms);
}
END_TEST

static const char *const bad[] = {
    "",
    "now",
    "2024-11-01",
    "2024-11-01T14:00:00",
    "2024-11-01T14:00Z",
    "2024-11-01 14:00:00Z",
    "2024-11-01T14:00:00 Z",
    " 2024-11-01T14:00:00Z",
    "2024-11-01T14:00:00Z ",
    "2024-11-01T14:00:00ZZ",
    "2024-11-01T14:00:00.Z",
    "2024-11-01T14:00:00,5Z",
    "2024-11-01T14:00:00.5",
    "2024-1-01T14:00:00Z",
    "24-11-01T14:00:00Z",
    "+2024-11-01T14:00:00Z",
    "02024-11-01T14:00:00Z",
    "0000-01-01T00:00:00Z",
    "2024-00-01T14:00:00Z",
    "2024-13-01T14:00:00Z",
    "2024-11-00T14:00:00Z",
    "2024-11-31T14:00:00Z",
    "2023-02-29T14:00:00Z",
    "1900-02-29T14:00:00Z",
    "2024-02-30T14:00:00Z",
    "2024-11-01T24:00:00Z",
    "2024-11-01T14:60:00Z",
    "2024-11-01T14:00:61Z",
    "2024-11-01T14:00:60Z",      // no leap second but at the end of a day
    "1990-12-31T23:59:60+01:00", // nor by UTC
    "2024-11-01T14:00:00+24:00",
    "2024-11-01T14:00:00+01:60",
    "2024-11-01T14:00:00+0100",
    "2024-11-01T14:00:00+01",
    "2024-11-01T14:00:00+1:00",
    "2024-11-01T14:00:00\u221201:00", // the minus sign U+2212
    "0001-01-01T00:00:00+00:01",      // before the year 1 in UTC
    "9999-12-31T23:59:59-00:01",      // after the year 9999
    "9999-12-31T23:59:60Z",
    "1730469600",
    "2024-11-0\xd9\xa1T14:00:00Z",
};

START_TEST(anything_else_is_refused) {
    int64_t ms = 77;
    ck_assert_msg(rfc3339_parse(bad[_i], &ms) == -1, "'%s' was taken as %lld", bad[_i], (long long)ms);
    ck_assert_int_eq(ms, 77);
}
END_TEST

START_TEST(a_time_is_written_as_utc_with_three_decimals) {
    char text[RFC3339_SIZE];
    rfc3339_format(1730469600007, text);
    ck_assert_str_eq(text, "2024-11-01T14:00:00.007Z");
    rfc3339_format(0, text);
    ck_assert_str_eq(text, "1970-01-01T00:00:00.000Z");
    rfc3339_format(-1, text);
    ck_assert_str_eq(text, "1969-12-31T23:59:59.999Z");
    rfc3339_format(-62135596800000, text);
    ck_assert_str_eq(text, "0001-01-01T00:00:00.000Z");
}
END_TEST

START_TEST(a_time_beyond_the_years_becomes_the_nearest_that_can_be_written) {
    char text[RFC3339_SIZE];
    rfc3339_format(INT64_MAX, text);
    ck_assert_str_eq(text, "9999-12-31T23:59:59.999Z");
    rfc3339_format(INT64_MIN, text);
    ck_assert_str_eq(text, "0001-01-01T00:00:00.000Z");
}
END_TEST

static int64_t random_ms(void) {
    uint64_t wide = (uint64_t)random() << 40 ^ (uint64_t)random() << 20 ^ (uint64_t)random();
    return -62135596800000 + (int64_t)(wide % UINT64_C(315537897600000));
}

START_TEST(what_was_written_reads_back_the_same_as_the_c_library_has_it) {
    srandom(42);
    for (int i = 0; i < 50000; i++) {
        int64_t ms = random_ms();
        char text[RFC3339_SIZE];
        rfc3339_format(ms, text);
        int64_t back = 0;
        ASSERT_EACH(rfc3339_parse(text, &back) == 0);
        ASSERT_EACH(back == ms);
        time_t seconds = (time_t)((ms - (ms % 1000 + 1000) % 1000) / 1000);
        struct tm tm;
        char reference[64];
        gmtime_r(&seconds, &tm);
        snprintf(reference, sizeof reference, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        ASSERT_EACH(strncmp(reference, text, strlen(reference)) == 0);
    }
}
END_TEST

START_TEST(a_changed_byte_never_reads_beyond_the_text) {
    srandom(7);
    for (int i = 0; i < 20000; i++) {
        char *text = strdup("2024-11-01T14:00:00.123+01:00"); // on the heap, where the sanitizers see an overrun
        text[random() % 29] = (char)(random() % 256);
        int64_t ms;
        if (rfc3339_parse(text, &ms) == 0) {
            char again[RFC3339_SIZE];
            rfc3339_format(ms, again);
            int64_t back = 0;
            ASSERT_EACH(rfc3339_parse(again, &back) == 0);
            ASSERT_EACH(back == ms);
        }
        free(text);
    }
}
END_TEST

Suite *suite_base_rfc3339(void) {
    Suite *suite = suite_create("base_rfc3339");
    TCase *tests = tcase_create("rfc3339");
    tcase_add_loop_test(tests, a_valid_time_is_read, 0, sizeof good / sizeof *good);
    tcase_add_loop_test(tests, anything_else_is_refused, 0, sizeof bad / sizeof *bad);
    tcase_add_test(tests, a_time_is_written_as_utc_with_three_decimals);
    tcase_add_test(tests, a_time_beyond_the_years_becomes_the_nearest_that_can_be_written);
    tcase_add_test(tests, what_was_written_reads_back_the_same_as_the_c_library_has_it);
    tcase_add_test(tests, a_changed_byte_never_reads_beyond_the_text);
    suite_add_tcase(suite, tests);
    return suite;
}
