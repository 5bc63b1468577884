// SPDX-License-Identifier: MIT
// redis/messaging.lua: the limits and the accepting of a message, called directly.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/redis/library.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"

#define HOUR_MS 3600000
#define DAY_MS (24 * HOUR_MS)

static struct stack *stack;

static void start(void) {
    stack = stack_create("library", NULL);
    redisReply *reply = stack_redis(stack, "FUNCTION LOAD %s", library_text);
    ck_assert_msg(reply != NULL && reply->type == REDIS_REPLY_STRING, "%s", reply_text(reply, 0));
    freeReplyObject(reply);
}

static void end(void) {
    stack_destroy(stack);
}

static void empty(void) {
    freeReplyObject(stack_redis(stack, "FLUSHALL"));
}

static int64_t now_ms(void) {
    redisReply *reply = stack_redis(stack, "TIME");
    int64_t now = reply_int(reply, 0) * 1000 + reply_int(reply, 1) / 1000;
    freeReplyObject(reply);
    return now;
}

// A message of accept and, of the first in a call, what all have in common; the rest is the same in all tests.
struct sending {
    const char *kind;      // NULL: accepted
    const char *token;     // 16 bytes for the id, 16 for the digest
    const char *sender;    // NULL: me
    int ttl_ms;            // of its Idempotency-Key; 0: none
    int cap;               // 0: 1000
    int late_ms;           // so long ago was its deadline
    int limit;             // 0: none
    int window_ms;         // 0: an hour
    int address_limit;     // 0: the address isn't counted by this call
    const char *signature; // 10 bytes; NULL: it has none
    const char *opt;       // a send's pair, or when a webhook opted out; NULL: none
    bool memory_is_short;
    const char *function; // NULL: this release's
};

static const char *word(char *texts[], size_t *count, char *text) {
    texts[(*count)++] = text;
    return text;
}

// An array of verdicts.
static redisReply *accept_all(const struct sending *first, size_t count) {
    char *texts[64];
    const char *argv[96] = {"FCALL", first->function != NULL ? first->function : library_function(LIBRARY_ACCEPT)};
    size_t owned = 0;
    int argc = 2;
    int64_t deadline = now_ms() + (first->late_ms > 0 ? -first->late_ms : 60000);
    argv[argc++] = word(texts, &owned, xasprintf("%zu", 3 + count * (first->address_limit > 0 ? 3 : 2)));
    argv[argc++] = "outbound:{t:0}";
    argv[argc++] = "events:{t:0}";
    argv[argc++] = "parked:{t:0}";
    for (const struct sending *s = first; s < first + count; s++) {
        argv[argc++] = "idem:{t:0}:k";
        argv[argc++] = word(texts, &owned, xasprintf("rate:{t:0}:%s", s->sender != NULL ? s->sender : "me"));
        if (first->address_limit > 0) {
            argv[argc++] = "rate:ip:{a}";
        }
    }
    argv[argc++] = word(texts, &owned, xasprintf("%d", first->cap > 0 ? first->cap : 1000));
    argv[argc++] = word(texts, &owned, xasprintf("%lld", (long long)deadline));
    argv[argc++] = word(texts, &owned, xasprintf("%d", first->window_ms > 0 ? first->window_ms : HOUR_MS));
    argv[argc++] = word(texts, &owned, xasprintf("%d", first->limit));
    argv[argc++] = word(texts, &owned, xasprintf("%d", first->address_limit));
    argv[argc++] = first->memory_is_short ? "0" : "1";
    argv[argc++] = "1000";
    argv[argc++] = "1000000";
    for (const struct sending *s = first; s < first + count; s++) {
        argv[argc++] = s->kind != NULL ? s->kind : "accepted";
        argv[argc++] = "the-id";
        argv[argc++] = s->token != NULL ? s->token : "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb";
        argv[argc++] = "{}";
        argv[argc++] = word(texts, &owned, xasprintf("%d", s->ttl_ms));
        argv[argc++] = s->signature != NULL ? s->signature : "";
        argv[argc++] = s->opt != NULL ? s->opt : "";
        argv[argc++] = ""; // it takes no turn
        argv[argc++] = "0";
    }
    redisReply *reply = stack_redis_argv(stack, argc, argv);
    while (owned > 0) {
        free(texts[--owned]);
    }
    return reply;
}

