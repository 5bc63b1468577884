// SPDX-License-Identifier: MIT
//
// A ring of keys in the order in which they came, and a hash table of chains over it. It grows by doubling up to its
// greatest size; only then does the ring go round.
#include "dispatcher/mock/memory.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/crypto.h"
#include "shared/base/mem.h"

enum { FIRST_ROOM = 1024 };

struct mock_memory {
    struct mock_key *keys;
    uint32_t *buckets; // as many as a power of two that is at least room; indexes from 1
    size_t bucket_count;
    size_t room, count, most;
    size_t oldest; // once it is full
};

static void digest_of(enum provider provider, const char *key, uint8_t out[MOCK_DIGEST_BYTES]) {
    struct buf text = {0};
    unsigned char hash[SHA256_SIZE];
    buf_printf(&text, "%s %s", provider_name(provider), key);
    crypto_sha256(text.data, text.length, hash);
    memcpy(out, hash, MOCK_DIGEST_BYTES);
    buf_free(&text);
}

static uint32_t *mock_memory_bucket_of(const struct mock_memory *memory, const uint8_t *digest) {
    uint64_t hash;
    memcpy(&hash, digest, sizeof hash);
    return &memory->buckets[hash & (memory->bucket_count - 1)];
}

static void mock_memory_put(struct mock_memory *memory, size_t index) {
    uint32_t *bucket = mock_memory_bucket_of(memory, memory->keys[index].digest);
    memory->keys[index].next = *bucket;
    *bucket = (uint32_t)index + 1;
}

static void resize(struct mock_memory *memory, size_t room) {
    memory->room = room < memory->most ? room : memory->most;
    memory->keys = xrealloc(memory->keys, memory->room * sizeof *memory->keys);
    while (memory->bucket_count < memory->room) {
        memory->bucket_count *= 2;
    }
    free(memory->buckets);
    memory->buckets = xcalloc(memory->bucket_count, sizeof *memory->buckets);
    for (size_t i = 0; i < memory->count; i++) {
        mock_memory_put(memory, i);
    }
}

static struct mock_key *mock_memory_find_digest(const struct mock_memory *memory, const uint8_t *digest) {
    for (uint32_t at = *mock_memory_bucket_of(memory, digest); at != 0; at = memory->keys[at - 1].next) {
        if (memcmp(memory->keys[at - 1].digest, digest, MOCK_DIGEST_BYTES) == 0) {
            return &memory->keys[at - 1];
        }
    }
    return NULL;
}

static void mock_memory_forget(struct mock_memory *memory, size_t index) {
    uint32_t *at = mock_memory_bucket_of(memory, memory->keys[index].digest);
    while (*at != index + 1) {
        at = &memory->keys[*at - 1].next;
    }
    *at = memory->keys[index].next;
}

// The place for a new key.
static size_t mock_memory_make_room(struct mock_memory *memory) {
    if (memory->count < memory->most) {
        if (memory->count == memory->room) {
            resize(memory, memory->room * 2);
        }
        return memory->count++;
    }
    size_t index = memory->oldest;
    memory->oldest = (memory->oldest + 1) % memory->most;
    mock_memory_forget(memory, index);
    return index;
}

struct mock_key *mock_memory_touch(struct mock_memory *memory, enum provider provider, const char *key) {
    uint8_t digest[MOCK_DIGEST_BYTES];
    digest_of(provider, key, digest);
    struct mock_key *known = mock_memory_find_digest(memory, digest);
    if (known != NULL) {
        return known;
    }
    size_t index = mock_memory_make_room(memory);
    memory->keys[index] = (struct mock_key){0};
    memcpy(memory->keys[index].digest, digest, MOCK_DIGEST_BYTES);
    mock_memory_put(memory, index);
    return &memory->keys[index];
}

const struct mock_key *mock_memory_find(const struct mock_memory *memory, enum provider provider, const char *key) {
    uint8_t digest[MOCK_DIGEST_BYTES];
    digest_of(provider, key, digest);
    return mock_memory_find_digest(memory, digest);
}

struct mock_memory *mock_memory_create(size_t most) {
    struct mock_memory *memory = xcalloc(1, sizeof *memory);
    memory->most = most;
    memory->bucket_count = 1;
    resize(memory, FIRST_ROOM);
    return memory;
}

void mock_memory_destroy(struct mock_memory *memory) {
    free(memory->keys);
    free(memory->buckets);
    free(memory);
}
