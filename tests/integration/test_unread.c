// SPDX-License-Identifier: MIT
// A webhook that can't become a message is kept: once, within bounds, for a later release to read.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/base64.h"
#include "shared/base/mem.h"
#include "tests/support/payload.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"

#define LETTERS "/api/dead-letters"
#define SETTLED_MS 20000 // until format 2 is written

Suite *suite_unread(void);

static struct stack *stack;

static bool is_kept(const char *ingest) {
    return stack_status(stack, ingest, "POST", PATH_SMS_WEBHOOK, "no JSON") == 400;
}

static const char *const environment[] = {"WEBHOOK_UNREAD_MAX=100", "WEBHOOK_UNREAD_MAX_BYTES=20000",
                                          "TRUSTED_PROXIES=127.0.0.1", NULL};

static void start(void) {
    stack = stack_create("unread", environment);
    stack_start(stack, "postgres");
    stack_start(stack, "ingest-1");
    stack_start(stack, "persister-1");
    WAIT_FOR(SETTLED_MS, is_kept("ingest-1"));
}

static void end(void) {
    stack_destroy(stack);
}

static int64_t letters(void) {
    return stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE stage = 'webhook'");
}

static void recover(void) {
    stack_recover(stack);
    if (!stack_is_running(stack, "persister-1")) {
        stack_start(stack, "persister-1");
    }
    WAIT_FOR(10000, stack_is_drained(stack));
    (void)stack_sql(stack, "TRUNCATE dead_letters");
    (void)stack_redis_int(stack,
                          "DEL unread:{sms-mms:0} unread-sizes:{sms-mms:0} unread:{email:0} unread-sizes:{email:0}");
}

static struct answer *post(const char *path, const char *body, const char *header) {
    return stack_call(stack, "ingest-1", "POST", path, body, (const char *const[]){header, NULL});
}

static void assert_refused(const char *path, const char *body, const char *field) {
    struct answer *answer = post(path, body, NULL);
    ck_assert_msg(answer->status == 400, "%s: %ld %s", body, answer->status, answer->body);
    ck_assert_str_eq(answer_text(answer, "details.field"), field);
    answer_free(answer);
}

static char *raw_of(const char *base64) {
    struct buf bytes = {0};
    ck_assert(base64_decode(base64, strlen(base64), &bytes));
    buf_append(&bytes, "", 0);
    return bytes.data;
}

// The only one in the list.
static struct answer *only_letter(void) {
    struct answer *answer = stack_call(stack, "ingest-1", "GET", LETTERS, NULL, NULL);
    ck_assert_int_eq(cJSON_GetArraySize(answer_at(answer, "items")), 1);
    return answer;
}

#define WITHOUT_FROM                                                                                                   \
    "{\"to\":\"+12016661234\",\"type\":\"sms\",\"messaging_provider_id\":\"unread-1\",\"body\":\"\u00e4\"}"

START_TEST(one_that_lacks_a_field_is_a_dead_letter_with_its_body_field_and_reason) {
    struct answer *refused = post(PATH_SMS_WEBHOOK, WITHOUT_FROM, "X-Request-Id: the-request");
    ck_assert_int_eq(refused->status, 400);
    ck_assert_str_eq(answer_text(refused, "details.field"), "from");
    answer_free(refused);
    WAIT_FOR(10000, letters() == 1);
    struct answer *answer = only_letter();
    ck_assert_str_eq(answer_text(answer, "items.0.stage"), "webhook");
    ck_assert_str_eq(answer_text(answer, "items.0.field"), "from");
    ck_assert_str_eq(answer_text(answer, "items.0.reason"), "is required");
    ck_assert_str_eq(answer_text(answer, "items.0.provider"), "sms-mms");
    ck_assert_str_eq(answer_text(answer, "items.0.media_type"), "application/json");
    ck_assert_str_eq(answer_text(answer, "items.0.client_ip"), "127.0.0.1");
    ck_assert_str_eq(answer_text(answer, "items.0.request_id"), "the-request");
    ck_assert_int_eq((int64_t)answer_number(answer, "items.0.attempts"), 0);
    ck_assert(cJSON_IsNull(answer_at(answer, "items.0.message_id")));
    ck_assert(cJSON_IsNull(answer_at(answer, "items.0.replayed_at")));
    ck_assert(cJSON_IsNull(answer_at(answer, "items.0.payload")));
    char *raw = raw_of(answer_text(answer, "items.0.raw"));
    ck_assert_str_eq(raw, WITHOUT_FROM);
    char *path = xasprintf(LETTERS "/%s", answer_text(answer, "items.0.id"));
    struct answer *one = stack_call(stack, "ingest-1", "GET", path, NULL, NULL);
    ck_assert_str_eq(answer_text(one, "raw"), answer_text(answer, "items.0.raw"));
    ck_assert_str_eq(answer_text(one, "field"), "from");
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE failed_at BETWEEN now() - interval "
                                      "'1 minute' AND now() AND arrived_at = failed_at"),
                     1);
    answer_free(one);
    answer_free(answer);
    free(path);
    free(raw);
}
END_TEST

