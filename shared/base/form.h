// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_FORM_H
#define SHARED_BASE_FORM_H

#include <stddef.h>

#include "shared/base/mem.h"

// An application/x-www-form-urlencoded body (WHATWG URL, 5.1).

#define FORM_FIELDS_MAX 1000

struct form_field {
    const char *name, *value; // decoded: any bytes, NULs too, with another NUL behind them
    size_t name_length, value_length;
};

struct form {
    char *text; // what the fields point into, owned
    struct form_field *fields;
    size_t count;
};

// Fields stand in their order. A name without '=' has an empty value, a '%' that begins no escape stands for itself,
// and there may be several of one name. Returns 0 with *out to be released by form_free, or -1 with *out empty where
// there are more than FORM_FIELDS_MAX.
int form_parse(const char *body, size_t length, struct form *out) MUST_CHECK;
void form_free(struct form *form);

// The first field of that name, or NULL.
const struct form_field *form_find(const struct form *form, const char *name);
// Its value up to the first NUL, or NULL where there is none.
const char *form_get(const struct form *form, const char *name);
// How many there are of that name.
size_t form_count(const struct form *form, const char *name);

// A field's value as UTF-8 without NULs: a NUL, and a byte that belongs to no well-formed sequence, becomes U+FFFD.
// Owned by the caller.
char *form_text(const struct form_field *field);

#endif
