// SPDX-License-Identifier: MIT
// What providers say about messages after their calls: whatever comes twice, late, in another order or before the
// message itself, it is recorded once, and each message shows what is true of it. Entries are put into the stream by
// hand. DELIVERED_COUNT=5000 makes the many more.

#include <check.h>
#include <signal.h>
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

#define EVENTS "events:{sms-mms:0}"

Suite *suite_delivered(void);

static struct stack *stack;
static int64_t base_ms; // of all times in the entries; a minute ago

static void start(void) {
    stack = stack_create("delivered", NULL);
    stack_start(stack, "postgres");
    stack_start(stack, "ingest-1");
    stack_start(stack, "persister-1");
    stack_start(stack, "persister-2");
    base_ms = clock_unix_ms() / 1000 * 1000 - 60 * 1000;
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
}

static void drain_events(void) {
    WAIT_FOR(20000, stack_redis_int(stack, "XLEN " EVENTS) == 0);
}

static struct answer *get_message(const char *id) {
    char *path = xasprintf("/api/messages/%s", id);
    struct answer *answer = stack_call(stack, "ingest-1", "GET", path, NULL, NULL);
    free(path);
    return answer;
}

static bool shows(const char *id, const char *status) {
    struct answer *answer = get_message(id);
    bool same = answer->status == 200 && strcmp(answer_text(answer, "status"), status) == 0;
    answer_free(answer);
    return same;
}

// ---- Entries, each a letter

// What happens to a message, and how many seconds after base_ms. vendor: when it happened by the provider, -1: it
// doesn't say.
static const struct step {
    char letter;
    int at;
    enum { ACCEPTED, OUTCOME, REPLAYED, RECEIPT } kind;
    int generation;
    const char *verdict, *outcome; // of a receipt its status and its provider's message; of what waits, what for
    int vendor;
} steps[] = {
    {'a', 1, ACCEPTED, 0, NULL, NULL, -1},
    {'h', 1, ACCEPTED, 0, "held", NULL, -1},
    {'z', 1, ACCEPTED, 0, "scheduled", NULL, -1},
    {'c', 2, OUTCOME, 0, "cancelled", "cancelled", -1},
    {'r', 2, OUTCOME, 0, "retry", "timeout", -1},
    {'s', 3, OUTCOME, 0, "sent", "sent", -1},
    {'f', 3, OUTCOME, 0, "failed", "rejected", -1},
    {'u', 4, RECEIPT, 0, "undelivered", "SM1", -1},
    {'d', 5, RECEIPT, 0, "delivered", "SM1", -1},
    {'v', 6, RECEIPT, 0, "undelivered", "SM2", -1},
    {'t', 7, RECEIPT, 0, "delivered", "SM1", -1},  // 'd' once more, as it came in again
    {'e', 8, RECEIPT, 0, "delivered", "SM3", 4},   // the provider's times are other than those of arrival
    {'w', 9, RECEIPT, 0, "undelivered", "SM3", 3}, // earlier than 'e', and comes later
    {'x', 9, RECEIPT, 0, "undelivered", "SM3", 4}, // at the time of 'e'
    {'p', 10, REPLAYED, 1, NULL, NULL, -1},        // and a half
    {'Z', 10, REPLAYED, 1, "scheduled", NULL, -1},
    {'C', 11, OUTCOME, 1, "cancelled", "cancelled", -1},
    {'S', 11, OUTCOME, 1, "sent", "sent", -1},
    {'F', 11, OUTCOME, 1, "failed", "rejected", -1},
    {'U', 12, RECEIPT, 0, "undelivered", "SM4", -1}, // of the replay
    {'D', 13, RECEIPT, 0, "delivered", "SM4", -1},
    {'Y', 12, RECEIPT, 0, "undelivered", "SM5", 10}, // of the replay, by a provider whose times are whole seconds
};

static const struct step *step_of(char letter) {
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (steps[i].letter == letter) {
            return &steps[i];
        }
    }
    ck_abort_msg("no step %c", letter);
    return NULL;
}

// An entry of today's form, of the words "kind gen at words"; p: its payload, or NULL.
static void put_packed(const char *id, const char *kind, int generation, long long at_ms, const char *words,
                       const char *p) {
    char *packed = xasprintf("%s %d %lld %s", kind, generation, at_ms, words);
    const char *argv[] = {"XADD", EVENTS, "*", "v", "2", "id", id, "m", packed, "p", p};
    freeReplyObject(stack_redis_argv(stack, p != NULL ? 11 : 9, argv));
    free(packed);
}

