// SPDX-License-Identifier: MIT
// A session of Postgres's that can't do its work any more, and what a role or a server brings with it: the persister
// says so, keeps nothing that is no good, and goes on by itself once it is put right.

#include <check.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/events.h"
#include "tests/support/load.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"

static struct stack *stack;
static unsigned next_sender = 5000; // each load has senders of its own

static void start(void) {
    stack = stack_create("session", NULL);
    stack_start(stack, "postgres");
    stack_start(stack, "ingest-1");
    stack_start(stack, "persister-1");
}

static void end(void) {
    stack_destroy(stack);
}

// One statement as the superuser, who may write where others may not.
static void as_superuser(const char *sql) {
    char *url = xasprintf("postgres://postgres@127.0.0.1:%u/messaging_service?options=-cdefault_transaction_read_only"
                          "%%3Doff",
                          stack_port(stack, "postgres"));
    PGconn *link = PQconnectdb(url);
    PGresult *result = PQexec(link, sql);
    ExecStatusType status = PQresultStatus(result);
    ck_assert_msg(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s: %s", sql, PQerrorMessage(link));
    PQclear(result);
    PQfinish(link);
    free(url);
}

static void set_server(const char *sql) {
    as_superuser(sql);
    as_superuser("SELECT pg_reload_conf()");
}

#define ENDLESS 1000000 // until load_stop

static struct load *begin_load(unsigned count) {
    next_sender += 100;
    return load_start(&(struct load_options){.ports = {stack_port(stack, "ingest-1")},
                                             .threads = 4,
                                             .count = count,
                                             .senders = 20,
                                             .first = next_sender,
                                             .repeats = 100,
                                             .pause_ms = 1});
}

static int64_t stored(void) {
    return stack_sql(stack, "SELECT count(*) FROM messages WHERE from_address BETWEEN '+1555%07u' AND '+1555%07u'",
                     next_sender, next_sender + 99);
}

static void assert_all_stored(struct load *load) {
    struct load_result *result = load_finish(load);
    ck_assert_uint_eq(result->other + result->limited, 0);
    WAIT_FOR(15000, stored() >= result->accepted);
    WAIT_FOR(5000, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 0);
    // Where the machine or its disk stands still for longer than REDIS_TIMEOUT_MS, some answers are 503.
    ck_assert_int_ge(stored(), result->accepted);
    ck_assert_int_le(stored(), result->accepted + result->ambiguous);
    load_result_free(result);
}

// Whether the persister has told of such a trouble.
static bool is_troubled(const char *text) {
    redisReply *reply = stack_redis(stack, "GET trouble:persister:persister-1");
    bool troubled = strstr(reply_text(reply, 0), text) != NULL;
    freeReplyObject(reply);
    return troubled;
}

START_TEST(a_server_that_turns_read_only_is_let_go_and_taken_again) {
    struct load *load = begin_load(ENDLESS);
    WAIT_FOR(10000, stored() > 50);
    set_server("ALTER SYSTEM SET default_transaction_read_only = on");
    WAIT_FOR(10000, is_troubled("this Postgres is read-only"));
    WAIT_FOR(10000, stack_redis_int(stack, "XLEN events:{sms-mms:0}") > 50);
    set_server("ALTER SYSTEM RESET default_transaction_read_only");
    ck_assert_int_ge(stack_log_about(stack, "persister-1", "postgres_down", "in a read-only transaction"), 1);
    load_stop(load);
    assert_all_stored(load);
    WAIT_FOR(5000, !is_troubled("read-only"));
}
END_TEST

START_TEST(a_session_whose_tables_are_gone_is_replaced) {
    struct load *load = begin_load(ENDLESS);
    for (int i = 1; i <= 3; i++) {
        int64_t before = stored();
        WAIT_FOR(10000, stored() > before);
        as_superuser("DO $$ DECLARE t regclass; BEGIN FOR t IN SELECT oid FROM pg_class WHERE relname = 'staging' AND "
                     "relpersistence = 't' LOOP EXECUTE 'DROP TABLE ' || t; END LOOP; END $$");
        WAIT_FOR(10000, stack_log_about(stack, "persister-1", "postgres_down", "does not exist") == i);
    }
    load_stop(load);
    assert_all_stored(load);
}
END_TEST

// "cached plan must not change result type", which a session says for ever.
START_TEST(a_statement_older_than_a_migration_is_prepared_anew) {
    static const char path[] = "/api/conversations";
    assert_all_stored(begin_load(50));
    for (int i = 0; i < 20; i++) { // on every connection
        WAIT_FOR(10000, stack_status(stack, "ingest-1", "GET", path, NULL) == 200);
    }
    as_superuser("ALTER TABLE conversations ALTER COLUMN message_count TYPE numeric");
    for (int in_a_row = 0, tries = 0; in_a_row < 20; tries++) {
        long status = stack_status(stack, "ingest-1", "GET", path, NULL);
        ck_assert_msg((status == 200 || status == 503) && tries < 1000, "%ld", status);
        in_a_row = status == 200 ? in_a_row + 1 : 0;
    }
    ck_assert_int_ge(stack_log_about(stack, "ingest-1", "postgres_down", "cached plan"), 1);
    as_superuser("ALTER TABLE conversations ALTER COLUMN message_count TYPE bigint");
    assert_all_stored(begin_load(50));
}
END_TEST

START_TEST(a_right_that_is_missing_is_told_and_waited_for) {
    as_superuser("ALTER TABLE messages OWNER TO postgres");
    as_superuser("GRANT SELECT ON messages TO messaging_user");
    struct load *load = begin_load(50);
    WAIT_FOR(15000, is_troubled("permission denied for table messages"));
    ck_assert_int_eq(stored(), 0);
    as_superuser("ALTER TABLE messages OWNER TO messaging_user");
    assert_all_stored(load);
    WAIT_FOR(5000, !is_troubled("permission denied"));
}
END_TEST

START_TEST(what_the_role_brings_along_changes_nothing) {
    static const char *const settings[] = {"statement_timeout = '400ms'",
                                           "idle_session_timeout = '300ms'",
                                           "default_transaction_isolation = 'serializable'",
                                           "DateStyle = 'SQL, DMY'",
                                           "TimeZone = 'Asia/Kathmandu'",
                                           "standard_conforming_strings = off",
                                           "client_encoding = 'LATIN1'",
                                           "lock_timeout = '1ms'",
                                           "client_min_messages = 'debug1'",
                                           "bytea_output = 'escape'"};
    stack_stop(stack, "persister-1");
    int downs = stack_log_count(stack, "persister-1", "postgres_down");
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        char *sql = xasprintf("ALTER ROLE messaging_user SET %s", settings[i]);
        as_superuser(sql);
        free(sql);
    }
    stack_start(stack, "persister-1");
    stack_start(stack, "ingest-2");
    char *id = events_new_id(), *path = xasprintf("/api/messages/%s", id);
    free(events_add_accepted_at(stack, id, "+1461", "gr\u00fc\u00df \\ dich", INT64_C(1730469600123)));
    struct load *load = begin_load(200);
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM messages WHERE id = '%s'", id) == 1);
    as_superuser("BEGIN; LOCK totals IN EXCLUSIVE MODE; SELECT pg_sleep(1); COMMIT"); // a batch that takes long
    assert_all_stored(load);
    ck_assert_int_eq(stack_log_about(stack, "persister-1", "batch_repeat", "timeout"), 0);
    ck_assert_int_eq(stack_log_count(stack, "persister-1", "postgres_down"), downs);
    as_superuser("ALTER ROLE messaging_user RESET ALL");
    struct answer *answer = stack_call(stack, "ingest-2", "GET", path, NULL, NULL);
    ck_assert_int_eq(answer->status, 200);
    ck_assert_str_eq(answer_text(answer, "body"), "gr\u00fc\u00df \\ dich");
    ck_assert_str_eq(answer_text(answer, "timestamp"), "2024-11-01T14:00:00.123Z");
    answer_free(answer);
    stack_stop(stack, "ingest-2");
    free(path);
    free(id);
}
END_TEST

