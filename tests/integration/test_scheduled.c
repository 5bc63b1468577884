// SPDX-License-Identifier: MIT
// What is to be sent later (send_at) is, by Redis's clock, once, and in order; it is in nobody's way until then, and
// survives all that may happen meanwhile. Redis has a clock of its own here (clock.so), which the tests set: nothing
// waits for an hour.

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/base/rfc3339.h"
#include "tests/support/delivery.h"
#include "tests/support/other_clock.h"
#include "tests/support/payload.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"

Suite *suite_scheduled(void);

#define OURS "+12016661234"
#define SECOND_MS 1000LL
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define SETTLED_MS 20000 // until format 2 is written
#define MOCK_IS_SLOW "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"latency_ms\":20}"
#define MOCK_FAILS "{\"timeout_pct\":0,\"error_pct\":100,\"ratelimit_pct\":0}"

#define SCHEDULED "scheduled:{sms-mms:0}"
#define DUE "scheduled-due:{sms-mms:0}"
#define BYTES "scheduled-bytes:{sms-mms:0}"

static struct stack *stack;
static struct other_clock *clock_of_redis;
static int64_t shift_ms; // of that clock
static unsigned callers; // each test has customers of its own

static void set_clock(int64_t ms) {
    shift_ms = ms;
    other_clock_set(clock_of_redis, ms);
}

static void go_on(int64_t ms) {
    set_clock(shift_ms + ms);
}

static void start(void) {
    static const char *const environment[] = {"OPT_OUT=on", "IDEMPOTENCY_TTL_SECS=86400",
                                              "API_BREAKER_ERROR_THRESHOLD=100000", NULL};
    stack = stack_create("scheduled", environment);
    clock_of_redis = other_clock_create(stack, "shift");
    other_clock_of_redis(clock_of_redis, stack);
    stack_start_all(stack);
}

static void end(void) {
    stack_destroy(stack);
    other_clock_destroy(clock_of_redis);
}

static void forget_scheduled(void) {
    freeReplyObject(stack_redis(stack, "DEL " SCHEDULED " " DUE " " BYTES));
    freeReplyObject(stack_redis(stack, "DEL scheduled:{email:0} scheduled-due:{email:0} scheduled-bytes:{email:0}"));
}

static void recover(void) {
    static const char *const programs[] = {"ingest-1", "dispatcher-1", "persister-1"};
    set_clock(0);
    stack_recover(stack);
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        if (!stack_is_running(stack, programs[i])) {
            stack_start(stack, programs[i]);
        }
    }
    forget_scheduled();
    breakers_reset(stack);
    mock_configure(stack, MOCK_WELL);
}

// ---- What is sent, and what became of it

static char *new_caller(void) {
    return xasprintf("+1804555%04u", 1000 + callers++);
}

static int64_t in(int64_t ms) {
    return redis_now_ms(stack) + ms;
}

// send_at: as JSON has it; owned by the caller.
static char *payload_with(const char *path, const char *to, const char *body, const char *send_at) {
    char *plain = strcmp(path, PATH_SMS) == 0 ? payload_sms(OURS, to, body) : payload_email("ours@x.com", to, body);
    char *payload = xasprintf("%.*s,\"send_at\":%s}", (int)strlen(plain) - 1, plain, send_at);
    free(plain);
    return payload;
}

static char *payload_at(const char *to, const char *body, int64_t at_ms) {
    char time[RFC3339_SIZE], *quoted;
    rfc3339_format(at_ms, time);
    quoted = xasprintf("\"%s\"", time);
    char *payload = payload_with(PATH_SMS, to, body, quoted);
    free(quoted);
    return payload;
}

// The answer's status; the id of what is taken in *id.
static long post(const char *ingest, const char *payload, const char *key, char **id) {
    struct answer *answer = send_under_key(stack, ingest, PATH_SMS, key, xstrdup(payload));
    long status = answer->status;
    if (status == 202) {
        free(*id);
        *id = xstrdup(answer_text(answer, "id"));
    }
    answer_free(answer);
    return status;
}

// Takes a payload, and returns its message's id, owned by the caller. Redis's clock may just have been set, and until
// format 2 is written it is waited for, or refused.
static char *taken_by(const char *ingest, char *payload) {
    static unsigned number;
    char *id = NULL, *key = xasprintf("taken-%u", ++number);
    WAIT_FOR(SETTLED_MS, post(ingest, payload, key, &id) == 202);
    free(key);
    free(payload);
    return id;
}

static char *schedule(const char *to, int64_t at_ms) {
    return taken_by("ingest-1", payload_at(to, "later", at_ms));
}

static char *send_now(const char *to) {
    return taken_by("ingest-1", payload_sms(OURS, to, "now"));
}

