// SPDX-License-Identifier: MIT
// The whole pipeline as users that may do no more than they need: in Redis those of redis/users.acl, in Postgres
// members of the roles of migrations/0004_roles. And that each is refused what it doesn't need.

#include <check.h>
#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/rfc3339.h"
#include "tests/support/child.h"
#include "tests/support/events.h"
#include "tests/support/payload.h"
#include "tests/support/private_postgres.h"
#include "tests/support/private_redis.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"

#define PASSWORD "of a test/@:%" // written into a URL, each of these needs its escape
#define ESCAPED "of%20a%20test%2F%40%3A%25"
#define MOST_WORDS 128

Suite *suite_roles(void);

static struct stack *stack;

static char *project_file(const char *name) {
    char *path = xasprintf("%s/%s", getenv("PROJECT_ROOT"), name);
    char *text = read_whole_file(path);
    ck_assert_msg(text != NULL, "%s is missing", path);
    free(path);
    return text;
}

// ---- The users

// A line of users.acl as a command: ACL SETUSER name rule …, with a password.
static void set_user(char *line) {
    const char *words[MOST_WORDS] = {"ACL", "SETUSER"};
    int count = 2;
    char *rest = line;
    (void)strsep(&rest, " "); // "user"
    for (char *word; (word = strsep(&rest, " ")) != NULL;) {
        ck_assert_int_lt(count, MOST_WORDS - 1);
        words[count++] = word;
    }
    words[count++] = ">" PASSWORD;
    redisReply *reply = stack_redis_argv(stack, count, words);
    ck_assert_str_eq(reply_text(reply, 0), "OK");
    freeReplyObject(reply);
}

// All but the default user, as whom the test itself looks.
static void make_redis_users(void) {
    char *text = project_file("redis/users.acl"), *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (strncmp(line, "user ", 5) == 0 && strncmp(line, "user default", 12) != 0) {
            set_user(line);
        }
    }
    free(text);
}

static void admin_sql(const char *sql) {
    char *url = xasprintf("postgres://postgres@127.0.0.1:%u/messaging_service", stack_port(stack, "postgres"));
    PGconn *link = PQconnectdb(url);
    PGresult *result = PQexec(link, sql);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK, "%s: %s",
                  sql, PQerrorMessage(link));
    PQclear(result);
    PQfinish(link);
    free(url);
}

static void make_postgres_users(void) {
    admin_sql("CREATE ROLE test_ingest LOGIN PASSWORD '" PASSWORD "' IN ROLE messaging_reader");
    admin_sql("CREATE ROLE test_persister LOGIN PASSWORD '" PASSWORD "' IN ROLE messaging_persister");
    postgres_ask_for_passwords(stack_folder(stack));
    stack_signal(stack, "postgres", SIGHUP);
}

static char *redis_url_of(const char *user) {
    return xasprintf("redis://%s:%s@127.0.0.1:%u", user, ESCAPED, stack_port(stack, "redis"));
}

static char *postgres_url_of(const char *user) {
    return xasprintf("postgres://%s:%s@127.0.0.1:%u/messaging_service?sslmode=prefer", user, ESCAPED,
                     stack_port(stack, "postgres"));
}

static void start_as(const char *program, const char *redis_user, const char *postgres_user) {
    char *redis = redis_url_of(redis_user), *postgres = postgres_url_of(postgres_user);
    char *variables[] = {xasprintf("REDIS_URL=%s", redis), xasprintf("DATABASE_URL=%s", postgres)};
    stack_start_with(stack, program, (const char *const[]){variables[0], variables[1], NULL});
    free(variables[0]);
    free(variables[1]);
    free(postgres);
    free(redis);
}

static const char *const environment[] = {"API_WORKER_MAX_RETRIES=2", "API_BREAKER_ERROR_THRESHOLD=100",
                                          "LOG_LEVEL=debug", NULL};

static void start(void) {
    stack = stack_create("roles", environment);
    stack_start(stack, "postgres");
    make_redis_users();
    make_postgres_users();
    start_as("mock-provider", "mock-provider", "nobody");
    start_as("dispatcher-1", "dispatcher", "nobody");
    start_as("persister-1", "persister", "test_persister");
    start_as("ingest-1", "ingest", "test_ingest");
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
}

// ---- What they need

static bool has_status(const char *id, const char *status) {
    char *path = xasprintf("/api/messages/%s", id);
    struct answer *answer = stack_call(stack, "ingest-1", "GET", path, NULL, NULL);
    bool has = answer->status == 200 && strcmp(answer_text(answer, "status"), status) == 0;
    answer_free(answer);
    free(path);
    return has;
}

