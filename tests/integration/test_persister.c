// SPDX-License-Identifier: MIT
// The persister's promises: whatever dies, is repeated or comes out of order, the rows are the same and the counts
// exact.

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shared/base/mem.h"
#include "shared/redis/library.h"
#include "tests/support/delivery.h"
#include "tests/support/events.h"
#include "tests/support/load.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"

#define CLAIM_MS 4000 // API_WORKER_CLAIM_TIMEOUT_SECS of stack.c

static struct stack *stack;
static unsigned next_sender = 1000; // each load has senders of its own

static void start(void) {
    stack = stack_create("persister", NULL);
    stack_start(stack, "postgres");
    stack_start(stack, "ingest-1");
    stack_start(stack, "persister-1");
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
    if (!stack_is_running(stack, "persister-1")) {
        stack_start(stack, "persister-1");
    }
}

static struct load *begin_load(unsigned count) {
    next_sender += 100;
    return load_start(&(struct load_options){.ports = {stack_port(stack, "ingest-1")},
                                             .threads = 8,
                                             .count = count,
                                             .senders = 20,
                                             .first = next_sender,
                                             .pause_ms = 2});
}

static int64_t stored(void) {
    return stack_sql(stack, "SELECT count(*) FROM messages WHERE from_address BETWEEN '+1555%07u' AND '+1555%07u'",
                     next_sender, next_sender + 99);
}

// Waits until all that the load has had accepted is stored, and looks whether every count is exact.
static void assert_all_stored(struct load *load, int within_ms) {
    struct load_result *result = load_finish(load);
    ck_assert_uint_eq(result->refused + result->ambiguous + result->other + result->limited, 0);
    WAIT_FOR(within_ms, stored() == result->accepted);
    for (unsigned i = 0; i < result->accepted; i += 5) {
        ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE id = '%s'", result->ids[i]), 1);
    }
    load_result_free(result);
    WAIT_FOR(within_ms, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 0);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversations AS c WHERE message_count <> (SELECT count(*) "
                                      "FROM messages WHERE conversation_id = c.id)"),
                     0);
    ck_assert_int_eq(stack_sql(stack, "SELECT sum(messages) FROM totals"),
                     stack_sql(stack, "SELECT count(*) FROM messages"));
    ck_assert_int_eq(stack_sql(stack, "SELECT sum(conversations) FROM totals"),
                     stack_sql(stack, "SELECT count(*) FROM conversations"));
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM deliveries"),
                     stack_sql(stack, "SELECT count(*) FROM messages"));
}

START_TEST(a_persister_that_is_killed_under_load_stores_everything_once) {
    struct load *load = begin_load(1500);
    for (unsigned i = 1; i <= 4; i++) {
        WAIT_FOR(10000, load_accepted(load) > i * 250);
        stack_kill(stack, "persister-1");
        stack_start(stack, "persister-1");
    }
    assert_all_stored(load, 15000);
}
END_TEST

START_TEST(what_a_dead_persister_held_is_taken_over_by_another) {
    stack_start(stack, "persister-2");
    struct load *load = begin_load(600);
    WAIT_FOR(10000, load_accepted(load) > 200);
    stack_signal(stack, "persister-1", SIGSTOP); // so that it surely holds something when it dies
    WAIT_FOR(10000, load_accepted(load) > 300);
    stack_kill(stack, "persister-1");
    assert_all_stored(load, 3 * CLAIM_MS);
    stack_stop(stack, "persister-2");
}
END_TEST

START_TEST(two_persisters_share_the_work) {
    stack_start(stack, "persister-2");
    int64_t slots = stack_sql(stack, "SELECT count(DISTINCT slot) FROM totals WHERE messages > 0");
    assert_all_stored(begin_load(800), 15000);
    ck_assert_int_ge(slots, 1);
    ck_assert_int_ge(stack_sql(stack, "SELECT count(DISTINCT slot) FROM totals WHERE messages > 0"), 2);
    redisReply *reply = stack_redis(stack, "XINFO CONSUMERS events:{sms-mms:0} persisters");
    ck_assert_uint_ge(reply_count(reply), 2);
    freeReplyObject(reply);
    stack_stop(stack, "persister-2");
}
END_TEST