// The verdict on one message that is alone in its call.
static redisReply *accept(struct sending sending) {
    redisReply *all = accept_all(&sending, 1);
    ck_assert_msg(all != NULL && all->type == REDIS_REPLY_ARRAY && all->elements == 1, "%s", reply_text(all, 0));
    redisReply *verdict = all->element[0];
    all->element[0] = NULL;
    freeReplyObject(all);
    return verdict;
}

// Sends all in one call; verdicts are separated by spaces.
static void assert_verdicts(const struct sending *first, size_t count, const char *verdicts) {
    redisReply *reply = accept_all(first, count);
    char got[128] = "";
    for (size_t i = 0; i < reply_count(reply); i++) {
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", i > 0 ? " " : "",
                 reply_text(reply->element[i], 0));
    }
    ck_assert_str_eq(got, verdicts);
    freeReplyObject(reply);
}

// {admitted, left, reset seconds, retry seconds}
static redisReply *limit_address(int limit, int window_ms, int count) {
    return stack_redis(stack, "FCALL %s 1 rate:ip:{a} %d %d %d", library_function(LIBRARY_LIMIT), limit, window_ms,
                       count);
}

static void assert_admitted(int limit, int count, int admitted, int left) {
    redisReply *reply = limit_address(limit, HOUR_MS, count);
    ck_assert_int_eq(reply_int(reply, 0), admitted);
    ck_assert_int_eq(reply_int(reply, 1), left);
    freeReplyObject(reply);
}

#define ASSERT_VERDICT(call, verdict)                                                                                  \
    do {                                                                                                               \
        redisReply *verdict_reply = (call);                                                                            \
        ck_assert_str_eq(reply_text(verdict_reply, 0), verdict);                                                       \
        freeReplyObject(verdict_reply);                                                                                \
    } while (0)

static void assert_lengths(int outbound, int events) {
    ck_assert_int_eq(stack_redis_int(stack, "XLEN outbound:{t:0}"), outbound);
    ck_assert_int_eq(stack_redis_int(stack, "XLEN events:{t:0}"), events);
}

START_TEST(a_send_goes_into_both_streams_and_a_webhook_into_events_alone) {
    ASSERT_VERDICT(accept((struct sending){0}), "OK");
    assert_lengths(1, 1);
    redisReply *reply = stack_redis(stack, "XRANGE outbound:{t:0} - +");
    const redisReply *fields = reply->element[0]->element[1];
    ck_assert_str_eq(reply_field(fields, "id"), "the-id");
    ck_assert_str_eq(reply_field(fields, "gen"), "0");
    ck_assert_str_eq(reply_field(fields, "call"), "1");
    ck_assert_str_eq(reply_field(fields, "spent"), "0");
    ck_assert_str_eq(reply_field(fields, "p"), "{}");
    freeReplyObject(reply);
    ASSERT_VERDICT(accept((struct sending){.kind = "received"}), "OK");
    assert_lengths(1, 2);
    reply = stack_redis(stack, "XREVRANGE events:{t:0} + - COUNT 1");
    ck_assert_str_eq(reply_field(reply->element[0]->element[1], "k"), "received");
    freeReplyObject(reply);
}
END_TEST

START_TEST(a_sender_has_its_limit_and_is_told_what_is_left) {
    for (int left = 2; left >= 0; left--) {
        redisReply *reply = accept((struct sending){.limit = 3});
        ck_assert_str_eq(reply_text(reply, 0), "OK");
        ck_assert_int_eq(reply_int(reply, 1), left);
        freeReplyObject(reply);
    }
    int64_t before = now_ms();
    redisReply *reply = accept((struct sending){.limit = 3});
    int64_t until_next_window = (HOUR_MS - before % HOUR_MS) / 1000;
    ck_assert_str_eq(reply_text(reply, 0), "LIMITED");
    ck_assert_int_ge(reply_int(reply, 1), until_next_window - 1);
    ck_assert_int_le(reply_int(reply, 1), until_next_window + 2);
    freeReplyObject(reply);
    assert_lengths(3, 3);
    ASSERT_VERDICT(accept((struct sending){.kind = "received"}), "OK");
}
END_TEST

