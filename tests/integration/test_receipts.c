// SPDX-License-Identifier: MIT
// What providers report of messages, at the door: what lies in Redis after each post. ingest-1 asks for signatures,
// ingest-2 for none; nobody takes anything out of the streams.

#include <check.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shared/base/buf.h"
#include "shared/base/hex.h"
#include "shared/base/mem.h"
#include "shared/redis/keys.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"

#define STATUS "/api/webhooks/sms/status"
#define EVENTS "/api/webhooks/email/events"
#define FORM_TYPE "Content-Type: application/x-www-form-urlencoded"
#define JSON_TYPE "Content-Type: application/json"
#define PUBLIC_URL "https://sms.example.com/in"
#define TOKEN "0123456789abcdef0123456789abcdef"
#define ID "0194c0de-0000-7000-8000-000000000001"
#define OTHER "0194c0de-0000-7000-8000-000000000002"
#define OF(id, partition) STATUS "?message_id=" id "&partition=" partition
#define PAIR "From=%2B12016661234&To=%2B18045551234"
#define PARTITIONS 4
#define SETTLED_MS 20000 // until format 2 is written

Suite *suite_receipts(void);

static struct stack *stack;

static void start_signed(const char *name, const char *more) {
    stack_start_with(stack, name,
                     (const char *const[]){"WEBHOOK_SMS_SECRET=" TOKEN, "WEBHOOK_EMAIL_SECRET=" TOKEN,
                                           "WEBHOOK_PUBLIC_URL=" PUBLIC_URL, more, NULL});
}

static void start(void) {
    static const char *const environment[] = {"TRUSTED_PROXIES=127.0.0.1", "STREAM_PARTITIONS=4", "INGEST_THREADS=1",
                                              NULL};
    stack = stack_create("receipts", environment);
    start_signed("ingest-1", NULL);
    stack_start(stack, "ingest-2");
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
    for (int i = 0; i < PARTITIONS; i++) {
        freeReplyObject(stack_redis(stack, "DEL events:{sms-mms:%d} events:{email:%d} parked:{sms-mms:%d}", i, i, i));
        freeReplyObject(stack_redis(stack, "DEL parked-due:{sms-mms:%d} refused:{sms-mms:%d}", i, i));
        freeReplyObject(stack_redis(stack, "DEL optouts:{sms-mms:%d} optouts:{email:%d}", i, i));
    }
}

// ---- Posting

static long post_to(const char *ingest, const char *path, const char *type, const char *body, const char *header) {
    struct answer *answer = stack_call(stack, ingest, "POST", path, body, (const char *const[]){type, header, NULL});
    long status = answer->status;
    if (status == 204) {
        ck_assert_str_eq(answer->body, "");
        ck_assert_ptr_null(strstr(answer->headers, "Content-Length"));
    } else {
        ck_assert_msg(*answer_text(answer, "code") != '\0', "%ld %s", status, answer->body);
    }
    answer_free(answer);
    return status;
}

static void take_form(const char *path, const char *form) {
    ck_assert_int_eq(post_to("ingest-2", path, FORM_TYPE, form, NULL), 204);
}

static void take_events(const char *events) {
    ck_assert_int_eq(post_to("ingest-2", EVENTS, JSON_TYPE, events, NULL), 204);
}

static void assert_refused(const char *path, const char *type, const char *body, const char *message) {
    struct answer *answer = stack_call(stack, "ingest-2", "POST", path, body, (const char *const[]){type, NULL});
    ck_assert_msg(answer->status == 400, "%ld %s", answer->status, answer->body);
    ck_assert_str_eq(answer_text(answer, "code"), "bad_request");
    ck_assert_str_eq(answer_text(answer, "message"), message);
    answer_free(answer);
}

// ---- What is in Redis then

static int64_t events_of(const char *tag) {
    return stack_redis_int(stack, "XLEN events:{%s}", tag);
}

static int64_t all_events(void) {
    int64_t count = 0;
    for (int i = 0; i < PARTITIONS; i++) {
        count += stack_redis_int(stack, "XLEN events:{sms-mms:%d}", i);
        count += stack_redis_int(stack, "XLEN events:{email:%d}", i);
    }
    return count;
}

// A field of the event at that place, from 0; owned by the caller.
static char *field_at(const char *tag, size_t place, const char *name) {
    redisReply *reply = stack_redis(stack, "XRANGE events:{%s} - +", tag);
    ck_assert_uint_gt(reply->elements, place);
    char *value = xstrdup(reply_field(reply->element[place]->element[1], name));
    freeReplyObject(reply);
    return value;
}

static void assert_field(const char *tag, size_t place, const char *name, const char *expected) {
    char *value = field_at(tag, place, name);
    ck_assert_str_eq(value, expected);
    free(value);
}

static void assert_receipt(const char *tag, size_t place, const char *id, const char *payload) {
    assert_field(tag, place, "v", "2");
    assert_field(tag, place, "k", "receipt");
    assert_field(tag, place, "gen", "0");
    assert_field(tag, place, "id", id);
    assert_field(tag, place, "p", payload);
}

static long counted(const char *name) {
    redisReply *reply = stack_redis(stack, "HGET metrics %s", name);
    long count = reply->type == REDIS_REPLY_STRING ? strtol(reply->str, NULL, 10) : 0;
    freeReplyObject(reply);
    return count;
}

static const char *const counters[] = {"receipts_delivered", "receipts_undelivered", "receipts_repeated",
                                       "receipts_unmatched", "receipts_ignored",     "receipts_broken"};
enum { COUNTERS = sizeof counters / sizeof *counters };