// state: what it waits for; NULL: it is of an older release.
static void put_accepted(const char *id, const char *from, const char *state) {
    char *texts[] = {xstrdup(from), xstrdup("+16660000000"), xstrdup("hello")};
    struct message message = {.type = MESSAGE_SMS,
                              .direction = MESSAGE_OUTBOUND,
                              .from = texts[0],
                              .to = texts[1],
                              .sender = texts[0],
                              .recipient = texts[1],
                              .body = texts[2],
                              .occurred_ms = base_ms,
                              .accepted_ms = base_ms};
    struct buf payload = {0};
    message_encode(&message, &payload);
    if (state != NULL) {
        put_packed(id, "accepted", 0, base_ms, state, payload.data);
    } else {
        freeReplyObject(stack_redis(stack, "XADD " EVENTS " * v 1 k accepted id %s gen 0 at %lld p %b", id,
                                    (long long)base_ms, payload.data, payload.length));
    }
    buf_free(&payload);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        free(texts[i]);
    }
}

static void put_receipt(const char *id, const char *provider_id, const char *status, int64_t at_ms, int64_t vendor_ms) {
    char *time = vendor_ms < 0 ? xstrdup("") : xasprintf(",\"at\":%lld", (long long)vendor_ms);
    bool fails = strcmp(status, "undelivered") == 0;
    char *payload = xasprintf("{\"provider\":\"sms-mms\",\"status\":\"%s\"%s,\"provider_message_id\":\"%s\"%s}", status,
                              time, provider_id, fails ? ",\"code\":\"30003\",\"reason\":\"unreachable\"" : "");
    freeReplyObject(
        stack_redis(stack, "XADD " EVENTS " * v 2 k receipt id %s gen 0 at %lld p %s", id, (long long)at_ms, payload));
    free(payload);
    free(time);
}

static void put_outcome(const char *id, const struct step *step, long long at_ms) {
    char *payload = xasprintf("{\"provider\":\"sms-mms\",\"outcome\":\"%s\",\"http_status\":201,\"latency_us\":1,"
                              "\"started_ms\":%lld}",
                              step->outcome, at_ms);
    if (strcmp(step->verdict, "cancelled") == 0) {
        put_packed(id, "outcome", step->generation, at_ms, "1 0 cancelled - 0", payload);
    } else {
        freeReplyObject(stack_redis(stack,
                                    "XADD " EVENTS " * v 1 k outcome id %s gen %d at %lld call 1 n 1 verdict %s p %s",
                                    id, step->generation, at_ms, step->verdict, payload));
    }
    free(payload);
}

static void put(const char *id, const char *from, char letter) {
    const struct step *step = step_of(letter);
    long long at_ms = base_ms + step->at * 1000LL;
    if (step->kind == ACCEPTED) {
        put_accepted(id, from, step->verdict);
    } else if (step->kind == REPLAYED && step->verdict != NULL) {
        put_packed(id, "replayed", step->generation, at_ms, step->verdict, NULL);
    } else if (step->kind == REPLAYED) {
        freeReplyObject(
            stack_redis(stack, "XADD " EVENTS " * v 2 k replayed id %s gen %d at %lld", id, step->generation, at_ms));
    } else if (step->kind == RECEIPT) {
        put_receipt(id, step->outcome, step->verdict, at_ms, step->vendor < 0 ? -1 : base_ms + step->vendor * 1000LL);
    } else {
        put_outcome(id, step, at_ms);
    }
}

// ---- Every order

enum { MOST_LETTERS = 6, MOST_ORDERS = 720, SAMPLE_OF_MOST = 5 }; // of 720 orders, every fifth

struct orders {
    char letters[MOST_ORDERS][MOST_LETTERS + 1];
    char *ids[MOST_ORDERS];
    int count, length;
};

static void add_orders(struct orders *orders, char *letters, int fixed) {
    if (fixed == orders->length) {
        strcpy(orders->letters[orders->count++], letters);
        return;
    }
    for (int i = fixed; i < orders->length; i++) {
        char held = letters[fixed];
        letters[fixed] = letters[i];
        letters[i] = held;
        add_orders(orders, letters, fixed + 1);
        letters[i] = letters[fixed];
        letters[fixed] = held;
    }
}