START_TEST(a_limiter_key_lives_for_two_windows) {
    ASSERT_VERDICT(accept((struct sending){.limit = 3}), "OK");
    assert_admitted(3, 1, 1, 2);
    const char *const prefixes[] = {"rate:{t:0}:me", "rate:ip:{a}"};
    for (int i = 0; i < 2; i++) {
        int64_t left = stack_redis_int(stack, "PTTL %s:%lld", prefixes[i], (long long)(now_ms() / HOUR_MS));
        ck_assert_int_gt(left, 2 * HOUR_MS - 60000);
        ck_assert_int_le(left, 2 * HOUR_MS);
    }
}
END_TEST

START_TEST(the_older_window_counts_by_the_share_that_the_sliding_one_still_covers) {
    const int64_t older = 7200; // two a second fall out of the sliding window
    int64_t index = now_ms() / HOUR_MS;
    freeReplyObject(stack_redis(stack, "SET rate:ip:{a}:%lld %lld", (long long)(index - 1), (long long)older));
    freeReplyObject(stack_redis(stack, "SET rate:ip:{a}:%lld 100", (long long)index));
    int64_t before = now_ms();
    redisReply *reply = limit_address(10000, HOUR_MS, 1);
    int64_t after = now_ms();
    ck_assert_int_eq(reply_int(reply, 0), 1);
    ck_assert_int_ge(reply_int(reply, 1), 10000 - 101 - older * (HOUR_MS - before % HOUR_MS) / HOUR_MS);
    ck_assert_int_le(reply_int(reply, 1), 10000 - 101 - older * (HOUR_MS - after % HOUR_MS) / HOUR_MS);
    freeReplyObject(reply);
}
END_TEST

static int64_t counted_of_the_address(void) {
    return stack_redis_int(stack, "INCRBY rate:ip:{a}:%lld 0", (long long)(now_ms() / HOUR_MS));
}

START_TEST(of_several_at_once_as_many_are_admitted_as_fit) {
    assert_admitted(5, 3, 3, 2);
    int64_t before = now_ms();
    redisReply *reply = limit_address(5, HOUR_MS, 4);
    ck_assert_int_eq(reply_int(reply, 0), 2);
    ck_assert_int_eq(reply_int(reply, 1), 0);
    int64_t until_next_window = (HOUR_MS - before % HOUR_MS) / 1000;
    ck_assert_int_ge(reply_int(reply, 3), until_next_window - 1);
    ck_assert_int_le(reply_int(reply, 3), until_next_window + 2);
    freeReplyObject(reply);
    assert_admitted(5, 1, 0, 0);
    ck_assert_int_eq(counted_of_the_address(), 5);
}
END_TEST

START_TEST(the_address_is_counted_with_the_message_whatever_becomes_of_it) {
    ASSERT_VERDICT(accept((struct sending){.address_limit = 4, .ttl_ms = 60000, .limit = 1}), "OK");
    ASSERT_VERDICT(accept((struct sending){.address_limit = 4, .ttl_ms = 60000, .limit = 1}), "REPLAY");
    ASSERT_VERDICT(accept((struct sending){.address_limit = 4, .limit = 1}), "LIMITED");
    ASSERT_VERDICT(accept((struct sending){.address_limit = 4, .late_ms = 1}), "LATE");
    ck_assert_int_eq(counted_of_the_address(), 3);
    ASSERT_VERDICT(accept((struct sending){.address_limit = 4}), "OK");
    redisReply *reply = accept((struct sending){.address_limit = 4});
    ck_assert_str_eq(reply_text(reply, 0), "ADDRESS");
    ck_assert_int_ge(reply_int(reply, 1), 1);
    freeReplyObject(reply);
    ck_assert_int_eq(counted_of_the_address(), 4);
    assert_lengths(2, 2);
}
END_TEST

