// SPDX-License-Identifier: MIT
#include "dispatcher/mock/deck.h"

#include "shared/base/crypto.h"

// SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
uint64_t mock_deck_random(struct mock_deck *deck) {
    uint64_t mixed = deck->state += 0x9e3779b97f4a7c15u;
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
static void shuffle(struct mock_deck *deck) {
    for (unsigned i = MOCK_DECK - 1; i > 0; i--) {
        unsigned other = (unsigned)(mock_deck_random(deck) % (i + 1));
        uint8_t card = deck->cards[i];
        deck->cards[i] = deck->cards[other];
        deck->cards[other] = card;
    }
    deck->dealt = 0;
}

void mock_deck_start(struct mock_deck *deck, int64_t seed, unsigned stream) {
    deck->state = seed >= 0 ? (uint64_t)seed : random_seed();
    for (unsigned i = 0; i <= stream; i++) {
        deck->state = mock_deck_random(deck);
    }
    for (unsigned i = 0; i < MOCK_DECK; i++) {
        deck->cards[i] = (uint8_t)i;
    }
    shuffle(deck);
}

unsigned mock_deck_deal(struct mock_deck *deck) {
    if (deck->dealt == MOCK_DECK) {
        shuffle(deck);
    }
    return deck->cards[deck->dealt++];
}
