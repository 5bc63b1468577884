// SPDX-License-Identifier: MIT
// SIGHUP: the programs read their settings again, from the .env of their folder here, and take what may change while
// they run. Passwords, tokens and secrets are rotated under load.

#include <check.h>
#include <libpq-fe.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "shared/base/mem.h"
#include "shared/settings/settings.h"
#include "shared/settings/table.h"
#include "tests/support/child.h"
#include "tests/support/delivery.h"
#include "tests/support/load.h"
#include "tests/support/payload.h"
#include "tests/support/private_postgres.h"
#include "tests/support/stack.h"

Suite *suite_reload(void);

#define THEIRS "+18045551234"
#define OURS "+12016661234"
#define MOST_LINES 32
#define HEX_SIZE (2 * SHA256_DIGEST_LENGTH + 1)

static struct stack *stack;
static char *dotenv_path;
static unsigned next_sender = 1000; // each test has senders of its own

static const char *const programs[] = {"mock-provider", "persister-1", "dispatcher-1", "ingest-1"};
#define PROGRAMS (sizeof programs / sizeof *programs)

// An empty value in the environment is none: .env counts.
static const char *const environment[] = {"REDIS_URL=", "DATABASE_URL=", "API_BREAKER_OPEN_SECS=3600",
                                          "API_KEY_FAILURES_PER_MIN=1000000", NULL};

// ---- .env

static struct { char *name, *value; } lines[MOST_LINES];

// In one go, as whoever changes it while programs may read it does.
static void write_dotenv(void) {
    char *fresh = xasprintf("%s.new", dotenv_path);
    FILE *out = fopen(fresh, "w");
    ck_assert_ptr_nonnull(out);
    for (size_t i = 0; i < MOST_LINES && lines[i].name != NULL; i++) {
        if (lines[i].value != NULL) {
            fprintf(out, "%s='%s'\n", lines[i].name, lines[i].value);
        }
    }
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_int_eq(rename(fresh, dotenv_path), 0);
    free(fresh);
}

// value NULL: it isn't set.
static void set(const char *name, const char *value) {
    size_t i = 0;
    while (i < MOST_LINES && lines[i].name != NULL && strcmp(lines[i].name, name) != 0) {
        i++;
    }
    ck_assert_uint_lt(i, MOST_LINES);
    free(lines[i].value);
    if (lines[i].name == NULL) {
        lines[i].name = xstrdup(name);
    }
    lines[i].value = value != NULL ? xstrdup(value) : NULL;
    write_dotenv();
}

static void set_redis(const char *password) {
    char *url = xasprintf("redis://app:%s@127.0.0.1:%u", password, stack_port(stack, "redis"));
    set("REDIS_URL", url);
    free(url);
}

static void set_postgres(const char *password, const char *more) {
    char *url =
        xasprintf("postgres://app:%s@127.0.0.1:%u/messaging_service%s", password, stack_port(stack, "postgres"), more);
    set("DATABASE_URL", url);
    free(url);
}

// Has a program read it, and waits for what it says.
static void reload_to(const char *program, const char *event) {
    int before = stack_log_count(stack, program, event);
    stack_signal(stack, program, SIGHUP);
    WAIT_FOR(15000, stack_log_count(stack, program, event) == before + 1);
}

// How many lines say that the program has taken this.
static int taken(const char *program, const char *name) {
    return stack_log_about(stack, program, "reloaded", name);
}

static void expect_taken(const char *program, const char *name) {
    int before = taken(program, name);
    reload_to(program, "reloaded");
    ck_assert_msg(taken(program, name) == before + 1, "%s has not taken %s", program, name);
}

static void reload_all(const char *name, const char *const *of, size_t count) {
    for (size_t i = 0; i < count; i++) {
        expect_taken(of[i], name);
    }
}

