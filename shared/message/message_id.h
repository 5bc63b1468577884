// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_MESSAGE_ID_H
#define SHARED_MESSAGE_MESSAGE_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/mem.h"
#include "shared/base/uuid.h"
#include "shared/message/message.h"

// The id of a message. A send's is a UUIDv7. A webhook's is a UUIDv8 of what its provider calls it and of the pair that
// it is between: two gateways may both begin to count at 1, and one email may reach two of our addresses.
//
// The last byte of either is the first of the SHA-256 of its conversation's key, so that everything about a message can
// be kept where its conversation is without asking where that is.
//
// Neither depends on PHONE_REGION: the identities that ids are made of are those without a region.

#define MESSAGE_ID_SHARD_BYTE (UUID_BYTES - 1) // where the conversation's byte stands

// The sides of a message as they are compared without a region.
struct message_pair {
    char *from;
    char *to;        // of several recipients the first: it stays the same, whichever of them counts; the envelope's
    char *recipient; // whose conversation it is
};

// All are owned by *out; message_pair_free().
void message_pair_of(const struct message *message, struct message_pair *out);
void message_pair_free(struct message_pair *pair);

// Whether a webhook names more than one recipient: then the last byte of its id changes with which of them counts, and
// the other 15 stay. False for a send.
bool message_has_several_recipients(const struct message *message);

// A new id for a send; a webhook's, the same for each redelivery, for ever. pair is message_pair_of it. A webhook has
// its provider_message_id.
struct uuid message_id_make(const struct message *message, const struct message_pair *pair);
// What releases before this one called a webhook: only of its provider's id, so that one of theirs is known when it
// comes again.
struct uuid message_id_former(const struct message *message);

#endif
