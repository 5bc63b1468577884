// SPDX-License-Identifier: MIT
// Messages that are deleted for good (migration 0011): whatever goes, and whatever is stored, repeated or comes late
// meanwhile, each count is that of the rows that are left, at every instant.

#include <check.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/events.h"
#include "tests/support/load.h"
#include "tests/support/private_postgres.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"

#define TABLES_OF_MESSAGES                                                                                             \
    "(SELECT id FROM messages UNION ALL SELECT message_id FROM attachments UNION ALL SELECT message_id FROM "          \
    "message_aliases UNION ALL SELECT message_id FROM deliveries UNION ALL SELECT message_id FROM dispatch_attempts "  \
    "UNION ALL SELECT message_id FROM dead_letters UNION ALL SELECT message_id FROM replays UNION ALL SELECT "         \
    "message_id FROM receipts)"

Suite *suite_retention(void);

static struct stack *stack;
static char *counts_sql;

static char *project_file(const char *name) {
    char *path = xasprintf("%s/%s", getenv("PROJECT_ROOT"), name);
    char *text = read_whole_file(path);
    ck_assert_msg(text != NULL, "%s is missing", path);
    free(path);
    return text;
}

static void start(void) {
    stack = stack_create("retention", NULL);
    stack_start(stack, "postgres");
    char *aged = project_file("tests/support/sql/aged.sql");
    stack_sql(stack, "%s", aged);
    free(aged);
    counts_sql = project_file("tests/chaos/counts.sql");
    stack_start(stack, "ingest-1");
}

static void end(void) {
    free(counts_sql);
    stack_destroy(stack);
}

static void stop(const char *name) {
    if (stack_is_running(stack, name)) {
        stack_stop(stack, name);
    }
}

static void recover(void) {
    stack_recover(stack);
    stop("persister-1");
    stop("persister-2");
    // It locks all of them, one after the other, and may meet a query of ingest's that has some.
    WAIT_FOR(20000, stack_sql(stack, "TRUNCATE conversations, messages, attachments, deliveries, dispatch_attempts, "
                                     "dead_letters, replays, receipts, participant_totals, conversation_aliases, "
                                     "message_aliases, erased_messages RESTART IDENTITY; "
                                     "UPDATE totals SET conversations = 0, messages = 0; SELECT 1") == 1);
}

// ---- What must hold

// The rules of tests/chaos/counts.sql, those left out that are about what dispatchers bring about.
static void assert_exact(void) {
    char *wrong = stack_sql_text(stack,
                                 "SELECT coalesce(string_agg(rule || ': ' || wrong, ', '), '') FROM (%s) AS rules "
                                 "WHERE wrong > 0 AND rule NOT LIKE 'outbound%%'",
                                 counts_sql);
    ck_assert_msg(*wrong == '\0', "%s", wrong);
    free(wrong);
}

// What Postgres has logged of its deadlocks so far; it counts them, too, but tells of that late.
static char *deadlocks(void) {
    char *path = xasprintf("%s/postgres.log", stack_folder(stack)), *log = read_whole_file(path);
    ck_assert(log != NULL);
    const char *at = strstr(log, "deadlock detected");
    char *told = xstrdup(at != NULL ? at : "");
    free(log);
    free(path);
    return told;
}

static void assert_no_deadlock_since(char *before) {
    char *now = deadlocks();
    ck_assert_msg(strlen(now) == strlen(before) || strstr(now + strlen(before), "deadlock detected") == NULL, "%s",
                  now + strlen(before));
    free(now);
    free(before);
}

// No row refers to a message that isn't there.
static void assert_no_orphans(void) {
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM " TABLES_OF_MESSAGES
                                      " AS r WHERE NOT EXISTS (SELECT FROM messages m WHERE m.id = r.id)"),
                     0);
}

static int64_t rows_of(const char *id) {
    return stack_sql(stack, "SELECT count(*) FROM " TABLES_OF_MESSAGES " AS r WHERE r.id = '%s'", id);
}

static void aged(int64_t first, int64_t rows, int conversations, const char *oldest, const char *newest) {
    stack_sql(stack, "SELECT count(aged(%lld, %lld, %d, '%s', '%s'))", (long long)first, (long long)rows, conversations,
              oldest, newest);
}

static void wait_recorded(void) {
    WAIT_FOR(15000, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 0);
}

