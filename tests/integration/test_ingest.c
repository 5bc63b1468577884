// SPDX-License-Identifier: MIT
// Ingest's promises: exact limits, idempotency, and what it says while Redis or Postgres is away. Two ingest processes
// share one Redis; the other programs run where a test starts them.

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "tests/support/client.h"
#include "tests/support/load.h"
#include "tests/support/payload.h"
#include "tests/support/port.h"
#include "tests/support/reply.h"
#include "tests/support/sockets.h"
#include "tests/support/stack.h"

#define RETRY_MS 2000 // the API promises 503 within two seconds
#define THEIRS "+18045551234"
#define COUNTED "HINCRBY metrics redelivery_differs 0" // repeats of webhooks with other content

static struct stack *stack;

static const char *const environment[] = {"API_RATE_LIMIT_PER_SENDER_PER_MIN=60", "IDEMPOTENCY_TTL_SECS=600",
                                          "INGEST_THREADS=2", NULL};

static void start(void) {
    stack = stack_create("ingest", environment);
    stack_start(stack, "postgres");
    stack_start(stack, "ingest-1");
    stack_start(stack, "ingest-2");
    stack_start(stack, "persister-1");
}

static void end(void) {
    stack_destroy(stack);
}

static bool is_ready(const char *ingest) {
    return stack_status(stack, ingest, "GET", "/readyz", NULL) == 200;
}

static void recover(void) {
    stack_recover(stack);
    WAIT_FOR(10000, is_ready("ingest-1") && is_ready("ingest-2"));
}

static int64_t waiting_sends(void) {
    return stack_redis_int(stack, "XLEN outbound:{sms-mms:0}");
}

static struct answer *send_sms(const char *from, const char *key, const char *body) {
    return send_under_key(stack, "ingest-1", PATH_SMS, key, payload_sms(from, THEIRS, body));
}

static int64_t minute(void) {
    redisReply *reply = stack_redis(stack, "TIME");
    int64_t now = reply_int(reply, 0) / 60;
    freeReplyObject(reply);
    return now;
}

START_TEST(two_processes_admit_exactly_a_senders_limit_between_them) {
    struct load_result *result = NULL;
    int64_t before;
    unsigned first = 1000;
    do { // within one minute, so that no older window has a share
        if (result != NULL) {
            load_result_free(result);
        }
        before = minute();
        result = load_finish(
            load_start(&(struct load_options){.ports = {stack_port(stack, "ingest-1"), stack_port(stack, "ingest-2")},
                                              .threads = 12,
                                              .count = 200,
                                              .senders = 1,
                                              .first = first++}));
    } while (minute() != before);
    ck_assert_uint_eq(result->accepted, 60);
    ck_assert_uint_eq(result->limited, 140);
    load_result_free(result);
}
END_TEST

static void assert_exact(struct stack *with, const char *ingest) {
    struct load_result *result = NULL;
    int64_t before;
    unsigned first = 200000;
    do { // within one minute
        if (result != NULL) {
            load_result_free(result);
        }
        before = minute();
        for (int64_t window = before - 1; window <= before; window++) {
            freeReplyObject(stack_redis(with, "DEL rate:ip:{127.0.0.1}:%lld", (long long)window));
        }
        result = load_finish(load_start(&(struct load_options){
            .ports = {stack_port(with, ingest)}, .threads = 24, .count = 200, .senders = 200, .first = first}));
        first += 200;
    } while (minute() != before);
    ck_assert_uint_eq(result->accepted, 60);
    ck_assert_uint_eq(result->limited, 140);
    load_result_free(result);
}

START_TEST(an_address_is_admitted_exactly_its_limit_however_many_ask_at_once) {
    stack_start_with(stack, "ingest-3", (const char *const[]){"API_RATE_LIMIT_PER_IP_PER_MIN=60", NULL});
    assert_exact(stack, "ingest-3");
    stack_stop(stack, "ingest-3");
}
END_TEST

// A cluster of one node that has all slots.
static struct stack *start_cluster(void) {
    struct stack *cluster = stack_create("ingest-cluster", environment);
    stack_kill(cluster, "redis");
    char *path = xasprintf("%s/redis/nodes.conf", stack_folder(cluster));
    FILE *nodes = fopen(path, "w");
    ck_assert_ptr_nonnull(nodes);
    fputs("07c37dfeb235213a872192d90877d0cd55635b91 :0@0 myself,master - 0 0 0 connected 0-16383\n"
          "vars currentEpoch 0 lastVoteEpoch 0\n",
          nodes);
    ck_assert_int_eq(fclose(nodes), 0);
    free(path);
    char *port = xasprintf("%u", free_port());
    stack_start_with(cluster, "redis", (const char *const[]){"--cluster-enabled", "yes", "--cluster-port", port, NULL});
    free(port);
    WAIT_FOR(10000, stack_redis_int(cluster, "EXISTS partitions") == 0); // the slots are served
    return cluster;
}

