// SPDX-License-Identifier: MIT
// DATABASE_READ_URL, a real standby: it answers what it has; what it lacks, fails at or may not decide, the primary
// does.

#include <check.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/events.h"
#include "tests/support/postgres_pair.h"
#include "tests/support/private_postgres.h"
#include "tests/support/stack.h"

enum { SETTLE_MS = 30000, FAR_MS = 60000 };

static struct stack *stack;
static struct postgres_pair *pair;
static char *read_url;

static void start_ingest(const char *name) {
    stack_start_with(stack, name, (const char *const[]){read_url, "DATABASE_TIMEOUT_MS=8000", NULL});
}

static void start(void) {
    stack = stack_create("read_replica", NULL);
    pair = postgres_pair_create(stack_folder(stack), false, NULL);
    stack_use_postgres(stack, postgres_pair_url(pair));
    char *url = postgres_url(postgres_pair_standby(pair));
    read_url = xasprintf("DATABASE_READ_URL=%s", url);
    free(url);
    stack_start(stack, "persister-1");
    start_ingest("ingest-1");
}

static void end(void) {
    postgres_pair_destroy(pair);
    stack_destroy(stack);
    free(read_url);
}

static bool readiness_says(const char *text) {
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/readyz", NULL, NULL);
    bool says = strstr(answer->body, text) != NULL;
    answer_free(answer);
    return says;
}

static void wait_for_replica(void) {
    WAIT_FOR(FAR_MS, readiness_says("\"reads\":\"replica\"") && !readiness_says("reads_fallen_back"));
}

// A message that is recorded, on the primary at least; owned by the caller.
static char *add_message(const char *from) {
    char *id = events_new_id();
    free(events_add_accepted(stack, id, from, "x"));
    WAIT_FOR(SETTLE_MS, stack_sql(stack, "SELECT count(*) FROM messages WHERE id = '%s'", id) == 1);
    return id;
}

// How many conversations ingest lists.
static int64_t listed(const char *const *headers) {
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/api/conversations?pageSize=1", NULL, headers);
    ck_assert_msg(answer->status == 200, "%ld %s", answer->status, answer->body);
    const char *total = strstr(answer->body, "\"total\":");
    ck_assert_ptr_nonnull(total);
    int64_t count = strtoll(total + strlen("\"total\":"), NULL, 10);
    answer_free(answer);
    return count;
}

static const char *const fresh[] = {"Cache-Control: no-cache", NULL};

static long status_of(const char *id) {
    char *path = xasprintf("/api/messages/%s", id);
    long status = stack_status(stack, "ingest-1", "GET", path, NULL);
    free(path);
    return status;
}

static int64_t counted(const char *counter) {
    return stack_redis_int(stack, "HINCRBY metrics %s 0", counter);
}

START_TEST(what_is_shown_the_replica_answers_and_what_it_lacks_the_primary) {
    free(add_message("+15551000001"));
    postgres_pair_join(pair);
    wait_for_replica();
    int64_t before = listed(fresh), answered = counted("reads_replica"), repeated = counted("reads_repeated");
    ck_assert_int_eq(listed(NULL), before);
    WAIT_FOR(SETTLE_MS, counted("reads_replica") == answered + 1);
    postgres_pair_cut(pair);
    char *id = add_message("+15551000002");
    ck_assert_int_eq(listed(NULL), before);
    ck_assert_int_eq(listed(fresh), before + 1);
    ck_assert_int_eq(status_of(id), 200);
    ck_assert_int_eq(status_of("01a22dff-0000-7000-8000-000000000000"), 404);
    WAIT_FOR(SETTLE_MS, counted("reads_repeated") == repeated + 2);
    postgres_pair_join(pair);
    ck_assert_int_eq(listed(NULL), before + 1);
    free(id);
}
END_TEST

