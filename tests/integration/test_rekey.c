// SPDX-License-Identifier: MIT
// `persister --rekey`: what an older release, or another PHONE_REGION, has stored gets its place by today's rules,
// beside running programs, killed or not, and every count is exact at every instant.

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/message/identify.h"
#include "tests/support/child.h"
#include "tests/support/load.h"
#include "tests/support/payload.h"
#include "tests/support/private_postgres.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"

#define REKEY_MS 60000

Suite *suite_rekey(void);

static struct stack *stack;
static int runs;

// ---- The stack

static char *project_file(const char *name) {
    char *path = xasprintf("%s/%s", getenv("PROJECT_ROOT"), name);
    char *text = read_whole_file(path);
    ck_assert_ptr_nonnull(text);
    free(path);
    return text;
}

static void start(void) {
    stack = stack_create("rekey", NULL);
    stack_start(stack, "postgres");
    char *older = project_file("tests/support/sql/older_release.sql");
    stack_sql(stack, "%s", older);
    free(older);
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
}

static void forget_all(void) {
    stack_sql(stack, "TRUNCATE conversations, messages, attachments, deliveries, participant_totals, "
                     "conversation_aliases, identity_state RESTART IDENTITY; "
                     "UPDATE totals SET conversations = 0, messages = 0");
}

static void older(const char *channel, const char *from, const char *to, const char *sender, const char *recipient,
                  int count) {
    stack_sql(stack, "SELECT count(older('%s', '%s', '%s', '%s', '%s', %d))", channel, from, to, sender, recipient,
              count);
}

// As migration 0008 finds it.
static void is_of_an_older_release(void) {
    stack_sql(stack, "INSERT INTO identity_state (rules, region) VALUES (1, '')");
}

// ---- Rekeys

static struct child *rekey_start(const char *argument, const char *region) {
    char *program = xasprintf("%s/persister", getenv("BUILD_DIR"));
    char *postgres = postgres_url(stack_port(stack, "postgres"));
    char *variables[] = {xasprintf("DATABASE_URL=%s", postgres),
                         xasprintf("REDIS_URL=redis://127.0.0.1:%u", stack_port(stack, "redis")),
                         xasprintf("PHONE_REGION=%s", region)};
    char *name = xasprintf("rekey-%d", ++runs);
    struct child *child = child_start(
        &(struct child_options){.name = name,
                                .folder = stack_folder(stack),
                                .argv = (const char *const[]){program, argument, NULL},
                                .environment = (const char *const[]){variables[0], variables[1], variables[2], NULL},
                                .death_signal = SIGKILL});
    for (size_t i = 0; i < 3; i++) {
        free(variables[i]);
    }
    free(name);
    free(postgres);
    free(program);
    return child;
}

// What the last run has said; owned by the caller.
static char *rekey_said(void) {
    char *path = xasprintf("%s/rekey-%d.log", stack_folder(stack), runs);
    char *text = read_whole_file(path);
    free(path);
    return text;
}

static void rekey_says(const char *argument, const char *region, int status, const char *part) {
    struct child *child = rekey_start(argument, region);
    int ended = child_wait(child, REKEY_MS);
    char *said = rekey_said();
    ck_assert_msg(ended == status && strstr(said, part) != NULL, "status %d: %s", ended, said);
    free(said);
    child_destroy(child);
}

static void rekey(const char *region) {
    rekey_says("--rekey", region, 0, "done: ");
}

// ---- What must hold

static char *exact_counts_sql;

// Each row is a rule of tests/chaos/counts.sql, those that are about sends left out.
static void assert_exact(void) {
    if (exact_counts_sql == NULL) {
        exact_counts_sql = project_file("tests/chaos/counts.sql");
    }
    char *wrong = stack_sql_text(stack,
                                 "SELECT coalesce(string_agg(rule || ': ' || wrong, ', '), '') FROM (%s) AS rules "
                                 "WHERE wrong > 0 AND rule NOT LIKE 'outbound%%' AND rule NOT LIKE 'sent without%%'",
                                 exact_counts_sql);
    ck_assert_msg(*wrong == '\0', "%s", wrong);
    free(wrong);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversation_aliases a WHERE EXISTS (SELECT FROM "
                                      "conversation_aliases b WHERE b.id = a.conversation_id) OR EXISTS (SELECT FROM "
                                      "conversations c WHERE c.id = a.id)"),
                     0);
}

