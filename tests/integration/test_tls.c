// SPDX-License-Identifier: MIT
// Providers by https, each an nginx with a certificate of its own kind before the mock: whom the dispatcher trusts, and
// what it says of the others.

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/delivery.h"
#include "tests/support/port.h"
#include "tests/support/stack.h"
#include "tests/support/wait.h"

Suite *suite_tls(void);

// An authority, and what is signed by it for this host, for another one, for this one until a moment ago (OpenSSL 3.5
// makes none that ended before it began); and by nobody.
#define CERTIFICATES                                                                                                   \
    "set -eu; new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'\n"                                         \
    "openssl req -x509 $new -days 2 -subj /CN=authority -keyout authority.key -out authority.pem\n"                    \
    "openssl req -x509 $new -days 2 -subj /CN=self -addext subjectAltName=IP:127.0.0.1 -keyout self.key"               \
    " -out self.pem\n"                                                                                                 \
    "issue() {\n"                                                                                                      \
    "  openssl req $new -subj /CN=server -keyout \"$1.key\" -out \"$1.csr\"\n"                                         \
    "  echo \"subjectAltName=$2\" >\"$1.ext\"\n"                                                                       \
    "  openssl x509 -req -in \"$1.csr\" -CA authority.pem -CAkey authority.key -CAcreateserial -days \"$3\""           \
    " -extfile \"$1.ext\" -out \"$1.pem\"\n"                                                                           \
    "}\n"                                                                                                              \
    "issue good IP:127.0.0.1 2; issue other DNS:other.example 2; issue expired IP:127.0.0.1 0\n"                       \
    "while openssl x509 -checkend 0 -noout -in expired.pem; do :; done\n"

enum front { FRONT_GOOD, FRONT_SELF, FRONT_OTHER, FRONT_EXPIRED, FRONT_COUNT };
static const char *const fronts[FRONT_COUNT] = {"good", "self", "other", "expired"};

static struct stack *stack;
static struct child *nginx;
static uint16_t ports[FRONT_COUNT];
static unsigned next_sender = 1000; // each test has senders of its own

static void make_certificates(void) {
    child_run(&(struct child_options){.name = "certificates",
                                      .folder = stack_folder(stack),
                                      .argv = (const char *const[]){"bash", "-c", CERTIFICATES, NULL}},
              20000);
}

static void write_server(FILE *conf, enum front front) {
    ports[front] = free_port();
    fprintf(conf,
            "server { listen 127.0.0.1:%u ssl; ssl_certificate %s.pem; ssl_certificate_key %s.key;\n"
            "location / { proxy_pass http://127.0.0.1:%u; } }\n",
            ports[front], fronts[front], fronts[front], stack_port(stack, "mock-provider"));
}

static void write_conf(void) {
    static const char *const kinds[] = {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"};
    char *path = xasprintf("%s/nginx.conf", stack_folder(stack));
    FILE *conf = fopen(path, "w");
    ck_assert_ptr_nonnull(conf);
    fputs("daemon off; master_process off; pid nginx.pid; error_log nginx.err; events {}\nhttp { access_log off;\n",
          conf);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        fprintf(conf, "%s_temp_path %s;\n", kinds[i], kinds[i]);
    }
    for (int front = 0; front < FRONT_COUNT; front++) {
        write_server(conf, (enum front)front);
    }
    fputs("}\n", conf);
    ck_assert_int_eq(fclose(conf), 0);
    free(path);
}

static void start_nginx(void) {
    static const char script[] = "PATH=$PATH:/usr/sbin exec nginx -p . -c nginx.conf -e nginx.err";
    write_conf();
    nginx = child_start(&(struct child_options){.name = "nginx",
                                                .folder = stack_folder(stack),
                                                .argv = (const char *const[]){"bash", "-c", script, NULL},
                                                .death_signal = SIGKILL});
}

static void start(void) {
    stack = stack_create("tls", NULL);
    stack_start(stack, "postgres");
    stack_start(stack, "mock-provider");
    stack_start(stack, "ingest-1");
    stack_start(stack, "persister-1");
    make_certificates();
    start_nginx();
}

static void end(void) {
    child_destroy(nginx);
    stack_destroy(stack);
}

static void recover(void) {
    delivery_recover(stack);
    next_sender += 100;
}

// A dispatcher whose provider of SMS is that one, by https. own: it trusts our authority.
static void start_dispatcher(enum front front, bool own) {
    char *url = xasprintf("PROVIDER_SMS_URL=https://127.0.0.1:%u", ports[front]);
    char *file = xasprintf("PROVIDER_CA_FILE=%s/authority.pem", stack_folder(stack));
    stack_start_with(stack, "dispatcher-1",
                     (const char *const[]){url, "API_BREAKER_ERROR_THRESHOLD=1000", own ? file : NULL, NULL});
    free(file);
    free(url);
}

static bool has_failed_saying(const char *id, const char *why) {
    return stack_sql(stack,
                     "SELECT count(*) FROM dispatch_attempts WHERE message_id = '%s' AND outcome = 'connection_failed' "
                     "AND error LIKE '%%%s%%'",
                     id, why) > 0 &&
           stack_log_about(stack, "dispatcher-1", "dispatch_outcome", why) > 0;
}

