// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_TELLER_H
#define DISPATCHER_MOCK_TELLER_H

#include "dispatcher/mock/callbacks.h"
#include "dispatcher/mock/codes.h"
#include "dispatcher/mock/event_key.h"
#include "shared/settings/settings.h"

// What both vendors need to tell what became of messages.

struct mock_teller {
    const struct settings *settings;
    struct mock_callbacks *callbacks;
    struct mock_codes codes;
    struct mock_event_key *key; // NULL: SendGrid doesn't sign
};

// How much later than in its turn something is told that is told twice or in the wrong order. delay_ms: the receipts'.
static inline int64_t mock_teller_late_ms(int64_t delay_ms) {
    return delay_ms / 2 > 20 ? delay_ms / 2 : 20;
}

#endif