// ---- One step: erase_messages()

static int64_t erase_random(int count) {
    return stack_sql(stack,
                     "SELECT messages FROM erase_messages(ARRAY(SELECT id FROM messages ORDER BY random() LIMIT %d), "
                     "7::smallint, NULL)",
                     count);
}

START_TEST(random_messages_go_and_every_count_is_that_of_the_rows) {
    int64_t left = 4000;
    aged(0, left, 60, "40 days", "1 day");
    for (int count = 1; left > 0; count = count * 2 % 509) {
        int64_t gone = erase_random(count);
        left -= gone;
        ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages"), left);
        assert_exact();
        assert_no_orphans();
    }
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversations"), 0);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM participant_totals"), 0);
}
END_TEST

START_TEST(persisters_store_beside_it_and_nobody_deadlocks) {
    char *before = deadlocks();
    aged(0, 3000, 20, "29 days", "1 hour"); // conversations that the load adds to
    stack_start(stack, "persister-1");
    stack_start(stack, "persister-2");
    struct load *load = load_start(&(struct load_options){.ports = {stack_port(stack, "ingest-1")},
                                                          .threads = 4,
                                                          .count = 1200,
                                                          .senders = 20,
                                                          .first = 2000,
                                                          .pause_ms = 1});
    int64_t gone = 0;
    while (load_accepted(load) < 1200) {
        gone += erase_random(40);
        assert_exact();
    }
    struct load_result *result = load_finish(load);
    wait_recorded();
    ck_assert_int_gt(gone, 0);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages"), 3000 + result->accepted - gone);
    load_result_free(result);
    assert_exact();
    assert_no_orphans();
    assert_no_deadlock_since(before);
}
END_TEST

START_TEST(a_conversation_goes_with_its_last_message_and_with_its_older_ids) {
    aged(0, 64, 4, "2 days", "1 day");
    int64_t id = stack_sql(stack, "SELECT min(id) FROM conversations");
    stack_sql(stack, "INSERT INTO conversation_aliases VALUES (1000, %lld)", (long long)id);
    stack_sql(stack,
              "SELECT count(erase_messages(ARRAY(SELECT id FROM messages WHERE conversation_id = %lld ORDER BY "
              "accepted_at DESC OFFSET 1), 0::smallint, now()))",
              (long long)id);
    ck_assert_int_eq(stack_sql(stack, "SELECT message_count FROM conversations WHERE id = %lld", (long long)id), 1);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "GET", "/api/conversations/1000/messages", NULL), 200);
    stack_sql(stack,
              "SELECT count(erase_messages(ARRAY(SELECT id FROM messages WHERE conversation_id = %lld), 0::smallint, "
              "now()))",
              (long long)id);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversations WHERE id = %lld", (long long)id), 0);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversation_aliases"), 0);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "GET", "/api/conversations/1000/messages", NULL), 404);
    assert_exact();
}
END_TEST

// How many pages it takes to delete the oldest five of a conversation's.
static int64_t pages_looked_at(PGconn *connection, int conversation) {
    char *ids = stack_sql_text(stack,
                               "SELECT array_agg(id) FROM (SELECT id FROM messages WHERE conversation_id = %d ORDER BY "
                               "accepted_at LIMIT 5) AS oldest",
                               conversation);
    char *sql = xasprintf("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) SELECT count(erase_messages('%s', "
                          "0::smallint, now()))",
                          ids);
    PGresult *result = PQexec(connection, sql);
    int64_t pages = -1;
    for (int i = 0; i < PQntuples(result) && pages < 0; i++) {
        const char *at = strstr(PQgetvalue(result, i, 0), "shared hit=");
        pages = at != NULL ? strtoll(at + strlen("shared hit="), NULL, 10) : -1;
    }
    ck_assert_msg(pages >= 0, "%s", PQerrorMessage(connection));
    PQclear(result);
    free(sql);
    free(ids);
    return pages;
}

