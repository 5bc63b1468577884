// SPDX-License-Identifier: MIT
// Many sends in one request: each is judged as it would be alone, in the list's order; a key binds the whole list.

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/crypto.h"
#include "shared/base/hex.h"
#include "shared/base/mem.h"
#include "shared/base/rfc3339.h"
#include "tests/support/payload.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"

#define PATH_BATCH "/api/messages/batch"
#define THEIRS "+18045551234"
#define TIME "\"timestamp\":\"2024-11-01T14:00:00Z\""

static struct stack *stack;

static void start(void) {
    static const char *const environment[] = {"OPT_OUT=on", NULL};
    stack = stack_create("batch", environment);
    stack_start(stack, "postgres");
    stack_start(stack, "persister-1");
    stack_start(stack, "ingest-1");
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
}

// No dispatcher runs: they stay, of each conversation all but the first in its waiting room.
static int64_t waiting_sends(void) {
    return stack_redis_int(stack, "XLEN outbound:{sms-mms:0}") + stack_redis_int(stack, "HLEN held:{sms-mms:0}");
}

static void drop_sends(void) {
    freeReplyObject(stack_redis(stack, "DEL outbound:{sms-mms:0} turn:{sms-mms:0} held:{sms-mms:0} "
                                       "held-order:{sms-mms:0} held-due:{sms-mms:0}"));
    WAIT_FOR(10000, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 0);
}

// ---- Lists

static void add(struct buf *list, const char *message) {
    buf_puts(list, list->length == 0 ? "{\"messages\":[" : ",");
    buf_puts(list, message);
}

static void add_sms(struct buf *list, unsigned sender, const char *body) {
    char *message = xasprintf(
        "{\"from\":\"+1555%07u\",\"to\":\"" THEIRS "\",\"type\":\"sms\",\"body\":\"%s\"," TIME "}", sender, body);
    add(list, message);
    free(message);
}

static void add_email(struct buf *list, const char *from, const char *body) {
    char *message =
        xasprintf("{\"type\":\"email\",\"from\":\"%s\",\"to\":\"b@x.com\",\"body\":\"%s\"," TIME "}", from, body);
    add(list, message);
    free(message);
}

static struct answer *post_to(const char *ingest, const char *list, const char *const *headers) {
    return stack_call(stack, ingest, "POST", PATH_BATCH, list, headers);
}

static struct answer *post_text(const char *ingest, const char *key, const char *list) {
    char *header = key != NULL ? xasprintf("Idempotency-Key: %s", key) : NULL;
    struct answer *answer = post_to(ingest, list, (const char *const[]){header, NULL});
    free(header);
    return answer;
}

// Frees the list.
static struct answer *post(const char *ingest, const char *key, struct buf *list) {
    buf_puts(list, "]}");
    struct answer *answer = post_text(ingest, key, list->data);
    buf_free(list);
    return answer;
}

static int items(const struct answer *answer) {
    return cJSON_GetArraySize(answer_at(answer, "items"));
}

static const char *item_text(const struct answer *answer, int place, const char *member) {
    char path[64];
    snprintf(path, sizeof path, "items.%d.%s", place, member);
    return answer_text(answer, path);
}

static int item_number(const struct answer *answer, int place, const char *member) {
    char path[64];
    snprintf(path, sizeof path, "items.%d.%s", place, member);
    return (int)answer_number(answer, path);
}

static int count_status(const struct answer *answer, int status) {
    int count = 0;
    const cJSON *item;
    ck_assert_msg(answer->status == 200, "%ld %.300s", answer->status, answer->body);
    cJSON_ArrayForEach(item, answer_at(answer, "items")) {
        count += cJSON_GetNumberValue(cJSON_GetObjectItem(item, "status")) == status;
    }
    return count;
}

static void assert_status(const struct answer *answer, int place, int status) {
    ck_assert_msg(answer->status == 200 && item_number(answer, place, "status") == status, "%d of %ld %.300s", place,
                  answer->status, answer->body);
}

static bool has_header(const struct answer *answer, const char *name) {
    char *value = answer_header(answer, name);
    free(value);
    return value != NULL;
}

static void assert_items(const struct answer *one, const struct answer *other, bool same) {
    ck_assert_int_eq(items(one), items(other));
    ck_assert_msg(cJSON_Compare(answer_at(one, "items"), answer_at(other, "items"), true) == same, "%.300s\n%.300s",
                  one->body, other->body);
}

// ---- Each for itself

// The error that the same payload gets by itself.
static void assert_as_alone(const char *path, const char *payload) {
    struct buf list = {0};
    add_sms(&list, 1000, "before");
    add(&list, payload);
    add_sms(&list, 1000, "behind");
    struct answer *alone = stack_call(stack, "ingest-1", "POST", path, payload, NULL);
    struct answer *among = post("ingest-1", NULL, &list);
    ck_assert_int_eq(items(among), 3);
    assert_status(among, 0, 202);
    assert_status(among, 1, (int)alone->status);
    assert_status(among, 2, 202);
    ck_assert_str_eq(item_text(among, 1, "code"), answer_text(alone, "code"));
    ck_assert_str_eq(item_text(among, 1, "message"), answer_text(alone, "message"));
    ck_assert_str_eq(item_text(among, 1, "details.field"), answer_text(alone, "details.field"));
    answer_free(alone);
    answer_free(among);
}

