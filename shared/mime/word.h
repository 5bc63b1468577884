// SPDX-License-Identifier: MIT
#ifndef SHARED_MIME_WORD_H
#define SHARED_MIME_WORD_H

#include "shared/base/buf.h"
#include "shared/message/span.h"

// Appends a header's text as UTF-8, its encoded words decoded (RFC 2047, RFC 2231, 5): "=?utf-8?Q?Gr=C3=BC=C3=9Fe?=" is
// "Grüße". White space between two of them is left out; of neighbours of one charset the bytes are joined first, for
// some programs split characters. What is no such word, also where one should not stand or is too long, stays as it is.
void word_decode(struct buf *out, struct span text);

#endif
