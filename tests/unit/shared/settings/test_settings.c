// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/buf.h"
#include "shared/settings/settings.h"
#include "shared/settings/table.h"

Suite *suite_settings(void);

// The environment of a test: "NAME=value" lines.
static const char *environment;

static char *look_up(const char *name) {
    static char value[256];
    size_t length = strlen(name);
    const char *line = environment;
    while (line != NULL && *line != '\0') {
        size_t size = strcspn(line, "\n");
        if (size > length && strncmp(line, name, length) == 0 && line[length] == '=') {
            snprintf(value, sizeof value, "%.*s", (int)(size - length - 1), line + length + 1);
            return value;
        }
        line += size + (line[size] == '\n');
    }
    return NULL;
}

static char folder[64];
static char dotenv_path[80];
static char config_path[80];

static void create_folder(void) {
    environment = "";
    strcpy(folder, "/tmp/test_settings.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(dotenv_path, sizeof dotenv_path, "%s/.env", folder);
    snprintf(config_path, sizeof config_path, "%s/config.toml", folder);
}

static void remove_folder(void) {
    unlink(dotenv_path);
    unlink(config_path);
    rmdir(folder);
}

static void write_file(const char *path, const char *text) {
    FILE *out = fopen(path, "w");
    ck_assert_ptr_nonnull(out);
    fputs(text, out);
    ck_assert_int_eq(fclose(out), 0);
}

// Loads from the three places, each of which may be NULL.
static char *load_from(struct settings *settings, const char *variables, const char *dotenv, const char *config) {
    environment = variables;
    write_file(dotenv_path, dotenv != NULL ? dotenv : "");
    write_file(config_path, config != NULL ? config : "");
    return settings_load(settings, look_up, dotenv_path, config_path);
}

static struct settings load(const char *variables, const char *dotenv, const char *config) {
    struct settings settings;
    char *error = load_from(&settings, variables, dotenv, config);
    ck_assert_msg(error == NULL, "%s", error);
    return settings;
}

static void check_error(const char *variables, const char *dotenv, const char *config, const char *expected) {
    struct settings settings;
    char *error = load_from(&settings, variables, dotenv, config);
    ck_assert_msg(error != NULL, "taken, though expected: %s", expected);
    const char *shown = strncmp(error, folder, strlen(folder)) == 0 ? error + strlen(folder) + 1 : error;
    ck_assert_str_eq(shown, expected);
    ck_assert_ptr_null(strchr(error, '\n'));
    ck_assert_ptr_null(settings.redis_url);
    free(error);
}

START_TEST(without_anything_the_defaults_hold) {
    struct settings settings = load(NULL, NULL, NULL);
    ck_assert_int_eq(settings.port, 8080);
    ck_assert_str_eq(settings.bind_address, "127.0.0.1");
    ck_assert_str_eq(settings.health_path, "/healthz");
    ck_assert_int_eq(settings.max_body_bytes, 262144);
    ck_assert_int_eq(settings.max_attachments, 8);
    ck_assert_int_eq(settings.rate_limit_per_ip_per_min, 120);
    ck_assert_int_eq(settings.rate_limit_per_sender_per_min, 60);
    ck_assert_int_eq(settings.conversation_snippet_length, 64);
    ck_assert_int_eq(settings.breaker_error_threshold, 20);
    ck_assert_int_eq(settings.breaker_open_secs, 30);
    ck_assert_int_eq(settings.worker_claim_timeout_secs, 60);
    ck_assert_int_eq(settings.stream_max_backlog, 1000000);
    ck_assert_str_eq(settings.redis_url, "redis://127.0.0.1:6379");
    ck_assert_str_eq(settings.database_url,
                     "postgres://messaging_user:messaging_password@127.0.0.1:55432/messaging_service");
    ck_assert_str_eq(settings.provider_sms_url, "http://127.0.0.1:8090");
    ck_assert_str_eq(settings.provider_email_url, "http://127.0.0.1:8090");
    ck_assert_str_eq(settings.trusted_proxies, "127.0.0.0/8,::1");
    ck_assert_str_eq(settings.instance_id, "");
    ck_assert_str_eq(settings.log_level, "info");
    ck_assert_str_eq(settings.run_dir, ".run");
    ck_assert(!settings.in_memory);
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        ck_assert_int_eq(settings.mock[i].timeout_pct, 0);
        ck_assert_int_eq(settings.mock[i].seed, -1);
        ck_assert_int_eq(settings.mock[i].retry_after_secs, 1);
    }
    settings_free(&settings);
}
END_TEST

