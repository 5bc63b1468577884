// SPDX-License-Identifier: MIT
// The whole path: from HTTP through Redis to the mock provider and to Postgres, and back by the reads.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/load.h"
#include "tests/support/payload.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"

#define OURS "+12016661234"
#define THEIRS "+18045551234"

static struct stack *stack;

static void start(void) {
    stack = stack_create("pipeline", NULL);
    stack_start_all(stack);
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
}

static struct answer *get(const char *path) {
    return stack_call(stack, "ingest-1", "GET", path, NULL, NULL);
}

// Whether a GET's body has that text at that path.
static bool shows(const char *url_path, const char *json_path, const char *text) {
    struct answer *answer = get(url_path);
    bool same = answer->status == 200 && strcmp(answer_text(answer, json_path), text) == 0;
    answer_free(answer);
    return same;
}

static bool has_status(const char *id, const char *status) {
    char *path = xasprintf("/api/messages/%s", id);
    bool has = shows(path, "status", status);
    free(path);
    return has;
}

static void send(const char *path, char *payload) {
    free(send_accepted(stack, "ingest-1", path, payload));
}

START_TEST(the_flows_of_the_brief_form_two_conversations_with_exact_counts) {
    send(PATH_SMS, payload_sms(OURS, THEIRS, "text message"));
    send(PATH_SMS, payload_mms(OURS, THEIRS, "text message"));
    send(PATH_SMS_WEBHOOK, payload_sms_webhook(THEIRS, OURS, "message-1", "text message"));
    send(PATH_SMS_WEBHOOK, payload_sms_webhook(THEIRS, OURS, "message-2", "text message"));
    send(PATH_EMAIL, payload_email("[user@usehatchapp.com](mailto:user@usehatchapp.com)",
                                   "[contact@gmail.com](mailto:contact@gmail.com)", "text"));
    send(PATH_EMAIL_WEBHOOK,
         payload_email_webhook("[contact@gmail.com](mailto:contact@gmail.com)",
                               "[user@usehatchapp.com](mailto:user@usehatchapp.com)", "message-2", "<b>html</b>"));
    WAIT_FOR(10000, stack_sql(stack, "SELECT sum(message_count) FROM conversations") == 6);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversations"), 2);
    ck_assert_int_eq(stack_sql(stack, "SELECT message_count FROM conversations WHERE key = "
                                      "'sms:+12016661234<->+18045551234'"),
                     4);
    ck_assert_int_eq(stack_sql(stack, "SELECT message_count FROM conversations WHERE key = "
                                      "'email:contact@gmail.com<->user@usehatchapp.com'"),
                     2);
    struct answer *answer = get("/api/conversations/1/messages");
    ck_assert_int_eq(answer->status, 200);
    ck_assert_int_gt(answer_number(answer, "meta.total"), 0);
    ck_assert_str_eq(answer_text(answer, "items.0.conversation_id"), "1");
    answer_free(answer);
}
END_TEST

START_TEST(every_message_that_was_sent_becomes_sent_once_and_a_received_one_received) {
    char *sms = send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(OURS, THEIRS, "one"));
    char *mms = send_accepted(stack, "ingest-1", PATH_SMS, payload_mms(OURS, THEIRS, "two"));
    char *email = send_accepted(stack, "ingest-1", PATH_EMAIL, payload_email("a@x.com", "b@x.com", "three"));
    char *inbound = send_accepted(stack, "ingest-1", PATH_SMS_WEBHOOK, payload_sms_webhook(THEIRS, OURS, "in-1", ""));
    WAIT_FOR(10000, has_status(sms, "sent"));
    WAIT_FOR(10000, has_status(mms, "sent"));
    WAIT_FOR(10000, has_status(email, "sent"));
    WAIT_FOR(10000, has_status(inbound, "received"));
    ck_assert_int_eq(stack_sql(stack,
                               "SELECT count(*) FROM dispatch_attempts WHERE message_id = '%s' AND outcome = "
                               "'sent' AND call = 1 AND http_status = 201",
                               sms),
                     1);
    ck_assert_int_eq(stack_sql(stack,
                               "SELECT count(*) FROM dispatch_attempts WHERE message_id = '%s' AND http_status = "
                               "202 AND provider_message_id IS NOT NULL",
                               email),
                     1);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM deliveries WHERE message_id = '%s'", inbound), 0);
    free(sms);
    free(mms);
    free(email);
    free(inbound);
}
END_TEST