static long before[COUNTERS];

// What was counted before is in Redis once what is counted now is, for a thread tells of all that it has at once.
static void count_from_here(void) {
    long broken = counted("receipts_broken");
    ck_assert_int_eq(post_to("ingest-2", STATUS, FORM_TYPE, "", NULL), 400);
    WAIT_FOR(5000, counted("receipts_broken") > broken);
    for (int i = 0; i < COUNTERS; i++) {
        before[i] = counted(counters[i]);
    }
}

static bool has_counted(const char *expected) {
    char got[128] = "";
    for (int i = 0; i < COUNTERS; i++) {
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%ld", i > 0 ? " " : "",
                 counted(counters[i]) - before[i]);
    }
    return strcmp(got, expected) == 0;
}

// delivered undelivered repeated unmatched ignored broken
#define ASSERT_COUNTED(numbers) WAIT_FOR(5000, has_counted(numbers))

// ---- Twilio

START_TEST(a_delivered_message_is_recorded_in_the_partition_that_the_url_names) {
    count_from_here();
    take_form(OF(ID, "2"), "MessageSid=SM-a&SmsSid=SM-a&MessageStatus=delivered&" PAIR);
    assert_receipt("sms-mms:2", 0, ID,
                   "{\"provider\":\"sms-mms\",\"status\":\"delivered\",\"provider_message_id\":\"SM-a\"}");
    ck_assert_int_eq(all_events(), 1);
    ASSERT_COUNTED("1 0 0 0 0 0");
    ck_assert_int_ge(counted("sms_mms_receipts_delivered"), 1);
    ck_assert_int_gt(stack_log_about(stack, "ingest-2", "request", ID), 0);
}
END_TEST

START_TEST(what_failed_and_what_was_not_delivered_are_recorded_with_code_and_reason) {
    take_form(OF(ID, "0"), "MessageSid=SM-b&MessageStatus=failed&ErrorCode=30003&" PAIR);
    take_form(OF(ID, "0"), "SmsSid=SM-b&SmsStatus=undelivered&ErrorCode=30999&ErrorMessage=Some%0Athing&" PAIR);
    assert_receipt(
        "sms-mms:0", 0, ID,
        "{\"provider\":\"sms-mms\",\"status\":\"undelivered\",\"code\":\"30003\",\"reason\":\"The phone can't be "
        "reached: it is off, has no signal or takes no messages\",\"provider_message_id\":\"SM-b\"}");
    assert_receipt("sms-mms:0", 1, ID,
                   "{\"provider\":\"sms-mms\",\"status\":\"undelivered\",\"code\":\"30999\",\"reason\":\"Some thing\","
                   "\"provider_message_id\":\"SM-b\"}");
}
END_TEST

START_TEST(what_is_not_the_end_of_a_message_is_answered_and_dropped) {
    static const char *const words[] = {"accepted", "queued",   "sending",   "sent",
                                        "read",     "canceled", "scheduled", "partially_delivered"};
    count_from_here();
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char *form = xasprintf("MessageSid=SM-c&MessageStatus=%s", words[i]);
        take_form(OF(ID, "0"), form);
        free(form);
    }
    ck_assert_int_eq(all_events(), 0);
    ASSERT_COUNTED("0 0 0 0 8 0");
}
END_TEST

START_TEST(the_same_status_of_a_message_is_recorded_once_in_a_day) {
    static const char delivered[] = "MessageSid=SM-d&MessageStatus=delivered&" PAIR;
    count_from_here();
    take_form(OF(ID, "1"), delivered);
    take_form(OF(ID, "1"), delivered);
    take_form(OF(ID, "1"), "MessageStatus=delivered&RawDlrDoneDate=2411011400&MessageSid=SM-d");
    take_form(OF(ID, "1"), "MessageStatus=undelivered&MessageSid=SM-d");
    take_form(OF(OTHER, "1"), delivered);
    ck_assert_int_eq(events_of("sms-mms:1"), 3);
    ASSERT_COUNTED("2 1 2 0 0 0");
}
END_TEST

START_TEST(without_our_id_it_is_counted_and_told_of_once_in_a_while) {
    int told = stack_log_count(stack, "ingest-2", "receipts_unmatched");
    count_from_here();
    for (int i = 0; i < 3; i++) {
        take_form(STATUS, "MessageSid=SM-e&MessageStatus=delivered&" PAIR);
        take_form(STATUS "?message_id=&partition=1", "MessageSid=SM-e&MessageStatus=failed&" PAIR);
    }
    ck_assert_int_eq(all_events(), 0);
    ASSERT_COUNTED("0 0 0 6 0 0");
    ck_assert_int_le(stack_log_count(stack, "ingest-2", "receipts_unmatched"), told + 1);
    ck_assert_int_eq(stack_log_count(stack, "ingest-2", "receipts_unmatched"), 1);
}
END_TEST

START_TEST(a_callback_that_can_not_be_read_is_400_and_says_why) {
    count_from_here();
    assert_refused(STATUS "?message_id=42", FORM_TYPE, "MessageSid=SM-f&MessageStatus=delivered",
                   "The URL's message_id is no UUID.");
    assert_refused(OF(ID, "0"), FORM_TYPE, "MessageSid=SM-f", "The form has no MessageStatus.");
    assert_refused(OF(ID, "0"), FORM_TYPE, "MessageSid=SM-f&SmsStatus=received&Body=hi&" PAIR,
                   "This is a message that came in: it belongs to /api/webhooks/sms.");
    ck_assert_int_eq(all_events(), 0);
    ASSERT_COUNTED("0 0 0 0 0 3");
    ck_assert_int_ge(stack_log_about(stack, "ingest-2", "receipts_unreadable", "MessageStatus"), 1);
}
END_TEST