static void expect(const char *method, const char *path, const char *body, long status) {
    struct answer *answer = stack_call(stack, "ingest-1", method, path, body, NULL);
    ck_assert_msg(answer->status == status, "%s %s: %ld %s", method, path, answer->status, answer->body);
    answer_free(answer);
}

START_TEST(messages_of_each_kind_travel_the_whole_way) {
    char *sms = send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+1201", "+1804", "hi"));
    char *mms = send_accepted(stack, "ingest-1", PATH_SMS, payload_mms("+1201", "+1804", "hi"));
    char *email = send_accepted(stack, "ingest-1", PATH_EMAIL, payload_email("a@b.example", "c@d.example", "hi"));
    char *inbound =
        send_accepted(stack, "ingest-1", PATH_SMS_WEBHOOK, payload_sms_webhook("+1804", "+1201", "roles-1", "hi"));
    WAIT_FOR(20000, has_status(sms, "sent") && has_status(mms, "sent") && has_status(email, "sent") &&
                        has_status(inbound, "received"));
    WAIT_FOR(20000, stack_is_drained(stack));
    ck_assert_int_eq(stack_redis_int(stack, "ZCARD ours:{email:0}"), 1);
    free(send_accepted(stack, "ingest-1", PATH_EMAIL_WEBHOOK,
                       payload_email_webhook("c@d.example", "e@f.example, a@b.example", "roles-2", "hi")));
    WAIT_FOR(20000, stack_sql(stack, "SELECT message_count FROM conversations WHERE key = "
                                     "'email:a@b.example<->c@d.example'") == 2);
    expect("GET", "/api/conversations?participant=%2B1201", NULL, 200);
    expect("GET", "/api/conversations/1/messages", NULL, 200);
    free(inbound);
    free(email);
    free(mms);
    free(sms);
}
END_TEST

START_TEST(what_waits_and_what_was_cancelled_is_recorded_and_shown) {
    char *id = events_new_id();
    free(events_add_waiting(stack, id, "+1201", "scheduled", 4102444800000));
    WAIT_FOR(20000, has_status(id, "scheduled"));
    free(events_add_cancelled(stack, id, 0, 1));
    WAIT_FOR(20000, has_status(id, "cancelled"));
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE send_at = '2100-01-01T00:00:00Z'"), 1);
    free(id);
}
END_TEST

// Recorded, once more, and shown in the message and its list; one without a message waits for the janitor.
START_TEST(receipts_are_recorded_and_those_without_a_message_deleted) {
    char *sms = send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+1201", "+1804", "arrives")), *none;
    WAIT_FOR(20000, has_status(sms, "sent"));
    for (int i = 0; i < 2; i++) {
        free(events_add_receipt(stack, sms, "delivered", "SM1", 1000 + i));
        WAIT_FOR(20000, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 0);
    }
    ck_assert(has_status(sms, "delivered"));
    none = events_new_id();
    free(events_add_receipt(stack, none, "delivered", "SM1", -1));
    WAIT_FOR(20000, stack_sql(stack, "SELECT count(*) FROM receipts WHERE early") == 1);
    admin_sql("UPDATE receipts SET recorded_at = now() - interval '25 hours' WHERE early");
    stack_stop(stack, "persister-1");
    start_as("persister-1", "persister", "test_persister"); // the janitor looks soon after the start
    WAIT_FOR(20000, stack_sql(stack, "SELECT count(*) FROM receipts WHERE early") == 0);
    free(none);
    free(sms);
}
END_TEST

static int64_t retries(void) {
    return stack_sql(stack, "SELECT count(*) FROM dispatch_attempts WHERE outcome <> 'sent'");
}

// Sets the share of failing calls, and waits until the mock goes by it.
static void set_errors(int percent) {
    char *body = xasprintf("{\"timeout_pct\":0,\"error_pct\":%d,\"ratelimit_pct\":0}", percent);
    char *shown = xasprintf("\"error_pct\":%d", percent);
    int before = stack_log_about(stack, "mock-provider", "mock_config_changed", shown);
    expect("PUT", "/api/provider/mock/config", body, 200);
    WAIT_FOR(10000, stack_log_about(stack, "mock-provider", "mock_config_changed", shown) > before);
    free(shown);
    free(body);
}

