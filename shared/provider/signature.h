// SPDX-License-Identifier: MIT
#ifndef SHARED_PROVIDER_SIGNATURE_H
#define SHARED_PROVIDER_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

// Whether a webhook was signed with what its provider and we alone know, by whichever scheme.

enum signature {
    SIGNATURE_RIGHT,
    SIGNATURE_MISSING,   // there is no header of the scheme
    SIGNATURE_MALFORMED, // the header, or what it needs, isn't of the scheme's form
    SIGNATURE_WRONG,
    SIGNATURE_STALE, // right, but too old or too far in the future
};

#define SIGNATURE_ID_SIZE 10

// What a signature that is right is known by: the hash of the bytes that were signed, the same however its header or
// the body around those bytes is written, and whichever of the secrets it was made with.
void signature_identify(const void *signed_bytes, size_t length, uint8_t id[SIGNATURE_ID_SIZE]);

#endif
