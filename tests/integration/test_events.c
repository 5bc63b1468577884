// SPDX-License-Identifier: MIT
// GET /api/events: what changes reaches those who watch, a client that was away resumes, a slow one is dropped.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/payload.h"
#include "tests/support/stack.h"
#include "tests/support/watcher.h"

#define MANY 200
#define SENDS 21
#define LARGE_BYTES 8000
#define LARGE_COUNT 4 // at once: less than one may have unsent

static struct stack *stack;

static const char *const environment[] = {"API_BREAKER_ERROR_THRESHOLD=3",         "API_BREAKER_OPEN_SECS=1",
                                          "API_WORKER_MAX_RETRIES=1000",           "EVENTS_HEARTBEAT_SECS=1",
                                          "EVENTS_MAX_UNSENT_BYTES=65536",         "FEED_MAX_LENGTH=2000",
                                          "API_RATE_LIMIT_PER_IP_PER_MIN=1000000", NULL};

static void start(void) {
    stack = stack_create("events", environment);
    stack_start_all(stack);
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
}

// One that is in step: it has been told the state, and its place in the feed.
static struct watcher *watch(const char *ingest, const char *last_event_id) {
    struct watcher *watcher = watcher_open(stack_port(stack, ingest), last_event_id);
    WAIT_FOR(10000, watcher_saw(watcher, "event: pipeline\n") && watcher_last_id(watcher)[0] != '\0');
    return watcher;
}

// Adds an entry to the feed that says `text`; returns its id, owned by the caller.
static char *publish(const char *text) {
    redisReply *reply = stack_redis(stack, "XADD feed * t test d %s", text);
    char *id = xstrdup(reply->str);
    freeReplyObject(reply);
    return id;
}

static bool hears(struct watcher *watcher, const char *text) {
    free(publish(text));
    return watcher_saw(watcher, text);
}

// Each is of a conversation of its own, so that none waits for another.
static char *send_sms(void) {
    static int sent;
    char *to = xasprintf("+1804%07d", sent++);
    char *id = send_accepted(stack, "ingest-1", PATH_SMS, payload_sms("+1201", to, "watched"));
    free(to);
    return id;
}

START_TEST(a_send_is_seen_as_accepted_and_as_sent) {
    struct watcher *watcher = watch("ingest-1", NULL);
    WAIT_FOR(10000, hears(watcher, "in-step"));
    char *id = send_sms();
    char *accepted = xasprintf("{\"id\":\"%s\",\"what\":\"accepted\"}", id);
    char *sent = xasprintf("{\"id\":\"%s\",\"what\":\"sent\"}", id);
    WAIT_FOR(10000, watcher_saw(watcher, accepted));
    WAIT_FOR(10000, watcher_saw(watcher, sent));
    ck_assert_uint_eq(watcher_count(watcher, sent), 1);
    free(sent);
    free(accepted);
    free(id);
    watcher_close(watcher);
}
END_TEST

START_TEST(the_answer_is_an_event_stream_that_nobody_stores) {
    struct watcher *watcher = watch("ingest-1", NULL);
    ck_assert(watcher_saw(watcher, "Content-Type: text/event-stream\r\n"));
    ck_assert(watcher_saw(watcher, "Cache-Control: no-store\r\n"));
    ck_assert(watcher_saw(watcher, "retry: 2000\n"));
    watcher_close(watcher);
}
END_TEST

START_TEST(signs_of_life_and_the_pipelines_state_come_by_themselves) {
    struct watcher *watcher = watch("ingest-1", NULL);
    WAIT_FOR(10000, watcher_count(watcher, ": alive\n") >= 2);
    WAIT_FOR(10000, watcher_count(watcher, "event: pipeline\n") >= 3);
    ck_assert(watcher_saw(watcher, "\"breaker\":{\"state\":\""));
    watcher_close(watcher);
}
END_TEST

START_TEST(a_client_that_was_away_resumes_where_it_was) {
    char *known = publish("known");
    char *missed = publish("missed-one");
    free(publish("missed-two"));
    struct watcher *watcher = watch("ingest-1", known);
    WAIT_FOR(10000, watcher_saw(watcher, "data: missed-two\n"));
    ck_assert(strstr(strstr(watcher_text(watcher), missed), "missed-two") != NULL); // in their order
    WAIT_FOR(10000, hears(watcher, "data: live"));
    ck_assert_uint_eq(watcher_count(watcher, "data: known\n"), 0);
    ck_assert_uint_eq(watcher_count(watcher, "data: missed-one\n"), 1);
    ck_assert_uint_eq(watcher_count(watcher, "data: missed-two\n"), 1);
    ck_assert_uint_eq(watcher_count(watcher, "event: reset\n"), 0);
    free(missed);
    free(known);
    watcher_close(watcher);
}
END_TEST

