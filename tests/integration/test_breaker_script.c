// SPDX-License-Identifier: MIT
// bin/breaker.sh, an operator's hand on the breakers, while a dispatcher is at work.

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/delivery.h"
#include "tests/support/private_redis.h"
#include "tests/support/stack.h"

#define SMS "sms-mms"

static struct stack *stack;
static char *folder;
static unsigned next_sender = 1000; // each test has senders of its own

static void start(void) {
    stack = stack_create("breaker_script", NULL);
    folder = xasprintf("%s/breaker_script", getenv("TEST_ROOT"));
    stack_start(stack, "postgres");
    stack_start(stack, "mock-provider");
    stack_start(stack, "ingest-1");
    stack_start(stack, "persister-1");
}

static void end(void) {
    stack_destroy(stack);
    free(folder);
}

static void recover(void) {
    delivery_recover(stack);
    next_sender += 100;
}

// Runs the script and returns its exit status; *output is what it printed, owned by the caller.
static int script_at(const char *redis_url, const char *command, const char *provider, char **output) {
    char *program = xasprintf("%s/bin/breaker.sh", getenv("PROJECT_ROOT"));
    char *url = xasprintf("REDIS_URL=%s", redis_url), *run = xasprintf("RUN_DIR=%s/run", folder);
    char *log = xasprintf("%s/script.log", folder);
    (void)remove(log);
    struct child *child =
        child_start(&(struct child_options){.name = "script",
                                            .folder = folder,
                                            .argv = (const char *const[]){program, command, provider, NULL},
                                            .environment = (const char *const[]){url, run, NULL},
                                            .death_signal = SIGKILL});
    int status = child_wait(child, deadline_scaled(10000));
    child_destroy(child);
    *output = read_whole_file(log);
    free(log);
    free(program);
    free(url);
    free(run);
    return status;
}

static int script(const char *command, const char *provider, char **output) {
    char *url = xasprintf("redis://127.0.0.1:%u", stack_port(stack, "redis"));
    int status = script_at(url, command, provider, output);
    free(url);
    return status;
}

static void run_script(const char *command, const char *provider) {
    char *output;
    ck_assert_msg(script(command, provider, &output) == 0, "%s", output);
    free(output);
}

static void assert_prints(const char *const *lines) {
    char *output;
    ck_assert_int_eq(script("status", NULL, &output), 0);
    for (size_t i = 0; lines[i] != NULL; i++) {
        ck_assert_msg(strstr(output, lines[i]) != NULL, "'%s' is not in:\n%s", lines[i], output);
    }
    free(output);
}

static void assert_fails(const char *text, const char *redis_url, const char *command, const char *provider) {
    char *output;
    ck_assert_int_eq(script_at(redis_url, command, provider, &output), 1);
    ck_assert_msg(strstr(output, text) != NULL, "'%s' is not in: %s", text, output);
    free(output);
}

// None arrives in the second that begins a second from now.
static void assert_calls_stop(void) {
    int64_t then_ms = redis_now_ms(stack);
    WAIT_FOR(5000, redis_now_ms(stack) - then_ms > 1000);
    int64_t calls = mock_count(stack, SMS, "calls");
    WAIT_FOR(5000, redis_now_ms(stack) - then_ms > 2000);
    ck_assert_int_eq(mock_count(stack, SMS, "calls"), calls);
}

START_TEST(a_breaker_opened_by_hand_stops_calls_within_a_second_until_it_is_automatic_again) {
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"latency_ms\":50}");
    stack_start_with(stack, "dispatcher-1", (const char *const[]){"DISPATCH_MAX_IN_FLIGHT=2", NULL});
    send_many(stack, next_sender, 300);
    WAIT_FOR(10000, status_count(stack, next_sender, "sent") > 20);
    run_script("open", SMS);
    int64_t opened_ms = redis_now_ms(stack);
    assert_calls_stop();
    WAIT_FOR(10000, held_count(stack) == 0); // what was read is settled or given back
    int64_t calls = mock_count(stack, SMS, "calls");
    int64_t left = stack_redis_int(stack, "XLEN outbound:{sms-mms:0}");
    ck_assert_int_gt(left, 0);
    assert_prints((const char *const[]){"sms-mms\n  mode         open\n  state        closed",
                                        "email\n  mode         auto\n  state        closed", NULL});
    WAIT_FOR(5000, stack_sql(stack, "SELECT count(*) FROM dispatch_attempts") == calls);
    int64_t last_ms =
        stack_sql(stack, "SELECT floor(extract(epoch FROM max(started_at)) * 1000)::bigint FROM dispatch_attempts");
    printf("opened by hand: the last call began %lld ms later; %lld of 300 messages wait\n",
           (long long)(last_ms - opened_ms), (long long)left);
    ck_assert_int_le(last_ms - opened_ms, 1000);
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"latency_ms\":0}");
    run_script("auto", SMS);
    WAIT_FOR(20000, status_count(stack, next_sender, "sent") == 300);
}
END_TEST

