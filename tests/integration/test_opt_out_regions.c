// SPDX-License-Identifier: MIT
// Who has opted out by the identity of a former PHONE_REGION is held by today's: from the start of the programs with
// the new one on, while a rekey is under way, killed or not, and after it.

#include <check.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/delivery.h"
#include "tests/support/payload.h"
#include "tests/support/private_postgres.h"
#include "tests/support/stack.h"

Suite *suite_opt_out_regions(void);

#define OURS "+12016661234"
#define REKEY_MS 60000

static struct stack *stack;
static int runs;

static const char *const no_region[] = {"PHONE_REGION=", NULL};
static const char *const of_britain[] = {"PHONE_REGION=GB", NULL};

// ---- The stack

static void start(void) {
    static const char *const environment[] = {"OPT_OUT=on", NULL};
    stack = stack_create("opt_out_regions", environment);
    stack_start(stack, "postgres");
    stack_start(stack, "mock-provider");
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
}

static void forget_all(void) {
    freeReplyObject(stack_redis(stack, "FLUSHALL"));
    stack_sql(stack, "TRUNCATE conversations, messages, attachments, deliveries, dispatch_attempts, dead_letters, "
                     "participant_totals, conversation_aliases, identity_state, opt_outs RESTART IDENTITY CASCADE; "
                     "UPDATE totals SET conversations = 0, messages = 0");
}

static void start_programs(const char *const *environment) {
    stack_start_with(stack, "persister-1", environment);
    stack_start_with(stack, "dispatcher-1", environment);
    stack_start_with(stack, "ingest-1", environment);
}

static void stop_programs(void) {
    stack_stop(stack, "ingest-1");
    stack_stop(stack, "dispatcher-1");
    stack_stop(stack, "persister-1");
}

static struct child *rekey_start(const char *region) {
    char *program = xasprintf("%s/persister", getenv("BUILD_DIR"));
    char *postgres = postgres_url(stack_port(stack, "postgres"));
    char *variables[] = {xasprintf("DATABASE_URL=%s", postgres),
                         xasprintf("REDIS_URL=redis://127.0.0.1:%u", stack_port(stack, "redis")),
                         xasprintf("PHONE_REGION=%s", region)};
    char *name = xasprintf("rekey-%d", ++runs);
    struct child *child = child_start(
        &(struct child_options){.name = name,
                                .folder = stack_folder(stack),
                                .argv = (const char *const[]){program, "--rekey", NULL},
                                .environment = (const char *const[]){variables[0], variables[1], variables[2], NULL},
                                .death_signal = SIGKILL});
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        free(variables[i]);
    }
    free(name);
    free(postgres);
    free(program);
    return child;
}

static void rekey(const char *region) {
    struct child *child = rekey_start(region);
    ck_assert_int_eq(child_wait(child, REKEY_MS), 0);
    child_destroy(child);
}

// ---- What comes, goes and is known

static void says(const char *from, const char *body) {
    static unsigned number;
    char *payload = xasprintf("{\"from\":\"%s\",\"to\":\"" OURS "\",\"type\":\"sms\",\"messaging_provider_id\":"
                              "\"said-%u\",\"body\":\"%s\",\"attachments\":null,\"timestamp\":\"\"}",
                              from, ++number, body);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", PATH_SMS_WEBHOOK, payload), 202);
    free(payload);
}

static bool is_taken(const char *to) {
    char *payload = payload_sms(OURS, to, "hello");
    long status = stack_status(stack, "ingest-1", "POST", PATH_SMS, payload);
    ck_assert_msg(status == 202 || status == 422, "%ld", status);
    free(payload);
    return status == 202;
}

static char *send_taken(const char *to) {
    return send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(OURS, to, "hello"));
}

static bool has_failed_uncalled(const char *id) {
    return stack_sql(
               stack,
               "SELECT count(*) FROM dead_letters WHERE message_id = '%s' AND reason LIKE 'opted_out: %%' AND NOT "
               "EXISTS (SELECT FROM dispatch_attempts WHERE message_id = '%s' AND outcome <> 'opted_out')",
               id, id) == 1;
}

// By minutes since some day.
static void add_pair(const char *ours, const char *theirs, const char *state, int at, int came) {
    stack_sql(stack,
              "INSERT INTO opt_outs VALUES ('sms', '%s', '%s', '%s', '2026-01-01'::timestamptz + %d * interval '1 "
              "minute', '2026-01-01'::timestamptz + %d * interval '1 minute', 'recipient')",
              ours, theirs, state, at, came);
}

// "": there is none.
static void assert_state(const char *ours, const char *theirs, const char *state) {
    char *text = stack_sql_text(stack,
                                "SELECT coalesce(max(state), '') FROM opt_outs WHERE channel = 'sms' AND "
                                "our_address = '%s' AND their_address = '%s'",
                                ours, theirs);
    ck_assert_msg(strcmp(text, state) == 0, "%s, %s: '%s', not '%s'", ours, theirs, text, state);
    free(text);
}

static bool is_recorded(const char *theirs, const char *state) {
    return stack_sql(stack, "SELECT count(*) FROM opt_outs WHERE their_address = '%s' AND state = '%s'", theirs,
                     state) == 1;
}

