// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_SEQUENCE_H
#define DISPATCHER_MOCK_SEQUENCE_H

#include <stdint.h>

#include "dispatcher/mock/deck.h"
#include "shared/message/message.h"
#include "shared/settings/settings.h"

// What the mock makes of each call of one provider, in order: with a seed, the same in every run. A card (deck.h) below
// timeout_pct is a time-out, and so on.

enum mock_outcome { MOCK_ACCEPT, MOCK_TIMEOUT, MOCK_ERROR, MOCK_RATE_LIMIT, MOCK_OUTCOME_COUNT };

struct mock_sequence {
    struct mock_deck deck;
};

// seed: -1 for none, which is a random one. Each provider has a sequence of its own, whatever the other does.
void mock_sequence_start(struct mock_sequence *sequence, int64_t seed, enum provider provider);
// The next call's outcome, by the shares as they are now. *status gets the HTTP status of an error: 500 or 503.
enum mock_outcome mock_sequence_next(struct mock_sequence *sequence, const struct mock_settings *settings,
                                     unsigned *status);

#endif
