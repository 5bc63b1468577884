// SPDX-License-Identifier: MIT
#include "shared/base/backoff.h"

#include "shared/base/crypto.h"

// SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014): jitter needs spread, not
// secrecy. Thread-local so that it needs no lock; 0 is "not seeded yet".
static _Thread_local uint64_t state;

static uint64_t backoff_next_random(void) {
    if (state == 0) {
        crypto_random(&state, sizeof state);
    }
    uint64_t mixed = state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

int64_t backoff_full_jitter_ms(unsigned attempt, int64_t base_ms, int64_t cap_ms) {
    int64_t limit = base_ms < cap_ms ? base_ms : cap_ms;
    for (; attempt > 0 && limit > 0 && limit < cap_ms; attempt--) {
        limit = limit > cap_ms / 2 ? cap_ms : limit * 2;
    }
    if (limit < 1) {
        return 1;
    }
    int64_t wait = (int64_t)(backoff_next_random() % ((uint64_t)limit + 1));
    return wait < 1 ? 1 : wait;
}
