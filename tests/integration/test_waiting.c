// SPDX-License-Identifier: MIT
// Sends that wait, for their time or for the one before them, and those that were cancelled, as they are recorded and
// shown. Entries are put into the stream by hand; every order of them is the suite `delivered`'s.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/rfc3339.h"
#include "shared/message/message.h"
#include "tests/support/events.h"
#include "tests/support/reply.h"
#include "tests/support/stack.h"
#include "tests/support/watcher.h"

#define DAY_MS (24LL * 3600 * 1000)
#define MOST_DAYS 35 // that a send may be ahead

Suite *suite_waiting(void);

static struct stack *stack;

static void start(void) {
    stack = stack_create("waiting", NULL);
    stack_start(stack, "postgres");
    stack_start(stack, "ingest-1");
    stack_start(stack, "persister-1");
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
}

static void drain_events(void) {
    WAIT_FOR(20000, stack_redis_int(stack, "XLEN events:{sms-mms:0}") == 0);
}

static struct answer *get(const char *folder, const char *name) {
    char *whole = xasprintf("/api/%s%s", folder, name);
    struct answer *answer = stack_call(stack, "ingest-1", "GET", whole, NULL, NULL);
    ck_assert_msg(answer->status == 200, "%s: %ld %s", whole, answer->status, answer->body);
    free(whole);
    return answer;
}

static void assert_status(const char *id, const char *expected) {
    struct answer *answer = get("messages/", id);
    ck_assert_str_eq(answer_text(answer, "status"), expected);
    answer_free(answer);
}

// The events of a message's timeline as "event/generation …", without persisted, whose place depends on the batches.
static void assert_timeline(const char *id, const char *expected) {
    struct answer *answer = get("messages/", id);
    struct buf events = {0};
    const cJSON *one;
    cJSON_ArrayForEach(one, answer_at(answer, "timeline")) {
        const char *event = cJSON_GetObjectItem(one, "event")->valuestring;
        const cJSON *generation = cJSON_GetObjectItem(one, "generation");
        if (strcmp(event, "persisted") != 0) {
            buf_printf(&events, "%s%s/%d", events.length > 0 ? " " : "", event,
                       generation == NULL ? 0 : generation->valueint);
        }
    }
    ck_assert_str_eq(events.data, expected);
    buf_free(&events);
    answer_free(answer);
}

// ---- What waits

START_TEST(a_message_shows_when_it_was_to_be_sent_apart_from_its_time) {
    const int64_t due_ms = (clock_unix_ms() / 1000 + 3600) * 1000;
    char shown[RFC3339_SIZE];
    rfc3339_format(due_ms, shown);
    char *later = events_new_id(), *now = events_new_id();
    free(events_add_waiting(stack, later, "+17300000001", "scheduled", due_ms));
    free(events_add_waiting(stack, now, "+17300000001", "queued", MESSAGE_SEND_NOW));
    drain_events();
    struct answer *one = get("messages/", later), *other = get("messages/", now);
    ck_assert_str_eq(answer_text(one, "status"), "scheduled");
    ck_assert_str_eq(answer_text(one, "send_at"), shown);
    ck_assert_str_lt(answer_text(one, "timestamp"), shown);
    ck_assert(cJSON_IsNull(answer_at(other, "send_at")));
    char *name = xasprintf("%s/messages", answer_text(one, "conversation_id"));
    struct answer *thread = get("conversations/", name);
    free(name);
    ck_assert_str_eq(answer_text(thread, "items.0.send_at"), shown); // in the place of its time, before what came later
    ck_assert_str_eq(answer_text(thread, "items.0.status"), "scheduled");
    ck_assert(cJSON_IsNull(answer_at(thread, "items.1.send_at")));
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM conversations WHERE last_activity_at > now()"), 0);
    answer_free(thread);
    answer_free(other);
    answer_free(one);
    free(now);
    free(later);
}
END_TEST

START_TEST(what_it_waits_for_is_its_status_until_its_first_outcome) {
    static const char *const states[] = {"queued", "held", "scheduled"};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        char *id = events_new_id();
        free(events_add_waiting(stack, id, "+17300000002", states[i], MESSAGE_SEND_NOW));
        drain_events();
        assert_status(id, states[i]);
        free(events_add_outcome(stack, id, 0, 1, "retry", "timeout"));
        drain_events();
        assert_status(id, "retrying");
        free(id);
    }
    char *former = events_new_id(); // an entry of a release that knew of no waiting
    free(events_add_accepted(stack, former, "+17300000002", "x"));
    drain_events();
    assert_status(former, "queued");
    free(former);
}
END_TEST

