// SPDX-License-Identifier: MIT
// Growth: what a statement reads of a table doesn't grow with the table. Every statement of ingest/read/sql/, found
// there, and what the persister runs, are executed on a filled database, as the programs execute them, and Postgres's
// auto_explain tells the plans that it really used.

#include <check.h>
#include <cjson/cJSON.h>
#include <glob.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/stack.h"

#define MESSAGES 50000
#define CONVERSATIONS 5000
#define PAGE_ROWS 51 // one more than is shown
#define BATCH_ROWS 2500
#define SOME_ID "018bcfe5-6ab4-7a79-8fa7-3aab0a6a2a4c"
#define EXECUTIONS 8 // after five, Postgres may turn to a plan that fits all parameters

static struct stack *stack;
static PGconn *connection;

// What the plan that is being looked at may read of a table, and which statement it is of.
static struct {
    const char *name;
    double rows;
    size_t plans;
} looked_at;

// ---- The database

static char *read_file(const char *relative) {
    char *path = xasprintf("%s/%s", getenv("PROJECT_ROOT"), relative), *text = read_whole_file(path);
    ck_assert_msg(text != NULL, "%s can't be read", path);
    free(path);
    return text;
}

static void run(const char *sql) {
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    ck_assert_msg(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s: %s", sql, PQerrorMessage(connection));
    PQclear(result);
}

static void run_file(const char *relative) {
    char *sql = read_file(relative);
    run(sql);
    free(sql);
}

static void fill(void) {
    char *chunk = read_file("tests/support/sql/archive_chunk.sql"), *end = xasprintf("%d", MESSAGES);
    char *set = xasprintf("SET archive.conversations = %d", CONVERSATIONS);
    const char *values[] = {"0", end};
    run(set);
    run("INSERT INTO message_aliases SELECT gen_random_uuid(), gen_random_uuid() FROM generate_series(1, 5000)");
    run_file("tests/support/sql/archive_begin.sql");
    PGresult *result = PQexecParams(connection, chunk, 2, NULL, values, NULL, NULL, 0);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s", PQerrorMessage(connection));
    PQclear(result);
    run_file("tests/support/sql/archive_end.sql");
    // Most have been replayed: those that are open are counted by an index of their own, which has no others.
    run("INSERT INTO dead_letters (stage, message_id, generation, provider, reason, attempts, failed_at,"
        " replayed_at) SELECT 'dispatch', id, 1, (ARRAY['sms-mms', 'email'])[1 + n % 2],"
        " (ARRAY['rejected: 21211', 'server_error: 500', 'timeout: 5 s', 'expired: 72 h', 'lost: -'])[1 + n % 5], 1,"
        " now() - random() * interval '20 days', CASE WHEN n % 250 > 0 THEN now() END FROM (SELECT id, row_number() "
        "OVER () AS n FROM messages"
        " WHERE direction = 'outbound') AS outbound");
    run("INSERT INTO attachments SELECT id, 0, 'https://example.com/' || id FROM messages WHERE direction = 'inbound'");
    run("INSERT INTO erased_messages SELECT gen_random_uuid(), now() - n * interval '1 s' FROM generate_series(1, "
        "5000) AS n");
    run("INSERT INTO erased_conversations SELECT 'sms:+1<->+2' || n, 'sms', '+1', '+2' || n, now() - n * interval '1 "
        "s', "
        "CASE WHEN n % 50 > 0 THEN now() END FROM generate_series(1, 5000) AS n");
    run("INSERT INTO conversation_aliases SELECT 1000000000 + n, 1 FROM generate_series(1, 5000) AS n");
    run("INSERT INTO replays SELECT id, 1, now() FROM messages WHERE direction = 'outbound'");
    run("INSERT INTO receipts (message_id, provider_message_id, status, provider, arrived_at, early) SELECT "
        "message_id, "
        "'SM1', 'delivered', 'sms-mms', now(), false FROM deliveries");
    run("UPDATE deliveries SET receipt = 'delivered', receipt_at = now()");
    run("INSERT INTO opt_outs SELECT 'sms', '+1201666' || n % 50, '+1804' || n, CASE WHEN n % 3 = 0 THEN 'in' ELSE "
        "'out' "
        "END, now() - n * interval '1 s', now(), 'recipient' FROM generate_series(1, 20000) AS n");
    run("VACUUM (ANALYZE)");
    run("RESET session_replication_role");
    free(set);
    free(end);
    free(chunk);
}

// ---- The plans

static bool is_among(const char *name, const char *const *names) {
    for (; *names != NULL; names++) {
        if (strcmp(name, *names) == 0) {
            return true;
        }
    }
    return false;
}

// Tables of a fixed number of rows, and those of one batch.
static bool is_bounded(const char *table) {
    static const char *const bounded[] = {"totals",  "providers", "session", "staging",      "fresh",
                                          "aliases", "touched",   "place",   "stray_search", NULL};
    return is_among(table, bounded);
}

static double number(const cJSON *node, const char *name) {
    const cJSON *member = json_member(node, name);
    return cJSON_IsNumber(member) ? member->valuedouble : 0;
}

static void check_scan(const cJSON *node, const char *type, const char *table) {
    double rows = number(node, "Actual Rows") + number(node, "Rows Removed by Filter") +
                  number(node, "Rows Removed by Index Recheck");
    ck_assert_msg(strcmp(type, "Seq Scan") != 0, "%s: a sequential scan of %s", looked_at.name, table);
    ck_assert_msg(rows * number(node, "Actual Loops") <= looked_at.rows, "%s: %s of %s reads %.0f rows, %.0f times",
                  looked_at.name, type, table, rows, number(node, "Actual Loops"));
}

static double rows_below(const cJSON *node) {
    double rows = 0;
    const cJSON *child;
    cJSON_ArrayForEach(child, json_member(node, "Plans")) {
        rows += number(child, "Actual Rows");
    }
    return rows;
}

static void check_node(const cJSON *node) {
    const char *type = json_string(node, "Node Type"), *table = json_string(node, "Relation Name");
    if (strstr(type, "Scan") != NULL && table != NULL && !is_bounded(table)) {
        check_scan(node, type, table);
    }
    ck_assert_msg(strstr(type, "Sort") == NULL || rows_below(node) <= looked_at.rows, "%s: a sort of %.0f rows",
                  looked_at.name, rows_below(node));
    const cJSON *child;
    cJSON_ArrayForEach(child, json_member(node, "Plans")) {
        check_node(child);
    }
}

// auto_explain's notice: "duration: … ms  plan:" and the plan as JSON.
static void on_notice(void *argument, const PGresult *notice) {
    (void)argument;
    const char *text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    const char *plan = text != NULL ? strstr(text, "plan:\n") : NULL;
    if (plan == NULL || looked_at.name == NULL) {
        return;
    }
    cJSON *tree = cJSON_Parse(plan + strlen("plan:\n")); // may be deeper than json_parse takes
    ck_assert_msg(tree != NULL, "%s: %s", looked_at.name, plan);
    check_node(json_member(tree, "Plan"));
    looked_at.plans++;
    cJSON_Delete(tree);
}

// The statements that follow are `name`, which reads about `rows` rows; each scan may come to twice of it.
static void look_at(const char *name, double rows) {
    looked_at.name = name;
    looked_at.rows = 2 * rows;
    looked_at.plans = 0;
}

static void look_away(void) {
    ck_assert_msg(looked_at.plans > 0, "%s: no plan was told", looked_at.name);
    looked_at.name = NULL;
}

static void tell_plans(void) {
    run("LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on;"
        "SET auto_explain.log_analyze = on; SET auto_explain.log_timing = off; SET auto_explain.log_format = json;"
        "SET auto_explain.log_level = notice; SET client_min_messages = notice");
}

static void start(void) {
    stack = stack_create("plans", NULL);
    stack_start(stack, "postgres");
    char *url = xasprintf("postgres://postgres@127.0.0.1:%u/messaging_service", stack_port(stack, "postgres"));
    connection = PQconnectdb(url);
    PQsetNoticeReceiver(connection, on_notice, NULL);
    fill();
    free(url);
}

static void end(void) {
    PQfinish(connection);
    stack_destroy(stack);
}

// A session of its own for each test.
static void renew(void) {
    PQreset(connection);
    looked_at.name = NULL;
}

// ---- What ingest runs

// Parameters that a statement's types alone don't give; a file may be here several times.
static const struct {
    const char *file;
    const char *values[8];
} known[] = {
    {"conversations.sql", {"infinity", "9223372036854775807", "51", "0"}},
    {"conversations_of_channel.sql", {"infinity", "9223372036854775807", "51", "0", "sms"}},
    {"conversations_of_participant.sql", {"infinity", "9223372036854775807", "51", "0", "sms", "+18045551234"}},
    {"dead_letters.sql", {"infinity", "9223372036854775807", "-infinity", "51", "0", "32768"}},
    {"dead_letters_of_class.sql", {"infinity", "9223372036854775807", "-infinity", "51", "0", "32768", "rejected"}},
    {"dead_letters_of_provider.sql", {"infinity", "9223372036854775807", "-infinity", "51", "0", "32768", "sms-mms"}},
    {"dead_letters_of_provider_and_class.sql",
     {"infinity", "9223372036854775807", "-infinity", "51", "0", "32768", "sms-mms", "rejected"}},
    {"dead_letters_open.sql", {NULL, NULL, "infinity"}},
    {"dead_letters_open.sql", {"email", NULL, "infinity"}},
    {"dead_letters_open.sql", {NULL, "timeout", "infinity"}},
    {"dead_letters_open.sql", {"email", "timeout", "infinity"}},
    {"opt_outs.sql", {"infinity", "9223372036854775807", "51", "0", NULL, NULL, NULL}},
    {"messages_of_conversation.sql",
     {"1", "-infinity", "-infinity", "00000000-0000-0000-0000-000000000000", "51", "0", "32768",
      "00000000-0000-0000-0000-000000000000"}},
};

enum { OID_BOOL = 16, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23, OID_UUID = 2950, OID_TIMESTAMPTZ = 1184 };

static const char *value_of_type(Oid type) {
    switch (type) {
    case OID_BOOL:
        return "true";
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
        return "51";
    case OID_UUID:
        return SOME_ID;
    case OID_TIMESTAMPTZ:
        return "2023-01-01 05:00:00+00";
    default:
        return "sms-mms";
    }
}

static int choose_by_type(const char *file, const char *values[8]) {
    PGresult *described = PQdescribePrepared(connection, file);
    int count = PQnparams(described);
    ck_assert_int_le(count, 8);
    for (int i = 0; i < count; i++) {
        values[i] = value_of_type(PQparamtype(described, i));
    }
    PQclear(described);
    return count;
}

// Planning takes as long as reading a page.
static void check_planned_once(const char *file) {
    const char *values[] = {file};
    PGresult *rows = PQexecParams(connection, "SELECT custom_plans FROM pg_prepared_statements WHERE name = $1", 1,
                                  NULL, values, NULL, NULL, 0);
    ck_assert_int_eq(PQntuples(rows), 1);
    ck_assert_msg(strcmp(PQgetvalue(rows, 0, 0), "0") == 0, "%s was planned %s times", file, PQgetvalue(rows, 0, 0));
    PQclear(rows);
}

static void execute(const char *file, int count, const char *const values[8]) {
    for (int i = 0; i < EXECUTIONS; i++) {
        run("BEGIN");
        PGresult *result = PQexecPrepared(connection, file, count, values, NULL, NULL, 0);
        ExecStatusType status = PQresultStatus(result);
        ck_assert_msg(status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK, "%s: %s", file,
                      PQerrorMessage(connection));
        PQclear(result);
        run("ROLLBACK");
    }
}

static void check_statement(const char *path) {
    const char *file = strrchr(path, '/') + 1, *values[8] = {NULL};
    if (strcmp(file, "session.sql") == 0) {
        return; // not a statement: it is run at each connect
    }
    char *sql = read_whole_file(path);
    PGresult *prepared = PQprepare(connection, file, sql, 0, NULL);
    ck_assert_msg(PQresultStatus(prepared) == PGRES_COMMAND_OK, "%s: %s", file, PQerrorMessage(connection));
    PQclear(prepared);
    int count = choose_by_type(file, values);
    bool is_known = false;
    look_at(file, PAGE_ROWS);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].file, file) == 0) {
            execute(file, count, known[i].values);
            is_known = true;
        }
    }
    if (!is_known) {
        execute(file, count, values);
    }
    look_away();
    check_planned_once(file);
    free(sql);
}

