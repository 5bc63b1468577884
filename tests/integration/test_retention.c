// SPDX-License-Identifier: MIT
// Messages that are deleted for good (migration 0011): whatever goes, and whatever is stored, repeated or comes late
// meanwhile, each count is that of the rows that are left, at every instant.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/events.h"
#include "tests/support/load.h"
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
    stack_sql(stack, "TRUNCATE conversations, messages, attachments, deliveries, dispatch_attempts, dead_letters, "
                     "replays, receipts, participant_totals, conversation_aliases, message_aliases, erased_messages "
                     "RESTART IDENTITY; UPDATE totals SET conversations = 0, messages = 0");
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
    ck_assert_int_eq(stack_sql(stack, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"), 0);
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
START_TEST(what_is_left_of_messages_that_are_not_stored_goes_after_30_days) {
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

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_retention(void) {
    Suite *suite = suite_create("retention");
    TCase *tests = tcase_create("retention");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, random_messages_go_and_every_count_is_that_of_the_rows);
    tcase_add_test(tests, persisters_store_beside_it_and_nobody_deadlocks);
    tcase_add_test(tests, a_conversation_goes_with_its_last_message_and_with_its_older_ids);
    tcase_add_test(tests, what_comes_of_a_deleted_message_is_not_recorded);
    tcase_add_test(tests, others_of_the_same_batch_are_recorded);
    tcase_add_test(tests, who_opts_out_in_a_message_that_is_deleted_on_its_way_has_done_so);
    tcase_add_test(tests, what_is_left_of_messages_that_are_not_stored_goes_after_30_days);
    tcase_add_test(tests, strays_are_looked_for_in_all_deliveries_in_turn);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
