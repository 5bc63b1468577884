// SPDX-License-Identifier: MIT
// Many conversations at once, whose provider fails at random, while dispatchers are killed and started: who was called
// before whom, by the mock's own ledger. And what one recipient that always fails costs the others.
//   ORDER_CONVERSATIONS=200   so many (30)
//   ORDER_MESSAGES=50         of so many messages each (10); `make show-order` runs it at full size and prints figures

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/delivery.h"
#include "tests/support/each.h"
#include "tests/support/load.h"
#include "tests/support/logs.h"
#include "tests/support/payload.h"
#include "tests/support/stack.h"
#include "tests/support/stand_in.h"

#define FAILS "{\"timeout_pct\":5,\"error_pct\":20,\"ratelimit_pct\":0,\"latency_ms\":5,\"seed\":1}"
#define OF_RUN "m.from_address BETWEEN '+1555%07u' AND '+1555%07u'", run->first, run->first + run->conversations - 1
#define OURS "+12016661234"
#define BAD "+18045550000"
#define SETTLED_MS 20000 // until format 2 is written
#define DEATHS 40        // or so, in each run

Suite *suite_order_crowd(void);

static struct stack *stack;
static char *ledger;
static unsigned next_sender = 100000; // each run has senders of its own
static const char *const dispatchers[] = {"dispatcher-1", "dispatcher-2"};

// A message, in the order of acceptance within its conversation.
struct sent {
    char id[40];
    char from[24];
    unsigned called; // the line of the ledger with its first call, from 1; 0: none
    int64_t called_ms;
    unsigned through; // the line with the call that was accepted
};

struct run {
    const char *order; // DISPATCH_ORDER
    const char *wait;  // ORDER_MAX_WAIT_SECS
    const char *pause; // API_WORKER_BACKOFF_BASE_MS, and its cap
    unsigned first;    // of its senders
    unsigned conversations, messages;
    struct sent *sent;
    struct sent **by_id;
    unsigned count, lines, deaths;
    // What is found: messages that were first called before one that was accepted earlier; before the one right before
    // them was through; of these, sooner than the clock can have let them go; and those of which no log says that it
    // has, for a dispatcher that was killed had its word.
    unsigned swapped, early, too_early, unsaid;
    int released;
};

static unsigned size_of(const char *variable, unsigned usual) {
    const char *given = getenv(variable);
    return given != NULL ? (unsigned)strtoul(given, NULL, 10) : usual;
}

static void start(void) {
    static const char *const environment[] = {"API_WORKER_MAX_RETRIES=1000", "API_BREAKER_ERROR_THRESHOLD=1000000",
                                              "PROVIDER_TIMEOUT_MS=300", "API_WORKER_CLAIM_TIMEOUT_SECS=3", NULL};
    stack = stack_create("order_crowd", environment);
    ledger = xasprintf("MOCK_LEDGER_FILE=%s/calls", stack_folder(stack));
    stack_start(stack, "postgres");
    stack_start_with(stack, "mock-provider", (const char *const[]){ledger, NULL});
    stack_start(stack, "persister-1");
}

static void end(void) {
    stack_destroy(stack);
    free(ledger);
}

static void recover(void) {
    if (!stack_is_running(stack, "ingest-1")) {
        stack_start(stack, "ingest-1");
    }
    delivery_recover(stack);
}

static bool is_ordered(void) {
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(OURS, BAD, "0")));
    bool is = stack_redis_int(stack, "EXISTS turn:{sms-mms:0}") == 1;
    freeReplyObject(stack_redis(stack, "DEL outbound:{sms-mms:0} turn:{sms-mms:0} held:{sms-mms:0} "
                                       "held-order:{sms-mms:0} held-due:{sms-mms:0}"));
    return is;
}

static void start_ingest(const char *order) {
    char *setting = xasprintf("DISPATCH_ORDER=%s", order);
    stack_stop(stack, "ingest-1");
    stack_start_with(stack, "ingest-1", (const char *const[]){setting, NULL});
    if (strcmp(order, "none") != 0) {
        WAIT_FOR(SETTLED_MS, is_ordered());
    }
    free(setting);
}

// ---- A run

