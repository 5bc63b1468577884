// SPDX-License-Identifier: MIT
// Secrets never show: not in a log, at whatever level, nor in an error, in --help or in a process's arguments. Every
// secret here holds the word TELLING, and the word is looked for.

#include <check.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/payload.h"
#include "tests/support/private_postgres.h"
#include "tests/support/private_redis.h"
#include "tests/support/stack.h"

#define WORD "TELLING"
#define TELLING_HASH "00000000000000000000000000000000000000000000000000000000000007e1"
#define PROGRAM_COUNT 4

Suite *suite_secrets(void);

static struct stack *stack;

static const char *const programs[PROGRAM_COUNT] = {"mock-provider", "dispatcher-1", "persister-1", "ingest-1"};

static const char *const environment[] = {
    "LOG_LEVEL=debug",
    "PROVIDER_SMS_TOKEN=TELLING-sms-token",
    "PROVIDER_SMS_KEY_SID=SK0123456789abcdef0123456789abcdef",
    "PROVIDER_SMS_KEY_SECRET=TELLING-key-secret",
    "PROVIDER_EMAIL_TOKEN=TELLING-email-token",
    "WEBHOOK_SMS_SECRET=TELLING-sms-secret",
    "WEBHOOK_SMS_SECRET_PREVIOUS=TELLING-older-secret",
    "WEBHOOK_EMAIL_SECRET=TELLING-email-secret",
    "WEBHOOK_PUBLIC_URL=http://teller:TELLING-of-the-url@127.0.0.1:1",
    "MOCK_WEBHOOK_URL=http://teller:TELLING-of-the-mocks-url@127.0.0.1:1",
    "API_PROVIDER_RECEIPTS_PCT=100", // which the mock can't tell: nobody listens there
    "API_PROVIDER_RECEIPT_DELAY_MS=1",
    "API_KEY=TELLING-key-of-the-scripts",
    NULL,
};

static void admin_sql(const char *sql) {
    char *url = xasprintf("postgres://postgres@127.0.0.1:%u/messaging_service", stack_port(stack, "postgres"));
    PGconn *link = PQconnectdb(url);
    PGresult *result = PQexec(link, sql);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s: %s", sql, PQerrorMessage(link));
    PQclear(result);
    PQfinish(link);
    free(url);
}

static void start(void) {
    stack = stack_create("secrets", environment);
    stack_start(stack, "postgres");
    admin_sql("CREATE ROLE teller LOGIN PASSWORD 'TELLING-right' IN ROLE messaging_user");
    postgres_ask_for_passwords(stack_folder(stack));
    stack_signal(stack, "postgres", SIGHUP);
    freeReplyObject(stack_redis(stack, "ACL SETUSER teller on >TELLING-right allkeys allchannels +@all"));
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
}

// ---- Looking for the word

static void expect_untold(const char *where, const char *text) {
    const char *found = text != NULL ? strstr(text, WORD) : NULL;
    ck_assert_msg(found == NULL, "%s: … %.100s", where, found != NULL ? found : "");
}

static char *log_of(const char *name) {
    char *path = xasprintf("%s/%s.log", stack_folder(stack), name);
    char *text = read_whole_file(path);
    free(path);
    return text;
}

static void expect_untold_by(const char *name) {
    char *log = log_of(name);
    ck_assert_msg(log != NULL && log[0] != '\0', "%s logged nothing", name);
    expect_untold(name, log);
    free(log);
}

// The arguments are separated by NULs.
static void expect_untold_arguments(const char *name) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)stack_pid(stack, name));
    FILE *in = fopen(path, "r");
    ck_assert_ptr_nonnull(in);
    size_t length = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    ck_assert_uint_gt(length, 0);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\0') {
            text[i] = ' ';
        }
    }
    text[length] = '\0';
    expect_untold(path, text);
}