static bool mark_names(const char *region) {
    redisReply *mark = stack_redis(stack, "HGET optouts:{sms-mms:0} %b", "", (size_t)0);
    bool names = mark->type == REDIS_REPLY_STRING && strstr(mark->str, region) != NULL;
    freeReplyObject(mark);
    return names;
}

static void is_of_no_region(void) {
    stack_sql(stack, "INSERT INTO identity_state (rules, region) VALUES (2, '')");
}

// ---- What a rekey makes of the table

START_TEST(pairs_get_the_identities_of_today_and_the_later_word_counts) {
    forget_all();
    is_of_no_region();
    add_pair(OURS, "02079460001", "out", 1, 1);
    add_pair(OURS, "02079460002", "out", 1, 1); // in again by the other identity
    add_pair(OURS, "+442079460002", "in", 2, 2);
    add_pair(OURS, "02079460003", "out", 3, 3); // the other way around
    add_pair(OURS, "+442079460003", "in", 2, 9);
    add_pair(OURS, "02079460004", "in", 1, 2); // of one time, the one that came later
    add_pair(OURS, "+442079460004", "out", 1, 1);
    add_pair(OURS, "02079460005", "in", 1, 1); // of one moment, the one that opts out
    add_pair(OURS, "00442079460005", "out", 1, 1);
    add_pair(OURS, "+442079460006", "in", 1, 1);
    add_pair(OURS, "02079460006", "out", 1, 1);
    add_pair("02079460099", "02079460007", "out", 1, 1);
    add_pair("12345", "02079460008", "out", 1, 1); // a short code is whole
    add_pair("MyBrand", "12345", "out", 1, 1);
    add_pair(OURS, "+33123456789", "out", 1, 1);
    stack_sql(stack, "INSERT INTO opt_outs VALUES ('email', 'us@example.org', '02079460001', 'out', now(), now(), "
                     "'operator')");
    rekey("GB");
    assert_state(OURS, "+442079460001", "out");
    assert_state(OURS, "+442079460002", "in");
    assert_state(OURS, "+442079460003", "out");
    assert_state(OURS, "+442079460004", "in");
    assert_state(OURS, "+442079460005", "out");
    assert_state(OURS, "+442079460006", "out");
    assert_state("+442079460099", "+442079460007", "out");
    assert_state("12345", "+442079460008", "out");
    assert_state("MyBrand", "12345", "out");
    assert_state(OURS, "+33123456789", "out");
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM opt_outs"), 11);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM opt_outs WHERE their_address = '02079460001'"), 1);
    rekey(""); // what is whole stays
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM opt_outs WHERE channel = 'sms' AND their_address LIKE "
                                      "'+44%%'"),
                     8);
}
END_TEST

START_TEST(killed_at_any_instant_it_goes_on_and_loses_nobody) {
    forget_all();
    is_of_no_region();
    stack_sql(stack, "INSERT INTO opt_outs SELECT 'sms', '" OURS "', form || lpad(n::text, 4, '0'), 'out', now(), "
                     "now(), 'recipient' FROM generate_series(0, 9999) AS n, (VALUES ('0207946'), ('00442079460'), "
                     "('+44207946')) AS f (form) WHERE form <> '+44207946' OR n %% 2 = 0");
    int killed = 0;
    for (unsigned ms = 20;; ms = ms % 200 + 17) {
        struct child *child = rekey_start("GB");
        int status = child_wait(child, (int)ms + killed);
        if (status == -1) {
            child_signal(child, SIGKILL);
            (void)!child_wait(child, REKEY_MS);
            killed++;
        }
        child_destroy(child);
        ck_assert_int_eq(stack_sql(stack, "SELECT count(DISTINCT right(their_address, 4)) FROM opt_outs WHERE "
                                          "length(their_address) IN (11, 13)"),
                         10000);
        if (status != -1) {
            ck_assert_int_eq(status, 0);
            break;
        }
    }
    ck_assert_int_gt(killed, 1);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM opt_outs WHERE their_address LIKE '+44207946%%'"), 10000);
}
END_TEST

// ---- Beside programs

START_TEST(a_former_stop_is_held_from_the_start_with_a_new_region_on) {
    forget_all();
    start_programs(no_region);
    says("020 7946 0101", "STOP");
    WAIT_FOR(10000, is_recorded("02079460101", "out") && stack_is_drained(stack));
    stop_programs();

    int unknown = stack_log_count(stack, "dispatcher-1", "opt_outs_unknown");
    stack_start_with(stack, "dispatcher-1", of_britain);
    stack_start_with(stack, "ingest-1", of_britain);
    char *id = send_taken("+44 20 7946 0101"); // nobody has told Redis yet
    WAIT_FOR(10000, stack_log_count(stack, "dispatcher-1", "opt_outs_unknown") > unknown);
    ck_assert_int_eq(stack_redis_int(stack, "XLEN outbound:{sms-mms:0}"), 1);
    stack_start_with(stack, "persister-1", of_britain);
    WAIT_FOR(20000, has_failed_uncalled(id));
    ck_assert(!is_taken("+44 20 7946 0101"));
    ck_assert(!is_taken("020 7946 0101"));

    rekey("GB");
    assert_state(OURS, "+442079460101", "out");
    assert_state(OURS, "02079460101", "");
    ck_assert(!is_taken("020 7946 0101"));
    WAIT_FOR(10000, mark_names("/GB/"));
    ck_assert(!is_taken("020 7946 0101"));
    says("+44 20 7946 0101", "START");
    ck_assert(is_taken("020 7946 0101"));
    WAIT_FOR(10000, is_recorded("+442079460101", "in"));
    stop_programs();
    free(id);
}
END_TEST

