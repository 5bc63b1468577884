// SPDX-License-Identifier: MIT
#include "shared/base/unicode.h"

#include <string.h>

static bool in(unsigned byte, unsigned low, unsigned high) {
    return byte >= low && byte <= high;
}

// How many bytes a sequence has by its first byte, and which second bytes it admits; 0: no sequence begins so.
static size_t first_byte(unsigned byte, unsigned *low, unsigned *high) {
    *low = 0x80;
    *high = 0xbf;
    if (in(byte, 0xc2, 0xdf)) {
        return 2;
    }
    if (in(byte, 0xe0, 0xef)) {
        *low = byte == 0xe0 ? 0xa0 : 0x80;  // below: overlong
        *high = byte == 0xed ? 0x9f : 0xbf; // above: surrogates
        return 3;
    }
    if (in(byte, 0xf0, 0xf4)) {
        *low = byte == 0xf0 ? 0x90 : 0x80;  // below: overlong
        *high = byte == 0xf4 ? 0x8f : 0xbf; // above: beyond U+10FFFF
        return 4;
    }
    return 0;
}

size_t unicode_sequence(const char *text, size_t left) {
    const unsigned char *bytes = (const unsigned char *)text;
    if (left == 0) {
        return 0;
    }
    if (bytes[0] < 0x80) {
        return 1;
    }
    unsigned low, high;
    size_t length = first_byte(bytes[0], &low, &high);
    if (length == 0 || length > left || !in(bytes[1], low, high)) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if (!in(bytes[i], 0x80, 0xbf)) {
            return 0;
        }
    }
    return length;
}

bool unicode_is_utf8(const char *text, size_t length) {
    size_t at = 0;
    for (size_t taken; at < length && (taken = unicode_sequence(text + at, length - at)) > 0;) {
        at += taken;
    }
    return at == length;
}

int32_t unicode_decode(const char *text, size_t left, size_t *length) {
    static const unsigned char payload[] = {0, 0x7f, 0x1f, 0x0f, 0x07}; // bits of the first byte, by length
    const unsigned char *bytes = (const unsigned char *)text;
    *length = unicode_sequence(text, left);
    if (*length == 0) {
        *length = 1;
        return 0xfffd;
    }
    int32_t code = bytes[0] & payload[*length];
    for (size_t i = 1; i < *length; i++) {
        code = code << 6 | (bytes[i] & 0x3f);
    }
    return code;
}

bool unicode_is_space(int32_t code) {
    return (code >= 0x09 && code <= 0x0d) || code == 0x20 || code == 0x85 || code == 0xa0 || code == 0x1680 ||
           (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 || code == 0x202f || code == 0x205f ||
           code == 0x3000;
}

bool unicode_is_invisible(int32_t code) {
    return (code >= 0x200b && code <= 0x200f) || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2060 && code <= 0x2069) || code == 0xfeff;
}

bool unicode_is_control(int32_t code) {
    return (code >= 0 && code < 0x20) || (code >= 0x7f && code <= 0x9f);
}

bool unicode_has_control(const char *text) {
    for (size_t left = strlen(text), taken; left > 0; text += taken, left -= taken) {
        if (unicode_is_control(unicode_decode(text, left, &taken))) {
            return true;
        }
    }
    return false;
}

bool unicode_is_printable_ascii(const char *text, size_t most) {
    size_t length = 0;
    for (; text[length] != '\0'; length++) {
        if (length == most || text[length] < ' ' || text[length] > '~') {
            return false;
        }
    }
    return length > 0;
}
