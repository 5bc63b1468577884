// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_RFC3339_H
#define SHARED_BASE_RFC3339_H

#include <stdint.h>

#include "shared/base/mem.h"

#define RFC3339_SIZE sizeof "2024-11-01T14:00:00.000Z"
#define RFC3339_US_SIZE sizeof "2024-11-01T14:00:00.000000Z"

// Parses an RFC 3339 date-time (section 5.6: any offset, any number of decimals, 'T' and 'Z' in either case,
// a leap second 60 is taken as the next second's start) of the years 0001 to 9999.
// Returns 0 and the milliseconds since 1970 (decimals beyond three are cut), or -1 when it isn't one.
int rfc3339_parse(const char *text, int64_t *unix_ms) MUST_CHECK;
// Writes it as UTC with three decimals.
void rfc3339_format(int64_t unix_ms, char out[RFC3339_SIZE]);
// The same of microseconds since 1970, with six decimals.
void rfc3339_format_us(int64_t unix_us, char out[RFC3339_US_SIZE]);

#endif
