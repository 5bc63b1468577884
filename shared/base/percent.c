// SPDX-License-Identifier: MIT
#include "shared/base/percent.h"

#include "shared/base/hex.h"

int percent_byte(const char *text, size_t length) {
    uint8_t byte;
    return length >= 3 && text[0] == '%' && hex_decode(text + 1, 2, &byte, 1) ? byte : -1;
}

size_t percent_decode_form(const char *text, size_t length, char *out) {
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        int byte = percent_byte(text + i, length - i);
        out[used++] = byte >= 0 ? (char)byte : text[i] == '+' ? ' ' : text[i];
        i += byte >= 0 ? 2 : 0;
    }
    out[used] = '\0';
    return used;
}
