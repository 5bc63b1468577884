// SPDX-License-Identifier: MIT
#ifndef INGEST_READ_SHOWN_TIME_H
#define INGEST_READ_SHOWN_TIME_H

#include <stdint.h>

#include "shared/base/buf.h"

// Appends a member whose value is a time, microseconds since 1970, as UTC RFC 3339 with three decimals.
void shown_time_write(struct buf *json, const char *name, int64_t time_us);

#endif
