// SPDX-License-Identifier: MIT
// Nothing says fine while nothing flows: each state is brought about, looked at through /readyz, /metrics in both
// forms, what the console is given, bin/status.sh and the alerts, put right, and looked at again. A new state is a row.

#include <check.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/delivery.h"
#include "tests/support/payload.h"
#include "tests/support/port.h"
#include "tests/support/private_pooler.h"
#include "tests/support/private_postgres.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"
#include "tests/support/watcher.h"

#define SMS "sms-mms"
#define EMAIL "email"
#define MAX_BACKLOG "40"
#define SEEN_MS 60000
#define SCRIPT_MS 60000
#define ANSWER_MS 2000 // of /readyz, always

static const char *const environment[] = {
    "STATUS_MAX_AGE_SECS=2",
    "API_BREAKER_ERROR_THRESHOLD=3",
    "API_BREAKER_OPEN_SECS=1",
    "STREAM_MAX_BACKLOG=" MAX_BACKLOG,
    "API_WORKER_MAX_RETRIES=1000",
    "API_PROVIDER_RETRY_AFTER_SECS=86400",
    NULL,
};

static struct stack *stack;

static void start(void) {
    stack = stack_create("truth", environment);
    stack_allow_error(stack, "watch_failed");  // a master that becomes a replica unblocks whoever reads,
    stack_allow_error(stack, "unpark_failed"); // and refuses to write
    stack_start_all(stack);
}

static void end(void) {
    stack_destroy(stack);
}

// ---- The five

// Whether a list of troubles holds that code, of that provider (NULL: of none).
static bool lists(const cJSON *troubles, const char *code, const char *provider) {
    const cJSON *one;
    cJSON_ArrayForEach(one, troubles) {
        const cJSON *whose = cJSON_GetObjectItem(one, "provider");
        bool same =
            provider == NULL ? cJSON_IsNull(whose) : cJSON_IsString(whose) && strcmp(whose->valuestring, provider) == 0;
        if (same && strcmp(cJSON_GetObjectItem(one, "code")->valuestring, code) == 0) {
            return true;
        }
    }
    return false;
}

static struct answer *readyz(void) {
    return stack_call(stack, "ingest-1", "GET", "/readyz", NULL, NULL);
}

// One of three, as the machine may be busy.
static void assert_readyz_is_in_time(void) {
    int64_t fastest_ms = INT64_MAX;
    for (int i = 0; i < 3; i++) {
        struct answer *answer = readyz();
        fastest_ms = answer->status != 0 && answer->millis < fastest_ms ? answer->millis : fastest_ms;
        answer_free(answer);
    }
    ck_assert_msg(fastest_ms < deadline_scaled(ANSWER_MS), "/readyz took %lld ms", (long long)fastest_ms);
}

static bool readyz_says(const char *code, const char *provider, long status) {
    struct answer *answer = readyz();
    const char *expected = status == 503 ? "unavailable" : "degraded";
    bool yes = lists(answer_at(answer, "troubles"), code, provider) && answer->status == status &&
               strcmp(answer_text(answer, "status"), expected) == 0;
    answer_free(answer);
    return yes;
}

static bool is_ready(void) {
    struct answer *answer = readyz();
    bool ready = answer->status == 200 && strcmp(answer_text(answer, "status"), "ready") == 0;
    answer_free(answer);
    return ready;
}

static bool metrics_say(const char *code, const char *provider) {
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/metrics", NULL, NULL);
    bool yes = lists(answer_at(answer, "troubles"), code, provider);
    answer_free(answer);
    return yes;
}

// The gauge that the alerts look at; -1 where it isn't there.
static int gauge(const char *code, const char *provider) {
    const char *const headers[] = {"Accept: text/plain", NULL};
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/metrics", NULL, headers);
    char *labels = provider == NULL ? xasprintf("\nmessaging_trouble{code=\"%s\"} ", code)
                                    : xasprintf("\nmessaging_trouble{code=\"%s\",provider=\"%s\"} ", code, provider);
    const char *at = strstr(answer->body, labels);
    int value = at == NULL ? -1 : atoi(at + strlen(labels));
    free(labels);
    answer_free(answer);
    return value;
}

