// SPDX-License-Identifier: MIT
// Dead letters: what could not be delivered is listed, shown and replayed, by one and by many, whoever dies.

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/events.h"
#include "tests/support/load.h"
#include "tests/support/payload.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"

#define LETTERS "/api/dead-letters"
#define REPLAY_MANY LETTERS "/replay"
#define OURS "+12016661234"
#define THEIRS "+18045551234"
#define JOBS "replays:{replay}"

enum { TOO_LONG = 9000 }; // bytes of a URL

static struct stack *stack;

static void start(void) {
    stack = stack_create("dead_letters", NULL);
    stack_start(stack, "postgres");
    stack_start(stack, "mock-provider");
    stack_start(stack, "ingest-1");
    stack_start(stack, "ingest-2");
    stack_start(stack, "persister-1");
}

static void end(void) {
    stack_destroy(stack);
}

static void stop_dispatcher(void) {
    if (stack_is_running(stack, "dispatcher-1")) {
        stack_stop(stack, "dispatcher-1");
    }
}

static bool is_ready(const char *ingest) {
    return stack_status(stack, ingest, "GET", "/readyz", NULL) == 200;
}

static void recover(void) {
    stack_recover(stack);
    stop_dispatcher();
    if (!stack_is_running(stack, "persister-1")) {
        stack_start(stack, "persister-1");
    }
    WAIT_FOR(10000, is_ready("ingest-1") && is_ready("ingest-2"));
    WAIT_FOR(10000, stack_is_drained(stack));
    (void)stack_sql(stack, "TRUNCATE dead_letters, replays");
}

// A dispatcher whose providers refuse everything for good: what they are asked is longer than a request may be.
static void start_refusing(void) {
    unsigned port = stack_port(stack, "mock-provider");
    char *sms = xasprintf("PROVIDER_SMS_URL=http://127.0.0.1:%u/%0*d", port, TOO_LONG, 0);
    char *email = xasprintf("PROVIDER_EMAIL_URL=http://127.0.0.1:%u/%0*d", port, TOO_LONG, 0);
    stack_start_with(stack, "dispatcher-1", (const char *const[]){sms, email, NULL});
    free(sms);
    free(email);
}

static void start_sending(void) {
    stack_start(stack, "dispatcher-1");
}

static int64_t letters(void) {
    return stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL");
}

static struct answer *get(const char *path) {
    return stack_call(stack, "ingest-1", "GET", path, NULL, NULL);
}

// Sends it, and returns the id of its dead letter, owned by the caller. The refusing dispatcher runs.
static char *fail_one(const char *path, char *payload, char **message_id) {
    char *id = send_accepted(stack, "ingest-1", path, payload);
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE message_id = '%s'", id) == 1);
    char *letter = stack_sql_text(stack, "SELECT id FROM dead_letters WHERE message_id = '%s'", id);
    if (message_id != NULL) {
        *message_id = id;
    } else {
        free(id);
    }
    return letter;
}

// As many dead letters, of 20 senders; then no dispatcher runs.
static void fail_many(unsigned count) {
    static unsigned first = 5000; // a load's Idempotency-Keys go by it
    first += 100;
    start_refusing();
    struct load_result *result = load_finish(load_start(&(struct load_options){.ports = {stack_port(stack, "ingest-1")},
                                                                               .threads = 8,
                                                                               .count = count,
                                                                               .senders = 20,
                                                                               .first = first,
                                                                               .repeats = 100}));
    ck_assert_uint_eq(result->accepted, count);
    load_result_free(result);
    WAIT_FOR(20000, letters() == count);
    stop_dispatcher();
}

static struct answer *replay_from(const char *ingest, const char *letter, const char *key) {
    char *path = xasprintf(LETTERS "/%s/replay", letter);
    char *header = key != NULL ? xasprintf("Idempotency-Key: %s", key) : NULL;
    struct answer *answer = stack_call(stack, ingest, "POST", path, NULL, (const char *const[]){header, NULL});
    free(header);
    free(path);
    return answer;
}

static void assert_replay(const char *ingest, const char *letter, long status, const char *code) {
    struct answer *answer = replay_from(ingest, letter, NULL);
    ck_assert_msg(answer->status == status, "%ld: %s", answer->status, answer->body);
    ck_assert_str_eq(answer_text(answer, "code"), code);
    answer_free(answer);
}

// POST /api/dead-letters/replay; returns what matched.
static int64_t replay_many(const char *body) {
    struct answer *answer = stack_call(stack, "ingest-1", "POST", REPLAY_MANY, body, NULL);
    ck_assert_msg(answer->status == 202, "%ld: %s", answer->status, answer->body);
    int64_t matched = (int64_t)answer_number(answer, "matched");
    answer_free(answer);
    return matched;
}

