// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_OPAQUE_H
#define SHARED_MESSAGE_OPAQUE_H

#include "shared/base/buf.h"
#include "shared/message/span.h"

// Appends the identity of what a provider calls somebody and is no address ("MAILER-DAEMON", "<>",
// "undisclosed-recipients:;"): ASCII in lower case, white space collapsed and trimmed, '<' and '>' percent-encoded,
// control characters and bytes that aren't UTF-8 as U+FFFD, otherwise as it is; of a long one its first 200 bytes or
// so, '#' and its SHA-256. Taking an identity's identity changes nothing. text: not blank.
void opaque_identify(struct span text, struct buf *out);

#endif