static int count_listed(const char *query) {
    char *path = xasprintf(LETTERS "?%s", query);
    struct answer *answer = stack_call(stack, "ingest-1", "GET", path, NULL, NULL);
    ck_assert_int_eq(answer->status, 200);
    int count = cJSON_GetArraySize(answer_at(answer, "items"));
    answer_free(answer);
    free(path);
    return count;
}

START_TEST(whatever_can_not_be_read_is_kept_byte_for_byte) {
    static const char *const bodies[] = {"not JSON", "[]", "{\"from\":\"+1804\xff\"}", "{\"from\":7}",
                                         "{\"from\":\"+1804\",\"from\":\"+1805\"}"};
    for (size_t i = 0; i < 5; i++) {
        ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", PATH_EMAIL_WEBHOOK, bodies[i]), 400);
    }
    WAIT_FOR(10000, letters() == 5);
    for (size_t i = 0; i < 5; i++) {
        struct buf hex = {0};
        for (const char *at = bodies[i]; *at != '\0'; at++) {
            buf_printf(&hex, "%02x", (unsigned char)*at);
        }
        ck_assert_int_eq(
            stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE channel = 'email' AND raw = '\\x%s'", hex.data),
            1);
        buf_free(&hex);
    }
    ck_assert_int_eq(count_listed("reason=unread"), 5);
    ck_assert_int_eq(count_listed("reason=unread&provider=email"), 5);
    ck_assert_int_eq(count_listed("reason=poison"), 0);
    ck_assert_int_eq(count_listed("provider=sms-mms"), 0);
}
END_TEST

START_TEST(the_same_body_is_kept_once_for_each_route) {
    int told = stack_log_about(stack, "ingest-1", "webhook_kept", "\"again\":true");
    for (int i = 0; i < 3; i++) {
        assert_refused(PATH_SMS_WEBHOOK, "{}", "from");
        assert_refused(PATH_EMAIL_WEBHOOK, "{}", "from");
    }
    WAIT_FOR(10000, stack_is_drained(stack));
    ck_assert_int_eq(letters(), 2);
    ck_assert_int_eq(stack_log_about(stack, "ingest-1", "webhook_kept", "\"again\":true"), told + 4);
}
END_TEST

START_TEST(an_entry_that_is_delivered_twice_is_one_row) {
    stack_stop(stack, "persister-1");
    assert_refused(PATH_SMS_WEBHOOK, "{}", "from");
    redisReply *entries = stack_redis(stack, "XRANGE events:{sms-mms:0} - +");
    ck_assert_uint_eq(entries->elements, 1);
    const redisReply *fields = entries->element[0]->element[1];
    const char *argv[40] = {"XADD", "events:{sms-mms:0}", "*"};
    for (size_t i = 0; i < fields->elements; i++) {
        argv[3 + i] = fields->element[i]->str;
    }
    for (int i = 0; i < 2; i++) {
        freeReplyObject(stack_redis_argv(stack, 3 + (int)fields->elements, argv));
    }
    freeReplyObject(entries);
    stack_start(stack, "persister-1");
    WAIT_FOR(10000, stack_is_drained(stack));
    ck_assert_int_eq(letters(), 1);
}
END_TEST

START_TEST(mock_inbound_and_sends_keep_nothing) {
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", "/api/provider/mock/inbound", "{}"), 400);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", PATH_SMS, "{}"), 400);
    ck_assert_int_eq(stack_redis_int(stack, "EXISTS unread:{sms-mms:0} unread:{email:0}"), 0);
    WAIT_FOR(10000, stack_is_drained(stack));
    ck_assert_int_eq(letters(), 0);
}
END_TEST

static struct answer *post_from(const char *address, const char *body) {
    char *header = xasprintf("X-Forwarded-For: %s", address);
    struct answer *answer = post(PATH_SMS_WEBHOOK, body, header);
    ck_assert_int_eq(answer->status, 400);
    free(header);
    return answer;
}

