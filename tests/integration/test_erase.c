// SPDX-License-Identifier: MIT
// DELETE /api/conversations/{id}: whatever was accepted of it until then, wherever that lies, is called no more and
// leaves nothing behind; whatever is accepted later is as though there had been nothing. Random orders of all of it:
// make check-protocol.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/rfc3339.h"
#include "shared/message/erasure.h"
#include "shared/redis/keys.h"
#include "shared/redis/library.h"
#include "tests/support/child.h"
#include "tests/support/delivery.h"
#include "tests/support/events.h"
#include "tests/support/payload.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"

#define FAILS "{\"timeout_pct\":0,\"error_pct\":100,\"ratelimit_pct\":0}"
#define THEIRS "+18045551234"
#define LEDGER "calls.log"
#define HOUR_MS 3600000
enum { PARTITIONS = 3 };

Suite *suite_erase(void);

static struct stack *stack;
static unsigned senders; // each test has its own
static char *counts_sql;

static char *project_file(const char *name) {
    char *path = xasprintf("%s/%s", getenv("PROJECT_ROOT"), name);
    char *text = read_whole_file(path);
    ck_assert_msg(text != NULL, "%s is missing", path);
    free(path);
    return text;
}

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
    stack = stack_create("erase", environment);
    stack_start_all(stack);
    char *aged = project_file("tests/support/sql/aged.sql");
    stack_sql(stack, "%s", aged);
    free(aged);
    counts_sql = project_file("tests/chaos/counts.sql");
}

static void end(void) {
    free(counts_sql);
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
    breakers_reset(stack);
    mock_configure(stack, MOCK_WELL);
}

static char *new_sender(void) {
    return xasprintf("+1558%07u", ++senders);
}

static const char *tag_of(const char *from) {
    static struct partition_keys keys;
    partition_keys_of(PROVIDER_SMS_MMS, partition_of(from, PARTITIONS), &keys);
    return keys.tag;
}

// ---- Messages

static char *send_from(const char *from) {
    return send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(from, THEIRS, "text"));
}

static char *send_later(const char *from) {
    char due[RFC3339_SIZE];
    rfc3339_format(clock_unix_ms() + HOUR_MS, due);
    return send_accepted(stack, "ingest-1", PATH_SMS,
                         xasprintf("{\"from\":\"%s\",\"to\":\"" THEIRS "\",\"type\":\"sms\",\"body\":\"later\","
                                   "\"attachments\":null,\"timestamp\":\"2024-11-01T14:00:00Z\",\"send_at\":\"%s\"}",
                                   from, due));
}