// Runs a command to its end, which must be a failure; returns what it wrote, owned by the caller.
static char *failure_of(const char *name, const char *const *argv, const char *const *environment) {
    char *log = xasprintf("%s/%s.log", stack_folder(stack), name);
    struct child *child = child_start(&(struct child_options){.name = name,
                                                              .folder = stack_folder(stack),
                                                              .argv = argv,
                                                              .environment = environment,
                                                              .death_signal = SIGKILL});
    ck_assert_int_gt(child_wait(child, 20000), 0);
    child_destroy(child);
    char *text = read_whole_file(log);
    free(log);
    return text;
}

START_TEST(tables_that_are_not_found_are_told_in_one_line) {
    as_superuser("ALTER ROLE messaging_user SET search_path = elsewhere");
    stack_launch(stack, "persister-8", NULL);
    WAIT_FOR(10000, stack_log_about(stack, "persister-8", "postgres_down",
                                    "no table messages, as the search_path elsewhere has it") == 1);
    as_superuser("ALTER ROLE messaging_user RESET search_path");
    WAIT_FOR(10000, stack_log_about(stack, "persister-8", "postgres_up", "\"persister-8\"") >= 1);
    stack_stop(stack, "persister-8");
}
END_TEST

START_TEST(a_database_of_another_encoding_is_refused_by_the_migration_and_by_the_persister) {
    static const char *const encodings[] = {"LATIN1", "SQL_ASCII"};
    char *script = xasprintf("%s/bin/migrate.sh", getenv("PROJECT_ROOT"));
    const char *const migrate[] = {script, "up", NULL};
    for (size_t i = 0; i < 2; i++) {
        char *create =
            xasprintf("CREATE DATABASE old_%s OWNER messaging_user ENCODING '%s' LOCALE 'C' TEMPLATE template0",
                      encodings[i], encodings[i]);
        char *url = xasprintf("DATABASE_URL=postgres://messaging_user@127.0.0.1:%u/old_%s",
                              stack_port(stack, "postgres"), i == 0 ? "latin1" : "sql_ascii");
        char *why = xasprintf("has the encoding %s, not UTF8", encodings[i]);
        const char *const environment[] = {url, NULL};
        as_superuser(create);
        char *said = failure_of(encodings[i], migrate, environment);
        const char *line = strstr(said, why);
        ck_assert_msg(line != NULL && strchr(line, '\n')[1] == '\0', "%s", said); // it is the last line
        stack_launch(stack, "persister-9", environment);
        WAIT_FOR(10000, stack_log_about(stack, "persister-9", "postgres_down", why) > 0);
        stack_stop(stack, "persister-9");
        free(said);
        free(why);
        free(url);
        free(create);
    }
    free(script);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_session(void);

Suite *suite_session(void) {
    Suite *suite = suite_create("session");
    TCase *tests = tcase_create("session");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_test(tests, a_server_that_turns_read_only_is_let_go_and_taken_again);
    tcase_add_test(tests, a_session_whose_tables_are_gone_is_replaced);
    tcase_add_test(tests, a_statement_older_than_a_migration_is_prepared_anew);
    tcase_add_test(tests, a_right_that_is_missing_is_told_and_waited_for);
    tcase_add_test(tests, what_the_role_brings_along_changes_nothing);
    tcase_add_test(tests, tables_that_are_not_found_are_told_in_one_line);
    tcase_add_test(tests, a_database_of_another_encoding_is_refused_by_the_migration_and_by_the_persister);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