START_TEST(each_message_gets_the_error_that_it_would_have_had_alone) {
    assert_as_alone(PATH_SMS, "{\"type\":\"sms\"}");
    assert_as_alone(PATH_SMS, "[]");
    assert_as_alone(PATH_SMS, "{\"type\":\"sms\",\"from\":\"+1201\",\"to\":\"x\",\"body\":\"b\"," TIME "}");
    assert_as_alone(PATH_SMS, "{\"type\":\"mms\",\"from\":\"+1201\",\"to\":\"+1202\"," TIME "}");
    assert_as_alone(PATH_SMS, "{\"type\":\"sms\",\"from\":\"+1201\",\"to\":\"+1202\",\"body\":\"b\",\"timestamp\":1}");
    assert_as_alone(PATH_SMS, "{\"type\":\"sms\",\"from\":\"+1201\",\"to\":\"+1202\",\"body\":\"\\ud83d\"," TIME "}");
    assert_as_alone(PATH_SMS, "{\"type\":\"sms\",\"type\":\"sms\"}");
    assert_as_alone(PATH_SMS,
                    "{\"type\":\"sms\",\"from\":\"+1201\",\"to\":\"+1202\",\"body\":\"b\",\"send_at\":\"x\"," TIME "}");
    assert_as_alone(PATH_EMAIL,
                    "{\"type\":\"email\",\"from\":\"a@x.com\",\"to\":\"b@x.com,c@x.com\",\"body\":\"b\"," TIME "}");
    assert_as_alone(
        PATH_EMAIL,
        "{\"type\":\"email\",\"from\":\"a@x.com\",\"to\":\"b@x.com\",\"cc\":\"c@x.com\",\"body\":\"b\"," TIME "}");
}
END_TEST

START_TEST(a_message_over_the_limit_of_one_is_413_and_the_others_stand) {
    struct buf list = {0}, body = {0};
    while (body.length <= 262144) {
        buf_puts(&body, "0123456789abcdef");
    }
    add_sms(&list, 1001, "before");
    add_email(&list, "a@x.com", body.data);
    add_sms(&list, 1001, "behind");
    struct answer *answer = post("ingest-1", NULL, &list);
    assert_status(answer, 0, 202);
    assert_status(answer, 1, 413);
    ck_assert_str_eq(item_text(answer, 1, "code"), "payload_too_large");
    assert_status(answer, 2, 202);
    answer_free(answer);
    buf_free(&body);
}
END_TEST

START_TEST(sms_and_email_arrive_with_the_requests_id_and_trace) {
    struct buf list = {0};
    add_sms(&list, 1002, "text");
    add_email(&list, "lists@x.com", "<b>text</b>");
    buf_puts(&list, "]}");
    struct answer *answer =
        post_to("ingest-1", list.data,
                (const char *const[]){"X-Request-Id: the-list",
                                      "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", NULL});
    ck_assert_int_eq(count_status(answer, 202), 2);
    for (int i = 0; i < 2; i++) {
        const char *id = item_text(answer, i, "id");
        WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM messages WHERE id = '%s' AND type = '%s'", id,
                                  i == 0 ? "sms" : "email") == 1);
        ck_assert_int_eq(stack_log_about(stack, "ingest-1", "batch_item", id), 1);
    }
    redisReply *sends = stack_redis(stack, "XREVRANGE outbound:{email:0} + - COUNT 1");
    const redisReply *fields = sends->element[0]->element[1];
    const char *entry = fields->element[fields->elements - 1]->str;
    ck_assert_ptr_nonnull(strstr(entry, "\"the-list\""));
    ck_assert_ptr_nonnull(strstr(entry, "4bf92f3577b34da6a3ce929d0e0e4736"));
    freeReplyObject(sends);
    answer_free(answer);
    buf_free(&list);
}
END_TEST

START_TEST(a_list_that_is_none_is_refused_as_a_whole) {
    static const struct {
        const char *body, *field;
        long status;
    } wrong[] = {{"{\"messages\":[{}", "", 400},
                 {"[]", "", 400},
                 {"{}", "messages", 400},
                 {"{\"messages\":null}", "messages", 400},
                 {"{\"messages\":{}}", "messages", 400},
                 {"{\"messages\":[]}", "messages", 400},
                 {"{\"messages\":[{}],\"messages\":[{}]}", "", 400}};
    int64_t before = waiting_sends();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct answer *answer = post_text("ingest-1", NULL, wrong[i].body);
        ck_assert_msg(answer->status == wrong[i].status, "%s: %ld", wrong[i].body, answer->status);
        ck_assert_str_eq(answer_text(answer, "code"), "bad_request");
        ck_assert_str_eq(answer_text(answer, "details.field"), wrong[i].field);
        answer_free(answer);
    }
    struct answer *answer = post_to("ingest-1", "x", (const char *const[]){"Content-Type: text/plain", NULL});
    ck_assert_int_eq(answer->status, 415);
    answer_free(answer);
    answer = stack_call(stack, "ingest-1", "GET", PATH_BATCH, NULL, NULL);
    ck_assert_int_eq(answer->status, 405);
    answer_free(answer);
    ck_assert_int_eq(waiting_sends(), before);
}
END_TEST