START_TEST(a_persister_that_was_stopped_and_goes_on_doubles_nothing) {
    stack_start(stack, "persister-2");
    struct load *load = begin_load(400);
    WAIT_FOR(10000, load_accepted(load) > 100);
    stack_signal(stack, "persister-1", SIGSTOP);
    struct load_result *result = load_finish(load);
    WAIT_FOR(4 * CLAIM_MS, stored() == result->accepted);
    stack_signal(stack, "persister-1", SIGCONT);
    ck_assert_uint_eq(result->accepted, 400);
    load_result_free(result);
    assert_all_stored(begin_load(100), 15000);
    stack_stop(stack, "persister-2");
}
END_TEST

START_TEST(a_restart_of_postgres_under_load_loses_and_doubles_nothing) {
    struct load *load = begin_load(1000);
    WAIT_FOR(10000, load_accepted(load) > 200);
    stack_kill(stack, "postgres");
    stack_start(stack, "postgres");
    WAIT_FOR(10000, load_accepted(load) > 600);
    stack_stop(stack, "postgres");
    stack_start(stack, "postgres");
    assert_all_stored(load, 20000);
}
END_TEST

START_TEST(a_restart_of_redis_under_load_loses_and_doubles_nothing) {
    next_sender += 100;
    struct load *load = load_start(&(struct load_options){.ports = {stack_port(stack, "ingest-1")},
                                                          .threads = 8,
                                                          .count = 600,
                                                          .senders = 20,
                                                          .first = next_sender,
                                                          .repeats = 100});
    WAIT_FOR(10000, load_accepted(load) > 200);
    stack_kill(stack, "redis");
    stack_start(stack, "redis");
    struct load_result *result = load_finish(load);
    ck_assert_uint_eq(result->accepted, 600);
    load_result_free(result);
    WAIT_FOR(3 * CLAIM_MS, stored() == 600);
    WAIT_FOR(3 * CLAIM_MS, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 0);
}
END_TEST

static bool is_stored(const char *id) {
    return stack_sql(stack, "SELECT count(*) FROM messages WHERE id = '%s'", id) == 1;
}

static int64_t dead_letters_of(const char *entry) {
    return stack_sql(stack,
                     "SELECT count(*) FROM dead_letters WHERE stage = 'persist' AND stream = 'events:{sms-mms:0}' "
                     "AND entry_id = '%s' AND reason <> ''",
                     entry);
}

START_TEST(poison_is_isolated_with_its_reason_and_its_batch_goes_on) {
    enum { GOOD = 40 };
    char *ids[GOOD];
    char *poison[4];
    stack_signal(stack, "persister-1", SIGSTOP); // so that all of it comes as one batch
    for (int i = 0; i < GOOD; i++) {
        if (i == 10) {
            char *id = events_new_id(); // a year that no timestamptz has
            poison[0] = events_add_accepted_at(stack, id, "+1444", "x", INT64_C(9000000000000000));
            free(id);
        } else if (i == 20) {
            redisReply *reply =
                stack_redis(stack, "XADD events:{sms-mms:0} * v 1 k accepted id no-uuid gen 0 at 1 p {}");
            poison[1] = xstrdup(reply_text(reply, 0));
            freeReplyObject(reply);
            reply = stack_redis(stack, "XADD events:{sms-mms:0} * what is this entry");
            poison[2] = xstrdup(reply_text(reply, 0));
            freeReplyObject(reply);
        } else if (i == 30) {
            char *id = events_new_id();
            redisReply *reply = stack_redis(stack, "XADD events:{sms-mms:0} * v 1 k accepted id %s gen 0 at 1 p {", id);
            poison[3] = xstrdup(reply_text(reply, 0));
            freeReplyObject(reply);
            free(id);
        }
        ids[i] = events_new_id();
        free(events_add_accepted(stack, ids[i], "+1444", "good"));
    }
    stack_signal(stack, "persister-1", SIGCONT);
    for (int i = 0; i < GOOD; i++) {
        WAIT_FOR(3 * CLAIM_MS, is_stored(ids[i]));
        free(ids[i]);
    }
    for (int i = 0; i < 4; i++) {
        WAIT_FOR(10000, dead_letters_of(poison[i]) == 1);
        free(poison[i]);
    }
    WAIT_FOR(10000, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 0);
    ck_assert_int_eq(stack_sql(stack, "SELECT message_count FROM conversations WHERE key = 'sms:+1444<->+16660000000'"),
                     GOOD);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dead_letters"), 4);
}
END_TEST

