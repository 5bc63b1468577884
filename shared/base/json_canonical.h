// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_JSON_CANONICAL_H
#define SHARED_BASE_JSON_CANONICAL_H

#include <cjson/cJSON.h>

#include "shared/base/buf.h"

// Appends a value in the one form that all documents of that value have: an object's members are in the order of their
// names, and white space, escapes and the spelling of numbers are always the same. For digests; as RFC 8785 does it,
// but names are ordered bytewise, and a number has 17 digits. It recurses as deep as the tree.
void json_write_canonical(struct buf *out, const cJSON *value);

#endif
