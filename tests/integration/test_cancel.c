// SPDX-License-Identifier: MIT
// DELETE /api/messages/{id}: what waits is taken back once and is never called; what doesn't wait says what has become
// of it. Beside dispatchers that take it at that moment: cancel_crowd.

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/rfc3339.h"
#include "shared/base/uuid.h"
#include "shared/redis/keys.h"
#include "tests/support/child.h"
#include "tests/support/delivery.h"
#include "tests/support/events.h"
#include "tests/support/payload.h"
#include "tests/support/private_redis.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"

#define FAILS "{\"timeout_pct\":0,\"error_pct\":100,\"ratelimit_pct\":0}"
#define REFUSED "+15005550001" // the mock's Twilio refuses it
#define THEIRS "+18045551234"
#define LEDGER "calls.log"
#define HOUR_MS 3600000
#define SETTLED_MS 20000 // until format 2 is written
enum { PARTITIONS = 3 };

Suite *suite_cancel(void);

static struct stack *stack;
static unsigned senders; // each test has its own

static void start(void) {
    static const char *const environment[] = {"STREAM_PARTITIONS=3",
                                              "API_WORKER_MAX_RETRIES=1000",
                                              "API_WORKER_BACKOFF_BASE_MS=3600000",
                                              "API_WORKER_BACKOFF_CAP_MS=3600000",
                                              "API_BREAKER_ERROR_THRESHOLD=1000000",
                                              "ORDER_MAX_WAIT_SECS=3600",
                                              "MOCK_LEDGER_FILE=" LEDGER,
                                              "OPT_OUT=on",
                                              NULL};
    stack = stack_create("cancel", environment);
    stack_start_all(stack);
}

static void end(void) {
    stack_destroy(stack);
}

// Whatever an earlier test has left, when it failed.
static void recover(void) {
    stack_recover(stack);
    for (int i = 0; i < PARTITIONS; i++) {
        freeReplyObject(
            stack_redis(stack, "DEL parked:{sms-mms:%d} parked-due:{sms-mms:%d} turn:{sms-mms:%d}", i, i, i));
        freeReplyObject(
            stack_redis(stack, "DEL held:{sms-mms:%d} held-order:{sms-mms:%d} held-due:{sms-mms:%d}", i, i, i));
    }
    breakers_reset(stack);
    mock_configure(stack, MOCK_WELL);
}

static char *new_sender(void) {
    return xasprintf("+1557%07u", ++senders);
}

// ---- Cancelling

static struct answer *cancel_at(const char *ingest, const char *id) {
    char *path = xasprintf("/api/messages/%s", id);
    struct answer *answer = stack_call(stack, ingest, "DELETE", path, NULL, NULL);
    free(path);
    return answer;
}

static void assert_cancelled_at(const char *ingest, const char *id) {
    struct answer *answer = cancel_at(ingest, id);
    ck_assert_msg(answer->status == 202, "%ld: %s", answer->status, answer->body);
    ck_assert_str_eq(answer_text(answer, "status"), "cancelled");
    ck_assert_str_eq(answer_text(answer, "id"), id);
    answer_free(answer);
}

static void assert_cancelled(const char *id) {
    assert_cancelled_at("ingest-1", id);
}

// 409; status: what details say, "": nothing.
static void assert_conflict_at(const char *ingest, const char *id, const char *message, const char *status) {
    struct answer *answer = cancel_at(ingest, id);
    ck_assert_msg(answer->status == 409, "%ld: %s", answer->status, answer->body);
    ck_assert_str_eq(answer_text(answer, "code"), "conflict");
    ck_assert_str_eq(answer_text(answer, "message"), message);
    ck_assert_str_eq(answer_text(answer, "details.status"), status);
    answer_free(answer);
}

static void assert_conflict(const char *id, const char *message, const char *status) {
    assert_conflict_at("ingest-1", id, message, status);
}

static void assert_cancelled_before(const char *id) {
    assert_conflict(id, "it was cancelled before", "cancelled");
}

static void assert_under_way(const char *id) {
    assert_conflict(id, "it can't be cancelled any more: it is being sent", "");
}

static long cancel_status_at(const char *ingest, const char *id) {
    struct answer *answer = cancel_at(ingest, id);
    long status = answer->status;
    answer_free(answer);
    return status;
}

static long cancel_status(const char *id) {
    return cancel_status_at("ingest-1", id);
}

// ---- Messages that wait

static char *send_from(const char *from) {
    return send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(from, THEIRS, "text"));
}

static char *payload_at(const char *from, int64_t due_ms) {
    char due[RFC3339_SIZE];
    rfc3339_format(due_ms, due);
    return xasprintf("{\"from\":\"%s\",\"to\":\"" THEIRS "\",\"type\":\"sms\",\"body\":\"later\",\"attachments\":null,"
                     "\"timestamp\":\"2024-11-01T14:00:00Z\",\"send_at\":\"%s\"}",
                     from, due);
}

