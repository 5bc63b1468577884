// SPDX-License-Identifier: MIT
#include "tests/chaos/bursts.h"

#include <check.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/rfc3339.h"
#include "shared/message/format.h"
#include "tests/chaos/dice.h"
#include "tests/chaos/load.h"
#include "tests/support/client.h"
#include "tests/support/deadline.h"

#define BEGIN "burst "
#define UNACCEPTABLE                                                                                                   \
    "{\"from\":\"+16667770000\",\"to\":\"nobody\",\"type\":\"sms\",\"body\":\"x\",\"timestamp\":\"%s\"}"

enum {
    THREADS = 4,
    EACH = 3, // conversations of a thread; the last one is of emails
    MOST_MESSAGES = 1 << 18,
    MOST_OF_ROUND = 16,
    CALL_MS = 10000, // an ingest may wait for the format
    PAUSE_MS = 50,
    ENOUGH_MS = 30000,
    KEY_SAFE_MS = (IDEMPOTENCY_SECS - 12) * 1000, // since its first request
    CANCEL_MS = 8000,                             // so long one is tried
    GAP_MS = 500, // between two rounds; where a hostile provider pauses at each hundredth call:
    HOSTILE_GAP_MS = 3000,
    SOONEST_MS = 1200, // from now, what is to be sent later
    LATEST_MS = 4500,
    CANCELLED_PERCENT = 25,
    CANCELLED_LATER_PERCENT = 40, // of those that are scheduled
};

struct burst_load {
    struct options options;
    struct report *report;
    uint16_t ports[2];
    unsigned port_count;
    pthread_t threads[THREADS];
    atomic_llong end_ms; // once it is to end: when at the latest (ms since 1970); 0: not yet
    struct burst_message *messages;
    atomic_uint count, batches, refused, too_late;
    atomic_uint certain, cancelled, later, of_batches, pairs; // of rounds that are certain (count_round)
    pthread_mutex_t lock;                                     // of the file
    FILE *log;
};

// One thread, and its round.
struct burster {
    struct burst_load *load;
    struct client *client;
    int index;
    unsigned round;
    struct dice dice;
    uint16_t port;                   // of the ingest that this round goes to
    uint32_t numbers[MOST_OF_ROUND]; // of this round's messages
    size_t count;
};

void bursts_addresses(int conversation, char ours[48], char theirs[48]) {
    bool is_email = conversation % EACH == EACH - 1;
    snprintf(ours, 48, is_email ? "bursts-%d@chaos.example" : "+1666777%04d", conversation);
    snprintf(theirs, 48, is_email ? "burst-%d" BURSTS_THEIR_MAILS : BURSTS_THEIR_PHONES "555%04d", conversation);
}

static bool is_given_up(struct burst_load *load) {
    int64_t end_ms = atomic_load(&load->end_ms);
    return end_ms != 0 && clock_unix_ms() >= end_ms;
}

static struct burst_message *message_at(struct burst_load *load, uint32_t number) {
    return &load->messages[number];
}

static bool is_unanswered(const struct answer *answer) {
    return (answer->status == 0 && answer->reached) || answer_at(answer, "details.ambiguous") != NULL;
}

static void note(struct burst_load *load, const char *what, uint32_t number, const char *id,
                 const struct answer *answer) {
    pthread_mutex_lock(&load->lock);
    fprintf(load->log, "%" PRId64 " %s %" PRIu32 " %s: %ld %s after %" PRId64 " ms\n", clock_unix_ms(), what, number,
            id, answer->status, answer_text(answer, "code"), answer->millis);
    pthread_mutex_unlock(&load->lock);
}

static void report_answer(struct burst_load *load, const char *id, const char *what, const struct answer *answer) {
    report_breach(load->report, "an answer to a burst that nothing explains", id, "%s: %ld %s", what, answer->status,
                  answer->body);
}

// ---- What is sent