START_TEST(what_postgres_refuses_is_found_in_its_batch_and_set_aside_alone) {
    enum { COUNT = 50 };
    int64_t letters = stack_sql(stack, "SELECT count(*) FROM dead_letters");
    (void)stack_sql(stack, "ALTER TABLE messages ADD CONSTRAINT no_evil CHECK (body <> 'evil')");
    stack_signal(stack, "persister-1", SIGSTOP);
    for (int i = 0; i < COUNT; i++) {
        char *id = events_new_id();
        free(events_add_accepted(stack, id, "+1449", i == 7 || i == 33 ? "evil" : "good"));
        free(id);
    }
    stack_signal(stack, "persister-1", SIGCONT);
    WAIT_FOR(10000, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 0);
    (void)stack_sql(stack, "ALTER TABLE messages DROP CONSTRAINT no_evil");
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dead_letters"), letters + 2);
    ck_assert_int_eq(stack_sql(stack,
                               "SELECT count(*) FROM dead_letters WHERE reason LIKE '%%no_evil%%' AND entry LIKE "
                               "'%%evil%%'"),
                     2);
    ck_assert_int_eq(stack_sql(stack, "SELECT message_count FROM conversations WHERE key = 'sms:+1449<->+16660000000'"),
                     COUNT - 2);
}
END_TEST

static int64_t dead_letters_with(const char *reason) {
    return stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE stage = 'persist' AND reason LIKE '%s'", reason);
}

// One entry of each class of refusal that a repeat can't mend, among good ones, in one batch: constraint (23), index
// row too long (54), data (22), a trigger's RAISE (P0).
START_TEST(whatever_postgres_refuses_for_what_it_is_costs_that_entry_alone) {
    static const char *const sql[] = {
        "ALTER TABLE messages ADD CONSTRAINT no_evil CHECK (body <> 'evil')",
        "CREATE INDEX too_narrow ON messages (body)",
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.body = 'raise' THEN RAISE "
        "EXCEPTION 'not this one'; ELSIF NEW.body = 'divide' THEN RAISE EXCEPTION USING ERRCODE = 'division_by_zero'; "
        "END IF; RETURN NEW; END $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION refuse()"};
    static const char *const undo[] = {"DROP TRIGGER refuse ON messages", "DROP FUNCTION refuse",
                                       "DROP INDEX too_narrow", "ALTER TABLE messages DROP CONSTRAINT no_evil"};
    enum { COUNT = 60 };
    char long_body[12000 + 1];
    uint64_t state = 1;
    for (size_t i = 0; i < sizeof long_body - 1; i++) { // which doesn't compress
        state = state * UINT64_C(6364136223846793005) + 1;
        long_body[i] = (char)('!' + (state >> 40) % 90);
    }
    long_body[sizeof long_body - 1] = '\0';
    for (size_t i = 0; i < sizeof sql / sizeof *sql; i++) {
        (void)stack_sql(stack, "%s", sql[i]);
    }
    stack_signal(stack, "persister-1", SIGSTOP);
    for (int i = 0; i < COUNT; i++) {
        char *id = events_new_id();
        free(events_add_accepted(stack, id, "+1450",
                                 i == 5    ? "evil"
                                 : i == 20 ? long_body
                                 : i == 21 ? "raise"
                                 : i == 50 ? "divide"
                                           : "good"));
        free(id);
    }
    char outcome[6000 + 1], *id = events_new_id();
    memset(outcome, 'x', sizeof outcome - 1);
    outcome[sizeof outcome - 1] = '\0';
    free(events_add_outcome(stack, id, 0, 1, "failed", outcome));
    free(id);
    stack_signal(stack, "persister-1", SIGCONT);
    WAIT_FOR(15000, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 0);
    for (size_t i = 0; i < sizeof undo / sizeof *undo; i++) {
        (void)stack_sql(stack, "%s", undo[i]);
    }
    ck_assert_int_eq(stack_sql(stack, "SELECT message_count FROM conversations WHERE key = 'sms:+1450<->+16660000000'"),
                     COUNT - 4);
    ck_assert_int_ge(dead_letters_with("23514: %"), 1);
    ck_assert_int_eq(dead_letters_with("54000: index row %"), 1);
    ck_assert_int_eq(dead_letters_with("22012: %"), 1);
    ck_assert_int_eq(dead_letters_with("P0001: not this one"), 1);
    ck_assert_int_eq(dead_letters_with("outcome is not a string of 1 to 64 bytes"), 1);
}
END_TEST