static char *send_later(const char *from, int64_t in_ms) {
    return send_accepted(stack, "ingest-1", PATH_SMS, payload_at(from, clock_unix_ms() + in_ms));
}

static const char *tag_of(const char *from) {
    static struct partition_keys keys;
    partition_keys_of(PROVIDER_SMS_MMS, partition_of(from, PARTITIONS), &keys);
    return keys.tag;
}

static bool has_parked(const char *tag, const char *id) {
    return stack_redis_int(stack, "HEXISTS parked:{%s} %s:0", tag, id) == 1;
}

// It waits for a retry, and goes on doing so.
static void park(const char *tag, const char *id) {
    WAIT_FOR(20000, has_parked(tag, id));
    ck_assert_int_eq(stack_redis_int(stack, "ZADD parked-due:{%s} XX CH %lld %s:0", tag,
                                     (long long)redis_now_ms(stack) + HOUR_MS, id),
                     1);
}

static char *send_and_park(const char *from) {
    mock_configure(stack, FAILS);
    char *id = send_from(from);
    park(tag_of(from), id);
    WAIT_FOR(20000, message_is(stack, id, "retrying"));
    return id;
}

static int64_t size_of(const char *command, const char *key, const char *from) {
    return stack_redis_int(stack, "%s %s:{%s}", command, key, tag_of(from));
}

static void assert_nothing_waits(const char *from) {
    static const char *const hashes[] = {"parked", "held", "scheduled"};
    static const char *const sets[] = {"parked-due", "held-order", "held-due", "scheduled-due"};
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
        ck_assert_msg(size_of("HLEN", hashes[i], from) == 0, "%s", hashes[i]);
    }
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        ck_assert_msg(size_of("ZCARD", sets[i], from) == 0, "%s", sets[i]);
    }
    ck_assert_int_eq(size_of("XLEN", "outbound", from), 0);
    ck_assert_int_eq(size_of("HLEN", "turn", from), 0);
    redisReply *bytes = stack_redis(stack, "GET scheduled-bytes:{%s}", tag_of(from));
    ck_assert_int_eq(strtol(reply_text(bytes, 0), NULL, 10), 0);
    freeReplyObject(bytes);
}

// How many calls of a message the mock has written down.
static int calls_of(const char *id) {
    char *path = xasprintf("%s/" LEDGER, stack_folder(stack));
    char *text = read_whole_file(path);
    int count = 0;
    for (const char *at = text; at != NULL && (at = strstr(at, id)) != NULL; at++) {
        count++;
    }
    free(text);
    free(path);
    return count;
}

static int64_t cancelled_outcomes(const char *id) {
    return stack_sql(stack, "SELECT count(*) FROM dispatch_attempts WHERE message_id = '%s' AND outcome = 'cancelled'",
                     id);
}

static struct answer *get_message(const char *id) {
    char *path = xasprintf("/api/messages/%s", id);
    struct answer *answer = stack_call(stack, "ingest-1", "GET", path, NULL, NULL);
    free(path);
    return answer;
}

static bool shows(const char *id, const char *status) {
    struct answer *answer = get_message(id);
    bool same = answer->status == 200 && strcmp(answer_text(answer, "status"), status) == 0;
    answer_free(answer);
    return same;
}

static bool is_recorded(const char *id) {
    struct answer *answer = get_message(id);
    bool recorded = answer->status == 200;
    answer_free(answer);
    return recorded;
}

static int64_t counted(const char *name) {
    redisReply *reply = stack_redis(stack, "HGET metrics %s", name);
    int64_t count = reply->type == REDIS_REPLY_STRING ? reply_int(reply, 0) : 0;
    freeReplyObject(reply);
    return count;
}

// ---- What waits

START_TEST(a_message_that_waits_for_a_retry_is_cancelled_once) {
    char *from = new_sender(), *id = send_and_park(from);
    int64_t before = counted("cancelled"), of_provider = counted("sms_mms_cancelled");
    assert_cancelled(id);
    assert_nothing_waits(from);
    assert_cancelled_before(id);
    WAIT_FOR(10000, shows(id, "cancelled"));
    assert_cancelled_before(id);
    ck_assert_int_eq(cancelled_outcomes(id), 1);
    ck_assert_int_eq(calls_of(id), 1);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE message_id = '%s'", id), 0);
    ck_assert_int_eq(stack_log_about(stack, "ingest-1", "cancelled", id), 1);
    WAIT_FOR(5000, counted("cancelled") == before + 1);
    WAIT_FOR(5000, counted("sms_mms_cancelled") == of_provider + 1);
    free(id);
    free(from);
}
END_TEST