// There the two counters lie in different slots, and no call may touch both.
START_TEST(in_a_cluster_too_an_address_is_admitted_exactly_its_limit) {
    struct stack *cluster = start_cluster();
    stack_start(cluster, "postgres");
    stack_start_with(cluster, "ingest-1", (const char *const[]){"API_RATE_LIMIT_PER_IP_PER_MIN=60", NULL});
    assert_exact(cluster, "ingest-1");
    stack_finish(cluster);
    stack_destroy(cluster);
}
END_TEST

START_TEST(a_429_tells_when_to_come_back_and_writes_nothing) {
    char *payload = payload_sms("+15550002000", THEIRS, "x");
    struct answer *answer = stack_call(stack, "ingest-1", "POST", PATH_SMS, payload, NULL);
    for (int i = 0; i < 70 && answer->status == 202; i++) {
        answer_free(answer);
        answer = stack_call(stack, "ingest-1", "POST", PATH_SMS, payload, NULL);
    }
    int64_t length = waiting_sends();
    ck_assert_int_eq(answer->status, 429);
    ck_assert_str_eq(answer_text(answer, "code"), "rate_limited");
    ck_assert_int_ge(answer_header_number(answer, "Retry-After"), 1);
    ck_assert_int_le(answer_header_number(answer, "Retry-After"), 120);
    ck_assert_int_eq(answer_header_number(answer, "RateLimit-Limit"), 60);
    ck_assert_int_eq(answer_header_number(answer, "RateLimit-Remaining"), 0);
    answer_free(answer);
    ck_assert_int_eq(stack_status(stack, "ingest-2", "POST", PATH_SMS, payload), 429);
    ck_assert_int_eq(waiting_sends(), length);
    free(payload);
}
END_TEST

START_TEST(an_addresss_limit_counts_writes_of_all_processes_and_no_reads) {
    stack_start_with(stack, "ingest-3", (const char *const[]){"API_RATE_LIMIT_PER_IP_PER_MIN=5", NULL});
    WAIT_FOR(5000, stack_status(stack, "ingest-3", "GET", "/api/conversations", NULL) == 200); // Postgres is there
    const char *headers[] = {"X-Forwarded-For: 203.0.113.7", NULL};
    long status = 0;
    for (int i = 0; i < 12 && status != 429; i++) {
        struct answer *answer = stack_call(stack, "ingest-3", "POST", PATH_SMS, "{", headers);
        status = answer->status;
        ck_assert_int_eq(answer_header_number(answer, "Retry-After") > 0, status == 429);
        answer_free(answer);
    }
    ck_assert_int_eq(status, 429);
    struct answer *answer = stack_call(stack, "ingest-3", "GET", "/api/conversations", NULL, headers);
    ck_assert_int_eq(answer->status, 200);
    answer_free(answer);
    headers[0] = "X-Forwarded-For: 203.0.113.8";
    answer = stack_call(stack, "ingest-3", "POST", PATH_SMS, "{", headers);
    ck_assert_int_eq(answer->status, 400);
    answer_free(answer);
    stack_stop(stack, "ingest-3");
}
END_TEST

START_TEST(an_ipv6_client_is_limited_by_its_64_prefix) {
    stack_start_with(stack, "ingest-4", (const char *const[]){"API_RATE_LIMIT_PER_IP_PER_MIN=1", NULL});
    const char *first[] = {"X-Forwarded-For: 2001:db8:1:2::1", NULL};
    const char *neighbour[] = {"X-Forwarded-For: 2001:db8:1:2:ffff::9", NULL};
    const char *stranger[] = {"X-Forwarded-For: 2001:db8:1:3::1", NULL};
    const struct {
        const char *const *headers;
        long status;
    } calls[] = {{first, 400}, {first, 429}, {neighbour, 429}, {stranger, 400}};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct answer *answer = stack_call(stack, "ingest-4", "POST", PATH_SMS, "{", calls[i].headers);
        ck_assert_int_eq(answer->status, calls[i].status);
        answer_free(answer);
    }
    stack_stop(stack, "ingest-4");
}
END_TEST

