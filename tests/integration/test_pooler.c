// SPDX-License-Identifier: MIT
// A pooler between the programs and Postgres: promise 14, whatever session a statement reaches.

#include <check.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/load.h"
#include "tests/support/port.h"
#include "tests/support/private_pooler.h"
#include "tests/support/private_postgres.h"
#include "tests/support/stack.h"

static const char *const session_mode[] = {"pool_mode = session", NULL};
static const char *const transaction_mode[] = {"pool_mode = transaction", "default_pool_size = 2", NULL};

static struct stack *stack;
static struct child *pooler;
static uint16_t pooler_port;
static char *pooler_url;
static unsigned next_sender = 3000; // each load has senders of its own

static void start(void) {
    stack = stack_create("pooler", NULL);
    stack_start(stack, "postgres");
    pooler_port = free_port();
    pooler = pooler_start(stack_folder(stack), pooler_port, stack_port(stack, "postgres"), session_mode);
    char *url = postgres_url(pooler_port);
    pooler_url = xasprintf("DATABASE_URL=%s", url);
    free(url);
    const char *const behind[] = {pooler_url, NULL};
    stack_start_with(stack, "ingest-1", behind);
}

static void end(void) {
    child_destroy(pooler);
    stack_destroy(stack);
    free(pooler_url);
}

static void launch(const char *name) {
    const char *const behind[] = {pooler_url, NULL};
    stack_launch(stack, name, behind);
}

static const char *const large_transaction_mode[] = {"pool_mode = transaction", "default_pool_size = 40", NULL};

#define ENDLESS 1000000 // until load_stop

static struct load *begin_load(unsigned count) {
    next_sender += 100;
    return load_start(&(struct load_options){.ports = {stack_port(stack, "ingest-1")},
                                             .threads = 4,
                                             .count = count,
                                             .senders = 20,
                                             .first = next_sender,
                                             .repeats = 100,
                                             .pause_ms = 2});
}

static int64_t stored(void) {
    return stack_sql(stack, "SELECT count(*) FROM messages WHERE from_address BETWEEN '+1555%07u' AND '+1555%07u'",
                     next_sender, next_sender + 99);
}

// A program's lines of that event with that text.
static int log_lines(const char *name, const char *event, const char *text) {
    return stack_log_about(stack, name, event, text);
}

static bool is_refused(const char *name) {
    return log_lines(name, "postgres_down", "must be in session mode") > 0;
}

static void reload(const char *const *settings) {
    pooler_reload(pooler, stack_folder(stack), pooler_port, stack_port(stack, "postgres"), settings);
}

static void restart(const char *const *settings) {
    child_destroy(pooler);
    pooler = pooler_start(stack_folder(stack), pooler_port, stack_port(stack, "postgres"), settings);
}

static bool answers(const char *id) {
    char *path = xasprintf("/api/messages/%s", id);
    long status = stack_status(stack, "ingest-1", "GET", path, NULL);
    free(path);
    return status == 200;
}

// What was accepted is in the tables or waits in the stream, from which it only moves to the tables.
static void assert_none_is_lost(struct load *load) {
    unsigned accepted = load_accepted(load);
    int64_t waiting = stack_redis_int(stack, "XLEN events:{sms-mms:0}");
    ck_assert_int_ge(waiting + stored(), accepted);
}

// What was accepted is in the tables, each once, and can be read.
static void assert_all_stored(struct load *load) {
    struct load_result *result = load_finish(load);
    unsigned expected = result->accepted;
    WAIT_FOR(15000, stored() == expected);
    WAIT_FOR(15000, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 0);
    for (unsigned i = 0; i < expected; i += 1 + expected / 50) {
        ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM deliveries WHERE message_id = '%s'", result->ids[i]),
                         1);
        WAIT_FOR(10000, answers(result->ids[i]));
    }
    ck_assert_int_eq(stored(), expected);
    load_result_free(result);
}

