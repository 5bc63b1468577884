// SPDX-License-Identifier: MIT
#ifndef INGEST_OPT_OUTS_PAIR_H
#define INGEST_OPT_OUTS_PAIR_H

#include "shared/base/mem.h"
#include "shared/message/opt_out.h"

// A pair as the API names it: channel, our_address, their_address.

#define PAIR_REASON_SIZE ADDRESS_REASON_SIZE

struct pair_error {
    const char *field;
    const char *reason; // goes on from the field's name; static, or in text
    char text[PAIR_REASON_SIZE];
};

// "sms" or "email". Returns 0, or -1 where it is neither.
int pair_channel(const char *text, enum channel *out) MUST_CHECK;
// The identity of an address of that channel, owned by the caller; NULL with *error's reason set. sends: it must be one
// that a message can be sent from (ours) or to (theirs); else whatever a webhook may bring.
char *pair_identity(enum channel channel, enum address_side side, const char *text, bool sends,
                    const struct phone_region *region, struct pair_error *error) MUST_CHECK;
// A value out of a query, owned by the caller: a space before digits was a '+' that wasn't encoded.
char *pair_of_query(const char *value);

#endif