// Bodies of so many bytes, of numbers from `first` on.
static void send_many(const char *address, int first, int count, int bytes) {
    for (int i = 0; i < count; i++) {
        char *body = xasprintf("%0*d", bytes, first + i);
        answer_free(post_from(address, body));
        free(body);
    }
}

START_TEST(one_address_keeps_a_tenth_and_all_together_no_more_than_the_bound) {
    int before = stack_log_count(stack, "ingest-1", "webhook_not_kept");
    send_many("192.0.2.1", 0, 12, 10);
    ck_assert_int_eq(stack_redis_int(stack, "ZCARD unread:{sms-mms:0}"), 10);
    ck_assert_int_eq(stack_log_count(stack, "ingest-1", "webhook_not_kept"), before + 2);
    for (int i = 2; i <= 12; i++) {
        char *address = xasprintf("192.0.2.%d", i);
        send_many(address, 100 * i, 10, 10);
        free(address);
    }
    ck_assert_int_eq(stack_redis_int(stack, "ZCARD unread:{sms-mms:0}"), 100);
    WAIT_FOR(10000, stack_is_drained(stack));
    ck_assert_int_eq(letters(), 100);
}
END_TEST

START_TEST(bytes_are_bounded_as_well) {
    send_many("192.0.2.1", 0, 3, 900); // of 20,000 a tenth
    ck_assert_int_eq(stack_redis_int(stack, "ZCARD unread:{sms-mms:0}"), 2);
    for (int i = 2; i <= 14; i++) {
        char *address = xasprintf("192.0.2.%d", i);
        send_many(address, 100 * i, 2, 900);
        free(address);
    }
    ck_assert_int_eq(stack_redis_int(stack, "ZCARD unread:{sms-mms:0}"), 22); // 19,800 bytes
    redisReply *bytes = stack_redis(stack, "HGET unread-sizes:{sms-mms:0} bytes");
    ck_assert_str_eq(reply_text(bytes, 0), "19800");
    freeReplyObject(bytes);
}
END_TEST

