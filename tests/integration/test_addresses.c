// SPDX-License-Identifier: MIT
// Addresses as people and providers write them, from the API to the conversation.

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/payload.h"
#include "tests/support/stack.h"

Suite *suite_addresses(void);

static struct stack *stack;

static const char *const environment[] = {"TRUSTED_PROXIES=127.0.0.1", "API_RATE_LIMIT_PER_IP_PER_MIN=10000", NULL};

// Until then a webhook that only format 2 holds waits, or is 503.
static bool writes_format_2(void) {
    return stack_status(stack, "ingest-1", "POST", PATH_EMAIL_WEBHOOK, "{}") == 400;
}

static void start(void) {
    stack = stack_create("addresses", environment);
    stack_start(stack, "postgres");
    stack_start(stack, "ingest-1");
    stack_start(stack, "persister-1");
    WAIT_FOR(20000, writes_format_2());
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
}

static void expect_refused(const char *path, char *payload, const char *field, const char *part) {
    struct answer *answer = stack_call(stack, "ingest-1", "POST", path, payload, NULL);
    ck_assert_msg(answer->status == 400, "%s: %ld %s", payload, answer->status, answer->body);
    ck_assert_str_eq(answer_text(answer, "details.field"), field);
    ck_assert_msg(strstr(answer->body, part) != NULL, "%s", answer->body);
    answer_free(answer);
    free(payload);
}

START_TEST(a_send_to_several_is_refused) {
    static const char several[] = "must be one address";
    expect_refused(PATH_EMAIL, payload_email("a@x.com", "Jane <jane@x.com>, Bob <bob@x.com>", "x"), "to", several);
    expect_refused(PATH_EMAIL, payload_email("a@x.com", "<a@x.com>;<b@x.com>", "x"), "to", several);
    expect_refused(PATH_EMAIL, payload_email("a@x.com b@x.com", "c@x.com", "x"), "from", several);
    expect_refused(PATH_SMS, payload_sms("+12016661234", "+18045551234;+18045551235", "x"), "to", several);
    expect_refused(PATH_SMS, payload_sms("+12016661234", "MyBrand", "x"), "to", "must be a phone number");
}
END_TEST

// How many conversations a participant has, by the API; `query` as it goes into the URL.
static int conversations_of(const char *query) {
    char *path = xasprintf("/api/conversations?participant=%s", query);
    struct answer *answer = stack_call(stack, "ingest-1", "GET", path, NULL, NULL);
    ck_assert_msg(answer->status == 200, "%s: %s", query, answer->body);
    int total = (int)answer_number(answer, "meta.total");
    answer_free(answer);
    free(path);
    return total;
}

static void bring(const char *path, const char *from, const char *to, const char *id) {
    bool is_email = strcmp(path, PATH_EMAIL_WEBHOOK) == 0;
    free(send_accepted(stack, "ingest-1", path,
                       is_email ? payload_email_webhook(from, to, id, "x") : payload_sms_webhook(from, to, id, "x")));
}

START_TEST(one_person_is_one_conversation_however_they_are_written) {
    static const char *const spellings[] = {
        "jane@b\u00fccher.example",        "Jane <JANE@bu\u0308cher.example>",      "jane+x@xn--bcher-kva.example;",
        "mailto:jane@b\u00fccher.example", "jane\u200b@b\u00fccher.example (Jane)", "'jane@b\u00fccher.example'",
    };
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        char id[] = {'o', (char)('0' + i), '\0'};
        bring(PATH_EMAIL_WEBHOOK, spellings[i], "us@one.example", id);
        free(send_accepted(stack, "ingest-1", PATH_EMAIL, payload_email("us@one.example", spellings[i], "x")));
    }
    WAIT_FOR(10000, stack_sql(stack, "SELECT message_count FROM conversations WHERE participant_a = "
                                     "'jane@xn--bcher-kva.example'") == 12);
    ck_assert_int_eq(conversations_of("jane@b%C3%BCcher.example"), 1);
}
END_TEST

START_TEST(whatever_a_provider_calls_them_is_kept_and_found) {
    bring(PATH_SMS_WEBHOOK, "VM-HDFCBK", "+12016660001", "k1");
    bring(PATH_SMS_WEBHOOK, "12", "+12016660001", "k2");
    bring(PATH_EMAIL_WEBHOOK, "MAILER-DAEMON", "us@kept.example", "k3");
    bring(PATH_EMAIL_WEBHOOK, "<>", "us@kept.example", "k4");
    bring(PATH_EMAIL_WEBHOOK, "a@kept.example", "undisclosed-recipients:;", "k5");
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("MyBrand", "+18045550001", "x")));
    static const char *const names[] = {"MyBrand",       "vm-hdfcbk", "12",
                                        "Mailer-Daemon", "%3C%3E",    "undisclosed-recipients:;"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        WAIT_FOR(10000, conversations_of(names[i]) == 1);
    }
    WAIT_FOR(10000, conversations_of("+12016660001") == 2); // the '+' is a space
    ck_assert_int_eq(conversations_of("%2B12016660001"), 2);
}
END_TEST

