// SPDX-License-Identifier: MIT
#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/base/rfc3339.h"
#include "shared/base/timestamp.h"

Suite *suite_base_timestamp(void);

struct form {
    const char *text;
    const char *is; // as RFC 3339; NULL: no time
};

static const struct form forms[] = {
    // RFC 3339
    {"2024-11-01T14:00:00Z", "2024-11-01T14:00:00.000Z"},
    {" 2024-11-01T14:00:00Z\r\n", "2024-11-01T14:00:00.000Z"},
    {"2024-11-01t16:00:00.1239+02:00", "2024-11-01T14:00:00.123Z"},
    {"2024-11-01t14:00:00z", "2024-11-01T14:00:00.000Z"},
    // its kin
    {"2024-11-01 14:00:00Z", "2024-11-01T14:00:00.000Z"},
    {"2024-11-01  14:00:00.5 z", "2024-11-01T14:00:00.500Z"},
    {"2024-11-01T19:30:00+0530", "2024-11-01T14:00:00.000Z"},
    {"2024-11-01 19:30:00 +05:30", "2024-11-01T14:00:00.000Z"},
    {"2024-11-01T09:00:00-05", "2024-11-01T14:00:00.000Z"},
    {"2024-11-01 14:00:00 UTC", "2024-11-01T14:00:00.000Z"},
    {"2024-11-01T14:00:00,250gmt", "2024-11-01T14:00:00.250Z"},
    {"2024-11-01T14:00Z", "2024-11-01T14:00:00.000Z"},
    {"2024-11-01T14:00:00.123456789123456+0000", "2024-11-01T14:00:00.123Z"},
    {"2016-12-31 23:59:60+0000", "2017-01-01T00:00:00.000Z"},
    {"2024-11-01 14:00:00", "2024-11-01T14:00:00.000Z"},
    {"2024-11-01T14:00:00.5 ", "2024-11-01T14:00:00.500Z"},
    {"2024-11-01", NULL},
    {"2024-11-01X14:00:00Z", NULL},
    {"2024-11-31 14:00:00Z", NULL},
    {"2024-11-01 24:00:00Z", NULL},
    {"2024-11-01 14:00:00 +05:3", NULL},
    {"2024-11-01 14:00:00 +0560", NULL},
    {"2024-11-01 14:00:00. +0530", NULL},
    {"2024-11-01 14:00:00Z x", NULL},
    {"2024-11-01 14:00:00 CET", NULL},
    // RFC 5322
    {"Fri, 1 Nov 2024 14:00:00 +0000", "2024-11-01T14:00:00.000Z"},
    {"Fri, 01 Nov 2024 14:00:00 GMT", "2024-11-01T14:00:00.000Z"},
    {"1 nov 2024 14:00 UT", "2024-11-01T14:00:00.000Z"},
    {"FRI,1 NOV 2024 14:00:00 z", "2024-11-01T14:00:00.000Z"},
    {"Fri 1 Nov 2024 14:00:00 +0000", "2024-11-01T14:00:00.000Z"},
    {"Friday, 1 November 2024 14:00:00 +0000", "2024-11-01T14:00:00.000Z"},
    {"Fri, 1 Nov 2024 09:00:00 -0500 (EST)", "2024-11-01T14:00:00.000Z"},
    {"Fri, 1 Nov 2024 14:00:00 +0000 (a (nested \\) one))", "2024-11-01T14:00:00.000Z"},
    {"(c)Fri(c),\r\n 1(c)Nov\t2024 (c) 14:00:00(c)+0000", "2024-11-01T14:00:00.000Z"},
    {"Fri, 1 Nov 24 14:00:00 -0000", "2024-11-01T14:00:00.000Z"},
    {"Fri, 1 Nov 99 14:00:00 -0000", "1999-11-01T14:00:00.000Z"},
    {"Fri, 1 Nov 49 14:00:00 -0000", "2049-11-01T14:00:00.000Z"},
    {"Fri, 1 Nov 124 14:00:00 -0000", "2024-11-01T14:00:00.000Z"},
    {"Fri, 1 Nov 2024 09:00:00 EST", "2024-11-01T14:00:00.000Z"},
    {"Fri, 1 Nov 2024 10:00:00 EDT", "2024-11-01T14:00:00.000Z"},
    {"Fri, 1 Nov 2024 08:00:00 CST", "2024-11-01T14:00:00.000Z"},
    {"Fri, 1 Nov 2024 09:00:00 CDT", "2024-11-01T14:00:00.000Z"},
    {"Fri, 1 Nov 2024 07:00:00 MST", "2024-11-01T14:00:00.000Z"},
    {"Fri, 1 Nov 2024 08:00:00 mdt", "2024-11-01T14:00:00.000Z"},
    {"Fri, 1 Nov 2024 06:00:00 PST", "2024-11-01T14:00:00.000Z"},
    {"Fri, 1 Nov 2024 07:00:00 PDT", "2024-11-01T14:00:00.000Z"},
    {"Fri, 1 Nov 2024 14:00:00 K", "2024-11-01T14:00:00.000Z"},
    {"Fri, 1 Nov 2024 14:00:00 WHEN", "2024-11-01T14:00:00.000Z"},
    {"Fri, 1 Nov 2024 14:00:00", "2024-11-01T14:00:00.000Z"},
    {"Fri, 1 Nov 2024 14:00 (EST)", "2024-11-01T14:00:00.000Z"},
    {"Fri, 1 Nov 2024 14:00:00 0500", NULL},
    {"Fri, 1 Nov 2024", NULL},
    {"Fri, 31 Nov 2024 14:00:00 +0000", NULL},
    {"Fri, 0 Nov 2024 14:00:00 +0000", NULL},
    {"Fri, 1 Foo 2024 14:00:00 +0000", NULL},
    {"Fri, 1 Nov 2 14:00:00 +0000", NULL},
    {"Fri, 1 Nov 20245 14:00:00 +0000", NULL},
    {"Fri, 1 Nov 2024 14:00:00 +000", NULL},
    {"Fri, 1 Nov 2024 14:00:00 +0000 (", NULL},
    {"Fri, 1 Nov 2024 14:00:00 +0000 (\\", NULL},
    {"Fri, 1 Nov 2024 14:00:00 +0000 ((((((((((((((((((((c))))))))))))))))))))", NULL},
    {"Fri, 1 Nov 2024 14:00:00 +0000)", NULL},
    {"F, 1 Nov 2024 14:00:00 +0000", NULL},
    {"Fri Nov 2024", NULL},
    // numbers
    {"1730469600", "2024-11-01T14:00:00.000Z"},
    {"1730469600.123", "2024-11-01T14:00:00.123Z"},
    {"1730469600.1239", "2024-11-01T14:00:00.123Z"},
    {"1730469600123", "2024-11-01T14:00:00.123Z"},
    {"1730469600123.9", "2024-11-01T14:00:00.123Z"},
    {"1730469600123456", "2024-11-01T14:00:00.123Z"},
    {"1730469600123456789", "2024-11-01T14:00:00.123Z"},
    {"100000000", "1973-03-03T09:46:40.000Z"},
    {"99999999999", "5138-11-16T09:46:39.000Z"},
    {"100000000000", "1973-03-03T09:46:40.000Z"},
    {"99999999", NULL},
    {"20241101", NULL},
    {"0", NULL},
    {"-1730469600", NULL},
    {"1730469600.", NULL},
    {".5", NULL},
    {"1730469600s", NULL},
    {"1e9", NULL},
    {"0x67250000", NULL},
    {"99999999999999999999999999", NULL},
    {"nan", NULL},
    // nothing
    {"", NULL},
    {"  ", NULL},
    {"yesterday", NULL},
    {"(", NULL},
};

