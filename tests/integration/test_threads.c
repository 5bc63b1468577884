// SPDX-License-Identifier: MIT
// A thread as it is read: by time, then as it was accepted; what a mail is about; and a webhook's message that comes
// under two ids, because two releases have made them.

#include <check.h>
#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/base/uuid.h"
#include "shared/message/message_id.h"
#include "tests/support/events.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"

#define AT_MS INT64_C(1730469600000) // 2024-11-01T14:00:00Z
#define US "+12016661234"

static struct stack *stack;

static void start(void) {
    stack = stack_create("threads", NULL);
    stack_start(stack, "postgres");
    stack_start(stack, "ingest-1");
    stack_start(stack, "persister-1");
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
    if (!stack_is_running(stack, "persister-1")) {
        stack_start(stack, "persister-1");
    }
}

static void drain(void) {
    WAIT_FOR(10000, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 0);
}

// What a provider has brought.
struct inbound {
    const char *id, *from, *to, *provider_id, *body;
    const char *recipient; // which of `to` counts; NULL: all of it
    const char *subject;   // or NULL
    const char *url;       // of an attachment, or NULL
    const char *entry;     // or NULL: Redis's
};

static void receive_all(const struct inbound *inbound) {
    char *from = xstrdup(inbound->from), *to = xstrdup(inbound->to), *body = xstrdup(inbound->body);
    char *recipient = xstrdup(inbound->recipient == NULL ? inbound->to : inbound->recipient);
    char *provider_id = xstrdup(inbound->provider_id), region[] = "";
    char *subject = inbound->subject == NULL ? NULL : xstrdup(inbound->subject);
    char *url = inbound->url == NULL ? NULL : xstrdup(inbound->url);
    struct message message = {.type = MESSAGE_SMS,
                              .direction = MESSAGE_INBOUND,
                              .from = from,
                              .to = to,
                              .sender = from,
                              .recipient = recipient,
                              .region = region,
                              .subject = subject,
                              .body = body,
                              .occurred_ms = AT_MS,
                              .accepted_ms = AT_MS,
                              .provider_message_id = provider_id,
                              .attachments = &url,
                              .attachment_count = url != NULL};
    free(events_add_message(stack, inbound->entry == NULL ? "*" : inbound->entry, inbound->id, &message));
    free(from);
    free(to);
    free(recipient);
    free(body);
    free(provider_id);
    free(subject);
    free(url);
}

static void receive(const char *id, const char *from, const char *to, const char *provider_id, const char *body) {
    receive_all(&(struct inbound){.id = id, .from = from, .to = to, .provider_id = provider_id, .body = body});
}

static int64_t conversation_with(const char *from) {
    return stack_sql(stack, "SELECT id FROM conversations WHERE '%s' IN (participant_a, participant_b)", from);
}

// The bodies of a page, in its order, each followed by a space; *next is its cursor, or "". Both are owned by the
// caller.
static char *read_page(int64_t conversation, const char *parameters, char **next) {
    char *path = xasprintf("/api/conversations/%lld/messages?%s", (long long)conversation, parameters);
    struct answer *answer = stack_call(stack, "ingest-1", "GET", path, NULL, NULL);
    ck_assert_msg(answer->status == 200, "%s: %ld %s", path, answer->status, answer->body);
    struct buf bodies = {0};
    buf_puts(&bodies, "");
    int count = cJSON_GetArraySize(answer_at(answer, "items"));
    for (int i = 0; i < count; i++) {
        char item[24];
        snprintf(item, sizeof item, "items.%d.body", i);
        buf_printf(&bodies, "%s ", answer_text(answer, item));
    }
    *next = xstrdup(answer_text(answer, "meta.next_cursor"));
    answer_free(answer);
    free(path);
    return bodies.data;
}

// All bodies of a thread, two a page, by cursor or by the pages' numbers.
static void assert_thread(int64_t conversation, bool by_cursor, const char *expected) {
    struct buf all = {0};
    char *next = xstrdup("");
    for (int page = 1; page == 1 || *next != '\0'; page++) {
        char *parameters =
            by_cursor && page > 1 ? xasprintf("pageSize=2&cursor=%s", next) : xasprintf("pageSize=2&page=%d", page);
        free(next);
        char *bodies = read_page(conversation, parameters, &next);
        buf_puts(&all, bodies);
        free(bodies);
        free(parameters);
    }
    ck_assert_str_eq(all.data, expected);
    buf_free(&all);
    free(next);
}