// Every message is where today's rules put it, and says who sent it.
static void assert_in_place(const char *region) {
    char *rows =
        stack_sql_text(stack, "SELECT string_agg(concat_ws(E'\\x01', m.type, m.from_address, m.to_address, c.key, "
                              "coalesce(m.sent_by, '-'), c.participant_a), E'\\x02') FROM messages m JOIN "
                              "conversations c ON c.id = m.conversation_id");
    for (char *row, *rest = rows; (row = strsep(&rest, "\x02")) != NULL;) {
        struct message message = {0};
        char *type = strsep(&row, "\x01"), *from = strsep(&row, "\x01"), *to = strsep(&row, "\x01");
        char *key = strsep(&row, "\x01"), *sent_by = strsep(&row, "\x01");
        ck_assert_int_eq(message_type_parse(type, &message.type), 0);
        message.from = xstrdup(from);
        message.to = xstrdup(to);
        message.sender = xstrdup("");
        message.recipient = xstrdup("");
        message_identify(&message, phone_region_find(region));
        char *expected = conversation_key(message_channel(message.type), message.sender, message.recipient);
        ck_assert_msg(strcmp(key, expected) == 0, "%s → %s lies in %s, not in %s", from, to, key, expected);
        ck_assert_str_eq(sent_by, strcmp(message.sender, message.recipient) <= 0 ? "a" : "b");
        free(expected);
        message_free(&message);
    }
    free(rows);
}

// All that a rekey may change.
static char *fingerprint(void) {
    return stack_sql_text(
        stack, "SELECT md5(coalesce(string_agg(t, ''), '')) FROM ("
               "(SELECT concat(id, key, message_count, last_activity_at) AS t FROM conversations ORDER BY id) "
               "UNION ALL (SELECT concat(id, conversation_id, sent_by) FROM messages ORDER BY id) "
               "UNION ALL (SELECT concat(a.id, conversation_id) FROM conversation_aliases a ORDER BY id)) AS rows");
}

static void assert_not_due(const char *region) {
    char *before = fingerprint();
    rekey_says("--rekey", region, 0, "not due: ");
    char *after = fingerprint();
    ck_assert_str_eq(before, after);
    free(after);
    free(before);
}

// The same phone in the forms that release 50b4a1b kept apart, each `count` times to our number.
static void fill_with_forms(int phone, int count) {
    static const char *const forms[][2] = {{"+44 20 7946 ", "+44207946"},
                                           {"020 7946 ", "0207946"},
                                           {"0044 20 7946 ", "0044207946"},
                                           {"(020) 7946-", "0207946"},
                                           {"+44 (0)20 7946 ", "+440207946"}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char shown[40], identity[40];
        snprintf(shown, sizeof shown, "%s%04d", forms[i][0], phone);
        snprintf(identity, sizeof identity, "%s%04d", forms[i][1], phone);
        older("sms", shown, "+12016661234", identity, "+12016661234", count);
    }
}

static void fill(int phones) {
    forget_all();
    for (int phone = 0; phone < phones; phone++) {
        fill_with_forms(phone, 1 + phone % 4);
    }
    is_of_an_older_release();
}

START_TEST(one_phone_in_five_spellings_becomes_one_conversation) {
    forget_all();
    fill_with_forms(958, 3);
    is_of_an_older_release();
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversations"), 4);
    rekey_says("--rekey=ask", "GB", 3, "due: for 15 messages");
    rekey("GB");
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversations"), 1);
    ck_assert_int_eq(stack_sql(stack, "SELECT message_count FROM conversations WHERE key = "
                                      "'sms:+12016661234<->+442079460958'"),
                     15);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversation_aliases"), 3);
    assert_exact();
    assert_in_place("GB");
    assert_not_due("GB");
    rekey_says("--rekey=ask", "GB", 0, "not due");
}
END_TEST

START_TEST(a_conversation_whose_messages_all_get_one_new_key_keeps_its_id) {
    forget_all();
    older("sms", "020 7946 0958", "+12016661234", "02079460958", "+12016661234", 1300); // more than a page
    is_of_an_older_release();
    rekey("GB");
    ck_assert_int_eq(stack_sql(stack, "SELECT id FROM conversations WHERE key = 'sms:+12016661234<->+442079460958'"),
                     1);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversation_aliases"), 0);
    assert_exact();
    assert_in_place("GB");
}
END_TEST

