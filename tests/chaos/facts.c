// SPDX-License-Identifier: MIT
//
// An array of records and a hash table over it, by open addressing.
#include "tests/chaos/facts.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"

enum { FIRST_ROOM = 1 << 12 };

struct facts {
    struct fact *all;
    size_t count, room;
    uint32_t *slots; // 2 x room; index + 1
    struct mock_call *calls;
    size_t call_count, call_room;
};

static size_t slot_of(const struct facts *facts, const struct uuid *id) {
    uint64_t hash, low;
    memcpy(&hash, id->bytes, sizeof hash);
    memcpy(&low, id->bytes + sizeof hash, sizeof low);
    hash = (hash ^ low) * UINT64_C(0x9e3779b97f4a7c15);
    size_t mask = 2 * facts->room - 1, slot = (size_t)(hash >> 20) & mask;
    while (facts->slots[slot] != 0 && memcmp(&facts->all[facts->slots[slot] - 1].id, id, sizeof *id) != 0) {
        slot = (slot + 1) & mask;
    }
    return slot;
}

static void grow(struct facts *facts) {
    facts->room *= 2;
    facts->all = xrealloc(facts->all, facts->room * sizeof *facts->all);
    free(facts->slots);
    facts->slots = xcalloc(2 * facts->room, sizeof *facts->slots);
    for (size_t i = 0; i < facts->count; i++) {
        facts->slots[slot_of(facts, &facts->all[i].id)] = (uint32_t)i + 1;
    }
}

struct fact *facts_of(struct facts *facts, const struct uuid *id) {
    size_t slot = slot_of(facts, id);
    if (facts->slots[slot] != 0) {
        return &facts->all[facts->slots[slot] - 1];
    }
    if (facts->count == facts->room) {
        grow(facts);
        slot = slot_of(facts, id);
    }
    facts->all[facts->count] = (struct fact){.id = *id, .number = FACT_NO_NUMBER};
    facts->slots[slot] = (uint32_t)++facts->count;
    return &facts->all[facts->count - 1];
}

void facts_add_call(struct facts *facts, const struct uuid *id, int64_t at_ms, bool success) {
    if (facts->call_count == facts->call_room) {
        facts->call_room = facts->call_room == 0 ? FIRST_ROOM : 2 * facts->call_room;
        facts->calls = xrealloc(facts->calls, facts->call_room * sizeof *facts->calls);
    }
    facts->calls[facts->call_count++] = (struct mock_call){at_ms, success, 0};
    struct fact *fact = facts_of(facts, id);
    if (fact->last_call != 0) {
        facts->calls[fact->last_call - 1].next = (uint32_t)facts->call_count;
    } else {
        fact->first_call = (uint32_t)facts->call_count;
    }
    fact->last_call = (uint32_t)facts->call_count;
    fact->calls++;
    fact->successes = (uint16_t)(fact->successes + success);
    if (success && fact->delivered_ms == 0) {
        fact->delivered_ms = at_ms;
    }
}

struct facts *facts_create(void) {
    struct facts *facts = xcalloc(1, sizeof *facts);
    facts->room = FIRST_ROOM / 2;
    grow(facts);
    return facts;
}

void facts_destroy(struct facts *facts) {
    free(facts->all);
    free(facts->slots);
    free(facts->calls);
    free(facts);
}

size_t facts_count(const struct facts *facts) {
    return facts->count;
}

struct fact *facts_at(struct facts *facts, size_t index) {
    return &facts->all[index];
}

const struct mock_call *facts_call(const struct facts *facts, uint32_t index) {
    return &facts->calls[index - 1];
}

uint64_t facts_calls(const struct facts *facts) {
    return facts->call_count;
}
