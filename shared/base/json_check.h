// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_JSON_CHECK_H
#define SHARED_BASE_JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/base/mem.h"

#define JSON_MAX_DEPTH 16

// Checks that text is one RFC 8259 document as json.h wants it, but for duplicate names.
// Returns NULL, or a static sentence that says what is wrong.
const char *json_check(const char *text, size_t length) MUST_CHECK;

// Finds a member of the document's outermost object, without a tree, in a text that json_check has passed: where its
// value stands, and how long it is. The name is compared as it is written. False when there is none.
bool json_find_member(const char *text, size_t length, const char *name, const char **value,
                      size_t *value_length) MUST_CHECK;

#endif