START_TEST(the_environment_wins_over_dotenv_over_the_file) {
    struct settings settings = load("PORT=1001\n", "PORT=1002\nAPI_MAX_ATTACHMENTS=12\n",
                                    "port=1003\nmax_attachments=13\nmax_body_bytes=2000");
    ck_assert_int_eq(settings.port, 1001);
    ck_assert_int_eq(settings.max_attachments, 12);
    ck_assert_int_eq(settings.max_body_bytes, 2000);
    settings_free(&settings);
}
END_TEST

START_TEST(an_empty_value_counts_as_unset) {
    struct settings settings = load("PORT=\nLOG_LEVEL=\n", "PORT=\nLOG_LEVEL=warn\n", "port = 1003\n");
    ck_assert_int_eq(settings.port, 1003);
    ck_assert_str_eq(settings.log_level, "warn");
    settings_free(&settings);
}
END_TEST

START_TEST(defaults_that_follow_a_port_follow_it) {
    struct settings settings =
        load("LOCAL_REDIS_PORT=7001\nLOCAL_POSTGRES_PORT=7002\nMOCK_PROVIDER_PORT=7003\n", NULL, NULL);
    ck_assert_str_eq(settings.redis_url, "redis://127.0.0.1:7001");
    ck_assert_str_eq(settings.database_url,
                     "postgres://messaging_user:messaging_password@127.0.0.1:7002/messaging_service");
    ck_assert_str_eq(settings.provider_sms_url, "http://127.0.0.1:7003");
    ck_assert_str_eq(settings.provider_email_url, "http://127.0.0.1:7003");
    settings_free(&settings);
    settings = load("LOCAL_REDIS_PORT=7001\nREDIS_URL=redis://elsewhere\nPROVIDER_SMS_URL=https://sms.example", NULL,
                    "database_url = \"postgres://db.example/x\"");
    ck_assert_str_eq(settings.redis_url, "redis://elsewhere");
    ck_assert_str_eq(settings.database_url, "postgres://db.example/x");
    ck_assert_str_eq(settings.provider_sms_url, "https://sms.example");
    ck_assert_str_eq(settings.provider_email_url, "http://127.0.0.1:8090");
    settings_free(&settings);
}
END_TEST

static void assert_public_url(const char *variables, const char *expected) {
    struct settings settings = load(variables, NULL, NULL);
    ck_assert_msg(strcmp(settings.webhook_public_url, expected) == 0, "%s: %s", variables, settings.webhook_public_url);
    settings_free(&settings);
}

#define FOR_THE_MOCK "MOCK_WEBHOOK_URL=http://127.0.0.1:8080\n"

START_TEST(the_mocks_webhook_url_is_the_public_one_where_both_providers_are_the_mock_and_none_is_set) {
    assert_public_url("", "");
    assert_public_url(FOR_THE_MOCK, "http://127.0.0.1:8080");
    assert_public_url(FOR_THE_MOCK "MOCK_PROVIDER_PORT=7003\n", "http://127.0.0.1:8080");
    assert_public_url(FOR_THE_MOCK "PROVIDER_SMS_URL=http://mock-provider:8090\n", "http://127.0.0.1:8080");
    assert_public_url(FOR_THE_MOCK "WEBHOOK_PUBLIC_URL=https://hooks.example\n", "https://hooks.example");
    assert_public_url(FOR_THE_MOCK "PROVIDER_SMS_URL=https://api.twilio.com\n", "");
    assert_public_url(FOR_THE_MOCK "PROVIDER_EMAIL_URL=https://api.sendgrid.com\n", "");
    assert_public_url(FOR_THE_MOCK "PROVIDER_EMAIL_URL=http://127.0.0.1:8091\n", "");
    assert_public_url(FOR_THE_MOCK "PROVIDER_EMAIL_URL=https://api.sendgrid.com\n"
                                   "WEBHOOK_PUBLIC_URL=https://hooks.example\n",
                      "https://hooks.example");
}
END_TEST