// One more message of the round; NULL where there is no room for another.
static struct burst_message *add_message(struct burster *burster, int conversation, bool later) {
    struct burst_load *load = burster->load;
    uint32_t number = atomic_fetch_add(&load->count, 1);
    if (number >= MOST_MESSAGES) {
        atomic_store(&load->count, MOST_MESSAGES);
        return NULL;
    }
    burster->numbers[burster->count++] = number;
    struct burst_message *message = message_at(load, number);
    message->conversation = conversation;
    message->begun_ms = clock_unix_ms();
    message->due_ms = later ? message->begun_ms + dice_between(&burster->dice, SOONEST_MS, LATEST_MS) : 0;
    return message;
}

static uint32_t number_of(const struct burst_load *load, const struct burst_message *message) {
    return (uint32_t)(message - load->messages);
}

static bool is_mail(int conversation) {
    return conversation % EACH == EACH - 1;
}

static void write_message(const struct burst_load *load, const struct burst_message *message, bool listed,
                          struct buf *out) {
    char ours[48], theirs[48], time[RFC3339_SIZE], due[RFC3339_SIZE];
    bursts_addresses(message->conversation, ours, theirs);
    rfc3339_format(message->begun_ms, time);
    rfc3339_format(message->due_ms, due);
    buf_printf(out, "{\"from\":\"%s\",\"to\":\"%s\",", ours, theirs);
    if (listed || !is_mail(message->conversation)) {
        buf_printf(out, "\"type\":\"%s\",", is_mail(message->conversation) ? "email" : "sms");
    }
    if (message->due_ms != 0) {
        buf_printf(out, "\"send_at\":\"%s\",", due);
    }
    buf_printf(out, "\"body\":\"" BEGIN "%" PRIu32 "\",\"timestamp\":\"%s\"}", number_of(load, message), time);
}

static void take_id(struct burst_load *load, struct burst_message *message, const char *text) {
    struct uuid id;
    if (uuid_parse(text, &id) != 0) {
        report_breach(load->report, "a 202 without an id", NULL, "burst %" PRIu32 ": '%s'", number_of(load, message),
                      text);
    } else if (message->accepted && memcmp(&id, &message->id, sizeof id) != 0) {
        report_breach(load->report, "a repeat with another id", text, "burst %" PRIu32, number_of(load, message));
    } else {
        message->id = id;
        message->accepted = true;
    }
}

static struct answer *post(struct burster *burster, const char *path, const char *key, const char *body) {
    char url[96], header[96];
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", burster->port, path);
    snprintf(header, sizeof header, "Idempotency-Key: %s", key);
    const char *headers[] = {header, NULL};
    return client_ask(burster->client, false, "POST", url, body, headers, deadline_scaled(CALL_MS));
}

static bool may_repeat(struct burst_load *load, int64_t first_ms, bool matters) {
    return !is_given_up(load) && (!matters || clock_unix_ms() - first_ms < KEY_SAFE_MS);
}

// Until it is accepted, as long as that is safe. Returns when the request began that was; 0: none was.
static int64_t send_message(struct burster *burster, struct burst_message *message) {
    struct burst_load *load = burster->load;
    uint32_t number = number_of(load, message);
    const char *path = is_mail(message->conversation) ? "/api/messages/email" : "/api/messages/sms";
    struct buf body = {0};
    char key[64];
    int64_t begun_ms = 0;
    write_message(load, message, false, &body);
    snprintf(key, sizeof key, "burst-%" PRIu64 "-%" PRIu32, load->options.seed, number);
    while (!message->accepted && may_repeat(load, message->begun_ms, message->ambiguous)) {
        begun_ms = clock_unix_ms();
        struct answer *answer = post(burster, path, key, body.data);
        note(load, path, number, answer_text(answer, "id"), answer);
        message->ambiguous = message->ambiguous || is_unanswered(answer);
        bool refused = answer->status != 202;
        if (!refused) {
            take_id(load, message, answer_text(answer, "id"));
        } else if (answer->status != 503 && answer->status != 0) {
            report_answer(load, NULL, path, answer);
        }
        answer_free(answer);
        if (refused) {
            poll(NULL, 0, PAUSE_MS);
        }
    }
    buf_free(&body);
    return message->accepted ? begun_ms : 0;
}

// ---- A batch

