// SPDX-License-Identifier: MIT
#include "shared/base/crypto.h"

#include <openssl/rand.h>
#include <openssl/sha.h>

#include "shared/base/mem.h"

void crypto_sha256(const void *bytes, size_t length, uint8_t out[SHA256_SIZE]) {
    if (SHA256(bytes, length, out) == NULL) {
        mem_exhausted();
    }
}

// The kernel's generator, which seeds libcrypto's, doesn't fail once it has begun: what is left is memory.
void crypto_random(void *out, size_t length) {
    if (RAND_bytes(out, (int)length) != 1) {
        mem_exhausted();
    }
}