START_TEST(a_repeat_under_its_key_gets_the_first_answer_from_any_process) {
    int64_t length = waiting_sends();
    struct answer *first = send_sms("+15550003000", "k", "text");
    struct answer *second =
        send_under_key(stack, "ingest-2", PATH_SMS, "k", payload_sms("+15550003000", THEIRS, "text"));
    ck_assert_int_eq(first->status, 202);
    ck_assert_int_eq(second->status, 202);
    ck_assert_str_eq(answer_text(first, "id"), answer_text(second, "id"));
    char *replayed = answer_header(second, "Idempotent-Replayed");
    ck_assert_pstr_eq(replayed, "true");
    free(replayed);
    replayed = answer_header(first, "Idempotent-Replayed");
    ck_assert_ptr_null(replayed);
    ck_assert_int_ge(answer_header_number(second, "RateLimit-Remaining"),
                     answer_header_number(first, "RateLimit-Remaining"));
    ck_assert_int_eq(waiting_sends(), length + 1);
    answer_free(first);
    answer_free(second);
}
END_TEST

START_TEST(parallel_repeats_under_one_key_are_one_message) {
    int64_t length = waiting_sends();
    struct load_options options = {.ports = {stack_port(stack, "ingest-1"), stack_port(stack, "ingest-2")},
                                   .threads = 1,
                                   .count = 1,
                                   .senders = 1,
                                   .first = 3500,
                                   .repeats = 1};
    struct load *loads[8];
    char first[37] = "";
    for (size_t i = 0; i < 8; i++) {
        loads[i] = load_start(&options);
    }
    for (size_t i = 0; i < 8; i++) {
        struct load_result *result = load_finish(loads[i]);
        ck_assert_uint_eq(result->accepted, 1);
        ck_assert(first[0] == '\0' || strcmp(first, result->ids[0]) == 0);
        strcpy(first, result->ids[0]);
        load_result_free(result);
    }
    ck_assert_int_eq(waiting_sends(), length + 1);
}
END_TEST

START_TEST(another_payload_under_a_key_is_422_and_writes_nothing) {
    answer_free(send_sms("+15550004000", "k", "text"));
    int64_t length = waiting_sends();
    struct answer *answer = send_sms("+15550004000", "k", "another text");
    ck_assert_int_eq(answer->status, 422);
    ck_assert_str_eq(answer_text(answer, "code"), "idempotency_key_reused");
    answer_free(answer);
    ck_assert_int_eq(waiting_sends(), length);
}
END_TEST

START_TEST(a_refused_request_leaves_no_trace_and_spends_no_quota) {
    struct answer *answer = send_sms("+15550005000", "k", "");
    ck_assert_int_eq(answer->status, 400);
    ck_assert_str_eq(answer_text(answer, "details.field"), "body");
    answer_free(answer);
    answer = send_sms("+15550005000", "k", "text");
    ck_assert_int_eq(answer->status, 202);
    char *replayed = answer_header(answer, "Idempotent-Replayed");
    ck_assert_ptr_null(replayed);
    ck_assert_int_eq(answer_header_number(answer, "RateLimit-Remaining"), 59);
    answer_free(answer);
}
END_TEST

START_TEST(a_redelivered_webhook_gets_the_id_of_the_first_from_any_process) {
    char *first =
        send_accepted(stack, "ingest-1", PATH_SMS_WEBHOOK, payload_sms_webhook(THEIRS, "+1201", "again", "text"));
    char *second =
        send_accepted(stack, "ingest-2", PATH_SMS_WEBHOOK, payload_sms_webhook(THEIRS, "+1201", "again", "other"));
    char *email =
        send_accepted(stack, "ingest-2", PATH_EMAIL_WEBHOOK, payload_email_webhook("a@x.com", "b@x.com", "again", "x"));
    ck_assert_str_eq(first, second);
    ck_assert_str_ne(first, email);
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM messages WHERE provider_message_id = 'again'") == 2);
    free(first);
    free(second);
    free(email);
}
END_TEST