START_TEST(other_media_types_and_methods_are_refused) {
    static const char *const types[] = {JSON_TYPE, "Content-Type: text/plain", "Content-Type:"};
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(post_to("ingest-2", OF(ID, "0"), types[i], "MessageSid=SM-g&MessageStatus=delivered", NULL),
                         415);
    }
    ck_assert_int_eq(post_to("ingest-2", EVENTS, FORM_TYPE, "[]", NULL), 415);
    static const char *const paths[] = {STATUS, EVENTS};
    for (size_t i = 0; i < 2; i++) {
        struct answer *answer = stack_call(stack, "ingest-2", "GET", paths[i], NULL, NULL);
        char *allow = answer_header(answer, "Allow");
        ck_assert_int_eq(answer->status, 405);
        ck_assert_str_eq(allow, "POST");
        free(allow);
        answer_free(answer);
    }
}
END_TEST

// ---- Partitions

static void assert_recorded_in(const char *path, const char *sid, unsigned partition) {
    char *form = xasprintf("MessageSid=%s&MessageStatus=delivered&From=%%2B12016661234", sid);
    char *tag = xasprintf("sms-mms:%u", partition);
    recover();
    take_form(path, form);
    ck_assert_int_eq(events_of(tag), 1);
    ck_assert_int_eq(all_events(), 1);
    free(tag);
    free(form);
}

START_TEST(a_partition_that_is_not_given_or_that_nobody_reads_is_its_senders) {
    unsigned senders = partition_of("+12016661234", PARTITIONS);
    assert_recorded_in(STATUS "?message_id=" ID, "SM-h1", senders);
    assert_recorded_in(OF(ID, ""), "SM-h2", senders);
    assert_recorded_in(OF(ID, "x"), "SM-h3", senders);
    assert_recorded_in(OF(ID, "-1"), "SM-h4", senders);
    assert_recorded_in(OF(ID, "4"), "SM-h5", senders);
    assert_recorded_in(OF(ID, "999999"), "SM-h6", senders);
    assert_recorded_in(OF(ID, "9999999"), "SM-h7", senders);
    recover();
    take_form(OF(ID, "77"), "MessageSid=SM-h8&MessageStatus=delivered"); // no sender either
    ck_assert_int_eq(all_events(), 1);
    ck_assert_int_eq(stack_redis_int(stack, "EXISTS events:{sms-mms:77} events:{sms-mms:999999}"), 0);
}
END_TEST

START_TEST(a_partition_of_another_number_of_them_is_known_while_it_is_in_the_set) {
    freeReplyObject(stack_redis(stack, "SADD partitions sms-mms:9"));
    take_form(OF(ID, "9"), "MessageSid=SM-i&MessageStatus=delivered&" PAIR);
    take_form(OF(ID, "8"), "MessageSid=SM-i&MessageStatus=delivered&" PAIR);
    ck_assert_int_eq(events_of("sms-mms:9"), 1);
    ck_assert_int_eq(stack_redis_int(stack, "EXISTS events:{sms-mms:8}"), 0);
    ck_assert_int_eq(all_events(), 1);
    freeReplyObject(stack_redis(stack, "DEL events:{sms-mms:9}"));
    freeReplyObject(stack_redis(stack, "SREM partitions sms-mms:9"));
}
END_TEST

// ---- A message that is parked

static void park(const char *id) {
    freeReplyObject(
        stack_redis(stack,
                    "HSET parked:{sms-mms:3} %s:0 "
                    "{\"v\":\"2\",\"id\":\"%s\",\"gen\":\"0\",\"call\":\"2\",\"spent\":\"1\",\"at\":\"5\",\"p\":"
                    "\"{}\"}",
                    id, id));
    freeReplyObject(stack_redis(stack, "ZADD parked-due:{sms-mms:3} 9999999999999 %s:0", id));
}

START_TEST(one_that_was_delivered_is_taken_from_among_the_parked) {
    park(ID);
    park(OTHER);
    take_form(OF(OTHER, "3"), "MessageSid=SM-j&MessageStatus=undelivered&" PAIR);
    take_form(OF(ID, "3"), "MessageSid=SM-k&MessageStatus=delivered&" PAIR);
    ck_assert_int_eq(stack_redis_int(stack, "HEXISTS parked:{sms-mms:3} " ID ":0"), 0);
    ck_assert_int_eq(stack_redis_int(stack, "HLEN parked:{sms-mms:3}"), 1);
    ck_assert_int_eq(stack_redis_int(stack, "ZCARD parked-due:{sms-mms:3}"), 1);
    assert_field("sms-mms:3", 0, "id", OTHER);
    assert_receipt("sms-mms:3", 1, ID,
                   "{\"provider\":\"sms-mms\",\"status\":\"delivered\",\"provider_message_id\":\"SM-k\"}");
    assert_field("sms-mms:3", 2, "k", "outcome");
    assert_field("sms-mms:3", 2, "id", ID);
    assert_field("sms-mms:3", 2, "verdict", "sent");
    assert_field("sms-mms:3", 2, "call", "1");
    assert_field("sms-mms:3", 2, "late", "1");
    ck_assert_int_eq(events_of("sms-mms:3"), 3);
    ck_assert_int_eq(stack_log_about(stack, "ingest-2", "parked_delivered", ID), 1);
}
END_TEST

// ---- SendGrid

