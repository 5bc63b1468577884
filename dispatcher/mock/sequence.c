// SPDX-License-Identifier: MIT
#include "dispatcher/mock/sequence.h"

#include "shared/base/crypto.h"

// SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
static uint64_t mock_sequence_next_random(struct mock_sequence *sequence) {
    uint64_t mixed = sequence->state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

static uint64_t random_seed(void) {
    uint64_t seed;
    crypto_random(&seed, sizeof seed);
    return seed;
}

// Fisher and Yates's.
static void shuffle(struct mock_sequence *sequence) {
    for (unsigned i = MOCK_DECK - 1; i > 0; i--) {
        unsigned other = (unsigned)(mock_sequence_next_random(sequence) % (i + 1));
        uint8_t card = sequence->deck[i];
        sequence->deck[i] = sequence->deck[other];
        sequence->deck[other] = card;
    }
    sequence->dealt = 0;
}

void mock_sequence_start(struct mock_sequence *sequence, int64_t seed, enum provider provider) {
    sequence->state = seed >= 0 ? (uint64_t)seed : random_seed();
    for (unsigned i = 0; i <= (unsigned)provider; i++) { // so that one seed makes two sequences
        sequence->state = mock_sequence_next_random(sequence);
    }
    for (unsigned i = 0; i < MOCK_DECK; i++) {
        sequence->deck[i] = (uint8_t)i;
    }
    shuffle(sequence);
}

enum mock_outcome mock_sequence_next(struct mock_sequence *sequence, const struct mock_settings *settings,
                                     unsigned *status) {
    if (sequence->dealt == MOCK_DECK) {
        shuffle(sequence);
    }
    int64_t card = sequence->deck[sequence->dealt++];
    *status = card % 2 ? 503 : 500;
    if (card < settings->timeout_pct) {
        return MOCK_TIMEOUT;
    }
    if (card < settings->timeout_pct + settings->error_pct) {
        return MOCK_ERROR;
    }
    if (card < settings->timeout_pct + settings->error_pct + settings->ratelimit_pct) {
        return MOCK_RATE_LIMIT;
    }
    return MOCK_ACCEPT;
}
