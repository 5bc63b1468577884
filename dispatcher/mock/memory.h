// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_MEMORY_H
#define DISPATCHER_MOCK_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/message/message.h"

// The idempotency keys that the mock has seen, each with the calls that carried it. When it is full, the oldest key is
// forgotten for each new one.

#define MOCK_DIGEST_BYTES 16

struct mock_key {
    uint8_t digest[MOCK_DIGEST_BYTES]; // of provider and key; the provider's message id is made of it
    uint32_t calls;
    bool accepted; // a call with it was answered with success
    uint32_t next; // in its bucket: an index, from 1; 0 ends it
};

struct mock_memory;

struct mock_memory *mock_memory_create(size_t most);
void mock_memory_destroy(struct mock_memory *memory);
// The key, new or known; valid until the next call of this function.
struct mock_key *mock_memory_touch(struct mock_memory *memory, enum provider provider, const char *key);
// The key, or NULL when it isn't known.
const struct mock_key *mock_memory_find(const struct mock_memory *memory, enum provider provider, const char *key);

#endif