#define EVENT_TO(email, kind, id, partition, event_id)                                                                 \
    "{\"email\":\"" email "\",\"timestamp\":1730469600,\"event\":\"" kind "\",\"sg_event_id\":\"" event_id             \
    "\",\"sg_message_id\":\"m1.filter\",\"message_id\":\"" id "\",\"partition\":\"" partition                          \
    "\",\"our_address\":\"us@example.org\"}"
#define EVENT(kind, id, partition, event_id) EVENT_TO("jane@example.com", kind, id, partition, event_id)

START_TEST(events_of_a_batch_go_each_to_its_partition_in_their_order) {
    count_from_here();
    take_events("[" EVENT("delivered", ID, "1", "a1") "," EVENT("processed", ID, "1", "a2") "," EVENT(
        "delivered", OTHER, "3", "a3") "," EVENT("spamreport", ID, "1", "a4") "]\r\n");
    assert_receipt(
        "email:1", 0, ID,
        "{\"provider\":\"email\",\"status\":\"delivered\",\"at\":1730469600000,\"provider_message_id\":\"m1\"}");
    assert_receipt(
        "email:1", 1, ID,
        "{\"provider\":\"email\",\"status\":\"undelivered\",\"at\":1730469600000,\"code\":\"spamreport\",\"reason\":"
        "\"The recipient reported the message as spam\",\"provider_message_id\":\"m1\"}");
    assert_field("email:3", 0, "id", OTHER);
    ck_assert_int_eq(all_events(), 3);
    ASSERT_COUNTED("2 1 0 0 1 0");
    ck_assert_int_ge(counted("email_receipts_undelivered"), 1);
}
END_TEST

START_TEST(an_event_that_comes_again_is_recorded_once) {
    count_from_here();
    take_events("[" EVENT("bounce", ID, "0", "b1") "," EVENT("bounce", ID, "0", "b1") "]");
    take_events("[" EVENT("bounce", ID, "0", "b1") "," EVENT("bounce", ID, "0", "b2") "]");
    ck_assert_int_eq(all_events(), 2);
    ASSERT_COUNTED("0 2 2 0 0 0");
}
END_TEST

START_TEST(a_broken_event_does_not_sink_the_rest) {
    count_from_here();
    take_events(
        "[" EVENT("delivered", ID, "0", "c1") ",7," EVENT("delivered", "x", "0", "c2") ",{\"event\":\"\xff\"}," EVENT(
            "delivered", OTHER, "0", "c3") ",{\"event\":\"delivered\",\"email\":\"of@others.example\"}]");
    ck_assert_int_eq(events_of("email:0"), 2);
    assert_field("email:0", 1, "id", OTHER);
    ASSERT_COUNTED("2 0 0 1 0 3");
    ck_assert_int_ge(stack_log_about(stack, "ingest-2", "receipt_broken", "\"index\":2"), 1);
    ck_assert_int_ge(stack_log_about(stack, "ingest-2", "receipt_broken", "message_id is no UUID"), 1);
}
END_TEST

START_TEST(what_is_no_array_is_400_and_leaves_nothing) {
    count_from_here();
    assert_refused(EVENTS, JSON_TYPE, "delivered", "The document is no array.");
    assert_refused(EVENTS, JSON_TYPE, "[" EVENT("delivered", ID, "0", "d1"), "The array doesn't end.");
    ck_assert_int_eq(all_events(), 0);
    ASSERT_COUNTED("0 0 0 0 0 2");
    take_events("[]");
    take_events(EVENT("delivered", ID, "0", "d1"));
    ck_assert_int_eq(all_events(), 1);
}
END_TEST

START_TEST(a_time_that_lies_ahead_is_none) {
    char *far = xasprintf("[{\"event\":\"delivered\",\"message_id\":\"" ID "\",\"partition\":0,\"timestamp\":%lld}]",
                          (long long)time(NULL) + 2 * 24 * 3600);
    take_events(far);
    assert_receipt("email:0", 0, ID, "{\"provider\":\"email\",\"status\":\"delivered\"}");
    free(far);
}
END_TEST

// More than one call takes, and than SendGrid puts into a post.
START_TEST(a_batch_of_many_is_recorded_whole_and_in_its_order) {
    enum { MANY = 1200 }; // 600 of each partition
    struct buf batch = {0};
    buf_putc(&batch, '[');
    for (int i = 0; i < MANY; i++) {
        buf_printf(
            &batch,
            "%s{\"event\":\"delivered\",\"sg_event_id\":\"many-%d\",\"message_id\":\"0194c0de-0000-7000-8000-%012d\","
            "\"partition\":%d}",
            i > 0 ? "," : "", i, i, i % 2);
    }
    buf_putc(&batch, ']');
    ck_assert_uint_lt(batch.length, 262144);
    count_from_here();
    take_events(batch.data);
    redisReply *reply = stack_redis(stack, "XRANGE events:{email:1} - +");
    ck_assert_uint_eq(reply->elements, MANY / 2);
    for (size_t i = 0; i < reply->elements; i++) {
        char id[64];
        snprintf(id, sizeof id, "0194c0de-0000-7000-8000-%012zu", 2 * i + 1);
        ck_assert_str_eq(reply_field(reply->element[i]->element[1], "id"), id);
    }
    freeReplyObject(reply);
    take_events(batch.data);
    ck_assert_int_eq(all_events(), MANY);
    ASSERT_COUNTED("1200 0 1200 0 0 0");
    buf_free(&batch);
}
END_TEST