// A message as GET shows it and as the list of its thread does, once it is there.
static void assert_shown(const char *id, const char *member, const char *expected) {
    char *path = xasprintf("/api/messages/%s", id);
    WAIT_FOR(10000, has_status(id, "sent") || has_status(id, "received"));
    struct answer *one = get(path);
    ck_assert_str_eq(answer_text(one, member), expected);
    free(path);
    path = xasprintf("/api/conversations/%s/messages", answer_text(one, "conversation_id"));
    struct answer *list = get(path);
    char *in_list = xasprintf("items.0.%s", member);
    ck_assert_str_eq(answer_text(list, in_list), expected);
    answer_free(list);
    answer_free(one);
    free(in_list);
    free(path);
}

static void assert_segments(const char *id, double segments, const char *encoding) {
    char *path = xasprintf("/api/messages/%s", id);
    assert_shown(id, "encoding", encoding);
    struct answer *answer = get(path);
    ck_assert_double_eq(answer_number(answer, "segments"), segments);
    ck_assert(segments >= 0 || cJSON_IsNull(answer_at(answer, "segments")));
    ck_assert(segments >= 0 || cJSON_IsNull(answer_at(answer, "encoding")));
    answer_free(answer);
    free(path);
}

START_TEST(an_sms_tells_its_segments_and_encoding_and_nothing_else_does) {
    char *plain = send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+17770101", THEIRS, "Hello {you}"));
    char *emoji = send_accepted(stack, "ingest-1", PATH_SMS_WEBHOOK,
                                payload_sms_webhook("+17770102", OURS, "segments-1",
                                                    "\xf0\x9f\x98\x80 more than seventy units of UTF-16 are in this "
                                                    "text, so that two short messages it is"));
    char *mms = send_accepted(stack, "ingest-1", PATH_SMS, payload_mms("+17770103", THEIRS, "x"));
    char *email = send_accepted(stack, "ingest-1", PATH_EMAIL, payload_email("seg@x.com", "b@x.com", "x"));
    assert_segments(plain, 1, "GSM-7");
    assert_segments(emoji, 2, "UCS-2");
    assert_segments(mms, -1, "");
    assert_segments(email, -1, "");
    free(plain);
    free(emoji);
    free(mms);
    free(email);
}
END_TEST

START_TEST(the_snippet_of_an_html_email_is_of_its_text) {
    char *html = send_accepted(
        stack, "ingest-1", PATH_EMAIL,
        payload_email("html@x.com", "b@x.com", "<html><style>p{}</style><p>A &amp; B</p><!-- c --><br>d</html>"));
    char *text = send_accepted(stack, "ingest-1", PATH_EMAIL_WEBHOOK,
                               payload_email_webhook("text@x.com", "b@x.com", "html-1", "I <3 vector<int> &amp; x"));
    char *sms = send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+17770104", THEIRS, "<p>an SMS</p>"));
    assert_shown(html, "snippet", "A & B d");
    assert_shown(html, "body", "<html><style>p{}</style><p>A &amp; B</p><!-- c --><br>d</html>");
    assert_shown(text, "snippet", "I <3 vector<int> &amp; x");
    assert_shown(sms, "snippet", "<p>an SMS</p>");
    free(html);
    free(text);
    free(sms);
}
END_TEST

START_TEST(what_is_done_leaves_nothing_in_the_streams) {
    send(PATH_SMS, payload_sms(OURS, THEIRS, "the last"));
    WAIT_FOR(10000, stack_is_drained(stack));
    const char *const groups[][2] = {{"outbound:{sms-mms:0}", "dispatchers"},
                                     {"outbound:{email:0}", "dispatchers"},
                                     {"events:{sms-mms:0}", "persisters"},
                                     {"events:{email:0}", "persisters"}};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        redisReply *reply = stack_redis(stack, "XPENDING %s %s", groups[i][0], groups[i][1]);
        ck_assert_int_eq(reply_int(reply, 0), 0);
        freeReplyObject(reply);
    }
}
END_TEST