// While a dump runs, nothing of what is deleted can be swept up.
START_TEST(what_has_gone_of_a_long_conversation_is_not_looked_at_by_each_step) {
    aged(0, 20000, 20, "29 days", "8 days"); // each page of the table has some of each conversation
    stack_sql(stack, "ANALYZE messages");
    char *url = postgres_url(stack_port(stack, "postgres"));
    PGconn *dump = PQconnectdb(url), *connection = PQconnectdb(url);
    PQclear(PQexec(dump, "BEGIN ISOLATION LEVEL REPEATABLE READ"));
    PQclear(PQexec(dump, "SELECT count(*) FROM conversations"));
    PQclear(PQexec(connection, "SET random_page_cost = 0.1; SET enable_bitmapscan = off")); // as retention_session.sql
    pages_looked_at(connection, 1); // which fills the session's caches
    int64_t first = pages_looked_at(connection, 1);
    stack_sql(stack, "SELECT count(erase_messages(ARRAY(SELECT id FROM messages WHERE conversation_id = 2 ORDER BY "
                     "accepted_at LIMIT 800), 0::smallint, now()))");
    ck_assert_int_lt(pages_looked_at(connection, 2), first + 200);
    PQfinish(connection);
    PQfinish(dump);
    free(url);
    assert_exact();
}
END_TEST

// ---- What comes of a message that was deleted

static char *store_one(const char *id) {
    free(events_add_accepted(stack, id, "+15550001000", "Hello"));
    free(events_add_outcome(stack, id, 0, 1, "sent", "sent"));
    wait_recorded();
    ck_assert_int_gt(rows_of(id), 0);
    return stack_sql_text(stack, "SELECT id FROM conversations");
}

START_TEST(what_comes_of_a_deleted_message_is_not_recorded) {
    char *id = events_new_id();
    stack_start(stack, "persister-1");
    char *conversation = store_one(id);
    stack_sql(stack, "SELECT count(erase_messages(ARRAY['%s']::uuid[], 0::smallint, now()))", id);
    free(events_add_accepted(stack, id, "+15550001000", "Hello"));
    free(events_add_outcome(stack, id, 0, 2, "failed", "rejected"));
    free(events_add_replayed(stack, id, 1));
    free(events_add_receipt(stack, id, "undelivered", "SM1", -1));
    free(events_add_cancelled(stack, id, 1, 1));
    wait_recorded();
    ck_assert_int_eq(rows_of(id), 0);
    char *path = xasprintf("/api/messages/%s", id);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "GET", path, NULL), 404);
    assert_exact();
    free(path);
    free(conversation);
    free(id);
}
END_TEST

START_TEST(others_of_the_same_batch_are_recorded) {
    char *gone = events_new_id(), *stays = events_new_id();
    stack_sql(stack, "INSERT INTO erased_messages VALUES ('%s', now())", gone);
    free(events_add_accepted(stack, gone, "+15550001000", "Hello"));
    free(events_add_accepted(stack, stays, "+15550001000", "Hello"));
    free(events_add_outcome(stack, gone, 0, 1, "sent", "sent"));
    free(events_add_outcome(stack, stays, 0, 1, "sent", "sent"));
    stack_start(stack, "persister-1");
    wait_recorded();
    ck_assert_int_eq(rows_of(gone), 0);
    ck_assert_int_eq(rows_of(stays), 3);
    assert_exact();
    free(stays);
    free(gone);
}
END_TEST

static char *receive(const char *id, const char *from, const char *body, enum opt_out_state opt_out, int64_t at_ms) {
    char *texts[] = {xstrdup(from), xstrdup("+12016661234"), xstrdup(body), xstrdup("test"), xstrdup("SM1")};
    struct message message = {.type = MESSAGE_SMS,
                              .direction = MESSAGE_INBOUND,
                              .from = texts[0],
                              .to = texts[1],
                              .sender = texts[0],
                              .recipient = texts[1],
                              .body = texts[2],
                              .occurred_ms = at_ms,
                              .accepted_ms = at_ms,
                              .request_id = texts[3],
                              .provider_message_id = texts[4],
                              .opt_out = opt_out,
                              .opt_out_ms = at_ms,
                              .opt_out_came_ms = at_ms};
    char *entry = events_add_message(stack, "*", id, &message);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        free(texts[i]);
    }
    return entry;
}

