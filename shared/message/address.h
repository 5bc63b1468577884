// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_ADDRESS_H
#define SHARED_MESSAGE_ADDRESS_H

#include "shared/base/mem.h"
#include "shared/message/phone.h"

#define ADDRESS_MAX_BYTES 320
#define ADDRESS_REASON_SIZE PHONE_REASON_SIZE

enum channel { CHANNEL_SMS, CHANNEL_EMAIL }; // the address family; MMS shares a thread with SMS

// "sms" or "email".
const char *channel_name(enum channel channel);

// Parses an address as the API takes it (ingest/openapi.yaml): trims it, takes it out of a Markdown link
// ("[a@b.c](mailto:a@b.c)") or, for emails, out of "Name <a@b.c>", and checks its form.
//   shown       what the message keeps as its from or to: the plain address, not normalized
//   normalized  what is compared, its identity: email in lower case without its +tag, '<' and '>' percent-encoded;
//               phone as digits with its leading '+'
// Both are owned by the caller and set only on success.
//   region      PHONE_REGION's, by which phones without '+' are completed (phone.h); NULL: none, and what a webhook's
//               id is made of, so that it stays the same whatever is set
// Returns NULL, or a sentence that says what is wrong and what is allowed ("must be a phone number: …"): a static one
// or in *reason.
const char *address_parse(enum channel channel, const char *text, const struct phone_region *region, char **shown,
                          char **normalized, char reason[ADDRESS_REASON_SIZE]) MUST_CHECK;

// "{channel}:{participant_a}<->{participant_b}", participants (normalized) in bytewise order; owned by the caller.
char *conversation_key(enum channel channel, const char *one, const char *other) MUST_CHECK;

#endif