static char *receive(const char *ours, const char *provider_id, const char *body) {
    return send_accepted(stack, "ingest-1", PATH_SMS_WEBHOOK, payload_sms_webhook(THEIRS, ours, provider_id, body));
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

static bool is_in_mock_ledger(const char *id) {
    char *path = xasprintf("%s/" LEDGER, stack_folder(stack));
    char *text = read_whole_file(path);
    bool is = text != NULL && strstr(text, id) != NULL;
    free(text);
    free(path);
    return is;
}

static bool has_parked(const char *from, const char *id) {
    return stack_redis_int(stack, "HEXISTS parked:{%s} %s:0", tag_of(from), id) == 1;
}

static int64_t size_of(const char *command, const char *key, const char *from) {
    return stack_redis_int(stack, "%s %s:{%s}", command, key, tag_of(from));
}

static int64_t counted(const char *name) {
    redisReply *reply = stack_redis(stack, "HGET metrics %s", name);
    int64_t count = reply->type == REDIS_REPLY_STRING ? reply_int(reply, 0) : 0;
    freeReplyObject(reply);
    return count;
}

// ---- Conversations

static int64_t conversation_of(const char *from) {
    return stack_sql(
        stack, "SELECT coalesce((SELECT id FROM conversations WHERE '%s' IN (participant_a, participant_b)), 0)", from);
}

static long erase_status_at(const char *ingest, int64_t conversation) {
    char *path = xasprintf("/api/conversations/%lld", (long long)conversation);
    struct answer *answer = stack_call(stack, ingest, "DELETE", path, NULL, NULL);
    long status = answer->status;
    answer_free(answer);
    free(path);
    return status;
}

static int64_t erase(const char *from) {
    int64_t conversation = conversation_of(from);
    char *path = xasprintf("/api/conversations/%lld", (long long)conversation), id[24];
    struct answer *answer = stack_call(stack, "ingest-1", "DELETE", path, NULL, NULL);
    snprintf(id, sizeof id, "%lld", (long long)conversation);
    ck_assert_msg(answer->status == 202, "%ld: %s", answer->status, answer->body);
    ck_assert_str_eq(answer_text(answer, "status"), "erasing");
    ck_assert_str_eq(answer_text(answer, "id"), id);
    answer_free(answer);
    free(path);
    return conversation;
}

static bool is_gone(int64_t conversation) {
    char *path = xasprintf("/api/conversations/%lld/messages", (long long)conversation);
    bool gone = stack_status(stack, "ingest-1", "GET", path, NULL) == 404;
    free(path);
    return gone;
}

static void assert_exact(void) {
    char *wrong = stack_sql_text(stack,
                                 "SELECT coalesce(string_agg(rule || ': ' || wrong, ', '), '') FROM (%s) AS rules "
                                 "WHERE wrong > 0 AND rule NOT LIKE 'outbound%%'",
                                 counts_sql);
    ck_assert_msg(*wrong == '\0', "%s", wrong);
    free(wrong);
}

static int64_t rows_of(const char *id) {
    return stack_sql(stack,
                     "SELECT count(*) FROM (SELECT id FROM messages UNION ALL SELECT message_id FROM attachments UNION "
                     "ALL SELECT message_id FROM message_aliases UNION ALL SELECT message_id FROM deliveries UNION ALL "
                     "SELECT message_id FROM dispatch_attempts UNION ALL SELECT message_id FROM dead_letters UNION ALL "
                     "SELECT message_id FROM replays UNION ALL SELECT message_id FROM receipts) AS r WHERE id = '%s'",
                     id);
}

static bool is_erased(const char *id) {
    return rows_of(id) == 0 && stack_sql(stack, "SELECT count(*) FROM erased_messages WHERE id = '%s'", id) == 1;
}

static void wait_recorded(const char *from) {
    WAIT_FOR(15000, size_of("XLEN", "events", from) == 0);
}

static void assert_nothing_waits(const char *from) {
    static const char *const hashes[] = {"parked", "held", "scheduled", "turn"};
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
        ck_assert_msg(size_of("HLEN", hashes[i], from) == 0, "%s", hashes[i]);
    }
    ck_assert_int_eq(size_of("XLEN", "outbound", from), 0);
}

// ---- What is stored

START_TEST(what_is_stored_goes_with_all_that_belongs_to_it_and_nothing_else_does) {
    char *from = new_sender(), *other = new_sender(), *sent = send_from(from), *kept = send_from(other);
    char *received = receive(from, "erased-1", "hello");
    WAIT_FOR(20000, shows(sent, "sent") && shows(kept, "sent") && is_recorded(received));
    free(events_add_receipt(stack, sent, "delivered", "SM1", -1));
    WAIT_FOR(10000, shows(sent, "delivered"));
    int64_t conversations = counted("conversations_erased"), messages = counted("messages_erased");
    int64_t conversation = erase(from);
    WAIT_FOR(10000, is_gone(conversation));
    WAIT_FOR(10000, is_erased(sent) && is_erased(received));
    ck_assert_int_eq(conversation_of(from), 0);
    ck_assert(shows(kept, "sent"));
    assert_exact();
    WAIT_FOR(5000, counted("conversations_erased") == conversations + 1);
    WAIT_FOR(5000, counted("messages_erased") == messages + 2);
    ck_assert_int_eq(stack_log_count(stack, "ingest-1", "conversation_erasing"), 1);
    ck_assert_int_eq(stack_log_count(stack, "persister-1", "conversation_erased"), 1);
    ck_assert_int_eq(erase_status_at("ingest-1", conversation), 404);
    free(received);
    free(kept);
    free(sent);
    free(other);
    free(from);
}
END_TEST