START_TEST(what_is_older_than_its_dead_letter_makes_room) {
    send_many("192.0.2.1", 0, 10, 10);
    WAIT_FOR(10000, letters() == 10);
    redisReply *hashes = stack_redis(stack, "ZRANGE unread:{sms-mms:0} 0 -1");
    for (size_t i = 0; i < hashes->elements; i++) {
        freeReplyObject(
            stack_redis(stack, "ZADD unread:{sms-mms:0} %d %s", i < 5 ? 1 : 2000000000, hashes->element[i]->str));
    }
    freeReplyObject(hashes);
    (void)stack_sql(stack, "UPDATE dead_letters SET failed_at = now() - interval '31 days'");
    send_many("192.0.2.1", 0, 10, 10);
    WAIT_FOR(10000, stack_is_drained(stack));
    ck_assert_int_eq(stack_redis_int(stack, "ZCARD unread:{sms-mms:0}"), 10);
    ck_assert_int_eq(
        stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE failed_at > now() - interval '1 minute'"), 10);
}
END_TEST

static char *replay_path_of_only_letter(void) {
    struct answer *answer = only_letter();
    char *path = xasprintf(LETTERS "/%s/replay", answer_text(answer, "items.0.id"));
    answer_free(answer);
    return path;
}

START_TEST(one_that_still_can_not_be_read_is_a_conflict_and_stays) {
    assert_refused(PATH_SMS_WEBHOOK, WITHOUT_FROM, "from");
    WAIT_FOR(10000, letters() == 1);
    char *path = replay_path_of_only_letter();
    for (int i = 0; i < 2; i++) {
        struct answer *answer = post(path, "{}", NULL);
        ck_assert_int_eq(answer->status, 409);
        ck_assert_str_eq(answer_text(answer, "details.field"), "from");
        ck_assert_str_eq(answer_text(answer, "details.reason"), "is required");
        answer_free(answer);
    }
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL"), 1);
    free(path);
}
END_TEST

// What a release that reads more would find: a body that is a message, without a time of its own.
static void make_readable(const char *provider_id) {
    char *unreadable = xasprintf("{\"messaging_provider_id\":\"%s\"}", provider_id); // each has a hash of its own
    assert_refused(PATH_SMS_WEBHOOK, unreadable, "from");
    free(unreadable);
    WAIT_FOR(10000, letters() == 1);
    (void)stack_sql(
        stack,
        "UPDATE dead_letters SET arrived_at = '2024-11-01T14:00:00Z', raw = convert_to('{\"from\":\"+18045551234\","
        "\"to\":\"+12016661234\",\"type\":\"sms\",\"messaging_provider_id\":\"%s\",\"body\":\"late\"}', "
        "'UTF8')",
        provider_id);
}

static int64_t stored(const char *id) {
    return stack_sql(stack,
                     "SELECT count(*) FROM messages WHERE id = '%s' AND direction = 'inbound' AND occurred_at = "
                     "'2024-11-01T14:00:00Z'",
                     id);
}

START_TEST(one_that_can_be_read_by_now_becomes_its_message_once) {
    make_readable("unread-replayed");
    char *path = replay_path_of_only_letter();
    struct answer *answer = post(path, NULL, "Idempotency-Key: one");
    ck_assert_msg(answer->status == 202, "%ld %s", answer->status, answer->body);
    char *id = xstrdup(answer_text(answer, "id"));
    answer_free(answer);
    answer = post(path, NULL, "Idempotency-Key: one");
    ck_assert_int_eq(answer->status, 202);
    ck_assert_str_eq(answer_text(answer, "id"), id);
    answer_free(answer);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", path, NULL), 409);
    WAIT_FOR(10000,
             stored(id) == 1 && stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL") == 0);
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", path, NULL), 409);
    char *again = send_accepted(stack, "ingest-1", PATH_SMS_WEBHOOK,
                                payload_sms_webhook("+18045551234", "+12016661234", "unread-replayed", "late"));
    ck_assert_str_eq(again, id);
    free(again);
    free(id);
    free(path);
}
END_TEST

static void replay_numbered_1(const char *provider_id, int status) {
    WAIT_FOR(10000, stack_is_drained(stack));
    (void)stack_sql(stack, "TRUNCATE dead_letters RESTART IDENTITY");
    (void)stack_redis_int(stack, "DEL unread:{sms-mms:0} unread-sizes:{sms-mms:0}");
    make_readable(provider_id);
    char *path = replay_path_of_only_letter();
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", path, NULL), status);
    free(path);
}

// A restored Postgres gives ids again: another one of that id is replayed, and the same one isn't twice.
START_TEST(the_guard_is_of_the_webhook_and_not_of_its_row) {
    replay_numbered_1("unread-before", 202);
    replay_numbered_1("unread-after", 202);
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL") == 0);
    replay_numbered_1("unread-before", 409);
}
END_TEST

START_TEST(one_whose_message_came_meanwhile_is_that_message) {
    char *first = send_accepted(stack, "ingest-1", PATH_SMS_WEBHOOK,
                                payload_sms_webhook("+18045551234", "+12016661234", "unread-mended", "in time"));
    make_readable("unread-mended");
    char *path = replay_path_of_only_letter();
    struct answer *answer = post(path, NULL, NULL);
    ck_assert_int_eq(answer->status, 202);
    ck_assert_str_eq(answer_text(answer, "id"), first);
    answer_free(answer);
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL") == 0);
    WAIT_FOR(10000, stack_is_drained(stack));
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE provider_message_id = 'unread-mended'"), 1);
    free(path);
    free(first);
}
END_TEST

START_TEST(a_replay_of_all_leaves_them_out) {
    assert_refused(PATH_SMS_WEBHOOK, "{}", "from");
    WAIT_FOR(10000, letters() == 1);
    static const char *const wishes[] = {"{}", "{\"dry_run\":true}", "{\"reason\":\"unread\"}"};
    for (size_t i = 0; i < 3; i++) {
        struct answer *answer = post(LETTERS "/replay", wishes[i], NULL);
        ck_assert_int_eq(answer->status, 202);
        ck_assert_int_eq((int64_t)answer_number(answer, "matched"), 0);
        answer_free(answer);
    }
    WAIT_FOR(20000, stack_redis_int(stack, "XLEN replays:{replay}") == 0);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL"), 1);
}
END_TEST

static int64_t counted(const char *name) {
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/metrics", NULL, NULL);
    int64_t count = (int64_t)answer_number(answer, name);
    answer_free(answer);
    return count;
}

START_TEST(they_are_counted_and_logged_with_field_and_reason) {
    int64_t kept = counted("webhooks_kept"), over = counted("webhooks_not_kept");
    send_many("192.0.2.1", 0, 12, 10);
    WAIT_FOR(5000, counted("webhooks_kept") == kept + 10 && counted("webhooks_not_kept") == over + 2);
    assert_refused(PATH_SMS_WEBHOOK, "{}", "from");
    ck_assert_int_gt(
        stack_log_about(stack, "ingest-1", "webhook_kept", "\"field\":\"from\",\"reason\":\"is required\""), 0);
}
END_TEST

START_TEST(nothing_is_kept_and_nothing_refused_while_the_backlog_is_full_or_redis_is_away) {
    stack_start_with(stack, "ingest-2", (const char *const[]){"STREAM_MAX_BACKLOG=1", NULL});
    WAIT_FOR(SETTLED_MS, is_kept("ingest-2"));
    stack_stop(stack, "persister-1");
    assert_refused(PATH_SMS_WEBHOOK, "{\"one\":1}", "from");
    ck_assert_int_eq(stack_status(stack, "ingest-2", "POST", PATH_SMS_WEBHOOK, "{\"two\":2}"), 503);
    ck_assert_int_eq(stack_status(stack, "ingest-2", "POST", PATH_SMS_WEBHOOK, "{\"one\":1}"), 400);
    stack_stop(stack, "ingest-2");
    stack_kill(stack, "redis");
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", PATH_SMS_WEBHOOK, "{\"three\":3}"), 503);
    stack_recover(stack);
    WAIT_FOR(10000, stack_status(stack, "ingest-1", "GET", "/readyz", NULL) == 200);
    stack_start(stack, "persister-1");
    WAIT_FOR(10000, letters() == 1);
}
END_TEST

START_TEST(nothing_is_kept_while_an_older_release_runs) {
    redisReply *time = stack_redis(stack, "TIME");
    int64_t ahead_ms = reply_int(time, 0) * 1000 + 1000;
    freeReplyObject(time);
    freeReplyObject(stack_redis(stack, "ZADD processes %lld persister:old", (long long)ahead_ms));
    WAIT_FOR(5000, stack_status(stack, "ingest-1", "POST", PATH_SMS_WEBHOOK, "{\"old\":1}") == 503);
    int64_t kept = stack_redis_int(stack, "ZCARD unread:{sms-mms:0}");
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", PATH_SMS_WEBHOOK, "{\"old\":2}"), 503);
    ck_assert_int_eq(stack_redis_int(stack, "ZCARD unread:{sms-mms:0}"), kept);
    freeReplyObject(stack_redis(stack, "ZREM processes persister:old"));
    WAIT_FOR(SETTLED_MS, is_kept("ingest-1"));
}
END_TEST