START_TEST(a_mocks_own_value_wins_over_the_general_one) {
    struct settings settings = load("API_PROVIDER_ERROR_PCT=20\nAPI_PROVIDER_EMAIL_ERROR_PCT=5\n"
                                    "API_PROVIDER_SEED=7\nAPI_PROVIDER_SMS_SEED=0\n",
                                    NULL, "provider_sms_latency_ms = 30\nprovider_timeout_pct = 1\n");
    ck_assert_int_eq(settings.mock[PROVIDER_SMS_MMS].error_pct, 20);
    ck_assert_int_eq(settings.mock[PROVIDER_EMAIL].error_pct, 5);
    ck_assert_int_eq(settings.mock[PROVIDER_SMS_MMS].seed, 0);
    ck_assert_int_eq(settings.mock[PROVIDER_EMAIL].seed, 7);
    ck_assert_int_eq(settings.mock[PROVIDER_SMS_MMS].latency_ms, 30);
    ck_assert_int_eq(settings.mock[PROVIDER_EMAIL].latency_ms, 0);
    ck_assert_int_eq(settings.mock[PROVIDER_SMS_MMS].timeout_pct, 1);
    ck_assert_int_eq(settings.mock[PROVIDER_EMAIL].timeout_pct, 1);
    settings_free(&settings);
}
END_TEST

START_TEST(a_bad_number_is_named_with_its_range) {
    check_error("API_MAX_BODY_BYTES=abc", NULL, NULL,
                "API_MAX_BODY_BYTES: 'abc' is not a whole number; allowed: 1024 to 16777216 (bytes), default 262144");
    check_error("PORT=0", NULL, NULL, "PORT: '0' is out of range; allowed: 1 to 65535, default 8080");
    check_error("PORT=65536", NULL, NULL, "PORT: '65536' is out of range; allowed: 1 to 65535, default 8080");
    check_error("PORT=-1", NULL, NULL, "PORT: '-1' is out of range; allowed: 1 to 65535, default 8080");
    check_error("PORT=99999999999999999999", NULL, NULL,
                "PORT: '99999999999999999999' is out of range; allowed: 1 to 65535, default 8080");
    check_error("PORT=80x", NULL, NULL, "PORT: '80x' is not a whole number; allowed: 1 to 65535, default 8080");
    check_error("PORT=1.5", NULL, NULL, "PORT: '1.5' is not a whole number; allowed: 1 to 65535, default 8080");
    check_error("PORT=+80", NULL, NULL, "PORT: '+80' is not a whole number; allowed: 1 to 65535, default 8080");
    check_error("PORT=-", NULL, NULL, "PORT: '-' is not a whole number; allowed: 1 to 65535, default 8080");
    check_error("PORT= 80", NULL, NULL, "PORT: ' 80' is not a whole number; allowed: 1 to 65535, default 8080");
    check_error("PORT=8\t0", NULL, NULL, "PORT: '8?0' is not a whole number; allowed: 1 to 65535, default 8080");
    check_error("API_PROVIDER_SEED=x", NULL, NULL,
                "API_PROVIDER_SEED: 'x' is not a whole number; allowed: 0 to 9007199254740991");
    check_error("REDIS_TIMEOUT_MS=1901", NULL, NULL,
                "REDIS_TIMEOUT_MS: '1901' is out of range; allowed: 100 to 1900 (milliseconds), default 1500");
}
END_TEST

START_TEST(a_region_is_taken_by_its_code_and_none_by_default) {
    struct settings settings = load(NULL, NULL, NULL);
    ck_assert_ptr_null(settings.phone_region);
    settings_free(&settings);
    settings = load("PHONE_REGION=de", NULL, NULL);
    ck_assert_ptr_nonnull(settings.phone_region);
    ck_assert_ptr_eq(settings.phone_region, phone_region_find("DE"));
    settings_free(&settings);
    check_error(
        "PHONE_REGION=XX", NULL, NULL,
        "PHONE_REGION: 'XX' is no region that has phone numbers; allowed: an ISO 3166 code of two letters, such "
        "as US");
    check_error(
        "PHONE_REGION=USA", NULL, NULL,
        "PHONE_REGION: 'USA' is no region that has phone numbers; allowed: an ISO 3166 code of two letters, such "
        "as US");
}
END_TEST

START_TEST(a_bad_value_in_a_file_is_named_with_its_line) {
    check_error(NULL, "# first\n\nexport PORT=x\n", NULL,
                ".env, line 3: PORT: 'x' is not a whole number; allowed: 1 to 65535, default 8080");
    check_error(NULL, NULL, "# first\nmax_attachments = 0\n",
                "config.toml, line 2: API_MAX_ATTACHMENTS: '0' is out of range; allowed: 1 to 256, default 8");
}
END_TEST