// As many sessions as there are connections, and one for a look at each new one.
START_TEST(in_session_mode_two_persisters_and_the_reads_work_through_it) {
    reload(session_mode);
    launch("persister-1");
    launch("persister-2");
    struct load *load = begin_load(400);
    while (load_accepted(load) < 300) {
        ck_assert_int_eq(stack_status(stack, "ingest-1", "GET", "/api/conversations", NULL), 200);
    }
    assert_all_stored(load);
    ck_assert_int_ge(pooler_clients(pooler_port, "persister-"), 2);
    ck_assert_int_gt(log_lines("persister-1", "postgres_pooler", "in session mode"), 0);
    stack_stop(stack, "persister-1");
    stack_stop(stack, "persister-2");
}
END_TEST

START_TEST(in_transaction_mode_it_is_refused_with_one_line_and_nothing_is_lost) {
    restart(transaction_mode);
    launch("persister-1");
    launch("persister-2");
    launch("ingest-2");
    struct load *load = begin_load(200);
    WAIT_FOR(10000, load_accepted(load) == 200);
    WAIT_FOR(20000, is_refused("persister-1"));
    WAIT_FOR(20000, is_refused("persister-2"));
    WAIT_FOR(20000, is_refused("ingest-2"));
    ck_assert_int_eq(stack_redis_int(stack, "XLEN events:{sms-mms:0}"), 200);
    ck_assert_int_eq(stored(), 0);
    ck_assert_int_eq(stack_status(stack, "ingest-2", "GET", "/api/conversations", NULL), 503);
    ck_assert_int_le(log_lines("persister-1", "postgres_down", "must be in session mode"), 2); // once each link
    reload(session_mode);
    assert_all_stored(load);
    WAIT_FOR(10000, stack_status(stack, "ingest-2", "GET", "/api/conversations", NULL) == 200);
    stack_stop(stack, "persister-1");
    stack_stop(stack, "persister-2");
    stack_stop(stack, "ingest-2");
}
END_TEST

// A persister's session, as its connection is set up.
struct session {
    PGconn *link;
    char *token;
};

static void run(struct session *session, const char *sql) {
    PGresult *result = PQexec(session->link, sql);
    ExecStatusType status = PQresultStatus(result);
    ck_assert_msg(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s", PQerrorMessage(session->link));
    PQclear(result);
}

static void set_up(struct session *session) {
    static const char *const files[] = {"staging", "batch", "session"};
    PGresult *result = NULL;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *path = xasprintf("%s/persister/sql/%s.sql", getenv("PROJECT_ROOT"), files[i]);
        char *sql = read_whole_file(path);
        PQclear(result);
        result = PQexec(session->link, sql);
        free(sql);
        free(path);
    }
    ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s", PQerrorMessage(session->link));
    free(session->token);
    session->token = xstrdup(PQgetvalue(result, 0, 0));
    PQclear(result);
}

static struct session connect_plainly(void) {
    char *url = postgres_url(stack_port(stack, "postgres"));
    struct session session = {.link = PQconnectdb(url)};
    free(url);
    return session;
}

static struct session open_session(void) {
    struct session session = connect_plainly();
    set_up(&session);
    return session;
}

static void close_session(struct session *session) {
    PQfinish(session->link);
    free(session->token);
}

// A `replayed` event, marked.
static void stage(struct session *session, const char *id, int mark) {
    char *sql =
        xasprintf("INSERT INTO pg_temp.staging (position, slot, kind, message_id, generation, happened_at, mark) "
                  "VALUES (0, 0, 'replayed', '%s', 1, now(), %d)",
                  id, mark);
    run(session, sql);
    free(sql);
}

// Asks `in` to store what `of` is meant to hold; the SQLSTATE, "" for success.
static void assert_store(struct session *in, const struct session *of, int rows, int marks, const char *expected) {
    char *sql = xasprintf("SELECT * FROM pg_temp.store_batch('%s', %d, %d)", of->token, rows, marks);
    PGresult *result = PQexec(in->link, sql);
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    ck_assert_str_eq(state != NULL ? state : "", expected);
    if (state == NULL) {
        ck_assert_str_eq(PQgetvalue(result, 0, PQfnumber(result, "session_token")), in->token);
        ck_assert_int_eq(atoi(PQgetvalue(result, 0, PQfnumber(result, "entries"))), rows);
        ck_assert_int_eq(atoi(PQgetvalue(result, 0, PQfnumber(result, "marks"))), marks);
    }
    PQclear(result);
    free(sql);
}