// Its last such line holds that, and it was refused once more.
static void expect_refused(const char *program, const char *why) {
    int before = stack_log_about(stack, program, "reload_refused", why);
    reload_to(program, "reload_refused");
    ck_assert_msg(stack_log_about(stack, program, "reload_refused", why) == before + 1, "%s: %s", program, why);
}

// ---- Servers

static void admin_sql(const char *sql) {
    char *url = xasprintf("postgres://postgres@127.0.0.1:%u/messaging_service", stack_port(stack, "postgres"));
    PGconn *link = PQconnectdb(url);
    PGresult *result = PQexec(link, sql);
    ExecStatusType status = PQresultStatus(result);
    ck_assert_msg(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s: %s", sql, PQerrorMessage(link));
    PQclear(result);
    PQfinish(link);
    free(url);
}

static void acl(const char *rule) {
    redisReply *reply = stack_redis(stack, "ACL SETUSER app on allkeys allchannels +@all %s", rule);
    ck_assert_msg(reply != NULL && reply->type == REDIS_REPLY_STATUS, "%s", reply != NULL ? reply->str : "no reply");
    freeReplyObject(reply);
}

static void start(void) {
    stack = stack_create("reload", environment);
    dotenv_path = xasprintf("%s/.env", stack_folder(stack));
    acl(">first");
    stack_start(stack, "postgres");
    admin_sql("CREATE ROLE app LOGIN PASSWORD 'first' IN ROLE messaging_user");
    postgres_ask_for_passwords(stack_folder(stack));
    stack_signal(stack, "postgres", SIGHUP);
    set_redis("first");
    set_postgres("first", "");
    set("PROVIDER_SMS_TOKEN", "token-1");
    set("WEBHOOK_SMS_SECRET", "secret-1");
    stack_allow_error(stack, "reload_refused");
    for (size_t i = 0; i < PROGRAMS; i++) {
        stack_start(stack, programs[i]);
    }
}

static void end(void) {
    stack_destroy(stack);
    free(dotenv_path);
    for (size_t i = 0; i < MOST_LINES; i++) {
        free(lines[i].name);
        free(lines[i].value);
    }
}

static void recover(void) {
    stack_recover(stack);
    next_sender += 100;
}

// ---- Load

static struct load *begin_load(unsigned count) {
    return load_start(&(struct load_options){.ports = {stack_port(stack, "ingest-1")},
                                             .threads = 4,
                                             .count = count,
                                             .senders = 100,
                                             .recipients = 50,
                                             .first = next_sender,
                                             .repeats = 100,
                                             .pause_ms = 5});
}

// Every one was accepted in the end, and is sent; untroubled: by its first request.
static void end_load(struct load *load, unsigned count, bool untroubled) {
    struct load_result *result = load_finish(load);
    ck_assert_uint_eq(result->other, 0);
    ck_assert_uint_eq(result->accepted, count);
    if (untroubled) {
        ck_assert_uint_eq(result->sent, count);
    }
    load_result_free(result);
    WAIT_FOR(30000, status_count(stack, next_sender, "sent") == (int64_t)count);
}

// ---- Redis

START_TEST(a_password_of_redis_is_changed_program_by_program_and_no_send_notices) {
    enum { SENDS = 600 };
    acl(">second");
    struct load *load = begin_load(SENDS);
    WAIT_FOR(10000, load_accepted(load) > 20);
    set_redis("second");
    reload_all("REDIS_URL", programs, PROGRAMS);
    end_load(load, SENDS, true);
}
END_TEST

START_TEST(with_the_former_password_gone_and_every_connection_killed_all_goes_on) {
    enum { SENDS = 600 };
    acl("<first");
    struct load *load = begin_load(SENDS);
    WAIT_FOR(10000, load_accepted(load) > 20);
    ck_assert_int_gt(stack_redis_int(stack, "CLIENT KILL USER app"), 0);
    WAIT_FOR(10000, load_accepted(load) > 100);
    end_load(load, SENDS, false);
    stack_settle(stack);
}
END_TEST

START_TEST(a_wrong_password_of_redis_is_found_at_once_and_changes_nothing) {
    set_redis("third");
    for (size_t i = 0; i < PROGRAMS; i++) {
        expect_refused(programs[i], "REDIS_URL: ");
    }
    char *id = send_sms_from(stack, next_sender);
    WAIT_FOR(10000, message_is(stack, id, "sent"));
    free(id);
    set_redis("second");
}
END_TEST

START_TEST(an_address_where_nobody_is_changes_nothing) {
    char *former = xstrdup(lines[0].value);
    set("REDIS_URL", "redis://127.0.0.1:1");
    expect_refused("ingest-1", "REDIS_URL: ");
    set("REDIS_URL", former);
    reload_to("ingest-1", "reloaded");
    free(former);
}
END_TEST

// ---- Postgres

static int64_t sessions(void) {
    return stack_sql(stack, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'");
}

// The same sessions have the same sum.
static int64_t sum_of_sessions(void) {
    return stack_sql(stack, "SELECT sum(pid) FROM pg_stat_activity WHERE usename = 'app'");
}

static const char *const readers[] = {"persister-1", "ingest-1"};

START_TEST(a_password_of_postgres_is_changed_and_sessions_go_on) {
    stack_settle(stack);
    int64_t before = sum_of_sessions();
    admin_sql("ALTER ROLE app PASSWORD 'second'");
    set_postgres("second", "");
    reload_all("DATABASE_URL", readers, 2);
    WAIT_FOR(5000, sum_of_sessions() == before);
    char *id = send_sms_from(stack, next_sender);
    WAIT_FOR(10000, message_is(stack, id, "sent"));
    free(id);
}
END_TEST

START_TEST(sessions_that_postgres_ends_come_back_by_the_new_password) {
    int64_t count = sessions(), sum = sum_of_sessions();
    struct load *load = begin_load(200);
    WAIT_FOR(10000, load_accepted(load) > 20);
    admin_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'");
    end_load(load, 200, true);
    WAIT_FOR(10000, sessions() == count && sum_of_sessions() != sum);
    stack_settle(stack);
}
END_TEST

START_TEST(a_wrong_password_of_postgres_is_found_at_once_and_changes_nothing) {
    set_postgres("third", "");
    expect_refused("persister-1", "DATABASE_URL: ");
    expect_refused("ingest-1", "password authentication failed");
    ck_assert_int_eq(stack_log_about(stack, "ingest-1", "reload_refused", "third"), 0);
    admin_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'");
    stack_settle(stack);
    char *id = send_sms_from(stack, next_sender);
    WAIT_FOR(10000, message_is(stack, id, "sent"));
    free(id);
    set_postgres("second", "");
}
END_TEST

START_TEST(a_replica_is_tried_taken_and_left_again) {
    int64_t count = sessions();
    char *url = xasprintf("postgres://app:third@127.0.0.1:%u/messaging_service", stack_port(stack, "postgres"));
    set("DATABASE_READ_URL", url);
    expect_refused("ingest-1", "DATABASE_READ_URL: ");
    free(url);
    url = xasprintf("postgres://app:second@127.0.0.1:%u/messaging_service", stack_port(stack, "postgres"));
    set("DATABASE_READ_URL", url);
    expect_taken("ingest-1", "DATABASE_READ_URL");
    WAIT_FOR(10000, sessions() > count);
    set("DATABASE_READ_URL", NULL);
    expect_taken("ingest-1", "DATABASE_READ_URL");
    WAIT_FOR(10000, sessions() == count);
    free(url);
}
END_TEST

START_TEST(another_database_is_gone_to_at_once) {
    int64_t sum = sum_of_sessions(), count = sessions();
    set_postgres("second", "?options=-c%20search_path%3Dpublic");
    reload_all("DATABASE_URL", readers, 2);
    WAIT_FOR(10000, sessions() == count && sum_of_sessions() != sum);
    set_postgres("second", "");
    reload_all("DATABASE_URL", readers, 2);
    stack_settle(stack);
}
END_TEST

// ---- Providers

static void send_some(unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        free(send_sms_from(stack, next_sender + i));
    }
}

START_TEST(calls_that_begin_later_go_by_the_new_token) {
    static const char *const both[] = {"dispatcher-1", "mock-provider"};
    set("PROVIDER_SMS_TOKEN", "token-2");
    reload_all("PROVIDER_SMS_TOKEN", both, 2);
    send_some(5);
    WAIT_FOR(10000, status_count(stack, next_sender, "sent") == 5);
    ck_assert(!breaker_is(stack, "sms-mms", "open"));
}
END_TEST

// API_BREAKER_OPEN_SECS is an hour.
START_TEST(a_breaker_that_a_wrong_token_has_opened_closes_soon_after_it_is_mended) {
    set("PROVIDER_SMS_TOKEN", "token-3");
    expect_taken("mock-provider", "PROVIDER_SMS_TOKEN");
    send_some(5);
    WAIT_FOR(10000, breaker_is(stack, "sms-mms", "open"));
    expect_taken("dispatcher-1", "PROVIDER_SMS_TOKEN");
    WAIT_FOR(10000, status_count(stack, next_sender, "sent") == 5);
    WAIT_FOR(10000, breaker_is(stack, "sms-mms", "closed"));
}
END_TEST

START_TEST(one_that_is_still_wrong_opens_it_again) {
    set("PROVIDER_SMS_TOKEN", "token-4");
    expect_taken("dispatcher-1", "PROVIDER_SMS_TOKEN");
    send_some(5);
    WAIT_FOR(10000, breaker_is(stack, "sms-mms", "open"));
    int64_t opened = breaker_number(stack, "sms-mms", "transitions");
    set("PROVIDER_SMS_TOKEN", "token-5");
    expect_taken("dispatcher-1", "PROVIDER_SMS_TOKEN");
    WAIT_FOR(10000, breaker_number(stack, "sms-mms", "transitions") == opened + 2); // half-open and open
    ck_assert(breaker_is(stack, "sms-mms", "open"));
    expect_taken("mock-provider", "PROVIDER_SMS_TOKEN");
    set("PROVIDER_SMS_TOKEN", "token-6");
    expect_taken("mock-provider", "PROVIDER_SMS_TOKEN");
    expect_taken("dispatcher-1", "PROVIDER_SMS_TOKEN");
    WAIT_FOR(10000, status_count(stack, next_sender, "sent") == 5);
}
END_TEST

// ---- Webhooks

static void hex(const unsigned char *bytes, size_t count, char *out) {
    for (size_t i = 0; i < count; i++) {
        sprintf(out + 2 * i, "%02x", bytes[i]);
    }
}

// The status of an inbound SMS that is signed with that secret.
static long webhook_status(const char *secret) {
    static unsigned number;
    char text[HEX_SIZE], id[32];
    unsigned char digest[SHA256_DIGEST_LENGTH];
    snprintf(id, sizeof id, "reload-%u", ++number);
    char *body = payload_sms_webhook(THEIRS, OURS, id, "hello");
    long long now = (long long)time(NULL);
    char *signed_bytes = xasprintf("%lld.%s", now, body);
    HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)signed_bytes, strlen(signed_bytes), digest,
         NULL);
    hex(digest, sizeof digest, text);
    char *header = xasprintf("X-Signature: t=%lld,v1=%s", now, text);
    struct answer *answer = stack_call(stack, "ingest-1", "POST", PATH_SMS_WEBHOOK, body,
                                       (const char *const[]){header, "Content-Type: application/json", NULL});
    long status = answer->status;
    answer_free(answer);
    free(header);
    free(signed_bytes);
    free(body);
    return status;
}