START_TEST(a_held_message_is_cancelled_and_the_next_of_its_conversation_goes_on) {
    char *from = new_sender(), *first = send_and_park(from);
    char *second = send_from(from), *third = send_from(from);
    WAIT_FOR(10000, shows(second, "held") && shows(third, "held"));
    ck_assert_int_eq(size_of("HLEN", "held", from), 2);
    assert_cancelled(second);
    ck_assert_int_eq(size_of("HLEN", "held", from), 1);
    mock_configure(stack, MOCK_WELL);
    assert_cancelled(first); // and its turn goes on
    WAIT_FOR(10000, shows(third, "sent"));
    WAIT_FOR(10000, shows(first, "cancelled") && shows(second, "cancelled"));
    ck_assert_int_eq(calls_of(first), 1);
    ck_assert_int_eq(calls_of(second), 0);
    assert_nothing_waits(from);
    free(first);
    free(second);
    free(third);
    free(from);
}
END_TEST

START_TEST(a_scheduled_message_is_cancelled_and_takes_no_room_any_more) {
    char *from = new_sender(), *id = send_later(from, HOUR_MS), *other = send_later(from, 2 * HOUR_MS);
    WAIT_FOR(10000, shows(id, "scheduled"));
    assert_cancelled(id);
    ck_assert_int_eq(size_of("HLEN", "scheduled", from), 1);
    WAIT_FOR(10000, shows(other, "scheduled"));
    assert_cancelled(other);
    assert_nothing_waits(from);
    WAIT_FOR(10000, shows(id, "cancelled") && shows(other, "cancelled"));
    ck_assert_int_eq(calls_of(id), 0);
    free(id);
    free(other);
    free(from);
}
END_TEST

// source, target: before the names of the keys that say what is scheduled in that sender's partition.
static void copy_scheduled(const char *from, const char *source, const char *target) {
    static const char *const names[] = {"scheduled", "scheduled-due", "scheduled-bytes"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ck_assert_int_eq(stack_redis_int(stack, "COPY %s%s:{%s} %s%s:{%s} REPLACE", source, names[i], tag_of(from),
                                         target, names[i], tag_of(from)),
                         1);
    }
}

// docs/operations.md, "Restore of Redis".
START_TEST(what_an_older_copy_of_redis_has_scheduled_again_is_cancelled_again) {
    char *from = new_sender(), *id = send_later(from, HOUR_MS);
    WAIT_FOR(10000, shows(id, "scheduled"));
    copy_scheduled(from, "", "copy-of-");
    assert_cancelled(id);
    WAIT_FOR(10000, shows(id, "cancelled"));
    copy_scheduled(from, "copy-of-", "");
    assert_cancelled(id);
    assert_nothing_waits(from);
    assert_cancelled_before(id);
    ck_assert_int_eq(cancelled_outcomes(id), 1);
    ck_assert_int_eq(calls_of(id), 0);
    free(id);
    free(from);
}
END_TEST

START_TEST(an_email_is_cancelled_as_well) {
    mock_configure(stack, FAILS);
    char *id = send_accepted(stack, "ingest-1", PATH_EMAIL, payload_email("a@cancel.test", "b@cancel.test", "text"));
    WAIT_FOR(20000, message_is(stack, id, "retrying"));
    assert_cancelled(id);
    WAIT_FOR(10000, shows(id, "cancelled"));
    free(id);
}
END_TEST

START_TEST(its_timeline_says_when_it_was_cancelled) {
    char *from = new_sender(), *id = send_and_park(from);
    assert_cancelled(id);
    WAIT_FOR(10000, shows(id, "cancelled"));
    struct answer *answer = get_message(id);
    ck_assert_ptr_nonnull(strstr(answer->body, "\"event\" : \"cancelled\""));
    answer_free(answer);
    free(id);
    free(from);
}
END_TEST

START_TEST(a_repeat_of_its_send_answers_with_the_cancelled_id_and_sends_nothing) {
    char *from = new_sender();
    mock_configure(stack, FAILS);
    struct answer *first =
        send_under_key(stack, "ingest-1", PATH_SMS, "cancelled-1", payload_sms(from, THEIRS, "text"));
    ck_assert_int_eq(first->status, 202);
    park(tag_of(from), answer_text(first, "id"));
    WAIT_FOR(10000, is_recorded(answer_text(first, "id")));
    assert_cancelled(answer_text(first, "id"));
    struct answer *again =
        send_under_key(stack, "ingest-1", PATH_SMS, "cancelled-1", payload_sms(from, THEIRS, "text"));
    ck_assert_int_eq(again->status, 202);
    ck_assert_str_eq(answer_text(again, "id"), answer_text(first, "id"));
    assert_nothing_waits(from);
    ck_assert_int_eq(calls_of(answer_text(first, "id")), 1);
    answer_free(first);
    answer_free(again);
    free(from);
}
END_TEST