START_TEST(a_thousand_are_taken_and_one_more_is_not) {
    struct buf list = {0};
    for (int i = 0; i < 1000; i++) {
        add_sms(&list, 2000, "one of a thousand");
    }
    int64_t before = waiting_sends();
    struct buf more = {0};
    buf_puts(&more, list.data);
    add_sms(&more, 2000, "one too many");
    struct answer *answer = post("ingest-1", NULL, &more);
    ck_assert_int_eq(answer->status, 400);
    ck_assert_str_eq(answer_text(answer, "details.field"), "messages");
    answer_free(answer);
    answer = post("ingest-1", NULL, &list);
    ck_assert_int_eq(count_status(answer, 202), 1000);
    answer_free(answer);
    ck_assert_int_eq(waiting_sends(), before + 1000);
}
END_TEST

// ---- Order

// What one of the numbered messages says is its number; -1: it is none of them.
static int number_of(const redisReply *entry) {
    const redisReply *fields = entry->element[1];
    const char *at = strstr(fields->element[fields->elements - 1]->str, "number ");
    return at != NULL ? atoi(at + 7) : -1;
}

static int assert_ascending(const char *partition) {
    redisReply *entries = stack_redis(stack, "XRANGE events:{%s} - +", partition);
    int count = 0, last = -1;
    for (size_t i = 0; i < entries->elements; i++) {
        int number = number_of(entries->element[i]);
        ck_assert_msg(number < 0 || number > last, "%d behind %d", number, last);
        last = number < 0 ? last : number;
        count += number >= 0;
    }
    freeReplyObject(entries);
    return count;
}

// Of more slices than one and of more calls than one a slice; the persister, which would take them away, stands still.
START_TEST(what_is_accepted_is_in_the_lists_order_in_every_partition) {
    enum { MESSAGES = 700, PARTITIONS = 3 };
    struct buf list = {0}, filler = {0};
    while (filler.length < 1500) {
        buf_putc(&filler, 'x');
    }
    for (unsigned i = 0; i < MESSAGES; i++) {
        char *body = xasprintf("number %u %s", i, filler.data);
        add_sms(&list, 3000 + i % 7, body);
        free(body);
    }
    ck_assert_uint_gt(list.length, 1000000);
    stack_start_with(stack, "ingest-2", (const char *const[]){"STREAM_PARTITIONS=3", NULL});
    stack_signal(stack, "persister-1", SIGSTOP);
    struct answer *answer = post("ingest-2", "in order", &list);
    ck_assert_int_eq(count_status(answer, 202), MESSAGES);
    int count = 0;
    for (int i = 0; i < PARTITIONS; i++) {
        char *partition = xasprintf("sms-mms:%d", i);
        count += assert_ascending(partition);
        free(partition);
    }
    ck_assert_int_eq(count, MESSAGES);
    stack_signal(stack, "persister-1", SIGCONT);
    WAIT_FOR(20000, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 0);
    answer_free(answer);
    buf_free(&filler);
    stack_stop(stack, "ingest-2");
}
END_TEST

START_TEST(a_lost_function_library_is_loaded_again) {
    struct buf list = {0};
    for (unsigned i = 0; i < 300; i++) {
        add_sms(&list, 3100 + i % 3, "again");
    }
    freeReplyObject(stack_redis(stack, "FUNCTION FLUSH"));
    struct answer *answer = post("ingest-1", NULL, &list);
    ck_assert_int_eq(count_status(answer, 202), 300);
    answer_free(answer);
}
END_TEST

// ---- Limits

static struct answer *post_from(const char *address, struct buf *list) {
    char *header = xasprintf("X-Forwarded-For: %s", address);
    buf_puts(list, "]}");
    struct answer *answer = post_to("ingest-3", list->data, (const char *const[]){header, NULL});
    free(header);
    buf_free(list);
    return answer;
}

START_TEST(the_address_counts_one_request_and_each_sender_its_messages) {
    enum { REQUESTS = 4 };
    stack_start_with(
        stack, "ingest-3",
        (const char *const[]){"API_RATE_LIMIT_PER_SENDER_PER_MIN=5", "API_RATE_LIMIT_PER_IP_PER_MIN=4", NULL});
    struct buf list = {0};
    for (unsigned requests = 0; requests < REQUESTS; requests++) {
        for (unsigned i = 0; i < 20; i++) {
            add_sms(&list, 4000 + requests * 2 + i % 2, "limited");
        }
        struct answer *answer = post_from("192.0.2.7", &list);
        ck_assert_int_eq(count_status(answer, 202), 10);
        ck_assert_int_eq(count_status(answer, 429), 10);
        assert_status(answer, 9, 202);
        assert_status(answer, 10, 429);
        ck_assert_str_eq(item_text(answer, 10, "code"), "rate_limited");
        ck_assert_int_ge(item_number(answer, 10, "retry_after_secs"), 1);
        ck_assert_int_eq(answer_header_number(answer, "RateLimit-Limit"), 4);
        ck_assert_int_eq(answer_header_number(answer, "RateLimit-Remaining"), REQUESTS - 1 - requests);
        ck_assert(!has_header(answer, "Retry-After"));
        answer_free(answer);
    }
    add_sms(&list, 4100, "one request too many");
    struct answer *answer = post_from("192.0.2.7", &list);
    ck_assert_int_eq(answer->status, 429);
    ck_assert_int_ge(answer_header_number(answer, "Retry-After"), 1);
    answer_free(answer);
    stack_stop(stack, "ingest-3");
}
END_TEST

