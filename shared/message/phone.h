// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_PHONE_H
#define SHARED_MESSAGE_PHONE_H

#include <stddef.h>

#include "shared/base/mem.h"
#include "shared/message/refusal.h"

#define PHONE_IDENTITY_SIZE 17 // '+', 15 digits (E.164), NUL
#define PHONE_REASON_SIZE REFUSAL_SIZE

struct phone_region; // where a number without '+' is dialled

// The region of an ISO 3166 code of two letters, in any case; NULL where it has no numbers, or the code no region.
const struct phone_region *phone_region_find(const char *code);
// Its ISO 3166 code, in upper case; "" for NULL.
const char *phone_region_code(const struct phone_region *region);

// Puts the identity of a phone number into *identity: its digits, with its leading '+'.
//   text    valid UTF-8 of `length` bytes, as people write and copy them; or a tel: URI (RFC 3966), of whose
//           parameters only phone-context counts
//   region  what completes a number without '+' to E.164, unless it is a short code or fits no number of the region;
//           NULL: digits without '+' are the identity
// A trunk digit after a country's calling code, "+44 (0)20…", is left out with a region and without; one without
// brackets, "+44 020…", where the digits are no number of the country with it and could be one without.
// Returns NULL, or a sentence that says what is wrong and what is allowed: a static one or in *reason; *identity is
// then undefined.
const char *phone_parse(const char *text, size_t length, const struct phone_region *region,
                        char identity[PHONE_IDENTITY_SIZE], char reason[PHONE_REASON_SIZE]) MUST_CHECK;

#endif