static void make_orders(struct orders *orders, const char *letters) {
    char copy[MOST_LETTERS + 1];
    *orders = (struct orders){.length = (int)strlen(letters)};
    strcpy(copy, letters);
    add_orders(orders, copy, 0);
    if (orders->length == MOST_LETTERS) {
        orders->count /= SAMPLE_OF_MOST;
        for (int i = 0; i < orders->count; i++) {
            memcpy(orders->letters[i], orders->letters[i * SAMPLE_OF_MOST], sizeof orders->letters[i]);
        }
    }
    for (int i = 0; i < orders->count; i++) {
        orders->ids[i] = events_new_id();
    }
}

// All that is recorded of a message, but for when.
#define RECORDED                                                                                                       \
    "concat_ws('|', d.status, d.generation, d.final, d.call, d.updated_at, d.receipt, d.receipt_at, "                  \
    "(SELECT string_agg(concat_ws('/', r.provider_message_id, r.status, r.provider, r.code, r.reason, r.occurred_at, " \
    "r.arrived_at), ' ' ORDER BY r.provider_message_id, r.status) FROM receipts AS r WHERE r.message_id = m.id), "     \
    "(SELECT string_agg(concat_ws('/', l.generation, l.reason, l.replayed_at), ' ' ORDER BY l.generation) FROM "       \
    "dead_letters AS l WHERE l.message_id = m.id), (SELECT string_agg(concat_ws('/', p.generation, p.replayed_at), "   \
    "' ') FROM replays AS p WHERE p.message_id = m.id))"

static void assert_same(const char *from, const char *letters, const char *shown, int64_t open_letters, int count) {
    char *said = stack_sql_text(stack,
                                "SELECT count(*) || ' ' || count(DISTINCT " RECORDED ") || ' ' || min(coalesce("
                                "d.receipt, d.status)) || ' ' || (SELECT count(*) FROM dead_letters AS l WHERE "
                                "l.message_id = min(m.id::text)::uuid AND l.replayed_at IS NULL) FROM messages AS m "
                                "JOIN deliveries AS d ON d.message_id = m.id WHERE m.from_address = '%s'",
                                from);
    char *expected = xasprintf("%d 1 %s %lld", count, shown, (long long)open_letters);
    char *some = stack_sql_text(stack,
                                "SELECT string_agg(DISTINCT " RECORDED ", E'\\n') FROM messages AS m JOIN deliveries "
                                "AS d ON d.message_id = m.id WHERE m.from_address = '%s'",
                                from);
    ck_assert_msg(strcmp(said, expected) == 0, "%s: '%s', not '%s':\n%s", letters, said, expected, some);
    free(some);
    free(expected);
    free(said);
}

static const struct {
    const char *letters; // in each order
    const char *shown;
    int64_t open_letters;
} cases[] = {
    {"asd", "delivered", 0},
    {"asu", "undelivered", 0},
    {"asud", "delivered", 0},    // the later one counts
    {"asdv", "undelivered", 0},  //
    {"asdvt", "undelivered", 0}, // what was said before is no news
    {"asew", "delivered", 0},    // by the provider's times, where it gives any
    {"asex", "delivered", 0},    // of one time
    {"ard", "delivered", 0},
    {"afd", "delivered", 0}, // it failed, and arrived all the same
    {"afu", "undelivered", 1},
    {"afup", "queued", 0}, // what comes after a replay takes the place of what was before
    {"afupS", "sent", 0},
    {"afupF", "failed", 1},
    {"afpU", "undelivered", 0},
    {"afpSY", "undelivered", 0},
    {"h", "held", 0},
    {"z", "scheduled", 0}, // what it waits for stands until there is an outcome
    {"hr", "retrying", 0},
    {"zrs", "sent", 0},
    {"zf", "failed", 1},
    {"hd", "delivered", 0},
    {"zc", "cancelled", 0},
    {"hrc", "cancelled", 0}, // it ends there, and is no dead letter,
    {"hrcs", "sent", 0},
    {"zcd", "delivered", 0}, // but for what says that it went out all the same
    {"zcf", "cancelled", 0},
    {"afZ", "scheduled", 0}, // as after a fail-over of Redis
    {"afZF", "failed", 1},
    {"afZS", "sent", 0},
    {"afZC", "cancelled", 0},
    {"afC", "cancelled", 0},
    {"afZCS", "sent", 0},
    {"afZCD", "delivered", 0},
    {"afpCF", "cancelled", 0}, //
    {"afpSUD", "delivered", 0},
    {"afpFd", "delivered", 0}, // what has arrived once isn't taken back, and its dead
                               // letters are closed
};

