// SPDX-License-Identifier: MIT
// What SIGHUP does: read, check, try, take; as a whole or not at all.

#include "shared/loop/reload.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "tests/support/wait.h"

Suite *suite_loop_reload(void);

static uv_loop_t loop;
static char folder[64], dotenv_path[80], config_path[80], log_file[80];
static struct settings settings;
static struct settings_live *live;
static struct reload *reload;

// What the plan is to do, and what it has done.
static const char *check_says, *take_says;
static int checks, takes, takens, trials, cancels;
static reload_tried trial_done;
static void *trial_argument;
static char taken_url[64];

static char *none(const char *name) {
    (void)name;
    return NULL;
}

static void write_dotenv(const char *text) {
    FILE *out = fopen(dotenv_path, "w");
    ck_assert_ptr_nonnull(out);
    fputs(text, out);
    ck_assert_int_eq(fclose(out), 0);
}

static char *plan_check(const struct settings *fresh) {
    (void)fresh;
    checks++;
    return check_says != NULL ? xstrdup(check_says) : NULL;
}

static char *plan_take(void *argument, const struct settings_change *change) {
    ck_assert_ptr_eq(argument, &takes);
    if (take_says != NULL) {
        return xstrdup(take_says);
    }
    takes++;
    snprintf(taken_url, sizeof taken_url, "%s", change->next.redis_url);
    return NULL;
}

static void plan_taken(void *argument) {
    (void)argument;
    const struct settings *now = settings_live_take(live);
    ck_assert_str_eq(now->redis_url, taken_url);
    settings_live_give_back(live, now);
    takens++;
}

static void *trial_start(uv_loop_t *given, const struct settings *next, reload_tried done, void *argument) {
    ck_assert_ptr_eq(given, &loop);
    ck_assert_str_ne(next->redis_url, settings.redis_url);
    trials++;
    trial_done = done;
    trial_argument = argument;
    return &trials;
}

static void trial_cancel(void *trial) {
    ck_assert_ptr_eq(trial, &trials);
    cancels++;
}

static const struct reload_trial of_redis = {"REDIS_URL, REDIS_CA_FILE", trial_start, trial_cancel};
static const struct reload_trial of_postgres = {"DATABASE_URL", trial_start, trial_cancel};
static const struct reload_trial *const some_trials[] = {&of_redis, &of_postgres, NULL};
static const struct reload_trial *const no_trials[] = {NULL};

static const struct reload_plan plain = {plan_check, no_trials, plan_take, plan_taken};
static const struct reload_plan trying = {plan_check, some_trials, plan_take, plan_taken};