// Retries, a dead letter, its replay by one and by many, and the mock's controls.
START_TEST(failures_and_replays_work) {
    set_errors(100);
    char *failed = send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+1201", "+1804", "fails"));
    char *second = send_accepted(stack, "ingest-1", PATH_EMAIL, payload_email("a@b.example", "c@d.example", "fails"));
    WAIT_FOR(20000, has_status(failed, "failed") && has_status(second, "failed"));
    ck_assert_int_gt(retries(), 0);
    set_errors(0);
    expect("GET", "/api/provider/mock/config", NULL, 200);
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/api/dead-letters?provider=sms-mms", NULL, NULL);
    char *path = xasprintf("/api/dead-letters/%s/replay", answer_text(answer, "items.0.id"));
    answer_free(answer);
    expect("POST", path, "{}", 202);
    expect("POST", "/api/dead-letters/replay", "{\"provider\":\"email\"}", 202);
    WAIT_FOR(20000, has_status(failed, "sent") && has_status(second, "sent"));
    WAIT_FOR(20000, stack_is_drained(stack) && stack_redis_int(stack, "XLEN replays:{replay}") == 0);
    free(path);
    free(second);
    free(failed);
}
END_TEST

// Kept in Redis, recorded, listed; its replay asks all of Redis that one which can be read does.
static void cancel_waiting(const char *id, const char *status) {
    char *path = xasprintf("/api/messages/%s", id);
    WAIT_FOR(20000, has_status(id, status));
    expect("DELETE", path, NULL, 202);
    expect("DELETE", path, NULL, 409);
    ck_assert_int_eq(stack_redis_int(stack, "EXISTS cancelled:{sms-mms:0}:%s", id), 1);
    WAIT_FOR(20000, has_status(id, "cancelled"));
    free(path);
}

// What is for later waits until the newest format is written, without which nobody is held.
START_TEST(what_waits_is_cancelled) {
    char due[RFC3339_SIZE];
    rfc3339_format(clock_unix_ms() + 3600 * 1000, due);
    char *later = send_accepted(stack, "ingest-1", PATH_SMS,
                                xasprintf("{\"from\":\"+1201\",\"to\":\"+1805\",\"type\":\"sms\",\"body\":\"later\","
                                          "\"timestamp\":\"2024-11-01T14:00:00Z\",\"send_at\":\"%s\"}",
                                          due));
    cancel_waiting(later, "scheduled");
    stack_stop(stack, "dispatcher-1");
    char *first = send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+1201", "+1805", "is sent"));
    char *second = send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+1201", "+1805", "is cancelled"));
    cancel_waiting(second, "held");
    start_as("dispatcher-1", "dispatcher", "nobody");
    WAIT_FOR(20000, has_status(first, "sent"));
    WAIT_FOR(20000, stack_is_drained(stack));
    free(second);
    free(first);
    free(later);
}
END_TEST

// One of its messages waits, so that its token must be ended, and the next one's turn with it.
START_TEST(a_conversation_is_erased) {
    stack_stop(stack, "dispatcher-1");
    char *first = send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+1202", "+1806", "is erased"));
    char *second = send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+1202", "+1806", "is erased, too"));
    WAIT_FOR(10000, has_status(first, "queued") && has_status(second, "held"));
    char *path =
        stack_sql_text(stack, "SELECT '/api/conversations/' || conversation_id FROM messages WHERE id = '%s'", first);
    expect("DELETE", path, NULL, 202);
    WAIT_FOR(10000,
             stack_sql(stack, "SELECT count(*) FROM erased_messages WHERE id IN ('%s', '%s')", first, second) == 2);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE id IN ('%s', '%s')", first, second), 0);
    start_as("dispatcher-1", "dispatcher", "nobody");
    WAIT_FOR(20000, stack_is_drained(stack));
    free(path);
    free(second);
    free(first);
}
END_TEST

START_TEST(webhooks_that_are_no_messages_work) {
    WAIT_FOR(20000, stack_status(stack, "ingest-1", "POST", PATH_SMS_WEBHOOK, "{}") == 400);
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE stage = 'webhook'") == 1);
    char *id = stack_sql_text(stack, "SELECT id FROM dead_letters WHERE stage = 'webhook'");
    char *path = xasprintf("/api/dead-letters/%s/replay", id);
    expect("POST", path, NULL, 409);
    admin_sql(
        "UPDATE dead_letters SET raw = convert_to('{\"from\":\"+1804\",\"to\":\"+1201\",\"type\":\"sms\",\"body\":"
        "\"x\",\"messaging_provider_id\":\"roles-2\"}', 'UTF8') WHERE stage = 'webhook'");
    expect("POST", path, NULL, 202);
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE stage = 'webhook' AND replayed_at IS NOT "
                                     "NULL") == 1);
    free(path);
    free(id);
}
END_TEST