// apart: each entry is recorded before the next one comes; else they are recorded together, as they come.
START_TEST(any_order_gives_the_same_rows) {
    bool apart = _i >= (int)(sizeof cases / sizeof *cases);
    int number = _i % (int)(sizeof cases / sizeof *cases);
    char *from = xasprintf("+1700%07d", _i);
    struct orders *orders = xmalloc(sizeof *orders);
    make_orders(orders, cases[number].letters);
    for (int place = 0; place < orders->length; place++) {
        for (int i = 0; i < orders->count; i++) {
            put(orders->ids[i], from, orders->letters[i][place]);
        }
        if (apart) {
            drain_events();
        }
    }
    drain_events();
    assert_same(from, cases[number].letters, cases[number].shown, cases[number].open_letters, orders->count);
    ck_assert(shows(orders->ids[0], cases[number].shown));
    for (int i = 0; i < orders->count; i++) { // and once more
        put(orders->ids[i], from, orders->letters[i][orders->length - 1]);
    }
    drain_events();
    assert_same(from, cases[number].letters, cases[number].shown, cases[number].open_letters, orders->count);
    for (int i = 0; i < orders->count; i++) {
        free(orders->ids[i]);
    }
    free(orders);
    free(from);
}
END_TEST

// ---- Many at once

struct entry {
    int message;
    char kind; // a: accepted, s: sent, o: its last receipt, c: an earlier one that says the contrary
};

struct crowd {
    char **ids;
    struct entry *entries;
    size_t count;
};

static bool fails(int message) {
    return message % 10 == 0;
}

static bool was_contradicted(int message) {
    return message % 3 == 0;
}

static void crowd_add(struct crowd *crowd, int message, char kind, int times) {
    for (int i = 0; i < times; i++) {
        crowd->entries[crowd->count++] = (struct entry){message, kind};
    }
}

static void shuffle(struct crowd *crowd) {
    srandom(5);
    for (size_t i = crowd->count; i-- > 1;) {
        size_t other = (size_t)random() % (i + 1);
        struct entry held = crowd->entries[i];
        crowd->entries[i] = crowd->entries[other];
        crowd->entries[other] = held;
    }
}

static void crowd_put(const struct crowd *crowd, const struct entry *entry) {
    const char *id = crowd->ids[entry->message];
    bool undelivered = fails(entry->message) == (entry->kind == 'o');
    if (entry->kind == 'a' || entry->kind == 's') {
        put(id, "+17100000000", entry->kind);
    } else {
        int64_t at_ms = base_ms + (entry->kind == 'o' ? 9000 : 8000);
        put_receipt(id, "SM1", undelivered ? "undelivered" : "delivered", clock_unix_ms(), at_ms);
    }
}

static void assert_receipts(const char *id, int message) {
    struct answer *answer = get_message(id);
    const char *expected = fails(message) ? "undelivered" : "delivered";
    ck_assert_msg(strcmp(answer_text(answer, "status"), expected) == 0, "%s: %s", expected, answer->body);
    ck_assert_str_eq(answer_text(answer, "receipt.status"), expected);
    ck_assert_str_eq(answer_text(answer, "receipt.code"), fails(message) ? "30003" : "");
    int receipts = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, answer_at(answer, "timeline")) {
        receipts += strcmp(cJSON_GetObjectItem(one, "event")->valuestring, "receipt") == 0;
    }
    ck_assert_int_eq(receipts, was_contradicted(message) ? 2 : 1);
    answer_free(answer);
}

START_TEST(thousands_of_receipts_repeated_and_out_of_order_end_as_each_was_meant) {
    const char *knob = getenv("DELIVERED_COUNT");
    int count = knob != NULL ? atoi(knob) : 500;
    struct crowd crowd = {xcalloc((size_t)count, sizeof *crowd.ids), xcalloc((size_t)count * 8, sizeof *crowd.entries),
                          0};
    for (int i = 0; i < count; i++) {
        crowd.ids[i] = events_new_id();
        crowd_add(&crowd, i, 'a', 1);
        crowd_add(&crowd, i, 's', 1);
        crowd_add(&crowd, i, 'o', 1 + i % 3);
        crowd_add(&crowd, i, 'c', was_contradicted(i) ? 1 + i % 2 : 0);
    }
    shuffle(&crowd);
    for (size_t i = 0; i < crowd.count; i++) {
        crowd_put(&crowd, &crowd.entries[i]);
    }
    WAIT_FOR(60000, stack_redis_int(stack, "XLEN " EVENTS) == 0);
    for (int i = 0; i < count; i++) {
        assert_receipts(crowd.ids[i], i);
        free(crowd.ids[i]);
    }
    printf("%d messages, %zu entries\n", count, crowd.count);
    free(crowd.entries);
    free(crowd.ids);
}
END_TEST