// To either side of a pair, an id says nothing.
START_TEST(webhooks_of_one_id_between_others_are_messages_of_their_own) {
    static const char *const pairs[][2] = {{THEIRS, "+1201"}, {THEIRS, "+1202"}, {"+1204", "+1201"}, {"1204", "+1201"}};
    char *ids[4];
    for (size_t i = 0; i < 4; i++) {
        ids[i] = send_accepted(stack, "ingest-1", PATH_SMS_WEBHOOK,
                               payload_sms_webhook(pairs[i][0], pairs[i][1], "1", "text"));
        for (size_t k = 0; k < i; k++) {
            ck_assert_str_ne(ids[i], ids[k]);
        }
    }
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM messages WHERE provider_message_id = '1'") == 4);
    for (size_t i = 0; i < 4; i++) {
        free(ids[i]);
    }
}
END_TEST

static char *redeliver(const char *body) {
    freeReplyObject(stack_redis(stack, "EVAL %s 0",
                                "for _, k in ipairs(redis.call('KEYS', 'idem:*')) do redis.call('DEL', k) end"));
    return send_accepted(stack, "ingest-1", PATH_SMS_WEBHOOK, payload_sms_webhook(THEIRS, "+1201", "old", body));
}

// What Redis remembers is gone: then the id alone says that it is the same, and the persister that it is another.
START_TEST(a_redelivery_is_known_by_its_id_when_redis_has_forgotten_it) {
    int64_t before = stack_redis_int(stack, COUNTED);
    char *first = redeliver("x"), *again = redeliver("x"), *other = redeliver("y");
    ck_assert_str_eq(first, again);
    ck_assert_str_eq(first, other);
    WAIT_FOR(10000, stack_log_about(stack, "persister-1", "redelivery_differs", first) == 1);
    ck_assert_int_eq(stack_log_about(stack, "persister-1", "redelivery_differs", "correlation_id"), 1);
    WAIT_FOR(5000, stack_redis_int(stack, COUNTED) == before + 1);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE id = '%s' AND body = 'x'", first), 1);
    free(first);
    free(again);
    free(other);
}
END_TEST

static int wide_webhook(const char *provider_id) {
    char *payload =
        xasprintf("{\"from\":\"" THEIRS "\",\"to\":\"+1201\",\"type\":\"mms\",\"messaging_provider_id\":\"%s\","
                  "\"attachments\":[\"cid:%02100d\"]}",
                  provider_id, 0);
    int status = (int)stack_status(stack, "ingest-1", "POST", PATH_SMS_WEBHOOK, payload);
    free(payload);
    return status;
}

START_TEST(a_webhook_that_an_older_program_could_not_read_waits_until_it_has_gone) {
    WAIT_FOR(20000, wide_webhook("before") == 202);
    freeReplyObject(stack_redis(stack, "EVAL %s 0",
                                "redis.call('ZADD', 'processes', redis.call('TIME')[1] * 1000, 'dispatcher:older')"));
    WAIT_FOR(5000, wide_webhook("meanwhile") == 503);
    freeReplyObject(stack_redis(stack, "ZREM processes dispatcher:older"));
    WAIT_FOR(20000, wide_webhook("meanwhile") == 202);
}
END_TEST

START_TEST(requests_whose_length_is_said_twice_are_400_and_close_the_connection) {
    static const char *const requests[] = {
        "POST /api/messages/sms HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
        "Content-Length: 3\r\n\r\n{}}GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /api/messages/sms HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
        "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"};
    for (size_t i = 0; i < 2; i++) {
        char *answer =
            client_raw(stack_port(stack, "ingest-1"), requests[i], strlen(requests[i]), deadline_scaled(3000));
        ck_assert_msg(strncmp(answer, "HTTP/1.1 400", 12) == 0, "%s", answer);
        ck_assert_ptr_null(strstr(answer, "healthy"));
        free(answer);
    }
}
END_TEST