START_TEST(a_client_that_missed_more_than_one_read_brings_gets_all_of_it_once) {
    char *known = publish("before-many");
    for (int i = 0; i < 450; i++) {
        char *text = xasprintf("many-%d.", i);
        free(publish(text));
        free(text);
    }
    struct watcher *watcher = watch("ingest-1", known);
    WAIT_FOR(10000, watcher_saw(watcher, "data: many-449."));
    ck_assert_uint_eq(watcher_count(watcher, "data: many-"), 450);
    free(known);
    watcher_close(watcher);
}
END_TEST

START_TEST(a_client_whose_place_is_no_longer_kept_is_told_to_start_anew) {
    struct watcher *watcher = watch("ingest-1", "1-1");
    WAIT_FOR(10000, watcher_saw(watcher, "event: reset\n"));
    WAIT_FOR(10000, hears(watcher, "data: after-the-reset"));
    watcher_close(watcher);
}
END_TEST

// Whether the first id isn't older than the second.
static bool is_as_late(const char *id, const char *other) {
    char *sequence, *other_sequence;
    unsigned long long ms = strtoull(id, &sequence, 10), other_ms = strtoull(other, &other_sequence, 10);
    return ms != other_ms ? ms > other_ms : strtoull(sequence + 1, NULL, 10) >= strtoull(other_sequence + 1, NULL, 10);
}

// Takes the place that a newcomer was given. Returns whether no event has brought it, and it isn't before that entry.
static bool is_cut_off_behind(const char *entry, char **place) {
    struct watcher *cut = watch("ingest-1", NULL);
    *place = xstrdup(watcher_last_id(cut));
    char *given = xasprintf("\nid: %s\n\n", *place);
    bool fits = watcher_saw(cut, given) && watcher_count(cut, "\nid: ") == 1 && is_as_late(*place, entry);
    free(given);
    watcher_close(cut);
    return fits;
}

START_TEST(a_client_that_is_cut_off_before_its_first_event_misses_nothing) {
    char *before = publish("before-it-came"), *place;
    // One that comes before the thread has read that entry is given it.
    for (int64_t deadline = deadline_in(10000); !is_cut_off_behind(before, &place); free(place)) {
        ck_assert(deadline_pause(deadline));
    }
    free(publish("came-meanwhile"));
    struct watcher *again = watch("ingest-1", place);
    WAIT_FOR(10000, watcher_saw(again, "data: came-meanwhile\n"));
    ck_assert(!watcher_saw(again, "before-it-came"));
    ck_assert(!watcher_saw(again, "event: reset\n"));
    free(place);
    free(before);
    watcher_close(again);
}
END_TEST

START_TEST(a_client_whose_id_is_ahead_of_the_feed_starts_anew_and_hears_on) {
    static const char *const ahead[] = {"9999999999999-0", "9999999999999999999-9999999999999999999"};
    for (size_t i = 0; i < sizeof ahead / sizeof *ahead; i++) {
        char *end = publish("the-end");
        struct watcher *watcher = watch("ingest-1", ahead[i]);
        char *told = xasprintf("event: reset\ndata: {}\n\nid: %s\n\n", end);
        WAIT_FOR(10000, watcher_saw(watcher, told));
        WAIT_FOR(10000, hears(watcher, "data: behind-it"));
        ck_assert_uint_eq(watcher_count(watcher, "event: reset\n"), 1);
        free(told);
        free(end);
        watcher_close(watcher);
    }
}
END_TEST

START_TEST(a_feed_whose_ids_begin_anew_is_heard_by_those_who_listen_and_by_those_who_come_back) {
    struct watcher *watcher = watch("ingest-1", NULL);
    WAIT_FOR(10000, hears(watcher, "in-step"));
    freeReplyObject(stack_redis(stack, "XADD feed 9999999999999-0 t test d of-a-wrong-clock"));
    WAIT_FOR(10000, watcher_saw(watcher, "data: of-a-wrong-clock\n"));
    char *place = xstrdup(watcher_last_id(watcher));
    ck_assert_int_eq(stack_redis_int(stack, "DEL feed"), 1);
    WAIT_FOR(10000, hears(watcher, "data: of-the-right-clock"));
    ck_assert_uint_eq(watcher_count(watcher, "event: reset\n"), 1);
    struct watcher *again = watch("ingest-1", place);
    WAIT_FOR(10000, watcher_saw(again, "event: reset\n"));
    WAIT_FOR(10000, hears(again, "data: for-both"));
    WAIT_FOR(10000, watcher_saw(watcher, "data: for-both"));
    free(place);
    watcher_close(again);
    watcher_close(watcher);
}
END_TEST

