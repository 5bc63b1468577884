// SPDX-License-Identifier: MIT
#include "shared/loop/process.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "tests/support/wait.h"

// Every test runs in a process of its own (Check forks).

static uv_loop_t loop;
static struct process process;
static struct settings settings;
static int drains, hurries;
static bool finish_on_drain;

static void on_drain(void *argument) {
    (void)argument;
    drains++;
    if (finish_on_drain) {
        process_finished(&process);
    }
}

static void on_hurry(void *argument) {
    (void)argument;
    hurries++;
    process_finished(&process);
}

static void fill_settings(const char *instance) {
    static char empty[] = "", level[] = "error", format[] = "json";
    static char name[64];
    snprintf(name, sizeof name, "%s", instance);
    settings.instance_id = name;
    settings.log_level = level;
    settings.log_format = format;
    settings.log_file = empty;
    settings.drain_timeout_secs = 60;
}

static void watch(void) {
    uv_loop_init(&loop);
    process = (struct process){.loop = &loop, .on_drain = on_drain, .on_hurry = on_hurry};
    process_watch(&process, &settings);
}

static void setup(void) {
    fill_settings("");
}

START_TEST(the_first_signal_drains_and_the_second_hurries) {
    process_start(&settings, "test");
    watch();
    raise(SIGTERM);
    RUN_UNTIL(&loop, 5000, drains == 1);
    run_for(&loop, 50);
    ck_assert_int_eq(hurries, 0);
    raise(SIGINT);
    RUN_UNTIL(&loop, 5000, hurries == 1);
    ck_assert_int_eq(drains, 1);
    ck_assert_int_eq(process_end(&loop), 0);
}
END_TEST

START_TEST(a_signal_that_comes_while_it_starts_is_heard_once_it_listens) {
    process_start(&settings, "test");
    raise(SIGHUP); // each would end it by default
    raise(SIGTERM);
    watch();
    RUN_UNTIL(&loop, 5000, drains == 1);
    ck_assert_int_eq(hurries, 0);
    process_finished(&process);
    ck_assert_int_eq(process_end(&loop), 0);
}
END_TEST

START_TEST(a_drain_that_takes_too_long_is_hurried) {
    settings.drain_timeout_secs = 1;
    process_start(&settings, "test");
    watch();
    raise(SIGINT);
    RUN_UNTIL(&loop, 5000, hurries == 1);
    ck_assert_int_eq(drains, 1);
    ck_assert_int_eq(process_end(&loop), 0);
}
END_TEST

START_TEST(a_process_may_finish_within_its_drain) {
    finish_on_drain = true;
    process_start(&settings, "test");
    watch();
    raise(SIGTERM);
    RUN_UNTIL(&loop, 5000, !uv_loop_alive(&loop));
    ck_assert_int_eq(drains, 1);
    ck_assert_int_eq(process_end(&loop), 0);
}
END_TEST

START_TEST(a_hangup_opens_the_log_again) {
    char folder[] = "/tmp/test-process-XXXXXX";
    char path[64], moved[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/log", folder);
    snprintf(moved, sizeof moved, "%s/moved", folder);
    settings.log_file = path;
    process_start(&settings, "test");
    watch();
    ck_assert_int_eq(rename(path, moved), 0);
    raise(SIGHUP);
    RUN_UNTIL(&loop, 5000, access(path, F_OK) == 0);
    process_finished(&process);
    process_end(&loop);
    unlink(path);
    unlink(moved);
    rmdir(folder);
}
END_TEST

START_TEST(a_broken_pipe_does_not_end_it) {
    int ends[2];
    process_start(&settings, "test");
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    ck_assert_int_eq(write(ends[1], "x", 1), -1);
    close(ends[1]);
}
END_TEST

START_TEST(the_instance_is_the_one_that_was_set) {
    fill_settings("blue-7");
    process_start(&settings, "test");
    ck_assert_str_eq(process_instance(), "blue-7");
}
END_TEST

START_TEST(two_live_processes_never_share_an_instance) {
    int ends[2];
    char first[256] = "", again[256];
    ck_assert_int_eq(pipe(ends), 0);
    process_start(&settings, "test-instance");
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        process_start(&settings, "test-instance");
        _exit(write(ends[1], process_instance(), strlen(process_instance())) > 0 ? 0 : 1);
    }
    ck_assert_int_gt(read(ends[0], first, sizeof first - 1), 0);
    waitpid(child, NULL, 0);
    ck_assert_str_ne(first, process_instance());
    ck_assert_ptr_nonnull(strstr(first, "-test-instance-"));
    // The dead one's name is free again.
    process_start(&settings, "test-instance");
    snprintf(again, sizeof again, "%s", process_instance());
    ck_assert_str_eq(first, again);
}
END_TEST

START_TEST(a_log_that_cannot_be_written_ends_the_start) {
    char path[] = "/no-such-folder/log";
    settings.log_file = path;
    process_start(&settings, "test");
}
END_TEST

Suite *suite_loop_process(void);

Suite *suite_loop_process(void) {
    Suite *suite = suite_create("loop_process");
    TCase *tcase = tcase_create("process");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, the_first_signal_drains_and_the_second_hurries);
    tcase_add_test(tcase, a_signal_that_comes_while_it_starts_is_heard_once_it_listens);
    tcase_add_test(tcase, a_drain_that_takes_too_long_is_hurried);
    tcase_add_test(tcase, a_process_may_finish_within_its_drain);
    tcase_add_test(tcase, a_hangup_opens_the_log_again);
    tcase_add_test(tcase, a_broken_pipe_does_not_end_it);
    tcase_add_test(tcase, the_instance_is_the_one_that_was_set);
    tcase_add_test(tcase, two_live_processes_never_share_an_instance);
    tcase_add_exit_test(tcase, a_log_that_cannot_be_written_ends_the_start, EXIT_FAILURE);
    suite_add_tcase(suite, tcase);
    return suite;
}