static bool is_waiting(const char *id) {
    return stack_redis_int(stack, "HEXISTS " SCHEDULED " %s:0", id) == 1;
}

static int64_t calls_of(const char *id) {
    return stack_sql(stack, "SELECT count(*) FROM dispatch_attempts WHERE message_id = '%s' AND latency_us > 0", id);
}

static int64_t waiting(void) {
    return stack_redis_int(stack, "HLEN " SCHEDULED);
}

static bool is_sent(const char *id) {
    return message_is(stack, id, "sent");
}

// Redis's room for what is scheduled is as if nothing had ever been.
static bool nothing_waits(void) {
    return stack_redis_int(stack, "EXISTS " SCHEDULED " " DUE) == 0 &&
           stack_redis_int(stack, "INCRBY " BYTES " 0") == 0;
}

// ---- The way of one

static void assert_shown(const char *id, const char *status, int64_t at_ms) {
    char *path = xasprintf("/api/messages/%s", id), time[RFC3339_SIZE];
    struct answer *answer = stack_call(stack, "ingest-1", "GET", path, NULL, NULL);
    rfc3339_format(at_ms, time);
    ck_assert_str_eq(answer_text(answer, "status"), status);
    ck_assert_str_eq(answer_text(answer, "send_at"), time);
    ck_assert_str_eq(answer_text(answer, "timestamp"), "2024-11-01T14:00:00.000Z");
    answer_free(answer);
    free(path);
}

START_TEST(it_waits_until_its_time_has_come_and_then_is_sent) {
    char *caller = new_caller();
    int64_t at_ms = in(HOUR_MS);
    char *id = schedule(caller, at_ms), *sooner = schedule(caller, at_ms - 2 * MINUTE_MS);
    WAIT_FOR(10000, message_is(stack, id, "scheduled"));
    assert_shown(id, "scheduled", at_ms);
    go_on(HOUR_MS - MINUTE_MS);
    WAIT_FOR(20000, is_sent(sooner)); // and so all that is due was
    ck_assert(is_waiting(id));
    ck_assert_int_eq(calls_of(id), 0);
    go_on(MINUTE_MS);
    WAIT_FOR(20000, is_sent(id));
    ck_assert_int_eq(calls_of(id), 1);
    assert_shown(id, "sent", at_ms);
    ck_assert(nothing_waits());
    free(sooner);
    free(id);
    free(caller);
}
END_TEST

// By the clocks as they are, within seconds.
START_TEST(it_is_not_called_before_its_time) {
    enum { MANY = 8 };
    char *caller = new_caller(), *ids[MANY];
    int64_t first_ms = in(500);
    for (int i = 0; i < MANY; i++) {
        ids[i] = schedule(caller, first_ms + 300 * i);
    }
    for (int i = 0; i < MANY; i++) {
        WAIT_FOR(20000, is_sent(ids[i]));
        free(ids[i]);
    }
    ck_assert_int_eq(stack_sql(stack,
                               "SELECT count(*) FROM dispatch_attempts AS a JOIN messages AS m ON m.id = a.message_id "
                               "WHERE a.started_at < m.send_at AND m.to_address = '%s'",
                               caller),
                     0);
    ck_assert_int_eq(
        stack_sql(stack, "SELECT count(*) FROM messages WHERE to_address = '%s' AND send_at IS NOT NULL", caller),
        MANY);
    free(caller);
}
END_TEST

START_TEST(an_email_may_be_for_later_too) {
    int64_t at_ms = in(HOUR_MS);
    char time[RFC3339_SIZE];
    rfc3339_format(at_ms, time);
    char *quoted = xasprintf("\"%s\"", time), *payload = payload_with(PATH_EMAIL, "later@x.com", "later", quoted);
    char *id = send_accepted(stack, "ingest-1", PATH_EMAIL, payload);
    ck_assert_int_eq(stack_redis_int(stack, "HLEN scheduled:{email:0}"), 1);
    go_on(HOUR_MS);
    WAIT_FOR(20000, is_sent(id));
    ck_assert_int_eq(stack_redis_int(stack, "HLEN scheduled:{email:0}"), 0);
    free(id);
    free(quoted);
}
END_TEST

START_TEST(what_names_no_time_or_a_past_one_is_sent_now) {
    static const char *const values[] = {"null", "\"1969-12-31T23:59:59.999Z\"", "\"2024-11-01T14:00:00Z\"",
                                         "\"0001-01-01T00:00:00Z\""};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char *caller = new_caller();
        char *id = taken_by("ingest-1", payload_with(PATH_SMS, caller, "now", values[i]));
        WAIT_FOR(20000, is_sent(id));
        free(id);
        free(caller);
    }
    ck_assert_int_eq(waiting(), 0);
}
END_TEST