START_TEST(keep_alive_connections_serve_one_request_after_the_other) {
    static const char requests[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
                                   "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    char *answer = client_raw(stack_port(stack, "ingest-1"), requests, strlen(requests), deadline_scaled(3000));
    int count = 0;
    for (const char *at = answer; (at = strstr(at, "HTTP/1.1 ")) != NULL; at++) {
        count++;
    }
    ck_assert_int_eq(count, 3);
    free(answer);
}
END_TEST

static bool refuses(struct answer *answer) {
    bool refused = answer->status == 503 && strcmp(answer_text(answer, "code"), "service_unavailable") == 0 &&
                   answer_header_number(answer, "Retry-After") >= 1;
    ck_assert_msg(answer->status != 202, "202 while Redis is away");
    answer_free(answer);
    return refused;
}

START_TEST(while_redis_is_away_sends_are_503_within_two_seconds_and_reads_go_on) {
    stack_kill(stack, "redis");
    WAIT_FOR(5000, refuses(send_sms("+15550006000", NULL, "text")));
    for (int i = 0; i < 5; i++) {
        struct answer *answer = send_sms("+15550006000", NULL, "text");
        ck_assert_int_eq(answer->status, 503);
        ck_assert_int_le(answer->millis, deadline_scaled(RETRY_MS));
        answer_free(answer);
        answer = stack_call(stack, "ingest-1", "GET", "/api/conversations", NULL, NULL);
        ck_assert_int_eq(answer->status, 200);
        answer_free(answer);
    }
    ck_assert_int_eq(stack_status(stack, "ingest-1", "GET", "/readyz", NULL), 503);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "GET", "/healthz", NULL), 200);
    stack_start(stack, "redis");
    stack_settle(stack);
    struct answer *answer = send_sms("+15550006000", NULL, "text");
    ck_assert_int_eq(answer->status, 202);
    answer_free(answer);
}
END_TEST

START_TEST(sends_that_a_frozen_redis_does_not_answer_are_503_in_time_and_their_repeats_are_safe) {
    const struct load_options options = {.ports = {stack_port(stack, "ingest-1"), stack_port(stack, "ingest-2")},
                                         .threads = 16,
                                         .count = 600,
                                         .senders = 100,
                                         .first = 7000,
                                         .repeats = 1};
    struct load *load = load_start(&options);
    WAIT_FOR(10000, load_accepted(load) > 50);
    stack_signal(stack, "redis", SIGSTOP);
    struct load_result *result = load_finish(load);
    stack_signal(stack, "redis", SIGCONT);
    ck_assert_uint_lt(result->accepted, options.count);
    ck_assert_uint_gt(result->ambiguous, 0); // those whose accept was under way when Redis froze
    ck_assert_uint_gt(result->refused, 0);
    ck_assert_uint_eq(result->other + result->limited, 0);
    ck_assert_int_le(result->slowest_ms, deadline_scaled(RETRY_MS));
    load_result_free(result);

    stack_settle(stack);
    result = load_finish(load_start(&options)); // all again, under the same keys
    ck_assert_uint_eq(result->accepted, options.count);
    WAIT_FOR(20000, stack_sql(stack, "SELECT count(*) FROM messages WHERE from_address LIKE '+155500070__'") ==
                        (int64_t)options.count);
    WAIT_FOR(10000, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 0);
    for (unsigned i = 0; i < result->accepted; i++) {
        ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE id = '%s'", result->ids[i]), 1);
    }
    load_result_free(result);
}
END_TEST

static void forget_sends(void) {
    freeReplyObject(stack_redis(stack, "DEL outbound:{sms-mms:0} turn:{sms-mms:0} held:{sms-mms:0} "
                                       "held-order:{sms-mms:0} held-due:{sms-mms:0}"));
}

START_TEST(a_full_backlog_is_503_with_retry_after_and_empties_into_202) {
    forget_sends(); // no dispatcher runs: what others left
    WAIT_FOR(10000, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 0);
    stack_start_with(stack, "ingest-5", (const char *const[]){"STREAM_MAX_BACKLOG=10", NULL});
    struct load_result *result = load_finish(load_start(&(struct load_options){
        .ports = {stack_port(stack, "ingest-5")}, .threads = 4, .count = 30, .senders = 30, .first = 8000}));
    ck_assert_uint_eq(result->accepted, 10);
    ck_assert_uint_eq(result->refused, 20);
    load_result_free(result);
    struct answer *answer = send_under_key(stack, "ingest-5", PATH_SMS, NULL, payload_sms("+15550008100", THEIRS, "x"));
    ck_assert_int_eq(answer->status, 503);
    ck_assert_int_ge(answer_header_number(answer, "Retry-After"), 1);
    ck_assert_ptr_null(answer_at(answer, "details.ambiguous"));
    answer_free(answer);
    free(send_accepted(stack, "ingest-5", PATH_EMAIL,
                       payload_email("a@x.com", "b@x.com", "the other provider goes on")));
    forget_sends();
    WAIT_FOR(10000, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 0);
    free(send_accepted(stack, "ingest-5", PATH_SMS, payload_sms("+15550008100", THEIRS, "x")));
    stack_stop(stack, "ingest-5");
}
END_TEST