START_TEST(one_more_is_admitted_when_the_retry_time_is_over_and_not_long_before) {
    const int limit = 4;
    const int window = 1500;
    int64_t asked = now_ms();
    redisReply *reply = limit_address(limit, window, 1);
    while (reply_int(reply, 0) == 1) {
        freeReplyObject(reply);
        asked = now_ms();
        reply = limit_address(limit, window, 1);
    }
    int64_t told = reply_int(reply, 3);
    int64_t heard = now_ms(), tried = asked, refused = asked;
    int64_t deadline = deadline_in(10000);
    ck_assert_int_ge(told, 1);
    while (reply_int(reply, 0) == 0 && deadline_pause(deadline)) {
        freeReplyObject(reply);
        refused = tried;
        tried = now_ms();
        reply = limit_address(limit, window, 1);
    }
    ck_assert_int_eq(reply_int(reply, 0), 1);
    ck_assert_int_le(refused, heard + told * 1000); // nobody who waited for so long was refused
    ck_assert_int_gt(now_ms(), asked + (told - 1) * 1000 - 200);
    freeReplyObject(reply);
}
END_TEST

START_TEST(a_repeat_under_its_key_gets_the_first_id_and_spends_nothing) {
    ASSERT_VERDICT(accept((struct sending){.ttl_ms = 60000, .limit = 5}), "OK");
    redisReply *reply =
        accept((struct sending){.token = "zzzzzzzzzzzzzzzzbbbbbbbbbbbbbbbb", .ttl_ms = 60000, .limit = 5});
    ck_assert_str_eq(reply_text(reply, 0), "REPLAY");
    ck_assert_str_eq(reply_text(reply, 1), "aaaaaaaaaaaaaaaa");
    ck_assert_int_eq(reply_int(reply, 2), 0);
    ck_assert_int_eq(reply_int(reply, 4), 4);
    freeReplyObject(reply);
    assert_lengths(1, 1);
    int64_t left = stack_redis_int(stack, "PTTL idem:{t:0}:k");
    ck_assert_int_gt(left, 50000);
    ck_assert_int_le(left, 60000);
}
END_TEST

START_TEST(another_payload_under_a_key_is_told_apart_and_writes_nothing) {
    ASSERT_VERDICT(accept((struct sending){.ttl_ms = 60000}), "OK");
    ASSERT_VERDICT(accept((struct sending){.token = "aaaaaaaaaaaaaaaacccccccccccccccc", .ttl_ms = 60000}), "REUSED");
    assert_lengths(1, 1);
}
END_TEST

static void assert_repeat_of_a_webhook(const char *token, int differs) {
    redisReply *reply = accept((struct sending){.kind = "received", .token = token, .ttl_ms = 60000});
    ck_assert_str_eq(reply_text(reply, 0), "REPLAY");
    ck_assert_str_eq(reply_text(reply, 1), "aaaaaaaaaaaaaaaa");
    ck_assert_int_eq(reply_int(reply, 2), differs);
    freeReplyObject(reply);
}

START_TEST(a_webhook_that_comes_again_with_other_content_is_a_repeat_and_marked) {
    ASSERT_VERDICT(accept((struct sending){.kind = "received", .ttl_ms = 60000}), "OK");
    assert_repeat_of_a_webhook("zzzzzzzzzzzzzzzzcccccccccccccccc", 1);
    assert_repeat_of_a_webhook("zzzzzzzzzzzzzzzzbbbbbbbbbbbbbbbb", 0);
    assert_lengths(0, 1);
}
END_TEST

START_TEST(a_repeat_is_answered_even_when_the_sender_is_over_its_limit_or_the_backlog_is_full) {
    ASSERT_VERDICT(accept((struct sending){.ttl_ms = 60000, .limit = 1}), "OK");
    ASSERT_VERDICT(accept((struct sending){.ttl_ms = 60000, .limit = 1, .cap = 1}), "REPLAY");
}
END_TEST

