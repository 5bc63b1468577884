// SPDX-License-Identifier: MIT
#include "dispatcher/mock/form.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/base/percent.h"

static void mock_form_add(struct mock_form *form, char *pair) {
    char *equals = strchr(pair, '=');
    char *value = equals != NULL ? equals + 1 : pair + strlen(pair);
    if (equals != NULL) {
        *equals = '\0';
    }
    percent_decode_form(pair, strlen(pair), pair);
    percent_decode_form(value, strlen(value), value);
    form->fields = xrealloc(form->fields, (form->count + 1) * sizeof *form->fields);
    form->fields[form->count++] = (struct mock_form_field){pair, value};
}

void mock_form_parse(const char *body, size_t length, struct mock_form *out) {
    *out = (struct mock_form){.text = xstrndup(body, length)};
    char *rest = out->text;
    for (char *pair; (pair = strsep(&rest, "&")) != NULL;) {
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