static bool has_status(const char *message_id, const char *status) {
    char *path = xasprintf("/api/messages/%s", message_id);
    struct answer *answer = get(path);
    bool has = strcmp(answer_text(answer, "status"), status) == 0;
    answer_free(answer);
    free(path);
    return has;
}

static struct answer *letter_of(const char *id) {
    char *path = xasprintf(LETTERS "/%s", id);
    struct answer *answer = get(path);
    ck_assert_msg(answer->status == 200, "%ld: %s", answer->status, answer->body);
    free(path);
    return answer;
}

START_TEST(a_permanent_refusal_is_a_dead_letter_that_shows_the_payload_of_its_send) {
    start_refusing();
    char *id;
    char *mms = fail_one(PATH_SMS, payload_mms(OURS, THEIRS, "line\\nbreak \\\"quoted\\\""), &id);
    struct answer *answer = letter_of(mms);
    ck_assert_str_eq(answer_text(answer, "id"), mms);
    ck_assert_str_eq(answer_text(answer, "message_id"), id);
    ck_assert_str_eq(answer_text(answer, "provider"), "sms-mms");
    ck_assert_int_eq(strncmp(answer_text(answer, "reason"), "rejected: ", 10), 0);
    ck_assert_int_eq((int64_t)answer_number(answer, "attempts"), 1);
    ck_assert(cJSON_IsNull(answer_at(answer, "replayed_at")));
    ck_assert_str_eq(answer_text(answer, "payload.from"), OURS);
    ck_assert_str_eq(answer_text(answer, "payload.to"), THEIRS);
    ck_assert_str_eq(answer_text(answer, "payload.type"), "mms");
    ck_assert_str_eq(answer_text(answer, "payload.body"), "line\nbreak \"quoted\"");
    ck_assert_str_eq(answer_text(answer, "payload.attachments.0"), "attachment-url");
    ck_assert_str_eq(answer_text(answer, "payload.timestamp"), "2024-11-01T14:00:00.000Z");
    answer_free(answer);
    char *email = fail_one(PATH_EMAIL, payload_email("a@x.com", "b@x.com", "<b>html</b>"), NULL);
    answer = letter_of(email);
    ck_assert_str_eq(answer_text(answer, "payload.from"), "a@x.com");
    ck_assert_ptr_null(answer_at(answer, "payload.type"));
    answer_free(answer);
    free(id);
    free(mms);
    free(email);
}
END_TEST

// How many items a list has, and whether there is a next page.
static int list(const char *query, bool *more) {
    char *path = xasprintf(LETTERS "%s", query);
    struct answer *answer = get(path);
    ck_assert_msg(answer->status == 200, "%s: %ld: %s", query, answer->status, answer->body);
    int count = cJSON_GetArraySize(answer_at(answer, "items"));
    *more = cJSON_IsString(answer_at(answer, "meta.next_cursor"));
    answer_free(answer);
    free(path);
    return count;
}

static void assert_listed(const char *query, int count) {
    bool more;
    int listed = list(query, &more);
    ck_assert_msg(listed == count && !more, "%s: %d", query, listed);
}

// Letters by hand: as many of either provider, of three reasons in turn, a minute apart, up to 2024-11-01T14:00Z.
static void make_letters(int count) {
    (void)stack_sql(stack,
                    "INSERT INTO dead_letters (stage, message_id, generation, provider, reason, attempts, failed_at) "
                    "SELECT 'dispatch', gen_random_uuid(), 0, (ARRAY['sms-mms', 'email'])[1 + i %% 2], "
                    "(ARRAY['rejected: no', 'timeout: 10 s', 'expired'])[1 + i %% 3], 1, "
                    "timestamptz '2024-11-01T14:00:00Z' - i * interval '1 minute' FROM generate_series(0, %d) AS i",
                    count - 1);
}

START_TEST(the_list_filters_by_provider_reason_and_time) {
    make_letters(12);
    assert_listed("", 12);
    assert_listed("?provider=sms-mms", 6);
    assert_listed("?provider=email", 6);
    assert_listed("?reason=timeout", 4);
    assert_listed("?reason=expired", 4);
    assert_listed("?reason=poison", 0);
    assert_listed("?provider=email&reason=rejected", 2);
    assert_listed("?since=2024-11-01T13:57:00Z", 4);
    assert_listed("?since=2024-11-01T15:57:00%2B02:00&provider=email", 2);
    assert_listed("?since=2024-11-01T13:57:00Z&reason=rejected&provider=sms-mms", 1);
}
END_TEST