START_TEST(what_is_refused_writes_nothing_and_leaves_no_trace_under_its_key) {
    freeReplyObject(stack_redis(stack, "SET rate:{t:0}:me:%lld 1", (long long)(now_ms() / HOUR_MS)));
    ASSERT_VERDICT(accept((struct sending){.ttl_ms = 60000, .limit = 1}), "LIMITED");
    ASSERT_VERDICT(accept((struct sending){.ttl_ms = 60000, .late_ms = 1}), "LATE");
    freeReplyObject(stack_redis(stack, "HSET parked:{t:0} some thing"));
    ASSERT_VERDICT(accept((struct sending){.ttl_ms = 60000, .cap = 1}), "FULL");
    assert_lengths(0, 0);
    ck_assert_int_eq(stack_redis_int(stack, "EXISTS idem:{t:0}:k"), 0);
}
END_TEST

START_TEST(a_send_is_refused_when_outbound_and_parked_make_the_cap) {
    ASSERT_VERDICT(accept((struct sending){.cap = 2}), "OK");
    freeReplyObject(stack_redis(stack, "HSET parked:{t:0} some thing"));
    ASSERT_VERDICT(accept((struct sending){.cap = 2}), "FULL");
    ASSERT_VERDICT(accept((struct sending){.kind = "received", .cap = 2}), "OK");
    ASSERT_VERDICT(accept((struct sending){.kind = "received", .cap = 2}), "FULL");
    freeReplyObject(stack_redis(stack, "DEL parked:{t:0} outbound:{t:0}"));
    ASSERT_VERDICT(accept((struct sending){.cap = 2}), "FULL");
    assert_lengths(0, 2);
}
END_TEST

START_TEST(a_call_that_comes_after_its_deadline_does_nothing) {
    ASSERT_VERDICT(accept((struct sending){.late_ms = 5}), "LATE");
    assert_lengths(0, 0);
}
END_TEST

START_TEST(a_signature_that_was_accepted_is_seen_for_a_day) {
    const struct sending webhook = {.kind = "received", .ttl_ms = 60000, .signature = "0123456789"};
    struct sending without = webhook;
    without.signature = NULL;
    ASSERT_VERDICT(accept(webhook), "OK");
    ASSERT_VERDICT(accept(webhook), "SEEN");
    assert_lengths(0, 1);
    ASSERT_VERDICT(accept(without), "REPLAY"); // once it is counted
    ASSERT_VERDICT(accept((struct sending){.kind = "received", .signature = "012345678x"}), "OK");
    long long day = (long long)(now_ms() / DAY_MS);
    int64_t ttl_ms = stack_redis_int(stack, "PTTL signed:{t:0}:%lld:3031", day);
    ck_assert_int_gt(ttl_ms, DAY_MS);
    ck_assert_int_le(ttl_ms, 2 * DAY_MS);
    freeReplyObject(stack_redis(stack, "RENAME signed:{t:0}:%lld:3031 signed:{t:0}:%lld:3031", day, day - 1));
    ASSERT_VERDICT(accept(webhook), "SEEN");
    freeReplyObject(stack_redis(stack, "RENAME signed:{t:0}:%lld:3031 signed:{t:0}:%lld:3031", day - 1, day - 2));
    ASSERT_VERDICT(accept(webhook), "REPLAY"); // a redelivery signed again is remembered, too
    ASSERT_VERDICT(accept(webhook), "SEEN");
}
END_TEST

START_TEST(a_signature_is_remembered_of_what_was_accepted_alone_and_not_while_memory_is_short) {
    const struct sending webhook = {.kind = "received", .signature = "0123456789"};
    struct sending late = webhook, full = webhook, tight = webhook;
    late.late_ms = 1;
    full.cap = 1;
    tight.memory_is_short = true;
    ASSERT_VERDICT(accept(late), "LATE");
    ASSERT_VERDICT(accept((struct sending){.kind = "received"}), "OK");
    ASSERT_VERDICT(accept(full), "FULL");
    ASSERT_VERDICT(accept(tight), "OK");
    ASSERT_VERDICT(accept(webhook), "OK");
    ASSERT_VERDICT(accept(tight), "SEEN");
    const struct sending twice[] = {{.kind = "received", .signature = "abcdefghij"},
                                    {.kind = "received", .signature = "abcdefghij"}};
    assert_verdicts(twice, 2, "OK SEEN");
}
END_TEST

