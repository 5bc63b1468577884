// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_JSON_CHECK_H
#define SHARED_BASE_JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/base/mem.h"

#define JSON_MAX_DEPTH 16

enum json_strings {
    JSON_STRICT,  // what cJSON can't hold in a string is refused: \u0000, half of a surrogate pair
    JSON_LENIENT, // each such becomes U+FFFD
};

// Checks that text is one RFC 8259 document as json.h wants it, but for duplicate names.
// Returns NULL, or a static sentence that says what is wrong.
// *mended: a copy for cJSON, of the same length and owned by the caller, in which what cJSON can't read is replaced;
// NULL where it can read the text itself.
const char *json_check(const char *text, size_t length, enum json_strings strings, char **mended) MUST_CHECK;

// The members of a text's outermost object one by one, as they are written, without a tree; of a text that json_check
// has passed.
struct json_members {
    const char *at, *end;
    const char *name, *value; // of the member that json_members_next has come to; a name is without its quotes
    size_t name_length, value_length;
};

void json_members_begin(struct json_members *members, const char *text, size_t length);
// False at the end, and where the text is no object.
bool json_members_next(struct json_members *members) MUST_CHECK;

// Finds a member of the document's outermost object, without a tree, in a text that json_check has passed: where its
// value stands, and how long it is. The name is compared as it is written. False when there is none.
bool json_find_member(const char *text, size_t length, const char *name, const char **value,
                      size_t *value_length) MUST_CHECK;

#endif
