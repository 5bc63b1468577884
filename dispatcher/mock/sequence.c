// SPDX-License-Identifier: MIT
#include "dispatcher/mock/sequence.h"

void mock_sequence_start(struct mock_sequence *sequence, int64_t seed, enum provider provider) {
    mock_deck_start(&sequence->deck, seed, (unsigned)provider);
}

enum mock_outcome mock_sequence_next(struct mock_sequence *sequence, const struct mock_settings *settings,
                                     unsigned *status) {
    int64_t card = mock_deck_deal(&sequence->deck);
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
