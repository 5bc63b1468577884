// SPDX-License-Identifier: MIT
#ifndef SHARED_JSON_CHECK_H
#define SHARED_JSON_CHECK_H

#include <stddef.h>

#include "shared/mem.h"

// Checks that text is one RFC 8259 document as json.h wants it, but for duplicate names.
// Returns NULL, or a static sentence that says what is wrong.
const char *json_check(const char *text, size_t length) MUST_CHECK;

#endif