START_TEST(an_entry_of_a_newer_format_is_left_for_a_newer_release) {
    char *id = events_new_id();
    redisReply *reply = stack_redis(stack, "XADD events:{sms-mms:0} * v 3 k accepted id %s gen 0 at 1 p {}", id);
    char *newer = xstrdup(reply_text(reply, 0));
    freeReplyObject(reply);
    char *other = events_new_id();
    free(events_add_accepted(stack, other, "+1445", "after it"));
    WAIT_FOR(10000, is_stored(other));
    ck_assert_int_eq(dead_letters_of(newer), 0);
    WAIT_FOR(10000, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 1);
    ck_assert_int_eq(stack_redis_int(stack, "XACK events:{sms-mms:0} persisters %s", newer), 1);
    ck_assert_int_eq(stack_redis_int(stack, "XDEL events:{sms-mms:0} %s", newer), 1);
    free(id);
    free(other);
    free(newer);
}
END_TEST

#define NEWER 3000
#define OWN 17

static void add_newer(void) {
    freeReplyObject(stack_redis(stack, "EVAL %s 1 events:{sms-mms:0} %d",
                                "for i = 1, tonumber(ARGV[1]) do redis.call('XADD', KEYS[1], '*', 'v', '3', 'k', "
                                "'accepted', 'id', 'x', 'gen', '0', 'at', '1', 'p', '{}') end",
                                NEWER));
}

static void add_own(const char *from) {
    for (int i = 0; i < OWN; i++) {
        char *id = events_new_id();
        free(events_add_accepted(stack, id, from, "own"));
        free(id);
    }
}

static bool own_are_stored(const char *from) {
    return stack_sql(stack, "SELECT count(*) FROM messages WHERE from_address = '%s'", from) == OWN;
}

static int64_t held_by(const char *consumer) {
    redisReply *reply = stack_redis(stack, "XPENDING events:{sms-mms:0} persisters - + 100000 %s", consumer);
    int64_t count = (int64_t)reply_count(reply);
    freeReplyObject(reply);
    return count;
}

static void read_as(const char *consumer, int count) {
    redisReply *reply =
        stack_redis(stack, "XREADGROUP GROUP persisters %s COUNT %d STREAMS events:{sms-mms:0} >", consumer, count);
    ck_assert_uint_eq(reply->element[0]->element[1]->elements, (size_t)count);
    freeReplyObject(reply);
}

