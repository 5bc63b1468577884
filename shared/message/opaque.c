// SPDX-License-Identifier: MIT
#include "shared/message/opaque.h"

#include <stdbool.h>
#include <string.h>

#include "shared/base/crypto.h"
#include "shared/base/hex.h"
#include "shared/base/unicode.h"

#define WHOLE_MAX_BYTES 320 // a longer one ends in its hash
#define CUT_BYTES 200

static void opaque_put(struct buf *out, int32_t code, const char *text, size_t length) {
    if (unicode_is_space(code)) {
        buf_putc(out, ' ');
    } else if (code == '<' || code == '>') {
        buf_puts(out, code == '<' ? "%3C" : "%3E");
    } else if (unicode_is_control(code) || code == 0xfffd) {
        buf_puts(out, "\uFFFD");
    } else if (code >= 'A' && code <= 'Z') {
        buf_putc(out, (char)(code - 'A' + 'a'));
    } else {
        buf_append(out, text, length);
    }
}

// The whole identity. An escape of '<' or '>' that stands in the text already stays as it is.
static void opaque_fold(struct span text, struct buf *out) {
    size_t taken;
    bool was_space = false;
    for (size_t at = 0; at < text.length; at += taken) {
        int32_t code = unicode_decode(text.text + at, text.length - at, &taken);
        size_t left = text.length - at;
        if (left >= 3 && (memcmp(text.text + at, "%3C", 3) == 0 || memcmp(text.text + at, "%3E", 3) == 0)) {
            taken = 3;
            buf_append(out, text.text + at, taken);
            was_space = false;
            continue;
        }
        bool is_space = unicode_is_space(code);
        if (!is_space || !was_space) {
            opaque_put(out, code, text.text + at, taken);
        }
        was_space = is_space;
    }
}

// At most CUT_BYTES, no character of them cut through.
static size_t opaque_cut(const char *text) {
    size_t length = CUT_BYTES;
    while (((unsigned char)text[length] & 0xc0) == 0x80) {
        length--;
    }
    return length;
}

void opaque_identify(struct span text, struct buf *out) {
    struct buf whole = {0};
    opaque_fold(span_trim(text), &whole);
    if (whole.length <= WHOLE_MAX_BYTES) {
        buf_append(out, whole.data, whole.length);
    } else {
        uint8_t hash[SHA256_SIZE];
        char digits[2 * SHA256_SIZE + 1];
        crypto_sha256(whole.data, whole.length, hash);
        hex_encode(hash, sizeof hash, digits);
        buf_printf(out, "%.*s#%s", (int)opaque_cut(whole.data), whole.data, digits);
    }
    buf_free(&whole);
}