static void assert_refused(const char *path, const char *send_at) {
    char *payload = payload_with(path, strcmp(path, PATH_SMS) == 0 ? "+18045550000" : "to@x.com", "never", send_at);
    struct answer *answer = stack_call(stack, "ingest-1", "POST", path, payload, NULL);
    ck_assert_msg(answer->status == 400, "%s: %ld", send_at, answer->status);
    ck_assert_str_eq(answer_text(answer, "details.field"), "send_at");
    answer_free(answer);
    free(payload);
}

START_TEST(a_time_that_is_none_or_too_far_ahead_is_400) {
    static const char *const paths[] = {PATH_SMS, PATH_EMAIL};
    char too_far[RFC3339_SIZE];
    rfc3339_format(in(35 * DAY_MS + DAY_MS), too_far); // however Redis's clock was set just before
    char *quoted = xasprintf("\"%s\"", too_far);
    for (size_t i = 0; i < 2; i++) {
        assert_refused(paths[i], "\"tomorrow\"");
        assert_refused(paths[i], "1730469600");
        assert_refused(paths[i], "\"2030-01-01\"");
        assert_refused(paths[i], "[]");
        assert_refused(paths[i], quoted);
    }
    ck_assert_int_eq(waiting(), 0);
    free(quoted);
    char *caller = new_caller(), *id = schedule(caller, in(35 * DAY_MS - MINUTE_MS));
    ck_assert(is_waiting(id));
    free(id);
    free(caller);
}
END_TEST

START_TEST(a_webhook_takes_no_notice_of_it) {
    char *caller = new_caller(), *plain = payload_sms_webhook(caller, OURS, "not-later", "in");
    char *payload = xasprintf("%.*s,\"send_at\":\"2124-11-01T14:00:00Z\"}", (int)strlen(plain) - 1, plain);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", PATH_SMS_WEBHOOK, payload), 202);
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM messages WHERE from_address = '%s'", caller) == 1);
    free(payload);
    free(plain);
    free(caller);
}
END_TEST

// ---- Others

START_TEST(todays_sends_of_its_conversation_do_not_wait_for_it) {
    char *caller = new_caller(), *later = schedule(caller, in(HOUR_MS));
    for (int i = 0; i < 3; i++) {
        char *today = send_now(caller);
        WAIT_FOR(20000, is_sent(today));
        free(today);
    }
    ck_assert(is_waiting(later));
    free(later);
    free(caller);
}
END_TEST

// Its thread stands where its timestamp says, before it is sent and after.
START_TEST(its_thread_is_not_held_at_the_top) {
    char *caller = new_caller(), *other = new_caller(), *id = schedule(caller, in(30 * DAY_MS));
    WAIT_FOR(10000, message_is(stack, id, "scheduled"));
    char *payload = xasprintf("{\"from\":\"" OURS "\",\"to\":\"%s\",\"type\":\"sms\",\"body\":\"newer\",\"timestamp\":"
                              "\"2024-11-01T14:00:01Z\"}",
                              other);
    char *newer = taken_by("ingest-1", payload);
    WAIT_FOR(10000, is_sent(newer));
    for (int sent = 0; sent <= 1; sent++) {
        ck_assert_int_eq(stack_sql(stack,
                                   "SELECT count(*) FROM conversations WHERE last_activity_at = '2024-11-01T14:00:00Z' "
                                   "AND (participant_a = '%s' OR participant_b = '%s')",
                                   caller, caller),
                         1);
        go_on(sent == 0 ? 30 * DAY_MS : 0);
        WAIT_FOR(20000, is_sent(id));
    }
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/api/conversations", NULL, NULL);
    ck_assert(strcmp(answer_text(answer, "items.0.participant_b"), caller) != 0);
    answer_free(answer);
    free(newer);
    free(id);
    free(other);
    free(caller);
}
END_TEST

// ---- Order

// The ids of a recipient's messages, a comma between two, as their calls began.
static char *called_in_order(const char *to) {
    return stack_sql_text(
        stack,
        "SELECT string_agg(a.message_id::text, ',' ORDER BY a.started_at) FROM dispatch_attempts AS a "
        "JOIN messages AS m ON m.id = a.message_id WHERE m.to_address = '%s'",
        to);
}

static bool all_are_sent(const char *to, int count) {
    return stack_sql(
               stack,
               "SELECT count(*) FROM deliveries AS d JOIN messages AS m ON m.id = d.message_id WHERE m.to_address "
               "= '%s' AND d.status = 'sent'",
               to) == count;
}

