// SPDX-License-Identifier: MIT
// The whole way of a message and back: ingest → dispatcher → the mock, which calls ingest back as Twilio and SendGrid
// do → persister → what is shown.

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/payload.h"
#include "tests/support/stack.h"

#define TOKEN "0123456789abcdef0123456789abcdef"
#define ARRIVES_MS 30000

Suite *suite_round_trip(void);

static struct stack *stack;

static void start(void) {
    static const char *environment[10];
    size_t count = 0;
    stack = stack_create("round_trip", environment);
    environment[count++] = xasprintf("WEBHOOK_PUBLIC_URL=http://127.0.0.1:%u", stack_port(stack, "ingest-1"));
    environment[count++] = "WEBHOOK_SMS_SECRET=" TOKEN;
    environment[count++] = "API_PROVIDER_RECEIPTS_PCT=100";
    environment[count++] = "API_PROVIDER_RECEIPT_DELAY_MS=50";
    environment[count++] = "MOCK_RECEIPT_REPEATS_PCT=50";
    environment[count++] = "MOCK_RECEIPT_SHUFFLE_PCT=50";
    environment[count++] = "STREAM_PARTITIONS=3";
    environment[count++] = "API_WORKER_BACKOFF_BASE_MS=600000";
    environment[count++] = "API_WORKER_BACKOFF_CAP_MS=600000";
    stack_start_all(stack);
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
}

static struct answer *get(const char *id) {
    char *path = xasprintf("/api/messages/%s", id);
    struct answer *answer = stack_call(stack, "ingest-1", "GET", path, NULL, NULL);
    free(path);
    return answer;
}

static bool shows(const char *id, const char *status) {
    struct answer *answer = get(id);
    bool is_shown = answer->status == 200 && strcmp(answer_text(answer, "status"), status) == 0;
    answer_free(answer);
    return is_shown;
}

static void configure(const char *config) {
    struct answer *answer = stack_call(stack, "ingest-1", "PUT", "/api/provider/mock/config", config, NULL);
    ck_assert_msg(answer->status == 200, "%ld %s", answer->status, answer->body);
    answer_free(answer);
}

#define CONFIG(more) "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0," more "}"

static char *send_one(int kind) {
    switch (kind) {
    case 0:
        return send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+12016661234", "+18045551234", "hi"));
    case 1:
        return send_accepted(stack, "ingest-1", PATH_SMS, payload_mms("+12016661235", "+18045551234", "hi"));
    default:
        return send_accepted(stack, "ingest-1", PATH_EMAIL, payload_email("us@example.org", "jane@example.com", "hi"));
    }
}

START_TEST(what_arrives_is_shown_as_delivered) {
    char *ids[9];
    for (int i = 0; i < 9; i++) {
        ids[i] = send_one(i % 3);
    }
    for (int i = 0; i < 9; i++) {
        WAIT_FOR(ARRIVES_MS, shows(ids[i], "delivered"));
        free(ids[i]);
    }
    ck_assert_int_eq(stack_sql(stack, "SELECT count(DISTINCT message_id) FROM receipts WHERE status = 'delivered'"), 9);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dead_letters"), 0);
}
END_TEST

static bool config_is_known(const char *text) {
    return stack_log_about(stack, "mock-provider", "mock_config_changed", text) > 0;
}

START_TEST(what_does_not_is_shown_with_code_and_reason) {
    configure(CONFIG("\"undelivered_pct\":100"));
    WAIT_FOR(5000, config_is_known("\"undelivered_pct\":100"));
    for (int kind = 0; kind < 3; kind++) {
        char *id = send_one(kind);
        WAIT_FOR(ARRIVES_MS, shows(id, "undelivered"));
        char *code =
            stack_sql_text(stack, "SELECT code FROM receipts WHERE message_id = '%s' AND status = 'undelivered'", id);
        char *reason =
            stack_sql_text(stack, "SELECT reason FROM receipts WHERE message_id = '%s' AND status = 'undelivered'", id);
        ck_assert_msg(kind < 2 ? strncmp(code, "3000", 4) == 0 : strcmp(code, "5.1.1") == 0, "%s", code);
        ck_assert_uint_gt(strlen(reason), 10);
        free(reason);
        free(code);
        free(id);
    }
    configure(CONFIG("\"undelivered_pct\":0"));
    WAIT_FOR(5000, config_is_known("\"undelivered_pct\":0"));
}
END_TEST

