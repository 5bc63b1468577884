// SPDX-License-Identifier: MIT
// What lies between the processes may break: connections are reset, bytes are swallowed or come late, the disk is full,
// a process of a server stands still. No 202 is lost, nothing is stored twice, work resumes.

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "shared/base/mem.h"
#include "tests/support/arrival.h"
#include "tests/support/child.h"
#include "tests/support/load.h"
#include "tests/support/payload.h"
#include "tests/support/private_postgres.h"
#include "tests/support/proxy.h"
#include "tests/support/stack.h"

#define CLAIM_MS 4000 // API_WORKER_CLAIM_TIMEOUT_SECS of stack.c

enum { LOAD = 150, MOST_OWN = 4 };

static const char *const environment[] = {"REDIS_TIMEOUT_MS=600",       "DATABASE_TIMEOUT_MS=700",
                                          "PROVIDER_TIMEOUT_MS=400",    "API_BREAKER_OPEN_SECS=1",
                                          "API_WORKER_MAX_RETRIES=100", NULL};

// Which program reaches which server through the proxy, by which variables.
static const struct pair {
    const char *name, *program, *server;
    const char *variables[2];
} pairs[] = {
    {"ingest to redis", "ingest-1", "redis", {"REDIS_URL"}},
    {"dispatcher to redis", "dispatcher-1", "redis", {"REDIS_URL"}},
    {"persister to redis", "persister-1", "redis", {"REDIS_URL"}},
    {"mock to redis", "mock-provider", "redis", {"REDIS_URL"}},
    {"ingest to postgres", "ingest-1", "postgres", {"DATABASE_URL"}},
    {"persister to postgres", "persister-1", "postgres", {"DATABASE_URL"}},
    {"dispatcher to mock", "dispatcher-1", "mock-provider", {"PROVIDER_SMS_URL", "PROVIDER_EMAIL_URL"}},
};
enum { PAIRS = sizeof pairs / sizeof *pairs, REDIS_PAIRS = 4 };

static struct stack *stack;
static struct proxy *proxy;
static uint16_t ports[PAIRS];
static char *ledger;
static unsigned next_sender = 1000; // each load has senders of its own

static char *url_of(const char *server, uint16_t port) {
    if (strcmp(server, "postgres") == 0) {
        return postgres_url(port);
    }
    return xasprintf("%s://127.0.0.1:%u", strcmp(server, "redis") == 0 ? "redis" : "http", port);
}

static void start_program(const char *program) {
    char *own[MOST_OWN + 1] = {NULL};
    size_t count = 0;
    for (size_t i = 0; i < PAIRS; i++) {
        for (size_t v = 0; strcmp(pairs[i].program, program) == 0 && v < 2 && pairs[i].variables[v] != NULL; v++) {
            char *url = url_of(pairs[i].server, ports[i]);
            own[count++] = xasprintf("%s=%s", pairs[i].variables[v], url);
            free(url);
        }
    }
    own[count] = xasprintf("MOCK_LEDGER_FILE=%s", ledger);
    stack_start_with(stack, program, (const char *const *)own);
    for (size_t i = 0; i <= count; i++) {
        free(own[i]);
    }
}

static void start(void) {
    stack = stack_create("net", environment);
    stack_start(stack, "postgres");
    ledger = xasprintf("%s/mock-ledger.log", stack_folder(stack));
    proxy = proxy_create();
    for (size_t i = 0; i < PAIRS; i++) {
        ports[i] = proxy_add(proxy, pairs[i].name, stack_port(stack, pairs[i].server));
    }
    proxy_start(proxy);
    start_program("mock-provider");
    start_program("dispatcher-1");
    start_program("persister-1");
    start_program("ingest-1");
}

static void end(void) {
    proxy_destroy(proxy);
    stack_destroy(stack);
    free(ledger);
}

static void recover(void) {
    for (size_t i = 0; i < PAIRS; i++) {
        proxy_set_mode(proxy, pairs[i].name, PROXY_PASS);
    }
    stack_recover(stack);
    WAIT_FOR(15000, stack_status(stack, "ingest-1", "GET", "/readyz", NULL) == 200);
    next_sender += 100;
}