START_TEST(a_word_that_is_not_offered_is_refused) {
    check_error("LOG_LEVEL=loud", NULL, NULL,
                "LOG_LEVEL: 'loud' is not one of them; allowed: debug, info, warn, error, default info");
    check_error("LOG_LEVEL=inf", NULL, NULL,
                "LOG_LEVEL: 'inf' is not one of them; allowed: debug, info, warn, error, default info");
    check_error("LOG_FORMAT=xml", NULL, NULL,
                "LOG_FORMAT: 'xml' is not one of them; allowed: json, text, default json");
    check_error("API_ENABLE_INMEMORY_FALLBACK=maybe", NULL, NULL,
                "API_ENABLE_INMEMORY_FALLBACK: 'maybe' is not one of them; allowed: true, false, default false");
    check_error("HEALTH_PATH=healthz", NULL, NULL,
                "HEALTH_PATH: 'healthz' does not begin with /; allowed: a path that begins with /, default /healthz");
}
END_TEST

START_TEST(words_are_taken_in_any_case) {
    struct settings settings = load("LOG_LEVEL=WARN\nAPI_ENABLE_INMEMORY_FALLBACK=True\n", NULL, NULL);
    ck_assert_str_eq(settings.log_level, "warn");
    ck_assert(settings.in_memory);
    settings_free(&settings);
    settings = load("API_ENABLE_INMEMORY_FALLBACK=1\n", NULL, NULL);
    ck_assert(settings.in_memory);
    settings_free(&settings);
    settings = load("API_ENABLE_INMEMORY_FALLBACK=off\n", "API_ENABLE_INMEMORY_FALLBACK=1", NULL);
    ck_assert(!settings.in_memory);
    settings_free(&settings);
}
END_TEST

START_TEST(the_claim_time_out_must_cover_two_calls) {
    check_error("API_WORKER_CLAIM_TIMEOUT_SECS=21", NULL, NULL,
                "API_WORKER_CLAIM_TIMEOUT_SECS: 21 seconds is too short for PROVIDER_TIMEOUT_MS 10000; allowed: at "
                "least 2 x PROVIDER_TIMEOUT_MS + 2 seconds, here 22");
    struct settings settings = load("API_WORKER_CLAIM_TIMEOUT_SECS=22\n", NULL, NULL);
    settings_free(&settings);
    check_error("PROVIDER_TIMEOUT_MS=29001", NULL, NULL,
                "API_WORKER_CLAIM_TIMEOUT_SECS: 60 seconds is too short for PROVIDER_TIMEOUT_MS 29001; allowed: at "
                "least 2 x PROVIDER_TIMEOUT_MS + 2 seconds, here 61");
    settings = load("PROVIDER_TIMEOUT_MS=29000\n", NULL, NULL);
    settings_free(&settings);
}
END_TEST

START_TEST(the_mocks_shares_make_at_most_100) {
    check_error("API_PROVIDER_ERROR_PCT=50\nAPI_PROVIDER_SMS_TIMEOUT_PCT=30\nAPI_PROVIDER_RATELIMIT_PCT=21\n", NULL,
                NULL,
                "API_PROVIDER_SMS_TIMEOUT_PCT, _ERROR_PCT and _RATELIMIT_PCT (or the API_PROVIDER_ ones they default "
                "to) make 101 percent together; allowed: at most 100");
    struct settings settings = load("API_PROVIDER_ERROR_PCT=100\n", NULL, NULL);
    settings_free(&settings);
}
END_TEST

START_TEST(dotenv_is_read_as_a_shell_would) {
    struct settings settings = load(NULL,
                                    "# comment\r\n"
                                    "\n"
                                    "  PORT=1234   # inline\r\n"
                                    "export HEALTH_PATH=\"/alive # well\" # why\n"
                                    "BIND_ADDRESS='0.0.0.0'\n"
                                    "LOG_FILE=a#b\n"
                                    "INSTANCE_ID=\"a\\\"b\\\\c\\$d\"\n"
                                    "RUN_DIR='a\\b'\n"
                                    "SOMETHING_ELSE=whatever it is\n"
                                    "REDIS_URL=redis://h/0?x=y=z\n"
                                    "API_MAX_ATTACHMENTS=3\n"
                                    "API_MAX_ATTACHMENTS=4\n"
                                    "PROVIDER_SMS_TOKEN=# nothing\n"
                                    "LOG_LEVEL=debug",
                                    NULL);
    ck_assert_int_eq(settings.port, 1234);
    ck_assert_str_eq(settings.health_path, "/alive # well");
    ck_assert_str_eq(settings.bind_address, "0.0.0.0");
    ck_assert_str_eq(settings.log_file, "a#b");
    ck_assert_str_eq(settings.instance_id, "a\"b\\c$d");
    ck_assert_str_eq(settings.run_dir, "a\\b");
    ck_assert_str_eq(settings.redis_url, "redis://h/0?x=y=z");
    ck_assert_int_eq(settings.max_attachments, 4);
    ck_assert_str_eq(settings.log_level, "debug");
    settings_free(&settings);
}
END_TEST

