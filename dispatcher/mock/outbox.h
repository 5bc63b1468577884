// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_OUTBOX_H
#define DISPATCHER_MOCK_OUTBOX_H

#include <stdint.h>

#include "dispatcher/mock/twilio_message.h"

// The latest messages that the mock has accepted as Twilio, to be read back.

struct mock_outbox;

struct mock_outbox *mock_outbox_create(void);
void mock_outbox_destroy(struct mock_outbox *outbox);
// Takes what message holds.
void mock_outbox_add(struct mock_outbox *outbox, const struct mock_message *message);
// The message of that account and sid, or NULL; valid until the next one is added.
const struct mock_message *mock_outbox_find(const struct mock_outbox *outbox, const char *account, const char *sid);
// The one that is `back` of them older than the latest, or NULL.
const struct mock_message *mock_outbox_at(const struct mock_outbox *outbox, size_t back);

#endif