// It was said before the message was deleted, and who says it again isn't asked.
START_TEST(who_opts_out_in_a_message_that_is_deleted_on_its_way_has_done_so) {
    char *id = events_new_id(), *again = events_new_id();
    int64_t now_ms = stack_sql(stack, "SELECT (extract(epoch FROM now()) * 1000)::bigint");
    stack_sql(
        stack,
        "INSERT INTO erased_messages VALUES ('%s', now() + interval '1 minute'), ('%s', now() - interval '1 minute')",
        id, again);
    stack_sql(stack, "INSERT INTO opt_outs SELECT 'sms', '+12016661234', n, 'in', now() - interval '1 hour', now() - "
                     "interval '1 hour', "
                     "'recipient' FROM unnest(ARRAY['+18045550001', '+18045550002']) AS n");
    free(receive(id, "+18045550001", "STOP", OPT_OUT_OUT, now_ms));
    free(receive(again, "+18045550002", "STOP", OPT_OUT_OUT, now_ms));
    stack_start(stack, "persister-1");
    wait_recorded();
    ck_assert_int_eq(rows_of(id) + rows_of(again), 0);
    char *states = stack_sql_text(stack, "SELECT string_agg(state, ' ' ORDER BY their_address) FROM opt_outs");
    ck_assert_str_eq(states, "out in");
    free(states);
    stack_sql(stack, "TRUNCATE opt_outs");
    free(again);
    free(id);
}
END_TEST

// What was recorded of it without its message is deleted in the end.
// A persister that an earlier test has stopped may have left Postgres at it.
static bool nobody_looks_for_strays(void) {
    return stack_sql(stack, "SELECT count(*) FROM (SELECT FROM stray_search FOR UPDATE SKIP LOCKED) s") == 1;
}

START_TEST(what_is_left_of_messages_that_are_not_stored_goes_after_30_days) {
    WAIT_FOR(20000, nobody_looks_for_strays());
    aged(0, 400, 9, "40 days", "20 days");
    stack_sql(stack, "DELETE FROM attachments; DELETE FROM message_aliases; DELETE FROM messages WHERE id IN (SELECT "
                     "message_id FROM deliveries)");
    int64_t young = stack_sql(stack, "SELECT count(*) FROM deliveries WHERE updated_at > now() - interval '30 days'");
    ck_assert_int_gt(young, 50);
    ck_assert_int_eq(stack_sql(stack, "SELECT deleted FROM forget_strays()"), 200 - young);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM deliveries"), young);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM (SELECT message_id FROM dispatch_attempts UNION ALL SELECT "
                                      "message_id FROM dead_letters UNION ALL SELECT message_id FROM replays UNION ALL "
                                      "SELECT message_id FROM receipts) r WHERE message_id NOT IN (SELECT message_id "
                                      "FROM deliveries)"),
                     0);
}
END_TEST

START_TEST(strays_are_looked_for_in_all_deliveries_in_turn) {
    WAIT_FOR(20000, nobody_looks_for_strays());
    aged(0, 6000, 9, "40 days", "35 days");
    stack_sql(stack, "DELETE FROM attachments; DELETE FROM message_aliases; DELETE FROM messages WHERE id IN (SELECT "
                     "message_id FROM deliveries WHERE status = 'failed')");
    int64_t found = 0;
    for (int i = 0; i < 4; i++) {
        found += stack_sql(stack, "SELECT deleted FROM forget_strays()");
    }
    ck_assert_int_eq(found, 750);
    ck_assert_int_eq(stack_sql(stack, "SELECT deleted FROM forget_strays()"), 0);
}
END_TEST

// ---- MESSAGE_RETENTION_DAYS

static const char *const a_week[] = {"MESSAGE_RETENTION_DAYS=7", NULL};

static int64_t older_than_a_week(void) {
    return stack_sql(stack, "SELECT count(*) FROM messages m WHERE accepted_at < now() - interval '7 days' AND "
                            "(direction = 'inbound' OR EXISTS (SELECT FROM deliveries d WHERE d.message_id = m.id AND "
                            "final))");
}

// None of them gets a week old meanwhile.
static void aged_around_a_week(int64_t rows, int conversations) {
    aged(0, rows * 3 / 4, conversations, "29 days", "8 days");
    aged(rows * 3 / 4, rows / 4, conversations, "6 days", "1 hour");
}

// Starts a persister that deletes, and waits for the end of its first pass, which deletes something.
static void pass(void) {
    int told = stack_log_count(stack, "persister-1", "retention");
    stack_start_with(stack, "persister-1", a_week);
    WAIT_FOR(30000, stack_log_count(stack, "persister-1", "retention") > told);
}