START_TEST(a_line_that_dotenv_cannot_have_is_named) {
    check_error(NULL, "PORT\n", NULL, ".env, line 1: not a NAME=value line");
    check_error(NULL, "\nLOG_FILE=\"x\n", NULL, ".env, line 2: a quote is not closed");
    check_error(NULL, "LOG_FILE=\"x\\\n", NULL, ".env, line 1: a quote is not closed");
    check_error(NULL, "LOG_FILE='x'y\n", NULL, ".env, line 1: something follows the closing quote");
    check_error(
        NULL, "PORT = 1\n", NULL,
        ".env, line 1: not a NAME=value line: a name has letters, digits and _ only, and no blank before the =");
}
END_TEST

START_TEST(a_missing_dotenv_is_no_error) {
    struct settings settings;
    environment = "";
    write_file(config_path, "");
    ck_assert_ptr_null(settings_load(&settings, look_up, "/nonexistent/.env", config_path));
    settings_free(&settings);
    ck_assert_ptr_null(settings_load(&settings, look_up, NULL, config_path));
    settings_free(&settings);
}
END_TEST

START_TEST(the_config_file_has_comments_and_quotes) {
    struct settings settings = load(NULL, NULL,
                                    "# comment\r\n"
                                    "; comment\n"
                                    "max_body_bytes = 4096 # inline\r\n"
                                    "   max_attachments=3# inline\n"
                                    "\tlog_level = \"warn\"   # inline\n"
                                    "run_dir = 'a # b'\n"
                                    "provider_seed = # none\n"
                                    "worker_batch_size : 7\n"
                                    "log_file = \"\"");
    ck_assert_int_eq(settings.max_body_bytes, 4096);
    ck_assert_int_eq(settings.max_attachments, 3);
    ck_assert_str_eq(settings.log_level, "warn");
    ck_assert_str_eq(settings.run_dir, "a # b");
    ck_assert_int_eq(settings.mock[0].seed, -1);
    ck_assert_int_eq(settings.worker_batch_size, 7);
    ck_assert_str_eq(settings.log_file, "");
    settings_free(&settings);
}
END_TEST

START_TEST(what_the_config_file_cannot_have_is_named) {
    check_error(NULL, NULL, "max_body_byte = 1\n", "config.toml, line 1: unknown setting 'max_body_byte'");
    check_error(NULL, NULL, "API_MAX_BODY_BYTES = 1\n", "config.toml, line 1: unknown setting 'API_MAX_BODY_BYTES'");
    check_error(NULL, NULL, "config_file = x\n", "config.toml, line 1: unknown setting 'config_file'");
    check_error(NULL, NULL, "\n[api]\nmax_attachments=1\n", "config.toml, line 2: sections are not supported");
    check_error(NULL, NULL, "  [api]\n", "config.toml, line 1: sections are not supported");
    check_error(NULL, NULL, "# x\nmax_attachments\n", "config.toml, line 2: not a 'name = value' line");
    check_error(NULL, NULL, "log_file = \"x\n", "config.toml, line 1: a quote is not closed");
    check_error(NULL, NULL, "log_file = 'x' y\n", "config.toml, line 1: something follows the closing quote");
    check_error(NULL, NULL, "port=1\nport=2\n", "config.toml, line 2: the name is given a second time");
}
END_TEST

START_TEST(a_long_line_in_the_config_file_is_refused_and_a_long_comment_is_not) {
    struct buf text = {0};
    buf_printf(&text, "# %0500d\nport = 123", 0);
    struct settings settings = load(NULL, NULL, text.data);
    ck_assert_int_eq(settings.port, 123);
    settings_free(&settings);
    buf_clear(&text);
    buf_printf(&text, "port = 123\nlog_file = %0500d\n", 0);
    check_error(NULL, NULL, text.data, "config.toml, line 2: the line is too long");
    buf_free(&text);
}
END_TEST