// Starts all programs with these passwords. ingest keys: the hash is no secret, the key that is sent below is.
static void launch_all(const char *password, void (*launch)(struct stack *, const char *, const char *const *)) {
    char *variables[] = {
        xasprintf("REDIS_URL=redis://teller:%s@127.0.0.1:%u", password, stack_port(stack, "redis")),
        xasprintf("DATABASE_URL=postgres://teller:%s@127.0.0.1:%u/messaging_service", password,
                  stack_port(stack, "postgres")),
    };
    const char *const extra[] = {variables[0], variables[1], "API_KEYS=someone:read:" TELLING_HASH, NULL};
    for (size_t i = 0; i < PROGRAM_COUNT; i++) {
        launch(stack, programs[i], extra);
    }
    free(variables[0]);
    free(variables[1]);
}

static void stop_all(void) {
    for (size_t i = PROGRAM_COUNT; i > 0; i--) {
        stack_stop(stack, programs[i - 1]);
    }
}

// Requests with a secret wherever a client may put one.
static void send_secrets(void) {
    static const char *const headers[] = {
        "Authorization: Bearer TELLING-key",   "Authorization: Basic TELLING-basic",
        "Proxy-Authorization: TELLING",        "Cookie: session=TELLING-cookie",
        "X-API-Key: TELLING-other-key",        "X-Signature: t=1,v1=TELLING",
        "X-Twilio-Signature: TELLING-twilio=", "X-Signature: TELLING",
    };
    const char *const paths[] = {PATH_SMS, PATH_SMS_WEBHOOK, PATH_EMAIL_WEBHOOK, "/api/nowhere"};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        for (size_t k = 0; k < sizeof paths / sizeof *paths; k++) {
            const char *given[] = {headers[i], NULL};
            char *path = xasprintf("%s?key=TELLING-query", paths[k]);
            struct answer *answer = stack_call(stack, "ingest-1", "POST", path, "{}", given);
            ck_assert_int_gt(answer->status, 0);
            expect_untold(path, answer->body);
            expect_untold(path, answer->headers);
            answer_free(answer);
            free(path);
        }
    }
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/readyz", NULL, NULL);
    expect_untold("/readyz", answer->body);
    answer_free(answer);
}

static void expect_all_untold(void) {
    for (size_t i = 0; i < PROGRAM_COUNT; i++) {
        expect_untold_arguments(programs[i]);
        expect_untold_by(programs[i]);
    }
}

START_TEST(wrong_passwords_are_told_without_the_password) {
    launch_all("TELLING-wrong", stack_launch);
    for (size_t i = 0; i < PROGRAM_COUNT; i++) {
        WAIT_FOR(15000, stack_log_about(stack, programs[i], "redis_down", "refuses the user or password") > 0);
    }
    const char *refused = "password authentication failed";
    WAIT_FOR(15000, stack_log_about(stack, "ingest-1", "postgres_down", refused) > 0);
    WAIT_FOR(15000, stack_log_about(stack, "persister-1", "postgres_down", refused) > 0);
    send_secrets();
    expect_all_untold();
    stop_all();
}
END_TEST

START_TEST(right_passwords_are_not_told_either) {
    launch_all("TELLING-right", stack_start_with);
    send_secrets();
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/readyz", NULL, NULL);
    ck_assert_int_eq(answer->status, 200);
    answer_free(answer);
    WAIT_FOR(10000, stack_log_count(stack, "persister-1", "postgres_up") > 0);
    // A message is put straight into its way: the dispatcher shows its token to the provider.
    stack_start_with(stack, "ingest-2", NULL);
    char *id = send_accepted(stack, "ingest-2", PATH_SMS, payload_sms("+1201", "+1804", "hi"));
    WAIT_FOR(20000, stack_log_about(stack, "dispatcher-1", "mock_dispatch_outcome", id) > 0);
    stack_stop(stack, "ingest-2");
    expect_all_untold();
    stop_all();
    expect_untold_by("ingest-2");
    free(id);
}
END_TEST