START_TEST(an_event_tells_that_it_was_erased_and_nothing_of_what_it_was) {
    char *from = new_sender(), *id = send_from(from);
    WAIT_FOR(20000, shows(id, "sent"));
    int64_t conversation = erase(from);
    WAIT_FOR(10000, is_gone(conversation));
    redisReply *last = stack_redis(stack, "XREVRANGE feed + - COUNT 100");
    char *hint = xasprintf("{\"id\":\"%lld\"}", (long long)conversation);
    bool told = false;
    for (size_t i = 0; i < last->elements; i++) {
        const redisReply *fields = last->element[i]->element[1];
        for (size_t j = 0; j < fields->elements; j++) {
            told = told || strcmp(reply_text(fields, j), hint) == 0;
            ck_assert_ptr_null(strstr(reply_text(fields, j), from));
        }
    }
    ck_assert(told);
    free(hint);
    freeReplyObject(last);
    free(id);
    free(from);
}
END_TEST

START_TEST(an_email_conversation_is_erased_as_well) {
    char *id = send_accepted(stack, "ingest-1", PATH_EMAIL, payload_email("a@erase.test", "b@erase.test", "text"));
    WAIT_FOR(20000, shows(id, "sent"));
    erase("a@erase.test");
    WAIT_FOR(10000, is_erased(id));
    free(id);
}
END_TEST

// ---- What waits

START_TEST(what_is_parked_held_or_scheduled_is_called_no_more) {
    char *from = new_sender();
    mock_configure(stack, FAILS);
    char *parked = send_from(from);
    WAIT_FOR(20000, has_parked(from, parked));
    char *held = send_from(from), *scheduled = send_later(from);
    WAIT_FOR(10000, shows(held, "held") && shows(scheduled, "scheduled"));
    mock_configure(stack, MOCK_WELL);
    erase(from);
    WAIT_FOR(10000, is_erased(parked) && is_erased(held) && is_erased(scheduled));
    wait_recorded(from);
    assert_nothing_waits(from);
    ck_assert(is_erased(parked) && is_erased(held) && is_erased(scheduled)); // whatever came of their ends
    ck_assert(!is_in_mock_ledger(held) && !is_in_mock_ledger(scheduled));
    assert_exact();
    free(scheduled);
    free(held);
    free(parked);
    free(from);
}
END_TEST

static void open_breaker(bool opened) {
    freeReplyObject(stack_redis(stack, "HSET breaker:{sms-mms} mode %s", opened ? "open" : "auto"));
}

START_TEST(what_waits_in_outbound_is_not_called_once_the_provider_may_be) {
    char *from = new_sender(), *first = send_from(from), *other_from = new_sender();
    WAIT_FOR(20000, shows(first, "sent"));
    stack_stop(stack, "dispatcher-1"); // which may have a grant
    open_breaker(true);
    stack_start(stack, "dispatcher-1");
    char *second = send_from(from), *third = send_from(from), *other = send_from(other_from);
    WAIT_FOR(20000, is_recorded(second) && is_recorded(third) && is_recorded(other));
    erase(from);
    WAIT_FOR(10000, is_erased(first) && is_erased(second) && is_erased(third));
    open_breaker(false);
    WAIT_FOR(20000, shows(other, "sent"));
    WAIT_FOR(20000, size_of("XLEN", "outbound", from) == 0);
    wait_recorded(from);
    assert_nothing_waits(from);
    ck_assert(is_in_mock_ledger(first) && !is_in_mock_ledger(second) && !is_in_mock_ledger(third));
    ck_assert(is_erased(second));
    ck_assert_int_eq(stack_log_about(stack, "dispatcher-1", "dispatch_erased", second), 1);
    free(other);
    free(third);
    free(second);
    free(other_from);
    free(first);
    free(from);
}
END_TEST