START_TEST(the_list_is_newest_first_and_its_cursor_meets_each_once) {
    make_letters(23);
    char *cursor = xstrdup("");
    char last[40] = "9999";
    int seen = 0;
    for (int page = 1; cursor != NULL; page++) {
        char *path = xasprintf(LETTERS "?pageSize=5%s%s", *cursor != '\0' ? "&cursor=" : "", cursor);
        struct answer *answer = get(path);
        ck_assert_int_eq(answer->status, 200);
        ck_assert_int_eq((int64_t)answer_number(answer, "meta.page"), page);
        ck_assert(cJSON_IsNull(answer_at(answer, "meta.total")));
        const cJSON *item;
        cJSON_ArrayForEach(item, answer_at(answer, "items")) {
            const char *failed_at = cJSON_GetStringValue(cJSON_GetObjectItem(item, "failed_at"));
            ck_assert_str_lt(failed_at, last);
            snprintf(last, sizeof last, "%s", failed_at);
            seen++;
        }
        free(cursor);
        const char *next = answer_text(answer, "meta.next_cursor");
        cursor = *next != '\0' ? xstrdup(next) : NULL;
        answer_free(answer);
        free(path);
    }
    ck_assert_int_eq(seen, 23);
}
END_TEST

START_TEST(a_quarantined_entry_is_listed_with_what_it_held_and_is_not_replayed) {
    freeReplyObject(stack_redis(stack, "XADD events:{sms-mms:0} * what is this entry"));
    WAIT_FOR(10000, letters() == 1);
    char *id = stack_sql_text(stack, "SELECT id FROM dead_letters");
    struct answer *answer = letter_of(id);
    ck_assert(cJSON_IsNull(answer_at(answer, "message_id")));
    ck_assert_str_eq(answer_text(answer, "payload.what"), "is");
    answer_free(answer);
    assert_listed("?reason=poison", 1);
    assert_replay("ingest-1", id, 409, "conflict");
    ck_assert_int_eq(replay_many("{}"), 0);
    WAIT_FOR(10000, stack_redis_int(stack, "XLEN " JOBS) == 0); // a job of none ends as well
    free(id);
}
END_TEST

// The events of a message's timeline as "event/generation …", without persisted, whose place depends on the batches.
static char *timeline_of(const char *message_id) {
    char *path = xasprintf("/api/messages/%s", message_id);
    struct answer *answer = get(path);
    char *text = xstrdup("");
    char last[40] = "";
    const cJSON *event;
    cJSON_ArrayForEach(event, answer_at(answer, "timeline")) {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(event, "event"));
        const char *at = cJSON_GetStringValue(cJSON_GetObjectItem(event, "at"));
        const cJSON *generation = cJSON_GetObjectItem(event, "generation");
        ck_assert_uint_eq(strlen(at), strlen("2024-11-01T14:00:00.000Z"));
        ck_assert_str_le(last, at);
        snprintf(last, sizeof last, "%s", at);
        if (strcmp(name, "persisted") != 0) {
            char *longer = xasprintf("%s%s%s/%d", text, *text != '\0' ? " " : "", name,
                                     generation != NULL ? generation->valueint : 0);
            free(text);
            text = longer;
        }
    }
    answer_free(answer);
    free(path);
    return text;
}

static void assert_timeline(const char *message_id, const char *expected) {
    char *timeline = timeline_of(message_id);
    ck_assert_str_eq(timeline, expected);
    free(timeline);
}

START_TEST(a_replay_keeps_the_message_and_its_conversation_and_the_timeline_shows_both_generations) {
    start_refusing();
    char *id;
    char *letter = fail_one(PATH_SMS, payload_sms(OURS, THEIRS, "once more"), &id);
    stop_dispatcher();
    assert_timeline(id, "accepted/0 attempt/0 failed/0");
    int64_t conversation = stack_sql(stack, "SELECT conversation_id FROM messages WHERE id = '%s'", id);
    int64_t count =
        stack_sql(stack, "SELECT message_count FROM conversations WHERE id = %lld", (long long)conversation);
    struct answer *answer = replay_from("ingest-1", letter, NULL);
    ck_assert_int_eq(answer->status, 202);
    ck_assert_str_eq(answer_text(answer, "status"), "accepted");
    ck_assert_str_eq(answer_text(answer, "id"), id);
    answer_free(answer);
    WAIT_FOR(10000, has_status(id, "queued"));
    start_sending();
    WAIT_FOR(10000, has_status(id, "sent"));
    assert_timeline(id, "accepted/0 attempt/0 failed/0 replayed/1 attempt/1 sent/1");
    ck_assert_int_eq(stack_sql(stack, "SELECT conversation_id FROM messages WHERE id = '%s'", id), conversation);
    ck_assert_int_eq(
        stack_sql(stack, "SELECT message_count FROM conversations WHERE id = %lld", (long long)conversation), count);
    answer = letter_of(letter);
    ck_assert(cJSON_IsString(answer_at(answer, "replayed_at")));
    answer_free(answer);
    free(letter);
    free(id);
}
END_TEST