// Seven replies of one second, whose ids say nothing about their order; three of them came within one millisecond.
static int64_t receive_seven(const char *from) {
    static const char *const tails[] = {"70", "10", "60", "20", "50", "30", "40"};
    int64_t now_ms = stack_sql(stack, "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint");
    for (int i = 0; i < 7; i++) {
        char id[UUID_TEXT_SIZE], provider_id[48], body[8], entry[48];
        snprintf(id, sizeof id, "0192e7a1-3c00-8b5e-9d1a-00%.8s%s", from + 4, tails[i]);
        snprintf(provider_id, sizeof provider_id, "%s-%d", from, i);
        snprintf(body, sizeof body, "%d", i);
        snprintf(entry, sizeof entry, "%lld-%d", (long long)now_ms + 1000, i);
        receive_all(&(struct inbound){
            .id = id, .from = from, .to = US, .provider_id = provider_id, .body = body, .entry = i < 3 ? entry : NULL});
    }
    drain();
    return conversation_with(from);
}

START_TEST(replies_within_a_second_are_read_as_they_were_accepted) {
    int64_t conversation = receive_seven("+18040000001");
    assert_thread(conversation, true, "0 1 2 3 4 5 6 ");
    assert_thread(conversation, false, "0 1 2 3 4 5 6 ");
    ck_assert_int_eq(
        stack_sql(stack, "SELECT count(*) FROM messages WHERE conversation_id = %lld AND accepted_at < '2025-01-01'",
                  (long long)conversation),
        0); // it is Redis's time, not the payload's
}
END_TEST

// The page before ended with body 4 (id …50) in the order of ids: 1 3 5 6 4 | 2 0.
START_TEST(a_cursor_of_an_older_release_brings_all_that_its_reader_has_not_seen) {
    int64_t conversation = receive_seven("+18040000002");
    char *id = stack_sql_text(stack,
                              "SELECT replace(id::text, '-', '') FROM messages WHERE conversation_id = %lld AND "
                              "body = '4'",
                              (long long)conversation);
    char *parameters =
        xasprintf("pageSize=1&cursor=m00000002%016llx%s", (long long)((AT_MS - INT64_C(-62135596800000)) * 1000), id);
    char *next, *last, *first_body = read_page(conversation, parameters, &next);
    ck_assert_str_eq(first_body, "0 ");
    free(parameters);
    parameters = xasprintf("pageSize=50&cursor=%s", next);
    char *others = read_page(conversation, parameters, &last);
    ck_assert_ptr_nonnull(strstr(others, "2 "));
    free(first_body);
    free(others);
    free(parameters);
    free(next);
    free(last);
    free(id);
}
END_TEST

START_TEST(the_first_storing_of_a_message_keeps_its_place) {
    static const char from[] = "+18040000003";
    receive("0192e7a1-3c00-8b5e-9d1a-000000000031", from, US, "31", "first");
    receive("0192e7a1-3c00-8b5e-9d1a-000000000030", from, US, "30", "second");
    drain();
    receive("0192e7a1-3c00-8b5e-9d1a-000000000031", from, US, "31", "first");
    drain();
    assert_thread(conversation_with(from), true, "first second ");
}
END_TEST

START_TEST(a_subject_is_read_back_and_null_where_there_is_none) {
    static const char from[] = "+18040000004";
    receive_all(&(struct inbound){.id = "0192e7a1-3c00-8b5e-9d1a-000000000041",
                                  .from = from,
                                  .to = US,
                                  .provider_id = "41",
                                  .body = "with",
                                  .subject = "Re: \"it\"\t<b>"});
    receive("0192e7a1-3c00-8b5e-9d1a-000000000042", from, US, "42", "without");
    drain();
    char *path = xasprintf("/api/conversations/%lld/messages", (long long)conversation_with(from));
    struct answer *answer = stack_call(stack, "ingest-1", "GET", path, NULL, NULL);
    ck_assert_str_eq(answer_text(answer, "items.0.subject"), "Re: \"it\"\t<b>");
    ck_assert(cJSON_IsNull(answer_at(answer, "items.1.subject")));
    answer_free(answer);
    answer = stack_call(stack, "ingest-1", "GET", "/api/messages/0192e7a1-3c00-8b5e-9d1a-000000000041", NULL, NULL);
    ck_assert_str_eq(answer_text(answer, "subject"), "Re: \"it\"\t<b>");
    answer_free(answer);
    free(path);
}
END_TEST