START_TEST(who_has_opted_out_gets_nothing_and_the_others_do) {
    char *word = payload_sms_webhook("+18045550000", "+15550005000", "stop-1", "STOP");
    ck_assert_int_eq(stack_status(stack, "ingest-1", "POST", PATH_SMS_WEBHOOK, word), 202);
    free(word);
    struct buf list = {0};
    add_sms(&list, 5000, "to another");
    add(&list, "{\"type\":\"sms\",\"from\":\"+15550005000\",\"to\":\"+18045550000\",\"body\":\"x\"," TIME "}");
    struct answer *answer = post("ingest-1", NULL, &list);
    assert_status(answer, 0, 202);
    assert_status(answer, 1, 422);
    ck_assert_str_eq(item_text(answer, 1, "code"), "opted_out");
    ck_assert_str_eq(item_text(answer, 1, "details.field"), "to");
    answer_free(answer);
}
END_TEST

START_TEST(a_full_backlog_takes_as_many_as_fit) {
    drop_sends();
    stack_start_with(stack, "ingest-3", (const char *const[]){"STREAM_MAX_BACKLOG=10", NULL});
    struct buf list = {0};
    for (unsigned i = 0; i < 15; i++) {
        add_sms(&list, 6000 + i, "full");
    }
    add_email(&list, "full@x.com", "the other provider goes on");
    struct answer *answer = post("ingest-3", NULL, &list);
    ck_assert_int_eq(count_status(answer, 202), 11);
    assert_status(answer, 9, 202);
    assert_status(answer, 10, 503);
    ck_assert_str_eq(item_text(answer, 10, "code"), "service_unavailable");
    ck_assert_int_eq(item_number(answer, 10, "retry_after_secs"), 5);
    assert_status(answer, 15, 202);
    answer_free(answer);
    stack_stop(stack, "ingest-3");
    drop_sends();
}
END_TEST

START_TEST(where_no_replica_follows_each_is_503_and_nothing_is_written) {
    stack_start_with(stack, "ingest-3", (const char *const[]){"REDIS_WAIT_REPLICAS=1", NULL});
    int64_t before = waiting_sends();
    struct buf list = {0};
    add_sms(&list, 6100, "to two");
    add(&list, "{}");
    struct answer *answer = post("ingest-3", "to two", &list);
    assert_status(answer, 0, 503);
    assert_status(answer, 1, 400);
    answer_free(answer);
    ck_assert_int_eq(waiting_sends(), before);
    stack_stop(stack, "ingest-3");
}
END_TEST

// It is read once a second.
START_TEST(while_memory_is_short_each_is_503) {
    stack_start_with(stack, "ingest-3", (const char *const[]){"REDIS_MEMORY_PCT=1", NULL});
    freeReplyObject(stack_redis(stack, "CONFIG SET maxmemory 100000000"));
    int64_t deadline = deadline_in(10000);
    bool is_short = false;
    while (!is_short && deadline_pause(deadline)) {
        struct buf list = {0};
        add_sms(&list, 6200, "short");
        add(&list, "{}");
        struct answer *answer = post("ingest-3", NULL, &list);
        assert_status(answer, 1, 400);
        is_short = item_number(answer, 0, "status") == 503;
        ck_assert(!is_short || strstr(item_text(answer, 0, "message"), "memory") != NULL);
        answer_free(answer);
    }
    ck_assert(is_short);
    stack_stop(stack, "ingest-3");
    freeReplyObject(stack_redis(stack, "CONFIG SET maxmemory 0"));
}
END_TEST

// ---- For later

static void add_later(struct buf *list, unsigned sender, int64_t in_ms) {
    char at[RFC3339_SIZE];
    rfc3339_format(clock_unix_ms() + in_ms, at);
    char *message = xasprintf("{\"from\":\"+1555%07u\",\"to\":\"" THEIRS
                              "\",\"type\":\"sms\",\"body\":\"later\",\"send_at\":\"%s\"," TIME "}",
                              sender, at);
    add(list, message);
    free(message);
}

static int64_t scheduled(void) {
    return stack_redis_int(stack, "HLEN scheduled:{sms-mms:0}");
}

// As it starts, an ingest doesn't know yet whether all others read what it would write: the whole list waits for that,
// and keeps its order.
START_TEST(what_is_for_later_is_scheduled_and_the_rest_is_not) {
    enum { HOUR_MS = 3600 * 1000 };
    struct buf list = {0};
    int64_t before = scheduled(), sends = waiting_sends();
    add_sms(&list, 6300, "now");
    add_later(&list, 6301, HOUR_MS);
    add_later(&list, 6302, -HOUR_MS);
    add_later(&list, 6303, INT64_C(40) * 24 * HOUR_MS);
    stack_start(stack, "ingest-3");
    struct answer *answer = post("ingest-3", NULL, &list);
    ck_assert_int_eq(count_status(answer, 202), 3);
    assert_status(answer, 3, 400);
    ck_assert_str_eq(item_text(answer, 3, "details.field"), "send_at");
    ck_assert_int_eq(scheduled(), before + 1);
    ck_assert_int_eq(waiting_sends(), sends + 2);
    answer_free(answer);
    stack_stop(stack, "ingest-3");
}
END_TEST

