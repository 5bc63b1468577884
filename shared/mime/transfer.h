// SPDX-License-Identifier: MIT
#ifndef SHARED_MIME_TRANSFER_H
#define SHARED_MIME_TRANSFER_H

#include <stddef.h>

#include "shared/base/buf.h"
#include "shared/message/span.h"

// Appends what a body of a Content-Transfer-Encoding (RFC 2045, 6) stands for: base64, of which other characters are
// passed over and what is cut off at the end is left out; quoted-printable, in which what is no escape stands for
// itself; of any other encoding, the bytes as they are.
void transfer_decode(struct buf *out, struct span encoding, const char *bytes, size_t length);
// Its two parts.
void transfer_decode_base64(struct buf *out, const char *bytes, size_t length);
// is_word: an encoded word's (RFC 2047, 4.2), in which '_' is a space.
void transfer_decode_quoted(struct buf *out, const char *bytes, size_t length, int is_word);

#endif