// ---- What one sees

static bool list_shows(const char *id, const char *status, const char *reason) {
    struct answer *message = get_message(id);
    char *path = xasprintf("/api/conversations/%s/messages", answer_text(message, "conversation_id"));
    struct answer *answer = stack_call(stack, "ingest-1", "GET", path, NULL, NULL);
    bool same = strcmp(answer_text(answer, "items.0.status"), status) == 0 &&
                strcmp(answer_text(answer, "items.0.receipt.reason"), reason) == 0;
    free(path);
    answer_free(answer);
    answer_free(message);
    return same;
}

static const cJSON *receipt_of(const struct answer *answer) {
    const cJSON *one;
    cJSON_ArrayForEach(one, answer_at(answer, "timeline")) {
        if (strcmp(cJSON_GetObjectItem(one, "event")->valuestring, "receipt") == 0) {
            return one;
        }
    }
    ck_abort_msg("no receipt: %s", answer->body);
    return NULL;
}

static const char *member(const cJSON *object, const char *name) {
    const cJSON *value = cJSON_GetObjectItem(object, name);
    return cJSON_IsString(value) ? value->valuestring : "";
}

START_TEST(a_message_shows_what_came_of_it_with_the_reason_wherever_it_is_listed) {
    char *id = events_new_id();
    struct watcher *watcher = watcher_open(stack_port(stack, "ingest-1"), NULL);
    WAIT_FOR(10000, watcher_saw(watcher, "event: pipeline"));
    free(events_add_accepted(stack, id, "+17200000001", "x"));
    free(events_add_outcome(stack, id, 0, 1, "sent", "sent"));
    drain_events();
    ck_assert(shows(id, "sent"));
    ck_assert(list_shows(id, "sent", ""));
    free(events_add_receipt(stack, id, "undelivered", "SM7", -1));
    drain_events();
    ck_assert(shows(id, "undelivered"));
    ck_assert(list_shows(id, "undelivered", "The phone can't be reached"));
    struct answer *answer = get_message(id);
    const cJSON *receipt = receipt_of(answer);
    ck_assert_str_eq(member(receipt, "status"), "undelivered");
    ck_assert_str_eq(member(receipt, "code"), "30003");
    ck_assert_str_eq(member(receipt, "provider"), "sms-mms");
    ck_assert_str_eq(member(receipt, "provider_message_id"), "SM7");
    ck_assert_str_eq(member(receipt, "at"), member(receipt, "arrived_at"));
    answer_free(answer);
    char *hint = xasprintf("{\"id\":\"%s\",\"what\":\"undelivered\"}", id);
    WAIT_FOR(10000, watcher_saw(watcher, hint));
    watcher_close(watcher);
    free(hint);
    free(id);
}
END_TEST

START_TEST(a_receipt_without_an_id_of_the_providers_is_a_receipt) {
    char *id = events_new_id();
    free(events_add_accepted(stack, id, "+17200000002", "x"));
    free(events_add_receipt(stack, id, "delivered", NULL, -1));
    drain_events();
    struct answer *answer = get_message(id);
    ck_assert_str_eq(answer_text(answer, "status"), "delivered");
    ck_assert(cJSON_IsNull(cJSON_GetObjectItem(receipt_of(answer), "provider_message_id")));
    answer_free(answer);
    free(id);
}
END_TEST

static size_t place_of(const struct answer *answer, const char *event) {
    size_t place = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, answer_at(answer, "timeline")) {
        if (strcmp(member(one, "event"), event) == 0) {
            return place;
        }
        place++;
    }
    ck_abort_msg("no %s: %s", event, answer->body);
    return 0;
}

START_TEST(a_time_in_whole_seconds_does_not_put_a_receipt_before_its_send) {
    char *id = events_new_id();
    free(events_add_accepted(stack, id, "+17200000008", "x"));
    free(events_add_outcome(stack, id, 0, 1, "sent", "sent"));
    drain_events();
    struct answer *before = get_message(id);
    int64_t sent_ms = 0;
    ck_assert_int_eq(
        rfc3339_parse(member(cJSON_GetArrayItem(answer_at(before, "timeline"), (int)place_of(before, "sent")), "at"),
                      &sent_ms),
        0);
    free(events_add_receipt(stack, id, "delivered", "SM3", sent_ms / 1000 * 1000));
    drain_events();
    struct answer *answer = get_message(id);
    ck_assert_uint_lt(place_of(answer, "sent"), place_of(answer, "receipt"));
    answer_free(answer);
    answer_free(before);
    free(id);
}
END_TEST