START_TEST(where_no_more_may_be_scheduled_the_others_are_sent) {
    enum { HOUR_MS = 3600 * 1000 };
    struct buf list = {0};
    stack_start_with(stack, "ingest-3", (const char *const[]){"SCHEDULED_MAX=0", NULL});
    add_later(&list, 6310, HOUR_MS);
    add_sms(&list, 6311, "now");
    struct answer *answer = post("ingest-3", NULL, &list);
    assert_status(answer, 0, 503);
    ck_assert_ptr_nonnull(strstr(item_text(answer, 0, "message"), "SCHEDULED_MAX"));
    assert_status(answer, 1, 202);
    answer_free(answer);
    stack_stop(stack, "ingest-3");
}
END_TEST

// What one message of a list comes to.
static int becomes(int place) {
    struct buf list = {0};
    add_sms(&list, 6320, "now");
    add_later(&list, 6321, 3600 * 1000);
    struct answer *answer = post("ingest-1", NULL, &list);
    int status = item_number(answer, place, "status");
    answer_free(answer);
    return status;
}

START_TEST(what_an_older_program_could_not_read_is_503_by_itself) {
    WAIT_FOR(20000, becomes(1) == 202);
    freeReplyObject(stack_redis(stack, "EVAL %s 0",
                                "redis.call('ZADD', 'processes', redis.call('TIME')[1] * 1000, 'dispatcher:older')"));
    WAIT_FOR(5000, becomes(1) == 503);
    ck_assert_int_eq(becomes(0), 202);
    freeReplyObject(stack_redis(stack, "ZREM processes dispatcher:older"));
    WAIT_FOR(20000, becomes(1) == 202);
}
END_TEST

// ---- One key for the list

static void add_three(struct buf *list, unsigned sender) {
    add_sms(list, sender, "one");
    add_sms(list, sender + 1, "two");
    add_email(list, "three@x.com", "three");
}

START_TEST(a_list_repeated_keeps_its_ids_however_it_is_written) {
    struct buf list = {0}, again = {0};
    add_three(&list, 7000);
    struct answer *first = post("ingest-1", "same list", &list);
    ck_assert_int_eq(count_status(first, 202), 3);
    ck_assert(!has_header(first, "Idempotent-Replayed"));
    int64_t before = waiting_sends();
    add_three(&again, 7000);
    buf_puts(&again, " ] , \"more\" : 1 }");
    struct answer *other = post_text("ingest-1", "same list", again.data);
    assert_items(first, other, true);
    char *replayed = answer_header(other, "Idempotent-Replayed");
    ck_assert_pstr_eq(replayed, "true");
    free(replayed);
    ck_assert_int_eq(waiting_sends(), before);
    answer_free(other);
    answer_free(first);
    buf_free(&again);
}
END_TEST

START_TEST(another_list_under_the_key_is_422_and_nothing_of_it_is_accepted) {
    struct buf list = {0}, more = {0}, turned = {0};
    add_three(&list, 7100);
    answer_free(post("ingest-1", "another list", &list));
    int64_t before = waiting_sends();
    add_three(&more, 7100);
    add_sms(&more, 7102, "four");
    add_sms(&turned, 7101, "two");
    add_sms(&turned, 7100, "one");
    add_email(&turned, "three@x.com", "three");
    struct buf *const others[] = {&more, &turned};
    for (size_t i = 0; i < 2; i++) {
        struct answer *answer = post("ingest-1", "another list", others[i]);
        ck_assert_int_eq(answer->status, 422);
        ck_assert_str_eq(answer_text(answer, "code"), "idempotency_key_reused");
        answer_free(answer);
    }
    ck_assert_int_eq(waiting_sends(), before);
}
END_TEST

START_TEST(what_was_refused_is_tried_again_and_what_was_accepted_is_not) {
    drop_sends();
    stack_start_with(stack, "ingest-3", (const char *const[]){"STREAM_MAX_BACKLOG=2", NULL});
    struct buf list = {0}, again = {0};
    for (unsigned i = 0; i < 4; i++) {
        add_sms(&list, 7200 + i, "in two goes");
        add_sms(&again, 7200 + i, "in two goes");
    }
    struct answer *first = post("ingest-3", "in two goes", &list);
    ck_assert_int_eq(count_status(first, 202), 2);
    ck_assert_int_eq(count_status(first, 503), 2);
    struct answer *second = post("ingest-1", "in two goes", &again);
    ck_assert_int_eq(count_status(second, 202), 4);
    for (int i = 0; i < 4; i++) {
        ck_assert(item_number(first, i, "status") != 202 ||
                  strcmp(item_text(first, i, "id"), item_text(second, i, "id")) == 0);
    }
    ck_assert(has_header(second, "Idempotent-Replayed"));
    ck_assert_int_eq(waiting_sends(), 4);
    answer_free(first);
    answer_free(second);
    stack_stop(stack, "ingest-3");
}
END_TEST