START_TEST(the_config_file_is_named_by_the_environment_or_dotenv) {
    struct settings settings;
    char variables[128];
    write_file(config_path, "port = 1077\n");
    snprintf(variables, sizeof variables, "API_CONFIG_FILE=%s", config_path);
    environment = variables;
    ck_assert_ptr_null(settings_load(&settings, look_up, NULL, NULL));
    ck_assert_int_eq(settings.port, 1077);
    settings_free(&settings);
    environment = "";
    write_file(dotenv_path, variables);
    ck_assert_ptr_null(settings_load(&settings, look_up, dotenv_path, NULL));
    ck_assert_int_eq(settings.port, 1077);
    settings_free(&settings);
}
END_TEST

START_TEST(a_named_config_file_must_be_there) {
    struct settings settings;
    environment = "API_CONFIG_FILE=/nonexistent/x.toml";
    char *error = settings_load(&settings, look_up, NULL, NULL);
    ck_assert_str_eq(error, "API_CONFIG_FILE: /nonexistent/x.toml: No such file or directory");
    free(error);
}
END_TEST

static void check_same_setting(const struct setting *setting, struct settings *one, struct settings *other) {
    const char *at = (const char *)one + setting->offset;
    const char *to = (const char *)other + setting->offset;
    switch (setting->type) {
    case SETTING_NUMBER:
        ck_assert_msg(memcmp(at, to, sizeof(int64_t)) == 0, "%s differs", setting->name);
        break;
    case SETTING_BOOL:
        ck_assert_msg(memcmp(at, to, sizeof(bool)) == 0, "%s differs", setting->name);
        break;
    case SETTING_TEXT:
    case SETTING_PATH:
    case SETTING_CHOICE:
        ck_assert_str_eq(*(char *const *)(const void *)at, *(char *const *)(const void *)to);
        break;
    case SETTING_REGION:
        ck_assert_ptr_eq(*(void *const *)(const void *)at, *(void *const *)(const void *)to);
        break;
    case SETTING_CONFIG:
        break;
    }
}

static void check_same_settings(struct settings *one, struct settings *other) {
    for (size_t i = 0; i < settings_table_count; i++) {
        check_same_setting(&settings_table[i], one, other);
    }
    ck_assert_mem_eq(one->mock, other->mock, sizeof one->mock);
}

START_TEST(default_toml_holds_the_defaults) {
    struct settings plain = load(NULL, NULL, NULL);
    struct settings from_file;
    char *error = settings_load(&from_file, look_up, NULL, "shared/default.toml");
    ck_assert_msg(error == NULL, "%s", error);
    check_same_settings(&plain, &from_file);
    settings_free(&plain);
    settings_free(&from_file);
}
END_TEST

static char *read_file(const char *path) {
    FILE *in = fopen(path, "r");
    ck_assert_msg(in != NULL, "%s is missing; the tests run in the project's root", path);
    char *text = NULL;
    size_t room = 0;
    ck_assert_int_ge(getdelim(&text, &room, '\0', in), 0);
    fclose(in);
    return text;
}

START_TEST(default_toml_mentions_each_api_setting) {
    char *text = read_file("shared/default.toml");
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *setting = &settings_table[i];
        bool one_mocks = strncmp(setting->name, "API_PROVIDER_SMS_", 17) == 0 ||
                         strncmp(setting->name, "API_PROVIDER_EMAIL_", 19) == 0;
        if (setting->type == SETTING_NUMBER && strncmp(setting->name, "API_", 4) == 0 && !one_mocks) {
            ck_assert_msg(strstr(text, setting->key) != NULL, "%s is missing", setting->key);
        }
    }
    free(text);
}
END_TEST

static char *print(void (*printer)(FILE *)) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    printer(out);
    fclose(out);
    return text;
}

START_TEST(dotenv_example_is_what_is_printed) {
    char *expected = print(settings_print_dotenv);
    char *text = read_file(".env.example");
    ck_assert_msg(strcmp(text, expected) == 0, ".env.example: make it again by `make docs`");
    free(text);
    free(expected);
}
END_TEST

START_TEST(dotenv_example_as_it_is_changes_nothing) {
    struct settings plain = load(NULL, NULL, NULL);
    struct settings example;
    char *error = settings_load(&example, look_up, ".env.example", config_path);
    ck_assert_msg(error == NULL, "%s", error);
    check_same_settings(&plain, &example);
    settings_free(&plain);
    settings_free(&example);
    char *text = read_file(".env.example");
    ck_assert_ptr_nonnull(strstr(text, "\n# DATABASE_URL="));
    ck_assert_ptr_nonnull(strstr(text, "\n# REDIS_URL="));
    ck_assert_ptr_nonnull(strstr(text, "\nPORT=8080\n"));
    free(text);
}
END_TEST