START_TEST(a_webhook_is_accepted_though_its_signature_cannot_be_remembered) {
    const struct sending webhook = {.kind = "received", .signature = "0123456789"};
    freeReplyObject(stack_redis(stack, "SET signed:{t:0}:%lld:3031 x", (long long)(now_ms() / DAY_MS)));
    ASSERT_VERDICT(accept(webhook), "OK");
    ASSERT_VERDICT(accept(webhook), "OK");
    assert_lengths(0, 2);
}
END_TEST

// A day of a hundred webhooks a second would be 8.6 million of them.
START_TEST(a_signature_costs_few_bytes) {
    char name[64];
    snprintf(name, sizeof name, "signed:{t:0}:%lld:3031", (long long)(now_ms() / DAY_MS));
    for (int i = 0; i < 400; i++) {
        char signature[11];
        snprintf(signature, sizeof signature, "01%08d", i);
        freeReplyObject(stack_redis(stack, "DEL events:{t:0}"));
        ASSERT_VERDICT(accept((struct sending){.kind = "received", .signature = signature}), "OK");
    }
    ck_assert_int_eq(stack_redis_int(stack, "HLEN %s", name), 400);
    ck_assert_int_le(stack_redis_int(stack, "MEMORY USAGE %s", name), 400 * 20);
}
END_TEST

START_TEST(messages_of_one_call_are_counted_one_by_one) {
    const struct sending sends[] = {
        {.limit = 2, .address_limit = 4}, {.sender = "her"}, {.kind = "received"}, {0}, {.sender = "her"}, {0}};
    assert_verdicts(sends, 6, "OK OK OK OK ADDRESS ADDRESS");
    ck_assert_int_eq(counted_of_the_address(), 4);
    assert_lengths(3, 4);
    assert_verdicts(&(struct sending){.limit = 2}, 1, "LIMITED");
    assert_verdicts((const struct sending[]){{.limit = 2, .sender = "her"}, {.sender = "her"}}, 2, "OK LIMITED");
}
END_TEST

START_TEST(a_repeat_in_the_call_of_the_first_is_a_repeat) {
    const struct sending sends[] = {
        {.ttl_ms = 60000}, {.ttl_ms = 60000}, {.ttl_ms = 60000, .token = "aaaaaaaaaaaaaaaacccccccccccccccc"}};
    assert_verdicts(sends, 3, "OK REPLAY REUSED");
    assert_lengths(1, 1);
}
END_TEST

START_TEST(what_cannot_be_accepted_is_an_error_of_its_own) {
    freeReplyObject(stack_redis(stack, "LPUSH idem:{t:0}:k thing"));
    const struct sending sends[] = {{.limit = 5}, {.ttl_ms = 60000}, {0}};
    redisReply *reply = accept_all(sends, 3);
    ck_assert_str_eq(reply_text(reply->element[0], 0), "OK");
    ck_assert_int_eq(reply->element[1]->type, REDIS_REPLY_ERROR);
    ck_assert_str_eq(reply_text(reply->element[2], 0), "OK");
    ck_assert_int_eq(reply_int(reply->element[2], 1), 3);
    freeReplyObject(reply);
    assert_lengths(2, 2);
    assert_verdicts(&(struct sending){.limit = 2}, 1, "LIMITED");
}
END_TEST

START_TEST(a_backlog_fills_up_within_a_call) {
    freeReplyObject(stack_redis(stack, "HSET parked:{t:0} some thing"));
    const struct sending sends[] = {{.cap = 3}, {0}, {0}, {.kind = "received"}, {.kind = "received"}};
    assert_verdicts(sends, 5, "OK OK FULL OK FULL");
    assert_lengths(2, 3);
}
END_TEST

START_TEST(two_versions_of_the_library_live_side_by_side) {
    char *other = xstrdup(library_text);
    for (char *at = other; (at = strstr(at, library_version)) != NULL;) {
        memset(at, '0', strlen(library_version));
    }
    redisReply *reply = stack_redis(stack, "FUNCTION LOAD %s", other);
    ck_assert_msg(reply != NULL && reply->type == REDIS_REPLY_STRING, "%s", reply_text(reply, 0));
    freeReplyObject(reply);
    free(other);
    ASSERT_VERDICT(accept((struct sending){0}), "OK");
}
END_TEST