START_TEST(a_replay_that_waits_is_cancelled_whichever_generation_it_is) {
    char *from = new_sender();
    char *id = send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(from, REFUSED, "text"));
    WAIT_FOR(20000, shows(id, "failed"));
    assert_conflict(id, "it can't be cancelled: it has failed, and is not sent again by itself", "failed");
    mock_configure(stack, FAILS);
    (void)stack_sql(stack, "UPDATE messages SET to_address = '" THEIRS "' WHERE id = '%s'", id); // that can be called
    char *path = stack_sql_text(
        stack, "SELECT '/api/dead-letters/' || id || '/replay' FROM dead_letters WHERE message_id = '%s'", id);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", path, NULL), 202);
    WAIT_FOR(20000, size_of("HLEN", "parked", from) == 1);
    assert_cancelled(id);
    assert_nothing_waits(from);
    WAIT_FOR(10000, shows(id, "cancelled"));
    ck_assert_int_eq(stack_sql(stack, "SELECT generation FROM deliveries WHERE message_id = '%s'", id), 1);
    free(path);
    free(id);
    free(from);
}
END_TEST

// More often than it is looked for without knowing how often.
START_TEST(a_message_that_was_replayed_many_times_is_found) {
    char *from = new_sender(), *id = send_and_park(from);
    redisReply *packed = stack_redis(stack, "HGET parked:{%s} %s:0", tag_of(from), id);
    char *text = xstrdup(reply_text(packed, 0)), *gen = strstr(text, "\"gen\":\"0\"");
    ck_assert_ptr_nonnull(gen);
    char *later = xasprintf("%.*s\"gen\":\"40\"%s", (int)(gen - text), text, gen + strlen("\"gen\":\"0\""));
    freeReplyObject(packed);
    freeReplyObject(stack_redis(stack, "HDEL parked:{%s} %s:0", tag_of(from), id));
    freeReplyObject(stack_redis(stack, "ZREM parked-due:{%s} %s:0", tag_of(from), id));
    freeReplyObject(stack_redis(stack, "HDEL turn:{%s} %s:0", tag_of(from), id));
    freeReplyObject(stack_redis(stack, "ZADD parked-due:{%s} %lld %s:40", tag_of(from),
                                (long long)redis_now_ms(stack) + HOUR_MS, id));
    freeReplyObject(stack_redis(stack, "HSET parked:{%s} %s:40 %s", tag_of(from), id, later));
    (void)stack_sql(stack, "UPDATE deliveries SET generation = 39 WHERE message_id = '%s'",
                    id); // it isn't recorded yet
    assert_cancelled(id);
    ck_assert_int_eq(size_of("HLEN", "parked", from), 0);
    WAIT_FOR(10000, shows(id, "cancelled"));
    free(later);
    free(text);
    free(id);
    free(from);
}
END_TEST

// ---- What doesn't

START_TEST(what_is_on_its_way_or_has_ended_says_so) {
    char *from = new_sender(), *sent = send_from(from);
    WAIT_FOR(20000, shows(sent, "sent"));
    assert_conflict(sent, "it can't be cancelled any more: it was sent", "sent");
    free(events_add_receipt(stack, sent, "undelivered", "SM1", -1));
    WAIT_FOR(10000, shows(sent, "undelivered"));
    assert_conflict(sent, "it can't be cancelled any more: it was sent, though it was not delivered", "undelivered");
    free(events_add_receipt(stack, sent, "delivered", "SM1", -1));
    WAIT_FOR(10000, shows(sent, "delivered"));
    assert_conflict(sent, "it can't be cancelled any more: it was sent, and has arrived", "delivered");
    stack_signal(stack, "dispatcher-1", SIGSTOP);
    char *queued = send_from(from);
    WAIT_FOR(10000, shows(queued, "queued"));
    assert_under_way(queued);
    stack_signal(stack, "dispatcher-1", SIGCONT);
    WAIT_FOR(10000, shows(queued, "sent"));
    free(sent);
    free(queued);
    free(from);
}
END_TEST

START_TEST(what_was_received_can_not_be_cancelled_by_whichever_id) {
    static const char alias[] = "0194c0de-0000-8000-8000-000000000001";
    char *id = send_accepted(stack, "ingest-1", PATH_SMS_WEBHOOK,
                             payload_sms_webhook(THEIRS, "+12016661234", "cancel-1", "hello"));
    WAIT_FOR(10000, shows(id, "received"));
    assert_conflict(id, "it can't be cancelled: it was received, not sent", "received");
    (void)stack_sql(stack, "INSERT INTO message_aliases (id, message_id) VALUES ('%s', '%s')", alias, id);
    assert_conflict(alias, "it can't be cancelled: it was received, not sent", "received");
    free(id);
}
END_TEST

