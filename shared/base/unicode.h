// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_UNICODE_H
#define SHARED_BASE_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The length in bytes (1 to 4) of the well-formed UTF-8 sequence at text, of which `left` bytes are there, or 0 when
// there is none (Unicode, table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF).
size_t unicode_sequence(const char *text, size_t left);
// Whether a text is made of such sequences.
bool unicode_is_utf8(const char *text, size_t length);
// The code point at text and, in *length, its bytes. A byte that begins no well-formed sequence is U+FFFD, 1 byte long.
int32_t unicode_decode(const char *text, size_t left, size_t *length);
// Unicode's property White_Space.
bool unicode_is_space(int32_t code);
// Marks that show nothing and come along with what people copy: U+200B to U+200F, U+202A to U+202E, U+2060 to U+2069
// and U+FEFF.
bool unicode_is_invisible(int32_t code);
// Unicode's general category Cc: U+0000 to U+001F and U+007F to U+009F.
bool unicode_is_control(int32_t code);
// Whether a text holds such a one.
bool unicode_has_control(const char *text);
// Whether a text is 1 to `most` printable ASCII characters (space to ~).
bool unicode_is_printable_ascii(const char *text, size_t most);

#endif