// Taken by two ingests in turn, of which one has another time of day, and so makes ids that don't tell the order.
START_TEST(what_becomes_due_at_once_goes_in_the_order_in_which_it_was_accepted) {
    enum { MANY = 20 };
    struct other_clock *clock = other_clock_create(stack, "slow");
    other_clock_set(clock, -20 * MINUTE_MS);
    stack_start_with(stack, "ingest-2", other_clock_environment(clock));
    mock_configure(stack, MOCK_IS_SLOW);
    char *caller = new_caller();
    int64_t at_ms = in(HOUR_MS);
    struct buf expected = {0};
    for (int i = 0; i < MANY; i++) {
        char *id = taken_by(i % 2 == 0 ? "ingest-1" : "ingest-2", payload_at(caller, "part", at_ms));
        buf_printf(&expected, "%s%s", i > 0 ? "," : "", id);
        free(id);
    }
    go_on(HOUR_MS);
    WAIT_FOR(30000, all_are_sent(caller, MANY));
    char *order = called_in_order(caller);
    ck_assert_str_eq(order, expected.data);
    free(order);
    buf_free(&expected);
    free(caller);
    stack_stop(stack, "ingest-2");
    other_clock_destroy(clock);
}
END_TEST

START_TEST(what_is_due_earlier_goes_earlier_whenever_it_was_accepted) {
    enum { MANY = 10 };
    mock_configure(stack, MOCK_IS_SLOW);
    char *caller = new_caller(), *ids[MANY];
    int64_t at_ms = in(HOUR_MS);
    struct buf expected = {0};
    for (int i = 0; i < MANY; i++) {
        ids[i] = schedule(caller, at_ms - i * SECOND_MS);
    }
    for (int i = MANY - 1; i >= 0; i--) {
        buf_printf(&expected, "%s%s", i < MANY - 1 ? "," : "", ids[i]);
        free(ids[i]);
    }
    go_on(HOUR_MS);
    WAIT_FOR(30000, all_are_sent(caller, MANY));
    char *order = called_in_order(caller);
    ck_assert_str_eq(order, expected.data);
    free(order);
    buf_free(&expected);
    free(caller);
}
END_TEST

// ---- What may happen meanwhile

static void kill_all_programs(void) {
    static const char *const programs[] = {"ingest-1", "dispatcher-1", "persister-1"};
    for (size_t i = 0; i < 3; i++) {
        stack_kill(stack, programs[i]);
        stack_start(stack, programs[i]);
    }
}

static void stop_all_programs(void) {
    static const char *const programs[] = {"ingest-1", "dispatcher-1", "persister-1"};
    for (size_t i = 0; i < 3; i++) {
        stack_stop(stack, programs[i]);
        stack_start(stack, programs[i]);
    }
}

static void kill_redis(void) {
    stack_kill(stack, "redis");
    stack_start(stack, "redis");
}

static void stop_redis(void) {
    stack_stop(stack, "redis");
    stack_start(stack, "redis");
}

static void rewrite_its_file(void) {
    freeReplyObject(stack_redis(stack, "BGREWRITEAOF"));
    kill_redis();
}

static void flush_scripts(void) {
    freeReplyObject(stack_redis(stack, "FUNCTION FLUSH"));
    freeReplyObject(stack_redis(stack, "SCRIPT FLUSH"));
}

static void lose_its_times(void) {
    freeReplyObject(stack_redis(stack, "DEL " DUE));
}

static void let_it_become_due_unseen(void) {
    stack_kill(stack, "dispatcher-1");
    go_on(2 * HOUR_MS);
    stack_start(stack, "dispatcher-1");
}

static void (*const troubles[])(void) = {kill_all_programs, stop_all_programs,       kill_redis,
                                         stop_redis,        rewrite_its_file,        flush_scripts,
                                         lose_its_times,    let_it_become_due_unseen};

START_TEST(it_survives_what_a_parked_message_survives) {
    char *caller = new_caller(), *id = schedule(caller, in(HOUR_MS));
    WAIT_FOR(10000, message_is(stack, id, "scheduled"));
    int64_t bytes = stack_redis_int(stack, "INCRBY " BYTES " 0");
    troubles[_i]();
    stack_settle(stack);
    if (troubles[_i] != let_it_become_due_unseen) {
        ck_assert(is_waiting(id));
        ck_assert_int_eq(stack_redis_int(stack, "INCRBY " BYTES " 0"), bytes);
    }
    go_on(HOUR_MS);
    WAIT_FOR(30000, is_sent(id));
    ck_assert_int_eq(calls_of(id), 1);
    ck_assert(nothing_waits());
    free(id);
    free(caller);
}
END_TEST