// Of a message that is there no more, one of nobody's, and one that is parked; who opts out.
START_TEST(receipts_work) {
    static const char token[] = "0194c0de-0000-7000-8000-000000000001:0";
    static const char parked[] =
        "{\"v\":\"2\",\"id\":\"0194c0de-0000-7000-8000-000000000001\",\"gen\":\"0\",\"call\":\"2\","
        "\"spent\":\"1\",\"at\":\"5\",\"p\":\"{}\"}";
    static const char event[] =
        "[{\"event\":\"spamreport\",\"email\":\"c@d.example\",\"our_address\":\"a@b.example\","
        "\"sg_event_id\":\"r1\",\"message_id\":\"0194c0de-0000-7000-8000-000000000001\",\"partition\":900}]";
    const char *const form[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    WAIT_FOR(20000, stack_status(stack, "ingest-1", "POST", "/api/webhooks/email/events", event) == 204);
    freeReplyObject(stack_redis(stack, "HSET parked:{sms-mms:0} %s %s", token, parked));
    freeReplyObject(stack_redis(stack, "ZADD parked-due:{sms-mms:0} 9999999999999 %s", token));
    struct answer *answer =
        stack_call(stack, "ingest-1", "POST",
                   "/api/webhooks/sms/status?message_id=0194c0de-0000-7000-8000-000000000001&partition=0",
                   "MessageSid=SM1&MessageStatus=delivered", form);
    ck_assert_msg(answer->status == 204, "%ld %s", answer->status, answer->body);
    answer_free(answer);
    ck_assert_int_eq(stack_redis_int(stack, "HEXISTS parked:{sms-mms:0} %s", token), 0);
}
END_TEST

// `persister --rekey` as the persister's users: a conversation of an older release's that gets another key, and two
// that become one.
START_TEST(a_rekey_works) {
    char *older = project_file("tests/support/sql/older_release.sql");
    char *program = xasprintf("%s/persister", getenv("BUILD_DIR"));
    char *redis = redis_url_of("persister"), *postgres = postgres_url_of("test_persister");
    char *variables[] = {xasprintf("REDIS_URL=%s", redis), xasprintf("DATABASE_URL=%s", postgres)};
    stack_sql(stack, "%s", older);
    stack_sql(stack, "SELECT count(older('sms', '+44 (0)20 7946 0001', '+1804', '+4402079460001', '+1804', 2))");
    stack_sql(stack, "SELECT count(older('sms', '+44 (0)20 7946 0002', '+1804', '+4402079460002', '+1804', 2))");
    stack_sql(stack, "SELECT count(older('sms', '+44 20 7946 0002', '+1804', '+442079460002', '+1804', 2))");
    stack_sql(stack, "UPDATE identity_state SET rules = 1");
    child_run(&(struct child_options){.name = "rekey",
                                      .folder = stack_folder(stack),
                                      .argv = (const char *const[]){program, "--rekey", NULL},
                                      .environment = (const char *const[]){variables[0], variables[1], NULL},
                                      .death_signal = SIGKILL},
              20000);
    ck_assert_int_eq(stack_sql(stack, "SELECT sum(message_count) FROM conversations WHERE key IN "
                                      "('sms:+1804<->+442079460001', 'sms:+1804<->+442079460002')"),
                     6);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversation_aliases"), 1);
    free(variables[0]);
    free(variables[1]);
    free(postgres);
    free(redis);
    free(program);
    free(older);
}
END_TEST

START_TEST(events_metrics_and_replays_of_the_provider_work) {
    static const char request[] = "GET /api/events HTTP/1.1\r\nHost: h\r\n\r\n";
    char *text = client_raw(stack_port(stack, "ingest-1"), request, sizeof request - 1, 700);
    ck_assert_msg(strstr(text, "event: pipeline") != NULL, "%s", text);
    free(text);
    expect("GET", "/metrics", NULL, 200);
    WAIT_FOR(10000, stack_redis_int(stack, "HLEN metrics") > 0);
    ck_assert_int_ge(stack_redis_int(stack, "ZCARD processes"), 3);
    ck_assert_int_ge(stack_redis_int(stack, "ZCARD formats"), 3);
    expect("POST", "/api/provider/mock/inbound",
           "{\"channel\":\"sms\",\"from\":\"+1804\",\"to\":\"+1201\",\"body\":\"x\",\"attachments\":null,"
           "\"timestamp\":\"2024-11-01T14:00:00Z\"}",
           202);
}
END_TEST

static bool is_held_with_another_send(void) {
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+1201", "+1805", "in turn")));
    return stack_redis_int(stack, "HLEN held:{sms-mms:0}") > 0;
}

// Ingest sees it, for all that it may not touch the clock of turns.
START_TEST(who_waits_for_a_turn_is_shown) {
    stack_stop(stack, "dispatcher-1");
    WAIT_FOR(20000, is_held_with_another_send());
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/metrics", NULL, NULL);
    ck_assert(answer_number(answer, "providers.sms-mms.held") > 0);
    ck_assert(answer_number(answer, "providers.sms-mms.held_oldest_ms") >= 0);
    answer_free(answer);
    start_as("dispatcher-1", "dispatcher", "nobody");
    WAIT_FOR(20000, stack_is_drained(stack));
}
END_TEST

START_TEST(a_restart_of_each_finds_what_it_needs_again) {
    const char *const names[][3] = {{"dispatcher-1", "dispatcher", "nobody"},
                                    {"persister-1", "persister", "test_persister"},
                                    {"ingest-1", "ingest", "test_ingest"}};
    for (size_t i = 0; i < 3; i++) {
        stack_stop(stack, names[i][0]);
        start_as(names[i][0], names[i][1], names[i][2]);
    }
    char *sms = send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+1201", "+1804", "after the restart"));
    WAIT_FOR(20000, has_status(sms, "sent"));
    free(sms);
}
END_TEST

START_TEST(a_library_that_is_there_needs_nobody_who_may_load_it) {
    freeReplyObject(stack_redis(stack, "ACL SETUSER dispatcher -function|load"));
    stack_stop(stack, "dispatcher-1");
    start_as("dispatcher-1", "dispatcher", "nobody");
    char *sms = send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+1201", "+1804", "the library is there"));
    WAIT_FOR(20000, has_status(sms, "sent"));
    freeReplyObject(stack_redis(stack, "ACL SETUSER dispatcher +function|load"));
    freeReplyObject(stack_redis(stack, "ACL LOG RESET"));
    free(sms);
}
END_TEST

// This server has no TLS, so asking for it must fail: the parameter has reached libpq.
START_TEST(a_connection_to_postgres_that_must_be_encrypted_is_not_made_without) {
    char *url = xasprintf("DATABASE_URL=postgres://messaging_user@127.0.0.1:%u/messaging_service?sslmode=require",
                          stack_port(stack, "postgres"));
    stack_launch(stack, "ingest-2", (const char *const[]){url, NULL});
    WAIT_FOR(15000, stack_log_about(stack, "ingest-2", "postgres_down", "does not support SSL") > 0);
    ck_assert_int_eq(stack_log_count(stack, "ingest-2", "postgres_up"), 0);
    stack_stop(stack, "ingest-2");
    free(url);
}
END_TEST

// The one thing that is asked for and refused: CONFIG GET, by which the programs check what they rely on, would show a
// password, too.
START_TEST(redis_has_refused_them_nothing_but_config) {
    redisReply *log = stack_redis(stack, "ACL LOG 128");
    ck_assert_uint_gt(log->elements, 0);
    for (size_t i = 0; i < log->elements; i++) {
        const redisReply *entry = log->element[i];
        ck_assert_msg(strcmp(reply_field(entry, "object"), "config|get") == 0, "%s was refused %s (%s)",
                      reply_field(entry, "username"), reply_field(entry, "object"), reply_field(entry, "context"));
    }
    freeReplyObject(log);
    const char *const programs[] = {"ingest-1", "dispatcher-1", "persister-1", "mock-provider"};
    for (size_t i = 0; i < 4; i++) {
        char *path = xasprintf("%s/%s.log", stack_folder(stack), programs[i]);
        char *text = read_whole_file(path);
        ck_assert_msg(strstr(text, "permission denied") == NULL, "%s", programs[i]);
        ck_assert_ptr_null(strstr(text, "of a test"));
        ck_assert_ptr_null(strstr(text, ESCAPED));
        free(text);
        free(path);
    }
}
END_TEST

// ---- What they don't need

static const struct {
    const char *user, *command;
} forbidden[] = {
    {"ingest", "FLUSHALL"},
    {"ingest", "CONFIG GET *"},
    {"ingest", "CONFIG SET appendonly no"},
    {"ingest", "KEYS *"},
    {"ingest", "SHUTDOWN NOSAVE"},
    {"ingest", "ACL LIST"},
    {"ingest", "XDEL outbound:{email:0} 1-1"},
    {"ingest", "DEL outbound:{email:0}"},
    {"ingest", "XREADGROUP GROUP dispatchers me COUNT 1 STREAMS outbound:{email:0} >"},
    {"ingest", "HSET breaker:{email} mode open"},
    {"ingest", "FUNCTION FLUSH"},
    {"ingest", "EVAL return 0"},
    {"ingest", "GET something-else"},
    {"dispatcher", "FLUSHALL"},
    {"dispatcher", "FLUSHDB"},
    {"dispatcher", "CONFIG GET *"},
    {"dispatcher", "CONFIG SET requirepass x"},
    {"dispatcher", "DEL outbound:{email:0}"},
    {"dispatcher", "XTRIM outbound:{email:0} MAXLEN 0"},
    {"dispatcher", "XGROUP DESTROY outbound:{email:0} dispatchers"},
    {"dispatcher", "SREM partitions x"},
    {"dispatcher", "GET idem:{email:0}:x"},
    {"dispatcher", "SET rate:ip:{127.0.0.1}:1 1"},
    {"dispatcher", "HSET mock:config error_pct 100"},
    {"persister", "FLUSHALL"},
    {"persister", "CONFIG GET *"},
    {"persister", "SCRIPT FLUSH"},
    {"persister", "XTRIM events:{email:0} MAXLEN 0"},
    {"persister", "XGROUP DESTROY events:{email:0} persisters"},
    {"persister", "HSET breaker:{email} mode open"},
    {"persister", "HSET mock:config error_pct 100"},
    {"mock-provider", "FLUSHALL"},
    {"mock-provider", "CONFIG GET *"},
    {"mock-provider", "XLEN outbound:{email:0}"},
    {"mock-provider", "XRANGE events:{email:0} - +"},
    {"mock-provider", "XADD outbound:{email:0} * a b"},
};

static redisContext *redis_as(const char *user, const char *password) {
    redisContext *context = redisConnect("127.0.0.1", stack_port(stack, "redis"));
    redisReply *reply = redisCommand(context, "AUTH %s %s", user, password);
    ck_assert_msg(reply->type != REDIS_REPLY_ERROR, "%s: %s", user, reply->str);
    freeReplyObject(reply);
    return context;
}

START_TEST(redis_refuses_what_a_program_does_not_need) {
    redisContext *context = redis_as(forbidden[_i].user, PASSWORD);
    redisReply *reply = redisCommand(context, forbidden[_i].command);
    ck_assert_msg(reply != NULL && reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOPERM", 6) == 0, "%s: %s",
                  forbidden[_i].user, forbidden[_i].command);
    freeReplyObject(reply);
    redisFree(context);
}
END_TEST

static const struct {
    const char *user, *sql;
} denied[] = {
    {"test_ingest", "INSERT INTO messages SELECT * FROM messages"},
    {"test_ingest", "INSERT INTO replays VALUES (gen_random_uuid(), 1, now())"},
    {"test_ingest", "UPDATE deliveries SET status = 'sent'"},
    {"test_ingest", "UPDATE conversations SET message_count = 0"},
    {"test_ingest", "DELETE FROM dead_letters"},
    {"test_ingest", "UPDATE receipts SET reason = ''"},
    {"test_ingest", "SELECT forget_early_receipts()"},
    {"test_ingest", "UPDATE opt_outs SET state = 'in'"},
    {"test_ingest", "SELECT complete_opt_outs('{}', '{}', '{}', '{}')"},
    {"test_ingest", "TRUNCATE messages"},
    {"test_ingest", "DROP TABLE messages"},
    {"test_ingest", "CREATE TABLE mine (a int)"},
    {"test_ingest", "SELECT * FROM schema_migrations"},
    {"test_ingest", "SELECT * FROM customers"},
    {"test_ingest", "SELECT id FROM conversations FOR UPDATE"},
    {"test_ingest", "SELECT grant_messaging_roles()"},
    {"test_ingest", "SELECT pg_read_file('pg_hba.conf')"},
    {"test_ingest", "COPY messages TO PROGRAM 'true'"},
    {"test_ingest", "SET ROLE messaging_persister"},
    {"test_persister", "DELETE FROM messages"},
    {"test_persister", "UPDATE messages SET body = ''"},
    {"test_persister", "UPDATE attachments SET url = ''"},
    {"test_persister", "UPDATE conversations SET channel = 'sms'"},
    {"test_persister", "UPDATE dead_letters SET reason = ''"},
    {"test_persister", "DELETE FROM deliveries"},
    {"test_persister", "DELETE FROM receipts"},
    {"test_persister", "UPDATE receipts SET status = 'delivered'"},
    {"test_persister", "DELETE FROM opt_outs"},
    {"test_persister", "TRUNCATE dead_letters"},
    {"test_persister", "DROP TABLE dead_letters"},
    {"test_persister", "CREATE TABLE mine (a int)"},
    {"test_persister", "INSERT INTO schema_migrations VALUES (9, 'x', 'x')"},
    {"test_persister", "SELECT * FROM customers"},
    {"test_persister", "CREATE ROLE other"},
};

START_TEST(postgres_refuses_what_a_program_does_not_need) {
    char *url = postgres_url_of(denied[_i].user);
    PGconn *link = PQconnectdb(url);
    ck_assert_msg(PQstatus(link) == CONNECTION_OK, "%s", PQerrorMessage(link));
    PGresult *result = PQexec(link, denied[_i].sql);
    const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    ck_assert_msg(code != NULL && strcmp(code, "42501") == 0, "%s: %s: %s", denied[_i].user, denied[_i].sql,
                  code != NULL ? PQresultErrorMessage(result) : "it may");
    PQclear(result);
    PQfinish(link);
    free(url);
}
END_TEST

// Of a rekey's function: it completes phones, and nothing else.
START_TEST(a_persister_may_complete_who_has_opted_out_and_lose_nobody) {
    static const char call[] =
        "SELECT complete_opt_outs('{+1804,+1804,+1805}', '{02079460003,+442079460004,02079460005}', "
        "'{+1804,+1804,+1806}', '{+442079460003,+442079460005,gone}')";
    char *url = postgres_url_of("test_persister");
    stack_sql(stack, "INSERT INTO opt_outs SELECT 'sms', ours, theirs, 'out', now(), now(), 'recipient' FROM (VALUES "
                     "('+1804', '02079460003'), ('+1804', '+442079460004'), ('+1805', '02079460005')) AS v (ours, "
                     "theirs)");
    PGconn *link = PQconnectdb(url);
    PGresult *result = PQexec(link, call);
    ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s", PQerrorMessage(link));
    PQclear(result);
    PQfinish(link);
    free(url);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM opt_outs WHERE (our_address, their_address) IN (('+1804', "
                                      "'+442079460003'), ('+1804', '+442079460004'), ('+1805', '02079460005'))"),
                     3);
}
END_TEST

START_TEST(a_user_of_the_shipped_file_without_a_password_lets_nobody_in) {
    char *path = xasprintf("%s/redis/users.acl", getenv("PROJECT_ROOT"));
    const char *const options[] = {"--aclfile", path, NULL};
    struct private_redis *redis = private_redis_start(options);
    const char *const users[] = {"default", "ingest", "dispatcher", "persister", "mock-provider", "operator"};
    redisContext *context = redisConnect("127.0.0.1", private_redis_port(redis));
    for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
        redisReply *reply = redisCommand(context, "AUTH %s %s", users[i], "");
        ck_assert_msg(reply->type == REDIS_REPLY_ERROR, "%s got in", users[i]);
        freeReplyObject(reply);
    }
    redisReply *reply = redisCommand(context, "PING");
    ck_assert_msg(strncmp(reply->str, "NOAUTH", 6) == 0, "%s", reply->str);
    freeReplyObject(reply);
    redisFree(context);
    private_redis_destroy(redis);
    free(path);
}
END_TEST

