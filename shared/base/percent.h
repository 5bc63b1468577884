// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_PERCENT_H
#define SHARED_BASE_PERCENT_H

#include <stddef.h>

// Percent encoding (RFC 3986, 2.1).

// The byte that an escape stands for ("%2B", in either case), 0 to 255; -1 where text doesn't begin with one. Reads
// length bytes at most, and nothing beyond a NUL.
int percent_byte(const char *text, size_t length);
// Decodes a name or a value of a form (WHATWG URL, 5.1): '+' is a space, and a '%' that begins no escape stands for
// itself. out has room for length + 1 bytes and may be text itself. Returns the length of what was decoded, which may
// hold NULs and has another behind it.
size_t percent_decode_form(const char *text, size_t length, char *out);

#endif
