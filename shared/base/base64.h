// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_BASE64_H
#define SHARED_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"

// RFC 4648, 4: the usual alphabet, padded, without line ends; of less than a gibibyte.

// Appends the text of these bytes to out.
void base64_encode(const void *bytes, size_t length, struct buf *out);
// Appends the bytes of a text to out. False where the text is not what base64_encode gives; out is then undefined.
bool base64_decode(const char *text, size_t length, struct buf *out) MUST_CHECK;

#endif
