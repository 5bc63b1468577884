// SPDX-License-Identifier: MIT
#include "tests/protocol/postgres.h"

#include <stdlib.h>

// Steps 1 to 3: stored once.
static void store(struct postgres *postgres, const struct event *event) {
    if (postgres->stored[event->message] == 0) {
        postgres->stored[event->message] = 1 + event->content;
        postgres->total++;
    }
}

// The order of step 4: sent beats all, else the greater (generation, final, call).
static int compare(const struct delivery *a, const struct delivery *b) {
    int sent = (a->status == DELIVERY_SENT) - (b->status == DELIVERY_SENT);
    int generation = a->generation - b->generation;
    int final = a->final - b->final;
    return sent != 0 ? sent : generation != 0 ? generation : final != 0 ? final : a->call - b->call;
}

static void deliver(struct postgres *postgres, const struct event *event) {
    static const enum delivery_status statuses[] = {
        [VERDICT_RETRY] = DELIVERY_RETRYING, [VERDICT_FAILED] = DELIVERY_FAILED, [VERDICT_SENT] = DELIVERY_SENT};
    bool outcome = event->kind == EVENT_OUTCOME;
    struct delivery *row = &postgres->deliveries[event->message];
    struct delivery next = {.status = outcome ? statuses[event->verdict] : DELIVERY_QUEUED,
                            .generation = event->generation,
                            .call = outcome ? event->call : 0,
                            .final = outcome && event->verdict != VERDICT_RETRY,
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
        row->sent = row->sent || event->verdict == VERDICT_SENT;
    } else if (postgres->attempt_count < MOST_CALLS) {
        postgres->attempts[postgres->attempt_count++] = (struct attempt_row){.message = event->message,
                                                                             .generation = event->generation,
                                                                             .call = event->call,
                                                                             .delivery = event->delivery,
                                                                             .sent = event->verdict == VERDICT_SENT};
    } else {
        abort();
    }
}

static bool was_sent(const struct postgres *postgres, const struct event *event) {
    for (int i = 0; i < postgres->attempt_count; i++) {
        const struct attempt_row *row = &postgres->attempts[i];
        if (row->sent && row->message == event->message && row->generation <= event->generation) {
            return true;
        }
    }
    return false;
}

// Step 6: the dead letters.
static void bury(struct postgres *postgres, const struct event *event) {
    struct dead_letter *dead = postgres->dead[event->message];
    const struct delivery *row = &postgres->deliveries[event->message];
    if (event->verdict == VERDICT_FAILED && !dead[event->generation].exists && !was_sent(postgres, event)) {
        dead[event->generation] = (struct dead_letter){true, row->generation > event->generation};
    }
    for (int generation = event->generation; event->verdict == VERDICT_SENT && generation < MOST_GENERATIONS;
         generation++) {
        dead[generation].exists = false;
    }
}

static void unbury(struct postgres *postgres, const struct event *event) {
    for (int generation = 0; generation < event->generation; generation++) {
        postgres->dead[event->message][generation].replayed = true;
    }
}

void postgres_commit(struct postgres *postgres, const struct ledger *ledger, const struct event *events, int count) {
    for (int i = 0; i < count; i++) {
        const struct event *event = &events[i];
        if (event->kind == EVENT_POISON) {
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
    }
}

bool postgres_is_unfinished(const struct postgres *postgres, const struct ledger *ledger, int message) {
    return !ledger->messages[message].webhook && postgres->stored[message] != 0 && !postgres->deliveries[message].final;
}
