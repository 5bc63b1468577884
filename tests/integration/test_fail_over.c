// SPDX-License-Identifier: MIT
// A Postgres that fails over: a primary and its standby, real ones. What a synchronous standby has lost is nothing;
// what an asynchronous one lacks is found and said. Promise 14 holds: an entry is deleted only once the session that
// committed has said so, and that means what the primary's settings mean by it.

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shared/base/mem.h"
#include "tests/support/arrival.h"
#include "tests/support/child.h"
#include "tests/support/events.h"
#include "tests/support/load.h"
#include "tests/support/postgres_pair.h"
#include "tests/support/stack.h"

enum { FIRST = 1000, SCRIPT_MS = 60000, ARRIVE_MS = 30000 };

static const char *const environment[] = {"DATABASE_TIMEOUT_MS=1000", "PROVIDER_TIMEOUT_MS=400",
                                          "API_WORKER_MAX_RETRIES=100", NULL};

static struct stack *stack;
static struct postgres_pair *pair;

static void begin(bool is_synchronous) {
    static unsigned count;
    char *name = xasprintf("fail_over_%u", ++count);
    stack = stack_create(name, environment);
    free(name);
    pair = postgres_pair_create(stack_folder(stack), is_synchronous, NULL);
    stack_use_postgres(stack, postgres_pair_url(pair));
}

static void begin_synchronous(void) {
    begin(true);
}

static void begin_asynchronous(void) {
    begin(false);
}

static void end(void) {
    postgres_pair_destroy(pair);
    stack_destroy(stack);
}

static struct load *begin_load(unsigned count) {
    return load_start(&(struct load_options){.ports = {stack_port(stack, "ingest-1")},
                                             .threads = 4,
                                             .count = count,
                                             .senders = 20,
                                             .recipients = 50,
                                             .first = FIRST,
                                             .repeats = 300,
                                             .pause_ms = 10});
}

static void fail_over(void) {
    postgres_pair_kill_primary(pair);
    postgres_pair_promote(pair);
}

// Runs a script of bin/ to its end; returns what it said, owned by the caller.
static char *run_script(const char *name, const char *const *arguments, const char *database, int *status) {
    static unsigned runs;
    char *log_name = xasprintf("script-%u", ++runs), *log = xasprintf("%s/%s.log", stack_folder(stack), log_name);
    char *program = xasprintf("%s/bin/%s", getenv("PROJECT_ROOT"), name);
    char *variables[] = {xasprintf("REDIS_URL=redis://127.0.0.1:%u", stack_port(stack, "redis")),
                         xasprintf("DATABASE_URL=%s", database)};
    const char *argv[8] = {program};
    for (size_t i = 0; arguments[i] != NULL; i++) {
        argv[i + 1] = arguments[i];
    }
    struct child *child =
        child_start(&(struct child_options){.name = log_name,
                                            .folder = stack_folder(stack),
                                            .argv = argv,
                                            .environment = (const char *const[]){variables[0], variables[1], NULL},
                                            .death_signal = SIGKILL});
    *status = child_wait(child, deadline_scaled(SCRIPT_MS));
    child_destroy(child);
    char *said = read_whole_file(log);
    free(variables[0]);
    free(variables[1]);
    free(program);
    free(log);
    free(log_name);
    return said;
}

static char *script_says(const char *name, const char *const *arguments) {
    int status;
    char *said = run_script(name, arguments, postgres_pair_url(pair), &status);
    ck_assert_msg(status == 0, "%s ended with %d: %s", name, status, said);
    return said;
}

static void assert_counts_are_exact(void) {
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversations AS c WHERE message_count <> (SELECT count(*) "
                                      "FROM messages WHERE conversation_id = c.id)"),
                     0);
    ck_assert_int_eq(stack_sql(stack, "SELECT sum(messages) FROM totals"),
                     stack_sql(stack, "SELECT count(*) FROM messages"));
}

// ---- Synchronous