// In the attempt and in the log; and the message waits for a provider that can be trusted.
static void assert_refused(enum front front, bool own, const char *why) {
    int64_t calls = mock_count(stack, "sms-mms", "calls");
    start_dispatcher(front, own);
    char *id = send_sms_from(stack, next_sender);
    WAIT_FOR(10000, has_failed_saying(id, why));
    ck_assert_int_eq(mock_count(stack, "sms-mms", "calls"), calls);
    ck_assert(!message_is(stack, id, "failed"));
    stack_stop(stack, "dispatcher-1");
    start_dispatcher(FRONT_GOOD, true);
    WAIT_FOR(10000, message_is(stack, id, "sent"));
    free(id);
}

START_TEST(a_provider_of_our_own_authority_is_called) {
    start_dispatcher(FRONT_GOOD, true);
    char *id = send_sms_from(stack, next_sender);
    WAIT_FOR(10000, message_is(stack, id, "sent"));
    free(id);
}
END_TEST

START_TEST(an_authority_that_nobody_named_is_refused_with_that_reason) {
    assert_refused(FRONT_GOOD, false, "unable to get local issuer certificate");
}
END_TEST

START_TEST(a_self_signed_certificate_is_refused_with_that_reason) {
    assert_refused(FRONT_SELF, true, "self-signed certificate");
}
END_TEST

START_TEST(a_certificate_of_another_host_is_refused_with_that_reason) {
    assert_refused(FRONT_OTHER, true, "no alternative certificate subject name");
}
END_TEST

START_TEST(an_expired_certificate_is_refused_with_that_reason) {
    assert_refused(FRONT_EXPIRED, true, "certificate has expired");
}
END_TEST

START_TEST(a_file_without_a_certificate_is_refused_at_the_start) {
    char *variable = xasprintf("PROVIDER_CA_FILE=%s/nginx.conf", stack_folder(stack));
    stack_launch(stack, "dispatcher-2", (const char *const[]){variable, NULL});
    WAIT_FOR(10000, !stack_is_running(stack, "dispatcher-2"));
    ck_assert_int_eq(stack_bury(stack, "dispatcher-2"), 2);
    char *path = xasprintf("%s/dispatcher-2.log", stack_folder(stack)), *log = read_whole_file(path);
    char *line = xasprintf("dispatcher: PROVIDER_CA_FILE: \"%s\": it holds no certificate in PEM form "
                           "(-----BEGIN CERTIFICATE-----)\n",
                           variable + strlen("PROVIDER_CA_FILE="));
    ck_assert_str_eq(log, line);
    ck_assert_int_eq(remove(path), 0); // no line of a log's kind, which is looked through at the end
    free(line);
    free(log);
    free(path);
    free(variable);
}
END_TEST

static void copy_certificate(const char *from, const char *to) {
    const char *argv[] = {"cp", from, to, NULL};
    child_run(&(struct child_options){.name = "cp", .folder = stack_folder(stack), .argv = argv}, 5000);
}

static void reload_to(const char *event) {
    int before = stack_log_count(stack, "dispatcher-1", event);
    stack_signal(stack, "dispatcher-1", SIGHUP);
    WAIT_FOR(10000, stack_log_count(stack, "dispatcher-1", event) == before + 1);
}

START_TEST(an_authority_that_takes_anothers_place_in_the_file_counts_after_a_sighup) {
    enum { SENDS = 4 };
    char *url = xasprintf("PROVIDER_SMS_URL=https://127.0.0.1:%u", ports[FRONT_GOOD]);
    char *file = xasprintf("PROVIDER_CA_FILE=%s/changing.pem", stack_folder(stack));
    stack_allow_error(stack, "reload_refused");
    copy_certificate("self.pem", "changing.pem");
    stack_start_with(
        stack, "dispatcher-1",
        (const char *const[]){url, file, "API_BREAKER_ERROR_THRESHOLD=2", "API_BREAKER_OPEN_SECS=3600", NULL});
    for (unsigned i = 0; i < SENDS; i++) { // the first call of each counts
        free(send_sms_from(stack, next_sender + i));
    }
    WAIT_FOR(10000, breaker_is(stack, "sms-mms", "open"));
    copy_certificate("nginx.conf", "changing.pem");
    reload_to("reload_refused");
    copy_certificate("authority.pem", "changing.pem");
    reload_to("reloaded");
    WAIT_FOR(10000, status_count(stack, next_sender, "sent") == SENDS);
    free(file);
    free(url);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_tls(void) {
    Suite *suite = suite_create("tls");
    TCase *tests = tcase_create("tls");
    tcase_set_timeout(tests, 120);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, a_provider_of_our_own_authority_is_called);
    tcase_add_test(tests, an_authority_that_nobody_named_is_refused_with_that_reason);
    tcase_add_test(tests, a_self_signed_certificate_is_refused_with_that_reason);
    tcase_add_test(tests, a_certificate_of_another_host_is_refused_with_that_reason);
    tcase_add_test(tests, an_expired_certificate_is_refused_with_that_reason);
    tcase_add_test(tests, a_file_without_a_certificate_is_refused_at_the_start);
    tcase_add_test(tests, an_authority_that_takes_anothers_place_in_the_file_counts_after_a_sighup);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