START_TEST(a_webhooks_secret_is_changed_step_by_step) {
    ck_assert_int_eq(webhook_status("secret-1"), 202);
    ck_assert_int_eq(webhook_status("secret-2"), 401);
    set("WEBHOOK_SMS_SECRET", "secret-2");
    set("WEBHOOK_SMS_SECRET_PREVIOUS", "secret-1");
    reload_all("WEBHOOK_SMS_SECRET, WEBHOOK_SMS_SECRET_PREVIOUS", &programs[3], 1);
    ck_assert_int_eq(webhook_status("secret-1"), 202);
    ck_assert_int_eq(webhook_status("secret-2"), 202);
    set("WEBHOOK_SMS_SECRET_PREVIOUS", NULL);
    reload_all("WEBHOOK_SMS_SECRET_PREVIOUS", &programs[3], 1);
    ck_assert_int_eq(webhook_status("secret-1"), 401);
    ck_assert_int_eq(webhook_status("secret-2"), 202);
}
END_TEST

START_TEST(a_reload_opens_no_door) {
    set("WEBHOOK_SMS_SECRET", NULL);
    expect_refused("ingest-1", "WEBHOOK_SMS_SECRET is not set any more");
    ck_assert_int_eq(webhook_status("secret-1"), 401);
    ck_assert_int_eq(webhook_status("secret-2"), 202);
    set("WEBHOOK_SMS_SECRET", "secret-2");
}
END_TEST