// What a page that opens now is given at first.
static bool console_is_given(const char *text) {
    struct watcher *watcher = watcher_open(stack_port(stack, "ingest-1"), NULL);
    WAIT_FOR(SEEN_MS, watcher_saw(watcher, "\"notes\":[") || watcher_saw(watcher, "event: trouble"));
    bool given = watcher_saw(watcher, text);
    watcher_close(watcher);
    return given;
}

// Some rule of alerts.yml selects the code.
static bool an_alert_selects(const char *code) {
    char *path = xasprintf("%s/deploy/monitoring/alerts.yml", getenv("PROJECT_ROOT")), *text = read_whole_file(path);
    const char *before = "\"|", *behind = "\"|";
    bool found = false;
    for (const char *at = text; !found && (at = strstr(at, code)) != NULL; at++) {
        found = at > text && strchr(before, at[-1]) != NULL && strchr(behind, at[strlen(code)]) != NULL;
    }
    free(path);
    free(text);
    return found;
}

// Runs bin/status.sh; what it printed is owned by the caller.
static int status_script(char **output) {
    char *program = xasprintf("%s/bin/status.sh", getenv("PROJECT_ROOT")),
         *postgres = postgres_url(stack_port(stack, "postgres"));
    char *variables[] = {xasprintf("REDIS_URL=redis://127.0.0.1:%u", stack_port(stack, "redis")),
                         xasprintf("DATABASE_URL=%s", postgres), xasprintf("RUN_DIR=%s/run", stack_folder(stack)),
                         xasprintf("BUILD_DIR=%s", getenv("BUILD_DIR"))};
    char *log = xasprintf("%s/status.log", stack_folder(stack));
    (void)remove(log);
    struct child *child = child_start(&(struct child_options){
        .name = "status",
        .folder = stack_folder(stack),
        .argv = (const char *const[]){program, NULL},
        .environment = (const char *const[]){variables[0], variables[1], variables[2], variables[3],
                                             "STATUS_MAX_AGE_SECS=2", "STREAM_MAX_BACKLOG=" MAX_BACKLOG, NULL},
        .death_signal = SIGKILL});
    int status = child_wait(child, deadline_scaled(SCRIPT_MS));
    child_destroy(child);
    *output = read_whole_file(log);
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        free(variables[i]);
    }
    free(log);
    free(postgres);
    free(program);
    return status;
}

static void assert_status_says(int expected, const char *line) {
    char *output;
    int status = status_script(&output);
    const char *at = strstr(output, line);
    ck_assert_msg(status == expected && at != NULL, "status %d, '%s' expected in:\n%s", status, line, output);
    free(output);
}

// ---- Bringing states about

static void as_superuser(const char *sql) {
    char *url = xasprintf("postgres://postgres@127.0.0.1:%u/messaging_service?options=-cdefault_transaction_read_only"
                          "%%3Doff",
                          stack_port(stack, "postgres"));
    PGconn *link = PQconnectdb(url);
    PGresult *result = PQexec(link, sql);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK, "%s: %s",
                  sql, PQerrorMessage(link));
    PQclear(result);
    PQfinish(link);
    free(url);
}

static void redis_do(const char *command) {
    redisReply *reply = stack_redis(stack, command);
    ck_assert_msg(reply != NULL && reply->type != REDIS_REPLY_ERROR, "%s: %s", command, reply_text(reply, 0));
    freeReplyObject(reply);
}

static void send_one(void) {
    free(send_sms_from(stack, 7000001));
}

static void kill_postgres(void) {
    stack_kill(stack, "postgres");
}

static void start_postgres(void) {
    stack_start(stack, "postgres");
}

static void kill_persister(void) {
    stack_kill(stack, "persister-1");
}

// Heard of last by a clock that was ahead: it lives no more for that.
static void kill_persister_of_a_wrong_clock(void) {
    kill_persister();
    redis_do("ZADD processes 99999999999999 persister:persister-9");
}

static void forget_it(void) {
    redis_do("ZREM processes persister:persister-9");
    stack_start(stack, "persister-1");
}

static void kill_persister_with_work(void) {
    kill_persister();
    send_one();
}

static void start_persister(void) {
    stack_start(stack, "persister-1");
}

static void kill_dispatcher(void) {
    stack_kill(stack, "dispatcher-1");
}