// Whatever other id it has, its tokens have the one that it is stored under.
START_TEST(a_message_is_cancelled_by_its_other_id) {
    static const char alias[] = "0194c0de-0000-8000-8000-000000000002";
    char *from = new_sender(), *id = send_and_park(from);
    (void)stack_sql(stack, "INSERT INTO message_aliases (id, message_id) VALUES ('%s', '%s')", alias, id);
    struct answer *answer = cancel_at("ingest-1", alias);
    ck_assert_int_eq(answer->status, 202);
    ck_assert_str_eq(answer_text(answer, "id"), id);
    answer_free(answer);
    WAIT_FOR(10000, shows(id, "cancelled"));
    free(id);
    free(from);
}
END_TEST

// A UUIDv7 of that time.
static char *id_of(int64_t made_ms) {
    struct uuid id = uuid_v7();
    for (int i = 5; i >= 0; i--, made_ms >>= 8) {
        id.bytes[i] = (uint8_t)made_ms;
    }
    char *text = xmalloc(UUID_TEXT_SIZE);
    uuid_format(&id, text);
    return text;
}

static void assert_unknown(char *id, long status) {
    struct answer *answer = cancel_at("ingest-1", id);
    ck_assert_msg(answer->status == status, "%s: %ld %s", id, answer->status, answer->body);
    ck_assert_int_eq(answer_header_number(answer, "Retry-After"), status == 503 ? 1 : -1);
    ck_assert_ptr_null(answer_at(answer, "details"));
    answer_free(answer);
    free(id);
}

START_TEST(what_may_still_be_recorded_is_503_and_what_can_not_is_404) {
    int64_t now_ms = clock_unix_ms();
    assert_unknown(id_of(now_ms), 503);
    assert_unknown(id_of(now_ms - 40000), 503);
    assert_unknown(id_of(now_ms + 5000), 503); // another ingest's clock
    assert_unknown(id_of(now_ms - 90000), 404);
    assert_unknown(id_of(now_ms + 3600000), 404);
    assert_unknown(xstrdup("5d1f0c2e-88a4-8f3b-a1c0-7e2b9d405f61"), 404); // a webhook's: never sent
    assert_unknown(xstrdup("5d1f0c2e-88a4-4f3b-a1c0-7e2b9d405f61"), 404);
    assert_unknown(xstrdup("nonsense"), 404);
    assert_unknown(xstrdup("5d1f0c2e-88a4-4f3b-a1c0-7e2b9d405f6"), 404);
}
END_TEST

START_TEST(a_message_that_is_not_recorded_yet_is_cancelled_once_it_is) {
    char *from = new_sender();
    mock_configure(stack, FAILS);
    stack_signal(stack, "persister-1", SIGSTOP);
    char *id = send_from(from);
    park(tag_of(from), id);
    ck_assert_int_eq(cancel_status(id), 503);
    stack_signal(stack, "persister-1", SIGCONT);
    WAIT_FOR(10000, cancel_status(id) == 202);
    assert_nothing_waits(from);
    free(id);
    free(from);
}
END_TEST

// ---- The rest of the door

START_TEST(the_route_takes_its_methods_and_no_other) {
    char *path = xasprintf("/api/messages/%s", "5d1f0c2e-88a4-4f3b-a1c0-7e2b9d405f61");
    struct answer *answer = stack_call(stack, "ingest-1", "POST", path, "{}", NULL);
    ck_assert_int_eq(answer->status, 405);
    char *allow = answer_header(answer, "Allow");
    ck_assert_str_eq(allow, "GET, HEAD, DELETE");
    free(allow);
    answer_free(answer);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "DELETE", PATH_SMS, NULL), 405);
    free(path);
}
END_TEST

static struct answer *call_with_header(const char *ingest, const char *method, const char *id, const char *header) {
    char *path = xasprintf("/api/messages/%s", id);
    struct answer *answer = stack_call(stack, ingest, method, path, NULL, (const char *const[]){header, NULL});
    free(path);
    return answer;
}

static long status_with_header(const char *ingest, const char *id, const char *header) {
    struct answer *answer = call_with_header(ingest, "DELETE", id, header);
    long status = answer->status;
    answer_free(answer);
    return status;
}

#define LISTED "https://app.example.com"