START_TEST(a_breaker_closed_by_hand_lets_calls_through_until_it_is_automatic_again) {
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":100,\"ratelimit_pct\":0}");
    stack_start_with(stack, "dispatcher-1",
                     (const char *const[]){"API_BREAKER_OPEN_SECS=60", "API_BREAKER_ERROR_THRESHOLD=3",
                                           "API_WORKER_MAX_RETRIES=1000", NULL});
    send_many(stack, next_sender, 20);
    WAIT_FOR(10000, breaker_is(stack, SMS, "open") && held_count(stack) == 0);
    assert_prints(
        (const char *const[]){"state        open", "reason       server_error", "Z (", "transitions  1", NULL});
    int64_t calls = mock_count(stack, SMS, "calls");
    run_script("close", SMS);
    WAIT_FOR(5000, mock_count(stack, SMS, "calls") > calls + 20);
    assert_prints((const char *const[]){"mode         closed\n  state        open", NULL});
    run_script("auto", SMS);
    assert_calls_stop(); // it is open, as its state says
    mock_configure(stack, MOCK_WELL);
    run_script("close", SMS);
    WAIT_FOR(10000, status_count(stack, next_sender, "sent") == 20);
}
END_TEST

START_TEST(status_shows_a_pause_and_what_the_probes_came_to) {
    freeReplyObject(stack_redis(stack, "HSET breaker:{email} state half-open reason timeout ok 2 paused 9999999999999 "
                                       "lease:7 9999999999999 lease:6 1 fails 0 until 0"));
    assert_prints((const char *const[]){"state        half-open", "reason       timeout", "until 2286-11-20T17:46:39Z",
                                        "1 under way, 2 succeeded", NULL});
}
END_TEST

START_TEST(status_shows_who_is_held_and_a_pause_that_was_cut) {
    freeReplyObject(stack_redis(stack, "HSET breaker:{email} paused 9999999999999 cut 86400000"));
    freeReplyObject(stack_redis(stack, "HSET held-senders:{email:0} a@x.com {} b@x.com {}"));
    assert_prints((const char *const[]){"; 86400 s were asked for, so one probe follows",
                                        "held         2 of the senders: ", "a@x.com", "held         no sender", NULL});
}
END_TEST

static void assert_says(const char *text, const char *command) {
    char *output;
    ck_assert_msg(script(command, SMS, &output) == 0, "%s", output);
    ck_assert_msg(strstr(output, text) != NULL, "'%s' is not in: %s", text, output);
    free(output);
}

START_TEST(a_pause_that_was_asked_for_is_lifted_by_hand) {
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":100,\"retry_after_secs\":86400}");
    stack_start(stack, "dispatcher-1");
    free(send_sms_from(stack, next_sender));
    WAIT_FOR(10000, breaker_number(stack, SMS, "paused") > redis_now_ms(stack));
    mock_configure(stack, MOCK_WELL);
    char *id = send_sms_from(stack, next_sender);
    assert_says("bin/breaker.sh resume sms-mms lifts that", "close");
    assert_says("is now: auto", "auto");
    int64_t calls = mock_count(stack, SMS, "calls");
    assert_calls_stop();
    assert_says("the pause of sms-mms is lifted; 29", "resume");
    WAIT_FOR(10000, message_is(stack, id, "sent"));
    ck_assert_int_eq(mock_count(stack, SMS, "calls"), calls + 1);
    assert_says("sms-mms was not paused", "resume");
    free(id);
}
END_TEST

START_TEST(what_is_wrong_is_said) {
    static const char nobody[] = "redis://127.0.0.1:1";
    struct private_redis *bare = private_redis_start(NULL);
    char *output;
    assert_fails("there is no provider 'fax', only: sms-mms email", nobody, "open", "fax");
    assert_fails("which provider", nobody, "open", NULL);
    assert_fails("unknown command 'ajar'", nobody, "ajar", SMS);
    assert_fails("no Redis answers at redis://127.0.0.1:1", nobody, "status", NULL);
    assert_fails("isn't loaded", private_redis_url(bare), "open", SMS);
    ck_assert_int_eq(script_at(private_redis_url(bare), "status", NULL, &output), 0); // which needs no library
    free(output);
    ck_assert_int_eq(script_at(nobody, "--help", NULL, &output), 0);
    ck_assert_ptr_nonnull(strstr(output, "Usage: bin/breaker.sh"));
    free(output);
    private_redis_destroy(bare);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_breaker_script(void);

Suite *suite_breaker_script(void) {
    Suite *suite = suite_create("breaker_script");
    TCase *tests = tcase_create("breaker_script");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, a_breaker_opened_by_hand_stops_calls_within_a_second_until_it_is_automatic_again);
    tcase_add_test(tests, a_breaker_closed_by_hand_lets_calls_through_until_it_is_automatic_again);
    tcase_add_test(tests, status_shows_a_pause_and_what_the_probes_came_to);
    tcase_add_test(tests, status_shows_who_is_held_and_a_pause_that_was_cut);
    tcase_add_test(tests, a_pause_that_was_asked_for_is_lifted_by_hand);
    tcase_add_test(tests, what_is_wrong_is_said);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
