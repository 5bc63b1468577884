// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dispatcher/provider/descriptors.h"

#define PROVIDERS 2
#define OTHERS 64
#define A_MULTI 2 // for up to 500 calls

Suite *suite_provider_descriptors(void);

// What a process that begins with these limits comes to: its log is read from a pipe.
struct raised {
    size_t calls;
    rlim_t soft;
    char log[1024];
};

#define NOBODY 65534

// As a user who may not raise the hard limit.
static void raise_in_child(int out, int log, rlim_t soft, rlim_t hard, size_t wanted) {
    struct rlimit limit = {.rlim_cur = soft, .rlim_max = hard};
    struct raised raised = {.calls = 0};
    if (dup2(log, STDERR_FILENO) < 0 || setrlimit(RLIMIT_NOFILE, &limit) != 0 ||
        (geteuid() == 0 && setuid(NOBODY) != 0)) {
        _exit(1);
    }
    raised.calls = descriptors_raise(wanted, PROVIDERS, OTHERS);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    raised.soft = limit.rlim_cur;
    _exit(write(out, &raised, sizeof raised) == (ssize_t)sizeof raised ? 0 : 1);
}

static struct raised raise_with(rlim_t soft, rlim_t hard, size_t wanted) {
    int out[2], log[2], status;
    struct raised raised;
    ck_assert_int_eq(pipe(out), 0);
    ck_assert_int_eq(pipe(log), 0);
    pid_t pid = fork();
    if (pid == 0) {
        raise_in_child(out[1], log[1], soft, hard, wanted);
    }
    close(log[1]);
    close(out[1]);
    ck_assert_int_eq(read(out[0], &raised, sizeof raised), (ssize_t)sizeof raised);
    ssize_t length = read(log[0], raised.log, sizeof raised.log - 1);
    raised.log[length > 0 ? length : 0] = '\0';
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    close(out[0]);
    close(log[0]);
    return raised;
}

START_TEST(the_file_limit_is_raised_to_what_the_calls_need) {
    struct raised raised = raise_with(256, 2000, 100);
    ck_assert_uint_eq(raised.calls, 100);
    ck_assert_uint_eq(raised.soft, PROVIDERS * (100 + A_MULTI) + OTHERS);
    ck_assert_str_eq(raised.log, "");
}
END_TEST

static bool may_raise_the_hard_limit(void) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit;
        _exit(getrlimit(RLIMIT_NOFILE, &limit) != 0 || (limit.rlim_max++, setrlimit(RLIMIT_NOFILE, &limit) != 0));
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status == 0;
}

// Root may, unless a sandbox forbids it.
START_TEST(whoever_may_raises_the_hard_limit_as_well) {
    struct rlimit before, after;
    bool may = may_raise_the_hard_limit();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    size_t calls = descriptors_raise(before.rlim_max, PROVIDERS, OTHERS);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &after), 0);
    ck_assert_uint_eq(after.rlim_cur, after.rlim_max);
    ck_assert_int_eq(after.rlim_max > before.rlim_max, may);
    ck_assert_int_eq(calls == before.rlim_max, may);
}
END_TEST

START_TEST(where_it_cannot_be_raised_so_far_the_cap_is_lowered_with_a_warning) {
    struct raised raised = raise_with(256, 1064, 10000);
    ck_assert_uint_eq(raised.calls, (1064 - OTHERS) / PROVIDERS - A_MULTI);
    ck_assert_uint_eq(raised.soft, 1064);
    ck_assert_ptr_nonnull(strstr(raised.log, "in_flight_lowered"));
    ck_assert_ptr_nonnull(strstr(raised.log, "10000"));
}
END_TEST

START_TEST(a_limit_that_is_high_enough_is_left_alone) {
    struct raised raised = raise_with(1000, 2000, 100);
    ck_assert_uint_eq(raised.calls, 100);
    ck_assert_uint_eq(raised.soft, 1000);
}
END_TEST

START_TEST(one_call_at_least_is_always_made) {
    ck_assert_uint_eq(raise_with(32, 32, 100).calls, 1);
}
END_TEST

Suite *suite_provider_descriptors(void) {
    Suite *suite = suite_create("provider_descriptors");
    TCase *tests = tcase_create("dispatcher_descriptors");
    tcase_add_test(tests, the_file_limit_is_raised_to_what_the_calls_need);
    tcase_add_test(tests, whoever_may_raises_the_hard_limit_as_well);
    tcase_add_test(tests, where_it_cannot_be_raised_so_far_the_cap_is_lowered_with_a_warning);
    tcase_add_test(tests, a_limit_that_is_high_enough_is_left_alone);
    tcase_add_test(tests, one_call_at_least_is_always_made);
    suite_add_tcase(suite, tests);
    return suite;
}
