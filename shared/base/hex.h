// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_HEX_H
#define SHARED_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/mem.h"

// Whether text is exactly `size` bytes in hexadecimal, in either case; puts them into out. On false out is undefined.
bool hex_decode(const char *text, size_t length, uint8_t *out, size_t size) MUST_CHECK;

#endif
