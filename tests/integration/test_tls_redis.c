// SPDX-License-Identifier: MIT
// All programs with a Redis that they reach over TLS alone, and that asks for their certificate.

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/certificates.h"
#include "tests/support/child.h"
#include "tests/support/delivery.h"
#include "tests/support/port.h"
#include "tests/support/private_postgres.h"
#include "tests/support/stack.h"

Suite *suite_tls_redis(void);

enum { VARIABLES = 7 };

static struct stack *stack;
static uint16_t tls_port;
static char *variables[VARIABLES + 1]; // of a program or a script that may come in
static unsigned next_sender = 1000;    // each test has senders of its own

static const char *const programs[] = {"mock-provider", "ingest-1", "dispatcher-1", "persister-1"};

// The tests' own connections stay plain.
static void listen_for_tls(void) {
    const char *folder = stack_folder(stack);
    certificates_make(folder);
    tls_port = free_port();
    redisReply *reply = stack_redis(stack,
                                    "CONFIG SET tls-cert-file %s/good.pem tls-key-file %s/good.key tls-ca-cert-file "
                                    "%s/authority.pem tls-auth-clients yes tls-port %u",
                                    folder, folder, folder, (unsigned)tls_port);
    ck_assert_msg(reply->type == REDIS_REPLY_STATUS, "%s", reply->str);
    freeReplyObject(reply);
}

static void make_variables(void) {
    const char *folder = stack_folder(stack);
    char *postgres = postgres_url(stack_port(stack, "postgres"));
    variables[0] = xasprintf("REDIS_URL=rediss://127.0.0.1:%u", (unsigned)tls_port);
    variables[1] = xasprintf("REDIS_CA_FILE=%s/authority.pem", folder);
    variables[2] = xasprintf("REDIS_CERT_FILE=%s/client.pem", folder);
    variables[3] = xasprintf("REDIS_KEY_FILE=%s/client.key", folder);
    variables[4] = xasprintf("DATABASE_URL=%s", postgres);
    variables[5] = xasprintf("RUN_DIR=%s/run", folder);
    variables[6] = xasprintf("BUILD_DIR=%s", getenv("BUILD_DIR"));
    free(postgres);
}

// Without what is a script's alone.
static void start_program(const char *name) {
    stack_start_with(stack, name, (const char *const[]){variables[0], variables[1], variables[2], variables[3], NULL});
}

static void start(void) {
    stack = stack_create("tls_redis", NULL);
    stack_start(stack, "postgres");
    listen_for_tls();
    make_variables();
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        start_program(programs[i]);
    }
}

static void end(void) {
    stack_destroy(stack);
    for (size_t i = 0; i < VARIABLES; i++) {
        free(variables[i]);
    }
}

static void recover(void) {
    stack_recover(stack);
    next_sender += 100;
}

static void assert_is_sent(void) {
    char *id = send_sms_from(stack, next_sender++);
    WAIT_FOR(10000, message_is(stack, id, "sent"));
    free(id);
}

// How many of Redis's clients came by that port.
static int clients_at(uint16_t port) {
    redisReply *reply = stack_redis(stack, "CLIENT LIST");
    char *address = xasprintf(" laddr=127.0.0.1:%u ", (unsigned)port);
    int count = 0;
    for (const char *at = reply->str; (at = strstr(at, address)) != NULL; at++) {
        count++;
    }
    free(address);
    freeReplyObject(reply);
    return count;
}

START_TEST(a_message_is_sent_and_nothing_goes_another_way_than_tls) {
    assert_is_sent();
    ck_assert_int_ge(clients_at(tls_port), 4);
    ck_assert_int_eq(clients_at(stack_port(stack, "redis")), 1); // ours
}
END_TEST

START_TEST(connections_that_were_cut_resume_their_sessions) {
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        ck_assert_int_gt(stack_log_about(stack, programs[i], "redis_up", "TLSv1.3\""), 0);
    }
    freeReplyObject(stack_redis(stack, "CLIENT KILL LADDR 127.0.0.1:%u", (unsigned)tls_port));
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        WAIT_FOR(10000, stack_log_about(stack, programs[i], "redis_up", "TLSv1.3, resumed") > 0);
    }
    stack_settle(stack);
    assert_is_sent();
}
END_TEST

// Runs a script of bin/; what it printed is owned by the caller.
static char *run_script(const char *const *argv, const char *const *environment, int expected) {
    char *log = xasprintf("%s/script.log", stack_folder(stack));
    (void)remove(log);
    struct child *child = child_start(&(struct child_options){.name = "script",
                                                              .folder = stack_folder(stack),
                                                              .argv = argv,
                                                              .environment = environment,
                                                              .death_signal = SIGKILL});
    int status = child_wait(child, deadline_scaled(30000));
    child_destroy(child);
    char *output = read_whole_file(log);
    ck_assert_msg(status == expected, "%s: status %d: %s", argv[0], status, output);
    free(log);
    return output;
}

static void assert_prints(const char *script, const char *argument, const char *line) {
    char *program = xasprintf("%s/bin/%s", getenv("PROJECT_ROOT"), script);
    const char *const *environment = (const char *const *)variables;
    char *output = run_script((const char *const[]){program, argument, NULL}, environment, 0);
    ck_assert_msg(strstr(output, line) != NULL, "'%s' is not in:\n%s", line, output);
    free(output);
    free(program);
}

START_TEST(the_scripts_come_in_as_well) {
    assert_is_sent();
    assert_prints("status.sh", NULL, "outbound");
    assert_prints("breaker.sh", "status", "closed");
    assert_prints("reconcile.sh", NULL, "0 unfinished");
}
END_TEST