static void kill_dispatcher_with_work(void) {
    kill_dispatcher();
    send_one();
}

static void start_dispatcher(void) {
    stack_start(stack, "dispatcher-1");
}

static void overdue_retry(void) {
    kill_dispatcher();
    redis_do("HSET parked:{email:0} 0194c0de-0000-7000-8000-000000000001:0 garbage");
    redis_do("ZADD parked-due:{email:0} 1 0194c0de-0000-7000-8000-000000000001:0");
}

// Five messages, of as many senders.
static void refuse_all(void) {
    redis_do("ZADD refused:{email:0} 1 a:0 1 b:0 1 c:0 1 d:0 1 e:0");
    redis_do("HDEL breaker:{email} accepted");
}

static void refuse_none(void) {
    redis_do("DEL refused:{email:0}");
}

static void fill_backlog(void) {
    kill_dispatcher();
    send_emails(stack, "full@x.com", (unsigned)atoi(MAX_BACKLOG));
}

static void make_read_only(void) {
    as_superuser("ALTER SYSTEM SET default_transaction_read_only = on");
    as_superuser("SELECT pg_reload_conf()");
    send_one();
}

static void make_writable(void) {
    as_superuser("ALTER SYSTEM RESET default_transaction_read_only");
    as_superuser("SELECT pg_reload_conf()");
}

static PGconn *locker;

static void lock_a_table(void) {
    char *url = postgres_url(stack_port(stack, "postgres"));
    locker = PQconnectdb(url);
    PQclear(PQexec(locker, "BEGIN"));
    PQclear(PQexec(locker, "LOCK TABLE totals IN ACCESS EXCLUSIVE MODE"));
    free(url);
    send_one();
}

static void unlock_it(void) {
    PQfinish(locker);
}

static struct child *pooler;

static void start_behind_a_pooler(void) {
    uint16_t port = free_port();
    pooler = pooler_start(stack_folder(stack), port, stack_port(stack, "postgres"),
                          (const char *const[]){"pool_mode = transaction", NULL});
    char *url = postgres_url(port), *variable = xasprintf("DATABASE_URL=%s", url);
    stack_launch(stack, "persister-2", (const char *const[]){variable, NULL});
    free(variable);
    free(url);
}

static void stop_behind_a_pooler(void) {
    stack_stop(stack, "persister-2");
    child_destroy(pooler);
}

static void open_breaker(void) {
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":100,\"ratelimit_pct\":0}");
    send_many(stack, 7000100, 20);
}

static void let_the_mock_behave(void) {
    mock_configure(stack, MOCK_WELL);
}

static void open_by_hand(void) {
    redis_do("HSET breaker:{email} mode open");
}

static void close_by_hand(void) {
    redis_do("HSET breaker:{email} mode auto");
}

static void ask_for_a_pause(void) {
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":100,\"retry_after_secs\":86400}");
    send_one();
}

// What was refused waits for its time; another message is the probe.
static void lift_the_pause(void) {
    mock_configure(stack, MOCK_WELL);
    redis_do("HDEL breaker:{sms-mms} paused");
    send_many(stack, 7000200, 5);
}

static void start_without_replicas(void) {
    stack_start_with(stack, "ingest-2", (const char *const[]){"REDIS_WAIT_REPLICAS=1", NULL});
}

static void stop_without_replicas(void) {
    stack_stop(stack, "ingest-2");
}

// Whoever would put the set there again may not.
static void lose_the_partitions(void) {
    redis_do("ACL SETUSER default -sadd");
    redis_do("DEL partitions");
}

static void find_the_partitions(void) {
    redis_do("ACL SETUSER default +sadd");
    redis_do("SADD partitions sms-mms:0 email:0");
}

static char newer_entry[64];

static void leave_a_newer_entry(void) {
    redisReply *reply = stack_redis(stack, "XADD events:{email:0} * v 99 k accepted id x");
    snprintf(newer_entry, sizeof newer_entry, "%s", reply_text(reply, 0));
    freeReplyObject(reply);
}

static void take_the_newer_entry(void) {
    freeReplyObject(stack_redis(stack, "XACK events:{email:0} persisters %s", newer_entry));
    freeReplyObject(stack_redis(stack, "XDEL events:{email:0} %s", newer_entry));
}

