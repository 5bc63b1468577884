// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_UUID_H
#define SHARED_BASE_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/mem.h"

#define UUID_BYTES 16
#define UUID_TEXT_SIZE 37 // 36 characters and a NUL

struct uuid {
    uint8_t bytes[UUID_BYTES];
};

// UUIDv7 (RFC 9562, 5.7): milliseconds since 1970, then 74 random bits from libcrypto, drawn in blocks.
// Within one thread each is greater than the one before.
struct uuid uuid_v7(void);
// UUIDv8 (RFC 9562, 5.8) from the first 122 free bits of SHA-256(bytes): the same for ever.
struct uuid uuid_v8_of(const void *bytes, size_t length);
// The same of namespace, NUL, name.
struct uuid uuid_v8(const char *name_space, const char *name);
// When a UUIDv7 was made, ms since 1970; false where it is another version.
bool uuid_v7_time(const struct uuid *uuid, int64_t *out_ms) MUST_CHECK;
void uuid_format(const struct uuid *uuid, char out[UUID_TEXT_SIZE]);
// Takes the 8-4-4-4-12 form in either case. Returns 0, or -1 when it isn't one.
int uuid_parse(const char *text, struct uuid *out) MUST_CHECK;

#endif