START_TEST(the_timeline_shows_what_each_call_came_to) {
    start_refusing();
    char *id;
    free(fail_one(PATH_SMS, payload_sms(OURS, THEIRS, "x"), &id));
    char *path = xasprintf("/api/messages/%s", id);
    struct answer *answer = get(path);
    const cJSON *call = NULL;
    cJSON_ArrayForEach(call, answer_at(answer, "timeline")) {
        if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(call, "event")), "attempt") == 0) {
            break;
        }
    }
    ck_assert_ptr_nonnull(call);
    ck_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(call, "provider")), "sms-mms");
    ck_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(call, "outcome")), "rejected");
    ck_assert_int_eq(cJSON_GetObjectItem(call, "attempt")->valueint, 1);
    ck_assert_int_eq(cJSON_GetObjectItem(call, "http_status")->valueint, 414);
    ck_assert(cJSON_GetObjectItem(call, "latency_ms")->valuedouble > 0);
    ck_assert(cJSON_IsNull(cJSON_GetObjectItem(call, "next_attempt_at")));
    ck_assert(cJSON_IsFalse(cJSON_GetObjectItem(call, "late")));
    ck_assert(cJSON_IsString(cJSON_GetObjectItem(call, "error")));
    answer_free(answer);
    free(path);
    free(id);
}
END_TEST

START_TEST(a_retry_shows_when_the_next_call_is_due_and_a_sent_message_the_providers_id) {
    const char *failing = "{\"timeout_pct\":0,\"error_pct\":100,\"ratelimit_pct\":0}";
    const char *well = "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0}";
    int changes = stack_log_count(stack, "mock-provider", "mock_config_changed");
    ck_assert_int_eq(stack_status(stack, "ingest-1", "PUT", "/api/provider/mock/config", failing), 200);
    WAIT_FOR(10000, stack_log_count(stack, "mock-provider", "mock_config_changed") > changes);
    stack_start_with(stack, "dispatcher-1", (const char *const[]){"API_BREAKER_ERROR_THRESHOLD=1000", NULL});
    char *id = send_accepted(stack, "ingest-1", PATH_SMS, payload_sms(OURS, THEIRS, "x"));
    WAIT_FOR(10000, has_status(id, "retrying"));
    ck_assert_int_eq(stack_status(stack, "ingest-1", "PUT", "/api/provider/mock/config", well), 200);
    WAIT_FOR(10000, has_status(id, "sent"));
    char *path = xasprintf("/api/messages/%s", id);
    struct answer *answer = get(path);
    const cJSON *event = NULL;
    int waits = 0;
    cJSON_ArrayForEach(event, answer_at(answer, "timeline")) {
        const cJSON *due = cJSON_GetObjectItem(event, "next_attempt_at");
        const char *outcome = cJSON_GetStringValue(cJSON_GetObjectItem(event, "outcome"));
        if (outcome != NULL && strcmp(outcome, "server_error") == 0) {
            ck_assert_str_ge(cJSON_GetStringValue(due), cJSON_GetStringValue(cJSON_GetObjectItem(event, "at")));
            waits++;
        } else {
            ck_assert(due == NULL || cJSON_IsNull(due));
        }
    }
    ck_assert_int_ge(waits, 1);
    char *provider_id = stack_sql_text(stack, "SELECT provider_message_id FROM deliveries WHERE message_id = '%s'", id);
    ck_assert_str_eq(answer_text(answer, "provider_message_id"), provider_id);
    answer_free(answer);
    free(provider_id);
    free(path);
    free(id);
}
END_TEST

struct rival {
    const char *ingest;
    const char *letter;
    long status;
};

static void *compete(void *argument) {
    struct rival *rival = argument;
    struct answer *answer = replay_from(rival->ingest, rival->letter, NULL);
    rival->status = answer->status;
    answer_free(answer);
    return NULL;
}