static bool statuses_are(const char *status, int64_t count) {
    return stack_sql(stack, "SELECT count(*) FROM deliveries WHERE status = '%s'", status) == count &&
           stack_sql(stack, "SELECT count(*) FROM deliveries") == count;
}

START_TEST(parallel_sends_into_few_conversations_are_counted_exactly) {
    int64_t before = stack_sql(stack, "SELECT count(*) FROM messages");
    int64_t outbound_before = stack_sql(stack, "SELECT count(*) FROM deliveries");
    struct load_result *result = load_finish(load_start(&(struct load_options){
        .ports = {stack_port(stack, "ingest-1")}, .threads = 8, .count = 400, .senders = 3, .first = 100}));
    ck_assert_uint_eq(result->accepted, 400);
    load_result_free(result);
    WAIT_FOR(20000, stack_sql(stack, "SELECT count(*) FROM messages") == before + 400);
    ck_assert_int_eq(stack_sql(stack, "SELECT sum(message_count) FROM conversations WHERE key LIKE 'sms:+1555%%'"),
                     400);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversations WHERE key LIKE 'sms:+1555%%'"), 3);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversations AS c WHERE message_count <> (SELECT count(*) "
                                      "FROM messages WHERE conversation_id = c.id)"),
                     0);
    WAIT_FOR(20000, statuses_are("sent", outbound_before + 400));
}
END_TEST

START_TEST(the_totals_are_those_of_the_rows) {
    WAIT_FOR(10000, stack_is_drained(stack));
    ck_assert_int_eq(stack_sql(stack, "SELECT sum(messages) FROM totals"),
                     stack_sql(stack, "SELECT count(*) FROM messages"));
    ck_assert_int_eq(stack_sql(stack, "SELECT sum(conversations) FROM totals"),
                     stack_sql(stack, "SELECT count(*) FROM conversations"));
    ck_assert_int_eq(
        stack_sql(stack,
                  "SELECT count(*) FROM participant_totals AS p WHERE conversations <> (SELECT count(*) FROM "
                  "conversations WHERE channel = p.channel AND p.participant IN (participant_a, participant_b))"),
        0);
    ck_assert_int_eq(stack_sql(stack, "SELECT max(id) - count(*) FROM conversations"), 0);
}
END_TEST

START_TEST(a_cursor_visits_every_message_of_a_thread_once_in_order) {
    char *conversation = stack_sql_text(stack, "SELECT id FROM conversations WHERE key LIKE 'sms:+15550000100%%'");
    char *cursor = xstrdup("");
    int seen = 0;
    int total = 0;
    while (cursor != NULL) {
        char *path = xasprintf("/api/conversations/%s/messages?pageSize=9%s%s", conversation,
                               cursor[0] != '\0' ? "&cursor=" : "", cursor);
        struct answer *answer = get(path);
        ck_assert_msg(answer->status == 200, "%s: %ld %s", path, answer->status, answer->body);
        int count = cJSON_GetArraySize(answer_at(answer, "items"));
        for (int i = 0; i < count; i++) {
            char item[24];
            snprintf(item, sizeof item, "items.%d.id", i);
            char *id = stack_sql_text(stack,
                                      "SELECT id FROM messages WHERE conversation_id = %s ORDER BY accepted_at, id "
                                      "OFFSET %d LIMIT 1", // they share one timestamp
                                      conversation, seen + i);
            ck_assert_str_eq(answer_text(answer, item), id);
            free(id);
        }
        seen += count;
        total = (int)answer_number(answer, "meta.total");
        const char *next = answer_text(answer, "meta.next_cursor");
        free(cursor);
        cursor = next[0] != '\0' ? xstrdup(next) : NULL;
        answer_free(answer);
        free(path);
    }
    ck_assert_int_eq(seen, total);
    ck_assert_int_ge(seen, 133);
    free(conversation);
}
END_TEST