// Twice as many as fit into any other request.
START_TEST(a_batch_may_be_longer_than_other_bodies) {
    struct buf batch = {0};
    buf_puts(&batch, "[" EVENT("delivered", ID, "0", "long"));
    while (batch.length < 3 * 1024 * 1024) {
        buf_puts(&batch, ",{\"event\":\"open\",\"useragent\":\"0123456789012345678901234567890123456789\"}");
    }
    buf_putc(&batch, ']');
    take_events(batch.data);
    ck_assert_int_eq(all_events(), 1);
    buf_reserve(&batch, 1536 * 1024);
    memset(batch.data + batch.length, ' ', 1536 * 1024);
    batch.data[batch.length + 1536 * 1024] = '\0';
    struct answer *answer = stack_call(stack, "ingest-2", "POST", EVENTS, batch.data, NULL);
    ck_assert_int_eq(answer->status, 413);
    ck_assert_str_eq(answer_text(answer, "message"), "the body is over 4194304 bytes");
    answer_free(answer);
    ck_assert_int_eq(post_to("ingest-2", STATUS, FORM_TYPE, batch.data, NULL), 413);
    buf_free(&batch);
}
END_TEST

// ---- Signatures

static char *signed_by(const char *secret, const char *url, const char *fields) {
    char *signed_bytes = xasprintf("%s%s", url, fields);
    unsigned char digest[SHA_DIGEST_LENGTH], text[32];
    HMAC(EVP_sha1(), secret, (int)strlen(secret), (const unsigned char *)signed_bytes, strlen(signed_bytes), digest,
         NULL);
    EVP_EncodeBlock(text, digest, sizeof digest);
    free(signed_bytes);
    return xasprintf("X-Twilio-Signature: %s", text);
}

static char *own_signature(const char *secret, const char *body, int64_t at) {
    char *signed_bytes = xasprintf("%lld.%s", (long long)at, body);
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char hex[2 * SHA256_DIGEST_LENGTH + 1];
    HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)signed_bytes, strlen(signed_bytes), digest,
         NULL);
    hex_encode(digest, sizeof digest, hex);
    free(signed_bytes);
    return xasprintf("X-Signature: t=%lld,v1=%s", (long long)at, hex);
}

static long signed_status(const char *ingest, const char *path, const char *type, const char *body, char *header) {
    long status = post_to(ingest, path, type, body, header);
    free(header);
    return status;
}

START_TEST(a_status_counts_that_twilio_has_signed_with_its_url) {
    const char *form = "MessageStatus=delivered&MessageSid=SM-l";
    const char *fields = "MessageSidSM-lMessageStatusdelivered";
    const char *path = OF(ID, "0"), *url = PUBLIC_URL OF(ID, "0");
    ck_assert_int_eq(signed_status("ingest-1", path, FORM_TYPE, form, NULL), 401);
    ck_assert_int_eq(signed_status("ingest-1", path, FORM_TYPE, form, signed_by("guess", url, fields)), 401);
    ck_assert_int_eq(
        signed_status("ingest-1", path, FORM_TYPE, form, signed_by(TOKEN, PUBLIC_URL OF(OTHER, "0"), fields)), 401);
    ck_assert_int_eq(signed_status("ingest-1", path, FORM_TYPE, form, signed_by(TOKEN, url, "MessageSidSM-l")), 401);
    ck_assert_int_eq(all_events(), 0);
    ck_assert_int_eq(signed_status("ingest-1", path, FORM_TYPE, form, signed_by(TOKEN, url, fields)), 204);
    ck_assert_int_eq(events_of("sms-mms:0"), 1);
}
END_TEST

START_TEST(events_count_that_are_signed_and_not_stale) {
    const char *body = "[" EVENT("delivered", ID, "0", "e1") "]";
    int64_t now = time(NULL);
    ck_assert_int_eq(signed_status("ingest-1", EVENTS, JSON_TYPE, body, NULL), 401);
    ck_assert_int_eq(signed_status("ingest-1", EVENTS, JSON_TYPE, body, own_signature("guess", body, now)), 401);
    ck_assert_int_eq(signed_status("ingest-1", EVENTS, JSON_TYPE, body, own_signature(TOKEN, body, now - 86400)), 401);
    ck_assert_int_eq(all_events(), 0);
    ck_assert_int_eq(signed_status("ingest-1", EVENTS, JSON_TYPE, body, own_signature(TOKEN, body, now)), 204);
    ck_assert_int_eq(all_events(), 1);
}
END_TEST

static long post_from(const char *ingest, const char *address, const char *type, const char *path, const char *body,
                      const char *header) {
    char *from = xasprintf("X-Forwarded-For: %s", address);
    struct answer *answer =
        stack_call(stack, ingest, "POST", path, body, (const char *const[]){type, from, header, NULL});
    long status = answer->status;
    answer_free(answer);
    free(from);
    return status;
}

// Even one that brings nothing to record.
START_TEST(signed_posts_spend_no_limit_but_one_that_was_captured_does) {
    static const char *const kinds[] = {"delivered", "open"};
    start_signed("ingest-3", "API_RATE_LIMIT_PER_IP_PER_MIN=3");
    for (int kind = 0; kind < 2; kind++) {
        char *address = xasprintf("192.0.2.%d", kind + 1), *captured_body = NULL, *captured = NULL;
        for (int i = 0; i < 6; i++) {
            free(captured_body);
            free(captured);
            captured_body = xasprintf("[{\"event\":\"%s\",\"message_id\":\"" ID "\",\"sg_event_id\":\"f%d-%d\"}]",
                                      kinds[kind], kind, i);
            captured = own_signature(TOKEN, captured_body, time(NULL));
            ck_assert_int_eq(post_from("ingest-3", address, JSON_TYPE, EVENTS, captured_body, captured), 204);
        }
        int refused = 0;
        for (int i = 0; i < 8 && refused == 0; i++) { // the window may slide on between two
            long status = post_from("ingest-3", address, JSON_TYPE, EVENTS, captured_body, captured);
            ck_assert(status == 204 || status == 429);
            refused += status == 429;
        }
        ck_assert_int_eq(refused, 1);
        free(address);
        free(captured_body);
        free(captured);
    }
    ck_assert_int_eq(all_events(), 6);
    stack_stop(stack, "ingest-3");
}
END_TEST