START_TEST(a_page_of_another_origin_cancels_nothing_but_where_it_is_listed) {
    stack_start_with(stack, "ingest-2", (const char *const[]){"CORS_ALLOWED_ORIGINS=" LISTED, NULL});
    char *from = new_sender(), *id = send_and_park(from);
    ck_assert_int_eq(status_with_header("ingest-2", id, "Origin: https://evil.example.com"), 403);
    ck_assert_int_eq(status_with_header("ingest-2", id, "Origin: null"), 403);
    ck_assert_int_eq(size_of("HLEN", "parked", from), 1);
    struct answer *answer = call_with_header("ingest-2", "OPTIONS", id, "Origin: " LISTED);
    ck_assert_int_eq(answer->status, 204);
    char *methods = answer_header(answer, "Access-Control-Allow-Methods");
    ck_assert_str_eq(methods, "GET, HEAD, DELETE");
    free(methods);
    answer_free(answer);
    ck_assert_int_eq(status_with_header("ingest-2", id, "Origin: " LISTED), 202);
    stack_stop(stack, "ingest-2");
    free(id);
    free(from);
}
END_TEST

// Of "secret-key": printf %s secret-key | sha256sum
#define SEND_KEY "85dbe15d75ef9308c7ae0f33c7a324cc6f4bf519a2ed2f3027bd33c140a4f9aa"

START_TEST(a_key_must_be_good_for_sending) {
    stack_start_with(stack, "ingest-2", (const char *const[]){"API_KEYS=sender:send:" SEND_KEY, NULL});
    stack_start_with(stack, "ingest-3", (const char *const[]){"API_KEYS=reader:read+admin:" SEND_KEY, NULL});
    char *from = new_sender(), *id = send_and_park(from);
    ck_assert_int_eq(status_with_header("ingest-2", id, NULL), 401);
    ck_assert_int_eq(status_with_header("ingest-3", id, "X-API-Key: secret-key"), 403);
    ck_assert_int_eq(size_of("HLEN", "parked", from), 1);
    ck_assert_int_eq(status_with_header("ingest-2", id, "X-API-Key: secret-key"), 202);
    ck_assert_int_eq(stack_log_about(stack, "ingest-2", "cancelled", "\"key\":\"sender\""), 1);
    stack_stop(stack, "ingest-2");
    stack_stop(stack, "ingest-3");
    free(id);
    free(from);
}
END_TEST

// As all that isn't a POST or a PUT.
START_TEST(it_counts_against_no_limit) {
    stack_start_with(stack, "ingest-2", (const char *const[]){"API_RATE_LIMIT_PER_IP_PER_MIN=1", NULL});
    for (int i = 0; i < 5; i++) {
        struct answer *answer = cancel_at("ingest-2", "5d1f0c2e-88a4-4f3b-a1c0-7e2b9d405f61");
        ck_assert_int_eq(answer->status, 404);
        ck_assert_int_eq(answer_header_number(answer, "RateLimit-Limit"), -1);
        answer_free(answer);
    }
    stack_stop(stack, "ingest-2");
}
END_TEST

// One that was sent through an ingest of so many partitions, or of another region, is cancelled at another one.
static void cancel_elsewhere(const char *from, unsigned lies_in, const char *sent_at, const char *asked_at) {
    struct partition_keys keys;
    partition_keys_of(PROVIDER_SMS_MMS, lies_in, &keys);
    char *id = send_accepted(stack, sent_at, PATH_SMS, payload_sms(from, THEIRS, "text"));
    park(keys.tag, id); // the dispatcher finds a new partition within seconds
    WAIT_FOR(10000, is_recorded(id));
    assert_cancelled_at(asked_at, id);
    ck_assert(!has_parked(keys.tag, id));
    assert_conflict_at(asked_at, id, "it was cancelled before", "cancelled");
    assert_conflict_at(sent_at, id, "it was cancelled before", "cancelled");
    free(id);
}

START_TEST(a_message_is_found_in_whichever_partition_it_lies) {
    enum { OTHER = 7 };
    mock_configure(stack, FAILS);
    stack_start_with(stack, "ingest-2", (const char *const[]){"STREAM_PARTITIONS=7", NULL});
    stack_start_with(stack, "ingest-3", (const char *const[]){"PHONE_REGION=US", NULL});
    for (int i = 0; i < 5; i++) {
        char *from = new_sender(), *other = new_sender();
        cancel_elsewhere(from, partition_of(from, PARTITIONS), "ingest-1", "ingest-2");
        cancel_elsewhere(other, partition_of(other, OTHER), "ingest-2", "ingest-1");
        free(from);
        free(other);
    }
    cancel_elsewhere("(201) 666-4321", partition_of("2016664321", PARTITIONS), "ingest-1", "ingest-3");
    stack_stop(stack, "ingest-2");
    stack_stop(stack, "ingest-3");
}
END_TEST

