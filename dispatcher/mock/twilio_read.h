// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_TWILIO_READ_H
#define DISPATCHER_MOCK_TWILIO_READ_H

#include <stddef.h>

#include "dispatcher/mock/outbox.h"
#include "dispatcher/mock/wire.h"

// What was sent as Twilio shows it: a message, or a page of an account's:
// https://www.twilio.com/docs/messaging/api/message-resource, "Fetch a Message resource" and "Read multiple …".

struct mock_list {
    const char *to, *from; // only those; NULL: all
    size_t page, page_size;
};

#define MOCK_PAGE_SIZE 50
#define MOCK_PAGE_SIZE_MAX 1000

// Answers a request for path, which is authorized and names a message or an account's messages. list: which of them.
void mock_twilio_read(const struct mock_outbox *outbox, const char *path, const struct mock_list *list,
                      struct mock_answer *out);

#endif
