// SPDX-License-Identifier: MIT
// A body → its snippet. Input: a byte that says how many graphemes, then the body.

#include <string.h>

#include "shared/base/unicode.h"
#include "shared/message/snippet.h"
#include "tests/fuzz/targets.h"

static void assert_text(const struct buf *text) {
    size_t length;
    bool space = true; // none at its begin
    for (size_t at = 0; at < text->length; at += length) {
        length = unicode_sequence(text->data + at, text->length - at);
        FUZZ_ASSERT(length > 0);
        size_t taken;
        bool is_space = unicode_is_space(unicode_decode(text->data + at, text->length - at, &taken));
        FUZZ_ASSERT(!(is_space && space));
        space = is_space;
    }
}

void fuzz_snippet(const uint8_t *data, size_t size) {
    if (size == 0) {
        return;
    }
    struct buf snippet = {0}, longer = {0};
    char *body = malloc(size);
    memcpy(body, data + 1, size - 1);
    snippet_append(&snippet, body, size - 1, data[0]);
    snippet_append(&longer, body, size - 1, data[0] + 1U);
    assert_text(&snippet);
    FUZZ_ASSERT(longer.length >= snippet.length);
    FUZZ_ASSERT(snippet.length == 0 || memcmp(snippet.data, longer.data, snippet.length) == 0);
    free(body);
    buf_free(&snippet);
    buf_free(&longer);
}