static void ask_for_replays_of_nobody(void) {
    kill_persister();
    redis_do("XADD replays:{replay} * v 1 at 1 matched 1");
}

static void forget_the_replays(void) {
    redis_do("DEL replays:{replay} replaying:{replay}");
    start_persister();
}

static void fill_memory(void) {
    redisReply *info = stack_redis(stack, "INFO memory");
    const char *used = strstr(reply_text(info, 0), "used_memory:");
    freeReplyObject(
        stack_redis(stack, "CONFIG SET maxmemory %lld", strtoll(used + strlen("used_memory:"), NULL, 10) * 10 / 9));
    freeReplyObject(info);
}

static void empty_memory(void) {
    redis_do("CONFIG SET maxmemory 1gb");
}

static void make_a_replica(void) {
    redis_do("REPLICAOF 127.0.0.1 1");
}

static void make_a_master(void) {
    redis_do("REPLICAOF NO ONE");
}

static void kill_redis(void) {
    stack_kill(stack, "redis");
}

static void start_redis(void) {
    stack_start(stack, "redis");
}

// ---- The states

static const struct state {
    void (*bring)(void);
    void (*put_right)(void);
    const char *code, *provider;
    const char *line; // of bin/status.sh
    long status;      // of /readyz
} states[] = {
    {kill_postgres, start_postgres, "postgres_away", NULL, "STUCK: Postgres doesn't answer", 200},
    {kill_persister, start_persister, "no_persister", NULL, "STUCK: no persister lives", 200},
    {kill_persister_of_a_wrong_clock, forget_it, "no_persister", NULL, "STUCK: no persister lives", 200},
    {kill_persister_with_work, start_persister, "events_stuck", SMS,
     "STUCK: events:{sms-mms:0}: the oldest event has waited for", 200},
    {kill_dispatcher, start_dispatcher, "no_dispatcher", NULL, "STUCK: no dispatcher lives", 200},
    {kill_dispatcher_with_work, start_dispatcher, "outbound_stuck", SMS,
     "STUCK: outbound:{sms-mms:0}: the oldest message has waited for", 200},
    {overdue_retry, start_dispatcher, "retries_overdue", EMAIL, "STUCK: parked-due:{email:0}: a retry has been due",
     200},
    {refuse_all, refuse_none, "refused", EMAIL, "STUCK: email has refused five messages and more", 200},
    {fill_backlog, start_dispatcher, "backlog_full", EMAIL, "STUCK: {email:0}: 40 wait, and sends are refused", 200},
    {make_read_only, make_writable, "postgres_refused", NULL, "STUCK: persister:persister-1: ", 200},
    {lock_a_table, unlock_it, "persister_repeats", NULL, "STUCK: persister:persister-1: 55P03: ", 200},
    {start_behind_a_pooler, stop_behind_a_pooler, "postgres_refused", NULL, "must be in session mode", 200},
    {open_breaker, let_the_mock_behave, "breaker_open", SMS,
     "STUCK: breaker:{sms-mms}: it has been open (server_error)", 200},
    {open_by_hand, close_by_hand, "breaker_open", EMAIL, "STUCK: breaker:{email}: an operator has opened it", 200},
    {ask_for_a_pause, lift_the_pause, "paused", SMS, "STUCK: breaker:{sms-mms}: a 429 has paused the provider", 200},
    {start_without_replicas, stop_without_replicas, "wait_failing", NULL, "STUCK: ingest:ingest-2: too few replicas",
     200},
    {lose_the_partitions, find_the_partitions, "partitions_missing", NULL, "STUCK: the set `partitions` is missing",
     200},
    {leave_a_newer_entry, take_the_newer_entry, "newer_format", EMAIL, "STUCK: events:{email:0}: entries of a newer",
     200},
    {ask_for_replays_of_nobody, forget_the_replays, "replays_stuck", NULL, "STUCK: replays:{replay}: nobody has worked",
     200},
    {fill_memory, empty_memory, "redis_memory", NULL, "of its memory: sends are refused", 200},
    {make_a_replica, make_a_master, "redis_unreadable", NULL, "STUCK: Redis doesn't answer: this Redis is a replica",
     503},
    {kill_redis, start_redis, "redis_unreadable", NULL, "STUCK: Redis doesn't answer: connection refused", 503},
};