START_TEST(a_batch_is_stored_by_the_session_that_has_its_rows_and_by_no_other) {
    static const char one[] = "018f3c5e-0000-7000-8000-0000000000a1", other[] = "018f3c5e-0000-7000-8000-0000000000a2";
    struct session a = open_session(), b = open_session();
    stage(&a, one, 7);
    assert_store(&b, &a, 1, 7, "MS002"); // whose staging table is empty
    assert_store(&b, &b, 1, 7, "MS002");
    stage(&b, other, 9);
    assert_store(&b, &a, 1, 7, "MS002"); // which holds another batch, of this persister or another
    assert_store(&b, &b, 1, 7, "MS002");
    assert_store(&a, &b, 1, 7, "MS002"); // the right rows, but not the session that was set up
    stage(&a, one, 7);
    assert_store(&a, &a, 1, 7, "MS002"); // twice
    assert_store(&a, &a, 1, 14, "MS002");
    run(&a, "DELETE FROM pg_temp.staging");
    assert_store(&a, &a, 1, 7, "MS002"); // no more
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM replays WHERE message_id IN ('%s', '%s')", one, other), 0);
    stage(&a, one, 7);
    assert_store(&a, &a, 1, 7, "");
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM replays WHERE message_id = '%s'", one), 1);
    close_session(&a);
    close_session(&b);
}
END_TEST

// Of temporary tables, as bin/migrate.sh has them, a session keeps how much memory they have.
START_TEST(a_session_that_served_another_client_and_was_reset_serves_a_persister) {
    struct session session = connect_plainly();
    run(&session, "CREATE TEMPORARY TABLE another AS SELECT 1");
    for (int i = 0; i < 2; i++) { // another client's, and another persister's
        run(&session, "DISCARD ALL");
        set_up(&session);
        stage(&session, "018f3c5e-0000-7000-8000-0000000000a3", 7);
        assert_store(&session, &session, 1, 7, "");
    }
    close_session(&session);
}
END_TEST

// A session with other rows, or none, or without so much as the function.
static bool has_met_another(const char *name) {
    return log_lines(name, "postgres_down", "not the rows that were copied") > 0 ||
           log_lines(name, "postgres_down", "does not exist") > 0;
}

#define HELD 12

// Takes the pooler's idle sessions into transactions of the test's own, so that whoever comes next gets others.
static void hold_sessions(PGconn *held[HELD]) {
    char *url = postgres_url(pooler_port);
    for (size_t i = 0; i < HELD; i++) {
        held[i] = PQconnectdb(url);
        PQclear(PQexec(held[i], "BEGIN; SELECT 1"));
    }
    free(url);
}

// It is seen at connect only; what happens later the batch itself must see.
START_TEST(what_turns_to_transaction_mode_under_load_loses_nothing) {
    PGconn *held[HELD];
    reload(session_mode);
    launch("persister-3");
    launch("persister-4");
    struct load *load = begin_load(ENDLESS);
    WAIT_FOR(10000, stored() > 0);
    reload(large_transaction_mode);
    hold_sessions(held);
    WAIT_FOR(20000, has_met_another("persister-3") || has_met_another("persister-4"));
    for (size_t i = 0; i < HELD; i++) {
        PQfinish(held[i]);
    }
    load_stop(load);
    assert_none_is_lost(load);
    reload(session_mode);
    assert_all_stored(load);
    stack_stop(stack, "persister-3");
    stack_stop(stack, "persister-4");
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_pooler(void);

Suite *suite_pooler(void) {
    Suite *suite = suite_create("pooler");
    TCase *tests = tcase_create("pooler");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_test(tests, in_session_mode_two_persisters_and_the_reads_work_through_it);
    tcase_add_test(tests, in_transaction_mode_it_is_refused_with_one_line_and_nothing_is_lost);
    tcase_add_test(tests, a_batch_is_stored_by_the_session_that_has_its_rows_and_by_no_other);
    tcase_add_test(tests, a_session_that_served_another_client_and_was_reset_serves_a_persister);
    tcase_add_test(tests, what_turns_to_transaction_mode_under_load_loses_nothing);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