static double sample(const char *series) {
    struct answer *answer =
        stack_call(stack, "ingest-1", "GET", "/metrics", NULL, (const char *const[]){"Accept: text/plain", NULL});
    char *line = xasprintf("\n%s ", series);
    const char *at = strstr(answer->body, line);
    double value = at != NULL ? strtod(at + strlen(line), NULL) : -1;
    free(line);
    answer_free(answer);
    return value;
}

START_TEST(what_is_older_and_whose_course_is_over_goes_and_nothing_else) {
    freeReplyObject(stack_redis(stack, "DEL metrics"));
    aged_around_a_week(4000, 40);
    int64_t all = 4000, old = older_than_a_week();
    int64_t ids = stack_sql(stack, "SELECT count(*) FROM message_aliases JOIN messages m ON m.id = message_id WHERE "
                                   "accepted_at < now() - interval '7 days'");
    ck_assert_int_gt(old, 1000);
    pass();
    ck_assert_int_eq(older_than_a_week(), 0);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages"), all - old);
    ck_assert_int_gt(stack_sql(stack, "SELECT count(*) FROM messages WHERE accepted_at < now() - interval '7 days'"),
                     10); // whose course isn't over
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM erased_messages"), old + ids);
    assert_exact();
    assert_no_orphans();
    WAIT_FOR(10000, sample("messaging_retention_deleted_total") == (double)old);
    WAIT_FOR(10000, sample("messaging_retention_oldest_age_seconds") > 20 * 86400.0);
}
END_TEST

START_TEST(ids_of_deleted_messages_are_forgotten_30_days_after_these_were_accepted) {
    aged(0, 640, 4, "40 days", "20 days");
    int64_t young = stack_sql(stack, "SELECT count(*) FROM messages m WHERE accepted_at > now() - interval '30 days'");
    pass();
    ck_assert_int_eq(older_than_a_week(), 0);
    ck_assert_int_le(stack_sql(stack, "SELECT count(*) FROM erased_messages"), young + 10);
    ck_assert_int_ge(stack_sql(stack, "SELECT count(*) FROM erased_messages"),
                     young - 10); // queued ones are there still
    stack_stop(stack, "persister-1");
    stack_sql(stack, "UPDATE erased_messages SET erased_at = erased_at - interval '30 days'");
    stack_start(stack, "persister-1"); // one that deletes no messages forgets ids all the same
    WAIT_FOR(20000, stack_sql(stack, "SELECT count(*) FROM erased_messages") == 0);
}
END_TEST

START_TEST(dead_letters_of_no_message_go_by_their_own_time) {
    stack_sql(stack,
              "INSERT INTO dead_letters (stage, generation, provider, reason, attempts, failed_at, stream, entry_id, "
              "entry) SELECT 'persist', 0, 'sms-mms', 'poison', 0, now() - n * interval '1 day', 's', n, '{}' FROM "
              "generate_series(1, 20) AS n");
    stack_sql(stack,
              "INSERT INTO dead_letters (stage, generation, provider, reason, attempts, failed_at, channel, hash, "
              "client_address, request_id, arrived_at, raw) SELECT 'webhook', 0, 'sms-mms', 'unread: x', 0, now() - "
              "n * interval '1 day', 'sms', n, '127.0.0.1', 'x', now(), '' FROM generate_series(1, 20) AS n");
    stack_start_with(stack, "persister-1", a_week);
    WAIT_FOR(20000, stack_sql(stack, "SELECT count(*) FROM dead_letters") == 12);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE failed_at < now() - interval '7 days'"),
                     0);
}
END_TEST

static bool persister_reports(const char *name, const char *code) {
    redisReply *reply = stack_redis(stack, "GET trouble:persister:%s", name);
    bool does = reply != NULL && reply->type == REDIS_REPLY_STRING && strstr(reply->str, code) != NULL;
    freeReplyObject(reply);
    return does;
}

START_TEST(while_it_is_behind_by_more_than_a_day_it_says_so) {
    aged(0, 10000, 60, "29 days", "10 days");
    stack_start_with(stack, "persister-1", a_week);
    WAIT_FOR(20000, persister_reports("persister-1", "retention_behind"));
    WAIT_FOR(120000, older_than_a_week() == 0);
    WAIT_FOR(20000, !persister_reports("persister-1", "retention_behind"));
}
END_TEST

