// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_TIMESTAMP_H
#define SHARED_BASE_TIMESTAMP_H

#include <stdint.h>

#include "shared/base/mem.h"

// Times as providers write them, for webhooks: what a client of ours sends is RFC 3339 (rfc3339.h).

// Reads, with white space around:
//   RFC 3339; also with a space or several for 'T', without seconds, with a comma before the decimals, with spaces
//   before
//     the offset, and with an offset of +0530, +05, UTC or GMT.
//   RFC 5322's date-time (and RFC 2822's, RFC 822's): "Fri, 1 Nov 2024 14:00:00 +0000", with comments, folds, years of
//   two
//     and three digits and zones by name (4.3: one that the RFC doesn't know counts as UTC). The day's name isn't
//     compared with the date.
//   Either without any offset, which counts as UTC: that is what those who leave it out mean.
//   seconds since 1970, or milli-, micro- or nanoseconds, which their size tells apart, with or without decimals: from
//     1973 to 5138. Smaller numbers are no times: 20241101 is a date.
// Returns 0 and the milliseconds since 1970 (what is finer is cut), or -1 when it is none of these.
int timestamp_read(const char *text, int64_t *unix_ms) MUST_CHECK;

// The same of a JSON number.
int timestamp_from_number(double number, int64_t *unix_ms) MUST_CHECK;

#endif
