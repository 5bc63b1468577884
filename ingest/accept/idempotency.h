// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_IDEMPOTENCY_H
#define INGEST_ACCEPT_IDEMPOTENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/crypto.h"
#include "shared/base/mem.h"
#include "shared/base/uuid.h"
#include "shared/message/message.h"
#include "shared/message/message_id.h"
#include "shared/redis/keys.h"

// What makes two requests the same: the key under which Redis remembers the first, and the digest of its payload.

#define IDEMPOTENCY_HASH_SIZE 16
#define IDEMPOTENCY_TOKEN_SIZE (UUID_BYTES + IDEMPOTENCY_HASH_SIZE)
#define IDEMPOTENCY_KEY_SIZE (sizeof "idem:{}:" + KEY_SIZE + 2 * IDEMPOTENCY_HASH_SIZE)

// Whether an Idempotency-Key is 1 to 255 printable characters.
bool idempotency_key_is_valid(const char *key);

// "idem:{tag}:<32 hexadecimal digits>" of a client's key, whose scope is route and (normalized) sender.
void idempotency_key_of_client(const char *tag, const char *route, const char *sender, const char *key,
                               char out[IDEMPOTENCY_KEY_SIZE]);
// The same of a provider's message, so that its redelivery is one whatever key it comes with: of what its id is made of
// (message_id.h).
void idempotency_key_of_provider(const char *tag, enum provider provider, const char *provider_message_id,
                                 const struct message_pair *pair, char out[IDEMPOTENCY_KEY_SIZE]);

// The key that a list of messages is bound to, "idem:list:<32 hexadecimal digits>": its scope is route and owner, the
// name of the API key that asks, "" where none are configured. It is in no partition's slot, so that a change of
// STREAM_PARTITIONS leaves it where it is.
void idempotency_key_of_list(const char *route, const char *owner, const char *key, char out[IDEMPOTENCY_KEY_SIZE]);

#define IDEMPOTENCY_PART_SIZE (2 * IDEMPOTENCY_HASH_SIZE + 1 + 20 + 1)

// What each message of a list has for an Idempotency-Key of its own: made of the list's (idempotency_key_of_list), the
// list's digest and the message's place in it.
void idempotency_part(const char *list_key, const uint8_t digest[SHA256_SIZE], size_t place,
                      char out[IDEMPOTENCY_PART_SIZE]);

// What Redis keeps: the message's id and the digest of its validated fields. stamped: its time is the arrival's and
// doesn't count.
void idempotency_token(const struct uuid *id, const struct message *message, bool stamped,
                       uint8_t out[IDEMPOTENCY_TOKEN_SIZE]);

// The same of a request that brings no message: the digest is of its texts, each of which may be NULL.
void idempotency_token_of_texts(const struct uuid *id, const char *const *texts, size_t count,
                                uint8_t out[IDEMPOTENCY_TOKEN_SIZE]);

#endif