// ---- Keys

// Of a key that is `name`-key.
static char *key_line(const char *name, const char *scope) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char text[HEX_SIZE], *key = xasprintf("%s-key", name);
    SHA256((const unsigned char *)key, strlen(key), digest);
    hex(digest, sizeof digest, text);
    free(key);
    return xasprintf("%s:%s:%s", name, scope, text);
}

static long status_as(const char *key) {
    char *header = xasprintf("Authorization: Bearer %s", key);
    struct answer *answer =
        stack_call(stack, "ingest-2", "GET", "/api/conversations", NULL, (const char *const[]){header, NULL});
    long status = answer->status;
    answer_free(answer);
    free(header);
    return status;
}

START_TEST(keys_may_come_and_change_but_not_go) {
    char *first = key_line("first", "read"), *second = key_line("second", "read");
    stack_start(stack, "ingest-2");
    ck_assert_int_eq(status_as("none"), 200);
    set("API_KEYS", first);
    expect_taken("ingest-2", "API_KEYS");
    ck_assert_int_eq(status_as("none"), 401);
    ck_assert_int_eq(status_as("first-key"), 200);
    set("API_KEYS", second);
    expect_taken("ingest-2", "API_KEYS");
    ck_assert_int_eq(status_as("first-key"), 401);
    ck_assert_int_eq(status_as("second-key"), 200);
    set("API_KEYS", NULL);
    expect_refused("ingest-2", "without keys it can only be started");
    ck_assert_int_eq(status_as("none"), 401);
    stack_stop(stack, "ingest-2");
    free(first);
    free(second);
}
END_TEST