START_TEST(of_many_who_replay_a_dead_letter_at_once_exactly_one_does) {
    enum { RIVALS = 12 };
    start_refusing();
    char *id;
    char *letter = fail_one(PATH_SMS, payload_sms(OURS, THEIRS, "x"), &id);
    stop_dispatcher();
    pthread_t threads[RIVALS];
    struct rival rivals[RIVALS];
    for (int i = 0; i < RIVALS; i++) {
        rivals[i] = (struct rival){.ingest = i % 2 == 0 ? "ingest-1" : "ingest-2", .letter = letter};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, compete, &rivals[i]), 0);
    }
    int accepted = 0;
    for (int i = 0; i < RIVALS; i++) {
        pthread_join(threads[i], NULL);
        accepted += rivals[i].status == 202;
        ck_assert(rivals[i].status == 202 || rivals[i].status == 409);
    }
    ck_assert_int_eq(accepted, 1);
    WAIT_FOR(10000, letters() == 0);
    assert_replay("ingest-1", letter, 409, "conflict"); // by Postgres's word now
    assert_replay("ingest-2", letter, 409, "conflict");
    ck_assert_int_eq(stack_redis_int(stack, "XLEN outbound:{sms-mms:0}"), 1);
    start_sending();
    WAIT_FOR(10000, has_status(id, "sent"));
    free(letter);
    free(id);
}
END_TEST

START_TEST(a_replay_repeated_under_its_idempotency_key_is_answered_as_the_first) {
    start_refusing();
    char *first = fail_one(PATH_SMS, payload_sms(OURS, THEIRS, "x"), NULL);
    char *second = fail_one(PATH_SMS, payload_sms(OURS, THEIRS, "y"), NULL);
    stop_dispatcher();
    for (int i = 0; i < 3; i++) {
        struct answer *answer = replay_from(i == 1 ? "ingest-2" : "ingest-1", first, "the key");
        ck_assert_msg(answer->status == 202, "%ld: %s", answer->status, answer->body);
        char *replayed = answer_header(answer, "Idempotent-Replayed");
        ck_assert_int_eq(replayed != NULL, i > 0);
        free(replayed);
        answer_free(answer);
        WAIT_FOR(10000, letters() == 1); // the persister has recorded it
    }
    struct answer *answer = replay_from("ingest-1", second, "the key");
    ck_assert_int_eq(answer->status, 422);
    answer_free(answer);
    ck_assert_int_eq(stack_redis_int(stack, "XLEN outbound:{sms-mms:0}"), 1);
    start_sending();
    WAIT_FOR(10000, stack_is_drained(stack));
    free(first);
    free(second);
}
END_TEST

START_TEST(a_message_that_fails_again_is_another_dead_letter_and_can_be_replayed_again) {
    start_refusing();
    char *id;
    char *letter = fail_one(PATH_EMAIL, payload_email("a@x.com", "b@x.com", "x"), &id);
    assert_replay("ingest-1", letter, 202, "");
    WAIT_FOR(10000, stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE message_id = '%s'", id) == 2);
    stop_dispatcher();
    assert_replay("ingest-1", letter, 409, "conflict");
    char *again = stack_sql_text(stack, "SELECT max(id) FROM dead_letters WHERE message_id = '%s'", id);
    assert_replay("ingest-1", again, 202, "");
    start_sending();
    WAIT_FOR(10000, has_status(id, "sent"));
    assert_timeline(id, "accepted/0 attempt/0 failed/0 replayed/1 attempt/1 failed/1 replayed/2 attempt/2 sent/2");
    free(again);
    free(letter);
    free(id);
}
END_TEST

START_TEST(a_dry_run_counts_and_replays_nothing) {
    start_refusing();
    free(fail_one(PATH_SMS, payload_sms(OURS, THEIRS, "x"), NULL));
    free(fail_one(PATH_SMS, payload_sms(OURS, THEIRS, "y"), NULL));
    free(fail_one(PATH_EMAIL, payload_email("a@x.com", "b@x.com", "x"), NULL));
    stop_dispatcher();
    ck_assert_int_eq(replay_many("{\"dry_run\":true}"), 3);
    ck_assert_int_eq(replay_many("{\"dry_run\":true,\"provider\":\"email\"}"), 1);
    ck_assert_int_eq(replay_many("{\"dry_run\":true,\"reason\":\"rejected\",\"provider\":\"sms-mms\"}"), 2);
    ck_assert_int_eq(replay_many("{\"dry_run\":true,\"reason\":\"timeout\"}"), 0);
    ck_assert_int_eq(replay_many("{\"dry_run\":true,\"since\":\"2100-01-01T00:00:00Z\"}"), 0);
    ck_assert_int_eq(stack_redis_int(stack, "XLEN " JOBS), 0);
    ck_assert_int_eq(letters(), 3);
}
END_TEST

START_TEST(a_replay_of_many_takes_what_its_filters_name_and_nothing_else) {
    int finished = stack_log_count(stack, "persister-1", "replay_finished");
    int broken = stack_log_count(stack, "persister-1", "redis_down");
    start_refusing();
    char *id;
    free(fail_one(PATH_SMS, payload_sms(OURS, THEIRS, "x"), NULL));
    free(fail_one(PATH_EMAIL, payload_email("a@x.com", "b@x.com", "x"), &id));
    stop_dispatcher();
    start_sending();
    ck_assert_int_eq(replay_many("{\"provider\":\"email\",\"reason\":\"rejected\"}"), 1);
    WAIT_FOR(10000, has_status(id, "sent"));
    WAIT_FOR(10000, stack_redis_int(stack, "XLEN " JOBS) == 0);
    WAIT_FOR(10000, stack_log_count(stack, "persister-1", "replay_finished") == finished + 1 ||
                        stack_log_count(stack, "persister-1", "redis_down") > broken);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL AND provider = "
                                      "'sms-mms'"),
                     1);
    free(id);
}
END_TEST