// The provider takes the message, its answer comes too late, and the message arrives while it waits for its next try,
// which would be in ten minutes.
static const struct {
    const char *config, *known;
    int taken; // from among the parked
} late_answers[] = {
    {CONFIG("\"latency_ms\":12000,\"receipt_delay_ms\":1700"), "\"latency_ms\":12000", 1},
    {CONFIG("\"latency_ms\":12100,\"receipt_delay_ms\":100"), "\"latency_ms\":12100",
     0}, // before the call has timed out
};

START_TEST(one_whose_call_timed_out_and_that_arrived_is_not_sent_again) {
    configure(late_answers[_i].config);
    WAIT_FOR(20000, config_is_known(late_answers[_i].known));
    for (int kind = 0; kind < 3; kind += 2) {
        char *id = send_one(kind);
        WAIT_FOR(ARRIVES_MS, shows(id, "delivered"));
        WAIT_FOR(10000,
                 stack_sql(stack,
                           "SELECT count(*) FROM dispatch_attempts WHERE message_id = '%s' AND late AND delivery = 0",
                           id) == 1);
        ck_assert_int_eq(
            stack_sql(stack, "SELECT count(*) FROM dispatch_attempts WHERE message_id = '%s' AND outcome = 'timeout'",
                      id),
            1);
        ck_assert_int_eq(stack_log_about(stack, "ingest-1", "parked_delivered", id), late_answers[_i].taken);
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(
                stack_redis_int(stack, "HEXISTS parked:{%s:%d} %s:0", kind == 0 ? "sms-mms" : "email", i, id), 0);
        }
        free(id);
    }
}
END_TEST

// Whether just one message of that type and text has come from that address.
static bool has_come(const char *address, const char *type, const char *body) {
    return stack_sql(
               stack,
               "SELECT count(*) FROM messages WHERE direction = 'inbound' AND from_address = '%s' AND type = '%s' "
               "AND body = '%s'",
               address, type, body) == 1;
}

// By the mock, which posts it to ingest as its vendor does, signed where it has what to sign with.
static void assert_brought(const char *message, const char *answer_body) {
    struct answer *answer = stack_call(stack, "mock-provider", "POST", "/mock/inbound", message, NULL);
    ck_assert_msg(answer->status == 200 && strstr(answer->body, answer_body) != NULL, "%ld %s", answer->status,
                  answer->body);
    answer_free(answer);
}

START_TEST(what_a_customer_writes_comes_in_as_its_vendor_posts_it) {
    assert_brought(
        "{\"channel\":\"sms\",\"from\":\"+18045550001\",\"to\":\"+12016661234\",\"body\":\"Gr\u00fc\u00dfe & +\"}",
        "<Response/>");
    WAIT_FOR(ARRIVES_MS, has_come("+18045550001", "sms", "Gr\u00fc\u00dfe & +"));
    assert_brought("{\"channel\":\"mms\",\"from\":\"+18045550002\",\"to\":\"+12016661234\","
                   "\"media\":[\"https://example.com/a.png\"]}",
                   "<Response/>");
    WAIT_FOR(ARRIVES_MS, has_come("+18045550002", "mms", ""));
    assert_brought("{\"channel\":\"email\",\"from\":\"Ann <ann@example.com>\",\"to\":\"us@example.org\","
                   "\"subject\":\"Gr\u00fc\u00dfe\",\"body\":\"caf\u00e9\",\"media\":[\"https://example.com/a.pdf\"]}",
                   "");
    WAIT_FOR(ARRIVES_MS, stack_sql(stack, "SELECT count(*) FROM messages WHERE direction = 'inbound' AND body = "
                                          "'caf\u00e9' AND subject = 'Gr\u00fc\u00dfe'") == 1);
}
END_TEST

START_TEST(all_end_in_order) {
    stack_finish(stack);
}
END_TEST

Suite *suite_round_trip(void) {
    Suite *suite = suite_create("round_trip");
    TCase *tests = tcase_create("round_trip");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, what_arrives_is_shown_as_delivered);
    tcase_add_test(tests, what_does_not_is_shown_with_code_and_reason);
    tcase_add_loop_test(tests, one_whose_call_timed_out_and_that_arrived_is_not_sent_again, 0, 2);
    tcase_add_test(tests, what_a_customer_writes_comes_in_as_its_vendor_posts_it);
    tcase_add_test(tests, all_end_in_order);
    suite_add_tcase(suite, tests);
    return suite;
}
