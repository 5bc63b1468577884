// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_FORM_H
#define DISPATCHER_MOCK_FORM_H

#include <stddef.h>

// An application/x-www-form-urlencoded body (WHATWG URL, 5.1).
struct mock_form {
    char *text; // the decoded names and values, owned
    struct mock_form_field {
        const char *name;
        const char *value;
    } * fields; // owned
    size_t count;
};

// Never fails: a name without a value has an empty one, and a '%' that begins no code stands for itself.
void mock_form_parse(const char *body, size_t length, struct mock_form *out);
// The first value of that name, or NULL.
const char *mock_form_get(const struct mock_form *form, const char *name);
size_t mock_form_count(const struct mock_form *form, const char *name);
void mock_form_free(struct mock_form *form);

#endif
