// SPDX-License-Identifier: MIT
#include "shared/provider/event_key.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/base64.h"
#include "shared/base/buf.h"
#include "shared/message/span.h"

enum {
    TIME_DIGITS = 15,     // the year 31 million: no overflow
    MOST_SIGNATURE = 128, // characters; two numbers of 33 bytes in DER are 96
    MOST_KEYS = 16,
};

static const char not_a_key[] = "must be public keys as SendGrid shows them, joined by commas: the base64 of a P-256 "
                                "key, without PEM's lines";

static bool event_key_is_p256(EVP_PKEY *key) {
    char curve[64];
    size_t length;
    return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, curve, sizeof curve, &length) == 1 &&
           (strcmp(curve, "prime256v1") == 0 || strcmp(curve, "P-256") == 0);
}

// Owned by the caller; NULL where it is none.
static EVP_PKEY *read_key(struct span text) {
    struct buf der = {0};
    EVP_PKEY *key = NULL;
    if (text.length > 0 && base64_decode(text.text, text.length, &der)) {
        const unsigned char *at = (const unsigned char *)der.data;
        key = d2i_PUBKEY(NULL, &at, (long)der.length);
        bool is_whole = at == (const unsigned char *)der.data + der.length;
        if (key != NULL && (!is_whole || !event_key_is_p256(key))) {
            EVP_PKEY_free(key);
            key = NULL;
        }
    }
    ERR_clear_error();
    buf_free(&der);
    return key;
}

// Takes the next key off the front of *rest; false where there is no more.
static bool event_key_next(const char **rest, struct span *out) {
    if (**rest == '\0') {
        return false;
    }
    size_t length = strcspn(*rest, ",");
    *out = span_trim((struct span){*rest, length});
    *rest += length + ((*rest)[length] == ',');
    return true;
}

const char *event_key_refusal(const char *keys) {
    struct span text;
    size_t count = 0;
    for (const char *rest = keys; event_key_next(&rest, &text);) {
        EVP_PKEY *key = read_key(text);
        if (key == NULL) {
            return not_a_key;
        }
        EVP_PKEY_free(key);
        if (++count > MOST_KEYS) {
            return "must be at most 16 keys";
        }
    }
    return NULL;
}

static bool event_key_signed(EVP_PKEY *key, const struct buf *signature, const uint8_t digest[SHA256_SIZE]) {
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    if (context == NULL) {
        mem_exhausted();
    }
    bool right =
        EVP_PKEY_verify_init(context) == 1 && EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
        EVP_PKEY_verify(context, (const unsigned char *)signature->data, signature->length, digest, SHA256_SIZE) == 1;
    EVP_PKEY_CTX_free(context);
    ERR_clear_error();
    return right;
}

static bool signed_by_any(const char *keys, const struct buf *signature, const uint8_t digest[SHA256_SIZE]) {
    struct span text;
    bool right = false;
    for (const char *rest = keys; !right && event_key_next(&rest, &text);) {
        EVP_PKEY *key = read_key(text);
        right = key != NULL && event_key_signed(key, signature, digest);
        EVP_PKEY_free(key);
    }
    return right;
}

enum signature event_key_check(const char *keys, const char *signature, const char *timestamp,
                               const uint8_t digest[SHA256_SIZE], int64_t now_secs, int64_t ahead_secs,
                               int64_t age_secs, uint8_t id[SIGNATURE_ID_SIZE]) {
    if (signature == NULL || timestamp == NULL) {
        return signature == NULL && timestamp == NULL ? SIGNATURE_MISSING : SIGNATURE_MALFORMED;
    }
    size_t digits = strspn(timestamp, "0123456789"), length = strlen(signature);
    struct buf der = {0};
    if (digits == 0 || digits > TIME_DIGITS || timestamp[digits] != '\0' || length > MOST_SIGNATURE ||
        !base64_decode(signature, length, &der)) {
        buf_free(&der);
        return SIGNATURE_MALFORMED;
    }
    bool right = signed_by_any(keys, &der, digest);
    buf_free(&der);
    if (!right) {
        return SIGNATURE_WRONG;
    }
    memcpy(id, digest, SIGNATURE_ID_SIZE);
    int64_t ahead = strtoll(timestamp, NULL, 10) - now_secs;
    return ahead > ahead_secs || -ahead > age_secs ? SIGNATURE_STALE : SIGNATURE_RIGHT;
}