START_TEST(a_replay_of_many_repeated_under_its_key_is_one) {
    make_letters(4); // whose messages are missing: a job skips them
    const char *headers[] = {"Idempotency-Key: many", NULL};
    for (int i = 0; i < 2; i++) {
        struct answer *answer = stack_call(stack, i == 0 ? "ingest-1" : "ingest-2", "POST", REPLAY_MANY,
                                           "{\"provider\":\"email\"}", headers);
        ck_assert_int_eq(answer->status, 202);
        ck_assert_int_eq((int64_t)answer_number(answer, "matched"), 2);
        char *replayed = answer_header(answer, "Idempotent-Replayed");
        ck_assert_int_eq(replayed != NULL, i > 0);
        free(replayed);
        answer_free(answer);
        (void)stack_sql(stack, "DELETE FROM dead_letters WHERE provider = 'email'");
    }
    struct answer *answer = stack_call(stack, "ingest-1", "POST", REPLAY_MANY, "{}", headers);
    ck_assert_int_eq(answer->status, 422);
    answer_free(answer);
    WAIT_FOR(10000, stack_redis_int(stack, "XLEN " JOBS) == 0);
}
END_TEST

// The most replays that any second held, by Redis's clock; and how many it may hold: what a tenth of a second holds may
// be made up for, and as much may have been on its way to Redis when the second began.
#define MOST_IN_A_SECOND(rate) ((rate) + 2 * ((rate) / 10 + 1))

static int64_t busiest_second(void) {
    return stack_sql(stack, "SELECT max(n) FROM (SELECT count(*) OVER (ORDER BY replayed_at RANGE BETWEEN CURRENT ROW "
                            "AND interval '999 milliseconds' FOLLOWING) AS n FROM replays) AS seconds");
}

static int64_t duration_ms(void) {
    return stack_sql(stack, "SELECT (extract(epoch FROM max(replayed_at) - min(replayed_at)) * 1000)::bigint FROM "
                            "replays");
}

static int64_t sent_again(void) {
    return stack_sql(stack,
                     "SELECT count(*) FROM replays AS r JOIN deliveries AS d USING (message_id) WHERE d.status = "
                     "'sent' AND d.generation = 1");
}

START_TEST(a_thousand_dead_letters_are_replayed_at_the_pace_asked_for_and_all_arrive) {
    enum { COUNT = 1000, RATE = 200 };
    fail_many(COUNT);
    start_sending();
    ck_assert_int_eq(replay_many("{\"per_second\":200}"), COUNT);
    WAIT_FOR(30000, sent_again() == COUNT);
    printf("%d dead letters at %d/s: replayed in %lld ms, at most %lld in a second\n", COUNT, RATE,
           (long long)duration_ms(), (long long)busiest_second());
    ck_assert_int_le(busiest_second(), MOST_IN_A_SECOND(RATE));
    ck_assert_int_eq(letters(), 0);
    ck_assert_int_eq(stack_sql(stack,
                               "SELECT count(*) FROM dispatch_attempts AS a JOIN replays AS r USING (message_id, "
                               "generation)"),
                     COUNT);
    ck_assert_int_eq(stack_sql(stack,
                               "SELECT count(*) FROM (SELECT d.id < max(d.id) OVER (ORDER BY r.replayed_at RANGE "
                               "BETWEEN UNBOUNDED PRECEDING AND interval '1 millisecond' PRECEDING) AS early "
                               "FROM replays AS r JOIN dead_letters AS d USING (message_id)) AS o WHERE early"),
                     0); // in the order in which they came
}
END_TEST

static int64_t replayed(void) {
    return stack_redis_int(stack, "XLEN outbound:{sms-mms:0}");
}