START_TEST(a_failed_email_is_shown_and_replayed_with_its_subject) {
    char from[] = "sales@example.com", to[] = "jane@example.com", subject[] = "Your order", body[] = "It left.";
    struct message message = {.type = MESSAGE_EMAIL,
                              .direction = MESSAGE_OUTBOUND,
                              .from = from,
                              .to = to,
                              .sender = from,
                              .recipient = to,
                              .subject = subject,
                              .body = body,
                              .occurred_ms = AT_MS,
                              .accepted_ms = AT_MS};
    char *id = events_new_id();
    free(events_add_message(stack, "*", id, &message));
    free(events_add_outcome(stack, id, 0, 1, "failed", "rejected"));
    drain();
    for (int i = 0; i < 2; i++) { // what is shown, and what goes to the dispatcher again
        char *shown =
            stack_sql_text(stack, "SELECT %s::json->>'subject' FROM dead_letter_contents WHERE message_id = '%s'",
                           i == 0 ? "payload" : "message", id);
        ck_assert_str_eq(shown, subject);
        free(shown);
    }
    free(id);
}
END_TEST

START_TEST(which_participant_sent_is_stored) {
    static const char from[] = "+18040000005";
    receive("0192e7a1-3c00-8b5e-9d1a-000000000051", from, US, "51", "theirs");
    receive("0192e7a1-3c00-8b5e-9d1a-000000000052", US, from, "52", "ours");
    drain();
    char *senders =
        stack_sql_text(stack,
                       "SELECT string_agg(CASE m.sent_by WHEN 'a' THEN c.participant_a ELSE c.participant_b "
                       "END, ' ' ORDER BY m.body) FROM messages m JOIN conversations c ON c.id = "
                       "m.conversation_id WHERE c.id = %lld",
                       (long long)conversation_with(from));
    ck_assert_str_eq(senders, "+12016661234 +18040000005");
    free(senders);
}
END_TEST

// ---- Two ids of one message

// What a release before this one called it.
static void former_id(const char *provider_id, char out[UUID_TEXT_SIZE]) {
    struct uuid id = uuid_v8("sms-mms", provider_id);
    uuid_format(&id, out);
}

static void assert_shown(const char *id, const char *stored_id) {
    char *path = xasprintf("/api/messages/%s", id);
    struct answer *answer = stack_call(stack, "ingest-1", "GET", path, NULL, NULL);
    ck_assert_msg(answer->status == 200, "%s: %ld %s", path, answer->status, answer->body);
    ck_assert_str_eq(answer_text(answer, "id"), stored_id);
    answer_free(answer);
    free(path);
}

static void assert_counts(const char *from, int64_t messages) {
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE conversation_id = %lld",
                               (long long)conversation_with(from)),
                     messages);
    ck_assert_int_eq(
        stack_sql(stack, "SELECT message_count FROM conversations WHERE id = %lld", (long long)conversation_with(from)),
        messages);
    ck_assert_int_eq(stack_sql(stack, "SELECT sum(messages) FROM totals"),
                     stack_sql(stack, "SELECT count(*) FROM messages"));
}

// Both come, the one first; in one batch, or each in its own.
static void assert_stored_once(const char *from, const char *provider_id, const char *first, const char *second,
                               bool together) {
    if (together) {
        stack_stop(stack, "persister-1");
    }
    receive(first, from, US, provider_id, "once");
    if (!together) {
        drain();
    }
    receive(second, from, US, provider_id, "again");
    if (together) {
        receive(second, from, US, provider_id, "and again");
        stack_start(stack, "persister-1");
    }
    drain();
    assert_counts(from, 1);
    assert_shown(first, first);
    assert_shown(second, first);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE id = '%s' AND body = 'once'", first), 1);
}

