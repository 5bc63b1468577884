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

// Of texts joined by NULs, none of which holds one: the digits.
static void hash_texts(const char *const *texts, size_t count, char out[2 * IDEMPOTENCY_HASH_SIZE + 1]) {
    struct buf joined = {0};
    for (size_t i = 0; i < count; i++) {
        buf_append(&joined, texts[i], strlen(texts[i]) + (i + 1 < count));
    }
    uint8_t bytes[IDEMPOTENCY_HASH_SIZE];
    hash(&joined, bytes);
    hex_encode(bytes, sizeof bytes, out);
}

static void format_key(const char *tag, const char *const *texts, size_t count, char out[IDEMPOTENCY_KEY_SIZE]) {
    int at = snprintf(out, IDEMPOTENCY_KEY_SIZE, "idem:{%s}:", tag);
    hash_texts(texts, count, out + at);
}

void idempotency_key_of_client(const char *tag, const char *route, const char *sender, const char *key,
                               char out[IDEMPOTENCY_KEY_SIZE]) {
    const char *const texts[] = {route, sender, key};
    format_key(tag, texts, 3, out);
}

void idempotency_key_of_provider(const char *tag, enum provider provider, const char *provider_message_id,
                                 const struct message_pair *pair, char out[IDEMPOTENCY_KEY_SIZE]) {
    const char *const texts[] = {"provider-id", provider_name(provider), provider_message_id, pair->from, pair->to};
    format_key(tag, texts, 5, out);
}

void idempotency_key_of_list(const char *route, const char *owner, const char *key, char out[IDEMPOTENCY_KEY_SIZE]) {
    const char *const texts[] = {route, owner, key};
    int at = snprintf(out, IDEMPOTENCY_KEY_SIZE, "idem:list:");
    hash_texts(texts, 3, out + at);
}

void idempotency_part(const char *list_key, const uint8_t digest[SHA256_SIZE], size_t place,
                      char out[IDEMPOTENCY_PART_SIZE]) {
    char digits[2 * SHA256_SIZE + 1];
    hex_encode(digest, SHA256_SIZE, digits);
    const char *const texts[] = {list_key, digits};
    hash_texts(texts, 2, out);
    (void)snprintf(out + strlen(out), 22, ":%zu", place);
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
    if (message->subject != NULL) { // without one the digest is that of releases that knew none
        add_text(&fields, message->subject);
    }
    if (message->send_at_ms > 0) { // likewise
        idempotency_add_number(&fields, message->send_at_ms);
    }
    hash(&fields, out);
}

void idempotency_token(const struct uuid *id, const struct message *message, bool stamped,
                       uint8_t out[IDEMPOTENCY_TOKEN_SIZE]) {
    memcpy(out, id->bytes, UUID_BYTES);
    digest_message(message, stamped, out + UUID_BYTES);
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