// The library of a next release: the same, but for the format that it reads.
static void load_next_release(void) {
    redisReply *list = stack_redis(stack, "FUNCTION LIST WITHCODE LIBRARYNAME *_%s", library_version);
    char *code = xstrdup(reply_field(list->element[0], "library_code")), *format = strstr(code, "local FORMAT = '2'");
    ck_assert_ptr_nonnull(format);
    format[strlen("local FORMAT = '")] = '3';
    for (char *at; (at = strstr(code, library_version)) != NULL;) {
        memcpy(at, "nextrelease_", strlen(library_version));
    }
    redisReply *loaded = stack_redis(stack, "FUNCTION LOAD %s", code);
    ck_assert_msg(loaded->type != REDIS_REPLY_ERROR, "%s", reply_text(loaded, 0));
    freeReplyObject(loaded);
    freeReplyObject(list);
    free(code);
}

START_TEST(thousands_of_a_newer_format_keep_nobody_waiting_and_go_to_the_release_that_reads_them) {
    int lines = stack_log_count(stack, "persister-1", "entries_newer");
    int64_t began_ms = redis_now_ms(stack);
    stack_signal(stack, "persister-1", SIGSTOP);
    add_own("+1470");
    add_newer();
    add_own("+1471");
    stack_signal(stack, "persister-1", SIGCONT);
    WAIT_FOR(5000, own_are_stored("+1470") && own_are_stored("+1471"));
    WAIT_FOR(5000, held_by(".newer.3") == NEWER);
    int64_t seconds = (redis_now_ms(stack) - began_ms) / 1000;
    ck_assert_int_le(stack_log_count(stack, "persister-1", "entries_newer") - lines, seconds + 2);

    // As an older release leaves them: given back without a look at their format, its own ones behind them.
    stack_kill(stack, "persister-1");
    add_newer();
    read_as(".returned", NEWER);
    add_own("+1472");
    read_as("persister-1", OWN);
    add_own("+1473");
    read_as("persister-of-yesterday", OWN);
    add_own("+1474");
    stack_start(stack, "persister-1");
    WAIT_FOR(5000, own_are_stored("+1472") && own_are_stored("+1474"));
    WAIT_FOR(5000, held_by(".newer.3") == 2 * NEWER);
    WAIT_FOR(3 * CLAIM_MS, own_are_stored("+1473"));
    ck_assert_int_eq(held_by(".newer.3"), 2 * NEWER);

    load_next_release();
    redisReply *claimed =
        stack_redis(stack, "FCALL claim_nextrelease_ 1 events:{sms-mms:0} persisters persister-next 0 4000 1000");
    ck_assert_msg(reply_count(claimed) == 1000, "%s", reply_text(claimed, 0));
    freeReplyObject(claimed);
    freeReplyObject(stack_redis(stack, "FUNCTION DELETE messaging_nextrelease_"));
    freeReplyObject(stack_redis(stack, "DEL events:{sms-mms:0}"));
}
END_TEST

// "status/generation/call/final" of a message's delivery.
static bool delivery_is(const char *id, const char *expected) {
    char *text = stack_sql_text(stack,
                                "SELECT concat_ws('/', status, generation, call, final) FROM deliveries WHERE "
                                "message_id = '%s'",
                                id);
    bool same = text != NULL && strcmp(text, expected) == 0;
    free(text);
    return same;
}

static void drain_events(void) {
    WAIT_FOR(10000, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 0);
}

START_TEST(redelivered_entries_change_nothing) {
    char *id = events_new_id();
    for (int i = 0; i < 3; i++) {
        free(events_add_accepted(stack, id, "+1446", "again"));
        free(events_add_outcome(stack, id, 0, 1, "retry", "server_error"));
        free(events_add_outcome(stack, id, 0, 2, "sent", "sent"));
        drain_events();
    }
    ck_assert(delivery_is(id, "sent/0/2/t"));
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dispatch_attempts WHERE message_id = '%s'", id), 2);
    ck_assert_int_eq(stack_sql(stack, "SELECT message_count FROM conversations WHERE key = 'sms:+1446<->+16660000000'"),
                     1);
    free(id);
}
END_TEST