START_TEST(no_statement_of_ingest_reads_more_than_its_page_or_is_planned_twice) {
    glob_t found;
    char *pattern = xasprintf("%s/ingest/read/sql/*.sql", getenv("PROJECT_ROOT"));
    run_file("ingest/read/sql/session.sql");
    tell_plans();
    ck_assert_int_eq(glob(pattern, 0, NULL, &found), 0);
    ck_assert_uint_ge(found.gl_pathc, sizeof known / sizeof *known);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        check_statement(found.gl_pathv[i]);
    }
    globfree(&found);
    free(pattern);
}
END_TEST

// ---- What the persister runs

// A third of it is new messages, a third their outcomes, the rest failures of messages that are known; then receipts of
// new ones, of known ones and of some that aren't there.
static void stage_batch(void) {
    run("INSERT INTO staging (position, slot, kind, message_id, generation, happened_at, provider, channel, key,"
        " participant_a, participant_b, direction, type, from_address, to_address, body, occurred_at, accepted_at,"
        " request_id, other_id, family, mark)"
        " SELECT i, 0, 'message', ('00000000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid, 0, now(), 'sms-mms', "
        "'sms',"
        " 'sms:+1' || (2000004900 + i) || '<->+18045551234', '+1' || (2000004900 + i), '+18045551234', 'outbound', "
        "'sms',"
        " '+18045551234', '+1' || (2000004900 + i), 'Hello', now(), now(), '', gen_random_uuid(), gen_random_uuid(), i "
        "FROM "
        "generate_series(0, 665) AS i");
    run("INSERT INTO staging (position, slot, kind, message_id, generation, happened_at, provider, verdict, call, "
        "delivery,"
        " late, outcome, http_status, latency_us, started_at, mark)"
        " SELECT 666 + i, 0, 'outcome', CASE WHEN i < 666 THEN ('00000000-0000-7000-8000-' || lpad(i::text, 12, "
        "'0'))::uuid"
        " ELSE (SELECT id FROM messages WHERE conversation_id = 1 AND occurred_at >= '2023-01-01'::timestamptz + i * "
        "interval '10 seconds' ORDER BY occurred_at LIMIT 1) END, 0, now(), 'sms-mms', CASE WHEN i < 666 THEN 'sent' "
        "ELSE "
        "'failed' END, 1, 1, false, CASE WHEN i < 666 THEN 'sent' ELSE 'rejected' END, 201, 1000, now(), 666 + i"
        " FROM generate_series(0, 1333) AS i");
    run("INSERT INTO staging (position, slot, kind, message_id, generation, happened_at, provider, "
        "provider_message_id, "
        "receipt, mark) SELECT 2000 + i, 0, 'receipt', CASE i % 3 WHEN 0 THEN ('00000000-0000-7000-8000-' || "
        "lpad(i::text, 12, '0'))::uuid WHEN 1 THEN (SELECT id FROM messages WHERE conversation_id = 1 AND occurred_at "
        ">= "
        "'2023-01-01'::timestamptz + i * interval '10 seconds' ORDER BY occurred_at LIMIT 1) ELSE gen_random_uuid() "
        "END, "
        "0, now(), 'sms-mms', 'SM2', CASE i % 2 WHEN 0 THEN 'delivered' ELSE 'undelivered' END, 2000 + i FROM "
        "generate_series(0, 499) AS i");
}