// A Redis without AUTH answers it with its arguments: unknown command 'AUTH', with args beginning with: …
START_TEST(a_redis_that_repeats_what_it_was_told_is_not_repeated) {
    const char *const options[] = {"--rename-command", "AUTH", "", NULL};
    struct private_redis *redis = private_redis_start(options);
    redisContext *context = redisConnect("127.0.0.1", private_redis_port(redis));
    redisReply *reply = redisCommand(context, "AUTH TELLING");
    ck_assert_ptr_nonnull(strstr(reply->str, WORD)); // or the test shows nothing
    freeReplyObject(reply);
    redisFree(context);
    char *url = xasprintf("REDIS_URL=redis://teller:TELLING-wrong@127.0.0.1:%u", private_redis_port(redis));
    stack_launch(stack, "dispatcher-2", (const char *const[]){url, NULL});
    WAIT_FOR(15000, stack_log_about(stack, "dispatcher-2", "redis_down", "refuses to authenticate") > 0);
    expect_untold_by("dispatcher-2");
    stack_stop(stack, "dispatcher-2");
    private_redis_destroy(redis);
    free(url);
}
END_TEST

// ---- What a program prints

// Runs build/<program> <argument> with the suite's secrets and one more variable; returns what it printed, owned by the
// caller. argument may be NULL.
static char *run(const char *program, const char *argument, const char *variable, int expected_status) {
    char *path = xasprintf("%s/%s", getenv("BUILD_DIR"), program);
    const char *argv[] = {path, argument, NULL};
    const char *variables[sizeof environment / sizeof *environment + 1] = {0};
    size_t count = 0;
    variables[count++] = variable;
    for (size_t i = 0; environment[i] != NULL; i++) {
        if (strncmp(environment[i], variable, strcspn(variable, "=") + 1) != 0) {
            variables[count++] = environment[i];
        }
    }
    char *log = xasprintf("%s/run.log", stack_folder(stack));
    (void)remove(log);
    struct child *child = child_start(&(struct child_options){
        .name = "run", .folder = stack_folder(stack), .argv = argv, .environment = variables, .death_signal = SIGKILL});
    int status = child_wait(child, deadline_scaled(10000));
    child_destroy(child);
    char *text = read_whole_file(log);
    ck_assert_msg(status == expected_status, "%s with %s: %d: %s", program, variable, status, text);
    free(log);
    free(path);
    return text;
}

START_TEST(help_and_settings_show_no_secret) {
    const char *const names[] = {"ingest", "dispatcher", "persister", "mock-provider"};
    const char *const arguments[] = {"--help", "--version", "--print-settings=markdown", "--print-settings=dotenv",
                                     "--no-such-option"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (size_t k = 0; k < sizeof arguments / sizeof *arguments; k++) {
            char *text = run(names[i], arguments[k], "REDIS_URL=redis://:TELLING-redis@127.0.0.1", k == 4 ? 2 : 0);
            ck_assert_uint_gt(strlen(text), 0);
            expect_untold(arguments[k], text);
            free(text);
        }
    }
}
END_TEST