// However many events it has.
START_TEST(a_batch_without_a_signature_counts_once_against_its_address) {
    stack_start_with(stack, "ingest-4", (const char *const[]){"API_RATE_LIMIT_PER_IP_PER_MIN=3", NULL});
    const char *batch = "[" EVENT("delivered", ID, "0", "g1") "," EVENT("delivered", ID, "1", "g2") "," EVENT(
        "delivered", ID, "2", "g3") "," EVENT("delivered", ID, "3", "g4") "]";
    ck_assert_int_eq(post_from("ingest-4", "192.0.2.9", JSON_TYPE, EVENTS, batch, NULL), 204);
    ck_assert_int_eq(all_events(), 4);
    ck_assert_int_eq(post_from("ingest-4", "192.0.2.9", JSON_TYPE, EVENTS, batch, NULL), 204);
    int refused = 0;
    for (int i = 0; i < 8 && refused == 0; i++) {
        refused += post_from("ingest-4", "192.0.2.9", FORM_TYPE, STATUS, "MessageStatus=sent", NULL) == 429;
    }
    ck_assert_int_eq(refused, 1);
    stack_stop(stack, "ingest-4");
}
END_TEST

// ---- SendGrid's own signatures

static char *base64_text(const unsigned char *bytes, size_t length) {
    char *text = xcalloc(1, 4 * (length / 3 + 2));
    EVP_EncodeBlock((unsigned char *)text, bytes, (int)length);
    return text;
}

// What the settings hold of a key.
static char *public_key_of(EVP_PKEY *key) {
    unsigned char *bytes = NULL;
    int length = i2d_PUBKEY(key, &bytes);
    ck_assert_int_gt(length, 0);
    char *text = base64_text(bytes, (size_t)length);
    OPENSSL_free(bytes);
    return text;
}

