// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_FATE_H
#define DISPATCHER_MOCK_FATE_H

#include <stdbool.h>
#include <stdint.h>

#include "dispatcher/mock/deck.h"
#include "shared/message/message.h"
#include "shared/settings/settings.h"

// What becomes of each message that the mock has accepted, in order: with a seed, the same in every run. Its sequences
// are its own, so that the calls' outcomes (sequence.h) are the same whether there are receipts or not.

struct mock_fate {
    bool is_told;        // whether it arrived becomes known: receipts_pct
    bool is_undelivered; // and it didn't: undelivered_pct of those
    bool is_repeated;    // what is told is told twice
    bool is_shuffled;    // and in the wrong order
    uint64_t random;     // for whatever else differs from message to message
};

struct mock_fates {
    struct mock_deck told, undelivered, repeated, shuffled;
};

// As mock_sequence_start.
void mock_fates_start(struct mock_fates *fates, int64_t seed, enum provider provider);
// The next accepted message's, by the shares as they are now. settings: of the shares of repeats and wrong order.
struct mock_fate mock_fates_next(struct mock_fates *fates, const struct mock_settings *behaviour,
                                 const struct settings *settings);

#endif
