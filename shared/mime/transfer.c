// SPDX-License-Identifier: MIT
#include "shared/mime/transfer.h"

#include <string.h>

#include "shared/base/hex.h"
#include "shared/mime/parameter.h"

// The value of a base64 digit; -1: it is none.
static int transfer_digit(char c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// Padding ends a group, behind which another text may begin.
void transfer_decode_base64(struct buf *out, const char *bytes, size_t length) {
    unsigned bits = 0;
    int count = 0;
    for (size_t i = 0; i < length; i++) {
        int digit = transfer_digit(bytes[i]);
        if (bytes[i] == '=') {
            count = 0;
        }
        if (digit < 0) {
            continue;
        }
        bits = (bits << 6 | (unsigned)digit) & 0xffffff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            buf_putc(out, (char)(bits >> count & 0xff));
        }
    }
}

// How long the line end at text is, with blanks before it that some gateway has added; 0: there is none.
static size_t soft_break(const char *text, size_t length) {
    size_t at = 0;
    while (at < length && (text[at] == ' ' || text[at] == '\t')) {
        at++;
    }
    if (at < length && text[at] == '\n') {
        return at + 1;
    }
    return at + 1 < length && text[at] == '\r' && text[at + 1] == '\n' ? at + 2 : 0;
}

void transfer_decode_quoted(struct buf *out, const char *bytes, size_t length, int is_word) {
    for (size_t at = 0; at < length; at++) {
        uint8_t byte;
        size_t left = length - at - 1, skipped;
        if (bytes[at] == '=' && left >= 2 && hex_decode(bytes + at + 1, 2, &byte, 1)) {
            buf_putc(out, (char)byte);
            at += 2;
        } else if (bytes[at] == '=' && (skipped = soft_break(bytes + at + 1, left)) > 0) {
            at += skipped;
        } else {
            buf_putc(out, is_word && bytes[at] == '_' ? ' ' : bytes[at]);
        }
    }
}

void transfer_decode(struct buf *out, struct span encoding, const char *bytes, size_t length) {
    if (parameter_is(encoding, "base64")) {
        transfer_decode_base64(out, bytes, length);
    } else if (parameter_is(encoding, "quoted-printable")) {
        transfer_decode_quoted(out, bytes, length, 0);
    } else {
        buf_append(out, bytes, length);
    }
}