static int64_t sent_count(const struct run *run) {
    return stack_sql(stack,
                     "SELECT count(*) FROM messages AS m JOIN deliveries AS d ON d.message_id = m.id WHERE d.status = "
                     "'sent' AND " OF_RUN);
}

static int releases(void) {
    return stack_log_count(stack, dispatchers[0], "turn_released") +
           stack_log_count(stack, dispatchers[1], "turn_released");
}

static void start_one(const struct run *run, unsigned which) {
    char *wait = xasprintf("ORDER_MAX_WAIT_SECS=%s", run->wait);
    char *base = xasprintf("API_WORKER_BACKOFF_BASE_MS=%s", run->pause);
    char *cap = xasprintf("API_WORKER_BACKOFF_CAP_MS=%s", run->pause);
    stack_start_with(stack, dispatchers[which], (const char *const[]){wait, base, cap, NULL});
    free(cap);
    free(base);
    free(wait);
}

// Another one dies whenever so many calls were made, until all is sent.
static void deliver_and_die(struct run *run) {
    int64_t calls = mock_count(stack, "sms-mms", "calls"), each = run->count / DEATHS + 1;
    int64_t deadline = deadline_in(60000 + 60 * (int)run->count);
    while (sent_count(run) < run->count) {
        ck_assert_msg(deadline_pause(deadline), "%lld of %u are sent", (long long)sent_count(run), run->count);
        if (mock_count(stack, "sms-mms", "calls") - calls >= each) {
            stack_kill(stack, dispatchers[run->deaths % 2]);
            start_one(run, run->deaths++ % 2);
            calls = mock_count(stack, "sms-mms", "calls");
        }
    }
    WAIT_FOR(20000, stack_is_drained(stack));
}

static int compare_ids(const void *a, const void *b) {
    return strcmp((*(struct sent *const *)a)->id, (*(struct sent *const *)b)->id);
}

static void read_sent(struct run *run) {
    char *rest = NULL,
         *text = stack_sql_text(stack, "SELECT string_agg(m.id || ' ' || m.from_address, E'\\n' ORDER BY "
                                       "m.from_address, m.accepted_at, m.id) FROM messages AS m WHERE " OF_RUN);
    unsigned count = 0;
    run->sent = xcalloc(run->count, sizeof *run->sent);
    run->by_id = xcalloc(run->count, sizeof(struct sent *));
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        ASSERT_EACH(count < run->count);
        ASSERT_EACH(sscanf(line, "%39s %23s", run->sent[count].id, run->sent[count].from) == 2);
        run->by_id[count] = &run->sent[count];
        count++;
    }
    ck_assert_uint_eq(count, run->count);
    qsort(run->by_id, count, sizeof *run->by_id, compare_ids);
    free(text);
}

static struct sent *find(const struct run *run, const char *id) {
    struct sent wanted, *pointer = &wanted;
    snprintf(wanted.id, sizeof wanted.id, "%s", id);
    struct sent **found = bsearch(&pointer, run->by_id, run->count, sizeof *run->by_id, compare_ids);
    return found != NULL ? *found : NULL;
}

// Lines "<ms> <provider> <key> <outcome>", one a call.
static void read_ledger(struct run *run) {
    char *text = read_whole_file(strchr(ledger, '=') + 1), *rest = NULL;
    unsigned number = 0;
    ck_assert_ptr_nonnull(text);
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        char id[40], outcome[24];
        long long at_ms;
        number++;
        ASSERT_EACH(sscanf(line, "%lld %*s %39s %23s", &at_ms, id, outcome) == 3);
        struct sent *sent = find(run, id);
        if (sent == NULL) {
            continue;
        }
        run->lines++;
        if (sent->called == 0) {
            sent->called = number;
            sent->called_ms = at_ms;
        }
        if (sent->through == 0 && strcmp(outcome, "accepted") == 0) {
            sent->through = number;
        }
    }
    free(text);
}

static bool was_released(const struct sent *sent) {
    char *has = xasprintf("\"has\":\"%s:0\"", sent->id);
    int count = stack_log_about(stack, dispatchers[0], "turn_released", has) +
                stack_log_about(stack, dispatchers[1], "turn_released", has);
    free(has);
    return count > 0;
}