START_TEST(a_conversation_that_splits_keeps_its_id_for_what_keeps_its_key) {
    forget_all();
    older("sms", "+44 20 7946 0958", "+12016661234", "+442079460958", "+12016661234", 700);
    older("sms", "+44 20 7946 0999", "+12016661234", "+442079460958", "+12016661234", 700);
    is_of_an_older_release();
    rekey("");
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversations WHERE message_count = 700"), 2);
    ck_assert_int_eq(stack_sql(stack, "SELECT id FROM conversations WHERE key = 'sms:+12016661234<->+442079460958'"),
                     1);
    assert_exact();
    assert_in_place("");
}
END_TEST

START_TEST(emails_in_their_forms_become_one_and_what_was_no_k_is_apart) {
    static const char *const forms[][2] = {{"Jane@b\u00fccher.example", "jane@b\u00fccher.example"},
                                           {"jane@xn--bcher-kva.example", "jane@xn--bcher-kva.example"},
                                           {"jos\u00e9@example.com", "jos\u00e9@example.com"},
                                           {"jose\u0301@example.com", "jose\u0301@example.com"},
                                           {"ken@example.com", "ken@example.com"},
                                           {"\u212Aen@example.com", "ken@example.com"}};
    forget_all();
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        older("email", forms[i][0], "us@example.org", forms[i][1], "us@example.org", 4);
    }
    is_of_an_older_release();
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversations"), 5);
    rekey("");
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversations WHERE message_count = 8"), 2);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversations WHERE message_count = 4"), 2);
    ck_assert_int_eq(
        stack_sql(stack, "SELECT id FROM conversations WHERE key = 'email:ken@example.com<->us@example.org'"), 5);
    assert_exact();
    assert_in_place("");
    assert_not_due("");
}
END_TEST

START_TEST(a_change_of_region_is_due_and_done_to_and_fro) {
    static const char *const regions[] = {"GB", "DE", "", "GB"};
    fill(60);
    older("sms", "030 123456", "020 7946 0001", "030123456", "02079460001", 2);
    older("sms", "12345", "+12016661234", "12345", "+12016661234", 2);
    older("sms", "+12016661234", "+12016661234", "+12016661234", "+12016661234", 2);
    for (size_t i = 0; i < sizeof regions / sizeof *regions; i++) {
        rekey(regions[i]);
        assert_exact();
        assert_in_place(regions[i]);
        assert_not_due(regions[i]);
    }
}
END_TEST

// What was accepted of it before may still be on its way, and is identified by then as the region has it.
START_TEST(what_was_erased_is_erased_by_its_new_identities_too) {
    stack_sql(stack,
              "INSERT INTO erased_conversations VALUES ('sms:+1804<->02079460009', 'sms', '+1804', '02079460009', "
              "'2024-11-01', '2024-11-02'), ('sms:+1804<->+1805', 'sms', '+1804', '+1805', '2024-11-01', NULL)");
    fill(60);
    rekey("GB");
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM erased_conversations"), 3);
    ck_assert_int_eq(
        stack_sql(stack, "SELECT count(*) FROM erased_conversations WHERE key = 'sms:+1804<->+442079460009' AND "
                         "participant_a = '+1804' AND participant_b = '+442079460009' AND erased_at = '2024-11-01' AND "
                         "finished_at = '2024-11-02'"),
        1);
    stack_sql(stack, "DELETE FROM erased_conversations");
}
END_TEST

START_TEST(killed_at_any_instant_it_goes_on_and_ends_the_same) {
    fill(400);
    int killed = 0;
    for (unsigned ms = 20;; ms = ms % 200 + 17) {
        struct child *child = rekey_start("--rekey", "GB");
        int status = child_wait(child, (int)ms + killed);
        if (status == -1) {
            child_signal(child, SIGKILL);
            (void)!child_wait(child, REKEY_MS);
            killed++;
        }
        child_destroy(child);
        assert_exact();
        if (status != -1) {
            ck_assert_int_eq(status, 0);
            break;
        }
    }
    ck_assert_int_gt(killed, 3);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversations"), 400);
    assert_in_place("GB");
    assert_not_due("GB");
}
END_TEST

static int64_t read_thread(int64_t conversation) {
    char *path = xasprintf("/api/conversations/%lld/messages?page_size=1", (long long)conversation);
    struct answer *answer = stack_call(stack, "ingest-1", "GET", path, NULL, NULL);
    ck_assert_msg(answer->status == 200, "%s: %ld %s", path, answer->status, answer->body);
    const char *id = strstr(answer->body, "\"conversation_id\":\"");
    ck_assert_msg(id != NULL, "%s", answer->body);
    int64_t number = strtoll(id + strlen("\"conversation_id\":\""), NULL, 10);
    answer_free(answer);
    free(path);
    return number;
}

