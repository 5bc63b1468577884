// SPDX-License-Identifier: MIT
#ifndef INGEST_REQUEST_PRINTABLE_H
#define INGEST_REQUEST_PRINTABLE_H

#include <stdbool.h>
#include <stddef.h>

// Whether a header's value is 1 to `most` printable ASCII characters (space to ~).
bool is_printable(const char *text, size_t most);

#endif