static struct load *begin_load(void) {
    return load_start(&(struct load_options){.ports = {stack_port(stack, "ingest-1")},
                                             .threads = 8,
                                             .count = LOAD,
                                             .senders = 20,
                                             .first = next_sender,
                                             .repeats = 300,
                                             .pause_ms = 5});
}

static void assert_all_arrives(struct load *load) {
    arrival_check(stack, load, next_sender, LOAD);
    next_sender += 100;
}

// Resets a pair's connections in the middle of a load.
static void reset(const struct pair *pair) {
    const char *event = strcmp(pair->server, "postgres") == 0 ? "postgres_up" : "redis_up";
    int before = stack_log_count(stack, pair->program, event);
    struct load *load = begin_load();
    WAIT_FOR(10000, load_accepted(load) > LOAD / 5);
    proxy_reset(proxy, pair->name);
    WAIT_FOR(10000, stack_log_count(stack, pair->program, event) > before);
    assert_all_arrives(load);
}

// Cuts a pair until its program has noticed.
static void cut(const struct pair *pair, enum proxy_mode mode) {
    bool is_redis = strcmp(pair->server, "redis") == 0;
    const char *down = is_redis ? "redis_down" : "postgres_down";
    int before = stack_log_count(stack, pair->program, down);
    proxy_set_mode(proxy, pair->name, mode);
    if (!is_redis) { // an idle link has nothing to wait for
        (void)stack_status(stack, "ingest-1", "GET", "/api/conversations", NULL);
    }
    WAIT_FOR(10000, stack_log_count(stack, pair->program, down) > before);
    before = stack_log_count(stack, pair->program, is_redis ? "redis_up" : "postgres_up");
    proxy_set_mode(proxy, pair->name, PROXY_PASS);
    WAIT_FOR(10000, stack_log_count(stack, pair->program, is_redis ? "redis_up" : "postgres_up") > before);
}

static void cut_under_load(const struct pair *pair, enum proxy_mode mode) {
    struct load *load = begin_load();
    WAIT_FOR(10000, load_accepted(load) > LOAD / 5);
    cut(pair, mode);
    assert_all_arrives(load);
}

START_TEST(connections_to_redis_are_reset_under_load) {
    for (size_t i = 0; i < REDIS_PAIRS; i++) {
        reset(&pairs[i]);
    }
}
END_TEST

// But for the mock, which only asks how it is to behave.
START_TEST(what_is_said_to_redis_vanishes_or_comes_late_under_load) {
    for (size_t i = 0; i < REDIS_PAIRS - 1; i++) {
        struct load *load = begin_load();
        WAIT_FOR(10000, load_accepted(load) > LOAD / 5);
        cut(&pairs[i], PROXY_SWALLOW);
        cut(&pairs[i], PROXY_DELAY);
        assert_all_arrives(load);
    }
}
END_TEST

START_TEST(connections_to_postgres_are_reset_under_load) {
    for (size_t i = REDIS_PAIRS; strcmp(pairs[i].server, "postgres") == 0; i++) {
        reset(&pairs[i]);
    }
}
END_TEST

START_TEST(what_is_said_to_postgres_vanishes_or_comes_late_under_load) {
    for (size_t i = REDIS_PAIRS; strcmp(pairs[i].server, "postgres") == 0; i++) {
        cut_under_load(&pairs[i], PROXY_SWALLOW);
        cut_under_load(&pairs[i], PROXY_DELAY);
    }
}
END_TEST

static int64_t attempts(const char *outcome) {
    return stack_sql(stack, "SELECT count(*) FROM dispatch_attempts WHERE outcome = '%s'", outcome);
}

START_TEST(connections_to_a_provider_are_reset_under_load) {
    struct load *load = begin_load();
    for (unsigned i = 1; i <= 4; i++) {
        WAIT_FOR(10000, load_accepted(load) > i * LOAD / 6);
        proxy_reset(proxy, "dispatcher to mock");
    }
    assert_all_arrives(load);
}
END_TEST

START_TEST(what_is_said_to_a_provider_vanishes_and_is_said_again_under_the_same_key) {
    int64_t before = attempts("timeout");
    struct load *load = begin_load();
    WAIT_FOR(10000, load_accepted(load) > LOAD / 5);
    proxy_set_mode(proxy, "dispatcher to mock", PROXY_SWALLOW);
    WAIT_FOR(10000, attempts("timeout") > before);
    proxy_set_mode(proxy, "dispatcher to mock", PROXY_PASS);
    assert_all_arrives(load);
}
END_TEST

