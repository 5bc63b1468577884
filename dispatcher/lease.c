// SPDX-License-Identifier: MIT
#include "dispatcher/lease.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"

enum { FIRST_BUCKETS = 64 };

struct lease_table {
    struct lease **buckets;
    size_t bucket_count; // a power of two
    size_t count;
};

// FNV-1a, 32 bits: entry ids differ in their last digits.
static uint32_t hash_of(const char *entry_id) {
    uint32_t hash = 2166136261u;
    for (const unsigned char *at = (const unsigned char *)entry_id; *at; at++) {
        hash = (hash ^ *at) * 16777619u;
    }
    return hash;
}

static struct lease **lease_bucket_of(const struct lease_table *table, const char *entry_id) {
    return &table->buckets[hash_of(entry_id) & (table->bucket_count - 1)];
}

struct lease_table *lease_table_create(void) {
    struct lease_table *table = xcalloc(1, sizeof *table);
    table->bucket_count = FIRST_BUCKETS;
    table->buckets = xcalloc(table->bucket_count, sizeof(struct lease *));
    return table;
}

static void free_lease(struct lease *lease) {
    entry_free(&lease->entry);
    outcome_clear(&lease->outcome);
    free(lease);
}

static void remove_each(void *argument, struct lease *lease) {
    lease_table_remove(argument, lease);
}

void lease_table_destroy(struct lease_table *table) {
    lease_table_each(table, remove_each, table);
    free(table->buckets);
    free(table);
}

size_t lease_table_count(const struct lease_table *table) {
    return table->count;
}

struct lease *lease_table_find(const struct lease_table *table, const char *entry_id) {
    struct lease *lease = *lease_bucket_of(table, entry_id);
    while (lease != NULL && strcmp(lease->entry.id, entry_id) != 0) {
        lease = lease->bucket_next;
    }
    return lease;
}

static void lease_put(struct lease_table *table, struct lease *lease) {
    struct lease **bucket = lease_bucket_of(table, lease->entry.id);
    lease->bucket_next = *bucket;
    *bucket = lease;
}

static void grow(struct lease_table *table) {
    struct lease **old = table->buckets;
    size_t old_count = table->bucket_count;
    table->bucket_count *= 2;
    table->buckets = xcalloc(table->bucket_count, sizeof(struct lease *));
    for (size_t i = 0; i < old_count; i++) {
        for (struct lease *lease = old[i], *next; lease != NULL; lease = next) {
            next = lease->bucket_next;
            lease_put(table, lease);
        }
    }
    free(old);
}

struct lease *lease_table_add(struct lease_table *table, struct entry *entry) {
    if (table->count >= table->bucket_count) {
        grow(table);
    }
    struct lease *lease = xcalloc(1, sizeof *lease);
    lease->state = LEASE_WAITING;
    lease->entry = *entry;
    lease->outcome.retry_after_ms = -1;
    *entry = (struct entry){0};
    lease_put(table, lease);
    table->count++;
    return lease;
}

void lease_table_remove(struct lease_table *table, struct lease *lease) {
    struct lease **at = lease_bucket_of(table, lease->entry.id);
    while (*at != lease) {
        at = &(*at)->bucket_next;
    }
    *at = lease->bucket_next;
    table->count--;
    free_lease(lease);
}

void lease_table_each(struct lease_table *table, void (*each)(void *argument, struct lease *lease), void *argument) {
    for (size_t i = 0; i < table->bucket_count; i++) {
        for (struct lease *lease = table->buckets[i], *next; lease != NULL; lease = next) {
            next = lease->bucket_next;
            each(argument, lease);
        }
    }
}

void lease_queue_put(struct lease_queue *queue, struct lease *lease) {
    lease->next = NULL;
    if (queue->last != NULL) {
        queue->last->next = lease;
    } else {
        queue->first = lease;
    }
    queue->last = lease;
}

struct lease *lease_queue_take(struct lease_queue *queue) {
    struct lease *lease = queue->first;
    if (lease == NULL) {
        return NULL;
    }
    queue->first = lease->next;
    if (queue->first == NULL) {
        queue->last = NULL;
    }
    lease->next = NULL;
    return lease;
}