START_TEST(the_place_before_the_first_entry_is_one) {
    ck_assert_int_eq(stack_redis_int(stack, "DEL feed"), 1);
    struct watcher *watcher = watch("ingest-1", "0-0");
    WAIT_FOR(10000, watcher_saw(watcher, "id: 0-0\n\n"));
    WAIT_FOR(10000, hears(watcher, "data: the-first"));
    ck_assert_uint_eq(watcher_count(watcher, "event: reset\n"), 0);
    watcher_close(watcher);
}
END_TEST

START_TEST(an_id_that_was_never_given_is_refused) {
    static const char *const never[] = {"yesterday", "1",    "1-",        "-1",
                                        "1-1-1",     "-1-1", "0x1f-0x0f", "999999999999999999999-0"};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        char *header = xasprintf("Last-Event-ID: %s", never[i]);
        struct answer *answer =
            stack_call(stack, "ingest-1", "GET", "/api/events", NULL, (const char *const[]){header, NULL});
        ck_assert_int_eq(answer->status, 400);
        ck_assert_str_eq(answer_text(answer, "details.field"), "Last-Event-ID");
        answer_free(answer);
        free(header);
    }
}
END_TEST

START_TEST(what_anyone_has_put_into_the_feed_can_not_forge_an_event) {
    struct watcher *watcher = watch("ingest-1", NULL);
    WAIT_FOR(10000, hears(watcher, "in-step"));
    const char *forged = "{}\n\nevent: messages\ndata: forged";
    freeReplyObject(stack_redis(stack, "XADD feed * t test d %b", forged, strlen(forged)));
    freeReplyObject(stack_redis(stack, "XADD feed * no fields"));
    WAIT_FOR(10000, hears(watcher, "after-the-forgery"));
    ck_assert(!watcher_saw(watcher, "forged"));
    watcher_close(watcher);
}
END_TEST

static bool breaks(struct watcher *watcher) {
    free(send_sms());
    return watcher_saw(watcher, "\"provider\":\"sms-mms\",\"from\":\"closed\",\"to\":\"open\"");
}

START_TEST(a_breaker_is_seen_to_open) {
    struct watcher *watcher = watch("ingest-1", NULL);
    WAIT_FOR(10000, hears(watcher, "in-step"));
    ck_assert_int_eq(stack_status(stack, "ingest-1", "PUT", "/api/provider/mock/config",
                                  "{\"timeout_pct\":0,\"error_pct\":100,\"ratelimit_pct\":0}"),
                     200);
    WAIT_FOR(10000, breaks(watcher));
    ck_assert_int_eq(stack_status(stack, "ingest-1", "PUT", "/api/provider/mock/config",
                                  "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0}"),
                     200);
    watcher_close(watcher);
}
END_TEST

START_TEST(no_more_than_the_allowed_number_watch_at_once) {
    stack_start_with(stack, "ingest-2", (const char *const[]){"EVENTS_MAX_CLIENTS=2", NULL});
    struct watcher *first = watch("ingest-2", NULL), *second = watch("ingest-2", NULL);
    struct answer *answer = stack_call(stack, "ingest-2", "GET", "/api/events", NULL, NULL);
    ck_assert_int_eq(answer->status, 503);
    ck_assert_int_gt(answer_header_number(answer, "Retry-After"), 0);
    answer_free(answer);
    watcher_close(second);
    // Its place is free once something could not be written to it.
    struct watcher *third = NULL;
    int64_t deadline = deadline_in(10000);
    do {
        if (third != NULL) {
            watcher_close(third);
        }
        third = watcher_open(stack_port(stack, "ingest-2"), NULL);
        while (*watcher_text(third) == '\0' && deadline_pause(deadline)) {
        }
    } while (!watcher_saw(third, "HTTP/1.1 200 ") && deadline_pause(deadline));
    ck_assert(watcher_saw(third, "HTTP/1.1 200 "));
    watcher_close(third);
    watcher_close(first);
    stack_stop(stack, "ingest-2");
}
END_TEST

static size_t how_many_saw(struct watcher *const watchers[MANY], const char *text) {
    size_t count = 0;
    for (size_t i = 0; i < MANY; i++) {
        count += watcher_saw(watchers[i], text);
    }
    return count;
}

START_TEST(two_hundred_clients_all_get_every_message) {
    struct watcher *watchers[MANY];
    for (size_t i = 0; i < MANY; i++) {
        watchers[i] = watch("ingest-1", NULL);
    }
    free(publish("in-step-all"));
    char *sent[SENDS];
    for (size_t i = 0; i < SENDS; i++) {
        char *id = send_sms();
        sent[i] = xasprintf("{\"id\":\"%s\",\"what\":\"sent\"}", id);
        free(id);
    }
    for (size_t i = 0; i < SENDS; i++) {
        WAIT_FOR(20000, how_many_saw(watchers, sent[i]) == MANY);
    }
    ck_assert_uint_eq(how_many_saw(watchers, "in-step-all"), MANY);
    for (size_t i = 0; i < MANY; i++) {
        for (size_t j = 0; j < SENDS; j++) {
            ck_assert_uint_eq(watcher_count(watchers[i], sent[j]), 1);
        }
        watcher_close(watchers[i]);
    }
    for (size_t i = 0; i < SENDS; i++) {
        free(sent[i]);
    }
}
END_TEST