// A Redis whose files may not grow fails as on a full disk: with appendfsync always it ends itself.
START_TEST(a_redis_whose_disk_is_full_ends_and_loses_no_202) {
    struct load *load = begin_load();
    WAIT_FOR(10000, load_accepted(load) > LOAD / 5);
    ck_assert_int_eq(
        prlimit(stack_pid(stack, "redis"), RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = 1, .rlim_max = 1}, NULL), 0);
    WAIT_FOR(10000, !stack_is_running(stack, "redis"));
    (void)stack_bury(stack, "redis");
    stack_start(stack, "redis");
    assert_all_arrives(load);
}
END_TEST

START_TEST(an_ingest_that_stands_still_and_goes_on_loses_and_doubles_nothing) {
    struct load *load = begin_load();
    WAIT_FOR(10000, load_accepted(load) > LOAD / 5);
    stack_signal(stack, "ingest-1", SIGSTOP);
    int64_t deadline = deadline_in(CLAIM_MS); // as long as clients may have given up meanwhile
    while (deadline_pause(deadline)) {
    }
    stack_signal(stack, "ingest-1", SIGCONT);
    assert_all_arrives(load);
}
END_TEST

// The process of Postgres that works for the persister.
static pid_t backend_of_the_persister(void) {
    int64_t pid = stack_sql(
        stack, "SELECT pid FROM pg_stat_activity WHERE application_name = 'persister-1' ORDER BY pid LIMIT 1");
    ck_assert_int_gt(pid, 0);
    return (pid_t)pid;
}

// Only until the persister has given it up: what it holds inside of Postgres may keep all of Postgres waiting.
START_TEST(a_process_of_postgres_stands_still_under_load_and_goes_on) {
    int before = stack_log_count(stack, "persister-1", "postgres_down");
    struct load *load = begin_load();
    WAIT_FOR(10000, load_accepted(load) > LOAD / 5);
    pid_t pid = backend_of_the_persister();
    kill(pid, SIGSTOP);
    int64_t deadline = deadline_in(10000);
    while (stack_log_count(stack, "persister-1", "postgres_down") == before && deadline_pause(deadline)) {
    }
    kill(pid, SIGCONT);
    WAIT_FOR(5000, stack_log_count(stack, "persister-1", "postgres_down") > before);
    assert_all_arrives(load);
}
END_TEST

START_TEST(the_mock_has_written_down_every_call_before_it_answered) {
    struct load_result *result = load_finish(begin_load());
    ck_assert_uint_eq(result->accepted, LOAD);
    WAIT_FOR(10000, arrival_sent(stack, next_sender) == LOAD);
    stack_kill(stack, "mock-provider"); // what it answered is there all the same
    char *text = read_whole_file(ledger);
    ck_assert_ptr_nonnull(text);
    for (unsigned i = 0; i < result->accepted; i++) {
        char *line = xasprintf(" sms-mms %s accepted\n", result->ids[i]);
        ck_assert_msg(strstr(text, line) != NULL, "no%s", line);
        free(line);
    }
    free(text);
    load_result_free(result);
    start_program("mock-provider");
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_net(void);

Suite *suite_net(void) {
    Suite *suite = suite_create("net");
    TCase *tests = tcase_create("net");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, connections_to_redis_are_reset_under_load);
    tcase_add_test(tests, what_is_said_to_redis_vanishes_or_comes_late_under_load);
    tcase_add_test(tests, connections_to_postgres_are_reset_under_load);
    tcase_add_test(tests, what_is_said_to_postgres_vanishes_or_comes_late_under_load);
    tcase_add_test(tests, connections_to_a_provider_are_reset_under_load);
    tcase_add_test(tests, what_is_said_to_a_provider_vanishes_and_is_said_again_under_the_same_key);
    tcase_add_test(tests, a_redis_whose_disk_is_full_ends_and_loses_no_202);
    tcase_add_test(tests, an_ingest_that_stands_still_and_goes_on_loses_and_doubles_nothing);
    tcase_add_test(tests, a_process_of_postgres_stands_still_under_load_and_goes_on);
    tcase_add_test(tests, the_mock_has_written_down_every_call_before_it_answered);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