// Of a message that was sent after the replica had heard of it last.
START_TEST(what_a_write_is_decided_by_the_primary_is_asked) {
    char *id = add_message("+15551000003"), *path = xasprintf("/api/messages/%s", id);
    postgres_pair_join(pair);
    wait_for_replica();
    postgres_pair_cut(pair);
    free(events_add_outcome(stack, id, 0, 1, "sent", "sent"));
    WAIT_FOR(SETTLE_MS,
             stack_sql(stack, "SELECT count(*) FROM deliveries WHERE message_id = '%s' AND status = 'sent'", id) == 1);
    struct answer *shown = stack_call(stack, "ingest-1", "GET", path, NULL, NULL);
    ck_assert_str_eq(answer_text(shown, "status"), "queued");
    struct answer *cancelled = stack_call(stack, "ingest-1", "DELETE", path, NULL, NULL);
    ck_assert_int_eq(cancelled->status, 409);
    ck_assert_msg(strstr(cancelled->body, "\"sent\"") != NULL, "%s", cancelled->body);
    answer_free(cancelled);
    answer_free(shown);
    postgres_pair_join(pair);
    free(path);
    free(id);
}
END_TEST

START_TEST(a_replica_that_is_far_behind_is_left_until_it_has_caught_up) {
    wait_for_replica();
    postgres_pair_cut(pair);
    int64_t before = listed(NULL);
    free(add_message("+15551000004"));
    ck_assert_int_eq(listed(NULL), before);
    WAIT_FOR(FAR_MS, readiness_says("\"reads\":\"primary\""));
    WAIT_FOR(SETTLE_MS, listed(NULL) == before + 1); // each of ingest's threads finds it out by itself
    WAIT_FOR(SETTLE_MS, readiness_says("it has been behind the primary for 1"));
    postgres_pair_join(pair);
    wait_for_replica();
}
END_TEST

// The process of that connection of ingest's for reads at that server; 0: it has none there.
static pid_t backend_of(uint16_t port, int number) {
    return (pid_t)postgres_pair_sql(port,
                                    "SELECT max(pid) FROM pg_stat_activity WHERE application_name = "
                                    "'ingest-0-read-%d'",
                                    number);
}

// Of two connections the first one's server doesn't answer for a while: then it is to the next of the list.
START_TEST(of_several_servers_the_one_that_is_furthest_behind_counts) {
    uint16_t primary = postgres_pair_primary(pair), standby = postgres_pair_standby(pair);
    char *url = xasprintf("DATABASE_READ_URL=postgres://postgres@127.0.0.1:%u,127.0.0.1:%u/messaging_service?"
                          "target_session_attrs=any",
                          standby, primary);
    postgres_pair_join(pair);
    stack_stop(stack, "ingest-1");
    stack_start_with(
        stack, "ingest-1",
        (const char *const[]){url, "INGEST_THREADS=1", "INGEST_DB_CONNECTIONS=2", "DATABASE_TIMEOUT_MS=8000", NULL});
    WAIT_FOR(SETTLE_MS, backend_of(standby, 0) > 0 && backend_of(standby, 1) > 0);
    wait_for_replica();
    pid_t first = backend_of(standby, 0);
    ck_assert_int_eq(kill(first, SIGSTOP), 0);
    WAIT_FOR(SETTLE_MS, backend_of(primary, 0) > 0);
    ck_assert_int_eq(kill(first, SIGCONT), 0);
    wait_for_replica();
    ck_assert_int_gt(backend_of(standby, 1), 0);
    postgres_pair_cut(pair);
    free(add_message("+15551000010"));
    WAIT_FOR(FAR_MS, readiness_says("\"reads\":\"primary\""));
    postgres_pair_join(pair);
    wait_for_replica();
    stack_stop(stack, "ingest-1");
    start_ingest("ingest-1");
    wait_for_replica();
    free(url);
}
END_TEST

// One read, in the background, by `curl`, which writes the status.
static struct child *begin_read(const char *name, const char *id) {
    char *url = xasprintf("http://127.0.0.1:%u/api/messages/%s", stack_port(stack, "ingest-1"), id);
    const char *argv[] = {"curl", "-s", "--noproxy", "*", "-o", "body", "-w", "status %{http_code}", url, NULL};
    struct child *child = child_start(
        &(struct child_options){.name = name, .folder = stack_folder(stack), .argv = argv, .death_signal = SIGKILL});
    free(url);
    return child;
}

static void assert_read(struct child *read, const char *name) {
    char *log = xasprintf("%s/%s.log", stack_folder(stack), name);
    ck_assert_int_eq(child_wait(read, SETTLE_MS), 0);
    char *said = read_whole_file(log);
    ck_assert_str_eq(said, "status 200");
    child_destroy(read);
    free(said);
    free(log);
}