// No dispatcher runs, so each replay stands in the stream: as many as there were dead letters, each message once.
static void assert_each_once(int count) {
    redisReply *reply = stack_redis(stack, "XRANGE outbound:{sms-mms:0} - +");
    ck_assert_uint_eq(reply_count(reply), count);
    freeReplyObject(reply);
    WAIT_FOR(20000, stack_sql(stack, "SELECT count(*) FROM replays") == count);
    start_sending();
    WAIT_FOR(20000, sent_again() == count);
    ck_assert_int_eq(stack_sql(stack,
                               "SELECT count(*) FROM dispatch_attempts AS a JOIN replays AS r USING (message_id, "
                               "generation) WHERE a.outcome = 'sent'"),
                     count);
}

// Where its connection broke before it heard that the job is done, it finds it gone.
static bool persister_2_has_ended_it(void) {
    int finished = stack_log_count(stack, "persister-2", "replay_finished");
    return finished == 1 || (finished == 0 && stack_log_count(stack, "persister-2", "replay_lost") == 1 &&
                             stack_log_count(stack, "persister-2", "redis_down") > 0);
}

START_TEST(when_the_persister_that_runs_a_replay_dies_another_goes_on_and_repeats_nothing) {
    enum { COUNT = 300 };
    fail_many(COUNT);
    stack_start(stack, "persister-2");
    stack_signal(stack, "persister-2", SIGSTOP); // until the other has begun it
    ck_assert_int_eq(replay_many("{\"per_second\":200}"), COUNT);
    WAIT_FOR(10000, replayed() > 50);
    stack_signal(stack, "persister-2", SIGCONT);
    WAIT_FOR(10000, replayed() > 120);
    stack_kill(stack, "persister-1");
    ck_assert_int_lt(replayed(), COUNT);
    WAIT_FOR(30000, stack_redis_int(stack, "XLEN " JOBS) == 0);
    WAIT_FOR(5000, persister_2_has_ended_it());
    assert_each_once(COUNT);
    ck_assert_int_le(busiest_second(), MOST_IN_A_SECOND(200));
    stack_stop(stack, "persister-2");
}
END_TEST

START_TEST(a_persister_that_dies_and_comes_back_goes_on_where_it_was) {
    enum { COUNT = 300 };
    fail_many(COUNT);
    ck_assert_int_eq(replay_many("{\"per_second\":300}"), COUNT);
    for (int i = 1; i <= 2; i++) {
        WAIT_FOR(10000, replayed() > i * 80);
        stack_kill(stack, "persister-1");
        stack_start(stack, "persister-1");
    }
    WAIT_FOR(30000, stack_redis_int(stack, "XLEN " JOBS) == 0);
    assert_each_once(COUNT);
}
END_TEST

START_TEST(when_redis_dies_in_the_middle_of_a_replay_it_goes_on_and_repeats_nothing) {
    enum { COUNT = 300 };
    fail_many(COUNT);
    ck_assert_int_eq(replay_many("{\"per_second\":200}"), COUNT);
    WAIT_FOR(10000, replayed() > 120);
    stack_kill(stack, "redis");
    stack_start(stack, "redis");
    WAIT_FOR(30000, stack_redis_int(stack, "XLEN " JOBS) == 0);
    assert_each_once(COUNT);
}
END_TEST

START_TEST(when_postgres_is_away_in_the_middle_of_a_replay_it_goes_on_afterwards) {
    enum { COUNT = 300 };
    fail_many(COUNT);
    ck_assert_int_eq(replay_many("{\"per_second\":200}"), COUNT);
    WAIT_FOR(10000, replayed() > 120);
    stack_stop(stack, "postgres");
    stack_start(stack, "postgres");
    WAIT_FOR(30000, stack_redis_int(stack, "XLEN " JOBS) == 0);
    assert_each_once(COUNT);
}
END_TEST

START_TEST(a_job_that_can_not_be_read_is_set_aside_and_the_next_one_runs) {
    start_refusing();
    char *id;
    free(fail_one(PATH_SMS, payload_sms(OURS, THEIRS, "x"), &id));
    stop_dispatcher();
    start_sending();
    freeReplyObject(stack_redis(stack, "XADD " JOBS " * what is this"));
    ck_assert_int_eq(replay_many("{}"), 1);
    WAIT_FOR(10000, has_status(id, "sent"));
    WAIT_FOR(10000, stack_redis_int(stack, "XLEN " JOBS) == 0);
    free(id);
}
END_TEST

START_TEST(dead_letters_older_than_30_days_go) {
    make_letters(3);
    (void)stack_sql(stack, "UPDATE dead_letters SET failed_at = now() - interval '30 days 1 hour' WHERE provider = "
                           "'sms-mms'");
    (void)stack_sql(stack, "UPDATE dead_letters SET failed_at = now() - interval '29 days 23 hours' WHERE provider = "
                           "'email'");
    stack_stop(stack, "persister-1");
    stack_start(stack, "persister-1");
    WAIT_FOR(10000, letters() == 1);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE provider = 'email'"), 1);
}
END_TEST