// Takes what became of each item; the last one can't be accepted. Returns whether all the others are.
static bool take_items(struct burster *burster, const uint32_t *numbers, size_t count, const struct answer *answer) {
    struct burst_load *load = burster->load;
    bool whole = true;
    for (size_t i = 0; i <= count; i++) {
        char path[48];
        snprintf(path, sizeof path, "items.%zu.status", i);
        long status = (long)answer_number(answer, path);
        if (i == count) {
            atomic_fetch_add(&load->refused, status == 400);
            whole = whole && status == 400;
            continue;
        }
        struct burst_message *message = message_at(load, numbers[i]);
        snprintf(path, sizeof path, "items.%zu.id", i);
        if (status == 202) {
            take_id(load, message, answer_text(answer, path));
            note(load, "item", numbers[i], answer_text(answer, path), answer);
        }
        snprintf(path, sizeof path, "items.%zu.details.ambiguous", i);
        message->ambiguous = message->ambiguous || answer_at(answer, path) != NULL;
        if (status != 202 && status != 503) {
            report_answer(load, NULL, "an item of a batch", answer);
        }
        whole = whole && status == 202;
    }
    return whole;
}

// An item that never had an answer is as a message that had none.
static void leave_unanswered(struct burst_load *load, const uint32_t *numbers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        message_at(load, numbers[i])->ambiguous = true;
    }
}

static void send_batch(struct burster *burster) {
    struct burst_load *load = burster->load;
    struct buf body = {0};
    char key[64], time[RFC3339_SIZE];
    size_t count = (size_t)dice_between(&burster->dice, 4, 10);
    const uint32_t *numbers = &burster->numbers[burster->count];
    int64_t first_ms = clock_unix_ms();
    rfc3339_format(first_ms, time);
    buf_puts(&body, "{\"messages\":[");
    for (size_t i = 0; i < count; i++) {
        int conversation = burster->index * EACH + (int)dice_between(&burster->dice, 0, EACH - 1);
        struct burst_message *message = add_message(burster, conversation, dice_percent(&burster->dice) < 10);
        if (message == NULL) {
            buf_free(&body);
            return;
        }
        message->in_batch = true;
        write_message(load, message, true, &body);
        buf_putc(&body, ',');
    }
    buf_printf(&body, UNACCEPTABLE "]}", time);
    snprintf(key, sizeof key, "batch-%" PRIu64 "-%d-%u", load->options.seed, burster->index, burster->round);
    bool whole = false, matters = false;
    while (!whole && may_repeat(load, first_ms, matters)) {
        struct answer *answer = post(burster, "/api/messages/batch", key, body.data);
        note(load, "batch", numbers[0], "", answer);
        if (answer->status == 200) {
            whole = take_items(burster, numbers, count, answer);
        } else if (is_unanswered(answer)) {
            leave_unanswered(load, numbers, count);
        } else if (answer->status != 503 && answer->status != 0) {
            report_answer(load, NULL, key, answer);
        }
        matters = matters || answer->status == 200 || is_unanswered(answer);
        atomic_fetch_add(&load->batches, whole);
        answer_free(answer);
        if (!whole) {
            poll(NULL, 0, PAUSE_MS);
        }
    }
    buf_free(&body);
}

// ---- Cancelling

// Returns whether that is the last word on it.
static bool take_cancel(struct burst_load *load, struct burst_message *message, const char *id,
                        const struct answer *answer) {
    bool was_cancelled = answer->status == 409 && strcmp(answer_text(answer, "details.status"), "cancelled") == 0;
    if (answer->status == 202 || (was_cancelled && message->cancel == BURST_PERHAPS)) {
        message->cancel = BURST_CANCELLED;
        message->cancelled_ms = clock_unix_ms();
        return true;
    }
    if (is_unanswered(answer)) {
        message->cancel = BURST_PERHAPS; // for good: that request may still be on its way
        return false;
    }
    if (answer->status == 409 && !was_cancelled) {
        atomic_fetch_add(&load->too_late, 1);
        return true;
    }
    if (answer->status != 503 && answer->status != 0) {
        report_answer(load, id, "a cancel", answer);
        return true;
    }
    return false;
}