static double metric(const char *name) {
    struct answer *answer = get("/metrics");
    double value = answer_number(answer, name);
    answer_free(answer);
    return value;
}

START_TEST(the_metrics_count_what_was_done) {
    WAIT_FOR(10000, stack_is_drained(stack));
    int64_t sent = stack_sql(stack, "SELECT count(*) FROM deliveries WHERE status = 'sent'");
    int64_t conversations = stack_sql(stack, "SELECT count(*) FROM conversations");
    int64_t messages = stack_sql(stack, "SELECT count(*) FROM messages");
    WAIT_FOR(5000, metric("dispatch_success") == (double)sent);
    WAIT_FOR(5000, metric("dispatch_attempts") == (double)sent);
    WAIT_FOR(5000, metric("conversations_created") == (double)conversations);
    WAIT_FOR(5000, metric("conversations_reused") == (double)(messages - conversations));
    WAIT_FOR(5000, metric("worker_processed") >= (double)(messages + sent));
    ck_assert(metric("dispatch_error") == 0);
    ck_assert(metric("worker_dead_letter") == 0);
}
END_TEST

// LOG_LEVEL is info here, as it is by default.
START_TEST(one_id_finds_a_messages_life_in_the_logs_of_all_processes) {
    struct answer *answer = stack_call(stack, "ingest-1", "POST", PATH_SMS,
                                       "{\"from\":\"+1901\",\"to\":\"+1902\",\"type\":\"sms\",\"body\":\"followed\","
                                       "\"attachments\":null,\"timestamp\":\"2024-11-01T14:00:00Z\"}",
                                       (const char *const[]){"X-Request-Id: follow-me", NULL});
    char *id = xstrdup(answer_text(answer, "id"));
    answer_free(answer);
    WAIT_FOR(10000, has_status(id, "sent"));
    ck_assert_int_ge(stack_log_about(stack, "ingest-1", "request", id), 1);
    ck_assert_int_eq(stack_log_about(stack, "dispatcher-1", "mock_dispatch_outcome", id), 1);
    WAIT_FOR(5000, stack_log_about(stack, "persister-1", "persisted", id) == 2);
    const char *const dispatched[] = {"\"request_id\":\"follow-me\"", "\"stream\":\"outbound:{sms-mms:0}\"",
                                      "\"provider\":\"sms-mms\"", "\"verdict\":\"sent\""};
    for (size_t i = 0; i < sizeof dispatched / sizeof *dispatched; i++) {
        ck_assert_int_ge(stack_log_about(stack, "dispatcher-1", "mock_dispatch_outcome", dispatched[i]), 1);
    }
    ck_assert_int_ge(stack_log_about(stack, "ingest-1", "request", "\"correlation_id\":\"follow-me\""), 1);
    ck_assert_int_eq(stack_log_about(stack, "persister-1", "persisted", "\"request_id\":\"follow-me\""), 1);
    ck_assert_int_ge(stack_log_about(stack, "persister-1", "persisted", "\"what\":\"sent\",\"message_id\""), 1);
    free(id);
}
END_TEST

START_TEST(a_redelivered_webhook_is_stored_once) {
    char *first =
        send_accepted(stack, "ingest-1", PATH_EMAIL_WEBHOOK, payload_email_webhook("r@x.com", "s@x.com", "twice", "a"));
    char *second =
        send_accepted(stack, "ingest-1", PATH_EMAIL_WEBHOOK, payload_email_webhook("r@x.com", "s@x.com", "twice", "a"));
    ck_assert_str_eq(first, second);
    redisReply *reply = stack_redis(stack, "KEYS idem:*"); // Redis forgets; the id is the same for ever
    for (size_t i = 0; i < reply_count(reply); i++) {
        freeReplyObject(stack_redis(stack, "DEL %s", reply_text(reply, i)));
    }
    freeReplyObject(reply);
    char *third =
        send_accepted(stack, "ingest-1", PATH_EMAIL_WEBHOOK, payload_email_webhook("r@x.com", "s@x.com", "twice", "a"));
    ck_assert_str_eq(first, third);
    WAIT_FOR(10000, stack_is_drained(stack));
    ck_assert_int_eq(stack_sql(stack, "SELECT message_count FROM conversations WHERE key = 'email:r@x.com<->s@x.com'"),
                     1);
    free(first);
    free(second);
    free(third);
}
END_TEST