START_TEST(persisters_that_are_killed_and_share_the_work_end_the_same) {
    char *before = deadlocks();
    int64_t all = 12000, kills = 0;
    aged_around_a_week(all, 60);
    int64_t old = older_than_a_week(), left = all - old;
    struct load *load = load_start(&(struct load_options){.ports = {stack_port(stack, "ingest-1")},
                                                          .threads = 2,
                                                          .count = 1500,
                                                          .senders = 20,
                                                          .first = 2000,
                                                          .pause_ms = 3});
    stack_start_with(stack, "persister-2", a_week);
    for (int64_t seen = old; seen > 0; seen = older_than_a_week()) {
        stack_start_with(stack, "persister-1", a_week);
        WAIT_FOR(60000, older_than_a_week() < seen || older_than_a_week() == 0);
        stack_kill(stack, "persister-1");
        assert_exact();
        stack_start_with(stack, "persister-1", a_week);
        stack_kill(stack, "persister-2");
        stack_start_with(stack, "persister-2", a_week);
        stack_kill(stack, "persister-1");
        kills += 3;
    }
    ck_assert_int_gt(kills, 0);
    struct load_result *result = load_finish(load);
    wait_recorded();
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages"), left + result->accepted);
    load_result_free(result);
    assert_exact();
    assert_no_orphans();
    assert_no_deadlock_since(before);
}
END_TEST

START_TEST(what_is_locked_holds_nobody_up_and_goes_later) {
    aged(0, 1000, 10, "29 days", "8 days");
    char *url = postgres_url(stack_port(stack, "postgres"));
    PGconn *other = PQconnectdb(url);
    PQclear(PQexec(other, "BEGIN"));
    PGresult *result = PQexec(other, "SELECT FROM conversations WHERE id = 3 FOR NO KEY UPDATE");
    ck_assert_msg(PQntuples(result) == 1, "%s", PQerrorMessage(other));
    PQclear(result);
    pass();
    ck_assert_int_eq(older_than_a_week(),
                     stack_sql(stack, "SELECT count(*) FROM messages m WHERE conversation_id = 3 AND (direction = "
                                      "'inbound' OR id IN (SELECT message_id FROM deliveries WHERE final))"));
    ck_assert_int_gt(older_than_a_week(), 50);
    PQclear(PQexec(other, "COMMIT"));
    PQfinish(other);
    stack_stop(stack, "persister-1");
    stack_start_with(stack, "persister-1", a_week);
    WAIT_FOR(20000, older_than_a_week() == 0);
    assert_exact();
    free(url);
}
END_TEST

// Whether the session that deletes is idle, and this is what it was asked last.
static bool session_rests_after(const char *asked) {
    return stack_sql(stack,
                     "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'persister-1-retention' AND "
                     "state = 'idle' AND position('%s' IN query) > 0",
                     asked) == 1;
}

START_TEST(whose_session_has_ended_waits_for_its_turn_again) {
    aged(0, 1000, 10, "29 days", "8 days");
    int64_t all = stack_sql(stack, "SELECT count(*) FROM messages");
    char *url = postgres_url(stack_port(stack, "postgres"));
    PGconn *other = PQconnectdb(url);
    PQclear(PQexec(other, "BEGIN"));
    PGresult *result = PQexec(other, "LOCK TABLE attachments IN SHARE MODE");
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s", PQerrorMessage(other));
    PQclear(result);
    stack_start_with(stack, "persister-1", a_week);
    WAIT_FOR(20000, session_rests_after("FROM pg_temp.expire_messages"));
    stack_sql(stack, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = "
                     "'persister-1-retention'");
    result = PQexec(other, "SELECT pg_advisory_lock(hashtext('retention'))"); // as another persister that goes on
    ck_assert_msg(PQntuples(result) == 1, "%s", PQerrorMessage(other));
    PQclear(result);
    PQclear(PQexec(other, "COMMIT"));
    WAIT_FOR(20000, session_rests_after("pg_try_advisory_lock"));
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages"), all);
    PQfinish(other);
    WAIT_FOR(20000, older_than_a_week() == 0);
    assert_exact();
    free(url);
}
END_TEST

