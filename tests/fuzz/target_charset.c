// SPDX-License-Identifier: MIT
// A text of a charset. Input: the charset and a line end, then the text.

#include <string.h>

#include "shared/base/charset.h"
#include "shared/base/mem.h"
#include "shared/base/unicode.h"
#include "tests/fuzz/targets.h"

void fuzz_charset(const uint8_t *data, size_t size) {
    const char *bytes = (const char *)data;
    const char *end = size > 0 ? memchr(bytes, '\n', size) : NULL;
    if (end == NULL) {
        return;
    }
    char *charset = xstrndup(bytes, (size_t)(end - bytes));
    size_t length = size - (size_t)(end + 1 - bytes);
    char *copy = malloc(length > 0 ? length : 1); // so that nothing is read beyond it
    memcpy(copy, end + 1, length);
    struct buf out = {0};
    buf_append(&out, "", 0);
    charset_append_utf8(&out, charset, copy, length);
    FUZZ_ASSERT(unicode_is_utf8(out.data, out.length));
    FUZZ_ASSERT(memchr(out.data, '\0', out.length) == NULL);
    (void)charset_is_known(charset);
    buf_free(&out);
    free(copy);
    free(charset);
}
