// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_HEX_H
#define SHARED_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/mem.h"

// 0 to 15, of a digit in either case; -1 where it is none.
int hex_digit(char c);
// Whether text is exactly `size` bytes in hexadecimal, in either case; puts them into out. On false out is undefined.
// Reads no further than the first character that is no digit.
bool hex_decode(const char *text, size_t length, uint8_t *out, size_t size) MUST_CHECK;
// Puts 2 * size lower-case digits and a NUL into out.
void hex_encode(const uint8_t *bytes, size_t size, char *out);

#endif
