// SPDX-License-Identifier: MIT
#ifndef SHARED_MIME_HEADER_H
#define SHARED_MIME_HEADER_H

#include <stdbool.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/message/span.h"

// A mail's header (RFC 5322, 2.2), or that of one of its parts: lines that end with CRLF or LF alone, up to an empty
// one.

// How long the header at the beginning of a mail is, with the empty line behind it.
size_t header_length(struct span mail);
// Sets out to the value of the first field of that name, in any case: unfolded, without white space around, its bytes
// as they are otherwise. False where there is none; out is then empty. Blanks before the colon are passed over, and so
// is a line that is no field, such as mbox's "From ".
bool header_get(struct span mail, const char *name, struct buf *out) MUST_CHECK;

// The id out of a Message-ID's value, without '<' and '>' (RFC 5322, 3.6.4), owned by the caller; what has none is one
// by itself, without the white space in it. NULL where it is empty.
char *header_message_id(struct span value) MUST_CHECK;

#endif