START_TEST(a_dispatcher_that_is_killed_while_they_become_due_costs_none) {
    enum { MANY = 300 };
    char *caller = new_caller();
    int64_t at_ms = in(HOUR_MS);
    for (int i = 0; i < MANY; i++) {
        char *to = xasprintf("+1805%s%03d", caller + 8, i), *id = schedule(to, at_ms);
        free(id);
        free(to);
    }
    go_on(HOUR_MS);
    WAIT_FOR(20000, waiting() < MANY);
    stack_kill(stack, "dispatcher-1");
    stack_start(stack, "dispatcher-1");
    WAIT_FOR(60000, stack_sql(stack,
                              "SELECT count(*) FROM deliveries AS d JOIN messages AS m ON m.id = d.message_id WHERE "
                              "m.to_address LIKE '+1805%s%%' AND d.status = 'sent'",
                              caller + 8) == MANY);
    ck_assert(nothing_waits());
    free(caller);
}
END_TEST

// ---- Room

// The answer's error text where it is 503 and says when to come again, else NULL; owned by the caller.
static char *refusal_of(const char *ingest, char *payload) {
    struct answer *answer = stack_call(stack, ingest, "POST", PATH_SMS, payload, NULL);
    bool refused = answer->status == 503 && answer_header_number(answer, "Retry-After") > 0;
    bool ambiguous = answer_at(answer, "details.ambiguous") != NULL;
    char *text = refused && !ambiguous ? xstrdup(answer_text(answer, "message")) : NULL;
    answer_free(answer);
    free(payload);
    return text;
}

static bool has_no_room(const char *ingest, const char *to) {
    char *text = refusal_of(ingest, payload_at(to, "one too many", in(HOUR_MS)));
    bool names_both =
        text != NULL && strstr(text, "SCHEDULED_MAX (") != NULL && strstr(text, "SCHEDULED_MAX_BYTES (") != NULL;
    free(text);
    return names_both;
}

// Once format 2 is written: until then it is refused for that.
static void assert_no_room(const char *ingest, const char *to) {
    WAIT_FOR(SETTLED_MS, has_no_room(ingest, to));
}

// Under each limit, by an ingest of its own.
static const struct {
    const char *setting;
    int most;
} limits[] = {{"SCHEDULED_MAX=3", 3}, {"SCHEDULED_MAX=0", 0}, {"SCHEDULED_MAX_BYTES=2000", 2}};

START_TEST(a_full_waiting_room_refuses_no_send_of_today) {
    char *caller = new_caller(), *ids[3] = {0};
    stack_start_with(stack, "ingest-2", (const char *const[]){limits[_i].setting, NULL});
    for (int i = 0; i < limits[_i].most; i++) {
        ids[i] = taken_by("ingest-2", payload_at(caller, "later", in(HOUR_MS)));
    }
    char *today = taken_by("ingest-2", payload_sms(OURS, caller, "now"));
    WAIT_FOR(SETTLED_MS, waiting() == limits[_i].most);
    assert_no_room("ingest-2", caller);
    free(taken_by("ingest-2", payload_with(PATH_SMS, caller, "now", "\"2024-11-01T14:00:00Z\"")));
    ck_assert_int_eq(waiting(), limits[_i].most);
    if (limits[_i].most > 0) { // and there is room again
        go_on(HOUR_MS);
        WAIT_FOR(20000, waiting() == 0);
        free(taken_by("ingest-2", payload_at(caller, "later", in(HOUR_MS))));
    }
    for (int i = 0; i < 3; i++) {
        free(ids[i]);
    }
    free(today);
    free(caller);
    stack_stop(stack, "ingest-2");
}
END_TEST

START_TEST(a_full_backlog_refuses_nothing_for_later) {
    char *caller = new_caller(), *id = NULL;
    stack_stop(stack, "dispatcher-1");
    stack_start_with(stack, "ingest-2", (const char *const[]){"STREAM_MAX_BACKLOG=3", NULL});
    for (int i = 0; i < 3; i++) {
        free(send_now(caller)); // by the one that takes more
    }
    // Of what must be recorded there may be no more either.
    WAIT_FOR(20000, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 0);
    char *text = refusal_of("ingest-2", payload_sms(OURS, caller, "now"));
    ck_assert_ptr_nonnull(text);
    ck_assert_str_eq(text, "the backlog is full");
    id = taken_by("ingest-2", payload_at(caller, "later", in(HOUR_MS)));
    ck_assert(is_waiting(id));
    free(text);
    free(id);
    free(caller);
    stack_stop(stack, "ingest-2");
}
END_TEST

START_TEST(a_refused_one_leaves_nothing_behind) {
    char *caller = new_caller(), *id = NULL;
    stack_start_with(stack, "ingest-2", (const char *const[]){"SCHEDULED_MAX=1", NULL});
    char *first = taken_by("ingest-2", payload_at(caller, "later", in(HOUR_MS)));
    char *payload = payload_at(caller, "one too many", in(HOUR_MS));
    assert_no_room("ingest-2", caller);
    ck_assert_int_eq(post("ingest-2", payload, "full", &id), 503);
    WAIT_FOR(SETTLED_MS, post("ingest-1", payload, "full", &id) == 202);
    WAIT_FOR(10000, message_is(stack, id, "scheduled"));
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE to_address = '%s'", caller), 2);
    free(payload);
    free(first);
    free(id);
    free(caller);
    stack_stop(stack, "ingest-2");
}
END_TEST

