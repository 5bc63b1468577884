// SPDX-License-Identifier: MIT
#include "tests/protocol/postgres.h"

#include <stdlib.h>
#include <string.h>

enum {
    MOST_AHEAD_MS = 24 * 3600 * 1000, // of the provider's clock
    CUT_OFF_MS = 999,                 // at most, of a time in whole seconds
};

// Steps 1 to 3: stored once.
static void store(struct postgres *postgres, const struct event *event) {
    if (postgres->stored[event->message] == 0) {
        postgres->stored[event->message] = 1 + event->content;
        postgres->accepted_ms[event->message] = event->at_ms;
        postgres->total++;
    }
}

// The order of step 4: sent beats all, else the greater (generation, final, cancelled, call).
static int compare(const struct delivery *a, const struct delivery *b) {
    int sent = (a->status == DELIVERY_SENT) - (b->status == DELIVERY_SENT);
    int generation = a->generation - b->generation;
    int final = a->final - b->final;
    int cancelled = (a->status == DELIVERY_CANCELLED) - (b->status == DELIVERY_CANCELLED);
    return sent != 0         ? sent
           : generation != 0 ? generation
           : final != 0      ? final
           : cancelled != 0  ? cancelled
                             : a->call - b->call;
}

static void deliver(struct postgres *postgres, const struct event *event) {
    static const enum delivery_status statuses[] = {
        [VERDICT_RETRY] = DELIVERY_RETRYING,
        [VERDICT_CANCELLED] = DELIVERY_CANCELLED,
        [VERDICT_FAILED] = DELIVERY_FAILED,
        [VERDICT_SENT] = DELIVERY_SENT,
    };
    bool outcome = event->kind == EVENT_OUTCOME;
    struct delivery *row = &postgres->deliveries[event->message];
    struct delivery next = {.status = outcome ? statuses[event->verdict] : DELIVERY_QUEUED,
                            .generation = event->generation,
                            .call = outcome ? event->call : 0,
                            .final = outcome && event->verdict != VERDICT_RETRY,
                            .receipt = row->receipt,
                            .attempts = row->attempts};
    if (row->status == DELIVERY_NONE || postgres->last_writer_wins || compare(&next, row) > 0) {
        *row = next;
    }
}

static struct attempt_row *find_attempt(struct postgres *postgres, const struct event *event) {
    for (int i = 0; i < postgres->attempt_count; i++) {
        struct attempt_row *row = &postgres->attempts[i];
        if (row->message == event->message && row->generation == event->generation && row->call == event->call &&
            row->delivery == event->delivery) {
            return row;
        }
    }
    return NULL;
}

// Step 5: by key; of two the success stands.
static void attempt(struct postgres *postgres, const struct event *event) {
    struct attempt_row *row = find_attempt(postgres, event);
    postgres->deliveries[event->message].attempts++;
    if (row != NULL) {
        row->verdict = event->verdict == VERDICT_SENT ? VERDICT_SENT : row->verdict;
    } else if (postgres->attempt_count < MOST_CALLS) {
        postgres->attempts[postgres->attempt_count++] = (struct attempt_row){.message = event->message,
                                                                             .generation = event->generation,
                                                                             .call = event->call,
                                                                             .delivery = event->delivery,
                                                                             .verdict = event->verdict};
    } else {
        abort();
    }
}

static bool was_sent(const struct postgres *postgres, const struct event *event) {
    for (int i = 0; i < postgres->attempt_count; i++) {
        const struct attempt_row *row = &postgres->attempts[i];
        if (row->verdict == VERDICT_SENT && row->message == event->message && row->generation <= event->generation) {
            return true;
        }
    }
    return false;
}

static bool is_cancelled(const struct postgres *postgres, const struct event *event) {
    for (int i = 0; i < postgres->attempt_count; i++) {
        const struct attempt_row *row = &postgres->attempts[i];
        if (row->verdict == VERDICT_CANCELLED && row->message == event->message &&
            row->generation >= event->generation) {
            return true;
        }
    }
    return false;
}

bool postgres_is_delivered(const struct postgres *postgres, int message) {
    for (int i = 0; i < postgres->receipt_count; i++) {
        const struct receipt_row *row = &postgres->receipts[i];
        if (row->message == message && row->status == RECEIPT_DELIVERED) {
            return true;
        }
    }
    return false;
}

static bool is_closed_by_receipt(const struct postgres *postgres, int message) {
    return !postgres->letters_stay_open && postgres_is_delivered(postgres, message);
}

int64_t receipt_row_ms(const struct receipt_row *row) {
    int64_t said_ms = row->occurred_ms != RECEIPT_NO_TIME ? row->occurred_ms : row->arrived_ms;
    return said_ms < row->arrived_ms + MOST_AHEAD_MS ? said_ms : row->arrived_ms + MOST_AHEAD_MS;
}

int64_t receipt_row_latest_ms(const struct receipt_row *row) {
    bool is_timed = row->occurred_ms != RECEIPT_NO_TIME && row->occurred_ms + CUT_OFF_MS < row->arrived_ms;
    return is_timed ? row->occurred_ms + CUT_OFF_MS : row->arrived_ms;
}

