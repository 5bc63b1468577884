// SPDX-License-Identifier: MIT
#include "dispatcher/mock/form.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"

static int mock_form_hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

// In place: it only gets shorter.
static void mock_form_decode(char *text) {
    char *out = text;
    for (const char *in = text; *in; in++) {
        int high = *in == '%' ? mock_form_hex_digit(in[1]) : -1;
        int low = high >= 0 ? mock_form_hex_digit(in[2]) : -1;
        if (low >= 0) {
            *out++ = (char)(high * 16 + low);
            in += 2;
        } else {
            *out++ = *in == '+' ? ' ' : *in;
        }
    }
    *out = '\0';
}

static void mock_form_add(struct mock_form *form, char *pair) {
    char *equals = strchr(pair, '=');
    char *value = equals ? equals + 1 : pair + strlen(pair);
    if (equals) {
        *equals = '\0';
    }
    mock_form_decode(pair);
    mock_form_decode(value);
    form->fields = xrealloc(form->fields, (form->count + 1) * sizeof *form->fields);
    form->fields[form->count++] = (struct mock_form_field){pair, value};
}

void mock_form_parse(const char *body, size_t length, struct mock_form *out) {
    *out = (struct mock_form){.text = xstrndup(body, length)};
    char *rest = out->text;
    for (char *pair; (pair = strsep(&rest, "&"));) {
        if (*pair) {
            mock_form_add(out, pair);
        }
    }
}

const char *mock_form_get(const struct mock_form *form, const char *name) {
    for (size_t i = 0; i < form->count; i++) {
        if (strcmp(form->fields[i].name, name) == 0) {
            return form->fields[i].value;
        }
    }
    return NULL;
}

size_t mock_form_count(const struct mock_form *form, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < form->count; i++) {
        count += strcmp(form->fields[i].name, name) == 0;
    }
    return count;
}

void mock_form_free(struct mock_form *form) {
    free(form->text);
    free(form->fields);
    *form = (struct mock_form){0};
}