// ---- Repeats, limits, opt-outs: at acceptance

START_TEST(a_repeat_is_the_same_before_its_time_and_after) {
    char *caller = new_caller(), *first = NULL, *again = NULL;
    int64_t at_ms = in(HOUR_MS);
    char *payload = payload_at(caller, "once", at_ms), *other = payload_at(caller, "once", at_ms + SECOND_MS);
    char *never = payload_sms(OURS, caller, "once");
    WAIT_FOR(SETTLED_MS, post("ingest-1", payload, "once", &first) == 202);
    WAIT_FOR(SETTLED_MS, post("ingest-1", payload, "once", &again) == 202);
    ck_assert_str_eq(again, first);
    WAIT_FOR(SETTLED_MS, post("ingest-1", other, "once", &again) == 422);
    WAIT_FOR(SETTLED_MS, post("ingest-1", never, "once", &again) == 422);
    ck_assert_int_eq(waiting(), 1);
    go_on(2 * HOUR_MS);
    WAIT_FOR(20000, is_sent(first));
    WAIT_FOR(10000, post("ingest-1", payload, "once", &again) == 202);
    ck_assert_str_eq(again, first);
    WAIT_FOR(SETTLED_MS, post("ingest-1", other, "once", &again) == 422);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE to_address = '%s'", caller), 1);
    free(never);
    free(other);
    free(payload);
    free(again);
    free(first);
    free(caller);
}
END_TEST

START_TEST(it_counts_against_its_sender_when_it_is_accepted) {
    char *caller = new_caller(), *id = NULL;
    stack_start_with(stack, "ingest-2", (const char *const[]){"API_RATE_LIMIT_PER_SENDER_PER_MIN=2", NULL});
    go_on(10 * MINUTE_MS); // what the other tests have sent is over
    int64_t at_ms = in(HOUR_MS);
    for (int i = 0; i < 2; i++) {
        free(taken_by("ingest-2", payload_at(caller, "later", at_ms)));
    }
    char *payload = payload_at(caller, "one too many", at_ms);
    WAIT_FOR(SETTLED_MS, post("ingest-2", payload, NULL, &id) == 429);
    go_on(HOUR_MS); // they are called, which counts for nothing
    WAIT_FOR(20000, all_are_sent(caller, 2));
    free(taken_by("ingest-2", payload_sms(OURS, caller, "now")));
    free(payload);
    free(caller);
    stack_stop(stack, "ingest-2");
}
END_TEST

static void says(const char *from, const char *body) {
    static unsigned number;
    char *id = xasprintf("said-%u", ++number);
    char *payload = xasprintf("{\"from\":\"%s\",\"to\":\"" OURS "\",\"type\":\"sms\",\"messaging_provider_id\":\"%s\","
                              "\"body\":\"%s\",\"timestamp\":\"\"}",
                              from, id, body);
    WAIT_FOR(10000, stack_status(stack, "ingest-1", "POST", PATH_SMS_WEBHOOK, payload) == 202);
    free(payload);
    free(id);
}

START_TEST(who_has_opted_out_is_sent_nothing_later_and_who_does_so_meanwhile_neither) {
    char *caller = new_caller(), *out = NULL;
    char *id = schedule(caller, in(HOUR_MS)), *back = new_caller(), *again = schedule(back, in(HOUR_MS));
    says(caller, "STOP");
    says(back, "STOP");
    char *payload = payload_at(caller, "later", in(HOUR_MS));
    WAIT_FOR(SETTLED_MS, post("ingest-1", payload, NULL, &out) == 422);
    says(back, "START");
    ck_assert(is_waiting(id));
    go_on(HOUR_MS);
    WAIT_FOR(20000, message_is(stack, id, "failed"));
    WAIT_FOR(20000, is_sent(again));
    ck_assert_int_eq(calls_of(id), 0);
    ck_assert_int_eq(stack_sql(stack,
                               "SELECT count(*) FROM dead_letters WHERE message_id = '%s' AND reason LIKE "
                               "'opted_out:%%'",
                               id),
                     1);
    free(payload);
    free(again);
    free(back);
    free(id);
    free(caller);
}
END_TEST

// ---- An older release beside

