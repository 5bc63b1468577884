// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_TWILIO_STATUS_H
#define DISPATCHER_MOCK_TWILIO_STATUS_H

#include <stdint.h>

#include "dispatcher/mock/fate.h"
#include "dispatcher/mock/teller.h"
#include "dispatcher/mock/twilio_message.h"

// Twilio's status callbacks: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status.

// Settles when a message that has just been accepted is sent and what it comes to. delay_ms: until that.
void mock_status_settle(const struct mock_teller *teller, const struct mock_fate *fate, int64_t delay_ms,
                        struct mock_message *message);
// Tells that, where its fate is that it is told, to `url`, the StatusCallback that its request gave. key: the request's
// idempotency key, or NULL, for the ledger. teller must stay.
void mock_status_follow(struct mock_teller *teller, const struct mock_message *message, const struct mock_fate *fate,
                        const char *url, const char *key);

#endif
