// SPDX-License-Identifier: MIT
#include "dispatcher/mock/fate.h"

enum { STREAMS = 4 }; // a provider's, behind those of the calls' outcomes, of which each provider has one

void mock_fates_start(struct mock_fates *fates, int64_t seed, enum provider provider) {
    unsigned first = PROVIDER_COUNT + STREAMS * (unsigned)provider;
    mock_deck_start(&fates->told, seed, first);
    mock_deck_start(&fates->undelivered, seed, first + 1);
    mock_deck_start(&fates->repeated, seed, first + 2);
    mock_deck_start(&fates->shuffled, seed, first + 3);
}

// Each share is exact in every hundred of those that it is a share of, so the later cards are for those alone of which
// something becomes known.
struct mock_fate mock_fates_next(struct mock_fates *fates, const struct mock_settings *behaviour,
                                 const struct settings *settings) {
    struct mock_fate fate = {.is_told = mock_deck_deal(&fates->told) < behaviour->receipts_pct};
    if (fate.is_told) {
        fate.is_undelivered = mock_deck_deal(&fates->undelivered) < behaviour->undelivered_pct;
        fate.is_repeated = mock_deck_deal(&fates->repeated) < settings->mock_receipt_repeats_pct;
        fate.is_shuffled = mock_deck_deal(&fates->shuffled) < settings->mock_receipt_shuffle_pct;
        fate.random = mock_deck_random(&fates->told);
    }
    return fate;
}