// A provider's clock that is ahead for ever would make its receipt the last one for ever.
START_TEST(a_time_that_is_still_to_come_outranks_nothing_for_longer_than_a_day) {
    char *id = events_new_id();
    int64_t now_ms = clock_unix_ms(), day_ms = 24LL * 3600 * 1000;
    free(events_add_accepted(stack, id, "+17200000003", "x"));
    free(events_add_receipt(stack, id, "undelivered", "SM8", now_ms + 400 * day_ms));
    free(events_add_receipt(stack, id, "delivered", "SM9", now_ms + 2 * day_ms));
    drain_events();
    ck_assert(shows(id, "delivered"));
    free(id);
}
END_TEST

START_TEST(a_receipt_for_an_inbound_message_changes_nothing_that_is_shown) {
    char *texts[] = {xstrdup("+17200000004"), xstrdup("+16660000000"), xstrdup("x"), xstrdup("SM-in")};
    struct message message = {.type = MESSAGE_SMS,
                              .direction = MESSAGE_INBOUND,
                              .from = texts[0],
                              .to = texts[1],
                              .sender = texts[0],
                              .recipient = texts[1],
                              .body = texts[2],
                              .provider_message_id = texts[3],
                              .occurred_ms = base_ms,
                              .accepted_ms = base_ms};
    char *id = events_new_id();
    free(events_add_message(stack, "*", id, &message));
    free(events_add_receipt(stack, id, "undelivered", "SM-in", -1));
    drain_events();
    ck_assert(shows(id, "received"));
    ck_assert(list_shows(id, "received", ""));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        free(texts[i]);
    }
    free(id);
}
END_TEST

START_TEST(what_is_no_receipt_is_set_apart_with_its_reason) {
    char *id = events_new_id();
    freeReplyObject(stack_redis(stack, "XADD " EVENTS " * v 2 k receipt id %s gen 0 at 1 p %s", id,
                                "{\"provider\":\"sms-mms\",\"status\":\"read\"}"));
    drain_events();
    ck_assert_int_eq(stack_sql(stack,
                               "SELECT count(*) FROM dead_letters WHERE stage = 'persist' AND reason = 'status is not "
                               "delivered or undelivered' AND strpos(entry, '%s') > 0",
                               id),
                     1);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM receipts WHERE message_id = '%s'", id), 0);
    free(id);
}
END_TEST

// ---- Metrics

static double sample(const char *name) {
    const char *const headers[] = {"Accept: text/plain", NULL};
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/metrics", NULL, headers);
    char *line = xasprintf("\nmessaging_%s ", name);
    const char *at = strstr(answer->body, line);
    double value = at == NULL ? -1 : strtod(at + strlen(line), NULL);
    free(line);
    answer_free(answer);
    return value;
}

#define UNDELIVERED(code) "receipts_total{provider=\"sms-mms\",status=\"undelivered\",code=\"" code "\"}"
#define DELIVERED "receipts_total{provider=\"sms-mms\",status=\"delivered\",code=\"\"}"
#define TOOK "sent_to_delivered_seconds_count{provider=\"sms-mms\"}"

static void put_code(const char *id, const char *code) {
    freeReplyObject(stack_redis(stack, "XADD " EVENTS " * v 2 k receipt id %s gen 0 at %lld p %s", id,
                                (long long)clock_unix_ms(), code));
}