// The plan of a statement in a file, for any values.
static char *plan_of(const char *file, int parameters) {
    char *path = xasprintf("%s/%s", getenv("PROJECT_ROOT"), file);
    char *sql = read_whole_file(path);
    ck_assert_msg(sql != NULL, "%s", path);
    (void)stack_sql(stack, "DEALLOCATE ALL");
    (void)stack_sql(stack, "PREPARE checked AS %s", sql);
    char list[64] = "NULL";
    for (int i = 1; i < parameters; i++) {
        strcat(list, ", NULL");
    }
    char *plan = stack_sql_text(stack, "EXPLAIN (FORMAT JSON) EXECUTE checked(%s)", list);
    ck_assert_msg(plan != NULL, "%s", file);
    free(sql);
    free(path);
    return plan;
}

START_TEST(no_statement_about_dead_letters_walks_or_sorts_a_table) {
    static const struct {
        const char *file;
        int parameters;
        bool sorts; // a few rows: one message's
    } statements[] = {
        {"ingest/read/sql/dead_letters.sql", 6, false},
        {"ingest/read/sql/dead_letters_of_provider.sql", 7, false},
        {"ingest/read/sql/dead_letters_of_class.sql", 7, false},
        {"ingest/read/sql/dead_letters_of_provider_and_class.sql", 8, false},
        {"ingest/read/sql/dead_letter.sql", 1, false},
        {"ingest/read/sql/dead_letters_open.sql", 3, false},
        {"ingest/read/sql/message.sql", 1, true},
        {"persister/sql/replay_page.sql", 6, false},
    };
    // What is off is still taken where there is no other way.
    (void)stack_sql(stack, "SET enable_seqscan = off");
    (void)stack_sql(stack, "SET enable_sort = off");
    (void)stack_sql(stack, "SET plan_cache_mode = force_generic_plan");
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        char *plan = plan_of(statements[i].file, statements[i].parameters);
        ck_assert_msg(strstr(plan, "\"Seq Scan\"") == NULL, "%s: %s", statements[i].file, plan);
        ck_assert_msg(statements[i].sorts || strstr(plan, "\"Sort\"") == NULL, "%s: %s", statements[i].file, plan);
        free(plan);
    }
    (void)stack_sql(stack, "RESET ALL");
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_dead_letters(void);

Suite *suite_dead_letters(void) {
    Suite *suite = suite_create("dead_letters");
    TCase *tests = tcase_create("dead_letters");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, a_permanent_refusal_is_a_dead_letter_that_shows_the_payload_of_its_send);
    tcase_add_test(tests, the_list_filters_by_provider_reason_and_time);
    tcase_add_test(tests, the_list_is_newest_first_and_its_cursor_meets_each_once);
    tcase_add_test(tests, a_quarantined_entry_is_listed_with_what_it_held_and_is_not_replayed);
    tcase_add_test(tests, a_replay_keeps_the_message_and_its_conversation_and_the_timeline_shows_both_generations);
    tcase_add_test(tests, the_timeline_shows_what_each_call_came_to);
    tcase_add_test(tests, a_retry_shows_when_the_next_call_is_due_and_a_sent_message_the_providers_id);
    tcase_add_test(tests, of_many_who_replay_a_dead_letter_at_once_exactly_one_does);
    tcase_add_test(tests, a_replay_repeated_under_its_idempotency_key_is_answered_as_the_first);
    tcase_add_test(tests, a_message_that_fails_again_is_another_dead_letter_and_can_be_replayed_again);
    tcase_add_test(tests, a_dry_run_counts_and_replays_nothing);
    tcase_add_test(tests, a_replay_of_many_takes_what_its_filters_name_and_nothing_else);
    tcase_add_test(tests, a_replay_of_many_repeated_under_its_key_is_one);
    tcase_add_test(tests, a_thousand_dead_letters_are_replayed_at_the_pace_asked_for_and_all_arrive);
    tcase_add_test(tests, when_the_persister_that_runs_a_replay_dies_another_goes_on_and_repeats_nothing);
    tcase_add_test(tests, a_persister_that_dies_and_comes_back_goes_on_where_it_was);
    tcase_add_test(tests, when_redis_dies_in_the_middle_of_a_replay_it_goes_on_and_repeats_nothing);
    tcase_add_test(tests, when_postgres_is_away_in_the_middle_of_a_replay_it_goes_on_afterwards);
    tcase_add_test(tests, a_job_that_can_not_be_read_is_set_aside_and_the_next_one_runs);
    tcase_add_test(tests, dead_letters_older_than_30_days_go);
    tcase_add_test(tests, no_statement_about_dead_letters_walks_or_sorts_a_table);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