START_TEST(what_dotenv_example_comments_out_is_the_default) {
    char *text = read_file(".env.example");
    for (char *at = text; (at = strstr(at, "\n# ")) != NULL; at++) {
        if (strcspn(at + 3, "=") < strcspn(at + 3, " \n")) {
            memmove(at + 1, at + 3, strlen(at + 3) + 1); // uncomment it
        }
    }
    struct settings plain = load(NULL, NULL, NULL);
    struct settings example = load(NULL, text, NULL);
    check_same_settings(&plain, &example);
    settings_free(&plain);
    settings_free(&example);
    free(text);
}
END_TEST

START_TEST(the_readme_holds_the_table_of_settings) {
    static const char begin[] = "<!-- settings -->\n";
    static const char end[] = "<!-- /settings -->";
    char *expected = print(settings_print_markdown);
    char *text = read_file("README.md");
    char *start = strstr(text, begin);
    ck_assert_msg(start != NULL, "README.md has no %s", begin);
    start += strlen(begin);
    char *stop = strstr(start, end);
    ck_assert_msg(stop != NULL, "README.md has no %s", end);
    *stop = '\0';
    while (*start == '\n') {
        start++; // blank lines around the table are Markdown's
    }
    while (stop > start + 1 && stop[-1] == '\n' && stop[-2] == '\n') {
        *--stop = '\0';
    }
    ck_assert_msg(strcmp(start, expected) == 0, "README.md: make its table again by `make docs`");
    free(text);
    free(expected);
}
END_TEST

START_TEST(no_secret_is_printed) {
    char *texts[] = {print(settings_print_markdown), print(settings_print_dotenv)};
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
        ck_assert_ptr_nonnull(strstr(texts[t], "PROVIDER_SMS_TOKEN"));
        for (size_t i = 0; i < settings_table_count; i++) {
            if (settings_table[i].flags & SETTING_SECRET && settings_table[i].fallback[0] != '\0') {
                ck_assert_ptr_null(strstr(texts[t], settings_table[i].fallback));
            }
        }
        free(texts[t]);
    }
}
END_TEST

START_TEST(help_shows_the_programs_own_settings) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    settings_print_help(out, FOR_MOCK, "mock-provider", "plays the providers");
    fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "mock-provider: plays the providers\n"));
    ck_assert_ptr_nonnull(strstr(text, "  MOCK_PROVIDER_PORT\n"));
    ck_assert_ptr_nonnull(strstr(text, "1 to 65535; default 8090\n"));
    ck_assert_ptr_nonnull(strstr(text, "--print-settings=markdown"));
    ck_assert_ptr_null(strstr(text, "DATABASE_URL"));
    ck_assert_ptr_null(strstr(text, "mock-token"));
    free(text);
}
END_TEST

START_TEST(each_setting_is_described_once) {
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *setting = &settings_table[i];
        ck_assert_msg(setting->programs != 0, "%s is for no program", setting->name);
        ck_assert_msg(strlen(setting->help) > 10 && strchr(setting->help, '|') == NULL, "%s", setting->name);
        ck_assert_msg(setting->type == SETTING_NUMBER ? setting->min < setting->max : setting->allowed != NULL, "%s",
                      setting->name);
        for (size_t k = 0; k < i; k++) {
            ck_assert_str_ne(setting->name, settings_table[k].name);
            ck_assert(setting->key == NULL || settings_table[k].key == NULL ||
                      strcmp(setting->key, settings_table[k].key) != 0);
        }
    }
}
END_TEST

// What the process prints and how it ends when it is started with that argument.
static void check_exit(const char *argument, int status, const char *printed) {
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        char name[] = "ingest";
        char copy[64];
        snprintf(copy, sizeof copy, "%s", argument);
        char *arguments[] = {name, copy, NULL};
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        struct settings settings;
        settings_from_command_line(&settings, 2, arguments, FOR_INGEST, "ingest", "takes messages");
        _exit(77);
    }
    close(ends[1]);
    struct buf text = {0};
    buf_reserve(&text, 65536);
    ssize_t got;
    while ((got = read(ends[0], text.data + text.length, 65535 - text.length)) > 0) {
        text.length += (size_t)got;
    }
    text.data[text.length] = '\0';
    close(ends[0]);
    int result = 0;
    ck_assert_int_eq(waitpid(child, &result, 0), child);
    ck_assert(WIFEXITED(result));
    ck_assert_int_eq(WEXITSTATUS(result), status);
    ck_assert_msg(strstr(text.data, printed) != NULL, "%s", text.data);
    buf_free(&text);
}

