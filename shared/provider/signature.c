// SPDX-License-Identifier: MIT
#include "shared/provider/signature.h"

#include <string.h>

#include "shared/base/crypto.h"

void signature_identify(const void *signed_bytes, size_t length, uint8_t id[SIGNATURE_ID_SIZE]) {
    uint8_t digest[SHA256_SIZE];
    crypto_sha256(signed_bytes, length, digest);
    memcpy(id, digest, SIGNATURE_ID_SIZE);
}