START_TEST(what_is_on_its_way_to_postgres_is_not_stored_and_its_token_ends) {
    char *from = new_sender(), *first = send_from(from);
    WAIT_FOR(20000, shows(first, "sent"));
    wait_recorded(from);
    stack_stop(stack, "persister-1");
    char *scheduled = send_later(from), *received = receive(from, "erased-2", "on its way");
    erase(from);
    ck_assert_int_eq(size_of("HLEN", "scheduled", from), 1);
    stack_start(stack, "persister-1");
    WAIT_FOR(20000, is_erased(first) && is_erased(scheduled) && is_erased(received));
    WAIT_FOR(10000, size_of("HLEN", "scheduled", from) == 0);
    wait_recorded(from);
    ck_assert_int_eq(conversation_of(from), 0);
    assert_exact();
    free(received);
    free(scheduled);
    free(first);
    free(from);
}
END_TEST

// ---- What comes later

START_TEST(a_webhook_that_comes_again_is_answered_as_ever_and_stored_nowhere) {
    char *from = new_sender(), *received = receive(from, "erased-3", "first");
    WAIT_FOR(10000, is_recorded(received));
    erase(from);
    WAIT_FOR(10000, is_erased(received));
    char *again = receive(from, "erased-3", "first");
    ck_assert_str_eq(again, received);
    redisReply *keys = stack_redis(stack, "KEYS idem:*"); // Redis forgets it
    for (size_t i = 0; i < keys->elements; i++) {
        freeReplyObject(stack_redis(stack, "DEL %s", reply_text(keys, i)));
    }
    freeReplyObject(keys);
    char *forgotten = receive(from, "erased-3", "first");
    ck_assert_str_eq(forgotten, received);
    for (int i = 0; i < PARTITIONS; i++) {
        WAIT_FOR(10000, stack_redis_int(stack, "XLEN events:{sms-mms:%d}", i) == 0);
    }
    ck_assert(is_erased(received));
    ck_assert_int_eq(conversation_of(from), 0);
    assert_exact();
    free(forgotten);
    free(again);
    free(received);
    free(from);
}
END_TEST

START_TEST(what_is_said_of_an_erased_message_later_is_not_recorded) {
    char *from = new_sender(), *id = send_from(from);
    WAIT_FOR(20000, shows(id, "sent"));
    erase(from);
    WAIT_FOR(10000, is_erased(id));
    free(events_add_receipt(stack, id, "delivered", "SM2", -1));
    free(events_add_outcome(stack, id, 0, 2, "failed", "error"));
    free(events_add_replayed(stack, id, 1));
    WAIT_FOR(10000, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 0);
    ck_assert(is_erased(id));
    free(id);
    free(from);
}
END_TEST

START_TEST(what_is_accepted_afterwards_begins_a_new_conversation) {
    char *from = new_sender(), *old = send_from(from);
    WAIT_FOR(20000, shows(old, "sent"));
    int64_t before = erase(from);
    WAIT_FOR(10000, is_gone(before));
    char *new = send_from(from), *received = receive(from, "erased-4", "after it");
    WAIT_FOR(20000, shows(new, "sent") && is_recorded(received));
    int64_t after = conversation_of(from);
    ck_assert_int_ne(after, before);
    ck_assert_int_eq(stack_sql(stack, "SELECT message_count FROM conversations WHERE id = %lld", (long long)after), 2);
    ck_assert(is_erased(old));
    assert_exact();
    free(received);
    free(new);
    free(old);
    free(from);
}
END_TEST

// It would be the one that was erased, were it not for when: within the same millisecond nobody can tell.
START_TEST(what_could_be_taken_for_erased_is_not_accepted) {
    char *from = new_sender(), *first = send_from(from), *theirs = xstrdup(THEIRS);
    char names[ERASURE_NAMES][CONVERSATION_SIZE];
    const struct erasure erasure = {.channel = CHANNEL_SMS, .one = from, .other = theirs};
    WAIT_FOR(20000, shows(first, "sent"));
    erasure_names(&erasure, names);
    freeReplyObject(stack_redis(stack, "ZADD erased:{%s} %lld %s", tag_of(from),
                                (long long)redis_now_ms(stack) + HOUR_MS, names[0]));
    char *payload = payload_sms(from, THEIRS, "when?");
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", PATH_SMS, payload), 503);
    freeReplyObject(stack_redis(stack, "DEL erased:{%s}", tag_of(from)));
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", PATH_SMS, payload), 202);
    free(payload);
    free(theirs);
    free(first);
    free(from);
}
END_TEST