START_TEST(any_order_of_the_events_gives_the_same_status) {
    // a: accepted, r: retry of call 1, s: sent by call 2, f: failed by call 2
    static const struct {
        const char *order;
        const char *expected;
    } cases[] = {{"ars", "sent/0/2/t"},   {"sra", "sent/0/2/t"},   {"rsa", "sent/0/2/t"},    {"sar", "sent/0/2/t"},
                 {"fra", "failed/0/2/t"}, {"afr", "failed/0/2/t"}, {"ra", "retrying/0/1/f"}, {"ar", "retrying/0/1/f"},
                 {"afs", "sent/0/2/t"},   {"sfa", "sent/0/2/t"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int together = 0; together < 2; together++) {
            char *id = events_new_id();
            for (const char *what = cases[i].order; *what != '\0'; what++) {
                free(*what == 'a'   ? events_add_accepted(stack, id, "+1447", "x")
                     : *what == 'r' ? events_add_outcome(stack, id, 0, 1, "retry", "timeout")
                     : *what == 's' ? events_add_outcome(stack, id, 0, 2, "sent", "sent")
                                    : events_add_outcome(stack, id, 0, 2, "failed", "rejected"));
                if (together == 0) {
                    drain_events();
                }
            }
            drain_events();
            ck_assert_msg(delivery_is(id, cases[i].expected), "%s: not %s", cases[i].order, cases[i].expected);
            free(id);
        }
    }
}
END_TEST

START_TEST(a_failed_message_is_a_dead_letter_and_a_replay_or_a_late_success_settles_it) {
    char *replayed = events_new_id();
    char *late = events_new_id();
    free(events_add_accepted(stack, replayed, "+1448", "x"));
    free(events_add_accepted(stack, late, "+1448", "x"));
    free(events_add_outcome(stack, replayed, 0, 1, "failed", "rejected"));
    free(events_add_outcome(stack, late, 0, 1, "failed", "rejected"));
    drain_events();
    ck_assert_int_eq(stack_sql(stack,
                               "SELECT count(*) FROM dead_letters WHERE stage = 'dispatch' AND message_id = '%s' "
                               "AND provider = 'sms-mms' AND attempts = 1",
                               replayed),
                     1);
    ck_assert(delivery_is(late, "failed/0/1/t"));
    free(events_add_replayed(stack, replayed, 1));
    free(events_add_outcome(stack, late, 0, 1, "sent", "sent"));
    drain_events();
    ck_assert(delivery_is(replayed, "queued/1/0/f"));
    ck_assert(delivery_is(late, "sent/0/1/t"));
    ck_assert_int_eq(stack_sql(stack,
                               "SELECT count(*) FROM dead_letters WHERE stage = 'dispatch' AND message_id IN "
                               "('%s', '%s') AND replayed_at IS NULL",
                               replayed, late),
                     0);
    free(replayed);
    free(late);
}
END_TEST