static void judge(struct run *run) {
    int64_t longest_wait_ms = strtoll(run->wait, NULL, 10) * 1000;
    unsigned latest = 0;
    for (unsigned i = 0; i < run->count; i++) {
        const struct sent *sent = &run->sent[i], *before = sent - 1;
        ASSERT_EACH(sent->called > 0 && sent->through > 0);
        bool is_first = i == 0 || strcmp(before->from, sent->from) != 0;
        latest = is_first ? 0 : latest;
        run->swapped += sent->called < latest;
        latest = sent->called > latest ? sent->called : latest;
        if (!is_first && sent->called < before->through) {
            run->early++;
            run->too_early += sent->called_ms - before->called_ms < longest_wait_ms;
            run->unsaid += !was_released(sent);
        }
    }
}

static void print_run(const struct run *run, int64_t took_ms) {
    unsigned said = run->early - run->unsaid;
    printf("order %s, longest wait %s s, retries within %s ms: %u conversations of %u messages, 20%% errors, 5%% "
           "time-outs, "
           "2 dispatchers killed %u times:\n"
           "  all %u sent in %.1f s by %u calls; first calls before the first call of a message accepted earlier: %u\n"
           "  begun before the message before it was through: %u; let go by the clock, and logged: %u; let go by "
           "dispatchers that were killed before they could log it: %u; sooner than the clock allows: %u\n",
           run->order, run->wait, run->pause, run->conversations, run->messages, run->deaths, run->count,
           (double)took_ms / 1000, run->lines, run->swapped, run->early, said, run->early - said - run->too_early,
           run->too_early);
}

static struct run *begin_run(const char *order, const char *wait, const char *pause) {
    struct run *run = xcalloc(1, sizeof *run);
    *run = (struct run){.order = order,
                        .wait = wait,
                        .pause = pause,
                        .first = next_sender,
                        .conversations = size_of("ORDER_CONVERSATIONS", 30),
                        .messages = size_of("ORDER_MESSAGES", 10)};
    run->count = run->conversations * run->messages;
    next_sender += run->conversations;
    return run;
}

static void free_run(struct run *run) {
    free(run->sent);
    free(run->by_id);
    free(run);
}

static struct run *play(const char *order, const char *wait, const char *pause) {
    struct run *run = begin_run(order, wait, pause);
    int before = releases();
    start_ingest(order);
    mock_configure(stack, FAILS);
    start_one(run, 0);
    start_one(run, 1);
    int64_t began_ms = clock_unix_ms();
    struct load *load = load_start(&(struct load_options){.ports = {stack_port(stack, "ingest-1")},
                                                          .threads = 8,
                                                          .count = run->count,
                                                          .senders = run->conversations,
                                                          .first = run->first,
                                                          .repeats = 5});
    deliver_and_die(run);
    int64_t took_ms = clock_unix_ms() - began_ms;
    struct load_result *result = load_finish(load);
    ck_assert_uint_eq(result->accepted, run->count);
    load_result_free(result);
    run->released = releases() - before;
    read_sent(run);
    read_ledger(run);
    judge(run);
    print_run(run, took_ms);
    return run;
}

START_TEST(each_conversation_is_called_in_order_whoever_dies) {
    struct run *run = play("conversation", "60", "200");
    ck_assert_uint_eq(run->too_early, 0);
    ck_assert_uint_eq(run->swapped, 0);
    free_run(run);
}
END_TEST

START_TEST(whoever_is_called_early_was_let_go_by_the_clock) {
    struct run *run = play("conversation", "1", "3000");
    ck_assert_uint_eq(run->too_early, 0);
    ck_assert_int_gt(run->released, 0);
    free_run(run);
}
END_TEST

START_TEST(without_order_many_are_called_early) {
    struct run *run = play("none", "60", "200");
    ck_assert_uint_gt(run->too_early, 0);
    ck_assert_int_eq(run->released, 0);
    free_run(run);
}
END_TEST

// ---- One recipient that always fails

