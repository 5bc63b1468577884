// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_LEASE_H
#define DISPATCHER_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dispatcher/breaker.h"
#include "dispatcher/entry.h"
#include "dispatcher/provider/call.h"
#include "dispatcher/provider/outcome.h"
#include "dispatcher/retry.h"
#include "shared/redis/keys.h"

// An entry that this process holds, from its read to the reply that says it is settled or given back.

enum lease_state {
    LEASE_WAITING,   // read, not called yet
    LEASE_ASKING,    // its sender is held, or somebody has opted out: asking whether it may be called
    LEASE_RENEWING,  // too old to be called by: asking whether it is still ours
    LEASE_CALLING,   // its provider is being called
    LEASE_FINISHED,  // its outcome is known and waits to be settled
    LEASE_SETTLING,  // the settlement is on its way
    LEASE_RETURNING, // being given back
};

struct lane;
struct upstream;

struct lease {
    struct lane *lane;                 // that holds it
    const struct partition_keys *keys; // of its partition; the same for all of a lane
    struct upstream *upstream;         // that it is for
    enum lease_state state;
    struct entry entry;
    int64_t count;                  // its delivery count: with the consumer's name the fence
    int64_t dated_ms;               // clock_boot_ms when the read or renewal that it dates from was sent
    int64_t renewal_ms;             // while RENEWING: when that was sent
    char epoch[BREAKER_EPOCH_SIZE]; // of the grant by which it was called; "" before
    char probe[BREAKER_PROBE_SIZE]; // "" when it is no probe
    struct call *call;              // while CALLING
    struct outcome outcome;         // from FINISHED on
    struct retry_decision decision; // from FINISHED on
    int64_t called_ms;              // when the call began, on Redis's clock
    int64_t admitted_ms;            // clock_boot_ms when a call was asked for, since its sender is held; 0: it wasn't
    bool recorded;                  // the breaker was told
    struct lease *next;             // in the queue of its state
    struct lease *bucket_next;      // in the table
};

// Those of one lane, by their entry's id.
struct lease_table;

struct lease_table *lease_table_create(void);
// Frees those that are left, with what they hold but their calls.
void lease_table_destroy(struct lease_table *table);
size_t lease_table_count(const struct lease_table *table);
struct lease *lease_table_find(const struct lease_table *table, const char *entry_id);
// Takes ownership of what entry holds and leaves it empty. The id must not be in the table.
struct lease *lease_table_add(struct lease_table *table, struct entry *entry);
// Frees it.
void lease_table_remove(struct lease_table *table, struct lease *lease);
// Calls each(argument, lease) for all; each may remove that one.
void lease_table_each(struct lease_table *table, void (*each)(void *argument, struct lease *lease), void *argument);

// First in, first out; through lease->next. Zero-initialised is empty.
struct lease_queue {
    struct lease *first;
    struct lease *last;
};
void lease_queue_put(struct lease_queue *queue, struct lease *lease);
struct lease *lease_queue_take(struct lease_queue *queue); // NULL when empty

#endif