// As after a fail-over of Redis that lost the replay's event, while the call was under way.
START_TEST(a_dead_letter_is_settled_by_what_came_of_its_replay_where_the_replay_itself_was_lost) {
    char *id = events_new_id();
    free(events_add_accepted(stack, id, "+1449", "x"));
    free(events_add_outcome(stack, id, 0, 1, "failed", "rejected"));
    drain_events();
    free(events_add_outcome(stack, id, 1, 1, "sent", "sent"));
    drain_events();
    ck_assert(delivery_is(id, "sent/1/1/t"));
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE message_id = '%s'", id), 1);
    ck_assert_int_eq(
        stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE message_id = '%s' AND replayed_at IS NULL", id), 0);
    free(id);
}
END_TEST

START_TEST(a_dead_letter_of_a_clock_that_was_wrong_is_neither_of_long_ago_nor_of_years_to_come) {
    const int64_t days[] = {-400, 400, -3};
    char *id = events_new_id();
    free(events_add_accepted(stack, id, "+1449", "x"));
    for (int i = 0; i < 3; i++) {
        int64_t at_ms = ((int64_t)time(NULL) + days[i] * 24 * 3600) * 1000;
        char *payload =
            xasprintf("{\"provider\":\"sms-mms\",\"outcome\":\"rejected\",\"http_status\":400,\"latency_us\":1,"
                      "\"started_ms\":%lld}",
                      (long long)at_ms);
        freeReplyObject(stack_redis(stack,
                                    "XADD events:{sms-mms:0} * v 1 k outcome id %s gen %d at %lld call 1 n 1 verdict "
                                    "failed p %s",
                                    id, i, (long long)at_ms, payload));
        free(payload);
    }
    drain_events();
    static const int hours[] = {7 * 24, 0, 3 * 24};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(
            stack_sql(stack,
                      "SELECT round(extract(epoch FROM now() - failed_at) / 3600)::bigint FROM dead_letters "
                      "WHERE message_id = '%s' AND generation = %d",
                      id, i),
            hours[i]);
    }
    free(id);
}
END_TEST

START_TEST(a_lost_group_and_library_heal_under_load) {
    struct load *load = begin_load(600);
    WAIT_FOR(10000, load_accepted(load) > 150);
    freeReplyObject(stack_redis(stack, "XGROUP DESTROY events:{sms-mms:0} persisters"));
    WAIT_FOR(10000, load_accepted(load) > 300);
    freeReplyObject(stack_redis(stack, "FUNCTION FLUSH"));
    WAIT_FOR(10000, load_accepted(load) > 400);
    freeReplyObject(stack_redis(stack, "XGROUP DELCONSUMER events:{sms-mms:0} persisters persister-1"));
    assert_all_stored(load, 4 * CLAIM_MS);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_persister(void);

Suite *suite_persister(void) {
    Suite *suite = suite_create("persister");
    TCase *tests = tcase_create("persister");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, a_persister_that_is_killed_under_load_stores_everything_once);
    tcase_add_test(tests, what_a_dead_persister_held_is_taken_over_by_another);
    tcase_add_test(tests, two_persisters_share_the_work);
    tcase_add_test(tests, a_persister_that_was_stopped_and_goes_on_doubles_nothing);
    tcase_add_test(tests, a_restart_of_postgres_under_load_loses_and_doubles_nothing);
    tcase_add_test(tests, a_restart_of_redis_under_load_loses_and_doubles_nothing);
    tcase_add_test(tests, poison_is_isolated_with_its_reason_and_its_batch_goes_on);
    tcase_add_test(tests, what_postgres_refuses_is_found_in_its_batch_and_set_aside_alone);
    tcase_add_test(tests, whatever_postgres_refuses_for_what_it_is_costs_that_entry_alone);
    tcase_add_test(tests, an_entry_of_a_newer_format_is_left_for_a_newer_release);
    tcase_add_test(tests, thousands_of_a_newer_format_keep_nobody_waiting_and_go_to_the_release_that_reads_them);
    tcase_add_test(tests, redelivered_entries_change_nothing);
    tcase_add_test(tests, any_order_of_the_events_gives_the_same_status);
    tcase_add_test(tests, a_failed_message_is_a_dead_letter_and_a_replay_or_a_late_success_settles_it);
    tcase_add_test(tests, a_dead_letter_is_settled_by_what_came_of_its_replay_where_the_replay_itself_was_lost);
    tcase_add_test(tests, a_dead_letter_of_a_clock_that_was_wrong_is_neither_of_long_ago_nor_of_years_to_come);
    tcase_add_test(tests, a_lost_group_and_library_heal_under_load);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