START_TEST(no_step_of_a_batch_reads_more_than_the_batch) {
    run_file("persister/sql/staging.sql");
    run_file("persister/sql/batch.sql");
    run("SELECT pg_temp.store_batch((SELECT token FROM session), 0, 0)"); // its plans are kept, so those of an empty
                                                                          // batch must be good for a full one
    stage_batch();
    tell_plans();
    look_at("batch.sql", BATCH_ROWS);
    run("SELECT pg_temp.store_batch((SELECT token FROM session), 2500, 3123750)");
    look_away();
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages"), MESSAGES + 666);
}
END_TEST

START_TEST(the_janitor_finds_what_is_old_by_an_index) {
    run("UPDATE dead_letters SET failed_at = now() - interval '31 days' WHERE id % 100 = 0");
    run_file("persister/sql/staging.sql"); // the janitor's is the persister's session
    tell_plans();
    look_at("expire.sql", 1000);
    run_file("persister/sql/expire.sql");
    look_away();
    run("UPDATE receipts SET early = true, recorded_at = now() - interval '25 hours' WHERE message_id IN (SELECT "
        "message_id FROM receipts LIMIT 500)");
    look_at("expire_receipts.sql", 1000);
    run_file("persister/sql/expire_receipts.sql");
    look_away();
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM receipts WHERE early AND recorded_at < now() - interval "
                                      "'24 hours'"),
                     0);
}
END_TEST

