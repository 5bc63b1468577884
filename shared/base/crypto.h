// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_CRYPTO_H
#define SHARED_BASE_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

// libcrypto's hash and random numbers. Both allocate inside, and what they leave behind when that fails is whatever lay
// there before: as with memory (mem.h), the process ends then.

#define SHA256_SIZE 32

void crypto_sha256(const void *bytes, size_t length, uint8_t out[SHA256_SIZE]);
void crypto_random(void *out, size_t length);

#endif