START_TEST(under_load_a_synchronous_standby_takes_over_and_nothing_is_lost) {
    enum { COUNT = 600 };
    stack_start_all(stack);
    struct load *load = begin_load(COUNT);
    WAIT_FOR(ARRIVE_MS, arrival_stored(stack, FIRST) > COUNT / 4);
    fail_over();
    arrival_check(stack, load, FIRST, COUNT);
    // The old primary comes back: the first server of the URL is a standby now, and nobody takes it for the other.
    postgres_pair_return(pair);
    free(script_says("migrate.sh", (const char *const[]){"up", NULL}));
    stack_stop(stack, "persister-1");
    stack_start(stack, "persister-1");
    load = begin_load(0);
    load_result_free(load_finish(load));
    ck_assert_int_eq(stack_log_about(stack, "persister-1", "postgres_down", "this Postgres is a standby"), 0);
    stack_finish(stack);
}
END_TEST

// Commits that wait for the standby.
static int64_t waiting(void) {
    return postgres_pair_sql(postgres_pair_primary(pair),
                             "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND usename = "
                             "'messaging_user'");
}

static int64_t unacknowledged(void) {
    return stack_redis_int(stack, "XLEN events:{sms-mms:0}");
}

// A message that came in: nothing but its own row says so.
static void add_received(const char *id) {
    char ours[] = "+15551230002", theirs[] = "+15551230001", body[] = "once", provider_id[] = "SM1";
    struct message message = {.type = MESSAGE_SMS,
                              .direction = MESSAGE_INBOUND,
                              .from = theirs,
                              .to = ours,
                              .sender = theirs,
                              .recipient = ours,
                              .body = body,
                              .provider_message_id = provider_id,
                              .occurred_ms = INT64_C(1730469600000),
                              .accepted_ms = INT64_C(1730469600000)};
    free(events_add_message(stack, "*", id, &message));
}

// Postgres waits for no standby where temporary tables alone were written to. But what a repeat finds stored may be so
// on the primary alone: by another persister, whose commit was waiting when its session was ended.
START_TEST(a_repeat_that_has_nothing_to_write_waits_for_the_standby_too) {
    stack_start(stack, "persister-1");
    char *id = events_new_id();
    add_received(id);
    WAIT_FOR(ARRIVE_MS, stack_sql(stack, "SELECT count(*) FROM messages") == 1 && unacknowledged() == 0);
    postgres_pair_cut(pair);
    add_received(id);
    WAIT_FOR(ARRIVE_MS, waiting() == 1 || unacknowledged() == 0);
    ck_assert_int_eq(unacknowledged(), 1);
    postgres_pair_join(pair);
    WAIT_FOR(ARRIVE_MS, unacknowledged() == 0);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages"), 1);
    stack_finish(stack);
    free(id);
}
END_TEST

// ---- Asynchronous

static bool names(const char *said, const char *id) {
    char *line = xasprintf("message %s is not recorded", id);
    bool found = strstr(said, line) != NULL;
    free(line);
    return found;
}

static unsigned count_named(const char *said) {
    unsigned count = 0;
    for (const char *at = said; (at = strstr(at, " is not recorded")) != NULL; at++) {
        count++;
    }
    return count;
}

// Of each message that was accepted: it is stored, or named; returns how many are lost.
static unsigned assert_each_is_stored_or_named(const struct load_result *result, const char *said) {
    unsigned lost = 0;
    for (unsigned i = 0; i < result->accepted; i++) {
        bool stored = stack_sql(stack, "SELECT count(*) FROM messages WHERE id = '%s'", result->ids[i]) == 1;
        ck_assert_msg(stored != names(said, result->ids[i]), "%s: stored %d", result->ids[i], stored);
        lost += !stored;
    }
    return lost;
}