START_TEST(all_end_in_order) {
    stack_finish(stack);
}
END_TEST

Suite *suite_unread(void) {
    Suite *suite = suite_create("unread");
    TCase *tests = tcase_create("unread");
    tcase_set_timeout(tests, 120);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, one_that_lacks_a_field_is_a_dead_letter_with_its_body_field_and_reason);
    tcase_add_test(tests, whatever_can_not_be_read_is_kept_byte_for_byte);
    tcase_add_test(tests, the_same_body_is_kept_once_for_each_route);
    tcase_add_test(tests, an_entry_that_is_delivered_twice_is_one_row);
    tcase_add_test(tests, mock_inbound_and_sends_keep_nothing);
    tcase_add_test(tests, one_address_keeps_a_tenth_and_all_together_no_more_than_the_bound);
    tcase_add_test(tests, bytes_are_bounded_as_well);
    tcase_add_test(tests, what_is_older_than_its_dead_letter_makes_room);
    tcase_add_test(tests, one_that_still_can_not_be_read_is_a_conflict_and_stays);
    tcase_add_test(tests, one_that_can_be_read_by_now_becomes_its_message_once);
    tcase_add_test(tests, the_guard_is_of_the_webhook_and_not_of_its_row);
    tcase_add_test(tests, one_whose_message_came_meanwhile_is_that_message);
    tcase_add_test(tests, a_replay_of_all_leaves_them_out);
    tcase_add_test(tests, they_are_counted_and_logged_with_field_and_reason);
    tcase_add_test(tests, nothing_is_kept_while_an_older_release_runs);
    tcase_add_test(tests, nothing_is_kept_and_nothing_refused_while_the_backlog_is_full_or_redis_is_away);
    tcase_add_test(tests, all_end_in_order);
    suite_add_tcase(suite, tests);
    return suite;
}