// ---- A database whose user may not make roles

static char *migrate(const char *command) {
    char *script = xasprintf("%s/bin/migrate.sh", getenv("PROJECT_ROOT"));
    char *url =
        xasprintf("DATABASE_URL=postgres://messaging_user@127.0.0.1:%u/unprivileged", stack_port(stack, "postgres"));
    char *log = xasprintf("%s/migrate.log", stack_folder(stack));
    (void)remove(log);
    const char *argv[] = {script, command, NULL}, *variables[] = {url, NULL};
    child_run(&(struct child_options){.name = "migrate",
                                      .folder = stack_folder(stack),
                                      .argv = argv,
                                      .environment = variables,
                                      .death_signal = SIGKILL},
              20000);
    char *said = read_whole_file(log);
    free(log);
    free(url);
    free(script);
    return said;
}

static bool reader_may_read(void) {
    char *url = xasprintf("postgres://postgres@127.0.0.1:%u/unprivileged", stack_port(stack, "postgres"));
    PGconn *link = PQconnectdb(url);
    PGresult *result = PQexec(link, "SELECT has_table_privilege('messaging_reader', 'messages', 'SELECT')");
    bool may = PQntuples(result) == 1 && PQgetvalue(result, 0, 0)[0] == 't';
    PQclear(result);
    PQfinish(link);
    free(url);
    return may;
}

