// SPDX-License-Identifier: MIT
// A form of many parts. Input: how many bytes come at once, the boundary and a line end, then the body.

#include <string.h>

#include "shared/base/mem.h"
#include "shared/base/unicode.h"
#include "shared/mime/form_data.h"
#include "shared/mime/multipart.h"
#include "tests/fuzz/targets.h"

static const struct form_data_field kept[] = {{"text", 64}, {"html", 32}};
static const struct form_data_rules rules = {kept, 2, 16, 4096, 32};

static struct buf reduce(const char *type, const char *bytes, size_t length, size_t piece) {
    struct form_data_reduction *reduction = form_data_reduction_begin((struct span){type, strlen(type)}, &rules);
    struct buf out = {0};
    for (size_t at = 0; at < length; at += piece) {
        size_t more = piece < length - at ? piece : length - at;
        char *copy = malloc(more); // so that nothing is read beyond it
        memcpy(copy, bytes + at, more);
        form_data_reduction_take(reduction, copy, more, &out);
        free(copy);
    }
    form_data_reduction_end(reduction, &out);
    form_data_reduction_free(reduction);
    buf_append(&out, "", 0);
    FUZZ_ASSERT(out.length <= form_data_most(&rules));
    return out;
}

static void assert_text(const char *text) {
    FUZZ_ASSERT(text == NULL || unicode_is_utf8(text, strlen(text)));
}

static void assert_form(const struct form_data *form) {
    for (size_t i = 0; i < form->count; i++) {
        const struct form_data_head *head = &form->parts[i].head;
        FUZZ_ASSERT(head->name != NULL);
        assert_text(head->name);
        assert_text(head->filename);
        assert_text(head->charset);
    }
}

// Each part that is left stands in the whole form, in its order, and begins as it does there.
static void assert_shorter(const struct form_data *whole, const struct form_data *less) {
    size_t at = 0;
    for (size_t i = 0; i < less->count; i++, at++) {
        const struct form_data_part *part = &less->parts[i];
        while (at < whole->count && strcmp(whole->parts[at].head.name, part->head.name) != 0) {
            at++;
        }
        FUZZ_ASSERT(at < whole->count);
    }
    FUZZ_ASSERT(less->count <= whole->count);
}

void fuzz_multipart(const uint8_t *data, size_t size) {
    const char *bytes = (const char *)data + 1;
    const char *end = size > 1 ? memchr(bytes, '\n', size - 1) : NULL;
    if (end == NULL || memchr(bytes, '\0', (size_t)(end - bytes)) != NULL) {
        return;
    }
    char *type = xasprintf("multipart/form-data; boundary=\"%.*s\"", (int)(end - bytes), bytes);
    char *boundary = multipart_boundary((struct span){type, strlen(type)});
    const char *body = end + 1;
    size_t length = size - 1 - (size_t)(body - bytes);
    struct buf at_once = reduce(type, body, length, length + 1),
               in_pieces = reduce(type, body, length, data[0] % 32 + 1);
    FUZZ_ASSERT(at_once.length == in_pieces.length && memcmp(at_once.data, in_pieces.data, at_once.length) == 0);
    if (boundary != NULL) {
        struct form_data whole, less;
        form_data_read(body, length, boundary, &whole);
        form_data_read(at_once.data, at_once.length, boundary, &less);
        assert_form(&whole);
        assert_form(&less);
        assert_shorter(&whole, &less);
        form_data_free(&whole);
        form_data_free(&less);
    }
    free(boundary);
    free(type);
    buf_free(&at_once);
    buf_free(&in_pieces);
}
