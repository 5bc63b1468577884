// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_EMAIL_H
#define SHARED_MESSAGE_EMAIL_H

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/message/refusal.h"
#include "shared/message/span.h"

#define EMAIL_REASON_SIZE REFUSAL_SIZE

// Appends the identity of an email address: what two spellings of it have in common.
//   text  "local@domain" alone (RFC 5322's addr-spec with RFC 6532's characters), without comments and white space
//         around its parts
// Of its local part: in NFC and lower case, though never from another script into ASCII; without its +tag; quotes only
// where it can't do without them, and then '<' and '>' percent-encoded, so that no identity contains the "<->" of a
// conversation's key. Of its domain: domain.h.
// Returns NULL, or a sentence that says what is wrong and what is allowed, a static one or in *reason; nothing is then
// appended. Taking an identity's identity changes nothing.
const char *email_identify(struct span text, struct buf *out, char reason[EMAIL_REASON_SIZE]) MUST_CHECK;

// What is longer is no quoted string and no comment (a line's limit, RFC 5322, 2.1.1), so that a text full of what
// looks like their beginnings is read in time.
#define EMAIL_ENCLOSED_MAX 998 // bytes

// Where the last byte of a quoted string stands that begins at `at` ('"', RFC 5322, 3.2.4); 0: it isn't closed.
size_t email_quote_end(struct span text, size_t at);

#endif