// ---- All of it

START_TEST(one_bad_value_refuses_all_that_is_good) {
    set("WEBHOOK_SMS_SECRET", "secret-3");
    set("PROVIDER_SMS_TOKEN", "token-7");
    set("LOG_FORMAT", "prose");
    for (size_t i = 0; i < PROGRAMS; i++) {
        expect_refused(programs[i], "LOG_FORMAT: 'prose' is not one of them");
    }
    ck_assert_int_eq(webhook_status("secret-3"), 401);
    send_some(5);
    WAIT_FOR(10000, status_count(stack, next_sender, "sent") == 5);
    set("WEBHOOK_SMS_SECRET", "secret-2");
    set("PROVIDER_SMS_TOKEN", "token-6");
    set("LOG_FORMAT", NULL);
}
END_TEST

START_TEST(what_only_a_start_takes_is_named_and_waits) {
    set("STREAM_MAX_BACKLOG", "5000");
    int before = stack_log_about(stack, "ingest-1", "reload_waits", "waits for a restart: STREAM_MAX_BACKLOG");
    reload_to("ingest-1", "reloaded");
    ck_assert_int_eq(stack_log_about(stack, "ingest-1", "reload_waits", "waits for a restart: STREAM_MAX_BACKLOG"),
                     before + 1);
    set("STREAM_MAX_BACKLOG", NULL);
}
END_TEST

