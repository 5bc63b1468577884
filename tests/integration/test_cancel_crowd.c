// SPDX-License-Identifier: MIT
// Many messages that wait for a retry, for their turn or for their time, each cancelled at some instant beside two
// dispatchers that take it when it is due: the mock's ledger shows no call that began after the 202. CANCEL_RACES=10000
// (make show-cancel) makes the many more.

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/rfc3339.h"
#include "shared/base/uuid.h"
#include "tests/support/delivery.h"
#include "tests/support/payload.h"
#include "tests/support/stack.h"

#define THEIRS "+18045551234"
#define LEDGER "calls.log"

Suite *suite_cancel_crowd(void);

static struct stack *stack;

static void start(void) {
    static const char *const environment[] = {"API_WORKER_MAX_RETRIES=1000",
                                              "API_WORKER_BACKOFF_BASE_MS=10",
                                              "API_WORKER_BACKOFF_CAP_MS=60",
                                              "API_BREAKER_ERROR_THRESHOLD=1000000",
                                              "ORDER_MAX_WAIT_SECS=3600",
                                              "MOCK_LEDGER_FILE=" LEDGER,
                                              "OPT_OUT=on",
                                              NULL};
    stack = stack_create("cancel_crowd", environment);
    stack_start_all(stack);
    stack_start(stack, "dispatcher-2");
}

static void end(void) {
    stack_destroy(stack);
}

static void recover(void) {
    stack_recover(stack);
}

static char *payload_at(const char *from, int64_t due_ms) {
    char due[RFC3339_SIZE];
    rfc3339_format(due_ms, due);
    return xasprintf("{\"from\":\"%s\",\"to\":\"" THEIRS "\",\"type\":\"sms\",\"body\":\"later\",\"attachments\":null,"
                     "\"timestamp\":\"2024-11-01T14:00:00Z\",\"send_at\":\"%s\"}",
                     from, due);
}

// One race: a message that waits, in one way or another, and a client who cancels it at some instant.
enum waiting { FOR_A_RETRY, FOR_ITS_TURN, FOR_ITS_TIME, WAITINGS };

struct race {
    char id[UUID_TEXT_SIZE];
    enum waiting waiting;
    int64_t cancelled_ms; // when the 202 was there; 0: it was 409
    int64_t latest_ms;    // of its calls that the mock has written down
    unsigned calls, late, sent;
    long trouble; // the status of an answer that should not be; 0: there was none
};

struct races {
    struct race *races;
    unsigned count;
    atomic_uint next;
};

enum { RACERS = 24, LONGEST_PAUSE_MS = 80, RECORDED_MS = 20000 };

static unsigned dice(unsigned *seed, unsigned below) {
    return (unsigned)rand_r(seed) % below;
}

static void race_send(struct client *client, struct race *race, char *payload) {
    char *url = xasprintf("http://127.0.0.1:%u" PATH_SMS, stack_port(stack, "ingest-1"));
    struct answer *answer = client_ask(client, false, "POST", url, payload, NULL, deadline_scaled(10000));
    race->trouble = answer->status == 202 ? race->trouble : answer->status;
    snprintf(race->id, sizeof race->id, "%s", answer_text(answer, "id"));
    answer_free(answer);
    free(payload);
    free(url);
}

// Until it is recorded it is 503; then one answer counts.
static void race_cancel(struct client *client, struct race *race) {
    char *url = xasprintf("http://127.0.0.1:%u/api/messages/%s", stack_port(stack, "ingest-1"), race->id);
    struct answer *answer;
    int64_t begun_ms = clock_unix_ms();
    while ((answer = client_ask(client, false, "DELETE", url, NULL, NULL, deadline_scaled(10000)))->status == 503 &&
           clock_unix_ms() - begun_ms < deadline_scaled(RECORDED_MS)) {
        answer_free(answer);
        poll(NULL, 0, 5);
    }
    race->cancelled_ms = answer->status == 202 ? clock_unix_ms() : 0;
    race->trouble = answer->status == 202 || answer->status == 409 ? race->trouble : answer->status;
    answer_free(answer);
    free(url);
}

// The pauses are the dice of the race: nothing is waited for.
static void race_one(struct client *client, struct races *races, unsigned number, unsigned *seed) {
    struct race *race = &races->races[number];
    char *from = xasprintf("+1558%07u", number);
    race->waiting = (enum waiting)(number % WAITINGS);
    if (race->waiting == FOR_ITS_TIME) {
        int64_t due_ms = clock_unix_ms() + 1000;
        race_send(client, race, payload_at(from, due_ms));
        int64_t pause_ms = due_ms - clock_unix_ms() - 20 + dice(seed, LONGEST_PAUSE_MS);
        poll(NULL, 0, pause_ms > 0 ? (int)pause_ms : 0);
    } else {
        if (race->waiting == FOR_ITS_TURN) {
            race_send(client, race, payload_sms(from, THEIRS, "the first")); // behind which the next one waits
        }
        race_send(client, race, payload_sms(from, THEIRS, "text"));
        poll(NULL, 0, (int)dice(seed, LONGEST_PAUSE_MS));
    }
    race_cancel(client, race);
    free(from);
}