START_TEST(mock_inbound_arrives_as_from_a_provider) {
    struct answer *answer = stack_call(stack, "ingest-1", "POST", "/api/provider/mock/inbound",
                                       "{\"channel\":\"mms\",\"from\":\"+1777\",\"to\":\"+1778\",\"body\":\"hello\","
                                       "\"attachments\":[\"a.png\"],\"timestamp\":\"2024-11-01T14:00:00Z\"}",
                                       NULL);
    ck_assert_int_eq(answer->status, 202);
    WAIT_FOR(10000, has_status(answer_text(answer, "id"), "received"));
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM attachments WHERE message_id = '%s' AND url = 'a.png'",
                               answer_text(answer, "id")),
                     1);
    WAIT_FOR(5000, stack_log_count(stack, "ingest-1", "mock_inbound") >= 1);
    answer_free(answer);
}
END_TEST

START_TEST(more_partitions_strand_nothing) {
    stack_start_with(stack, "ingest-2", (const char *const[]){"STREAM_PARTITIONS=7", NULL});
    int64_t before = stack_sql(stack, "SELECT count(*) FROM messages");
    struct load_result *result = load_finish(load_start(&(struct load_options){
        .ports = {stack_port(stack, "ingest-2")}, .threads = 4, .count = 60, .senders = 30, .first = 500}));
    ck_assert_uint_eq(result->accepted, 60);
    load_result_free(result);
    ck_assert_int_gt(stack_redis_int(stack, "SCARD partitions"), 2);
    WAIT_FOR(15000, stack_sql(stack, "SELECT count(*) FROM messages") == before + 60);
    WAIT_FOR(15000, stack_sql(stack, "SELECT count(*) FROM deliveries WHERE status <> 'sent'") == 0);
    stack_stop(stack, "ingest-2");
}
END_TEST

START_TEST(the_api_document_is_served_as_it_is_in_the_tree) {
    char *path = xasprintf("%s/ingest/openapi.yaml", getenv("PROJECT_ROOT"));
    char *file = read_whole_file(path);
    struct answer *answer = get("/openapi.yaml");
    ck_assert_int_eq(answer->status, 200);
    ck_assert_str_eq(answer->body, file);
    answer_free(answer);
    free(file);
    free(path);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_pipeline(void);

Suite *suite_pipeline(void) {
    Suite *suite = suite_create("pipeline");
    TCase *tests = tcase_create("pipeline");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, the_flows_of_the_brief_form_two_conversations_with_exact_counts);
    tcase_add_test(tests, every_message_that_was_sent_becomes_sent_once_and_a_received_one_received);
    tcase_add_test(tests, an_sms_tells_its_segments_and_encoding_and_nothing_else_does);
    tcase_add_test(tests, the_snippet_of_an_html_email_is_of_its_text);
    tcase_add_test(tests, what_is_done_leaves_nothing_in_the_streams);
    tcase_add_test(tests, parallel_sends_into_few_conversations_are_counted_exactly);
    tcase_add_test(tests, the_totals_are_those_of_the_rows);
    tcase_add_test(tests, a_cursor_visits_every_message_of_a_thread_once_in_order);
    tcase_add_test(tests, the_metrics_count_what_was_done);
    tcase_add_test(tests, one_id_finds_a_messages_life_in_the_logs_of_all_processes);
    tcase_add_test(tests, a_redelivered_webhook_is_stored_once);
    tcase_add_test(tests, mock_inbound_arrives_as_from_a_provider);
    tcase_add_test(tests, more_partitions_strand_nothing);
    tcase_add_test(tests, the_api_document_is_served_as_it_is_in_the_tree);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
