// SPDX-License-Identifier: MIT
// Settings that are read again while a program runs: what counts at once, what waits, what refuses all of it.

#include "shared/settings/live.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/settings/table.h"

Suite *suite_settings_live(void);

static char folder[64], dotenv_path[80], config_path[80], keys_path[80];
static const char *const *environment; // "NAME=value", NULL-terminated
static const char *const nothing[] = {NULL};
static struct settings settings;
static struct settings_live *live;
static struct settings_change change;

static char *look_up(const char *name) {
    static char value[256];
    size_t length = strlen(name);
    for (const char *const *one = environment; *one != NULL; one++) {
        if (strncmp(*one, name, length) == 0 && (*one)[length] == '=') {
            snprintf(value, sizeof value, "%s", *one + length + 1);
            return value;
        }
    }
    return NULL;
}

static void write_file(const char *path, const char *text) {
    FILE *out = fopen(path, "w");
    ck_assert_ptr_nonnull(out);
    fputs(text, out);
    ck_assert_int_eq(fclose(out), 0);
}

static void setup(void) {
    environment = nothing;
    strcpy(folder, "/tmp/test_live.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(dotenv_path, sizeof dotenv_path, "%s/.env", folder);
    snprintf(config_path, sizeof config_path, "%s/config.toml", folder);
    snprintf(keys_path, sizeof keys_path, "%s/keys", folder);
    write_file(config_path, "");
    live = NULL;
    change = (struct settings_change){.taken = NULL};
}

static void teardown(void) {
    settings_change_free(&change);
    settings_live_free(live);
    settings_free(&settings);
    unlink(dotenv_path);
    unlink(config_path);
    unlink(keys_path);
    rmdir(folder);
}

// As a program starts with that in .env; NULL: there is none.
static void begin(const char *dotenv, int program) {
    if (dotenv != NULL) {
        write_file(dotenv_path, dotenv);
    }
    char *error = settings_load(&settings, look_up, dotenv_path, config_path);
    ck_assert_msg(error == NULL, "%s", error);
    live = settings_live_create_from(&settings, program, look_up, dotenv_path, config_path);
}

static void expect_change(const char *taken, const char *waiting) {
    char *error = settings_live_read(live, &change);
    ck_assert_msg(error == NULL, "%s", error);
    ck_assert_str_eq(change.taken, taken);
    ck_assert_str_eq(change.waiting, waiting);
}

static void expect_refusal(const char *part) {
    char *error = settings_live_read(live, &change);
    ck_assert_ptr_nonnull(error);
    ck_assert_msg(strstr(error, part) != NULL, "%s", error);
    ck_assert_ptr_null(change.taken);
    free(error);
}

START_TEST(what_is_marked_counts_once_it_is_accepted) {
    begin("REDIS_URL=redis://:first@127.0.0.1:7000\n", FOR_DISPATCHER);
    write_file(dotenv_path, "REDIS_URL=redis://:second@127.0.0.1:7000\n");
    expect_change("REDIS_URL", "");
    const struct settings *now = settings_live_take(live);
    ck_assert_str_eq(now->redis_url, "redis://:first@127.0.0.1:7000");
    settings_live_accept(live, &change);
    ck_assert_str_eq(now->redis_url, "redis://:first@127.0.0.1:7000"); // for as long as it is held
    settings_live_give_back(live, now);
    now = settings_live_take(live);
    ck_assert_str_eq(now->redis_url, "redis://:second@127.0.0.1:7000");
    settings_live_give_back(live, now);
    expect_change("", "");
}
END_TEST

START_TEST(what_is_not_marked_waits_for_the_next_start) {
    begin("PORT=7001\nWEBHOOK_SMS_SECRET=one\n", FOR_INGEST);
    write_file(dotenv_path, "PORT=7002\nWEBHOOK_SMS_SECRET=two\n");
    expect_change("WEBHOOK_SMS_SECRET", "PORT");
    ck_assert_int_eq(change.next.port, 7001);
    ck_assert_int_eq(change.fresh.port, 7002);
    settings_live_accept(live, &change);
    expect_change("", "PORT"); // as long as it hasn't been restarted
}
END_TEST

START_TEST(a_program_is_told_of_its_own_settings_only) {
    begin("PROVIDER_SMS_TOKEN=one\nPORT=7001\n", FOR_PERSISTER);
    write_file(dotenv_path, "PROVIDER_SMS_TOKEN=two\nPORT=7002\n");
    expect_change("", "");
}
END_TEST

START_TEST(what_the_environment_sets_can_not_change) {
    const char *const given[] = {"REDIS_URL=redis://127.0.0.1:7000", NULL};
    environment = given;
    begin("REDIS_URL=redis://127.0.0.1:7001\n", FOR_DISPATCHER);
    write_file(dotenv_path, "REDIS_URL=redis://127.0.0.1:7002\n");
    expect_change("", "");
}
END_TEST

START_TEST(the_file_of_settings_is_read_again_as_well) {
    write_file(config_path, "provider_email_token = \"one\"\n");
    begin(NULL, FOR_DISPATCHER);
    write_file(config_path, "provider_email_token = \"two\"\n");
    expect_change("PROVIDER_EMAIL_TOKEN", "");
    ck_assert_str_eq(change.next.provider_email_token, "two");
}
END_TEST

START_TEST(a_default_that_follows_another_setting_is_no_change) {
    begin("MOCK_PROVIDER_PORT=7001\n", FOR_DISPATCHER);
    expect_change("", "");
}
END_TEST

START_TEST(a_file_counts_by_what_it_holds) {
    char *line = xasprintf("API_KEYS_FILE=%s\n", keys_path);
    write_file(keys_path, "one\n");
    begin(line, FOR_INGEST);
    free(line);
    expect_change("", "");
    settings_change_free(&change);
    write_file(keys_path, "two\n");
    expect_change("API_KEYS_FILE", "");
    settings_live_accept(live, &change);
    expect_change("", "");
}
END_TEST

START_TEST(a_file_that_comes_later_counts_too) {
    char *line = xasprintf("PROVIDER_CA_FILE=%s\n", keys_path);
    begin(line, FOR_DISPATCHER);
    free(line);
    write_file(keys_path, "one\n");
    expect_change("PROVIDER_CA_FILE", "");
}
END_TEST

START_TEST(a_number_of_the_mock_is_named_once) {
    begin("API_PROVIDER_ERROR_PCT=1\nAPI_PROVIDER_SMS_LATENCY_MS=1\n", FOR_MOCK);
    write_file(dotenv_path, "API_PROVIDER_ERROR_PCT=2\nAPI_PROVIDER_SMS_LATENCY_MS=2\n");
    expect_change("", "API_PROVIDER_ERROR_PCT, API_PROVIDER_LATENCY_MS");
}
END_TEST

START_TEST(one_bad_value_refuses_all_of_them) {
    begin("REDIS_URL=redis://127.0.0.1:7000\n", FOR_INGEST);
    write_file(dotenv_path, "REDIS_URL=redis://127.0.0.1:7001\nPORT=none\n");
    expect_refusal("PORT: 'none' is not a whole number");
    write_file(dotenv_path, "REDIS_URL=redis://127.0.0.1:7001\nPORT\n");
    expect_refusal("line 2");
    const struct settings *now = settings_live_take(live);
    ck_assert_str_eq(now->redis_url, "redis://127.0.0.1:7000");
    settings_live_give_back(live, now);
}
END_TEST

START_TEST(a_dotenv_that_is_gone_does_not_mean_the_defaults) {
    begin("API_KEYS=one\n", FOR_INGEST);
    unlink(dotenv_path);
    expect_refusal("is gone");
    write_file(dotenv_path, "API_KEYS=two\n");
    expect_change("API_KEYS", "");
}
END_TEST

START_TEST(a_dotenv_may_come_later) {
    begin(NULL, FOR_INGEST);
    write_file(dotenv_path, "API_KEYS=two\n");
    expect_change("API_KEYS", "");
}
END_TEST

START_TEST(names_are_found_whole) {
    begin("", FOR_INGEST);
    write_file(dotenv_path, "API_KEYS_FILE=/there/is/none\nWEBHOOK_EMAIL_SECRET=x\n");
    expect_change("API_KEYS_FILE, WEBHOOK_EMAIL_SECRET", "");
    ck_assert(settings_change_has(&change, "API_KEYS_FILE"));
    ck_assert(settings_change_has(&change, "WEBHOOK_EMAIL_SECRET"));
    ck_assert(!settings_change_has(&change, "API_KEYS"));
    ck_assert(!settings_change_has(&change, "EMAIL_SECRET"));
}
END_TEST

START_TEST(only_the_marked_ones_are_taken_over) {
    struct settings mine;
    begin("PORT=7001\nREDIS_URL=redis://127.0.0.1:7000\n", FOR_INGEST);
    write_file(dotenv_path, "PORT=7002\nREDIS_URL=redis://127.0.0.1:7001\nLOG_LEVEL=debug\n");
    ck_assert_ptr_null(settings_load(&mine, look_up, dotenv_path, config_path));
    settings_take_over(&settings, &mine);
    ck_assert_int_eq(settings.port, 7001);
    ck_assert_str_eq(settings.log_level, "info");
    ck_assert_str_eq(settings.redis_url, "redis://127.0.0.1:7001");
    settings_free(&mine);
}
END_TEST

// settings_take_over, and whoever copies them, know strings only.
START_TEST(every_marked_setting_is_a_text) {
    for (size_t i = 0; i < settings_table_count; i++) {
        if (settings_table[i].flags & SETTING_RELOADED) {
            ck_assert_msg(settings_table[i].type == SETTING_TEXT, "%s", settings_table[i].name);
        }
    }
}
END_TEST

static atomic_bool over;

static void *read_them(void *argument) {
    int *seen = argument;
    while (!atomic_load(&over)) {
        const struct settings *now = settings_live_take(live);
        const char *url = now->redis_url;
        ck_assert(strcmp(url, "redis://127.0.0.1:7000") == 0 || strcmp(url, "redis://127.0.0.1:7001") == 0);
        *seen += 1;
        settings_live_give_back(live, now);
    }
    return NULL;
}

START_TEST(threads_may_read_them_while_they_change) {
    pthread_t threads[2];
    int seen[2] = {0, 0};
    begin("REDIS_URL=redis://127.0.0.1:7000\n", FOR_INGEST);
    atomic_store(&over, false);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_them, &seen[i]), 0);
    }
    for (int i = 1; i <= 200; i++) {
        write_file(dotenv_path,
                   i % 2 == 1 ? "REDIS_URL=redis://127.0.0.1:7001\n" : "REDIS_URL=redis://127.0.0.1:7000\n");
        expect_change("REDIS_URL", "");
        settings_live_accept(live, &change);
    }
    atomic_store(&over, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
}
END_TEST