START_TEST(a_redelivery_of_what_an_older_release_took_is_stored_once_under_both_ids) {
    for (int together = 0; together < 2; together++) {
        static const char *const from[] = {"+18040000006", "+18040000007"};
        static const char *const ids[] = {"0192e7a1-3c00-8b5e-9d1a-000000000061",
                                          "0192e7a1-3c00-8b5e-9d1a-000000000071"};
        char former[UUID_TEXT_SIZE];
        former_id(from[together], former);
        assert_stored_once(from[together], from[together], former, ids[together], together == 1);
    }
}
END_TEST

// An ingest of the older release lives on beside this one's, and its repeat comes after.
START_TEST(what_an_older_ingest_takes_after_this_one_is_stored_once_under_both_ids) {
    for (int together = 0; together < 2; together++) {
        static char from[][16] = {"+18040000011", "+18040000012"}, us[] = US, no_region[] = "";
        struct message message = {.type = MESSAGE_SMS,
                                  .direction = MESSAGE_INBOUND,
                                  .from = from[together],
                                  .to = us,
                                  .sender = from[together],
                                  .recipient = us,
                                  .region = no_region,
                                  .provider_message_id = from[together]};
        struct message_pair pair;
        message_pair_of(&message, &pair);
        struct uuid made = message_id_make(&message, &pair);
        char former[UUID_TEXT_SIZE], id[UUID_TEXT_SIZE];
        uuid_format(&made, id);
        former_id(from[together], former);
        assert_stored_once(from[together], from[together], id, former, together == 1);
        message_pair_free(&pair);
    }
}
END_TEST

// An older release knew one message of a provider's id, whoever it was between.
START_TEST(the_same_provider_id_between_two_others_is_another_message) {
    static const char from[] = "+18040000008", other[] = "+18040000009",
                      new_id[] = "0192e7a1-3c00-8b5e-9d1a-000000000081";
    char former[UUID_TEXT_SIZE];
    former_id("8", former);
    receive(former, from, US, "8", "theirs");
    drain();
    receive(new_id, other, US, "8", "another's");
    drain();
    assert_counts(from, 1);
    assert_counts(other, 1);
    assert_shown(former, former);
    assert_shown(new_id, new_id);
}
END_TEST

static void run(PGconn *link, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void run(PGconn *link, const char *format, ...) {
    struct buf sql = {0};
    va_list arguments;
    va_start(arguments, format);
    buf_vprintf(&sql, format, arguments);
    va_end(arguments);
    PGresult *result = PQexec(link, sql.data);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK, "%s: %s",
                  sql.data, PQerrorMessage(link));
    PQclear(result);
    buf_free(&sql);
}