START_TEST(who_has_opted_out_stays_so) {
    char *from = new_sender(), *stop = receive(from, "erased-5", "STOP");
    WAIT_FOR(10000, is_recorded(stop));
    erase(from);
    WAIT_FOR(10000, is_erased(stop));
    char *payload = payload_sms(from, THEIRS, "still there?");
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", PATH_SMS, payload), 422);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM opt_outs WHERE our_address = '%s' AND state = 'out'", from),
                     1);
    free(payload);
    free(stop);
    free(from);
}
END_TEST

START_TEST(a_dead_letter_goes_with_its_message_and_can_not_be_replayed) {
    char *from = new_sender();
    char *id = send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(from, "+15005550001", "refused"));
    WAIT_FOR(20000, shows(id, "failed"));
    char *path = stack_sql_text(
        stack, "SELECT '/api/dead-letters/' || id || '/replay' FROM dead_letters WHERE message_id = '%s'", id);
    erase(from);
    WAIT_FOR(10000, is_erased(id));
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", path, NULL), 404);
    free(path);
    free(id);
    free(from);
}
END_TEST

// ---- Faults

START_TEST(a_persister_that_dies_in_the_middle_leaves_it_to_the_next) {
    enum { MANY = 20000 };
    stack_sql(stack, "SELECT count(aged(0, %d, 1, '40 days', '1 day'))", MANY);
    int64_t conversation = stack_sql(stack, "SELECT id FROM conversations ORDER BY message_count DESC LIMIT 1");
    char *left = xasprintf("SELECT count(*) FROM messages WHERE conversation_id = %lld", (long long)conversation);
    ck_assert_int_eq(stack_sql(stack, "%s", left), MANY);
    ck_assert_int_eq(erase_status_at("ingest-1", conversation), 202);
    WAIT_FOR(20000, stack_sql(stack, "%s", left) < MANY);
    stack_kill(stack, "persister-1");
    int64_t rest = stack_sql(stack, "%s", left);
    ck_assert_int_gt(rest, 0);
    ck_assert_int_lt(rest, MANY);
    assert_exact();
    stack_start(stack, "persister-1");
    WAIT_FOR(60000, stack_sql(stack, "SELECT count(*) FROM erased_conversations WHERE finished_at IS NULL") == 0);
    ck_assert_int_eq(stack_sql(stack, "%s", left), 0);
    ck_assert(is_gone(conversation));
    assert_exact();
    free(left);
}
END_TEST

START_TEST(an_unknown_conversation_is_404_whatever_its_id_looks_like) {
    static const char *const ids[] = {"999999999", "0", "x", "-1", "99999999999999999999"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char *path = xasprintf("/api/conversations/%s", ids[i]);
        ck_assert_int_eq(stack_status(stack, "ingest-1", "DELETE", path, NULL), 404);
        free(path);
    }
}
END_TEST

START_TEST(without_redis_or_postgres_it_is_503_and_nothing_is_erased) {
    char *from = new_sender(), *id = send_from(from);
    WAIT_FOR(20000, shows(id, "sent"));
    int64_t conversation = conversation_of(from);
    stack_stop(stack, "redis");
    ck_assert_int_eq(erase_status_at("ingest-1", conversation), 503);
    stack_start(stack, "redis");
    stack_recover(stack);
    ck_assert(is_recorded(id));
    stack_stop(stack, "postgres");
    ck_assert_int_eq(erase_status_at("ingest-1", conversation), 503);
    stack_start(stack, "postgres");
    stack_recover(stack);
    ck_assert(is_recorded(id));
    free(id);
    free(from);
}
END_TEST