// A release that reads three formats, and may have to write any.
START_TEST(a_function_is_there_once_a_format_and_writes_what_its_name_says) {
    char *next = xstrdup(library_text), *format = strstr(next, "local FORMAT = '2'");
    ck_assert_ptr_nonnull(format);
    format[strlen("local FORMAT = '")] = '3';
    for (char *at = next; (at = strstr(at, library_version)) != NULL;) {
        memset(at, '1', strlen(library_version));
    }
    redisReply *reply = stack_redis(stack, "FUNCTION LOAD %s", next);
    ck_assert_msg(reply != NULL && reply->type == REDIS_REPLY_STRING, "%s", reply_text(reply, 0));
    freeReplyObject(reply);
    free(next);
    static const char *const names[] = {"accept_111111111111", "accept_111111111111_f2", "accept_111111111111_f3",
                                        "accept_111111111111"};
    static const char *const formats[] = {"1", "2", "3", "1"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ASSERT_VERDICT(accept((struct sending){.function = names[i]}), "OK");
        for (int stream = 0; stream < 2; stream++) {
            reply = stack_redis(stack, "XREVRANGE %s:{t:0} + - COUNT 1", stream == 0 ? "outbound" : "events");
            ck_assert_str_eq(reply->element[0]->element[1]->element[0]->str, "v");
            ck_assert_str_eq(reply->element[0]->element[1]->element[1]->str, formats[i]);
            freeReplyObject(reply);
        }
    }
}
END_TEST

Suite *suite_library(void);

Suite *suite_library(void) {
    Suite *suite = suite_create("library");
    TCase *tests = tcase_create("library");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, empty, NULL);
    tcase_add_test(tests, a_send_goes_into_both_streams_and_a_webhook_into_events_alone);
    tcase_add_test(tests, a_sender_has_its_limit_and_is_told_what_is_left);
    tcase_add_test(tests, a_limiter_key_lives_for_two_windows);
    tcase_add_test(tests, of_several_at_once_as_many_are_admitted_as_fit);
    tcase_add_test(tests, the_address_is_counted_with_the_message_whatever_becomes_of_it);
    tcase_add_test(tests, the_older_window_counts_by_the_share_that_the_sliding_one_still_covers);
    tcase_add_test(tests, one_more_is_admitted_when_the_retry_time_is_over_and_not_long_before);
    tcase_add_test(tests, a_repeat_under_its_key_gets_the_first_id_and_spends_nothing);
    tcase_add_test(tests, another_payload_under_a_key_is_told_apart_and_writes_nothing);
    tcase_add_test(tests, a_webhook_that_comes_again_with_other_content_is_a_repeat_and_marked);
    tcase_add_test(tests, a_repeat_is_answered_even_when_the_sender_is_over_its_limit_or_the_backlog_is_full);
    tcase_add_test(tests, what_is_refused_writes_nothing_and_leaves_no_trace_under_its_key);
    tcase_add_test(tests, a_send_is_refused_when_outbound_and_parked_make_the_cap);
    tcase_add_test(tests, a_call_that_comes_after_its_deadline_does_nothing);
    tcase_add_test(tests, a_signature_that_was_accepted_is_seen_for_a_day);
    tcase_add_test(tests, a_signature_is_remembered_of_what_was_accepted_alone_and_not_while_memory_is_short);
    tcase_add_test(tests, a_webhook_is_accepted_though_its_signature_cannot_be_remembered);
    tcase_add_test(tests, a_signature_costs_few_bytes);
    tcase_add_test(tests, messages_of_one_call_are_counted_one_by_one);
    tcase_add_test(tests, a_repeat_in_the_call_of_the_first_is_a_repeat);
    tcase_add_test(tests, what_cannot_be_accepted_is_an_error_of_its_own);
    tcase_add_test(tests, a_backlog_fills_up_within_a_call);
    tcase_add_test(tests, two_versions_of_the_library_live_side_by_side);
    tcase_add_test(tests, a_function_is_there_once_a_format_and_writes_what_its_name_says);
    suite_add_tcase(suite, tests);
    return suite;
}
