// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_ADDRESS_H
#define SHARED_MESSAGE_ADDRESS_H

#include "shared/base/mem.h"
#include "shared/message/phone.h"

#define ADDRESS_MAX_BYTES 320        // of an address, and of what is given for one in a send
#define ADDRESS_KEPT_MAX_BYTES 16384 // of what a webhook brings
#define ADDRESS_REASON_SIZE PHONE_REASON_SIZE

enum channel { CHANNEL_SMS, CHANNEL_EMAIL }; // the address family; MMS shares a thread with SMS

// "sms" or "email".
const char *channel_name(enum channel channel);

// Whose address it is: only the `from` of a send may be a sender id ("MyBrand").
enum address_side { ADDRESS_FROM, ADDRESS_TO };

// An address. Both members are owned.
struct address {
    char *shown;      // as it was given, trimmed and taken out of a link and of what stands around it
    char *normalized; // what is compared, its identity
};

// What stands in a webhook's from or to. All members are owned.
struct address_list {
    char *shown; // the text as it was given, trimmed
    struct address *addresses;
    size_t count; // 1 and more
};

// Parses one address of a send, as the API takes it (ingest/openapi.yaml): trims it, takes it out of a Markdown link
// ("[a@b.c](mailto:a@b.c)") or, for emails, out of "Name <a@b.c>", and checks its form.
//   out     set only on success; address_free()
//   region  PHONE_REGION's, by which phones without '+' are completed (phone.h); NULL: none, and what ids are made of,
//           so that they stay the same whatever is set
// Returns NULL, or a sentence that says what is wrong and what is allowed ("must be a phone number: …"): a static one
// or in *reason.
const char *address_parse(enum channel channel, enum address_side side, const char *text,
                          const struct phone_region *region, struct address *out,
                          char reason[ADDRESS_REASON_SIZE]) MUST_CHECK;

// Takes whatever a provider calls the sender or the recipient of a message, for a customer's message is kept: one
// address or several, in their order; a phone with a name or a comment, "+44… (Mum)", is that phone. What is no address
// is one by itself, which has an identity of its own.
//   out  set only on success; address_list_free()
// Returns NULL, or a static sentence that says why even that is impossible: it is blank or too long.
const char *address_keep(enum channel channel, const char *text, const struct phone_region *region,
                         struct address_list *out) MUST_CHECK;

void address_free(struct address *address);
void address_list_free(struct address_list *list);

// "{channel}:{participant_a}<->{participant_b}", participants (normalized) in bytewise order; owned by the caller.
char *conversation_key(enum channel channel, const char *one, const char *other) MUST_CHECK;

#endif