// A program that announces no format lives, for some seconds; whether ingest knows of it, and writes nothing newer.
static bool sees_an_older_release(void) {
    static const char pair[] = "{\"channel\":\"sms\",\"our_address\":\"+1201\",\"their_address\":\"+1202\"}";
    freeReplyObject(stack_redis(stack, "ZADD processes %lld persister:old", (long long)redis_now_ms(stack) + 1000));
    return stack_status(stack, "ingest-1", "PUT", "/api/opt-outs", pair) == 503;
}

// Nothing that such a program reads says that a message was cancelled.
START_TEST(while_an_older_release_runs_it_is_503_but_for_what_has_ended) {
    char *from = new_sender(), *sent = send_from(from);
    WAIT_FOR(20000, shows(sent, "sent"));
    char *id = send_and_park(from);
    WAIT_FOR(10000, sees_an_older_release());
    struct answer *answer = cancel_at("ingest-1", id);
    ck_assert_int_eq(answer->status, 503);
    ck_assert_str_eq(answer_text(answer, "message"),
                     "a program of an older release, which can't record it, is still running");
    ck_assert_int_eq(answer_header_number(answer, "Retry-After"), 5);
    answer_free(answer);
    ck_assert(sees_an_older_release());
    assert_conflict(sent, "it can't be cancelled any more: it was sent", "sent");
    freeReplyObject(stack_redis(stack, "ZREM processes persister:old"));
    WAIT_FOR(SETTLED_MS, cancel_status(id) == 202);
    free(id);
    free(sent);
    free(from);
}
END_TEST

// It makes room.
START_TEST(it_is_cancelled_while_memory_is_short) {
    char *from = new_sender(), *id = send_and_park(from);
    int64_t most = stack_redis_int(stack, "MEMORY USAGE metrics"); // any number: Redis is full by far
    freeReplyObject(stack_redis(stack, "CONFIG SET maxmemory %lld", (long long)most + 1));
    char *payload = payload_sms(from, THEIRS, "text");
    WAIT_FOR(10000, stack_status(stack, "ingest-1", "POST", PATH_SMS, payload) == 503);
    assert_cancelled(id);
    freeReplyObject(stack_redis(stack, "CONFIG SET maxmemory 0"));
    WAIT_FOR(10000, stack_status(stack, "ingest-1", "POST", PATH_SMS, payload) == 202);
    WAIT_FOR(10000, size_of("XLEN", "outbound", from) == 0); // it is none of the next test's
    free(payload);
    free(id);
    free(from);
}
END_TEST

// ---- Whose fate is unknown

START_TEST(after_a_lost_answer_a_repeat_says_what_became_of_it) {
    char *from = new_sender(), *id = send_and_park(from);
    stack_signal(stack, "persister-1", SIGSTOP); // Redis alone knows
    stack_signal(stack, "redis", SIGSTOP);
    struct answer *answer = cancel_at("ingest-1", id);
    ck_assert_int_eq(answer->status, 503);
    ck_assert(cJSON_IsTrue(answer_at(answer, "details.ambiguous")));
    answer_free(answer);
    stack_signal(stack, "redis", SIGCONT);
    stack_settle(stack); // each thread of ingest has a connection of its own
    WAIT_FOR(20000, cancel_status(id) != 503);
    assert_cancelled_before(id);
    assert_nothing_waits(from);
    stack_signal(stack, "persister-1", SIGCONT);
    WAIT_FOR(20000, shows(id, "cancelled"));
    ck_assert_int_eq(cancelled_outcomes(id), 1);
    free(id);
    free(from);
}
END_TEST

START_TEST(where_a_replica_must_have_it_and_has_not_its_fate_is_unknown) {
    char port[8];
    snprintf(port, sizeof port, "%u", stack_port(stack, "redis"));
    const char *const arguments[] = {"--replicaof", "127.0.0.1", port, "--repl-timeout", "5", NULL};
    freeReplyObject(stack_redis(stack, "CONFIG SET repl-diskless-sync-delay 0"));
    struct private_redis *replica = private_redis_start(arguments);
    stack_start_with(stack, "ingest-2", (const char *const[]){"REDIS_WAIT_REPLICAS=1", NULL});
    char *from = new_sender(), *one = send_and_park(from), *other = new_sender(), *two = send_and_park(other);
    WAIT_FOR(10000, cancel_status_at("ingest-2", one) == 202);
    private_redis_freeze(replica);
    struct answer *answer = cancel_at("ingest-2", two); // as a rule it isn't known yet that the replica stands still
    bool ambiguous = cJSON_IsTrue(answer_at(answer, "details.ambiguous"));
    ck_assert_int_eq(answer->status, 503);
    answer_free(answer);
    ck_assert_int_eq(has_parked(tag_of(other), two), !ambiguous);
    ck_assert_int_eq(stack_redis_int(stack, "EXISTS cancelled:{%s}:%s", tag_of(other), two), ambiguous);
    private_redis_thaw(replica);
    long status = 503;
    WAIT_FOR(20000, (status = cancel_status(two)) != 503);
    ck_assert_int_eq(status, ambiguous ? 409 : 202);
    assert_cancelled_before(two);
    stack_stop(stack, "ingest-2");
    private_redis_destroy(replica);
    free(one);
    free(two);
    free(other);
    free(from);
}
END_TEST