START_TEST(persisters_store_and_ids_answer_beside_it) {
    static const char *const environment[] = {"PHONE_REGION=US", NULL};
    forget_all();
    // 15550002000 … is what the load sends from as +15550002000 …
    for (int i = 0; i < 1000; i++) {
        char shown[24], identity[24];
        snprintf(shown, sizeof shown, "(555) 000-%04d", 2000 + i % 20);
        snprintf(identity, sizeof identity, i % 2 == 0 ? "555000%04d" : "1555000%04d", 2000 + i % 20);
        older("sms", shown, "+16660000000", identity, "+16660000000", 2);
    }
    for (int i = 0; i < 1000; i++) {
        char shown[24];
        snprintf(shown, sizeof shown, "201555%04d", i);
        older("sms", shown, "+16660000000", shown, "+16660000000", 3);
    }
    is_of_an_older_release();
    int64_t before = stack_sql(stack, "SELECT count(*) FROM messages"),
            last = stack_sql(stack, "SELECT max(id) FROM conversations");
    stack_start(stack, "ingest-1");
    stack_start_with(stack, "persister-1", environment);
    stack_start_with(stack, "persister-2", environment);
    struct load *load = load_start(&(struct load_options){.ports = {stack_port(stack, "ingest-1")},
                                                          .threads = 4,
                                                          .count = 800,
                                                          .senders = 20,
                                                          .first = 2000,
                                                          .pause_ms = 1});
    WAIT_FOR(10000, load_accepted(load) > 50);
    struct child *child = rekey_start("--rekey", "US");
    for (int64_t id = 1; child_is_running(child); id = id % last + 1) {
        (void)!read_thread(id);
        assert_exact();
    }
    ck_assert_int_eq(child_wait(child, REKEY_MS), 0);
    child_destroy(child);
    struct load_result *result = load_finish(load);
    ck_assert_uint_eq(result->accepted, 800);
    load_result_free(result);
    WAIT_FOR(20000, stack_sql(stack, "SELECT count(*) FROM messages") == before + 800);
    for (int64_t id = 1; id <= last; id += 97) {
        int64_t now = read_thread(id);
        ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversations WHERE id = %lld", (long long)now), 1);
    }
    assert_exact();
    assert_in_place("US");
    assert_not_due("US");
    stack_stop(stack, "persister-2");
    stack_stop(stack, "persister-1");
    stack_stop(stack, "ingest-1");
}
END_TEST

// Whole conversations go between the look at a page and the move of its messages.
START_TEST(messages_that_are_deleted_meanwhile_are_passed_over) {
    fill(600);
    int64_t left = stack_sql(stack, "SELECT count(*) FROM messages"), first = left;
    struct child *child = rekey_start("--rekey", "GB");
    while (child_is_running(child)) {
        int64_t gone = stack_sql(stack, "SELECT messages FROM erase_messages(ARRAY(SELECT id FROM messages WHERE "
                                        "conversation_id IN (SELECT id FROM conversations ORDER BY random() LIMIT 3)), "
                                        "7::smallint, NULL)");
        left -= gone > 0 ? gone : 0; // else one of them was moved meanwhile
        assert_exact();
    }
    ck_assert_int_eq(child_wait(child, REKEY_MS), 0);
    child_destroy(child);
    ck_assert_int_lt(left, first);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages"), left);
    assert_exact();
    assert_in_place("GB");
    assert_not_due("GB");
}
END_TEST

START_TEST(it_does_not_begin_while_an_older_program_lives) {
    fill(2);
    char *before = fingerprint();
    redisReply *reply = stack_redis(stack, "ZADD processes 9999999999999 persister:old-1");
    freeReplyObject(reply);
    rekey_says("--rekey", "GB", 1, "programs of an older release live, stop them first: persister:old-1");
    char *after = fingerprint();
    ck_assert_str_eq(before, after);
    free(after);
    free(before);
    freeReplyObject(stack_redis(stack, "DEL processes"));
    rekey("GB");
}
END_TEST

// Its last heartbeat is younger than a program that is silent may be, and nobody takes it back.
START_TEST(it_waits_until_an_older_program_that_was_killed_is_gone) {
    fill(2);
    freeReplyObject(stack_redis(stack, "EVAL %s 0",
                                "return redis.call('ZADD', 'processes', "
                                "redis.call('TIME')[1] * 1000, 'persister:old-1')"));
    rekey("GB");
    freeReplyObject(stack_redis(stack, "DEL processes"));
    assert_not_due("GB");
}
END_TEST