START_TEST(the_command_line_asks_for_help_version_or_tables) {
    check_exit("--help", 0, "Usage: ingest\n");
    check_exit("-h", 0, "  PORT\n");
    check_exit("--version", 0, "ingest ");
    check_exit("--print-settings=markdown", 0, "| `PORT` | `8080` | 1 to 65535 |");
    check_exit("--print-settings=dotenv", 0, "\nPORT=8080\n");
}
END_TEST

START_TEST(an_unknown_argument_ends_with_status_2) {
    check_exit("--port=1", 2, "ingest: unknown argument '--port=1'; see ingest --help\n");
    check_exit("", 2, "unknown argument ''");
}
END_TEST

START_TEST(a_bad_setting_ends_with_status_2) {
    setenv("PORT", "none", 1);
    char name[] = "ingest";
    char *arguments[] = {name, NULL};
    struct settings settings;
    fclose(stderr);
    settings_from_command_line(&settings, 1, arguments, FOR_INGEST, "ingest", "takes messages");
}
END_TEST

Suite *suite_settings(void) {
    Suite *suite = suite_create("settings");
    TCase *tests = tcase_create("settings");
    tcase_add_checked_fixture(tests, create_folder, remove_folder);
    tcase_add_test(tests, without_anything_the_defaults_hold);
    tcase_add_test(tests, the_environment_wins_over_dotenv_over_the_file);
    tcase_add_test(tests, an_empty_value_counts_as_unset);
    tcase_add_test(tests, defaults_that_follow_a_port_follow_it);
    tcase_add_test(tests, the_mocks_webhook_url_is_the_public_one_where_both_providers_are_the_mock_and_none_is_set);
    tcase_add_test(tests, a_mocks_own_value_wins_over_the_general_one);
    tcase_add_test(tests, a_bad_number_is_named_with_its_range);
    tcase_add_test(tests, a_region_is_taken_by_its_code_and_none_by_default);
    tcase_add_test(tests, a_bad_value_in_a_file_is_named_with_its_line);
    tcase_add_test(tests, a_word_that_is_not_offered_is_refused);
    tcase_add_test(tests, words_are_taken_in_any_case);
    tcase_add_test(tests, the_claim_time_out_must_cover_two_calls);
    tcase_add_test(tests, the_mocks_shares_make_at_most_100);
    tcase_add_test(tests, dotenv_is_read_as_a_shell_would);
    tcase_add_test(tests, a_line_that_dotenv_cannot_have_is_named);
    tcase_add_test(tests, a_missing_dotenv_is_no_error);
    tcase_add_test(tests, the_config_file_has_comments_and_quotes);
    tcase_add_test(tests, what_the_config_file_cannot_have_is_named);
    tcase_add_test(tests, a_long_line_in_the_config_file_is_refused_and_a_long_comment_is_not);
    tcase_add_test(tests, the_config_file_is_named_by_the_environment_or_dotenv);
    tcase_add_test(tests, a_named_config_file_must_be_there);
    tcase_add_test(tests, default_toml_holds_the_defaults);
    tcase_add_test(tests, default_toml_mentions_each_api_setting);
    tcase_add_test(tests, dotenv_example_is_what_is_printed);
    tcase_add_test(tests, dotenv_example_as_it_is_changes_nothing);
    tcase_add_test(tests, what_dotenv_example_comments_out_is_the_default);
    tcase_add_test(tests, the_readme_holds_the_table_of_settings);
    tcase_add_test(tests, no_secret_is_printed);
    tcase_add_test(tests, help_shows_the_programs_own_settings);
    tcase_add_test(tests, each_setting_is_described_once);
    tcase_add_test(tests, the_command_line_asks_for_help_version_or_tables);
    tcase_add_test(tests, an_unknown_argument_ends_with_status_2);
    suite_add_tcase(suite, tests);
    TCase *start = tcase_create("start");
    tcase_add_exit_test(start, a_bad_setting_ends_with_status_2, 2);
    suite_add_tcase(suite, start);
    return suite;
}
