// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_TWILIO_MESSAGE_H
#define DISPATCHER_MOCK_TWILIO_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "shared/base/form.h"

// A message as Twilio shows it, and how its status moves on:
// https://www.twilio.com/docs/messaging/api/message-resource.

#define MOCK_NEVER INT64_MAX

struct mock_message {
    char *account, *sid, *from, *to, *body; // owned
    char *service;                          // owned; NULL: none
    size_t media, segments;
    // Times, ms since 1970.
    int64_t created_ms, sent_ms, ended_ms; // the latter may be MOCK_NEVER
    const char *end;                       // what it comes to: "delivered", "undelivered" or "failed"
    int code;                              // why; 0: it arrives
};

// What a form that has been checked asks for, to be freed; it is never sent yet. id: the sid's 32 digits.
struct mock_message mock_message_of(const char *account, const char *id, const struct form *form);
void mock_message_free(struct mock_message *message);
// How much memory it takes.
size_t mock_message_bytes(const struct mock_message *message);
// Its status at that time.
const char *mock_message_status(const struct mock_message *message, int64_t now_ms);
// Appends it as it is at that time.
void mock_message_write(const struct mock_message *message, int64_t now_ms, struct buf *out);

#endif