START_TEST(nothing_is_taken_for_later_while_an_older_release_runs) {
    char *caller = new_caller(), *id = NULL;
    free(schedule(caller, in(HOUR_MS)));
    freeReplyObject(stack_redis(stack, "ZADD processes %lld dispatcher:old", (long long)in(SECOND_MS)));
    char *payload = payload_at(caller, "later", in(HOUR_MS));
    WAIT_FOR(5000, post("ingest-1", payload, NULL, &id) == 503);
    char *text = refusal_of("ingest-1", payload_at(caller, "later", in(HOUR_MS)));
    ck_assert_ptr_nonnull(text);
    ck_assert_msg(strstr(text, "older release") != NULL, "%s", text);
    // All others go on.
    free(send_now(caller));
    free(taken_by("ingest-1", payload_with(PATH_SMS, caller, "now", "\"2024-11-01T14:00:00Z\"")));
    freeReplyObject(stack_redis(stack, "ZREM processes dispatcher:old"));
    WAIT_FOR(SETTLED_MS, post("ingest-1", payload, NULL, &id) == 202);
    free(text);
    free(payload);
    free(id);
    free(caller);
}
END_TEST

// Right after a start it isn't known yet who else runs: that is waited for, not refused.
START_TEST(it_waits_for_the_format_as_webhooks_do) {
    char *caller = new_caller(), *id = NULL;
    stack_start(stack, "ingest-2");
    char *payload = payload_at(caller, "later", in(HOUR_MS));
    ck_assert_int_eq(post("ingest-2", payload, NULL, &id), 202);
    ck_assert(is_waiting(id));
    free(payload);
    free(id);
    free(caller);
    stack_stop(stack, "ingest-2");
}
END_TEST

// ---- Deadlines and clocks

// Dispatchers have Redis's clock here: by it the message is as old as that.
START_TEST(its_deadline_counts_from_its_time) {
    char *caller = new_caller();
    int64_t at_ms = in(10 * DAY_MS);
    char *id = schedule(caller, at_ms), *late = schedule(caller, at_ms + DAY_MS);
    stack_stop(stack, "dispatcher-1");
    stack_start_with(stack, "dispatcher-2", other_clock_environment(clock_of_redis));
    go_on(10 * DAY_MS + MINUTE_MS);
    WAIT_FOR(20000, is_sent(id));
    stack_stop(stack, "dispatcher-2");
    go_on(DAY_MS + 73 * HOUR_MS);
    stack_start_with(stack, "dispatcher-2", other_clock_environment(clock_of_redis));
    WAIT_FOR(20000, message_is(stack, late, "failed"));
    ck_assert_int_eq(calls_of(late), 0);
    stack_stop(stack, "dispatcher-2");
    free(late);
    free(id);
    free(caller);
}
END_TEST

START_TEST(a_retry_of_it_has_as_long_as_any) {
    char *caller = new_caller(), *id = schedule(caller, in(10 * DAY_MS));
    stack_stop(stack, "dispatcher-1");
    mock_configure(stack, MOCK_FAILS);
    go_on(10 * DAY_MS);
    stack_start_with(stack, "dispatcher-2", other_clock_environment(clock_of_redis));
    WAIT_FOR(20000, calls_of(id) >= 1);
    mock_configure(stack, MOCK_WELL);
    WAIT_FOR(20000, is_sent(id));
    stack_stop(stack, "dispatcher-2");
    free(id);
    free(caller);
}
END_TEST

static const int64_t jumps_ms[] = {15 * MINUTE_MS, 400 * DAY_MS, -15 * MINUTE_MS, -400 * DAY_MS};
enum { JUMPS = sizeof jumps_ms / sizeof *jumps_ms };

// Whatever it jumps to while they wait, it is Redis's clock that counts: an hour before by it they wait, and then go.
START_TEST(a_jump_of_the_clock_sends_nothing_before_its_time_by_it) {
    char *caller = new_caller();
    int64_t at_ms = in(HOUR_MS);
    set_clock(jumps_ms[_i]);
    char *id = schedule(caller, in(HOUR_MS)), *marker = schedule(caller, in(30 * MINUTE_MS));
    char *other = schedule(caller, at_ms > in(0) ? at_ms : in(HOUR_MS));
    go_on(59 * MINUTE_MS);
    WAIT_FOR(20000, is_sent(marker));
    ck_assert(is_waiting(id));
    ck_assert_int_eq(calls_of(id), 0);
    go_on(MINUTE_MS);
    WAIT_FOR(20000, is_sent(id));
    set_clock(0); // what is left waits for its time as it is now
    go_on(HOUR_MS);
    WAIT_FOR(20000, is_sent(other));
    free(other);
    free(marker);
    free(id);
    free(caller);
}
END_TEST