START_TEST(a_persister_of_another_region_is_named_and_what_it_stores_is_due_later) {
    fill(2);
    rekey("GB");
    stack_start_with(stack, "persister-1", (const char *const[]){"PHONE_REGION=DE", NULL});
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM identity_state WHERE mixed") == 1);
    rekey_says("--rekey", "GB", 1, "restart them first: persister-1 (PHONE_REGION=DE)");
    stack_stop(stack, "persister-1");
    rekey_says("--rekey=ask", "GB", 3, "due");
    rekey("GB");
    assert_exact();
    assert_not_due("GB");
}
END_TEST

START_TEST(one_that_is_refused_makes_none_due) {
    fill(2);
    rekey("GB");
    stack_start_with(stack, "persister-1", (const char *const[]){"PHONE_REGION=GB", NULL});
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' "
                                     "AND classid::bigint = hashtext('identities')::bigint & 4294967295") > 0);
    rekey_says("--rekey", "DE", 1, "restart them first: persister-1 (PHONE_REGION=GB)");
    stack_stop(stack, "persister-1");
    assert_not_due("GB");
}
END_TEST

static bool readiness_says(const char *text) {
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/readyz", NULL, NULL);
    bool says = answer->status == 200 && strstr(answer->body, text) != NULL;
    answer_free(answer);
    return says;
}

START_TEST(readiness_names_that_one_is_due_until_it_is_done) {
    static const char *const environment[] = {"PHONE_REGION=GB", NULL};
    fill(2);
    stack_start(stack, "ingest-1");
    stack_start_with(stack, "persister-1", environment);
    stack_start(stack, "dispatcher-1");
    WAIT_FOR(20000, readiness_says("\"notes\":[{\"code\":\"rekey_due\""));
    rekey("GB");
    WAIT_FOR(20000, readiness_says("\"notes\":[]"));
    stack_stop(stack, "dispatcher-1");
    stack_stop(stack, "persister-1");
    stack_stop(stack, "ingest-1");
}
END_TEST

START_TEST(two_do_not_run_at_once) {
    fill(2);
    stack_sql(stack, "SELECT count(pg_advisory_lock(hashtext('rekey')))");
    rekey_says("--rekey", "GB", 1, "another one runs already");
    stack_sql(stack, "SELECT count(pg_advisory_unlock(hashtext('rekey')))");
    rekey("GB");
}
END_TEST

START_TEST(a_new_database_is_born_up_to_date) {
    forget_all();
    stack_start_with(stack, "persister-1", (const char *const[]){"PHONE_REGION=GB", NULL});
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM identity_state WHERE region = 'GB' AND NOT mixed") == 1);
    assert_not_due("GB");
    stack_stop(stack, "persister-1");
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_rekey(void) {
    Suite *suite = suite_create("rekey");
    TCase *tests = tcase_create("rekey");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, one_phone_in_five_spellings_becomes_one_conversation);
    tcase_add_test(tests, a_conversation_whose_messages_all_get_one_new_key_keeps_its_id);
    tcase_add_test(tests, a_conversation_that_splits_keeps_its_id_for_what_keeps_its_key);
    tcase_add_test(tests, emails_in_their_forms_become_one_and_what_was_no_k_is_apart);
    tcase_add_test(tests, a_change_of_region_is_due_and_done_to_and_fro);
    tcase_add_test(tests, what_was_erased_is_erased_by_its_new_identities_too);
    tcase_add_test(tests, killed_at_any_instant_it_goes_on_and_ends_the_same);
    tcase_add_test(tests, persisters_store_and_ids_answer_beside_it);
    tcase_add_test(tests, messages_that_are_deleted_meanwhile_are_passed_over);
    tcase_add_test(tests, it_does_not_begin_while_an_older_program_lives);
    tcase_add_test(tests, it_waits_until_an_older_program_that_was_killed_is_gone);
    tcase_add_test(tests, a_persister_of_another_region_is_named_and_what_it_stores_is_due_later);
    tcase_add_test(tests, one_that_is_refused_makes_none_due);
    tcase_add_test(tests, readiness_names_that_one_is_due_until_it_is_done);
    tcase_add_test(tests, two_do_not_run_at_once);
    tcase_add_test(tests, a_new_database_is_born_up_to_date);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