START_TEST(under_load_what_an_asynchronous_standby_lacks_is_found_and_named) {
    enum { COUNT = 600 };
    char *since = xasprintf("--restored=%lld", (long long)time(NULL));
    stack_start_all(stack);
    struct load *load = begin_load(COUNT);
    WAIT_FOR(ARRIVE_MS, arrival_stored(stack, FIRST) > COUNT / 6);
    postgres_pair_cut(pair);
    int64_t then = arrival_stored(stack, FIRST);
    WAIT_FOR(ARRIVE_MS, arrival_stored(stack, FIRST) > then + COUNT / 4);
    fail_over();
    struct load_result *result = load_finish(load);
    ck_assert_uint_eq(result->accepted, COUNT);
    WAIT_FOR(ARRIVE_MS, stack_is_drained(stack));
    WAIT_FOR(ARRIVE_MS, arrival_stored(stack, FIRST) > 0); // over a new connection
    char *said = script_says("reconcile.sh", (const char *const[]){"--dry-run", since, NULL});
    unsigned lost = assert_each_is_stored_or_named(result, said);
    ck_assert_uint_gt(lost, COUNT / 4);
    ck_assert_uint_eq(count_named(said), lost);
    ck_assert_int_eq(arrival_stored(stack, FIRST), COUNT - lost);
    assert_counts_are_exact();
    printf("fail_over: of %u accepted, %u were acknowledged by the old primary alone: named by reconcile, %u\n", COUNT,
           lost, count_named(said));
    free(said);
    // What is named is accepted anew under its key, from then on.
    free(script_says("reconcile.sh", (const char *const[]){since, NULL}));
    load_result_free(result);
    result = load_finish(begin_load(COUNT));
    ck_assert_uint_eq(result->accepted, COUNT);
    WAIT_FOR(ARRIVE_MS, arrival_stored(stack, FIRST) == COUNT);
    WAIT_FOR(ARRIVE_MS, stack_is_drained(stack));
    said = script_says("reconcile.sh", (const char *const[]){"--dry-run", since, NULL});
    ck_assert_uint_eq(assert_each_is_stored_or_named(result, said), 0);
    assert_counts_are_exact();
    free(said);
    load_result_free(result);
    stack_finish(stack);
    free(since);
}
END_TEST

// ---- A standby by itself

START_TEST(a_standby_that_is_the_only_server_is_named_and_read_from) {
    char *url =
        xasprintf("DATABASE_URL=postgres://messaging_user@127.0.0.1:%u/messaging_service", postgres_pair_standby(pair));
    const char *const variables[] = {url, NULL};
    int status;
    stack_launch(stack, "persister-2", variables);
    WAIT_FOR(ARRIVE_MS, stack_log_about(stack, "persister-2", "postgres_down", "this Postgres is a standby") > 0);
    stack_start_with(stack, "ingest-2", variables);
    WAIT_FOR(ARRIVE_MS, stack_status(stack, "ingest-2", "GET", "/api/conversations", NULL) == 200);
    char *said = run_script("migrate.sh", (const char *const[]){"up", NULL}, strchr(url, '=') + 1, &status);
    ck_assert_msg(status != 0 && strstr(said, "this Postgres is a standby") != NULL, "%d %s", status, said);
    postgres_pair_kill_primary(pair);
    postgres_pair_promote(pair);
    WAIT_FOR(ARRIVE_MS, stack_log_count(stack, "persister-2", "postgres_up") > 0);
    stack_finish(stack);
    free(said);
    free(url);
}
END_TEST

Suite *suite_fail_over(void);

Suite *suite_fail_over(void) {
    Suite *suite = suite_create("fail_over");
    TCase *synchronous = tcase_create("synchronous");
    tcase_add_checked_fixture(synchronous, begin_synchronous, end);
    tcase_add_test(synchronous, under_load_a_synchronous_standby_takes_over_and_nothing_is_lost);
    tcase_add_test(synchronous, a_repeat_that_has_nothing_to_write_waits_for_the_standby_too);
    suite_add_tcase(suite, synchronous);
    TCase *asynchronous = tcase_create("asynchronous");
    tcase_add_checked_fixture(asynchronous, begin_asynchronous, end);
    tcase_add_test(asynchronous, under_load_what_an_asynchronous_standby_lacks_is_found_and_named);
    tcase_add_test(asynchronous, a_standby_that_is_the_only_server_is_named_and_read_from);
    suite_add_tcase(suite, asynchronous);
    return suite;
}
