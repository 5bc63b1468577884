// SPDX-License-Identifier: MIT
#include "ingest/accept/idempotency.h"

#include <stdio.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/crypto.h"
#include "shared/base/hex.h"
#include "shared/base/unicode.h"

#define MAX_KEY_CHARACTERS 255

bool idempotency_key_is_valid(const char *key) {
    return unicode_is_printable_ascii(key, MAX_KEY_CHARACTERS);
}

// The first half of the SHA-256 of what was gathered; frees it.
static void hash(struct buf *gathered, uint8_t out[IDEMPOTENCY_HASH_SIZE]) {
    uint8_t digest[SHA256_SIZE];
    crypto_sha256(gathered->data, gathered->length, digest);
    memcpy(out, digest, IDEMPOTENCY_HASH_SIZE);
    buf_free(gathered);
}

// Three texts joined by NULs, none of which holds one.
static void format_key(const char *tag, const char *one, const char *two, const char *three,
                       char out[IDEMPOTENCY_KEY_SIZE]) {
    struct buf joined = {0};
    buf_append(&joined, one, strlen(one) + 1);
    buf_append(&joined, two, strlen(two) + 1);
    buf_puts(&joined, three);
    uint8_t bytes[IDEMPOTENCY_HASH_SIZE];
    hash(&joined, bytes);
    int at = snprintf(out, IDEMPOTENCY_KEY_SIZE, "idem:{%s}:", tag);
    hex_encode(bytes, sizeof bytes, out + at);
}

void idempotency_key_of_client(const char *tag, const char *route, const char *sender, const char *key,
                               char out[IDEMPOTENCY_KEY_SIZE]) {
    format_key(tag, route, sender, key, out);
}

void idempotency_key_of_provider(const char *tag, enum provider provider, const char *provider_message_id,
                                 char out[IDEMPOTENCY_KEY_SIZE]) {
    format_key(tag, "provider-id", provider_name(provider), provider_message_id, out);
}

static void idempotency_add_number(struct buf *fields, int64_t number) {
    buf_append(fields, &number, sizeof number);
}

// Length-prefixed, so that no two lists of fields run together into the same bytes.
static void add_text(struct buf *fields, const char *text) {
    size_t length = text != NULL ? strlen(text) : 0;
    idempotency_add_number(fields, text != NULL ? (int64_t)length : -1);
    buf_append(fields, text != NULL ? text : "", length);
}

static void digest_message(const struct message *message, bool stamped, uint8_t out[IDEMPOTENCY_HASH_SIZE]) {
    struct buf fields = {0};
    idempotency_add_number(&fields, message->type);
    add_text(&fields, message->from);
    add_text(&fields, message->to);
    add_text(&fields, message->body);
    idempotency_add_number(&fields, (int64_t)message->attachment_count);
    for (size_t i = 0; i < message->attachment_count; i++) {
        add_text(&fields, message->attachments[i]);
    }
    idempotency_add_number(&fields, stamped ? INT64_MIN : message->occurred_ms);
    add_text(&fields, message->provider_message_id);
    hash(&fields, out);
}

void idempotency_token(const struct uuid *id, const struct message *message, bool stamped,
                       uint8_t out[IDEMPOTENCY_TOKEN_SIZE]) {
    memcpy(out, id->bytes, UUID_BYTES);
    memset(out + UUID_BYTES, 0, IDEMPOTENCY_HASH_SIZE);
    if (message != NULL) {
        digest_message(message, stamped, out + UUID_BYTES);
    }
}

void idempotency_token_of_texts(const struct uuid *id, const char *const *texts, size_t count,
                                uint8_t out[IDEMPOTENCY_TOKEN_SIZE]) {
    struct buf fields = {0};
    for (size_t i = 0; i < count; i++) {
        add_text(&fields, texts[i]);
    }
    memcpy(out, id->bytes, UUID_BYTES);
    hash(&fields, out + UUID_BYTES);
}