// The last one, for it deletes.
START_TEST(a_page_of_what_is_deleted_reads_that_page) {
    run("SELECT set_config('messaging.retention_days', '7', false)");
    run_file("persister/sql/retention_session.sql");
    run("CREATE TEMPORARY TABLE place AS SELECT timestamptz '-infinity' AS at, "
        "'00000000-0000-0000-0000-000000000000'::uuid AS id");
    tell_plans();
    for (int i = 0; i < EXECUTIONS; i++) {
        look_at("retention_session.sql", PAGE_ROWS);
        run("WITH page AS (SELECT e.* FROM place, pg_temp.expire_messages(at, place.id, 51, 3::smallint) AS e) "
            "UPDATE place SET at = page.at, id = page.id FROM page");
        look_away();
    }
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages"), MESSAGES + 666 - EXECUTIONS * PAGE_ROWS);
    run("UPDATE dead_letters SET stage = 'persist' WHERE id % 100 = 1");
    look_at("expire_letters.sql", 1000);
    run_file("persister/sql/expire_letters.sql");
    look_away();
    run("UPDATE erased_messages SET erased_at = erased_at - interval '30 days'");
    look_at("expire_erased.sql", 1000);
    run_file("persister/sql/expire_erased.sql");
    look_away();
    look_at("expire_strays.sql", 1000);
    run_file("persister/sql/expire_strays.sql");
    look_away();
    look_at("retention_end.sql", 1);
    run_file("persister/sql/retention_end.sql");
    look_away();
}
END_TEST

Suite *suite_plans(void);

Suite *suite_plans(void) {
    Suite *suite = suite_create("plans");
    TCase *tcase = tcase_create("plans");
    tcase_add_unchecked_fixture(tcase, start, end);
    tcase_add_checked_fixture(tcase, renew, NULL);
    tcase_add_test(tcase, no_statement_of_ingest_reads_more_than_its_page_or_is_planned_twice);
    tcase_add_test(tcase, no_step_of_a_batch_reads_more_than_the_batch);
    tcase_add_test(tcase, the_janitor_finds_what_is_old_by_an_index);
    tcase_add_test(tcase, a_page_of_what_is_deleted_reads_that_page);
    tcase_set_timeout(tcase, 0);
    suite_add_tcase(suite, tcase);
    return suite;
}