static int64_t waiting_for_locks(void) {
    return stack_sql(stack, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
}

// Another persister stores it under its former id, between the look for the message and the lock of its conversation.
START_TEST(what_another_persister_stores_meanwhile_under_the_other_id_is_seen) {
    static const char from[] = "+18040000010", new_id[] = "0192e7a1-3c00-8b5e-9d1a-000000000101";
    char former[UUID_TEXT_SIZE],
        *url = xasprintf("postgres://postgres@127.0.0.1:%u/messaging_service", stack_port(stack, "postgres"));
    former_id("10", former);
    receive("0192e7a1-3c00-8b5e-9d1a-000000000102", from, US, "first", "first");
    drain();
    long long conversation = (long long)conversation_with(from);
    PGconn *link = PQconnectdb(url);
    run(link, "BEGIN");
    run(link, "UPDATE conversations SET message_count = message_count + 1 WHERE id = %lld", conversation);
    receive(new_id, from, US, "10", "again");
    WAIT_FOR(10000, waiting_for_locks() == 1);
    run(link,
        "INSERT INTO messages (id, conversation_id, direction, type, from_address, to_address, body, provider, "
        "provider_message_id, occurred_at, accepted_at, request_id) VALUES ('%s', %lld, 'inbound', 'sms', '%s', '%s', "
        "'once', 'sms-mms', '10', now(), now(), '')",
        former, conversation, from, US);
    run(link, "UPDATE totals SET messages = messages + 1 WHERE slot = 0 AND channel = 'sms'");
    run(link, "COMMIT");
    PQfinish(link);
    free(url);
    drain();
    assert_counts(from, 2);
    assert_shown(new_id, former);
}
END_TEST

// ---- Two ids of a message with several recipients

#define OURS_TOO "+12016661235"

// One webhook, of which now the one and now the other recipient is ours.
static void receive_for(const char *id, const char *from, bool second, const char *body) {
    receive_all(&(struct inbound){.id = id,
                                  .from = from,
                                  .to = US ", " OURS_TOO,
                                  .recipient = second ? OURS_TOO : US,
                                  .provider_id = from,
                                  .body = body});
}

static void assert_one(const char *from, const char *id, const char *alias) {
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM messages WHERE from_address = '%s'", from), 1);
    ck_assert_int_eq(
        stack_sql(stack, "SELECT count(*) FROM conversations WHERE '%s' IN (participant_a, participant_b)", from), 1);
    assert_counts(from, 1);
    assert_shown(id, id);
    assert_shown(alias, id);
}

START_TEST(a_redelivery_that_belongs_to_another_of_several_recipients_is_stored_once_under_both_ids) {
    for (int together = 0; together < 2; together++) {
        static const char *const from[] = {"+18040000021", "+18040000022"};
        static const char *const ids[][2] = {
            {"0192e7a1-3c00-8b5e-9d1a-0000000021ff", "0192e7a1-3c00-8b5e-9d1a-000000002100"},
            {"0192e7a1-3c00-8b5e-9d1a-000000002200", "0192e7a1-3c00-8b5e-9d1a-0000000022ff"}};
        if (together) {
            stack_stop(stack, "persister-1");
        }
        receive_for(ids[together][0], from[together], false, "once");
        if (together) {
            receive_for(ids[together][1], from[together], true, "once");
            stack_start(stack, "persister-1");
        }
        drain();
        receive_for(ids[together][1], from[together], true, "once");
        drain();
        assert_one(from[together], ids[together][0], ids[together][1]);
    }
}
END_TEST

// The first of the batch is one that an older release has stored.
START_TEST(what_an_older_release_stored_is_what_all_of_its_ids_mean) {
    static const char from[] = "+18040000023", *const ids[] = {"0192e7a1-3c00-8b5e-9d1a-000000002301",
                                                               "0192e7a1-3c00-8b5e-9d1a-000000002302"};
    char former[UUID_TEXT_SIZE];
    former_id(from, former);
    receive_for(former, from, false, "once");
    drain();
    stack_stop(stack, "persister-1");
    receive_for(ids[0], from, false, "once");
    receive_for(ids[1], from, true, "once");
    stack_start(stack, "persister-1");
    drain();
    assert_one(from, former, ids[0]);
    assert_shown(ids[1], former);
}
END_TEST

// Only what has several recipients: the last byte of other ids says nothing.
START_TEST(ids_of_one_recipient_that_differ_in_the_last_byte_are_two_messages) {
    static const char from[] = "+18040000024";
    receive("0192e7a1-3c00-8b5e-9d1a-000000002401", from, US, "241", "one");
    receive("0192e7a1-3c00-8b5e-9d1a-000000002402", from, US, "242", "two");
    drain();
    assert_counts(from, 2);
}
END_TEST

// Another persister stores it while this one waits: for the family, as the conversations are two.
START_TEST(what_another_persister_stores_meanwhile_for_another_recipient_is_seen) {
    static const char from[] = "+18040000025", id[] = "0192e7a1-3c00-8b5e-9d1a-000000002501",
                      again[] = "0192e7a1-3c00-8b5e-9d1a-000000002502";
    char *url = xasprintf("postgres://postgres@127.0.0.1:%u/messaging_service", stack_port(stack, "postgres"));
    PGconn *link = PQconnectdb(url);
    run(link, "BEGIN");
    run(link, "SELECT pg_advisory_xact_lock(hashtext('messaging family'), 37)"); // 0x25
    receive_for(again, from, true, "once");
    WAIT_FOR(10000, waiting_for_locks() == 1);
    run(link,
        "WITH c AS (INSERT INTO conversations (key, channel, participant_a, participant_b, message_count, "
        "last_activity_at) VALUES ('sms:" US "<->%s', 'sms', '" US "', '%s', 1, now()) RETURNING id) "
        "INSERT INTO messages (id, conversation_id, direction, type, from_address, to_address, body, provider, "
        "provider_message_id, occurred_at, accepted_at, request_id) SELECT '%s', id, 'inbound', 'sms', '%s', '" US
        ", " OURS_TOO "', 'once', 'sms-mms', '%s', now(), now(), '' FROM c",
        from, from, id, from, from);
    run(link, "UPDATE totals SET messages = messages + 1, conversations = conversations + 1 "
              "WHERE slot = 0 AND channel = 'sms'");
    run(link, "COMMIT");
    PQfinish(link);
    free(url);
    drain();
    assert_one(from, id, again);
}
END_TEST

// ---- Repeats with other content

static void assert_told(const struct inbound *inbound, const char *stored_id, int times) {
    receive_all(inbound);
    drain();
    WAIT_FOR(5000, stack_log_about(stack, "persister-1", "redelivery_differs", stored_id) >= times);
    ck_assert_int_eq(stack_log_about(stack, "persister-1", "redelivery_differs", stored_id), times);
}

START_TEST(a_repeat_with_another_subject_or_attachment_is_told) {
    static const char id[] = "0192e7a1-3c00-8b5e-9d1a-000000003101";
    struct inbound first = {id, "+18040000031", US, "31", "b", .subject = "s", .url = "https://a.example/1"};
    assert_told(&first, id, 0);
    assert_told(&first, id, 0);
    struct inbound subject = first, url = first, less = first;
    subject.subject = "t";
    url.url = "https://a.example/2";
    less.url = NULL;
    assert_told(&subject, id, 1);
    assert_told(&url, id, 2);
    assert_told(&less, id, 3);
    stack_sql(stack, "WITH u AS (UPDATE messages SET subject = NULL WHERE id = '%s' RETURNING 1) SELECT 1", id);
    assert_told(&first, id, 3); // as a release stored it that knew no subjects
}
END_TEST

START_TEST(a_repeat_under_another_id_is_compared_with_what_is_stored) {
    static const char from[] = "+18040000032", id[] = "0192e7a1-3c00-8b5e-9d1a-000000003201";
    struct inbound inbound = {id, from, US ", " OURS_TOO, "32", "b", .recipient = US};
    assert_told(&inbound, id, 0);
    inbound.id = "0192e7a1-3c00-8b5e-9d1a-000000003202";
    inbound.recipient = OURS_TOO;
    assert_told(&inbound, id, 0);
    inbound.body = "c";
    assert_told(&inbound, id, 1);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_threads(void);

Suite *suite_threads(void) {
    Suite *suite = suite_create("threads");
    TCase *tests = tcase_create("threads");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, replies_within_a_second_are_read_as_they_were_accepted);
    tcase_add_test(tests, a_cursor_of_an_older_release_brings_all_that_its_reader_has_not_seen);
    tcase_add_test(tests, the_first_storing_of_a_message_keeps_its_place);
    tcase_add_test(tests, a_subject_is_read_back_and_null_where_there_is_none);
    tcase_add_test(tests, a_failed_email_is_shown_and_replayed_with_its_subject);
    tcase_add_test(tests, which_participant_sent_is_stored);
    tcase_add_test(tests, a_redelivery_of_what_an_older_release_took_is_stored_once_under_both_ids);
    tcase_add_test(tests, what_an_older_ingest_takes_after_this_one_is_stored_once_under_both_ids);
    tcase_add_test(tests, the_same_provider_id_between_two_others_is_another_message);
    tcase_add_test(tests, what_another_persister_stores_meanwhile_under_the_other_id_is_seen);
    tcase_add_test(tests, a_redelivery_that_belongs_to_another_of_several_recipients_is_stored_once_under_both_ids);
    tcase_add_test(tests, what_an_older_release_stored_is_what_all_of_its_ids_mean);
    tcase_add_test(tests, ids_of_one_recipient_that_differ_in_the_last_byte_are_two_messages);
    tcase_add_test(tests, what_another_persister_stores_meanwhile_for_another_recipient_is_seen);
    tcase_add_test(tests, a_repeat_with_another_subject_or_attachment_is_told);
    tcase_add_test(tests, a_repeat_under_another_id_is_compared_with_what_is_stored);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    tcase_set_timeout(tests, 0);
    suite_add_tcase(suite, tests);
    return suite;
}