START_TEST(a_dotenv_that_is_gone_changes_nothing) {
    char *away = xasprintf("%s.away", dotenv_path);
    ck_assert_int_eq(rename(dotenv_path, away), 0);
    expect_refused("ingest-1", ".env: it was read at the start, and is gone");
    ck_assert_int_eq(rename(away, dotenv_path), 0);
    free(away);
}
END_TEST

// ---- The table's word

static char *file_path(const char *name) {
    return xasprintf("%s/%s", stack_folder(stack), name);
}

static void write_file(const char *path, const char *text) {
    FILE *out = fopen(path, "w");
    ck_assert_ptr_nonnull(out);
    fputs(text, out);
    ck_assert_int_eq(fclose(out), 0);
}

static char *new_public_key(void) {
    unsigned char *bytes = NULL, text[512];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    int length = i2d_PUBKEY(key, &bytes);
    EVP_EncodeBlock(text, bytes, length);
    OPENSSL_free(bytes);
    EVP_PKEY_free(key);
    return xstrdup((const char *)text);
}

static char *new_redis(void) {
    return xasprintf("redis://app:second@127.0.0.1:%u/0", stack_port(stack, "redis"));
}

static char *new_database(void) {
    return xasprintf("postgres://app:second@127.0.0.1:%u/messaging_service?connect_timeout=4",
                     stack_port(stack, "postgres"));
}

static char *new_keys(void) {
    return key_line("boss", "read+admin");
}

static char *new_keys_file(void) {
    char *line = key_line("other", "read"), *path = file_path("keys");
    write_file(path, line);
    free(line);
    return path;
}

static char *new_text(void) {
    return xstrdup("another");
}

static char *new_authorities(void) {
    char *path = file_path("authorities.pem");
    child_run(&(struct child_options){.name = "authorities",
                                      .folder = stack_folder(stack),
                                      .argv = (const char *const[]){"openssl", "req", "-x509", "-newkey", "ec",
                                                                    "-pkeyopt", "ec_paramgen_curve:prime256v1",
                                                                    "-nodes", "-subj", "/CN=a", "-keyout", "a.key",
                                                                    "-out", "authorities.pem", NULL}},
              20000);
    return path;
}

// A setting that the table marks, and how it gets another value that is good. Those of one group are set together.
static const struct {
    const char *name;
    char *(*value)(void);
    bool with_next;
} marked[] = {
    {"REDIS_URL", new_redis, false},
    {"DATABASE_URL", new_database, false},
    {"DATABASE_READ_URL", new_database, false},
    {"API_KEYS", new_keys, false},
    {"API_KEYS_FILE", new_keys_file, false},
    {"WEBHOOK_SMS_SECRET", new_text, false},
    {"WEBHOOK_SMS_SECRET_PREVIOUS", new_text, false},
    {"WEBHOOK_EMAIL_SECRET", new_text, false},
    {"WEBHOOK_EMAIL_SECRET_PREVIOUS", new_text, false},
    {"WEBHOOK_EMAIL_PUBLIC_KEY", new_public_key, false},
    {"PROVIDER_SMS_ACCOUNT", new_text, false},
    {"PROVIDER_SMS_TOKEN", new_text, false},
    {"PROVIDER_SMS_KEY_SID", new_text, true},
    {"PROVIDER_SMS_KEY_SECRET", new_text, false},
    {"PROVIDER_EMAIL_TOKEN", new_text, false},
    {"PROVIDER_CA_FILE", new_authorities, false},
};

#define MARKED (sizeof marked / sizeof *marked)

