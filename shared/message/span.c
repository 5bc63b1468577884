// SPDX-License-Identifier: MIT
#include "shared/message/span.h"

#include <stdbool.h>

#include "shared/base/unicode.h"

struct span span_tail(struct span span, size_t skipped) {
    return (struct span){span.text + skipped, span.length - skipped};
}

static bool is_outer(int32_t code) {
    return unicode_is_space(code) || unicode_is_invisible(code);
}

// Where the last character begins.
static size_t last_of(struct span span) {
    size_t at = span.length - 1;
    while (at > 0 && ((unsigned char)span.text[at] & 0xc0) == 0x80) {
        at--;
    }
    return at;
}

static bool is_inner(char c) {
    return c > ' ' && c < 0x7f;
}

struct span span_trim(struct span span) {
    size_t taken;
    if (span.length > 0 && is_inner(span.text[0]) && is_inner(span.text[span.length - 1])) { // nearly always
        return span;
    }
    while (span.length > 0 && is_outer(unicode_decode(span.text, span.length, &taken))) {
        span = span_tail(span, taken);
    }
    while (span.length > 0) {
        size_t last = last_of(span);
        if (!is_outer(unicode_decode(span.text + last, span.length - last, &taken)) || last + taken != span.length) {
            break;
        }
        span.length = last;
    }
    return span;
}