START_TEST(receipts_are_counted_once_by_code_and_deliveries_are_timed) {
    char *id = events_new_id();
    stack_stop(stack, "persister-1"); // what came before is counted once they have ended
    stack_stop(stack, "persister-2");
    stack_start(stack, "persister-1");
    stack_start(stack, "persister-2");
    double delivered = sample(DELIVERED), took = sample(TOOK);
    ck_assert(delivered >= 0 && took >= 0);
    ck_assert(sample("receipts_total{provider=\"email\",status=\"delivered\",code=\"\"}") == 0);
    free(events_add_accepted(stack, id, "+17200000008", "x"));
    free(events_add_outcome(stack, id, 0, 1, "sent", "sent"));
    for (int i = 0; i < 3; i++) {
        drain_events();
        put_code(id, "{\"provider\":\"sms-mms\",\"status\":\"undelivered\",\"code\":\"30005\"}");
        put_code(id, "{\"provider\":\"sms-mms\",\"status\":\"undelivered\",\"code\":\"no such\\\"code\","
                     "\"provider_message_id\":\"other\"}");
        put_code(id, "{\"provider\":\"sms-mms\",\"status\":\"delivered\"}");
        put_code(id, "{\"provider\":\"email\",\"status\":\"undelivered\",\"code\":\"5.1.1\","
                     "\"provider_message_id\":\"mail\"}");
    }
    char *never_sent = events_new_id(); // of which nobody knows how long it took
    put_code(never_sent, "{\"provider\":\"sms-mms\",\"status\":\"delivered\"}");
    free(never_sent);
    drain_events();
    WAIT_FOR(10000, sample(UNDELIVERED("30005")) == 1);
    WAIT_FOR(10000, sample(UNDELIVERED("other")) == 1);
    WAIT_FOR(10000, sample("receipts_total{provider=\"email\",status=\"undelivered\",code=\"5.1.1\"}") == 1);
    WAIT_FOR(10000, sample(DELIVERED) == delivered + 2);
    ck_assert(sample(TOOK) == took + 1);
    struct answer *answer = stack_call(stack, "ingest-1", "GET", "/metrics", NULL, NULL);
    ck_assert(strstr(answer->body,
                     "{\"provider\":\"sms-mms\",\"status\":\"undelivered\",\"code\":\"30005\",\"count\":1}") != NULL);
    ck_assert(strstr(answer->body, "\"status\":\"delivered\",\"code\":null") != NULL);
    ck_assert(answer_number(answer, "sms_mms_sent_to_delivered_avg_us") >= 0);
    answer_free(answer);
    free(id);
}
END_TEST

// ---- Dead letters

static char *letter_of(const char *id) {
    return stack_sql_text(stack, "SELECT id FROM dead_letters WHERE message_id = '%s' AND stage = 'dispatch'", id);
}

static struct answer *replay(const char *letter, const char *key) {
    char *path = xasprintf("/api/dead-letters/%s/replay", letter);
    struct answer *answer = stack_call(stack, "ingest-1", "POST", path, NULL, (const char *const[]){key, NULL});
    free(path);
    return answer;
}

static void assert_conflict(const char *letter, const char *key) {
    struct answer *answer = replay(letter, key);
    ck_assert_msg(answer->status == 409, "%ld: %s", answer->status, answer->body);
    if (key == NULL) {
        ck_assert_str_eq(answer_text(answer, "message"), "its message was delivered after all");
    }
    answer_free(answer);
}

START_TEST(a_dead_letter_whose_message_was_delivered_after_all_is_not_sent_again) {
    for (int first = 0; first < 2; first++) {
        char *id = events_new_id();
        free(events_add_accepted(stack, id, "+17200000005", "x"));
        free(first == 0 ? events_add_receipt(stack, id, "delivered", "SM1", -1)
                        : events_add_outcome(stack, id, 0, 1, "failed", "timeout"));
        drain_events();
        free(first != 0 ? events_add_receipt(stack, id, "delivered", "SM1", -1)
                        : events_add_outcome(stack, id, 0, 1, "failed", "timeout"));
        drain_events();
        char *letter = letter_of(id), *path = xasprintf("/api/dead-letters/%s", letter);
        assert_conflict(letter, NULL);
        assert_conflict(letter, first == 0 ? "Idempotency-Key: delivered-0" : "Idempotency-Key: delivered-1");
        struct answer *shown = stack_call(stack, "ingest-1", "GET", path, NULL, NULL);
        ck_assert(cJSON_IsTrue(answer_at(shown, "delivered")));
        ck_assert_str_ne(answer_text(shown, "replayed_at"), "");
        answer_free(shown);
        struct answer *many = stack_call(stack, "ingest-1", "POST", "/api/dead-letters/replay",
                                         "{\"dry_run\":true,\"reason\":\"timeout\"}", NULL);
        ck_assert(answer_number(many, "matched") == 0);
        answer_free(many);
        ck_assert_int_eq(stack_redis_int(stack, "XLEN outbound:{sms-mms:0}"), 0);
        free(path);
        free(letter);
        free(id);
    }
}
END_TEST