static void sql_of_owner(const char *sql) {
    char *url = xasprintf("postgres://messaging_user@127.0.0.1:%u/unprivileged", stack_port(stack, "postgres"));
    PGconn *link = PQconnectdb(url);
    PGresult *result = PQexec(link, sql);
    ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s", PQerrorMessage(link));
    PQclear(result);
    PQfinish(link);
    free(url);
}

START_TEST(where_roles_may_not_be_made_the_migration_says_so_in_one_line_and_goes_on) {
    admin_sql("CREATE DATABASE unprivileged OWNER messaging_user");
    admin_sql("ALTER ROLE messaging_reader RENAME TO messaging_reader_away");
    char *said = migrate("up");
    const char *warning = strstr(said, "the roles messaging_reader and messaging_persister are left out");
    ck_assert_msg(warning != NULL, "%s", said);
    ck_assert_ptr_nonnull(strstr(said, "applied 0004_roles"));
    ck_assert_ptr_null(strstr(strchr(warning, '\n'), "WARNING"));
    free(said);
    admin_sql("ALTER ROLE messaging_reader_away RENAME TO messaging_reader");
    ck_assert(!reader_may_read());
    sql_of_owner("SELECT grant_messaging_roles()"); // as the line says
    ck_assert(reader_may_read());
    sql_of_owner("SELECT grant_messaging_roles()");
    for (bool undone = false; !undone;) { // one at a time, the newest first
        said = migrate("down");
        ck_assert_msg(strstr(said, "undid ") != NULL, "%s", said);
        undone = strstr(said, "undid 0004_roles") != NULL;
        free(said);
    }
    ck_assert(!reader_may_read());
    said = migrate("up"); // where the roles exist: nothing to be said
    ck_assert_ptr_null(strstr(said, "WARNING"));
    ck_assert(reader_may_read());
    free(said);
}
END_TEST