START_TEST(what_was_taken_by_a_former_region_is_not_called_after_a_stop_by_the_new_one) {
    forget_all();
    start_programs(no_region);
    WAIT_FOR(10000, mark_names("//"));
    stack_stop(stack, "dispatcher-1");
    char *id = send_taken("020 7946 0102");
    stack_stop(stack, "ingest-1");
    stack_stop(stack, "persister-1");
    stack_start_with(stack, "persister-1", of_britain);
    stack_start_with(stack, "ingest-1", of_britain);
    says("+44 20 7946 0102", "STOP");
    stack_start_with(stack, "dispatcher-1", of_britain);
    WAIT_FOR(20000, has_failed_uncalled(id));
    stop_programs();
    free(id);
}
END_TEST

// However long ago: by the later identity the pair has opted in.
START_TEST(who_has_opted_in_since_is_not_held_by_a_former_stop) {
    forget_all();
    is_of_no_region();
    add_pair(OURS, "02079460103", "out", 1, 1);
    add_pair(OURS, "+442079460103", "in", 2, 2);
    start_programs(of_britain);
    WAIT_FOR(10000, mark_names("/GB/"));
    ck_assert(is_taken("+44 20 7946 0103"));
    rekey("GB");
    WAIT_FOR(10000, mark_names("/GB/"));
    ck_assert(is_taken("+44 20 7946 0103"));
    stop_programs();
}
END_TEST

START_TEST(a_word_of_an_ingest_of_another_region_is_recorded_by_the_persisters) {
    forget_all();
    stack_start_with(stack, "persister-1", of_britain);
    stack_start_with(stack, "dispatcher-1", of_britain);
    stack_start_with(stack, "ingest-1", no_region);
    WAIT_FOR(10000, mark_names("/GB/"));
    ck_assert_int_eq(stack_status(stack, "ingest-1", "PUT", "/api/opt-outs",
                                  "{\"channel\":\"sms\",\"our_address\":\"" OURS
                                  "\",\"their_address\":\"020 7946 0104\"}"),
                     200);
    WAIT_FOR(10000, is_recorded("+442079460104", "out") && !is_taken("+44 20 7946 0104"));
    assert_state(OURS, "02079460104", "");
    stop_programs();
}
END_TEST

// As a persister of the former region, which went on after one of the new region had filled the sets, left it.
START_TEST(a_rekey_makes_redis_know_what_it_has_rewritten) {
    forget_all();
    start_programs(of_britain);
    WAIT_FOR(10000, mark_names("/GB/"));
    add_pair(OURS, "02079460105", "out", 1, 1);
    stack_sql(stack, "UPDATE identity_state SET mixed = true");
    ck_assert(is_taken("+44 20 7946 0105"));
    rekey("GB");
    WAIT_FOR(10000, mark_names("/GB/"));
    ck_assert(!is_taken("+44 20 7946 0105"));
    stop_programs();
}
END_TEST

START_TEST(after_a_region_is_removed_what_it_has_completed_is_held) {
    forget_all();
    start_programs(of_britain);
    says("020 7946 0106", "STOP");
    WAIT_FOR(10000, is_recorded("+442079460106", "out") && stack_is_drained(stack));
    stop_programs();
    freeReplyObject(stack_redis(stack, "FLUSHALL"));
    start_programs(no_region);
    rekey("");
    WAIT_FOR(10000, mark_names("//"));
    assert_state(OURS, "+442079460106", "out");
    ck_assert(!is_taken("+44 20 7946 0106"));
    stop_programs();
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_opt_out_regions(void) {
    Suite *suite = suite_create("opt_out_regions");
    TCase *tests = tcase_create("opt_out_regions");
    tcase_set_timeout(tests, 120);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, pairs_get_the_identities_of_today_and_the_later_word_counts);
    tcase_add_test(tests, killed_at_any_instant_it_goes_on_and_loses_nobody);
    tcase_add_test(tests, a_former_stop_is_held_from_the_start_with_a_new_region_on);
    tcase_add_test(tests, what_was_taken_by_a_former_region_is_not_called_after_a_stop_by_the_new_one);
    tcase_add_test(tests, who_has_opted_in_since_is_not_held_by_a_former_stop);
    tcase_add_test(tests, a_word_of_an_ingest_of_another_region_is_recorded_by_the_persisters);
    tcase_add_test(tests, a_rekey_makes_redis_know_what_it_has_rewritten);
    tcase_add_test(tests, after_a_region_is_removed_what_it_has_completed_is_held);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