START_TEST(a_list_refused_as_a_whole_leaves_no_trace_under_its_key) {
    struct answer *answer = post_text("ingest-1", "no trace", "{\"messages\":[]}");
    ck_assert_int_eq(answer->status, 400);
    answer_free(answer);
    struct buf list = {0};
    add_sms(&list, 7300, "x");
    answer = post("ingest-1", "no trace", &list);
    ck_assert_int_eq(count_status(answer, 202), 1);
    answer_free(answer);
    char long_key[300];
    memset(long_key, 'k', sizeof long_key);
    long_key[sizeof long_key - 1] = '\0';
    answer = post_text("ingest-1", long_key, "{\"messages\":[{}]}");
    ck_assert_int_eq(answer->status, 400);
    ck_assert_str_eq(answer_text(answer, "details.field"), "Idempotency-Key");
    answer_free(answer);
}
END_TEST

// A list that is posted while something else happens.
struct poster {
    pthread_t thread;
    const char *ingest, *key, *list;
    struct answer *answer;
};

static void *poster_run(void *argument) {
    struct poster *poster = argument;
    poster->answer = post_text(poster->ingest, poster->key, poster->list);
    return NULL;
}

static void poster_begin(struct poster *poster, const char *ingest, const char *key, const char *list) {
    *poster = (struct poster){.ingest = ingest, .key = key, .list = list};
    ck_assert_int_eq(pthread_create(&poster->thread, NULL, poster_run, poster), 0);
}

static struct answer *poster_end(struct poster *poster) {
    pthread_join(poster->thread, NULL);
    return poster->answer;
}

START_TEST(of_two_lists_that_race_for_a_key_one_is_accepted_once) {
    enum { RACERS = 12 };
    struct poster racers[RACERS];
    struct buf lists[2] = {{0}, {0}};
    for (unsigned i = 0; i < 40; i++) {
        add_sms(&lists[0], 7400 + i, "the one");
        add_sms(&lists[1], 7400 + i, i == 39 ? "the other" : "the one");
    }
    buf_puts(&lists[0], "]}");
    buf_puts(&lists[1], "]}");
    int64_t before = waiting_sends();
    for (int i = 0; i < RACERS; i++) {
        poster_begin(&racers[i], "ingest-1", "race", lists[i % 2].data);
    }
    const struct answer *won = NULL;
    int wins = 0, losses = 0;
    for (int i = 0; i < RACERS; i++) {
        (void)poster_end(&racers[i]);
        if (racers[i].answer->status == 200) {
            won = won == NULL ? racers[i].answer : won;
            assert_items(won, racers[i].answer, true);
            wins++;
        } else {
            ck_assert_int_eq(racers[i].answer->status, 422);
            losses++;
        }
    }
    ck_assert_int_eq(wins, RACERS / 2);
    ck_assert_int_eq(losses, RACERS / 2);
    ck_assert_int_eq(waiting_sends(), before + 40);
    for (int i = 0; i < RACERS; i++) {
        answer_free(racers[i].answer);
    }
    buf_free(&lists[0]);
    buf_free(&lists[1]);
}
END_TEST

static void forget_bindings(void) {
    redisReply *keys = stack_redis(stack, "KEYS idem:list:*");
    ck_assert_uint_gt(keys->elements, 0);
    for (size_t i = 0; i < keys->elements; i++) {
        ck_assert_int_eq(stack_redis_int(stack, "DEL %s", keys->element[i]->str), 1);
    }
    freeReplyObject(keys);
}

// It ends before what it bound; so does a fail-over lose what was written last.
START_TEST(once_a_key_is_free_again_no_list_is_taken_for_another) {
    struct buf list = {0}, again = {0}, other = {0};
    add_three(&list, 7350);
    add_three(&again, 7350);
    add_sms(&other, 7350, "one");
    add_sms(&other, 7351, "another two");
    struct answer *first = post("ingest-1", "free again", &list);
    ck_assert_int_eq(count_status(first, 202), 3);
    forget_bindings();
    struct answer *answer = post("ingest-1", "free again", &again);
    assert_items(first, answer, true);
    answer_free(answer);
    forget_bindings();
    int64_t before = waiting_sends();
    answer = post("ingest-1", "free again", &other);
    ck_assert_int_eq(count_status(answer, 202), 2);
    ck_assert(!has_header(answer, "Idempotent-Replayed"));
    ck_assert_int_eq(waiting_sends(), before + 2);
    answer_free(answer);
    answer_free(first);
}
END_TEST

START_TEST(a_binding_lasts_as_long_as_an_idempotency_key) {
    stack_start_with(stack, "ingest-3", (const char *const[]){"IDEMPOTENCY_TTL_SECS=600", NULL});
    struct buf list = {0};
    add_sms(&list, 7360, "x");
    forget_bindings();
    answer_free(post("ingest-3", "lasts", &list));
    redisReply *keys = stack_redis(stack, "KEYS idem:list:*");
    ck_assert_uint_eq(keys->elements, 1);
    int64_t left = stack_redis_int(stack, "TTL %s", keys->element[0]->str);
    ck_assert(left > 0 && left <= 600);
    freeReplyObject(keys);
    stack_stop(stack, "ingest-3");
}
END_TEST

static struct answer *post_by(const char *api_key, const char *list) {
    char *header = xasprintf("X-API-Key: %s", api_key);
    struct answer *answer = post_to("ingest-3", list, (const char *const[]){header, "Idempotency-Key: whose", NULL});
    free(header);
    return answer;
}

static char *api_key_entry(const char *name, const char *scope, const char *key) {
    uint8_t digest[SHA256_SIZE];
    char digits[2 * SHA256_SIZE + 1];
    crypto_sha256(key, strlen(key), digest);
    hex_encode(digest, sizeof digest, digits);
    return xasprintf("%s:%s:%s", name, scope, digits);
}

