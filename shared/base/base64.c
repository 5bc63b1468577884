// SPDX-License-Identifier: MIT
#include "shared/base/base64.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <string.h>

void base64_encode(const void *bytes, size_t length, struct buf *out) {
    buf_reserve(out, (length + 2) / 3 * 4);
    out->length += (size_t)EVP_EncodeBlock((unsigned char *)out->data + out->length, bytes, (int)length);
}

static size_t padding_of(const char *text, size_t length) {
    size_t count = 0;
    while (count < 2 && count < length && text[length - 1 - count] == '=') {
        count++;
    }
    return count;
}

// libcrypto passes over white space, takes padding for digits and doesn't look at a last digit's spare bits: so the
// bytes must give the same text again.
static bool base64_is_of(const char *text, size_t length, const char *bytes, size_t count) {
    struct buf again = {0};
    base64_encode(bytes, count, &again);
    bool same = again.length == length && memcmp(again.data, text, length) == 0;
    buf_free(&again);
    return same;
}

bool base64_decode(const char *text, size_t length, struct buf *out) {
    if (length % 4 != 0) {
        return false;
    }
    buf_reserve(out, length / 4 * 3);
    char *bytes = out->data + out->length;
    int decoded = EVP_DecodeBlock((unsigned char *)bytes, (const unsigned char *)text, (int)length);
    size_t padding = padding_of(text, length);
    if (decoded < (int)padding || !base64_is_of(text, length, bytes, (size_t)decoded - padding)) {
        return false;
    }
    out->length += (size_t)decoded - padding;
    out->data[out->length] = '\0';
    return true;
}
