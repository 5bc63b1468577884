// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_SENDGRID_EVENTS_H
#define DISPATCHER_MOCK_SENDGRID_EVENTS_H

#include <cjson/cJSON.h>
#include <stdint.h>
#include <uv.h>

#include "dispatcher/mock/fate.h"
#include "dispatcher/mock/teller.h"

// SendGrid's Event Webhook: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event. What happens
// within a moment is told in one batch, to WEBHOOK_PUBLIC_URL's /api/webhooks/email/events.

struct mock_events;

// teller must outlive it.
struct mock_events *mock_events_create(uv_loop_t *loop, struct mock_teller *teller);
void mock_events_destroy(struct mock_events *events);
// Tells what becomes of a mail that has just been accepted, where its fate is that it is told, of each recipient. mail:
// the request's body, with custom_args that become fields of each event. message_id: its X-Message-Id. key: the
// request's idempotency key, or NULL, for the ledger. delay_ms: until it has arrived.
void mock_events_follow(struct mock_events *events, const cJSON *mail, const char *message_id,
                        const struct mock_fate *fate, const char *key, int64_t delay_ms);
// Header lines by which SendGrid signs a body with a key, owned by the caller: as `sign` of struct mock_caller_kind.
size_t mock_events_sign(const struct mock_teller *teller, const char *body, size_t length, char *lines[]);

#endif