// Two clients may have chosen the same key; one client may come with a new API key of its name.
START_TEST(a_lists_key_is_its_api_keys_own) {
    char *entries[] = {api_key_entry("one", "send", "key-1"), api_key_entry("one", "send", "key-2"),
                       api_key_entry("other", "send", "key-3"), api_key_entry("reader", "read", "key-4")};
    char *keys = xasprintf("API_KEYS=%s,%s,%s,%s", entries[0], entries[1], entries[2], entries[3]);
    stack_start_with(stack, "ingest-3", (const char *const[]){keys, NULL});
    struct buf list = {0}, theirs = {0};
    add_sms(&list, 7500, "whose");
    add_sms(&theirs, 7501, "whose");
    buf_puts(&list, "]}");
    buf_puts(&theirs, "]}");
    struct answer *first = post_by("key-1", list.data), *again = post_by("key-2", list.data);
    assert_items(first, again, true);
    ck_assert_int_eq(count_status(first, 202), 1);
    struct answer *other = post_by("key-3", theirs.data);
    ck_assert_int_eq(count_status(other, 202), 1);
    answer_free(other);
    other = post_by("key-4", theirs.data);
    ck_assert_int_eq(other->status, 403);
    answer_free(other);
    answer_free(first);
    answer_free(again);
    buf_free(&list);
    buf_free(&theirs);
    for (size_t i = 0; i < 4; i++) {
        free(entries[i]);
    }
    free(keys);
    stack_stop(stack, "ingest-3");
}
END_TEST

START_TEST(a_repeat_finds_its_firsts_after_the_partitions_were_changed) {
    struct buf list = {0}, again = {0}, other = {0};
    for (unsigned i = 0; i < 30; i++) {
        add_sms(&list, 7600 + i, "moved");
        add_sms(&again, 7600 + i, "moved");
        add_sms(&other, 7600 + i, i == 29 ? "another" : "moved");
    }
    struct answer *first = post("ingest-1", "moved", &list);
    ck_assert_int_eq(count_status(first, 202), 30);
    stack_start_with(stack, "ingest-2", (const char *const[]){"STREAM_PARTITIONS=5", NULL});
    struct answer *second = post("ingest-2", "moved", &again);
    assert_items(first, second, true);
    answer_free(second);
    second = post("ingest-2", "moved", &other);
    ck_assert_int_eq(second->status, 422);
    answer_free(second);
    answer_free(first);
    stack_stop(stack, "ingest-2");
}
END_TEST

// ---- Trouble

enum { LONG_LIST = 1000 }; // of about 3.5 MB: a dozen slices and more

// Each message from a sender of its own.
static char *long_list(unsigned first) {
    struct buf list = {0}, filler = {0};
    while (filler.length < 1590) {
        buf_puts(&filler, "\\u0079");
    }
    filler.data[1590 / 6 * 6] = '\0';
    for (unsigned i = 0; i < LONG_LIST; i++) {
        add_sms(&list, first + i, filler.data);
    }
    buf_puts(&list, "]}");
    buf_free(&filler);
    return list.data;
}

static int64_t stored(unsigned first) {
    return stack_sql(stack, "SELECT count(*) FROM messages WHERE from_address BETWEEN '+1555%07u' AND '+1555%07u'",
                     first, first + LONG_LIST - 1);
}

// Under its key from now on all of it is accepted, and each message once.
static void assert_finished(const char *key, const char *list, unsigned first, const struct answer *before) {
    struct answer *answer = post_text("ingest-1", key, list);
    ck_assert_int_eq(count_status(answer, 202), LONG_LIST);
    for (int i = 0; before != NULL && before->status == 200 && i < LONG_LIST; i++) {
        ck_assert(item_number(before, i, "status") != 202 ||
                  strcmp(item_text(before, i, "id"), item_text(answer, i, "id")) == 0);
    }
    answer_free(answer);
    WAIT_FOR(20000, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 0);
    ck_assert_int_eq(stored(first), LONG_LIST);
}

// How many messages are 503, ambiguous or not.
static int count_unknown(const struct answer *answer, bool ambiguous) {
    int count = 0;
    for (int i = 0; i < items(answer); i++) {
        char path[64];
        snprintf(path, sizeof path, "items.%d.details.ambiguous", i);
        count += item_number(answer, i, "status") == 503 && cJSON_IsTrue(answer_at(answer, path)) == ambiguous;
    }
    return count;
}

// Until it happens while a list is under way: what was answered stands, what was sent is ambiguous, the rest is not.
START_TEST(where_redis_is_lost_each_message_tells_what_is_known_of_it_and_the_repeat_is_safe) {
    bool cut = false;
    for (unsigned try = 0; try < 20 && !cut; try++) {
        unsigned first = 8000000 + 1000 * try;
        char *list = long_list(first), *key = xasprintf("lost %u", try);
        int64_t before = waiting_sends();
        struct poster poster;
        poster_begin(&poster, "ingest-1", key, list);
        WAIT_FOR(5000, waiting_sends() > before);
        stack_signal(stack, "redis", SIGSTOP);
        struct answer *answer = poster_end(&poster);
        stack_signal(stack, "redis", SIGCONT);
        stack_settle(stack);
        cut = answer->status == 200 && count_status(answer, 202) > 0 && count_unknown(answer, true) > 0 &&
              count_unknown(answer, false) > 0;
        assert_finished(key, list, first, answer);
        answer_free(answer);
        free(key);
        free(list);
    }
    ck_assert(cut);
}
END_TEST