static int64_t waiting_reads(uint16_t port) {
    return postgres_pair_sql(port, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
                                   "application_name LIKE 'ingest-%%'");
}

static PGconn *lock_messages(void) {
    char *url = xasprintf("postgres://postgres@127.0.0.1:%u/messaging_service", postgres_pair_primary(pair));
    PGconn *locker = PQconnectdb(url);
    PGresult *result = PQexec(locker, "BEGIN; LOCK TABLE messages IN ACCESS EXCLUSIVE MODE");
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s", PQerrorMessage(locker));
    PQclear(result);
    free(url);
    // The replica takes the lock over when the log tells of it.
    WAIT_FOR(SETTLE_MS,
             postgres_pair_sql(postgres_pair_standby(pair),
                               "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted "
                               "AND relation = 'messages'::regclass") == 1);
    return locker;
}

// As a query is that stands in the way of what the replica has to replay.
START_TEST(a_read_that_the_replica_cancels_is_asked_of_the_primary) {
    char *id = add_message("+15551000005");
    postgres_pair_join(pair);
    wait_for_replica();
    PGconn *locker = lock_messages();
    struct child *read = begin_read("cancelled-read", id);
    WAIT_FOR(SETTLE_MS, waiting_reads(postgres_pair_standby(pair)) == 1);
    postgres_pair_sql(postgres_pair_standby(pair), "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE "
                                                   "wait_event_type = 'Lock' AND application_name LIKE 'ingest-%%'");
    WAIT_FOR(SETTLE_MS, waiting_reads(postgres_pair_primary(pair)) == 1);
    PQfinish(locker);
    assert_read(read, "cancelled-read");
    ck_assert(readiness_says("\"reads\":\"replica\""));
    free(id);
}
END_TEST

