// SPDX-License-Identifier: MIT
#include <check.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "shared/message/format.h"
#include "shared/redis/library.h"

Suite *suite_redis_library(void);

START_TEST(the_version_is_twelve_hexadecimal_digits) {
    ck_assert_uint_eq(strlen(library_version), 12);
    ck_assert_uint_eq(strspn(library_version, "0123456789abcdef"), 12);
}
END_TEST

START_TEST(the_library_is_named_after_its_version) {
    char first_line[64];
    snprintf(first_line, sizeof first_line, "#!lua name=messaging_%s\n", library_version);
    ck_assert_int_eq(strncmp(library_text, first_line, strlen(first_line)), 0);
}
END_TEST

START_TEST(no_placeholder_is_left_in_the_text) {
    for (const char *at = library_text; (at = strstr(at, "_dev")) != NULL; at++) {
        ck_assert_msg(isalnum((unsigned char)at[4]) || at[4] == '_', "left: %.40s", at);
    }
}
END_TEST

static const char *const expected[LIBRARY_FUNCTION_COUNT] = {
    "accept",        "limit",          "keep",           "reread",       "receipts",       "opt_out",     "settle",
    "admit",         "unpark",         "cancel",         "erase",        "quarantine",     "claim",       "renew",
    "give_back",     "done",           "reap",           "replay",       "replay_ask",     "replay_take", "replay_keep",
    "breaker_probe", "breaker_refund", "breaker_record", "breaker_mode", "breaker_resume", "count",       "look",
};

START_TEST(each_function_is_called_by_its_name_and_the_version) {
    char name[64];
    snprintf(name, sizeof name, "%s_%s", expected[_i], library_version);
    ck_assert_str_eq(library_function((enum library_function)_i), name);
}
END_TEST

START_TEST(it_reads_the_same_format_as_the_programs) {
    char line[64];
    snprintf(line, sizeof line, "\nlocal FORMAT = '%d' ", STREAM_FORMAT);
    ck_assert_ptr_nonnull(strstr(library_text, line));
}
END_TEST

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

START_TEST(each_function_stands_in_the_library) {
    bool found = false;
    for (const char *at = library_text; !found && (at = strstr(at, expected[_i])) != NULL; at++) {
        found = !is_word(at[-1]) && !is_word(at[strlen(expected[_i])]);
    }
    ck_assert_msg(found, "%s is missing", expected[_i]);
}
END_TEST

Suite *suite_redis_library(void) {
    Suite *suite = suite_create("redis_library");
    TCase *tests = tcase_create("library");
    tcase_add_test(tests, the_version_is_twelve_hexadecimal_digits);
    tcase_add_test(tests, the_library_is_named_after_its_version);
    tcase_add_test(tests, no_placeholder_is_left_in_the_text);
    tcase_add_test(tests, it_reads_the_same_format_as_the_programs);
    tcase_add_loop_test(tests, each_function_is_called_by_its_name_and_the_version, 0, LIBRARY_FUNCTION_COUNT);
    tcase_add_loop_test(tests, each_function_stands_in_the_library, 0, LIBRARY_FUNCTION_COUNT);
    suite_add_tcase(suite, tests);
    return suite;
}