// As after a loss of all that Redis had, until the programs tell it again; they may just then, so one of some must meet
// it.
START_TEST(while_redis_knows_of_no_partition_it_is_503) {
    enum { TRIES = 5 };
    int refused = 0;
    for (int i = 0; i < TRIES && refused == 0; i++) {
        char *from = new_sender(), *id = send_from(from);
        WAIT_FOR(20000, shows(id, "sent"));
        int64_t conversation = conversation_of(from);
        (void)stack_redis_int(stack, "DEL partitions");
        long status = erase_status_at("ingest-1", conversation);
        ck_assert_msg(status == 202 || status == 503, "%ld", status);
        refused += status == 503;
        ck_assert(status == 202 || is_recorded(id));
        free(id);
        free(from);
    }
    ck_assert_int_eq(refused, 1);
    WAIT_FOR(10000, stack_redis_int(stack, "SCARD partitions") > 1);
}
END_TEST

#define SECRET_KEY "85dbe15d75ef9308c7ae0f33c7a324cc6f4bf519a2ed2f3027bd33c140a4f9aa"

static long status_with_key(const char *ingest, int64_t conversation, const char *header) {
    char *path = xasprintf("/api/conversations/%lld", (long long)conversation);
    struct answer *answer = stack_call(stack, ingest, "DELETE", path, NULL, (const char *const[]){header, NULL});
    long status = answer->status;
    answer_free(answer);
    free(path);
    return status;
}

START_TEST(a_key_must_be_an_administrators) {
    stack_start_with(stack, "ingest-2", (const char *const[]){"API_KEYS=user:read+send:" SECRET_KEY, NULL});
    stack_start_with(stack, "ingest-3", (const char *const[]){"API_KEYS=boss:admin:" SECRET_KEY, NULL});
    char *from = new_sender(), *id = send_from(from);
    WAIT_FOR(20000, shows(id, "sent"));
    int64_t conversation = conversation_of(from);
    ck_assert_int_eq(status_with_key("ingest-2", conversation, NULL), 401);
    ck_assert_int_eq(status_with_key("ingest-2", conversation, "X-API-Key: secret-key"), 403);
    ck_assert_int_eq(conversation_of(from), conversation);
    ck_assert_int_eq(status_with_key("ingest-3", conversation, "X-API-Key: secret-key"), 202);
    WAIT_FOR(10000, is_erased(id));
    ck_assert_int_eq(stack_log_about(stack, "ingest-3", "conversation_erasing", "\"key\":\"boss\""), 1);
    stack_stop(stack, "ingest-2");
    stack_stop(stack, "ingest-3");
    free(id);
    free(from);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_erase(void) {
    Suite *suite = suite_create("erase");
    TCase *tests = tcase_create("erase");
    tcase_set_timeout(tests, 0);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, what_is_stored_goes_with_all_that_belongs_to_it_and_nothing_else_does);
    tcase_add_test(tests, an_event_tells_that_it_was_erased_and_nothing_of_what_it_was);
    tcase_add_test(tests, an_email_conversation_is_erased_as_well);
    tcase_add_test(tests, what_is_parked_held_or_scheduled_is_called_no_more);
    tcase_add_test(tests, what_waits_in_outbound_is_not_called_once_the_provider_may_be);
    tcase_add_test(tests, what_is_on_its_way_to_postgres_is_not_stored_and_its_token_ends);
    tcase_add_test(tests, a_webhook_that_comes_again_is_answered_as_ever_and_stored_nowhere);
    tcase_add_test(tests, what_is_said_of_an_erased_message_later_is_not_recorded);
    tcase_add_test(tests, what_is_accepted_afterwards_begins_a_new_conversation);
    tcase_add_test(tests, what_could_be_taken_for_erased_is_not_accepted);
    tcase_add_test(tests, who_has_opted_out_stays_so);
    tcase_add_test(tests, a_dead_letter_goes_with_its_message_and_can_not_be_replayed);
    tcase_add_test(tests, a_persister_that_dies_in_the_middle_leaves_it_to_the_next);
    tcase_add_test(tests, an_unknown_conversation_is_404_whatever_its_id_looks_like);
    tcase_add_test(tests, a_key_must_be_an_administrators);
    tcase_add_test(tests, while_redis_knows_of_no_partition_it_is_503);
    tcase_add_test(tests, without_redis_or_postgres_it_is_503_and_nothing_is_erased);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