static struct receipt_row *find_receipt(struct postgres *postgres, const struct event *event) {
    for (int i = 0; i < postgres->receipt_count; i++) {
        struct receipt_row *row = &postgres->receipts[i];
        if (row->message == event->message && row->call == event->call && row->status == event->said) {
            return row;
        }
    }
    return NULL;
}

static void record_receipt(struct postgres *postgres, const struct event *event) {
    struct receipt_row *row = find_receipt(postgres, event);
    if (row == NULL && postgres->receipt_count == MOST_RECEIPTS) {
        abort();
    }
    if (row == NULL) {
        postgres->receipts[postgres->receipt_count++] = (struct receipt_row){.message = event->message,
                                                                             .call = event->call,
                                                                             .status = event->said,
                                                                             .occurred_ms = event->occurred_ms,
                                                                             .arrived_ms = event->at_ms};
        return;
    }
    row->occurred_ms = event->occurred_ms > row->occurred_ms ? event->occurred_ms : row->occurred_ms;
    row->arrived_ms = event->at_ms < row->arrived_ms ? event->at_ms : row->arrived_ms;
}

static bool is_before(const struct postgres *postgres, const struct receipt_row *one, const struct receipt_row *other) {
    int64_t apart_ms = receipt_row_ms(other) - receipt_row_ms(one);
    bool later = postgres->first_receipt_wins ? apart_ms < 0 : apart_ms > 0;
    return later || (apart_ms == 0 && other->status == RECEIPT_DELIVERED);
}

// Step 7: the latest of a message's receipts stands, of two at one time `delivered`; a replay that began after an
// `undelivered` takes it back.
static enum receipt_shown standing_receipt(const struct postgres *postgres, int message) {
    const struct receipt_row *stands = NULL;
    for (int i = 0; i < postgres->receipt_count; i++) {
        const struct receipt_row *row = &postgres->receipts[i];
        if (row->message == message && (stands == NULL || is_before(postgres, stands, row))) {
            stands = row;
        }
    }
    if (stands == NULL || stands->status == RECEIPT_DELIVERED) {
        return stands == NULL ? SHOWN_NONE : SHOWN_DELIVERED;
    }
    return receipt_row_latest_ms(stands) < postgres->replayed_ms[message] ? SHOWN_NONE : SHOWN_UNDELIVERED;
}

static void show_receipt(struct postgres *postgres, const struct event *event) {
    struct delivery *row = &postgres->deliveries[event->message];
    if (!postgres->last_receipt_wins) {
        row->receipt = standing_receipt(postgres, event->message);
    } else if (event->kind == EVENT_RECEIPT) {
        row->receipt = event->said == RECEIPT_DELIVERED ? SHOWN_DELIVERED : SHOWN_UNDELIVERED;
    }
}

// Step 6: the dead letters.
static void bury(struct postgres *postgres, const struct event *event) {
    struct dead_letter *dead = postgres->dead[event->message];
    const struct delivery *row = &postgres->deliveries[event->message];
    if (event->verdict == VERDICT_FAILED && !dead[event->generation].exists && !was_sent(postgres, event)) {
        bool closed = row->generation > event->generation || is_cancelled(postgres, event) ||
                      is_closed_by_receipt(postgres, event->message);
        dead[event->generation] = (struct dead_letter){true, closed};
    }
    for (int generation = event->generation; event->verdict == VERDICT_SENT && generation < MOST_GENERATIONS;
         generation++) {
        dead[generation].exists = false;
    }
}

static void close_letters(struct postgres *postgres, int message) {
    for (int generation = 0; generation < MOST_GENERATIONS && is_closed_by_receipt(postgres, message); generation++) {
        postgres->dead[message][generation].replayed = true;
    }
}

// By a later generation, and by what cancelled this one.
static void unbury(struct postgres *postgres, const struct event *event) {
    bool cancelled = event->kind == EVENT_OUTCOME && event->verdict == VERDICT_CANCELLED;
    for (int generation = 0; generation < event->generation + cancelled; generation++) {
        postgres->dead[event->message][generation].replayed = true;
    }
}

int word_compare(const struct word_place *one, enum opt_out_state state, const struct word_place *other,
                 enum opt_out_state other_state) {
    int64_t said_ms = one->said_ms - other->said_ms, came_ms = one->came_ms - other->came_ms;
    int64_t apart_ms = said_ms != 0 ? said_ms : came_ms;
    return apart_ms != 0 ? (apart_ms > 0 ? 1 : -1) : (state == OPT_OUT_OUT) - (other_state == OPT_OUT_OUT);
}

static void take_word(struct postgres *postgres, const struct event *event) {
    struct opt_out_row *row = &postgres->pairs[event->message % SENDERS];
    if (row->state == OPT_OUT_NONE || word_compare(&event->place, event->opt_out, &row->place, row->state) > 0) {
        *row = (struct opt_out_row){event->opt_out, event->place};
    }
}

