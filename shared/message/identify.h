// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_IDENTIFY_H
#define SHARED_MESSAGE_IDENTIFY_H

#include <stdbool.h>

#include "shared/message/message.h"

// The rules by which an address gets its identity (address.h). They are raised when they change, so that a database
// whose rows were made by others is known (identity_state, migration 0008). 1: releases until 50b4a1b.
#define IDENTITY_RULES 2

// Whether a message's sender and recipient were made by today's rules and that region (NULL: none).
bool message_is_identified(const struct message *message, const struct phone_region *region);

// Makes sender, recipient and region anew, of a message that was identified by an older release or another region:
// from what `from` and `to` show, where that is one address, else from the former identity, of which more is known (of
// several recipients it is the one that was chosen). An email of today's rules stays as it is, for no region counts for
// it, and its recipient may come from the envelope. What is no address of its channel keeps its former identity.
void message_identify(struct message *message, const struct phone_region *region);

// What that region makes of an identity whose original spelling nobody knows any more, as of a pair that has opted out:
// a phone's digits without '+' are completed, whatever region left them so; all else stays, for E.164 says itself where
// it belongs. Doing it again changes nothing. Owned by the caller.
char *identity_complete(enum channel channel, const char *identity, const struct phone_region *region) MUST_CHECK;

#endif