static void cancel_message(struct burster *burster, struct burst_message *message) {
    struct burst_load *load = burster->load;
    char id[UUID_TEXT_SIZE], url[128];
    uuid_format(&message->id, id);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/api/messages/%s", burster->port, id);
    int64_t end_ms = clock_unix_ms() + CANCEL_MS;
    for (bool done = false; !done && clock_unix_ms() < end_ms && !is_given_up(load);) {
        struct answer *answer = client_ask(burster->client, true, "DELETE", url, NULL, NULL, deadline_scaled(CALL_MS));
        note(load, "cancel", number_of(load, message), id, answer);
        done = take_cancel(load, message, id, answer);
        answer_free(answer);
        if (!done) {
            poll(NULL, 0, PAUSE_MS);
        }
    }
}

// From the last one on, for that one waits for longest.
static void cancel_some(struct burster *burster) {
    for (size_t i = burster->count; i > 0; i--) {
        struct burst_message *message = message_at(burster->load, burster->numbers[i - 1]);
        int percent = message->due_ms != 0 ? CANCELLED_LATER_PERCENT : CANCELLED_PERCENT;
        if (dice_percent(&burster->dice) < percent && message->accepted) {
            cancel_message(burster, message);
        }
    }
}

// ---- Rounds

static void send_in_turn(struct burster *burster, int one, int other) {
    int64_t count = dice_between(&burster->dice, 4, 8);
    for (int64_t i = 0; i < count; i++) {
        struct burst_message *message = add_message(burster, i % 2 == 0 ? one : other, false);
        if (message != NULL) {
            (void)send_message(burster, message);
        }
    }
}

// A message that is to be sent later. Returns when the request of it began that was accepted; 0: none was for certain,
// or it may have been due by then.
static int64_t send_later(struct burster *burster, int conversation) {
    struct burst_message *message = add_message(burster, conversation, true);
    int64_t begun_ms = message != NULL ? send_message(burster, message) : 0;
    bool was_scheduled = begun_ms != 0 && !message->ambiguous && clock_unix_ms() < message->due_ms;
    return was_scheduled ? begun_ms : 0;
}

static void be_certain(struct burster *burster) {
    for (size_t i = 0; i < burster->count; i++) {
        struct burst_message *message = message_at(burster->load, burster->numbers[i]);
        message->is_certain = message->accepted && !message->ambiguous;
    }
}

// What there is to look at, once the round is over.
static void count_round(struct burster *burster) {
    struct burst_load *load = burster->load;
    for (size_t i = 0; i < burster->count; i++) {
        const struct burst_message *message = message_at(load, burster->numbers[i]);
        bool kept = message->cancel == BURST_KEPT, later = message->due_ms != 0;
        if (message->is_certain) {
            atomic_fetch_add(&load->certain, 1);
            atomic_fetch_add(&load->cancelled, later && message->cancel == BURST_CANCELLED);
            atomic_fetch_add(&load->later, later && kept);
            atomic_fetch_add(&load->of_batches, message->in_batch && !later && kept);
        }
        atomic_fetch_add(&load->pairs, bursts_next(load, burster->numbers[i]) != BURSTS_NONE);
    }
}

static void play_round(struct burster *burster) {
    struct burst_load *load = burster->load;
    int first = burster->index * EACH, one = first + (int)dice_between(&burster->dice, 0, EACH - 1);
    int other = dice_percent(&burster->dice) < 50 ? one : first + (int)dice_between(&burster->dice, 0, EACH - 1);
    burster->port = load->ports[burster->round % load->port_count];
    burster->count = 0;
    int64_t begun_ms = send_later(burster, one);
    if (dice_percent(&burster->dice) < 33) {
        send_batch(burster);
    } else {
        send_in_turn(burster, one, other);
    }
    bool is_open = send_later(burster, other) != 0 && begun_ms != 0;
    if (is_open && clock_unix_ms() - begun_ms < FORMAT_SETTLE_MS) {
        be_certain(burster);
    }
    cancel_some(burster);
    count_round(burster);
}