START_TEST(reads_go_on_while_the_replica_s_sessions_end) {
    char *id = add_message("+15551000006");
    postgres_pair_join(pair);
    wait_for_replica();
    for (int i = 0; i < 50; i++) {
        postgres_pair_sql(postgres_pair_standby(pair), "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                                                       "WHERE application_name LIKE 'ingest-%%'");
        ck_assert_int_eq(status_of(id), 200);
    }
    wait_for_replica();
    free(id);
}
END_TEST

START_TEST(a_replica_that_lacks_the_tables_is_not_read_from) {
    char *url = xasprintf("DATABASE_READ_URL=postgres://postgres@127.0.0.1:%u/postgres", postgres_pair_standby(pair));
    stack_start_with(stack, "ingest-2", (const char *const[]){url, NULL});
    WAIT_FOR(SETTLE_MS, stack_log_about(stack, "ingest-2", "postgres_down", "is the database migrated?") > 0);
    ck_assert_int_eq(stack_status(stack, "ingest-2", "GET", "/api/conversations", NULL), 200);
    stack_stop(stack, "ingest-2");
    free(url);
}
END_TEST

START_TEST(without_the_setting_nothing_is_said_of_a_replica) {
    stack_start(stack, "ingest-3");
    struct answer *answer = stack_call(stack, "ingest-3", "GET", "/readyz", NULL, NULL);
    ck_assert_msg(strstr(answer->body, "\"reads\"") == NULL, "%s", answer->body);
    ck_assert_int_eq(postgres_pair_sql(postgres_pair_primary(pair), "SELECT count(*) FROM pg_stat_activity WHERE "
                                                                    "application_name LIKE 'ingest-%%-read-%%'"),
                     0);
    answer_free(answer);
    stack_stop(stack, "ingest-3");
}
END_TEST

static void write_settings(const char *path, const char *url) {
    char *fresh_path = xasprintf("%s.new", path);
    FILE *out = fopen(fresh_path, "w");
    ck_assert_ptr_nonnull(out);
    fprintf(out, "database_read_url = \"%s\"\n", url);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_int_eq(rename(fresh_path, path), 0);
    free(fresh_path);
}

static bool ingest_4_says(const char *text) {
    struct answer *answer = stack_call(stack, "ingest-4", "GET", "/readyz", NULL, NULL);
    bool says = answer->status != 0 && strstr(answer->body, text) != NULL;
    answer_free(answer);
    return says;
}

START_TEST(a_reload_sets_it_and_takes_it_away) {
    char *path = xasprintf("%s/settings.toml", stack_folder(stack)), *variable = xasprintf("API_CONFIG_FILE=%s", path);
    write_settings(path, "");
    stack_start_with(stack, "ingest-4", (const char *const[]){variable, NULL});
    ck_assert(!ingest_4_says("\"reads\":"));
    write_settings(path, strchr(read_url, '=') + 1);
    stack_signal(stack, "ingest-4", SIGHUP);
    WAIT_FOR(SETTLE_MS, ingest_4_says("\"reads\":\"replica\""));
    write_settings(path, "");
    stack_signal(stack, "ingest-4", SIGHUP);
    WAIT_FOR(SETTLE_MS, !ingest_4_says("\"reads\":"));
    ck_assert_int_eq(stack_status(stack, "ingest-4", "GET", "/api/conversations", NULL), 200);
    stack_stop(stack, "ingest-4");
    free(variable);
    free(path);
}
END_TEST

START_TEST(while_the_primary_is_away_what_the_replica_has_is_read) {
    char *id = add_message("+15551000007");
    postgres_pair_join(pair);
    wait_for_replica();
    postgres_pair_kill_primary(pair);
    WAIT_FOR(SETTLE_MS, readiness_says("\"postgres\":\"down\""));
    ck_assert_int_eq(status_of(id), 200);
    ck_assert_int_eq(status_of("01a22dff-0000-7000-8000-000000000000"), 503); // nobody knows
    WAIT_FOR(SETTLE_MS, readiness_says("DATABASE_READ_URL's server answers what it knows"));
    // It is the primary next, and both URLs name it.
    postgres_pair_promote(pair);
    WAIT_FOR(SETTLE_MS, readiness_says("\"postgres\":\"up\""));
    ck_assert_int_eq(status_of("01a22dff-0000-7000-8000-000000000000"), 404);
    wait_for_replica();
    free(add_message("+15551000008"));
    postgres_pair_return(pair);
    free(id);
}
END_TEST

// Among the notes and not among the troubles. Each of ingest's threads hears of it by itself.
static bool is_noted(const char *code) {
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/readyz", NULL, NULL);
    const char *notes = answer->body != NULL ? strstr(answer->body, "\"notes\":") : NULL;
    bool is = notes != NULL && strstr(answer->body, code) > notes;
    answer_free(answer);
    return is;
}

START_TEST(a_replica_that_is_away_costs_no_read_and_is_a_note) {
    char *id = add_message("+15551000009");
    stack_stop(stack, "ingest-1");
    free(read_url);
    char *url = postgres_url(postgres_pair_standby(pair));
    read_url = xasprintf("DATABASE_READ_URL=%s", url);
    free(url);
    start_ingest("ingest-1");
    wait_for_replica();
    postgres_pair_kill_standby(pair);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(status_of(id), 200);
    }
    WAIT_FOR(SETTLE_MS, readiness_says("\"reads\":\"primary\"") && is_noted("reads_fallen_back"));
    ck_assert(readiness_says("\"postgres\":\"up\""));
    free(id);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_read_replica(void);

Suite *suite_read_replica(void) {
    Suite *suite = suite_create("read_replica");
    TCase *tests = tcase_create("read_replica");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_test(tests, what_is_shown_the_replica_answers_and_what_it_lacks_the_primary);
    tcase_add_test(tests, what_a_write_is_decided_by_the_primary_is_asked);
    tcase_add_test(tests, a_replica_that_is_far_behind_is_left_until_it_has_caught_up);
    tcase_add_test(tests, of_several_servers_the_one_that_is_furthest_behind_counts);
    tcase_add_test(tests, a_read_that_the_replica_cancels_is_asked_of_the_primary);
    tcase_add_test(tests, reads_go_on_while_the_replica_s_sessions_end);
    tcase_add_test(tests, a_replica_that_lacks_the_tables_is_not_read_from);
    tcase_add_test(tests, without_the_setting_nothing_is_said_of_a_replica);
    tcase_add_test(tests, a_reload_sets_it_and_takes_it_away);
    tcase_add_test(tests, while_the_primary_is_away_what_the_replica_has_is_read);
    tcase_add_test(tests, a_replica_that_is_away_costs_no_read_and_is_a_note);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