START_TEST(who_does_not_trust_its_authority_says_so) {
    char *unknown = xasprintf("REDIS_CA_FILE=%s/stranger.pem", stack_folder(stack));
    stack_launch(stack, "ingest-2", (const char *const[]){variables[0], unknown, variables[2], variables[3], NULL});
    WAIT_FOR(10000, stack_status(stack, "ingest-2", "GET", "/readyz", NULL) == 503);
    struct answer *answer = stack_call(stack, "ingest-2", "GET", "/readyz", NULL, NULL);
    ck_assert_msg(strstr(answer->body, "put that authority's certificate into REDIS_CA_FILE") != NULL, "%s",
                  answer->body);
    answer_free(answer);
    ck_assert_int_eq(stack_log_about(stack, "ingest-2", "redis_up", ""), 0);
    stack_stop(stack, "ingest-2");
    free(unknown);
}
END_TEST

START_TEST(a_key_that_does_not_fit_stops_the_start) {
    char *key = xasprintf("REDIS_KEY_FILE=%s/good.key", stack_folder(stack));
    stack_launch(stack, "persister-2", (const char *const[]){variables[0], variables[1], variables[2], key, NULL});
    WAIT_FOR(10000, !stack_is_running(stack, "persister-2"));
    ck_assert_int_eq(stack_bury(stack, "persister-2"), 2);
    char *path = xasprintf("%s/persister-2.log", stack_folder(stack)), *log = read_whole_file(path);
    char *line = xasprintf("persister: REDIS_KEY_FILE: \"%s\": it is not the key of REDIS_CERT_FILE's certificate\n",
                           key + strlen("REDIS_KEY_FILE="));
    ck_assert_str_eq(log, line);
    ck_assert_int_eq(remove(path), 0); // no line of a log's kind, which is looked through at the end
    free(line);
    free(log);
    free(path);
    free(key);
}
END_TEST

// Has ingest-3's files hold what those do.
static void copy_files(const char *authority, const char *name) {
    char *script = xasprintf("cp %s.pem own-ca.pem && cp %s.pem own.pem && cp %s.key own.key", authority, name, name);
    const char *argv[] = {"bash", "-c", script, NULL};
    child_run(&(struct child_options){.name = "cp", .folder = stack_folder(stack), .argv = argv}, 5000);
    free(script);
}

static void start_ingest_3(void) {
    const char *folder = stack_folder(stack);
    char *own[] = {xasprintf("REDIS_CA_FILE=%s/own-ca.pem", folder), xasprintf("REDIS_CERT_FILE=%s/own.pem", folder),
                   xasprintf("REDIS_KEY_FILE=%s/own.key", folder)};
    stack_start_with(stack, "ingest-3", (const char *const[]){variables[0], own[0], own[1], own[2], NULL});
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        free(own[i]);
    }
}

static void reload_ingest_3(const char *event, const char *text) {
    int before = stack_log_about(stack, "ingest-3", event, text);
    stack_signal(stack, "ingest-3", SIGHUP);
    WAIT_FOR(15000, stack_log_about(stack, "ingest-3", event, text) == before + 1);
}

static void have_redis_trust(const char *authority) {
    redisReply *reply = stack_redis(stack, "CONFIG SET tls-ca-cert-file %s/%s.pem", stack_folder(stack), authority);
    ck_assert_msg(reply->type == REDIS_REPLY_STATUS, "%s", reply->str);
    freeReplyObject(reply);
    freeReplyObject(stack_redis(stack, "CLIENT KILL LADDR 127.0.0.1:%u", (unsigned)tls_port));
}

START_TEST(files_that_hold_other_certificates_count_after_a_sighup) {
    stack_allow_error(stack, "reload_refused");
    child_run(&(struct child_options){.name = "both",
                                      .folder = stack_folder(stack),
                                      .argv = (const char *const[]){"bash", "-c",
                                                                    "cat authority.pem stranger.pem >both.pem", NULL}},
              5000);
    copy_files("authority", "client");
    start_ingest_3();
    copy_files("stranger", "visitor"); // whom Redis doesn't know yet, nor does the stranger know Redis
    reload_ingest_3("reload_refused", "REDIS_URL: ");
    have_redis_trust("both");
    copy_files("both", "visitor");
    reload_ingest_3("reloaded", "REDIS_CA_FILE, REDIS_CERT_FILE, REDIS_KEY_FILE");
    int ups = stack_log_count(stack, "ingest-3", "redis_up");
    have_redis_trust("stranger"); // what ingest-3 had at its start would not let it in
    WAIT_FOR(15000, stack_log_count(stack, "ingest-3", "redis_up") >= ups + 1);
    WAIT_FOR(15000, stack_status(stack, "ingest-3", "GET", "/readyz", NULL) == 200);
    stack_stop(stack, "ingest-3");
    have_redis_trust("authority");
    stack_settle(stack);
    assert_is_sent();
}
END_TEST

START_TEST(every_log_is_clean) {
    stack_finish(stack);
}
END_TEST

Suite *suite_tls_redis(void) {
    Suite *suite = suite_create("tls_redis");
    TCase *tests = tcase_create("tls_redis");
    tcase_set_timeout(tests, 120);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, a_message_is_sent_and_nothing_goes_another_way_than_tls);
    tcase_add_test(tests, connections_that_were_cut_resume_their_sessions);
    tcase_add_test(tests, the_scripts_come_in_as_well);
    tcase_add_test(tests, who_does_not_trust_its_authority_says_so);
    tcase_add_test(tests, a_key_that_does_not_fit_stops_the_start);
    tcase_add_test(tests, files_that_hold_other_certificates_count_after_a_sighup);
    tcase_add_test(tests, every_log_is_clean);
    suite_add_tcase(suite, tests);
    return suite;
}