START_TEST(while_postgres_is_away_sends_are_202_reads_503_and_all_arrives_afterwards) {
    stack_kill(stack, "postgres");
    struct load_result *result = load_finish(load_start(&(struct load_options){
        .ports = {stack_port(stack, "ingest-1")}, .threads = 4, .count = 50, .senders = 5, .first = 9000}));
    ck_assert_uint_eq(result->accepted, 50);
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/api/conversations", NULL, NULL);
    ck_assert_int_eq(answer->status, 503);
    ck_assert_int_ge(answer_header_number(answer, "Retry-After"), 1);
    answer_free(answer);
    answer = stack_call(stack, "ingest-1", "GET", "/readyz", NULL, NULL);
    ck_assert_int_eq(answer->status, 200);
    ck_assert_str_eq(answer_text(answer, "status"), "degraded");
    answer_free(answer);
    stack_start(stack, "postgres");
    WAIT_FOR(20000, stack_sql(stack, "SELECT count(*) FROM messages WHERE from_address LIKE '+1555000900%%'") == 50);
    for (unsigned i = 0; i < result->accepted; i++) {
        ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE id = '%s'", result->ids[i]), 1);
    }
    WAIT_FOR(10000, stack_status(stack, "ingest-1", "GET", "/api/conversations", NULL) == 200);
    load_result_free(result);
}
END_TEST

START_TEST(a_lost_function_library_is_loaded_again) {
    freeReplyObject(stack_redis(stack, "FUNCTION FLUSH"));
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+15550010000", THEIRS, "text")));
    freeReplyObject(stack_redis(stack, "FUNCTION FLUSH"));
    free(send_accepted(stack, "ingest-2", PATH_EMAIL, payload_email("a@x.com", "b@x.com", "text")));
}
END_TEST

static void say_send(int fd, unsigned sender) {
    char from[24];
    snprintf(from, sizeof from, "+1555%07u", sender);
    char *body = payload_sms(from, THEIRS, "together");
    char *text = xasprintf("POST " PATH_SMS " HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                           "Content-Length: %zu\r\n\r\n%s",
                           strlen(body), body);
    ck_assert(socket_say(fd, text, strlen(text)));
    free(text);
    free(body);
}

static bool heard_202(int fd, struct buf *got) {
    return socket_hear(fd, got) && got->length > 0 && strncmp(got->data, "HTTP/1.1 202", 12) == 0;
}

// More than one call takes: all are there when the process goes on, and Redis has lost the library meanwhile.
START_TEST(what_comes_in_together_is_accepted_together) {
    enum { SENDS = 150 };
    static int sockets[SENDS];
    static struct buf answers[SENDS];
    int64_t before = waiting_sends();
    stack_start_with(stack, "ingest-3",
                     (const char *const[]){"INGEST_THREADS=1", "API_RATE_LIMIT_PER_IP_PER_MIN=100000", NULL});
    stack_signal(stack, "ingest-3", SIGSTOP);
    freeReplyObject(stack_redis(stack, "FUNCTION FLUSH"));
    for (unsigned i = 0; i < SENDS; i++) {
        sockets[i] = socket_open(stack_port(stack, "ingest-3"), NULL);
        say_send(sockets[i], 7700000 + i);
    }
    stack_signal(stack, "ingest-3", SIGCONT);
    for (unsigned i = 0; i < SENDS; i++) {
        WAIT_FOR(5000, heard_202(sockets[i], &answers[i]));
        close(sockets[i]);
        buf_free(&answers[i]);
    }
    ck_assert_int_eq(waiting_sends() - before, SENDS);
    stack_stop(stack, "ingest-3");
}
END_TEST

START_TEST(nothing_is_accepted_where_no_replica_follows) {
    stack_start_with(stack, "ingest-3", (const char *const[]){"REDIS_WAIT_REPLICAS=1", NULL});
    int64_t before = waiting_sends();
    struct answer *answer =
        send_under_key(stack, "ingest-3", PATH_SMS, "replicas", payload_sms("+15557800000", THEIRS, "to two"));
    ck_assert_int_eq(answer->status, 503);
    ck_assert_ptr_null(answer_at(answer, "details.ambiguous"));
    answer_free(answer);
    ck_assert_int_eq(waiting_sends(), before);
    stack_stop(stack, "ingest-3");
}
END_TEST