static const struct {
    const char *program, *variable, *setting;
} malformed[] = {
    {"ingest", "DATABASE_URL=postgres://u:TELLING/more@127.0.0.1/db", "DATABASE_URL"},
    {"ingest", "DATABASE_URL=postgres://u:12/TELLING@127.0.0.1/db", "DATABASE_URL"},
    {"persister", "DATABASE_URL=postgres://u:TELLING@127.0.0.1/db?nonsense=TELLING", "DATABASE_URL"},
    {"persister", "DATABASE_URL=postgres://u:TELLING%zz@127.0.0.1/db", "DATABASE_URL"},
    {"ingest", "DATABASE_URL=TELLING", "DATABASE_URL"},
    {"ingest", "REDIS_URL=redis://u:TELLING/more@127.0.0.1", "REDIS_URL"},
    {"dispatcher", "REDIS_URL=redis://:TELLING%zz@127.0.0.1", "REDIS_URL"},
    {"persister", "REDIS_URL=rediss://:TELLING@127.0.0.1:x", "REDIS_URL"},
    {"mock-provider", "REDIS_URL=redis://:TELLING@127.0.0.1:0", "REDIS_URL"},
    {"dispatcher", "PROVIDER_SMS_URL=https://u:TELLING@127.0.0.1", "PROVIDER_SMS_URL"},
    {"dispatcher", "PROVIDER_EMAIL_URL=https://127.0.0.1/?key=TELLING", "PROVIDER_EMAIL_URL"},
    {"dispatcher", "PROVIDER_SMS_KEY_SID=", "PROVIDER_SMS_KEY_SID"},
    {"ingest", "WEBHOOK_PUBLIC_URL=https://u:TELLING@127.0.0.1?x", "WEBHOOK_PUBLIC_URL"},
    {"dispatcher", "WEBHOOK_PUBLIC_URL=https://u:TELLING@127.0.0.1#rc=1", "WEBHOOK_PUBLIC_URL"},
    {"dispatcher", "WEBHOOK_PUBLIC_URL=https://u:TELLING@my_host", "WEBHOOK_PUBLIC_URL: its host must not hold '_'"},
    {"ingest", "WEBHOOK_PUBLIC_URL=TELLING", "WEBHOOK_PUBLIC_URL"},
    {"ingest", "API_KEYS=TELLING-the-key-itself", "API_KEYS"},
    {"ingest", "API_KEYS=someone:TELLING:" TELLING_HASH, "API_KEYS"},
    {"ingest", "API_KEYS=someone:send:TELLING", "API_KEYS"},
};

START_TEST(a_malformed_setting_is_named_and_not_repeated) {
    char *text = run(malformed[_i].program, NULL, malformed[_i].variable, 2);
    ck_assert_msg(strstr(text, malformed[_i].setting) != NULL, "%s", text);
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1); // one line
    expect_untold(malformed[_i].variable, text);
    free(text);
}
END_TEST

// ---- What a client writes into the log

START_TEST(a_client_can_neither_forge_a_line_nor_move_a_terminal) {
    stack_start(stack, "ingest-3");
    struct answer *answer = stack_call(
        stack, "ingest-3", "GET", "/x%0d%0a%7b%22event%22%3a%22forged%22%7d%0a%1b%5b31m%7f%c2%9b31m%c2%85", NULL, NULL);
    ck_assert_int_eq(answer->status, 404);
    answer_free(answer);
    stack_stop(stack, "ingest-3");
    char *log = log_of("ingest-3");
    const char *line = strstr(log, "forged");
    ck_assert_ptr_nonnull(line);
    ck_assert_ptr_nonnull(strstr(line, "\\u001b[31m\\u007f\\u009b31m\\u0085"));
    ck_assert_int_eq(stack_log_count(stack, "ingest-3", "forged"), 0);
    ck_assert_ptr_null(strpbrk(log, "\r\x1b\x7f"));
    ck_assert_ptr_null(strstr(log, "\xc2\x9b"));
    free(log);
}
END_TEST

START_TEST(all_programs_end_cleanly) {
    stack_finish(stack);
}
END_TEST

Suite *suite_secrets(void) {
    Suite *suite = suite_create("secrets");
    TCase *tests = tcase_create("secrets");
    tcase_set_timeout(tests, 120);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, wrong_passwords_are_told_without_the_password);
    tcase_add_test(tests, right_passwords_are_not_told_either);
    tcase_add_test(tests, a_redis_that_repeats_what_it_was_told_is_not_repeated);
    tcase_add_test(tests, help_and_settings_show_no_secret);
    tcase_add_loop_test(tests, a_malformed_setting_is_named_and_not_repeated, 0, sizeof malformed / sizeof *malformed);
    tcase_add_test(tests, a_client_can_neither_forge_a_line_nor_move_a_terminal);
    tcase_add_test(tests, all_programs_end_cleanly);
    suite_add_tcase(suite, tests);
    return suite;
}