// From acceptance to the provider's 2xx, in ms.
static double percentile(const struct run *run, int percent) {
    int64_t us = stack_sql(stack,
                           "SELECT (1000000 * percentile_cont(%u / 100.0) WITHIN GROUP (ORDER BY extract(epoch FROM "
                           "a.started_at - m.accepted_at) + a.latency_us / 1e6))::bigint FROM dispatch_attempts AS a "
                           "JOIN messages AS m ON m.id = a.message_id WHERE a.outcome = 'sent' AND m.from_address "
                           "BETWEEN '+1555%07u' AND '+1555%07u'",
                           (unsigned)percent, run->first, run->first + run->conversations - 1);
    return (double)us / 1000;
}

static int64_t attempts(const struct run *run) {
    return stack_sql(stack, "SELECT count(*) FROM dispatch_attempts AS a JOIN messages AS m ON m.id = a.message_id "
                            "WHERE " OF_RUN);
}

static void send_to_others(struct run *run) {
    struct load_result *result = load_finish(load_start(&(struct load_options){.ports = {stack_port(stack, "ingest-1")},
                                                                               .threads = 4,
                                                                               .count = run->count,
                                                                               .senders = run->conversations,
                                                                               .first = run->first,
                                                                               .repeats = 5,
                                                                               .pause_ms = 10}));
    ck_assert_uint_eq(result->accepted, run->count);
    load_result_free(result);
    WAIT_FOR(20000, sent_count(run) == run->count);
}

enum { ROUNDS = 3, BAD_MESSAGES = 50 };

struct figures {
    double p50[ROUNDS], p99[ROUNDS];
};

static double median(const double *values) {
    double low = values[0] < values[1] ? values[0] : values[1], high = values[0] < values[1] ? values[1] : values[0];
    return values[2] < low ? low : values[2] > high ? high : values[2];
}

static void measure(const char *order, struct figures *out, unsigned round) {
    struct run *run = begin_run(order, "60", "200");
    run->count = run->count / ROUNDS;
    send_to_others(run);
    ck_assert_int_eq(attempts(run), run->count); // one call each
    out->p50[round] = percentile(run, 50);
    out->p99[round] = percentile(run, 99);
    free_run(run);
}

static void send_to_bad(void) {
    for (unsigned number = 1; number <= BAD_MESSAGES; number++) {
        char *body = xasprintf("%u", number);
        free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(OURS, BAD, body)));
        free(body);
    }
}

// In turns, for the machine may be at something else meanwhile.
static void measure_beside_bad(const char *order) {
    struct stand_in *provider = stand_in_start();
    struct figures alone, beside;
    start_ingest(order);
    for (unsigned i = 0; i < 2; i++) {
        stack_start_with(stack, dispatchers[i], (const char *const[]){stand_in_url(provider), NULL});
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        measure(order, &alone, round);
        stand_in_rule(provider, BAD, 0, STAND_IN_FAILS, 0);
        send_to_bad();
        measure(order, &beside, round);
        unsigned calls = stand_in_calls(provider, BAD, 0);
        stand_in_forget_rules(provider);
        WAIT_FOR(30000, stack_is_drained(stack));
        printf("order %s, round %u: others alone p50 %.1f ms, p99 %.1f ms; beside a recipient that always fails (%d "
               "messages, %u calls so far) p50 %.1f ms, p99 %.1f ms\n",
               order, round + 1, alone.p50[round], alone.p99[round], BAD_MESSAGES, calls, beside.p50[round],
               beside.p99[round]);
    }
    printf(
        "order %s, the middle of %d rounds: others alone p50 %.1f ms, p99 %.1f ms; beside p50 %.1f ms, p99 %.1f ms\n",
        order, ROUNDS, median(alone.p50), median(alone.p99), median(beside.p50), median(beside.p99));
    for (unsigned i = 0; i < 2; i++) {
        stack_stop(stack, dispatchers[i]);
    }
    stand_in_destroy(provider);
}

START_TEST(one_recipient_that_always_fails_costs_the_others_nothing) {
    measure_beside_bad(_i == 0 ? "conversation" : "none");
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_order_crowd(void) {
    Suite *suite = suite_create("order_crowd");
    TCase *tests = tcase_create("order_crowd");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, each_conversation_is_called_in_order_whoever_dies);
    tcase_add_test(tests, whoever_is_called_early_was_let_go_by_the_clock);
    tcase_add_test(tests, without_order_many_are_called_early);
    tcase_add_loop_test(tests, one_recipient_that_always_fails_costs_the_others_nothing, 0, 2);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