static void *race_many(void *argument) {
    struct races *races = argument;
    struct client *client = client_create();
    unsigned number, seed = atomic_load(&races->next);
    while ((number = atomic_fetch_add(&races->next, 1)) < races->count) {
        race_one(client, races, number, &seed);
    }
    client_destroy(client);
    return NULL;
}

static int by_id(const void *left, const void *right) {
    return strcmp(((const struct race *)left)->id, ((const struct race *)right)->id);
}

// Lines "ms provider key outcome".
static void read_ledger(struct races *races) {
    char *path = xasprintf("%s/" LEDGER, stack_folder(stack)), line[256], outcome[32];
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL) {
        struct race wanted = {.calls = 0}, *race;
        long long at_ms;
        if (sscanf(line, "%lld %*31s %36s %31s", &at_ms, wanted.id, outcome) != 3 ||
            (race = bsearch(&wanted, races->races, races->count, sizeof wanted, by_id)) == NULL) {
            continue;
        }
        race->calls++;
        race->latest_ms = at_ms > race->latest_ms ? at_ms : race->latest_ms;
        race->late += race->cancelled_ms > 0 && at_ms > race->cancelled_ms;
        race->sent += strcmp(outcome, "accepted") == 0 || strcmp(outcome, "repeated") == 0;
    }
    fclose(file);
    free(path);
}

static int64_t races_with(const char *status) {
    return stack_sql(stack,
                     "SELECT count(*) FROM deliveries AS d JOIN messages AS m ON m.id = d.message_id WHERE "
                     "m.from_address LIKE '+1558%%' AND d.status LIKE '%s'",
                     status);
}

static unsigned races_wanted(void) {
    const char *wanted = getenv("CANCEL_RACES");
    return wanted != NULL ? (unsigned)strtoul(wanted, NULL, 10) : 300;
}

static void run_races(struct races *races) {
    pthread_t threads[RACERS];
    for (int i = 0; i < RACERS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, race_many, races), 0);
    }
    for (int i = 0; i < RACERS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void judge_races(const struct races *races) {
    static const char *const names[WAITINGS] = {"a retry", "its turn", "its time"};
    unsigned cancelled[WAITINGS] = {0}, all_cancelled = 0, uncalled = 0, calls = 0, late = 0, sent = 0;
    int64_t closest_ms = INT64_MAX;
    for (unsigned i = 0; i < races->count; i++) {
        const struct race *race = &races->races[i];
        ck_assert_msg(race->trouble == 0, "%s: %ld", race->id, race->trouble);
        calls += race->calls;
        if (race->cancelled_ms == 0) {
            continue;
        }
        all_cancelled++;
        cancelled[race->waiting]++;
        late += race->late;
        sent += race->sent;
        uncalled += race->calls == 0;
        if (race->calls > 0 && race->cancelled_ms - race->latest_ms < closest_ms) {
            closest_ms = race->cancelled_ms - race->latest_ms;
        }
    }
    printf("%u races against 2 dispatchers: %u cancelled (%u of them uncalled), %u on their way before;", races->count,
           all_cancelled, uncalled, races->count - all_cancelled);
    for (int i = 0; i < WAITINGS; i++) {
        printf(" %u waited for %s%s", cancelled[i], names[i], i + 1 < WAITINGS ? "," : "\n");
    }
    printf("%u calls in the mock's ledger, of which %u began after their cancel's 202, and %u of what was cancelled "
           "were accepted; the closest was %lld ms before its 202\n",
           calls, late, sent, (long long)closest_ms);
    ck_assert_uint_eq(late, 0);
    ck_assert_uint_eq(sent, 0);
    ck_assert_int_eq(races_with("cancelled"), all_cancelled);
    for (int i = 0; i < WAITINGS; i++) {
        ck_assert_uint_gt(cancelled[i], 0);
    }
    ck_assert_uint_lt(all_cancelled, races->count);
}

START_TEST(no_call_of_a_message_begins_after_its_cancel_was_answered) {
    struct races races = {.count = races_wanted()};
    races.races = xcalloc(races.count, sizeof *races.races);
    mock_configure(stack, "{\"timeout_pct\":0,\"error_pct\":90,\"ratelimit_pct\":0}");
    run_races(&races);
    mock_configure(stack, MOCK_WELL);
    int64_t all = races.count + races.count / WAITINGS + (races.count % WAITINGS > FOR_ITS_TURN);
    WAIT_FOR(60000, races_with("sent") + races_with("cancelled") == all);
    qsort(races.races, races.count, sizeof *races.races, by_id);
    read_ledger(&races);
    judge_races(&races);
    free(races.races);
}
END_TEST

START_TEST(the_programs_end_with_status_0_and_logged_nothing_unexpected) {
    stack_finish(stack);
}
END_TEST

Suite *suite_cancel_crowd(void) {
    Suite *suite = suite_create("cancel_crowd");
    TCase *tests = tcase_create("cancel_crowd");
    tcase_set_timeout(tests, 0);
    tcase_add_unchecked_fixture(tests, start, end);
    tcase_add_checked_fixture(tests, recover, NULL);
    tcase_add_test(tests, no_call_of_a_message_begins_after_its_cancel_was_answered);
    tcase_add_test(tests, the_programs_end_with_status_0_and_logged_nothing_unexpected);
    suite_add_tcase(suite, tests);
    return suite;
}