// Some large entries, then a small one; the next ones come when the fast one has heard it, for of what is read at once
// nothing can be sent in between, and more of it than one may have unsent is too much for any.
static void publish_at_its_pace(struct watcher *fast, const char *large) {
    static int round;
    char *last = xasprintf("data: round-%d.\n", ++round);
    for (int i = 0; i < LARGE_COUNT; i++) {
        free(publish(large));
    }
    char *text = xasprintf("round-%d.", round);
    free(publish(text));
    WAIT_FOR(10000, watcher_saw(fast, last));
    free(text);
    free(last);
}

START_TEST(a_client_that_does_not_read_is_dropped_and_the_others_hear_on) {
    int dropped = stack_log_count(stack, "ingest-1", "event_client_dropped");
    struct watcher *slow = watch("ingest-1", NULL), *fast = watch("ingest-1", NULL);
    WAIT_FOR(10000, hears(slow, "in-step") && hears(fast, "in-step"));
    char *large = xcalloc(LARGE_BYTES + 1, 1);
    memset(large, 'x', LARGE_BYTES);
    for (int64_t deadline = deadline_in(20000);
         stack_log_count(stack, "ingest-1", "event_client_dropped") == dropped && deadline_pause(deadline);) {
        publish_at_its_pace(fast, large);
    }
    ck_assert_int_eq(stack_log_count(stack, "ingest-1", "event_client_dropped"), dropped + 1);
    WAIT_FOR(10000, hears(fast, "the-fast-one-hears-on"));
    bool whole;
    // What the kernel still has for it comes first, at intervals that have grown while it didn't read.
    WAIT_FOR(60000, watcher_ended(slow, &whole));
    ck_assert(!whole);
    free(large);
    watcher_close(fast);
    watcher_close(slow);
}
END_TEST

START_TEST(a_restart_of_redis_is_told_and_survived) {
    struct watcher *watcher = watch("ingest-1", NULL);
    WAIT_FOR(10000, hears(watcher, "in-step"));
    stack_kill(stack, "redis");
    WAIT_FOR(10000, watcher_saw(watcher, "event: trouble\n"));
    stack_start(stack, "redis");
    WAIT_FOR(20000, hears(watcher, "after-the-restart"));
    watcher_close(watcher);
}
END_TEST

START_TEST(a_drain_ends_every_stream_in_good_order) {
    stack_start(stack, "ingest-3");
    struct watcher *watcher = watch("ingest-3", NULL);
    WAIT_FOR(10000, hears(watcher, "in-step"));
    stack_stop(stack, "ingest-3");
    bool whole = false;
    WAIT_FOR(10000, watcher_ended(watcher, &whole));
    ck_assert(whole);
    watcher_close(watcher);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_events(void);

Suite *suite_events(void) {
    Suite *suite = suite_create("events");
    TCase *tests = tcase_create("events");
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, a_send_is_seen_as_accepted_and_as_sent);
    tcase_add_test(tests, the_answer_is_an_event_stream_that_nobody_stores);
    tcase_add_test(tests, signs_of_life_and_the_pipelines_state_come_by_themselves);
    tcase_add_test(tests, a_client_that_was_away_resumes_where_it_was);
    tcase_add_test(tests, a_client_that_missed_more_than_one_read_brings_gets_all_of_it_once);
    tcase_add_test(tests, a_client_whose_place_is_no_longer_kept_is_told_to_start_anew);
    tcase_add_test(tests, a_client_that_is_cut_off_before_its_first_event_misses_nothing);
    tcase_add_test(tests, a_client_whose_id_is_ahead_of_the_feed_starts_anew_and_hears_on);
    tcase_add_test(tests, a_feed_whose_ids_begin_anew_is_heard_by_those_who_listen_and_by_those_who_come_back);
    tcase_add_test(tests, the_place_before_the_first_entry_is_one);
    tcase_add_test(tests, an_id_that_was_never_given_is_refused);
    tcase_add_test(tests, what_anyone_has_put_into_the_feed_can_not_forge_an_event);
    tcase_add_test(tests, a_breaker_is_seen_to_open);
    tcase_add_test(tests, no_more_than_the_allowed_number_watch_at_once);
    tcase_add_test(tests, two_hundred_clients_all_get_every_message);
    tcase_add_test(tests, a_client_that_does_not_read_is_dropped_and_the_others_hear_on);
    tcase_add_test(tests, a_restart_of_redis_is_told_and_survived);
    tcase_add_test(tests, a_drain_ends_every_stream_in_good_order);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