// By Redis's clock it is due, and past all deadlines, where by the host's it isn't due yet: it is sent.
START_TEST(a_clock_that_is_ahead_sends_what_is_due_by_it) {
    char *caller = new_caller(), *id = schedule(caller, in(HOUR_MS));
    go_on(400 * DAY_MS);
    WAIT_FOR(20000, is_sent(id));
    free(id);
    free(caller);
}
END_TEST

// A clock that is put back before they are called: they aren't past their deadline by that.
START_TEST(a_clock_that_is_put_back_once_they_are_due_costs_none) {
    char *caller = new_caller(), *id = schedule(caller, in(HOUR_MS));
    stack_stop(stack, "dispatcher-1");
    mock_configure(stack, MOCK_FAILS);
    go_on(HOUR_MS);
    stack_start(stack, "dispatcher-1");
    WAIT_FOR(20000, calls_of(id) >= 1);
    set_clock(0);
    mock_configure(stack, MOCK_WELL);
    WAIT_FOR(30000, is_sent(id));
    free(id);
    free(caller);
}
END_TEST

// ---- What can't be read

START_TEST(what_can_not_be_read_fails_and_holds_up_no_other) {
    char *caller = new_caller(), *ids[3];
    int64_t at_ms = in(HOUR_MS);
    for (int i = 0; i < 3; i++) {
        ids[i] = schedule(caller, at_ms);
    }
    WAIT_FOR(10000, message_is(stack, ids[2], "scheduled"));
    freeReplyObject(stack_redis(stack, "HSET " SCHEDULED " %s:0 garbage", ids[0]));
    freeReplyObject(stack_redis(stack, "HDEL " SCHEDULED " %s:0", ids[1]));
    go_on(HOUR_MS);
    WAIT_FOR(20000, is_sent(ids[2]));
    WAIT_FOR(20000, message_is(stack, ids[0], "failed") && message_is(stack, ids[1], "failed"));
    ck_assert(nothing_waits());
    for (int i = 0; i < 3; i++) {
        free(ids[i]);
    }
    free(caller);
}
END_TEST

START_TEST(all_end_in_order) {
    stack_finish(stack);
}
END_TEST

Suite *suite_scheduled(void) {
    Suite *suite = suite_create("scheduled");
    TCase *tests = tcase_create("scheduled");
    tcase_set_timeout(tests, 300);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, it_waits_until_its_time_has_come_and_then_is_sent);
    tcase_add_test(tests, it_is_not_called_before_its_time);
    tcase_add_test(tests, an_email_may_be_for_later_too);
    tcase_add_test(tests, what_names_no_time_or_a_past_one_is_sent_now);
    tcase_add_test(tests, a_time_that_is_none_or_too_far_ahead_is_400);
    tcase_add_test(tests, a_webhook_takes_no_notice_of_it);
    tcase_add_test(tests, todays_sends_of_its_conversation_do_not_wait_for_it);
    tcase_add_test(tests, its_thread_is_not_held_at_the_top);
    tcase_add_test(tests, what_becomes_due_at_once_goes_in_the_order_in_which_it_was_accepted);
    tcase_add_test(tests, what_is_due_earlier_goes_earlier_whenever_it_was_accepted);
    tcase_add_loop_test(tests, it_survives_what_a_parked_message_survives, 0, sizeof troubles / sizeof *troubles);
    tcase_add_test(tests, a_dispatcher_that_is_killed_while_they_become_due_costs_none);
    tcase_add_loop_test(tests, a_full_waiting_room_refuses_no_send_of_today, 0, sizeof limits / sizeof *limits);
    tcase_add_test(tests, a_full_backlog_refuses_nothing_for_later);
    tcase_add_test(tests, a_refused_one_leaves_nothing_behind);
    tcase_add_test(tests, a_repeat_is_the_same_before_its_time_and_after);
    tcase_add_test(tests, it_counts_against_its_sender_when_it_is_accepted);
    tcase_add_test(tests, who_has_opted_out_is_sent_nothing_later_and_who_does_so_meanwhile_neither);
    tcase_add_test(tests, nothing_is_taken_for_later_while_an_older_release_runs);
    tcase_add_test(tests, it_waits_for_the_format_as_webhooks_do);
    tcase_add_test(tests, its_deadline_counts_from_its_time);
    tcase_add_test(tests, a_retry_of_it_has_as_long_as_any);
    tcase_add_loop_test(tests, a_jump_of_the_clock_sends_nothing_before_its_time_by_it, 0, JUMPS);
    tcase_add_test(tests, a_clock_that_is_ahead_sends_what_is_due_by_it);
    tcase_add_test(tests, a_clock_that_is_put_back_once_they_are_due_costs_none);
    tcase_add_test(tests, what_can_not_be_read_fails_and_holds_up_no_other);
    tcase_add_test(tests, all_end_in_order);
    suite_add_tcase(suite, tests);
    return suite;
}