static void setup(void) {
    strcpy(folder, "/tmp/test_reload.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(dotenv_path, sizeof dotenv_path, "%s/.env", folder);
    snprintf(config_path, sizeof config_path, "%s/config.toml", folder);
    snprintf(log_file, sizeof log_file, "%s/log", folder);
    fclose(fopen(config_path, "w"));
    write_dotenv("REDIS_URL=redis://127.0.0.1:7000\nDATABASE_URL=postgres://a@b/c\nPORT=7000\n");
    ck_assert_int_eq(log_open(&(struct log_options){.program = "test", .level = LOG_INFO, .path = log_file}), 0);
    ck_assert_ptr_null(settings_load(&settings, none, dotenv_path, config_path));
    uv_loop_init(&loop);
    live = settings_live_create_from(&settings, FOR_INGEST, none, dotenv_path, config_path);
    check_says = take_says = NULL;
    checks = takes = takens = trials = cancels = 0;
}

static void begin(const struct reload_plan *plan) {
    reload = reload_create(&loop, live, plan, &takes);
}

static void teardown(void) {
    reload_stop(reload);
    reload_free(reload);
    settings_live_free(live);
    settings_free(&settings);
    log_close();
    wait_closed(&loop);
    unlink(dotenv_path);
    unlink(config_path);
    unlink(log_file);
    rmdir(folder);
}

// How many lines of the log are of that event and hold that text.
static int logged(const char *event, const char *text) {
    char line[2000], wanted[80];
    int count = 0;
    FILE *in = fopen(log_file, "r");
    ck_assert_ptr_nonnull(in);
    snprintf(wanted, sizeof wanted, "\"%s\"", event);
    while (fgets(line, sizeof line, in) != NULL) {
        count += strstr(line, wanted) != NULL && strstr(line, text) != NULL;
    }
    fclose(in);
    return count;
}

START_TEST(what_has_changed_is_taken_and_named) {
    begin(&plain);
    write_dotenv("REDIS_URL=redis://127.0.0.1:7001\nDATABASE_URL=postgres://a@b/c\nPORT=7001\n");
    reload_ask(reload);
    ck_assert_int_eq(takes, 1);
    ck_assert_int_eq(takens, 1);
    ck_assert_str_eq(taken_url, "redis://127.0.0.1:7001");
    ck_assert_int_eq(logged("reloaded", "REDIS_URL"), 1);
    ck_assert_int_eq(logged("reload_waits", "restart: PORT"), 1);
    ck_assert_int_eq(logged("reloaded", "7001"), 0);
}
END_TEST

START_TEST(where_nothing_has_changed_nothing_is_taken) {
    begin(&trying);
    reload_ask(reload);
    ck_assert_int_eq(trials + takes + takens, 0);
    ck_assert_int_eq(logged("reloaded", "nothing has changed"), 1);
}
END_TEST

static void expect_refused(const char *why) {
    const struct settings *now = settings_live_take(live);
    ck_assert_str_eq(now->redis_url, "redis://127.0.0.1:7000");
    settings_live_give_back(live, now);
    ck_assert_int_eq(takes + takens, 0);
    ck_assert_int_eq(logged("reload_refused", why), 1);
    ck_assert_int_eq(logged("reloaded", ""), 0);
}

START_TEST(what_can_not_be_read_is_refused) {
    begin(&plain);
    write_dotenv("REDIS_URL=redis://127.0.0.1:7001\nPORT=none\n");
    reload_ask(reload);
    expect_refused("is not a whole number");
    ck_assert_int_eq(checks, 0);
}
END_TEST

START_TEST(what_the_check_refuses_is_refused) {
    begin(&plain);
    check_says = "NAME: it is wrong";
    write_dotenv("REDIS_URL=redis://127.0.0.1:7001\n");
    reload_ask(reload);
    expect_refused("NAME: it is wrong; nothing was changed");
}
END_TEST

START_TEST(what_can_not_be_taken_is_refused) {
    begin(&plain);
    take_says = "NAME: it can't be read";
    write_dotenv("REDIS_URL=redis://127.0.0.1:7001\n");
    reload_ask(reload);
    expect_refused("NAME: it can't be read");
}
END_TEST

START_TEST(what_has_changed_is_tried_before_it_is_taken) {
    begin(&trying);
    write_dotenv("REDIS_URL=redis://127.0.0.1:7001\nDATABASE_URL=postgres://a@b/d\n");
    reload_ask(reload);
    ck_assert_int_eq(trials, 1);
    trial_done(trial_argument, NULL);
    ck_assert_int_eq(trials, 2);
    ck_assert_int_eq(takes, 0);
    trial_done(trial_argument, NULL);
    ck_assert_int_eq(takes, 1);
    ck_assert_int_eq(logged("reloaded", "REDIS_URL, DATABASE_URL"), 1);
}
END_TEST

START_TEST(what_a_server_refuses_is_refused) {
    begin(&trying);
    write_dotenv("REDIS_URL=redis://127.0.0.1:7001\nDATABASE_URL=postgres://a@b/d\n");
    reload_ask(reload);
    trial_done(trial_argument, NULL);
    trial_done(trial_argument, "DATABASE_URL: password authentication failed");
    expect_refused("DATABASE_URL: password authentication failed");
}
END_TEST

START_TEST(asked_for_while_one_is_under_way_it_is_done_once_more) {
    begin(&trying);
    write_dotenv("REDIS_URL=redis://127.0.0.1:7001\nDATABASE_URL=postgres://a@b/c\nPORT=7000\n");
    reload_ask(reload);
    reload_ask(reload);
    write_dotenv("REDIS_URL=redis://127.0.0.1:7002\nDATABASE_URL=postgres://a@b/c\nPORT=7000\n");
    reload_ask(reload);
    ck_assert_int_eq(trials, 1);
    trial_done(trial_argument, NULL);
    ck_assert_str_eq(taken_url, "redis://127.0.0.1:7001");
    ck_assert_int_eq(trials, 2);
    trial_done(trial_argument, NULL);
    ck_assert_str_eq(taken_url, "redis://127.0.0.1:7002");
    ck_assert_int_eq(trials, 2);
}
END_TEST

START_TEST(a_stop_ends_what_is_under_way) {
    begin(&trying);
    write_dotenv("REDIS_URL=redis://127.0.0.1:7001\n");
    reload_ask(reload);
    reload_stop(reload);
    ck_assert_int_eq(cancels, 1);
    reload_ask(reload);
    ck_assert_int_eq(trials, 1);
    ck_assert_int_eq(takes, 0);
}
END_TEST

Suite *suite_loop_reload(void) {
    Suite *suite = suite_create("loop_reload");
    TCase *tests = tcase_create("reload");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, what_has_changed_is_taken_and_named);
    tcase_add_test(tests, where_nothing_has_changed_nothing_is_taken);
    tcase_add_test(tests, what_can_not_be_read_is_refused);
    tcase_add_test(tests, what_the_check_refuses_is_refused);
    tcase_add_test(tests, what_can_not_be_taken_is_refused);
    tcase_add_test(tests, what_has_changed_is_tried_before_it_is_taken);
    tcase_add_test(tests, what_a_server_refuses_is_refused);
    tcase_add_test(tests, asked_for_while_one_is_under_way_it_is_done_once_more);
    tcase_add_test(tests, a_stop_ends_what_is_under_way);
    suite_add_tcase(suite, tests);
    return suite;
}