// Nothing that is deleted for its age, nor what looks for what has stood still, takes it for old.
START_TEST(what_waits_for_weeks_is_neither_forgotten_nor_in_the_way) {
    char *id = events_new_id();
    free(events_add_waiting(stack, id, "+17300000003", "scheduled", clock_unix_ms() + MOST_DAYS * DAY_MS));
    drain_events();
    free(stack_sql_text(stack,
                        "UPDATE deliveries SET updated_at = now() - interval '34 days' WHERE message_id = '%s' "
                        "RETURNING 1",
                        id));
    free(stack_sql_text(stack, "INSERT INTO dead_letters (stage, generation, provider, reason, attempts, failed_at, "
                               "stream, entry_id, entry) VALUES ('persist', 0, 'sms-mms', 'old', 0, now() - interval "
                               "'31 days', 's', '1-1', '{}') RETURNING 1"));
    stack_stop(stack, "persister-1");
    stack_start(stack, "persister-1"); // the janitor looks soon after the start
    WAIT_FOR(20000, stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE reason = 'old'") == 0);
    assert_status(id, "scheduled");
    free(events_add_outcome(stack, id, 0, 1, "failed", "rejected"));
    drain_events();
    ck_assert_int_eq(stack_sql(stack,
                               "SELECT count(*) FROM dead_letters WHERE message_id = '%s' AND failed_at > now() - "
                               "interval '1 minute'",
                               id),
                     1);
    free(id);
}
END_TEST

// ---- What was cancelled

START_TEST(the_timeline_shows_that_it_was_cancelled_and_no_call_for_it) {
    char *waits = events_new_id(), *retried = events_new_id();
    free(events_add_waiting(stack, waits, "+17300000004", "held", MESSAGE_SEND_NOW));
    free(events_add_waiting(stack, retried, "+17300000004", "queued", MESSAGE_SEND_NOW));
    drain_events(); // so that what follows is of a later millisecond
    free(events_add_cancelled(stack, waits, 0, 1));
    free(events_add_outcome(stack, retried, 0, 1, "retry", "timeout"));
    drain_events();
    free(events_add_cancelled(stack, retried, 0, 2));
    drain_events();
    assert_status(waits, "cancelled");
    assert_timeline(waits, "accepted/0 cancelled/0");
    assert_status(retried, "cancelled");
    assert_timeline(retried, "accepted/0 attempt/0 cancelled/0");
    free(events_add_outcome(stack, retried, 0, 1, "sent", "sent")); // the call that timed out was one
    drain_events();
    assert_status(retried, "sent");
    struct answer *answer = get("messages/", retried);
    ck_assert_ptr_nonnull(strstr(answer->body, "\"event\" : \"cancelled\""));
    answer_free(answer);
    free(retried);
    free(waits);
}
END_TEST

START_TEST(what_is_cancelled_is_no_dead_letter_and_the_one_of_a_replay_stays_closed) {
    char *id = events_new_id(), *first = events_new_id();
    free(events_add_waiting(stack, first, "+17300000005", "scheduled", clock_unix_ms() + DAY_MS));
    free(events_add_cancelled(stack, first, 0, 1));
    free(events_add_accepted(stack, id, "+17300000005", "x"));
    drain_events(); // so that what follows is of a later millisecond
    free(events_add_outcome(stack, id, 0, 1, "failed", "credentials"));
    free(events_add_replayed(stack, id, 1));
    free(events_add_outcome(stack, id, 1, 1, "retry", "timeout"));
    free(events_add_cancelled(stack, id, 1, 2));
    drain_events();
    assert_status(first, "cancelled");
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM dead_letters WHERE message_id = '%s'", first), 0);
    assert_status(id, "cancelled");
    assert_timeline(id, "accepted/0 attempt/0 failed/0 replayed/1 attempt/1 cancelled/1");
    char *path = stack_sql_text(stack,
                                "SELECT '/api/dead-letters/' || id || '/replay' FROM dead_letters WHERE message_id = "
                                "'%s' AND generation = 0",
                                id);
    struct answer *again = stack_call(stack, "ingest-1", "POST", path, NULL, NULL);
    ck_assert_msg(again->status == 409, "%ld: %s", again->status, again->body);
    answer_free(again);
    struct answer *many = stack_call(stack, "ingest-1", "POST", "/api/dead-letters/replay",
                                     "{\"dry_run\":true,\"reason\":\"credentials\"}", NULL);
    ck_assert(answer_number(many, "matched") == 0);
    answer_free(many);
    free(path);
    free(first);
    free(id);
}
END_TEST

// ---- Who watches

START_TEST(the_feed_tells_of_what_waits_and_of_what_was_cancelled) {
    struct watcher *watcher = watcher_open(stack_port(stack, "ingest-1"), NULL);
    WAIT_FOR(10000, watcher_saw(watcher, "event: pipeline"));
    char *id = events_new_id();
    char *accepted = xasprintf("{\"id\":\"%s\",\"what\":\"accepted\"}", id);
    char *cancelled = xasprintf("{\"id\":\"%s\",\"what\":\"cancelled\"}", id);
    free(events_add_waiting(stack, id, "+17300000006", "scheduled", clock_unix_ms() + DAY_MS));
    WAIT_FOR(10000, watcher_saw(watcher, accepted));
    free(events_add_cancelled(stack, id, 0, 1));
    WAIT_FOR(10000, watcher_saw(watcher, cancelled));
    watcher_close(watcher);
    free(cancelled);
    free(accepted);
    free(id);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_waiting(void) {
    Suite *suite = suite_create("waiting");
    TCase *tests = tcase_create("waiting");
    tcase_set_timeout(tests, 120);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, a_message_shows_when_it_was_to_be_sent_apart_from_its_time);
    tcase_add_test(tests, what_it_waits_for_is_its_status_until_its_first_outcome);
    tcase_add_test(tests, what_waits_for_weeks_is_neither_forgotten_nor_in_the_way);
    tcase_add_test(tests, the_timeline_shows_that_it_was_cancelled_and_no_call_for_it);
    tcase_add_test(tests, what_is_cancelled_is_no_dead_letter_and_the_one_of_a_replay_stays_closed);
    tcase_add_test(tests, the_feed_tells_of_what_waits_and_of_what_was_cancelled);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