static const struct setting *find_setting(const char *name) {
    for (size_t i = 0; i < settings_table_count; i++) {
        if (strcmp(settings_table[i].name, name) == 0) {
            return &settings_table[i];
        }
    }
    ck_abort_msg("there is no setting %s", name);
}

static void set_marked(size_t i) {
    char *value = marked[i].value();
    set(marked[i].name, value);
    free(value);
}

// Each program that --help and README say reads it takes it.
START_TEST(each_setting_that_the_table_marks_is_taken) {
    static const int bits[PROGRAMS] = {FOR_MOCK, FOR_PERSISTER, FOR_DISPATCHER, FOR_INGEST};
    for (size_t i = 0; i < MARKED; i++) {
        const struct setting *setting = find_setting(marked[i].name);
        ck_assert_msg(setting->flags & SETTING_RELOADED, "%s is not marked", setting->name);
        set_marked(i);
        if (marked[i].with_next) {
            set_marked(i + 1);
        }
        for (size_t k = 0; k < PROGRAMS; k++) {
            if (setting->programs & bits[k]) {
                expect_taken(programs[k], setting->name);
            }
        }
        i += marked[i].with_next;
    }
    stack_settle(stack);
}
END_TEST

// REDIS_CA_FILE, REDIS_CERT_FILE and REDIS_KEY_FILE: test_tls_redis.c.
START_TEST(the_table_marks_no_other) {
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *setting = &settings_table[i];
        bool known = strncmp(setting->name, "REDIS_", 6) == 0 && (setting->flags & SETTING_FILE);
        for (size_t k = 0; k < MARKED; k++) {
            known = known || strcmp(marked[k].name, setting->name) == 0;
        }
        ck_assert_msg(!(setting->flags & SETTING_RELOADED) || known, "%s is marked, and nothing shows that it is so",
                      setting->name);
    }
}
END_TEST

START_TEST(all_programs_end_cleanly) {
    stack_finish(stack);
}
END_TEST

Suite *suite_reload(void) {
    Suite *suite = suite_create("reload");
    TCase *tests = tcase_create("reload");
    tcase_set_timeout(tests, 180);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, a_password_of_redis_is_changed_program_by_program_and_no_send_notices);
    tcase_add_test(tests, with_the_former_password_gone_and_every_connection_killed_all_goes_on);
    tcase_add_test(tests, a_wrong_password_of_redis_is_found_at_once_and_changes_nothing);
    tcase_add_test(tests, an_address_where_nobody_is_changes_nothing);
    tcase_add_test(tests, a_password_of_postgres_is_changed_and_sessions_go_on);
    tcase_add_test(tests, sessions_that_postgres_ends_come_back_by_the_new_password);
    tcase_add_test(tests, a_wrong_password_of_postgres_is_found_at_once_and_changes_nothing);
    tcase_add_test(tests, a_replica_is_tried_taken_and_left_again);
    tcase_add_test(tests, another_database_is_gone_to_at_once);
    tcase_add_test(tests, calls_that_begin_later_go_by_the_new_token);
    tcase_add_test(tests, a_breaker_that_a_wrong_token_has_opened_closes_soon_after_it_is_mended);
    tcase_add_test(tests, one_that_is_still_wrong_opens_it_again);
    tcase_add_test(tests, a_webhooks_secret_is_changed_step_by_step);
    tcase_add_test(tests, a_reload_opens_no_door);
    tcase_add_test(tests, keys_may_come_and_change_but_not_go);
    tcase_add_test(tests, one_bad_value_refuses_all_that_is_good);
    tcase_add_test(tests, what_only_a_start_takes_is_named_and_waits);
    tcase_add_test(tests, a_dotenv_that_is_gone_changes_nothing);
    tcase_add_test(tests, each_setting_that_the_table_marks_is_taken);
    tcase_add_test(tests, the_table_marks_no_other);
    tcase_add_test(tests, all_programs_end_cleanly);
    suite_add_tcase(suite, tests);
    return suite;
}
