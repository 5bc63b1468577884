// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_JSON_ITEMS_H
#define SHARED_BASE_JSON_ITEMS_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/base/mem.h"

// The elements of a JSON array (RFC 8259) one by one, each as it is written, so that one which is malformed doesn't
// sink the rest, and the memory of one is enough. Where an element ends is told by brackets, strings and commas alone:
// what is in it is for json_parse to judge.
struct json_items {
    const char *at, *end;
    bool has_begun, is_over;
    const char *error;
};

// text stays the caller's, for as long as the elements are read.
void json_items_begin(struct json_items *items, const char *text, size_t length);
// The next element, without the white space around it, in which *length may be 0 where nothing stands between two
// commas. False at the end, and where the text is no array: then error says why, a static sentence, and is NULL
// otherwise.
bool json_items_next(struct json_items *items, const char **element, size_t *length) MUST_CHECK;

#endif