START_TEST(a_dead_letter_whose_message_did_not_arrive_is_sent_again_and_shows_how_far_it_is) {
    char *id = events_new_id();
    free(events_add_accepted(stack, id, "+17200000006", "x"));
    free(events_add_outcome(stack, id, 0, 1, "failed", "timeout"));
    free(events_add_receipt(stack, id, "undelivered", "SM1", -1));
    drain_events();
    ck_assert(shows(id, "undelivered"));
    char *letter = letter_of(id);
    struct answer *answer = replay(letter, NULL);
    ck_assert_msg(answer->status == 202, "%ld: %s", answer->status, answer->body);
    answer_free(answer);
    drain_events();
    ck_assert(shows(id, "queued"));
    free(events_add_outcome(stack, id, 1, 1, "sent", "sent"));
    drain_events();
    ck_assert(shows(id, "sent"));
    free(events_add_receipt(stack, id, "delivered", "SM2", -1));
    drain_events();
    ck_assert(shows(id, "delivered"));
    freeReplyObject(stack_redis(stack, "DEL outbound:{sms-mms:0}"));
    free(letter);
    free(id);
}
END_TEST

// ---- Messages that never come

static int64_t receipts_of(const char *id) {
    return stack_sql(stack, "SELECT count(*) FROM receipts WHERE message_id = '%s'", id);
}

START_TEST(a_receipt_waits_a_day_for_its_message_and_is_deleted_then) {
    char *never = events_new_id(), *late = events_new_id(), *young = events_new_id();
    free(events_add_receipt(stack, never, "delivered", "SM1", -1));
    free(events_add_receipt(stack, never, "undelivered", "SM1", -1));
    free(events_add_receipt(stack, late, "delivered", "SM1", -1));
    free(events_add_receipt(stack, young, "delivered", "SM1", -1));
    drain_events();
    struct answer *answer = get_message(never);
    ck_assert_int_eq(answer->status, 404);
    answer_free(answer);
    free(events_add_accepted(stack, late, "+17200000007", "x"));
    drain_events();
    ck_assert(shows(late, "delivered"));
    (void)stack_sql(stack,
                    "UPDATE receipts SET recorded_at = now() - interval '25 hours' WHERE message_id IN ('%s', '%s')",
                    never, late);
    stack_stop(stack, "persister-1");
    stack_start(stack, "persister-1"); // looks soon after its start
    WAIT_FOR(20000, receipts_of(never) == 0);
    ck_assert_int_eq(stack_sql(stack, "SELECT count(*) FROM deliveries WHERE message_id = '%s'", never), 0);
    ck_assert_int_eq(receipts_of(late), 1);
    ck_assert_int_eq(receipts_of(young), 1);
    ck_assert(shows(late, "delivered"));
    WAIT_FOR(10000, stack_log_about(stack, "persister-1", "receipts_expired", "2 receipts") + // whichever swept
                            stack_log_about(stack, "persister-2", "receipts_expired", "2 receipts") ==
                        1);
    WAIT_FOR(10000, sample("receipts_expired_total") == 2);
    free(events_add_accepted(stack, young, "+17200000007", "x"));
    drain_events();
    ck_assert(shows(young, "delivered"));
    free(young);
    free(late);
    free(never);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_delivered(void) {
    Suite *suite = suite_create("delivered");
    TCase *tests = tcase_create("delivered");
    tcase_set_timeout(tests, 300);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_loop_test(tests, any_order_gives_the_same_rows, 0, 2 * (int)(sizeof cases / sizeof *cases));
    tcase_add_test(tests, thousands_of_receipts_repeated_and_out_of_order_end_as_each_was_meant);
    tcase_add_test(tests, a_message_shows_what_came_of_it_with_the_reason_wherever_it_is_listed);
    tcase_add_test(tests, a_receipt_without_an_id_of_the_providers_is_a_receipt);
    tcase_add_test(tests, a_time_in_whole_seconds_does_not_put_a_receipt_before_its_send);
    tcase_add_test(tests, a_time_that_is_still_to_come_outranks_nothing_for_longer_than_a_day);
    tcase_add_test(tests, a_receipt_for_an_inbound_message_changes_nothing_that_is_shown);
    tcase_add_test(tests, what_is_no_receipt_is_set_apart_with_its_reason);
    tcase_add_test(tests, receipts_are_counted_once_by_code_and_deliveries_are_timed);
    tcase_add_test(tests, a_dead_letter_whose_message_was_delivered_after_all_is_not_sent_again);
    tcase_add_test(tests, a_dead_letter_whose_message_did_not_arrive_is_sent_again_and_shows_how_far_it_is);
    tcase_add_test(tests, a_receipt_waits_a_day_for_its_message_and_is_deleted_then);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