Suite *suite_settings_live(void) {
    Suite *suite = suite_create("settings_live");
    TCase *tests = tcase_create("live");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, what_is_marked_counts_once_it_is_accepted);
    tcase_add_test(tests, what_is_not_marked_waits_for_the_next_start);
    tcase_add_test(tests, a_program_is_told_of_its_own_settings_only);
    tcase_add_test(tests, what_the_environment_sets_can_not_change);
    tcase_add_test(tests, the_file_of_settings_is_read_again_as_well);
    tcase_add_test(tests, a_default_that_follows_another_setting_is_no_change);
    tcase_add_test(tests, a_file_counts_by_what_it_holds);
    tcase_add_test(tests, a_file_that_comes_later_counts_too);
    tcase_add_test(tests, a_number_of_the_mock_is_named_once);
    tcase_add_test(tests, one_bad_value_refuses_all_of_them);
    tcase_add_test(tests, a_dotenv_that_is_gone_does_not_mean_the_defaults);
    tcase_add_test(tests, a_dotenv_may_come_later);
    tcase_add_test(tests, names_are_found_whole);
    tcase_add_test(tests, only_the_marked_ones_are_taken_over);
    tcase_add_test(tests, every_marked_setting_is_a_text);
    tcase_add_test(tests, threads_may_read_them_while_they_change);
    suite_add_tcase(suite, tests);
    return suite;
}