static const struct state *standing; // NULL: none

// After a failure, too, the next one begins where all is well.
static void recover(void) {
    if (standing != NULL) {
        standing->put_right();
        standing = NULL;
    }
}

static bool nothing_is_stuck(void) {
    if (!is_ready()) {
        return false;
    }
    char *output;
    bool nothing = status_script(&output) == 0 && strstr(output, "Nothing is stuck.") != NULL;
    free(output);
    return nothing;
}

static void assert_all_is_well(void) {
    WAIT_FOR(SEEN_MS, nothing_is_stuck());
}

START_TEST(while_it_stands_all_five_say_so_and_none_once_it_is_put_right) {
    const struct state *state = &states[_i];
    bool readable = state->status == 200;
    WAIT_FOR(SEEN_MS, is_ready());
    standing = state;
    state->bring();
    WAIT_FOR(SEEN_MS, readyz_says(state->code, state->provider, state->status));
    assert_readyz_is_in_time();
    if (readable) {
        char *code = xasprintf("{\"code\":\"%s\",", state->code);
        WAIT_FOR(SEEN_MS, metrics_say(state->code, state->provider));
        ck_assert_int_eq(gauge(state->code, state->provider), 1);
        WAIT_FOR(SEEN_MS, console_is_given(code));
        free(code);
    } else { // nobody can say more than that
        WAIT_FOR(SEEN_MS, stack_status(stack, "ingest-1", "GET", "/metrics", NULL) == 503);
        WAIT_FOR(SEEN_MS, console_is_given("event: trouble"));
    }
    assert_status_says(1, state->line);
    ck_assert_msg(an_alert_selects(state->code), "no alert selects %s", state->code);
    recover();
    assert_all_is_well();
    ck_assert(!metrics_say(state->code, state->provider));
    ck_assert_int_eq(gauge(state->code, state->provider), 0);
}
END_TEST

START_TEST(a_redis_that_stands_still_is_no_reason_for_a_late_answer) {
    WAIT_FOR(SEEN_MS, is_ready());
    stack_signal(stack, "redis", SIGSTOP);
    assert_readyz_is_in_time();
    WAIT_FOR(SEEN_MS, readyz_says("redis_unreadable", NULL, 503));
    assert_readyz_is_in_time();
    stack_signal(stack, "redis", SIGCONT);
    assert_all_is_well();
}
END_TEST

START_TEST(what_was_set_aside_is_no_trouble) {
    redis_do("HSET parked:{email:0} 0194c0de-0000-7000-8000-000000000002:0 garbage");
    redis_do("ZADD parked-due:{email:0} 1 0194c0de-0000-7000-8000-000000000002:0");
    WAIT_FOR(SEEN_MS, stack_redis_int(stack, "HLEN parked:{email:0}") == 0);
    assert_all_is_well();
}
END_TEST

START_TEST(a_sender_that_its_provider_refuses_is_worth_a_word_and_nothing_stands) {
    mock_configure(stack,
                   "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"refused_senders\":[\"bad@x.com\"]}");
    send_emails(stack, "bad@x.com", 8);
    WAIT_FOR(SEEN_MS, gauge("senders_held", EMAIL) == 1);
    ck_assert(is_ready());
    assert_status_says(0, "Note: email refuses 1 of our senders");
    WAIT_FOR(SEEN_MS, console_is_given("\"code\":\"senders_held\""));
    mock_configure(stack, MOCK_WELL);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_truth(void);

Suite *suite_truth(void) {
    Suite *suite = suite_create("truth");
    TCase *tests = tcase_create("truth");
    tcase_set_timeout(tests, 0); // each wait has its own
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, NULL, recover);
    tcase_add_loop_test(tests, while_it_stands_all_five_say_so_and_none_once_it_is_put_right, 0,
                        sizeof states / sizeof *states);
    tcase_add_test(tests, a_redis_that_stands_still_is_no_reason_for_a_late_answer);
    tcase_add_test(tests, what_was_set_aside_is_no_trouble);
    tcase_add_test(tests, a_sender_that_its_provider_refuses_is_worth_a_word_and_nothing_stands);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
