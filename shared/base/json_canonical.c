// SPDX-License-Identifier: MIT
#include "shared/base/json_canonical.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/base/mem.h"

static int json_canonical_order(const void *one, const void *other) {
    const cJSON *const *first = one, *const *second = other;
    return strcmp((*first)->string, (*second)->string);
}

static const cJSON **json_canonical_members(const cJSON *object, size_t *count) {
    *count = (size_t)cJSON_GetArraySize(object);
    const cJSON **members = xcalloc(*count, sizeof *members);
    size_t at = 0;
    const cJSON *member;
    cJSON_ArrayForEach(member, object) {
        members[at++] = member;
    }
    qsort(members, *count, sizeof *members, json_canonical_order);
    return members;
}

static void write_canonical_object(struct buf *out, const cJSON *object) {
    size_t count;
    const cJSON **members = json_canonical_members(object, &count);
    buf_putc(out, '{');
    for (size_t i = 0; i < count; i++) {
        json_write_string(out, members[i]->string);
        buf_putc(out, ':');
        json_write_canonical(out, members[i]);
        buf_putc(out, ',');
    }
    buf_putc(out, '}');
    free(members);
}

static void write_canonical_array(struct buf *out, const cJSON *array) {
    const cJSON *element;
    buf_putc(out, '[');
    cJSON_ArrayForEach(element, array) {
        json_write_canonical(out, element);
        buf_putc(out, ',');
    }
    buf_putc(out, ']');
}

void json_write_canonical(struct buf *out, const cJSON *value) {
    if (cJSON_IsObject(value)) {
        write_canonical_object(out, value);
    } else if (cJSON_IsArray(value)) {
        write_canonical_array(out, value);
    } else if (cJSON_IsString(value)) {
        json_write_string(out, value->valuestring);
    } else if (cJSON_IsNumber(value)) {
        buf_printf(out, "%.17g", value->valuedouble);
    } else {
        buf_puts(out, cJSON_IsTrue(value) ? "true" : cJSON_IsFalse(value) ? "false" : "null");
    }
}