// The status of a post whose time and body were signed, and that brings another body.
static long event_status(EVP_PKEY *key, int64_t at, const char *signed_body, const char *body) {
    unsigned char der[128];
    size_t length = sizeof der;
    char *signed_bytes = xasprintf("%lld%s", (long long)at, signed_body);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ck_assert_int_eq(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
    ck_assert_int_eq(EVP_DigestSign(context, der, &length, (const unsigned char *)signed_bytes, strlen(signed_bytes)),
                     1);
    EVP_MD_CTX_free(context);
    char *signature = base64_text(der, length);
    char *headers[] = {xasprintf("X-Twilio-Email-Event-Webhook-Signature: %s", signature),
                       xasprintf("X-Twilio-Email-Event-Webhook-Timestamp: %lld", (long long)at)};
    struct answer *answer = stack_call(stack, "ingest-7", "POST", EVENTS, body,
                                       (const char *const[]){JSON_TYPE, headers[0], headers[1], NULL});
    long status = answer->status;
    answer_free(answer);
    free(headers[0]);
    free(headers[1]);
    free(signature);
    free(signed_bytes);
    return status;
}

START_TEST(events_count_that_sendgrid_has_signed) {
    EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
    char *shown = public_key_of(key), *variable = xasprintf("WEBHOOK_EMAIL_PUBLIC_KEY=%s", shown);
    const char *body = "[" EVENT("delivered", ID, "0", "k1") "]\r\n",
               *forged = "[" EVENT("delivered", OTHER, "0", "k1") "]\r\n";
    int64_t now = time(NULL);
    stack_start_with(stack, "ingest-7", (const char *const[]){variable, NULL});
    ck_assert_int_eq(post_to("ingest-7", EVENTS, JSON_TYPE, body, NULL), 401);
    ck_assert_int_eq(event_status(other, now, body, body), 401);
    ck_assert_int_eq(event_status(key, now, body, forged), 401);
    ck_assert_int_eq(event_status(key, now - 5 * 86400, body, body), 401);
    ck_assert_int_eq(all_events(), 0);
    ck_assert_int_eq(event_status(key, now, body, body), 204);
    ck_assert_int_eq(event_status(key, now, body, body), 204); // and once more, which records nothing
    ck_assert_int_eq(all_events(), 1);
    stack_stop(stack, "ingest-7");
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    free(variable);
    free(shown);
}
END_TEST

// ---- Who opts out by the provider

static int64_t opted_out(const char *provider, int partition, const char *ours, const char *theirs) {
    char key[64];
    struct buf pair = {0};
    snprintf(key, sizeof key, "optouts:{%s:%d}", provider, partition);
    buf_puts(&pair, ours);
    buf_putc(&pair, '\0');
    buf_puts(&pair, theirs);
    redisReply *reply = stack_redis(stack, "HGET %s %b", key, pair.data, pair.length);
    int64_t at_ms = reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : -1;
    freeReplyObject(reply);
    buf_free(&pair);
    return at_ms;
}

static void assert_opted_out(const char *provider, const char *ours, const char *theirs, int64_t at_ms) {
    for (int i = 0; i < PARTITIONS; i++) {
        ck_assert_int_eq(opted_out(provider, i, ours, theirs), at_ms);
    }
}

static int64_t optouts_recorded(const char *tag) {
    int64_t count = 0;
    redisReply *reply = stack_redis(stack, "XRANGE events:{%s} - +", tag);
    for (size_t i = 0; i < reply->elements; i++) {
        count += strcmp(reply_field(reply->element[i]->element[1], "k"), "optout") == 0;
    }
    freeReplyObject(reply);
    return count;
}

// Twilio gives no time: the message's is of its id.
START_TEST(who_opts_out_at_the_provider_has_opted_out_in_every_partition) {
    stack_start_with(stack, "ingest-6", (const char *const[]){"OPT_OUT=on", NULL});
    ck_assert_int_eq(post_to("ingest-6", EVENTS, JSON_TYPE, "[" EVENT("group_unsubscribe", ID, "1", "o1") "]", NULL),
                     204);
    assert_opted_out("email", "us@example.org", "jane@example.com", 1730469600000);
    ck_assert_int_eq(all_events(), 1);
    ck_assert_int_eq(optouts_recorded("email:0"), 1);
    ck_assert_int_eq(
        post_to("ingest-6", EVENTS, JSON_TYPE,
                "[" EVENT("delivered", OTHER, "1",
                          "o2") ",{\"event\":\"group_resubscribe\",\"timestamp\":"
                                "1730469601,\"email\":\"Jane@example.com\",\"our_address\":\"US+x@example.org\"}]",
                NULL),
        204);
    assert_opted_out("email", "us@example.org", "jane@example.com", -1);
    ck_assert_int_eq(events_of("email:1"), 1);
    ck_assert_int_eq(
        post_to("ingest-6", OF(ID, "2"), FORM_TYPE, "MessageSid=SM-p&MessageStatus=failed&ErrorCode=21610&" PAIR, NULL),
        204);
    assert_opted_out("sms-mms", "+12016661234", "+18045551234", 0x0194c0de0000);
    ck_assert_int_eq(events_of("sms-mms:2"), 1);
    stack_stop(stack, "ingest-6");
}
END_TEST

START_TEST(a_spam_report_is_a_receipt_and_opts_out_though_it_comes_again) {
    stack_start_with(stack, "ingest-6", (const char *const[]){"OPT_OUT=on", NULL});
    const char *report = "[" EVENT_TO("joe@example.com", "spamreport", ID, "3", "o3") "]";
    ck_assert_int_eq(post_to("ingest-6", EVENTS, JSON_TYPE, report, NULL), 204);
    freeReplyObject(stack_redis(stack, "DEL optouts:{email:0} optouts:{email:2}")); // what failed half-way left
    ck_assert_int_eq(post_to("ingest-6", EVENTS, JSON_TYPE, report, NULL), 204);
    assert_opted_out("email", "us@example.org", "joe@example.com", 1730469600000);
    ck_assert_int_eq(events_of("email:3"), 1);
    stack_stop(stack, "ingest-6");
}
END_TEST

START_TEST(of_whom_it_is_not_known_is_counted) {
    count_from_here();
    take_events(
        "[{\"event\":\"unsubscribe\",\"email\":\"jane@example.com\"},{\"event\":\"unsubscribe\",\"our_address\":"
        "\"us@example.org\"}]");
    ck_assert_int_eq(all_events(), 0);
    ASSERT_COUNTED("0 0 0 2 0 0");
}
END_TEST

START_TEST(an_opt_out_that_can_not_be_written_is_503) {
    stack_start_with(stack, "ingest-6", (const char *const[]){"OPT_OUT=on", NULL});
    freeReplyObject(stack_redis(stack, "DEL optouts:{email:3}"));
    freeReplyObject(stack_redis(stack, "SET optouts:{email:3} x"));
    ck_assert_int_eq(post_to("ingest-6", EVENTS, JSON_TYPE,
                             "[" EVENT_TO("joan@example.com", "unsubscribe", ID, "1", "o4") "]", NULL),
                     503);
    freeReplyObject(stack_redis(stack, "DEL optouts:{email:3}"));
    ck_assert_int_eq(post_to("ingest-6", EVENTS, JSON_TYPE,
                             "[" EVENT_TO("joan@example.com", "unsubscribe", ID, "1", "o4") "]", NULL),
                     204);
    assert_opted_out("email", "us@example.org", "joan@example.com", 1730469600000);
    stack_stop(stack, "ingest-6");
}
END_TEST

// ---- When Redis can't take it

START_TEST(a_backlog_that_is_full_is_503_and_what_comes_again_is_recorded_once) {
    stack_start_with(stack, "ingest-5", (const char *const[]){"STREAM_MAX_BACKLOG=1", NULL});
    const char *batch = "[" EVENT("delivered", ID, "0", "h1") "," EVENT("delivered", ID, "2", "h2") "]";
    freeReplyObject(stack_redis(stack, "XADD events:{email:2} * some thing"));
    ck_assert_int_eq(post_to("ingest-5", EVENTS, JSON_TYPE, batch, NULL), 503);
    ck_assert_int_eq(events_of("email:0"), 1); // the one whose partition had room
    freeReplyObject(stack_redis(stack, "DEL events:{email:0} events:{email:2}"));
    ck_assert_int_eq(post_to("ingest-5", EVENTS, JSON_TYPE, batch, NULL), 204);
    ck_assert_int_eq(events_of("email:0"), 0);
    ck_assert_int_eq(events_of("email:2"), 1);
    stack_stop(stack, "ingest-5");
}
END_TEST

START_TEST(an_error_of_one_is_503_that_says_so) {
    freeReplyObject(stack_redis(stack, "SET parked:{sms-mms:0} x"));
    struct answer *answer =
        stack_call(stack, "ingest-2", "POST", OF(ID, "0"), "MessageSid=SM-m&MessageStatus=delivered",
                   (const char *const[]){FORM_TYPE, NULL});
    ck_assert_int_eq(answer->status, 503);
    ck_assert(cJSON_IsTrue(answer_at(answer, "details.ambiguous")));
    answer_free(answer);
    freeReplyObject(stack_redis(stack, "DEL parked:{sms-mms:0}"));
    take_form(OF(ID, "0"), "MessageSid=SM-m&MessageStatus=delivered");
    ck_assert_int_eq(events_of("sms-mms:0"), 1);
    stack_allow_error(stack, "call_refused");
}
END_TEST

START_TEST(while_an_older_release_runs_it_is_503) {
    redisReply *now = stack_redis(stack, "TIME");
    freeReplyObject(
        stack_redis(stack, "ZADD processes %lld persister:older", (long long)reply_int(now, 0) * 1000 + 1000));
    freeReplyObject(now);
    WAIT_FOR(10000,
             post_to("ingest-2", OF(ID, "0"), FORM_TYPE, "MessageSid=SM-n&MessageStatus=delivered", NULL) == 503);
    take_form(OF(ID, "0"), "MessageSid=SM-n&MessageStatus=sent"); // of which nothing is to be recorded
    freeReplyObject(stack_redis(stack, "ZREM processes persister:older"));
    recover();
    WAIT_FOR(SETTLED_MS,
             post_to("ingest-2", OF(ID, "0"), FORM_TYPE, "MessageSid=SM-n2&MessageStatus=delivered", NULL) == 204);
    ck_assert_int_eq(events_of("sms-mms:0"), 1);
}
END_TEST

START_TEST(without_redis_it_is_503) {
    stack_stop(stack, "redis");
    WAIT_FOR(10000,
             post_to("ingest-2", OF(ID, "0"), FORM_TYPE, "MessageSid=SM-o&MessageStatus=delivered", NULL) == 503);
    stack_start(stack, "redis");
    WAIT_FOR(SETTLED_MS,
             post_to("ingest-2", OF(ID, "0"), FORM_TYPE, "MessageSid=SM-o&MessageStatus=delivered", NULL) == 204);
}
END_TEST

START_TEST(all_end_in_order) {
    stack_finish(stack);
}
END_TEST

Suite *suite_receipts(void) {
    Suite *suite = suite_create("receipts");
    TCase *tests = tcase_create("receipts");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, a_delivered_message_is_recorded_in_the_partition_that_the_url_names);
    tcase_add_test(tests, what_failed_and_what_was_not_delivered_are_recorded_with_code_and_reason);
    tcase_add_test(tests, what_is_not_the_end_of_a_message_is_answered_and_dropped);
    tcase_add_test(tests, the_same_status_of_a_message_is_recorded_once_in_a_day);
    tcase_add_test(tests, without_our_id_it_is_counted_and_told_of_once_in_a_while);
    tcase_add_test(tests, a_callback_that_can_not_be_read_is_400_and_says_why);
    tcase_add_test(tests, other_media_types_and_methods_are_refused);
    tcase_add_test(tests, a_partition_that_is_not_given_or_that_nobody_reads_is_its_senders);
    tcase_add_test(tests, a_partition_of_another_number_of_them_is_known_while_it_is_in_the_set);
    tcase_add_test(tests, one_that_was_delivered_is_taken_from_among_the_parked);
    tcase_add_test(tests, events_of_a_batch_go_each_to_its_partition_in_their_order);
    tcase_add_test(tests, an_event_that_comes_again_is_recorded_once);
    tcase_add_test(tests, a_broken_event_does_not_sink_the_rest);
    tcase_add_test(tests, what_is_no_array_is_400_and_leaves_nothing);
    tcase_add_test(tests, a_time_that_lies_ahead_is_none);
    tcase_add_test(tests, a_batch_of_many_is_recorded_whole_and_in_its_order);
    tcase_add_test(tests, a_batch_may_be_longer_than_other_bodies);
    tcase_add_test(tests, a_status_counts_that_twilio_has_signed_with_its_url);
    tcase_add_test(tests, events_count_that_are_signed_and_not_stale);
    tcase_add_test(tests, signed_posts_spend_no_limit_but_one_that_was_captured_does);
    tcase_add_test(tests, a_batch_without_a_signature_counts_once_against_its_address);
    tcase_add_test(tests, events_count_that_sendgrid_has_signed);
    tcase_add_test(tests, who_opts_out_at_the_provider_has_opted_out_in_every_partition);
    tcase_add_test(tests, a_spam_report_is_a_receipt_and_opts_out_though_it_comes_again);
    tcase_add_test(tests, of_whom_it_is_not_known_is_counted);
    tcase_add_test(tests, an_opt_out_that_can_not_be_written_is_503);
    tcase_add_test(tests, a_backlog_that_is_full_is_503_and_what_comes_again_is_recorded_once);
    tcase_add_test(tests, an_error_of_one_is_503_that_says_so);
    tcase_add_test(tests, while_an_older_release_runs_it_is_503);
    tcase_add_test(tests, without_redis_it_is_503);
    tcase_add_test(tests, all_end_in_order);
    suite_add_tcase(suite, tests);
    return suite;
}