START_TEST(an_ingest_killed_within_a_list_has_it_finished_by_another) {
    enum { FIRST = 8100000 };
    char *list = long_list(FIRST);
    stack_start(stack, "ingest-3");
    int64_t before = waiting_sends();
    struct poster poster;
    poster_begin(&poster, "ingest-3", "killed", list);
    WAIT_FOR(5000, waiting_sends() > before);
    stack_kill(stack, "ingest-3");
    answer_free(poster_end(&poster));
    assert_finished("killed", list, FIRST, NULL);
    free(list);
}
END_TEST

START_TEST(a_drain_finishes_the_list_that_is_under_way) {
    enum { FIRST = 8200000 };
    char *list = long_list(FIRST);
    stack_start(stack, "ingest-3");
    int64_t before = waiting_sends();
    struct poster poster;
    poster_begin(&poster, "ingest-3", "drained", list);
    WAIT_FOR(5000, waiting_sends() > before);
    stack_stop(stack, "ingest-3");
    struct answer *answer = poster_end(&poster);
    ck_assert_int_eq(count_status(answer, 202), LONG_LIST);
    assert_finished("drained", list, FIRST, answer);
    answer_free(answer);
    free(list);
}
END_TEST

// The second signal ends it at once; what was on its way to Redis is ambiguous.
START_TEST(a_hurried_end_lets_go_of_the_list) {
    enum { FIRST = 8300000 };
    char *list = long_list(FIRST);
    stack_start(stack, "ingest-3");
    int64_t before = waiting_sends();
    struct poster poster;
    poster_begin(&poster, "ingest-3", "hurried", list);
    WAIT_FOR(5000, waiting_sends() > before);
    stack_signal(stack, "redis", SIGSTOP);
    stack_signal(stack, "ingest-3", SIGTERM);
    stack_signal(stack, "ingest-3", SIGTERM);
    struct answer *answer = poster_end(&poster);
    WAIT_FOR(5000, !stack_is_running(stack, "ingest-3"));
    ck_assert_int_eq(stack_bury(stack, "ingest-3"), 0);
    stack_signal(stack, "redis", SIGCONT);
    stack_settle(stack);
    assert_finished("hurried", list, FIRST, answer);
    answer_free(answer);
    free(list);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_batch(void);

Suite *suite_batch(void) {
    Suite *suite = suite_create("batch");
    TCase *tests = tcase_create("batch");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, each_message_gets_the_error_that_it_would_have_had_alone);
    tcase_add_test(tests, a_message_over_the_limit_of_one_is_413_and_the_others_stand);
    tcase_add_test(tests, sms_and_email_arrive_with_the_requests_id_and_trace);
    tcase_add_test(tests, a_list_that_is_none_is_refused_as_a_whole);
    tcase_add_test(tests, a_thousand_are_taken_and_one_more_is_not);
    tcase_add_test(tests, what_is_accepted_is_in_the_lists_order_in_every_partition);
    tcase_add_test(tests, a_lost_function_library_is_loaded_again);
    tcase_add_test(tests, the_address_counts_one_request_and_each_sender_its_messages);
    tcase_add_test(tests, who_has_opted_out_gets_nothing_and_the_others_do);
    tcase_add_test(tests, a_full_backlog_takes_as_many_as_fit);
    tcase_add_test(tests, where_no_replica_follows_each_is_503_and_nothing_is_written);
    tcase_add_test(tests, while_memory_is_short_each_is_503);
    tcase_add_test(tests, what_is_for_later_is_scheduled_and_the_rest_is_not);
    tcase_add_test(tests, where_no_more_may_be_scheduled_the_others_are_sent);
    tcase_add_test(tests, what_an_older_program_could_not_read_is_503_by_itself);
    tcase_add_test(tests, a_list_repeated_keeps_its_ids_however_it_is_written);
    tcase_add_test(tests, another_list_under_the_key_is_422_and_nothing_of_it_is_accepted);
    tcase_add_test(tests, what_was_refused_is_tried_again_and_what_was_accepted_is_not);
    tcase_add_test(tests, a_list_refused_as_a_whole_leaves_no_trace_under_its_key);
    tcase_add_test(tests, once_a_key_is_free_again_no_list_is_taken_for_another);
    tcase_add_test(tests, a_binding_lasts_as_long_as_an_idempotency_key);
    tcase_add_test(tests, of_two_lists_that_race_for_a_key_one_is_accepted_once);
    tcase_add_test(tests, a_lists_key_is_its_api_keys_own);
    tcase_add_test(tests, a_repeat_finds_its_firsts_after_the_partitions_were_changed);
    tcase_add_test(tests, where_redis_is_lost_each_message_tells_what_is_known_of_it_and_the_repeat_is_safe);
    tcase_add_test(tests, an_ingest_killed_within_a_list_has_it_finished_by_another);
    tcase_add_test(tests, a_drain_finishes_the_list_that_is_under_way);
    tcase_add_test(tests, a_hurried_end_lets_go_of_the_list);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
