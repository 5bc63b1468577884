// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "shared/base/mem.h"

Suite *suite_base_mem(void);

START_TEST(nothing_can_be_allocated_and_freed) {
    char *memory = xmalloc(0);
    ck_assert_ptr_nonnull(memory);
    memory = xrealloc(memory, 0);
    ck_assert_ptr_nonnull(memory);
    free(memory);
    memory = xcalloc(0, 8);
    ck_assert_ptr_nonnull(memory);
    free(memory);
}
END_TEST

START_TEST(cleared_memory_is_zero) {
    unsigned char *memory = xcalloc(100, 3);
    for (int i = 0; i < 300; i++) {
        ck_assert_uint_eq(memory[i], 0);
    }
    free(memory);
}
END_TEST

START_TEST(a_copy_by_length_ends_with_a_nul) {
    char *copy = xstrndup("abcdef", 3);
    ck_assert_str_eq(copy, "abc");
    free(copy);
    copy = xstrndup("", 0);
    ck_assert_str_eq(copy, "");
    free(copy);
}
END_TEST

START_TEST(a_formatted_text_is_as_long_as_it_needs) {
    char *text = xasprintf("%s-%05d", "a", 42);
    ck_assert_str_eq(text, "a-00042");
    free(text);
    text = xasprintf("%1000s", "x");
    ck_assert_uint_eq(strlen(text), 1000);
    free(text);
}
END_TEST

// The sanitizers end the process before we do: the address sanitizer with our status, the thread sanitizer with its
// own.
#ifdef __SANITIZE_THREAD__
#define FULL 66
#else
#define FULL 1
#endif

START_TEST(a_full_memory_ends_the_process_with_status_1) {
    fclose(stderr); // its line is not for the test's output
    struct rlimit none = {64 << 20, 64 << 20};
    ck_assert_int_eq(setrlimit(RLIMIT_DATA, &none), 0);
    free(xmalloc((size_t)1 << 40));
}
END_TEST

Suite *suite_base_mem(void) {
    Suite *suite = suite_create("base_mem");
    TCase *tests = tcase_create("mem");
    tcase_add_test(tests, nothing_can_be_allocated_and_freed);
    tcase_add_test(tests, cleared_memory_is_zero);
    tcase_add_test(tests, a_copy_by_length_ends_with_a_nul);
    tcase_add_test(tests, a_formatted_text_is_as_long_as_it_needs);
    tcase_add_exit_test(tests, a_full_memory_ends_the_process_with_status_1, FULL);
    suite_add_tcase(suite, tests);
    return suite;
}