static int64_t messages_between(const char *one, const char *other) {
    return stack_sql(stack, "SELECT coalesce(sum(message_count), 0) FROM conversations WHERE key = 'email:%s<->%s'",
                     one, other);
}

START_TEST(of_several_recipients_the_first_that_was_sent_from_counts) {
    static const char to[] = "Other <other@ours.example>, Us <us+x@ours.example>, us2@ours.example";
    bring(PATH_EMAIL_WEBHOOK, "c@ours.example", to, "s1"); // nobody was sent from yet: the first
    WAIT_FOR(10000, messages_between("c@ours.example", "other@ours.example") == 1);
    free(send_accepted(stack, "ingest-1", PATH_EMAIL, payload_email("us2@ours.example", "d@ours.example", "x")));
    free(send_accepted(stack, "ingest-1", PATH_EMAIL, payload_email("Us@ours.example", "d@ours.example", "x")));
    WAIT_FOR(10000, stack_redis_int(stack, "EXISTS ours:{email:0}") == 1);
    bring(PATH_EMAIL_WEBHOOK, "c@ours.example", to, "s2");
    WAIT_FOR(10000, messages_between("c@ours.example", "us@ours.example") == 1);
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM messages WHERE to_address = '%s'", to) == 2);
}
END_TEST

// What Redis refuses to say for good doesn't keep the webhook out.
START_TEST(where_redis_can_not_say_the_first_counts) {
    freeReplyObject(stack_redis(stack, "SET ours:{email:0} text"));
    bring(PATH_EMAIL_WEBHOOK, "c@unsaid.example", "a@unsaid.example, b@unsaid.example", "u1");
    WAIT_FOR(10000, messages_between("a@unsaid.example", "c@unsaid.example") == 1);
    ck_assert_int_ge(stack_log_about(stack, "ingest-1", "ours_unknown", "WRONGTYPE"), 1);
    (void)stack_redis_int(stack, "DEL ours:{email:0}");
}
END_TEST

START_TEST(no_more_senders_are_kept_than_the_bound) {
    static const char fill[] = "for i = 1, 10100 do redis.call('ZADD', KEYS[1], i, i .. '@full.example') end";
    freeReplyObject(stack_redis(stack, "EVAL %s 1 ours:{email:0}", fill));
    free(send_accepted(stack, "ingest-1", PATH_EMAIL, payload_email("new@full.example", "d@full.example", "x")));
    WAIT_FOR(10000, stack_redis_int(stack, "ZCARD ours:{email:0}") == 10000);
    ck_assert_int_eq(stack_redis_int(stack, "ZCOUNT ours:{email:0} 101 101"), 0); // the oldest went
}
END_TEST

START_TEST(an_accepted_sender_is_told_once_and_a_refused_send_never) {
    (void)stack_redis_int(stack, "DEL ours:{sms-mms:0}");
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+12016669001", "+18045559001", "x")));
    WAIT_FOR(10000, stack_redis_int(stack, "ZCARD ours:{sms-mms:0}") == 1);
    expect_refused(PATH_SMS, payload_sms("+12016669002", "+18045559001", ""), "body", "");
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+1 (201) 666-9001", "+18045559001", "x")));
    free(send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+12016669003", "+18045559001", "x")));
    WAIT_FOR(10000, stack_redis_int(stack, "ZCARD ours:{sms-mms:0}") == 2);
}
END_TEST

Suite *suite_addresses(void) {
    Suite *suite = suite_create("addresses");
    TCase *tests = tcase_create("addresses");
    tcase_set_timeout(tests, 120);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, a_send_to_several_is_refused);
    tcase_add_test(tests, one_person_is_one_conversation_however_they_are_written);
    tcase_add_test(tests, whatever_a_provider_calls_them_is_kept_and_found);
    tcase_add_test(tests, of_several_recipients_the_first_that_was_sent_from_counts);
    tcase_add_test(tests, where_redis_can_not_say_the_first_counts);
    tcase_add_test(tests, no_more_senders_are_kept_than_the_bound);
    tcase_add_test(tests, an_accepted_sender_is_told_once_and_a_refused_send_never);
    suite_add_tcase(suite, tests);
    return suite;
}