START_TEST(a_drain_finishes_what_is_under_way) {
    stack_start(stack, "ingest-6");
    struct load *load = load_start(&(struct load_options){
        .ports = {stack_port(stack, "ingest-6")}, .threads = 4, .count = 4000, .senders = 4000, .first = 20000});
    WAIT_FOR(10000, load_accepted(load) > 50);
    stack_stop(stack, "ingest-6");
    load_stop(load);
    struct load_result *result = load_finish(load);
    WAIT_FOR(20000, stack_sql(stack, "SELECT count(*) FROM messages WHERE from_address LIKE '+155500_____' AND "
                                     "from_address >= '+15550020000'") >= result->accepted);
    for (unsigned i = 0; i < result->accepted; i += 7) {
        ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE id = '%s'", result->ids[i]), 1);
    }
    load_result_free(result);
}
END_TEST

static bool listens(const char *ingest) {
    int fd = client_connect(stack_port(stack, ingest));
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

START_TEST(what_connects_as_an_ingest_starts_waits_until_it_can_be_served) {
    for (int i = 0; i < 5; i++) { // an answer that comes too early depends on the moment
        stack_launch(stack, "ingest-9", NULL);
        WAIT_FOR(10000, listens("ingest-9"));
        free(send_accepted(stack, "ingest-9", PATH_SMS, payload_sms("+15550032000", THEIRS, "text")));
        ck_assert_int_eq(stack_status(stack, "ingest-9", "GET", "/api/conversations", NULL), 200);
        stack_stop(stack, "ingest-9");
    }
}
END_TEST

static bool has_answer(int fd) {
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

START_TEST(a_send_whose_end_comes_in_the_drain_is_accepted_and_its_connection_closed) {
    stack_start_with(stack, "ingest-7", (const char *const[]){"DRAIN_NOTICE_MS=100", NULL});
    char *payload = payload_sms("+15550030000", THEIRS, "text");
    char *request = xasprintf("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
                              "POST " PATH_SMS " HTTP/1.1\r\nHost: x\r\n"
                              "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                              strlen(payload), payload);
    size_t length = strlen(request), begun = length - strlen(payload) / 2;
    int fd = client_connect(stack_port(stack, "ingest-7"));
    ck_assert_int_eq(send(fd, request, begun, MSG_NOSIGNAL), (ssize_t)begun);
    WAIT_FOR(5000, has_answer(fd)); // to the first; half of the second is on its way
    stack_signal(stack, "ingest-7", SIGTERM);
    WAIT_FOR(5000, !listens("ingest-7"));
    char *answer = client_finish(fd, request + begun, length - begun, deadline_scaled(5000));
    const char *second = strstr(answer, "HTTP/1.1 202");
    ck_assert_msg(second != NULL, "%s", answer);
    ck_assert_ptr_nonnull(strstr(second, "Connection: close"));
    ck_assert_int_eq(stack_bury(stack, "ingest-7"), 0);
    free(answer);
    free(request);
    free(payload);
}
END_TEST

START_TEST(until_its_notice_is_over_an_ingest_that_was_told_to_stop_serves_on) {
    stack_start_with(stack, "ingest-8", (const char *const[]){"DRAIN_NOTICE_MS=60000", "DRAIN_TIMEOUT_SECS=90", NULL});
    stack_signal(stack, "ingest-8", SIGTERM);
    WAIT_FOR(5000, !is_ready("ingest-8"));
    struct answer *answer = stack_call(stack, "ingest-8", "GET", "/readyz", NULL, NULL);
    ck_assert_str_eq(answer_text(answer, "status"), "draining");
    answer_free(answer);
    free(send_accepted(stack, "ingest-8", PATH_SMS, payload_sms("+15550031000", THEIRS, "text")));
    stack_stop(stack, "ingest-8"); // the second SIGTERM: at once
}
END_TEST

static void expect_send_in_region(const char *from, const char *to, const char *key, int status) {
    struct answer *answer = send_under_key(stack, "ingest-9", PATH_SMS, key, payload_sms(from, to, "text"));
    ck_assert_msg(answer->status == status, "%s: %ld %s", from, answer->status, answer->body);
    answer_free(answer);
}

START_TEST(in_a_region_all_forms_of_a_number_are_one_sender_one_key_one_conversation) {
    static const char *const environment_of_region[] = {"PHONE_REGION=us", "API_RATE_LIMIT_PER_SENDER_PER_MIN=3", NULL};
    stack_start_with(stack, "ingest-9", environment_of_region);
    stack_stop(stack, "persister-1");
    stack_start_with(stack, "persister-1", environment_of_region);
    expect_send_in_region("+12125550150", "(212) 555-0151", "one", 202);
    expect_send_in_region("1 (212) 555-0150", "+1 212 555 0151", "one", 422); // the same key, another payload
    expect_send_in_region("(212)\u00a0555\u20110150", "tel:+1-212-555-0151", NULL, 202);
    expect_send_in_region("011 1 212 555 0150", "12125550151", NULL, 202);
    expect_send_in_region("212.555.0150", "+12125550151", NULL, 429);
    WAIT_FOR(10000, stack_sql(stack, "SELECT message_count FROM conversations WHERE key = "
                                     "'sms:+12125550150<->+12125550151'") == 3);
    struct answer *answer =
        stack_call(stack, "ingest-9", "GET", "/api/conversations?participant=(212)%20555-0150", NULL, NULL);
    ck_assert_int_eq(answer->status, 200);
    ck_assert_int_eq(answer_number(answer, "meta.total"), 1);
    ck_assert_str_eq(answer_text(answer, "items.0.participant_a"), "+12125550150");
    answer_free(answer);
    char *here = send_accepted(stack, "ingest-9", PATH_SMS_WEBHOOK,
                               payload_sms_webhook("(212) 555-0151", "212.555.0150", "r", "x"));
    char *there = send_accepted(stack, "ingest-1", PATH_SMS_WEBHOOK,
                                payload_sms_webhook("(212) 555-0151", "212.555.0150", "r", "x"));
    ck_assert_str_eq(here, there);
    free(here);
    free(there);
    stack_stop(stack, "ingest-9");
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_ingest(void);

Suite *suite_ingest(void) {
    Suite *suite = suite_create("ingest");
    TCase *tests = tcase_create("ingest");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, two_processes_admit_exactly_a_senders_limit_between_them);
    tcase_add_test(tests, an_address_is_admitted_exactly_its_limit_however_many_ask_at_once);
    tcase_add_test(tests, in_a_cluster_too_an_address_is_admitted_exactly_its_limit);
    tcase_add_test(tests, a_429_tells_when_to_come_back_and_writes_nothing);
    tcase_add_test(tests, an_addresss_limit_counts_writes_of_all_processes_and_no_reads);
    tcase_add_test(tests, an_ipv6_client_is_limited_by_its_64_prefix);
    tcase_add_test(tests, a_repeat_under_its_key_gets_the_first_answer_from_any_process);
    tcase_add_test(tests, parallel_repeats_under_one_key_are_one_message);
    tcase_add_test(tests, another_payload_under_a_key_is_422_and_writes_nothing);
    tcase_add_test(tests, a_refused_request_leaves_no_trace_and_spends_no_quota);
    tcase_add_test(tests, a_redelivered_webhook_gets_the_id_of_the_first_from_any_process);
    tcase_add_test(tests, webhooks_of_one_id_between_others_are_messages_of_their_own);
    tcase_add_test(tests, a_redelivery_is_known_by_its_id_when_redis_has_forgotten_it);
    tcase_add_test(tests, a_webhook_that_an_older_program_could_not_read_waits_until_it_has_gone);
    tcase_add_test(tests, requests_whose_length_is_said_twice_are_400_and_close_the_connection);
    tcase_add_test(tests, keep_alive_connections_serve_one_request_after_the_other);
    tcase_add_test(tests, while_redis_is_away_sends_are_503_within_two_seconds_and_reads_go_on);
    tcase_add_test(tests, sends_that_a_frozen_redis_does_not_answer_are_503_in_time_and_their_repeats_are_safe);
    tcase_add_test(tests, a_full_backlog_is_503_with_retry_after_and_empties_into_202);
    tcase_add_test(tests, while_postgres_is_away_sends_are_202_reads_503_and_all_arrives_afterwards);
    tcase_add_test(tests, a_lost_function_library_is_loaded_again);
    tcase_add_test(tests, what_comes_in_together_is_accepted_together);
    tcase_add_test(tests, nothing_is_accepted_where_no_replica_follows);
    tcase_add_test(tests, a_drain_finishes_what_is_under_way);
    tcase_add_test(tests, what_connects_as_an_ingest_starts_waits_until_it_can_be_served);
    tcase_add_test(tests, a_send_whose_end_comes_in_the_drain_is_accepted_and_its_connection_closed);
    tcase_add_test(tests, until_its_notice_is_over_an_ingest_that_was_told_to_stop_serves_on);
    tcase_add_test(tests, in_a_region_all_forms_of_a_number_are_one_sender_one_key_one_conversation);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