// ---- Many at once

struct crowd {
    const char *id;
    char *url;
    atomic_uint cancelled, before, other;
};

static void *cancel_in_crowd(void *argument) {
    struct crowd *crowd = argument;
    struct answer *answer = client_call("DELETE", crowd->url, NULL, NULL, deadline_scaled(10000));
    bool is_cancelled = strcmp(answer_text(answer, "details.status"), "cancelled") == 0;
    atomic_fetch_add(answer->status == 202                   ? &crowd->cancelled
                     : answer->status == 409 && is_cancelled ? &crowd->before
                                                             : &crowd->other,
                     1);
    answer_free(answer);
    return NULL;
}

START_TEST(of_many_who_cancel_one_message_one_has_done_it) {
    enum { CROWD = 16, ROUNDS = 5 };
    for (int i = 0; i < ROUNDS; i++) {
        char *from = new_sender(), *id = send_and_park(from);
        struct crowd crowd = {
            .id = id, .url = xasprintf("http://127.0.0.1:%u/api/messages/%s", stack_port(stack, "ingest-1"), id)};
        pthread_t threads[CROWD];
        for (int k = 0; k < CROWD; k++) {
            ck_assert_int_eq(pthread_create(&threads[k], NULL, cancel_in_crowd, &crowd), 0);
        }
        for (int k = 0; k < CROWD; k++) {
            pthread_join(threads[k], NULL);
        }
        ck_assert_uint_eq(crowd.cancelled, 1);
        ck_assert_uint_eq(crowd.before, CROWD - 1);
        WAIT_FOR(10000, shows(id, "cancelled"));
        ck_assert_int_eq(cancelled_outcomes(id), 1);
        free(crowd.url);
        free(id);
        free(from);
    }
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_cancel(void) {
    Suite *suite = suite_create("cancel");
    TCase *tests = tcase_create("cancel");
    tcase_set_timeout(tests, 0);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, a_message_that_waits_for_a_retry_is_cancelled_once);
    tcase_add_test(tests, a_held_message_is_cancelled_and_the_next_of_its_conversation_goes_on);
    tcase_add_test(tests, a_scheduled_message_is_cancelled_and_takes_no_room_any_more);
    tcase_add_test(tests, what_an_older_copy_of_redis_has_scheduled_again_is_cancelled_again);
    tcase_add_test(tests, an_email_is_cancelled_as_well);
    tcase_add_test(tests, its_timeline_says_when_it_was_cancelled);
    tcase_add_test(tests, a_repeat_of_its_send_answers_with_the_cancelled_id_and_sends_nothing);
    tcase_add_test(tests, a_replay_that_waits_is_cancelled_whichever_generation_it_is);
    tcase_add_test(tests, a_message_that_was_replayed_many_times_is_found);
    tcase_add_test(tests, what_is_on_its_way_or_has_ended_says_so);
    tcase_add_test(tests, what_was_received_can_not_be_cancelled_by_whichever_id);
    tcase_add_test(tests, a_message_is_cancelled_by_its_other_id);
    tcase_add_test(tests, what_may_still_be_recorded_is_503_and_what_can_not_is_404);
    tcase_add_test(tests, a_message_that_is_not_recorded_yet_is_cancelled_once_it_is);
    tcase_add_test(tests, the_route_takes_its_methods_and_no_other);
    tcase_add_test(tests, a_page_of_another_origin_cancels_nothing_but_where_it_is_listed);
    tcase_add_test(tests, a_key_must_be_good_for_sending);
    tcase_add_test(tests, it_counts_against_no_limit);
    tcase_add_test(tests, a_message_is_found_in_whichever_partition_it_lies);
    tcase_add_test(tests, while_an_older_release_runs_it_is_503_but_for_what_has_ended);
    tcase_add_test(tests, it_is_cancelled_while_memory_is_short);
    tcase_add_test(tests, after_a_lost_answer_a_repeat_says_what_became_of_it);
    tcase_add_test(tests, where_a_replica_must_have_it_and_has_not_its_fate_is_unknown);
    tcase_add_test(tests, of_many_who_cancel_one_message_one_has_done_it);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