START_TEST(a_time_is_read_in_each_form_that_providers_write) {
    int64_t ms = 0;
    bool is_read = timestamp_read(forms[_i].text, &ms) == 0;
    ck_assert_msg(is_read == (forms[_i].is != NULL), "%s", forms[_i].text);
    if (is_read) {
        char text[RFC3339_SIZE];
        rfc3339_format(ms, text);
        ck_assert_str_eq(text, forms[_i].is);
    }
}
END_TEST

START_TEST(a_number_that_is_none_is_no_time) {
    int64_t ms;
    ck_assert_int_eq(timestamp_from_number((double)NAN, &ms), -1);
    ck_assert_int_eq(timestamp_from_number((double)INFINITY, &ms), -1);
    ck_assert_int_eq(timestamp_from_number(-1e10, &ms), -1);
    ck_assert_int_eq(timestamp_from_number(1730469600.5, &ms), 0);
    ck_assert_int_eq(ms, INT64_C(1730469600500));
}
END_TEST

START_TEST(a_very_long_text_is_looked_at_once) {
    size_t length = 1000000;
    char *text = xmalloc(length + 1);
    static const char fill[] = " 1(\\";
    for (const char *c = fill; *c != '\0'; c++) {
        memset(text, *c, length);
        text[length] = '\0';
        int64_t ms;
        ck_assert_int_eq(timestamp_read(text, &ms), -1);
    }
    free(text);
}
END_TEST

Suite *suite_base_timestamp(void) {
    Suite *suite = suite_create("base_timestamp");
    TCase *tests = tcase_create("timestamp");
    tcase_add_loop_test(tests, a_time_is_read_in_each_form_that_providers_write, 0, sizeof forms / sizeof *forms);
    tcase_add_test(tests, a_number_that_is_none_is_no_time);
    tcase_add_test(tests, a_very_long_text_is_looked_at_once);
    suite_add_tcase(suite, tests);
    return suite;
}
