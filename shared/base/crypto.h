// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_CRYPTO_H
#define SHARED_BASE_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// libcrypto's hashes and random numbers. They allocate inside, and what they leave behind when that fails is whatever
// lay there before: as with memory (mem.h), the process ends then.

#define SHA1_SIZE 20
#define SHA256_SIZE 32

void crypto_sha256(const void *bytes, size_t length, uint8_t out[SHA256_SIZE]);
// HMAC (RFC 2104) by a key that is a text.
void crypto_hmac_sha1(const char *key, const void *bytes, size_t length, uint8_t out[SHA1_SIZE]);
void crypto_hmac_sha256(const char *key, const void *bytes, size_t length, uint8_t out[SHA256_SIZE]);

// The same of bytes that come in pieces. Each is begun, added to, and ended once, which frees it.
struct crypto_sum;
struct crypto_sum *crypto_sum_sha256(void);
struct crypto_sum *crypto_sum_hmac_sha256(const char *key);
void crypto_sum_add(struct crypto_sum *sum, const void *bytes, size_t length);
void crypto_sum_end(struct crypto_sum *sum, uint8_t out[SHA256_SIZE]);

// Takes the same time wherever the two differ.
bool crypto_equal(const void *one, const void *other, size_t length);
void crypto_random(void *out, size_t length);

#endif