START_TEST(a_cursor_that_points_at_a_deleted_message_goes_on) {
    aged(0, 400, 2, "29 days", "1 hour");
    struct answer *page = stack_call(stack, "ingest-1", "GET", "/api/conversations/1/messages?pageSize=10", NULL, NULL);
    char *path =
        xasprintf("/api/conversations/1/messages?pageSize=10&cursor=%s", answer_text(page, "meta.next_cursor"));
    char *last = xstrdup(answer_text(page, "items.9.id"));
    answer_free(page);
    char *expected = stack_sql_text(
        stack,
        "SELECT id FROM messages WHERE conversation_id = 1 AND accepted_at > (SELECT accepted_at FROM messages "
        "WHERE id = '%s') ORDER BY accepted_at OFFSET 5 LIMIT 1",
        last);
    stack_sql(
        stack,
        "SELECT count(erase_messages(ARRAY(SELECT id FROM messages WHERE conversation_id = 1 ORDER BY accepted_at "
        "LIMIT 15), 0::smallint, NULL))");
    page = stack_call(stack, "ingest-1", "GET", path, NULL, NULL);
    ck_assert_int_eq(page->status, 200);
    ck_assert_str_eq(answer_text(page, "items.0.id"), expected);
    ck_assert(answer_number(page, "meta.total") == 185);
    answer_free(page);
    free(expected);
    free(last);
    free(path);
}
END_TEST

START_TEST(a_retention_below_what_keys_are_remembered_for_is_refused_in_one_line) {
    char *program = xasprintf("%s/persister", getenv("BUILD_DIR"));
    static const char *const environment[] = {"MESSAGE_RETENTION_DAYS=1", "IDEMPOTENCY_TTL_SECS=86401", NULL};
    struct child *child = child_start(&(struct child_options){.name = "refused",
                                                              .folder = stack_folder(stack),
                                                              .argv = (const char *const[]){program, NULL},
                                                              .environment = environment,
                                                              .death_signal = SIGKILL});
    ck_assert_int_eq(child_wait(child, 10000), 2);
    child_destroy(child);
    char *path = xasprintf("%s/refused.log", stack_folder(stack)), *said = read_whole_file(path);
    ck_assert_str_eq(said, "persister: MESSAGE_RETENTION_DAYS is '1': it must be 0, or no shorter than "
                           "IDEMPOTENCY_TTL_SECS, which is 86401 s\n");
    free(said);
    free(path);
    free(program);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_retention(void) {
    Suite *suite = suite_create("retention");
    TCase *tests = tcase_create("retention");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_set_timeout(tests, 400);
    tcase_add_test(tests, random_messages_go_and_every_count_is_that_of_the_rows);
    tcase_add_test(tests, persisters_store_beside_it_and_nobody_deadlocks);
    tcase_add_test(tests, a_conversation_goes_with_its_last_message_and_with_its_older_ids);
    tcase_add_test(tests, what_has_gone_of_a_long_conversation_is_not_looked_at_by_each_step);
    tcase_add_test(tests, what_comes_of_a_deleted_message_is_not_recorded);
    tcase_add_test(tests, others_of_the_same_batch_are_recorded);
    tcase_add_test(tests, who_opts_out_in_a_message_that_is_deleted_on_its_way_has_done_so);
    tcase_add_test(tests, what_is_left_of_messages_that_are_not_stored_goes_after_30_days);
    tcase_add_test(tests, strays_are_looked_for_in_all_deliveries_in_turn);
    tcase_add_test(tests, what_is_older_and_whose_course_is_over_goes_and_nothing_else);
    tcase_add_test(tests, ids_of_deleted_messages_are_forgotten_30_days_after_these_were_accepted);
    tcase_add_test(tests, dead_letters_of_no_message_go_by_their_own_time);
    tcase_add_test(tests, while_it_is_behind_by_more_than_a_day_it_says_so);
    tcase_add_test(tests, persisters_that_are_killed_and_share_the_work_end_the_same);
    tcase_add_test(tests, what_is_locked_holds_nobody_up_and_goes_later);
    tcase_add_test(tests, whose_session_has_ended_waits_for_its_turn_again);
    tcase_add_test(tests, a_cursor_that_points_at_a_deleted_message_goes_on);
    tcase_add_test(tests, a_retention_below_what_keys_are_remembered_for_is_refused_in_one_line);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
