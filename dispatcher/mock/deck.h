// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_DECK_H
#define DISPATCHER_MOCK_DECK_H

#include <stdint.h>

// The cards 0 to 99, shuffled, dealt to the end, and shuffled again. So in every 100 draws exactly `share` cards are
// below `share`, which independent draws don't give.

#define MOCK_DECK 100

struct mock_deck {
    uint64_t state; // of the generator
    uint8_t cards[MOCK_DECK];
    unsigned dealt;
};

// seed: -1 for none, which is a random one. stream: which of the sequences that one seed makes.
void mock_deck_start(struct mock_deck *deck, int64_t seed, unsigned stream);
unsigned mock_deck_deal(struct mock_deck *deck);
// A number from the same generator, for what is no share.
uint64_t mock_deck_random(struct mock_deck *deck);

#endif
