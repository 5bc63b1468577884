// SPDX-License-Identifier: MIT
#include "ingest/access/signature.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/crypto.h"
#include "shared/base/hex.h"
#include "shared/base/mem.h"
#include "shared/base/percent.h"

#define TIME_DIGITS 15 // the year 31 million: no overflow

// The HMAC of some bytes. Its size is the hash's.
static void sign(const EVP_MD *hash, const char *secret, const struct buf *signed_bytes, uint8_t *out) {
    unsigned size;
    if (HMAC(hash, secret, (int)strlen(secret), (const uint8_t *)signed_bytes->data, signed_bytes->length, out,
             &size) == NULL) {
        abort(); // out of memory, as in mem.h
    }
}

static void signature_identify(const struct buf *signed_bytes, uint8_t id[SIGNATURE_ID_SIZE]) {
    uint8_t digest[SHA256_SIZE];
    crypto_sha256(signed_bytes->data, signed_bytes->length, digest);
    memcpy(id, digest, SIGNATURE_ID_SIZE);
}

// ---- X-Signature

struct generic {
    const char *time; // as it was written, for it is signed so
    size_t time_length;
    uint8_t given[SIGNATURE_MOST_V1][SHA256_DIGEST_LENGTH];
    size_t count;
};

static bool signature_take_time(const char *value, size_t length, struct generic *out) {
    if (out->time != NULL || length == 0 || length > TIME_DIGITS || strspn(value, "0123456789") < length) {
        return false;
    }
    out->time = value;
    out->time_length = length;
    return true;
}

static bool take_v1(const char *value, size_t length, struct generic *out) {
    return out->count < SIGNATURE_MOST_V1 && hex_decode(value, length, out->given[out->count++], SHA256_DIGEST_LENGTH);
}

static bool read_header(const char *header, struct generic *out) {
    size_t length;
    *out = (struct generic){0};
    for (const char *item = header; *item != '\0'; item += length + (item[length] == ',')) {
        item += strspn(item, " ");
        length = strcspn(item, ",");
        if (strncmp(item, "t=", 2) == 0 && !signature_take_time(item + 2, length - 2, out)) {
            return false;
        }
        if (strncmp(item, "v1=", 3) == 0 && !take_v1(item + 3, length - 3, out)) {
            return false;
        }
    }
    return out->time != NULL && out->count > 0;
}

static bool is_signed_with(const char *secret, const struct generic *header, const struct buf *signed_bytes) {
    uint8_t expected[SHA256_DIGEST_LENGTH];
    bool found = false;
    sign(EVP_sha256(), secret, signed_bytes, expected);
    for (size_t i = 0; i < header->count; i++) {
        found |= CRYPTO_memcmp(expected, header->given[i], sizeof expected) == 0;
    }
    return found;
}

enum signature signature_check(const char *header, const char *body, size_t length,
                               char *const secrets[WEBHOOK_SECRETS], int64_t now_secs, int64_t tolerance_secs,
                               uint8_t id[SIGNATURE_ID_SIZE]) {
    struct generic given;
    if (!read_header(header, &given)) {
        return SIGNATURE_MALFORMED;
    }
    struct buf signed_bytes = {0};
    buf_append(&signed_bytes, given.time, given.time_length);
    buf_putc(&signed_bytes, '.');
    buf_append(&signed_bytes, body, length);
    bool right = false;
    for (size_t i = 0; i < WEBHOOK_SECRETS; i++) {
        right |= secrets[i][0] != '\0' && is_signed_with(secrets[i], &given, &signed_bytes);
    }
    signature_identify(&signed_bytes, id);
    buf_free(&signed_bytes);
    if (!right) {
        return SIGNATURE_WRONG;
    }
    int64_t away = strtoll(given.time, NULL, 10) - now_secs;
    return llabs(away) > tolerance_secs ? SIGNATURE_STALE : SIGNATURE_RIGHT;
}

// ---- X-Twilio-Signature

struct field {
    char *name, *value;
};

// A name or value of a form, decoded. Owned by the caller. One with a NUL ends there.
static char *signature_decode(const char *text, size_t length) {
    char *out = xmalloc(length + 1);
    percent_decode_form(text, length, out);
    return out;
}

static int by_name_and_value(const void *left, const void *right) {
    const struct field *one = left, *other = right;
    int order = strcmp(one->name, other->name);
    return order != 0 ? order : strcmp(one->value, other->value);
}

// body is NUL-terminated, as http_body has it.
static struct field *split_form(const char *body, size_t *count) {
    struct field *fields = NULL;
    size_t length;
    *count = 0;
    for (const char *pair = body; *pair != '\0'; pair += length + (pair[length] == '&')) {
        length = strcspn(pair, "&");
        size_t name = strcspn(pair, "=&");
        if (length == 0) {
            continue;
        }
        fields = xrealloc(fields, (*count + 1) * sizeof *fields);
        fields[*count].name = signature_decode(pair, name);
        fields[*count].value = name < length ? signature_decode(pair + name + 1, length - name - 1) : xstrdup("");
        (*count)++;
    }
    return fields;
}

// Fields of one name stand in the order of their values, and one that is there twice counts once: so do Twilio's own
// libraries.
static void append_form(struct buf *out, const char *body) {
    size_t count;
    struct field *fields = split_form(body, &count);
    if (count > 0) {
        qsort(fields, count, sizeof *fields, by_name_and_value);
    }
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || by_name_and_value(&fields[i - 1], &fields[i]) != 0) {
            buf_puts(out, fields[i].name);
            buf_puts(out, fields[i].value);
        }
    }
    for (size_t i = 0; i < count; i++) {
        free(fields[i].name);
        free(fields[i].value);
    }
    free(fields);
}

static bool is_hash_of(const char *hex, const char *body, size_t length) {
    uint8_t given[SHA256_DIGEST_LENGTH], digest[SHA256_DIGEST_LENGTH];
    crypto_sha256(body, length, digest);
    return hex_decode(hex, strlen(hex), given, sizeof given) && CRYPTO_memcmp(given, digest, sizeof digest) == 0;
}

enum { SHA1_BASE64 = 28 }; // characters

static bool twilio_signed_with(const char *secret, const char *header, const struct buf *signed_bytes) {
    uint8_t digest[SHA_DIGEST_LENGTH], expected[SHA1_BASE64 + 1];
    sign(EVP_sha1(), secret, signed_bytes, digest);
    EVP_EncodeBlock(expected, digest, sizeof digest);
    return CRYPTO_memcmp(expected, header, SHA1_BASE64) == 0;
}

enum signature signature_check_twilio(const char *header, const struct twilio_request *request,
                                      char *const secrets[WEBHOOK_SECRETS], uint8_t id[SIGNATURE_ID_SIZE]) {
    if (strlen(header) != SHA1_BASE64 || (!request->is_form && request->body_sha256 == NULL)) {
        return SIGNATURE_MALFORMED;
    }
    struct buf signed_bytes = {0};
    buf_puts(&signed_bytes, request->url);
    if (request->is_form) {
        append_form(&signed_bytes, request->body);
    }
    bool right = false;
    for (size_t i = 0; i < WEBHOOK_SECRETS; i++) {
        right |= secrets[i][0] != '\0' && twilio_signed_with(secrets[i], header, &signed_bytes);
    }
    signature_identify(&signed_bytes, id);
    buf_free(&signed_bytes);
    right = right && (request->is_form || is_hash_of(request->body_sha256, request->body, request->length));
    return right ? SIGNATURE_RIGHT : SIGNATURE_WRONG;
}
