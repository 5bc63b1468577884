// SPDX-License-Identifier: MIT
#include "shared/provider/x_signature.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/hex.h"
#include "shared/base/mem.h"

#define TIME_DIGITS 15 // the year 31 million: no overflow

struct x_signature {
    const char *time; // as it was written, for it is signed so
    size_t time_length;
    uint8_t given[X_SIGNATURE_MOST_V1][SHA256_SIZE];
    size_t count;
};

static bool x_signature_take_time(const char *value, size_t length, struct x_signature *out) {
    if (out->time != NULL || length == 0 || length > TIME_DIGITS || strspn(value, "0123456789") < length) {
        return false;
    }
    out->time = value;
    out->time_length = length;
    return true;
}

static bool take_v1(const char *value, size_t length, struct x_signature *out) {
    return out->count < X_SIGNATURE_MOST_V1 && hex_decode(value, length, out->given[out->count++], SHA256_SIZE);
}

static bool read_header(const char *header, struct x_signature *out) {
    size_t length;
    *out = (struct x_signature){0};
    for (const char *item = header; *item != '\0'; item += length + (item[length] == ',')) {
        item += strspn(item, " ");
        length = strcspn(item, ",");
        if (strncmp(item, "t=", 2) == 0 && !x_signature_take_time(item + 2, length - 2, out)) {
            return false;
        }
        if (strncmp(item, "v1=", 3) == 0 && !take_v1(item + 3, length - 3, out)) {
            return false;
        }
    }
    return out->time != NULL && out->count > 0;
}

// ---- What is signed

struct x_signature_sum {
    struct crypto_sum *sha256, *by_secret[WEBHOOK_SECRETS]; // NULL: there is no such secret
};

struct x_signature_sum *x_signature_sum_begin(const char *header, char *const secrets[WEBHOOK_SECRETS]) {
    struct x_signature given;
    if (!read_header(header, &given)) {
        return NULL;
    }
    struct x_signature_sum *sum = xcalloc(1, sizeof *sum);
    sum->sha256 = crypto_sum_sha256();
    for (size_t i = 0; i < WEBHOOK_SECRETS; i++) {
        sum->by_secret[i] = secrets[i][0] != '\0' ? crypto_sum_hmac_sha256(secrets[i]) : NULL;
    }
    x_signature_sum_add(sum, given.time, given.time_length);
    x_signature_sum_add(sum, ".", 1);
    return sum;
}

void x_signature_sum_add(struct x_signature_sum *sum, const char *bytes, size_t length) {
    crypto_sum_add(sum->sha256, bytes, length);
    for (size_t i = 0; i < WEBHOOK_SECRETS; i++) {
        if (sum->by_secret[i] != NULL) {
            crypto_sum_add(sum->by_secret[i], bytes, length);
        }
    }
}

void x_signature_sum_end(struct x_signature_sum *sum, struct x_signature_digests *out) {
    crypto_sum_end(sum->sha256, out->sha256);
    for (size_t i = 0; i < WEBHOOK_SECRETS; i++) {
        out->has_secret[i] = sum->by_secret[i] != NULL;
        if (out->has_secret[i]) {
            crypto_sum_end(sum->by_secret[i], out->by_secret[i]);
        }
    }
    free(sum);
}

// ---- Whether it was

static bool x_signature_is_given(const struct x_signature *header, const uint8_t expected[SHA256_SIZE]) {
    bool found = false;
    for (size_t i = 0; i < header->count; i++) {
        found |= crypto_equal(expected, header->given[i], SHA256_SIZE);
    }
    return found;
}

enum signature x_signature_check_digests(const char *header, const struct x_signature_digests *digests,
                                         int64_t now_secs, int64_t tolerance_secs, uint8_t id[SIGNATURE_ID_SIZE]) {
    struct x_signature given;
    bool right = false;
    if (!read_header(header, &given)) {
        return SIGNATURE_MALFORMED;
    }
    for (size_t i = 0; i < WEBHOOK_SECRETS; i++) {
        right |= digests->has_secret[i] && x_signature_is_given(&given, digests->by_secret[i]);
    }
    if (!right) {
        return SIGNATURE_WRONG;
    }
    memcpy(id, digests->sha256, SIGNATURE_ID_SIZE);
    int64_t away = strtoll(given.time, NULL, 10) - now_secs;
    return llabs(away) > tolerance_secs ? SIGNATURE_STALE : SIGNATURE_RIGHT;
}

enum signature x_signature_check(const char *header, const char *body, size_t length,
                                 char *const secrets[WEBHOOK_SECRETS], int64_t now_secs, int64_t tolerance_secs,
                                 uint8_t id[SIGNATURE_ID_SIZE]) {
    struct x_signature_digests digests;
    struct x_signature_sum *sum = x_signature_sum_begin(header, secrets);
    if (sum == NULL) {
        return SIGNATURE_MALFORMED;
    }
    x_signature_sum_add(sum, body, length);
    x_signature_sum_end(sum, &digests);
    return x_signature_check_digests(header, &digests, now_secs, tolerance_secs, id);
}

void x_signature_make(const char *secret, const char *body, size_t length, int64_t now_secs, struct buf *out) {
    struct buf signed_bytes = {0};
    uint8_t digest[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    buf_printf(&signed_bytes, "%" PRId64 ".", now_secs);
    buf_append(&signed_bytes, body, length);
    crypto_hmac_sha256(secret, signed_bytes.data, signed_bytes.length, digest);
    hex_encode(digest, sizeof digest, hex);
    buf_printf(out, "t=%" PRId64 ",v1=%s", now_secs, hex);
    buf_free(&signed_bytes);
}