// A webhook that came again is no new word, but where nothing is known of its pair. All of a batch is judged by what
// was there before it.
static void take_words(struct postgres *postgres, const struct event *events, int count) {
    bool stored[MOST_MESSAGES], known[SENDERS];
    for (int i = 0; i < MOST_MESSAGES; i++) {
        stored[i] = postgres->stored[i] != 0;
    }
    for (int i = 0; i < SENDERS; i++) {
        known[i] = postgres->pairs[i].state != OPT_OUT_NONE;
    }
    for (int i = 0; i < count; i++) {
        const struct event *event = &events[i];
        if (event->kind != EVENT_MESSAGE || event->opt_out == OPT_OUT_NONE) {
            continue;
        }
        if (!stored[event->message] || !known[event->message % SENDERS]) {
            take_word(postgres, event);
        }
        stored[event->message] = true;
        postgres->words[event->message]++;
    }
}

// ---- What is erased

void postgres_erase(struct postgres *postgres, int message) {
    int attempts = 0, receipts = 0;
    postgres->total -= postgres->stored[message] != 0;
    postgres->stored[message] = 0;
    postgres->deliveries[message] = (struct delivery){0};
    postgres->replayed_ms[message] = 0;
    postgres->erased[message] = true;
    memset(postgres->dead[message], 0, sizeof postgres->dead[message]);
    for (int i = 0; i < postgres->attempt_count; i++) {
        if (postgres->attempts[i].message != message) {
            postgres->attempts[attempts++] = postgres->attempts[i];
        }
    }
    for (int i = 0; i < postgres->receipt_count; i++) {
        if (postgres->receipts[i].message != message) {
            postgres->receipts[receipts++] = postgres->receipts[i];
        }
    }
    postgres->attempt_count = attempts;
    postgres->receipt_count = receipts;
}

bool postgres_is_to_erase(const struct postgres *postgres, int message) {
    return postgres->stored[message] != 0 &&
           postgres->accepted_ms[message] <= postgres->erasures[message % SENDERS].at_ms;
}

bool postgres_finish_erasure(struct postgres *postgres, int sender) {
    bool some = false;
    for (int i = 0; i < MOST_MESSAGES; i++) {
        some = some || (i % SENDERS == sender && postgres_is_to_erase(postgres, i));
    }
    postgres->erasures[sender].finished = !some;
    return !some;
}

// Step 0: what is to be erased from now on, and what of that comes only now.
static void take_erasures(struct postgres *postgres, const struct event *events, int count) {
    for (int i = 0; i < count; i++) {
        struct erasure_row *row = events[i].kind == EVENT_ERASE ? &postgres->erasures[events[i].message] : NULL;
        if (row != NULL && events[i].at_ms > row->at_ms) {
            *row = (struct erasure_row){.exists = true, .at_ms = events[i].at_ms};
        }
    }
    for (int i = 0; i < count && !postgres->stores_erased; i++) {
        const struct event *event = &events[i];
        if (event->kind == EVENT_MESSAGE && event->at_ms <= postgres->erasures[event->message % SENDERS].at_ms) {
            postgres_erase(postgres, event->message);
        }
    }
}

static bool comes_of_erased(const struct postgres *postgres, const struct event *event) {
    bool of_message = event->kind != EVENT_POISON && event->kind != EVENT_UNREAD && event->kind != EVENT_REREAD;
    return of_message && postgres->erased[event->message] &&
           (event->kind == EVENT_MESSAGE || !postgres->forgets_erased);
}

void postgres_commit(struct postgres *postgres, const struct ledger *ledger, const struct event *events, int count) {
    take_erasures(postgres, events, count);
    take_words(postgres, events, count);
    for (int i = 0; i < count; i++) {
        const struct event *event = &events[i];
        if (event->kind == EVENT_POISON || event->kind == EVENT_ERASE || comes_of_erased(postgres, event)) {
            continue;
        }
        if (event->kind == EVENT_UNREAD) {
            postgres->unread[event->message].exists = true;
            continue;
        }
        if (event->kind == EVENT_REREAD) {
            postgres->unread[event->letter].replayed = postgres->unread[event->letter].exists;
            continue;
        }
        if (event->kind == EVENT_RECEIPT) {
            record_receipt(postgres, event);
            show_receipt(postgres, event);
            close_letters(postgres, event->message);
            continue;
        }
        if (event->kind == EVENT_MESSAGE) {
            store(postgres, event);
        }
        if (event->kind != EVENT_MESSAGE || !ledger->messages[event->message].webhook) {
            deliver(postgres, event);
        }
        if (event->kind == EVENT_OUTCOME) {
            attempt(postgres, event);
            bury(postgres, event);
        }
        if (event->kind != EVENT_MESSAGE) {
            unbury(postgres, event);
        }
        if (event->kind == EVENT_REPLAYED) {
            int64_t *replayed_ms = &postgres->replayed_ms[event->message];
            *replayed_ms = event->at_ms > *replayed_ms ? event->at_ms : *replayed_ms;
            show_receipt(postgres, event);
        }
    }
}

bool postgres_is_unfinished(const struct postgres *postgres, const struct ledger *ledger, int message) {
    return !ledger->messages[message].webhook && postgres->stored[message] != 0 &&
           !postgres->deliveries[message].final && !postgres_is_delivered(postgres, message);
}
