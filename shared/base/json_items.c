// SPDX-License-Identifier: MIT
#include "shared/base/json_items.h"

#include <string.h>

static bool json_is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void json_skip_blanks(struct json_items *items) {
    while (items->at < items->end && json_is_blank(*items->at)) {
        items->at++;
    }
}

static bool json_items_end(struct json_items *items, const char *error) {
    items->is_over = true;
    items->error = error;
    return false;
}

void json_items_begin(struct json_items *items, const char *text, size_t length) {
    *items = (struct json_items){.at = text, .end = text + length};
}

// Behind the string whose first quote is at `at`; end where it doesn't end.
static const char *json_behind_string(const char *at, const char *end) {
    for (at++; at < end && *at != '"'; at++) {
        at += *at == '\\' && at + 1 < end;
    }
    return at < end ? at + 1 : end;
}

// Where the element that begins at `at` ends: at a comma or bracket of the array's own, or at end, where there is none.
static const char *json_behind_element(const char *at, const char *end) {
    size_t depth = 0;
    while (at < end) {
        if (depth == 0 && (*at == ',' || *at == ']')) {
            return at;
        }
        if (*at == '"') {
            at = json_behind_string(at, end);
            continue;
        }
        depth += *at == '{' || *at == '[';
        depth -= depth > 0 && (*at == '}' || *at == ']');
        at++;
    }
    return end;
}

// Whether the array goes on; if not, it is over.
static bool json_items_open(struct json_items *items) {
    json_skip_blanks(items);
    if (items->at == items->end || *items->at != '[') {
        return json_items_end(items, "The document is no array.");
    }
    items->at++;
    items->has_begun = true;
    json_skip_blanks(items);
    if (items->at < items->end && *items->at == ']') {
        items->at++;
        json_skip_blanks(items);
        return json_items_end(items, items->at < items->end ? "Something stands behind the array." : NULL);
    }
    return true;
}

// Past what stands behind an element.
static bool json_items_pass(struct json_items *items) {
    if (items->at == items->end) {
        return json_items_end(items, "The array doesn't end.");
    }
    if (*items->at++ == ',') {
        return true;
    }
    json_skip_blanks(items);
    return json_items_end(items, items->at < items->end ? "Something stands behind the array." : NULL);
}

bool json_items_next(struct json_items *items, const char **element, size_t *length) {
    if (items->is_over || !(items->has_begun ? json_items_pass(items) : json_items_open(items))) {
        return false;
    }
    json_skip_blanks(items);
    *element = items->at;
    items->at = json_behind_element(items->at, items->end);
    *length = (size_t)(items->at - *element);
    while (*length > 0 && json_is_blank((*element)[*length - 1])) {
        (*length)--;
    }
    return true;
}