START_TEST(all_programs_end_cleanly) {
    stack_finish(stack);
}
END_TEST

Suite *suite_roles(void) {
    Suite *suite = suite_create("roles");
    TCase *tests = tcase_create("roles");
    tcase_set_timeout(tests, 120);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, messages_of_each_kind_travel_the_whole_way);
    tcase_add_test(tests, what_waits_and_what_was_cancelled_is_recorded_and_shown);
    tcase_add_test(tests, receipts_are_recorded_and_those_without_a_message_deleted);
    tcase_add_test(tests, failures_and_replays_work);
    tcase_add_test(tests, what_waits_is_cancelled);
    tcase_add_test(tests, a_conversation_is_erased);
    tcase_add_test(tests, webhooks_that_are_no_messages_work);
    tcase_add_test(tests, receipts_work);
    tcase_add_test(tests, a_rekey_works);
    tcase_add_test(tests, a_persister_may_complete_who_has_opted_out_and_lose_nobody);
    tcase_add_test(tests, events_metrics_and_replays_of_the_provider_work);
    tcase_add_test(tests, who_waits_for_a_turn_is_shown);
    tcase_add_test(tests, a_restart_of_each_finds_what_it_needs_again);
    tcase_add_test(tests, a_connection_to_postgres_that_must_be_encrypted_is_not_made_without);
    tcase_add_test(tests, redis_has_refused_them_nothing_but_config);
    tcase_add_test(tests, a_library_that_is_there_needs_nobody_who_may_load_it);
    tcase_add_loop_test(tests, redis_refuses_what_a_program_does_not_need, 0, sizeof forbidden / sizeof *forbidden);
    tcase_add_loop_test(tests, postgres_refuses_what_a_program_does_not_need, 0, sizeof denied / sizeof *denied);
    tcase_add_test(tests, a_user_of_the_shipped_file_without_a_password_lets_nobody_in);
    tcase_add_test(tests, where_roles_may_not_be_made_the_migration_says_so_in_one_line_and_goes_on);
    tcase_add_test(tests, all_programs_end_cleanly);
    suite_add_tcase(suite, tests);
    return suite;
}