static bool is_enough(struct burst_load *load) {
    return atomic_load(&load->certain) >= BURSTS_LEAST_CERTAIN &&
           atomic_load(&load->cancelled) >= BURSTS_LEAST_CANCELLED && atomic_load(&load->later) >= BURSTS_LEAST_LATER &&
           atomic_load(&load->of_batches) >= BURSTS_LEAST_OF_BATCHES && atomic_load(&load->pairs) >= BURSTS_LEAST_PAIRS;
}

static bool bursts_are_over(struct burst_load *load) {
    bool enough = is_enough(load) || is_given_up(load);
    return (atomic_load(&load->end_ms) != 0 && enough) || atomic_load(&load->count) >= MOST_MESSAGES - MOST_OF_ROUND;
}

static void *bursts_run(void *argument) {
    struct burster *burster = argument;
    burster->client = client_create();
    for (; !bursts_are_over(burster->load); burster->round++) {
        burster->dice = dice_make(burster->load->options.seed, "bursts",
                                  burster->round * (uint64_t)THREADS + (uint64_t)burster->index);
        play_round(burster);
        int gap_ms = burster->load->options.hostile ? HOSTILE_GAP_MS : GAP_MS;
        for (int64_t until_ms = clock_unix_ms() + gap_ms;
             clock_unix_ms() < until_ms && !bursts_are_over(burster->load);) {
            poll(NULL, 0, PAUSE_MS);
        }
    }
    client_destroy(burster->client);
    free(burster);
    return NULL;
}

struct burst_load *bursts_begin(const struct options *options, const uint16_t *ports, int port_count,
                                const char *folder, struct report *report) {
    struct burst_load *load = xcalloc(1, sizeof *load);
    char *path = xasprintf("%s/bursts.log", folder);
    load->options = *options;
    load->report = report;
    load->port_count = (unsigned)port_count;
    load->messages = xcalloc(MOST_MESSAGES, sizeof *load->messages);
    load->log = fopen(path, "we");
    ck_assert_msg(load->log != NULL, "%s can't be written", path);
    pthread_mutex_init(&load->lock, NULL);
    for (int i = 0; i < port_count; i++) {
        load->ports[i] = ports[i];
    }
    for (int i = 0; i < THREADS; i++) {
        struct burster *burster = xcalloc(1, sizeof *burster);
        burster->load = load;
        burster->index = i;
        ck_assert_int_eq(pthread_create(&load->threads[i], NULL, bursts_run, burster), 0);
    }
    free(path);
    return load;
}

void bursts_end(struct burst_load *load) {
    atomic_store(&load->end_ms, clock_unix_ms() + deadline_scaled(ENOUGH_MS));
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(load->threads[i], NULL);
    }
    fclose(load->log);
}

void bursts_destroy(struct burst_load *load) {
    if (load == NULL) {
        return;
    }
    pthread_mutex_destroy(&load->lock);
    free(load->messages);
    free(load);
}

uint32_t bursts_count(const struct burst_load *load) {
    return atomic_load(&load->count);
}

const struct burst_message *bursts_at(const struct burst_load *load, uint32_t number) {
    return &load->messages[number];
}

bool bursts_number(const char *body, uint32_t *number) {
    return sscanf(body, BEGIN "%" SCNu32, number) == 1;
}

static bool is_plain(const struct burst_message *message) {
    return message->is_certain && message->due_ms == 0 && !message->in_batch && message->cancel == BURST_KEPT;
}

uint32_t bursts_next(const struct burst_load *load, uint32_t number) {
    uint32_t next = number + 1, count = bursts_count(load);
    while (next < count && load->messages[next].conversation != load->messages[number].conversation) {
        next++;
    }
    bool are_plain = next < count && is_plain(&load->messages[number]) && is_plain(&load->messages[next]);
    return are_plain ? next : BURSTS_NONE;
}

uint32_t bursts_batches(const struct burst_load *load) {
    return atomic_load(&load->batches);
}

uint32_t bursts_refused(const struct burst_load *load) {
    return atomic_load(&load->refused);
}

uint32_t bursts_too_late(const struct burst_load *load) {
    return atomic_load(&load->too_late);
}
