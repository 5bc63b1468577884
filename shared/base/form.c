// SPDX-License-Identifier: MIT
#include "shared/base/form.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/percent.h"
#include "shared/base/unicode.h"

#define REPLACEMENT "\xEF\xBF\xBD" // U+FFFD

// How long the pair at text is, whose end is '&' or the body's.
static size_t pair_length(const char *text, const char *end) {
    const char *next = memchr(text, '&', (size_t)(end - text));
    return (size_t)((next != NULL ? next : end) - text);
}

static size_t count_pairs(const char *body, const char *end) {
    size_t count = 0, length;
    for (const char *pair = body; pair < end; pair += length + 1) {
        length = pair_length(pair, end);
        count += length > 0;
    }
    return count;
}

// Decodes a pair to out. Returns what follows its two texts and their NULs there.
static char *decode_pair(const char *pair, size_t length, char *out, struct form_field *field) {
    const char *equals = memchr(pair, '=', length);
    size_t name = equals != NULL ? (size_t)(equals - pair) : length;
    size_t before = equals != NULL ? name + 1 : length;
    field->name = out;
    field->name_length = percent_decode_form(pair, name, out);
    out += field->name_length + 1;
    field->value = out;
    field->value_length = percent_decode_form(pair + before, length - before, out);
    return out + field->value_length + 1;
}

int form_parse(const char *body, size_t length, struct form *out) {
    const char *end = body + length;
    size_t count = count_pairs(body, end), taken;
    *out = (struct form){0};
    if (count > FORM_FIELDS_MAX) {
        return -1;
    }
    out->text = xmalloc(length + 2 * count + 1);
    out->fields = xcalloc(count + 1, sizeof *out->fields);
    char *at = out->text;
    for (const char *pair = body; pair < end; pair += taken + 1) {
        taken = pair_length(pair, end);
        if (taken > 0) {
            at = decode_pair(pair, taken, at, &out->fields[out->count++]);
        }
    }
    return 0;
}

void form_free(struct form *form) {
    free(form->text);
    free(form->fields);
    *form = (struct form){0};
}

static bool is_named(const struct form_field *field, const char *name) {
    return field->name_length == strlen(name) && memcmp(field->name, name, field->name_length) == 0;
}

const struct form_field *form_find(const struct form *form, const char *name) {
    for (size_t i = 0; i < form->count; i++) {
        if (is_named(&form->fields[i], name)) {
            return &form->fields[i];
        }
    }
    return NULL;
}

const char *form_get(const struct form *form, const char *name) {
    const struct form_field *field = form_find(form, name);
    return field != NULL ? field->value : NULL;
}

size_t form_count(const struct form *form, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < form->count; i++) {
        count += is_named(&form->fields[i], name);
    }
    return count;
}

char *form_text(const struct form_field *field) {
    struct buf out = {0};
    size_t taken;
    for (size_t at = 0; at < field->value_length; at += taken) {
        const char *text = field->value + at;
        size_t length = unicode_sequence(text, field->value_length - at);
        bool is_kept = length > 0 && *text != '\0';
        taken = length > 0 ? length : 1;
        buf_append(&out, is_kept ? text : REPLACEMENT, is_kept ? length : sizeof REPLACEMENT - 1);
    }
    buf_append(&out, "", 0);
    return out.data;
}
