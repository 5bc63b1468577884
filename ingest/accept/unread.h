// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_UNREAD_H
#define INGEST_ACCEPT_UNREAD_H

#include "ingest/accept/acceptance.h"
#include "ingest/accept/payload.h"
#include "shared/message/message.h"

struct ingest_request;

#define UNREAD_REASON_SIZE 512

// The state of a webhook's request.
struct unread {
    struct acceptance acceptance;
    char field[PAYLOAD_FIELD_SIZE]; // what is wrong, as struct payload_error has it
    char reason[UNREAD_REASON_SIZE];
};

// Keeps a webhook that can't become a message, whose state is a struct unread: its body goes to Redis as it is, for the
// persister to make a dead letter of it, and once Redis has it the answer is 400, which names what error does; 503
// where Redis hasn't. A body that is kept already, and one beyond what may be kept, is answered so as well. Keeps
// nothing of error.
void unread_keep(struct ingest_request *request, enum provider provider, const struct payload_error *error);

#endif
