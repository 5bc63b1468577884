// SPDX-License-Identifier: MIT
#include "shared/base/uuid.h"

#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/crypto.h"
#include "shared/base/hex.h"

// A call of the random generator costs far more than the ten bytes that an id takes, so they are drawn in blocks.
#define RANDOM_BLOCK 4096
#define SEQUENCE_LIMIT 0x1000 // rand_a has 12 bits

// Thread-local so that ids need no lock and each thread's own sequence grows.
struct generator {
    uint8_t random[RANDOM_BLOCK];
    size_t left; // unused bytes at the end of random
    int64_t last_ms;
    unsigned sequence; // rand_a of the last id (RFC 9562, 6.2, method 1)
};

static _Thread_local struct generator generator;

static void take_random(uint8_t *out, size_t length) {
    if (generator.left < length) {
        crypto_random(generator.random, RANDOM_BLOCK);
        generator.left = RANDOM_BLOCK;
    }
    memcpy(out, generator.random + RANDOM_BLOCK - generator.left, length);
    generator.left -= length;
}

static void set_version(struct uuid *uuid, unsigned version) {
    uuid->bytes[6] = (uint8_t)((uuid->bytes[6] & 0x0f) | (version << 4));
    uuid->bytes[8] = (uint8_t)((uuid->bytes[8] & 0x3f) | 0x80);
}

// The millisecond and rand_a of the next id: a new millisecond begins at a random number in the lower half of rand_a,
// so that there is room to count; when it is used up, the ids run ahead of the clock by a millisecond.
static void uuid_advance(unsigned random) {
    int64_t now = clock_unix_ms();
    if (now > generator.last_ms) {
        generator.last_ms = now;
        generator.sequence = random % (SEQUENCE_LIMIT / 2);
    } else if (++generator.sequence >= SEQUENCE_LIMIT) {
        generator.last_ms++;
        generator.sequence = random % (SEQUENCE_LIMIT / 2);
    }
}

struct uuid uuid_v7(void) {
    struct uuid uuid;
    uint8_t random[2];
    take_random(random, sizeof random);
    uuid_advance((unsigned)random[0] << 8 | random[1]);
    for (int i = 0; i < 6; i++) {
        uuid.bytes[i] = (uint8_t)(generator.last_ms >> (40 - 8 * i));
    }
    uuid.bytes[6] = (uint8_t)(generator.sequence >> 8);
    uuid.bytes[7] = (uint8_t)generator.sequence;
    take_random(uuid.bytes + 8, 8);
    set_version(&uuid, 7);
    return uuid;
}

struct uuid uuid_v8_of(const void *bytes, size_t length) {
    uint8_t digest[SHA256_SIZE];
    crypto_sha256(bytes, length, digest);
    struct uuid uuid;
    memcpy(uuid.bytes, digest, UUID_BYTES);
    set_version(&uuid, 8);
    return uuid;
}

struct uuid uuid_v8(const char *name_space, const char *name) {
    struct buf input = {0};
    buf_append(&input, name_space, strlen(name_space) + 1);
    buf_puts(&input, name);
    struct uuid uuid = uuid_v8_of(input.data, input.length);
    buf_free(&input);
    return uuid;
}

bool uuid_v7_time(const struct uuid *uuid, int64_t *out_ms) {
    *out_ms = 0;
    for (int i = 0; i < 6; i++) {
        *out_ms = *out_ms << 8 | uuid->bytes[i];
    }
    return uuid->bytes[6] >> 4 == 7;
}

static const uint8_t parts[] = {4, 2, 2, 2, 6}; // bytes between the dashes

void uuid_format(const struct uuid *uuid, char out[UUID_TEXT_SIZE]) {
    const uint8_t *bytes = uuid->bytes;
    for (size_t i = 0; i < sizeof parts; bytes += parts[i++]) {
        hex_encode(bytes, parts[i], out);
        out += 2 * parts[i];
        *out++ = i + 1 < sizeof parts ? '-' : '\0';
    }
}

int uuid_parse(const char *text, struct uuid *out) {
    struct uuid uuid;
    uint8_t *bytes = uuid.bytes;
    for (size_t i = 0; i < sizeof parts; bytes += parts[i++]) {
        if ((i > 0 && *text++ != '-') || !hex_decode(text, 2 * parts[i], bytes, parts[i])) {
            return -1;
        }
        text += 2 * parts[i];
    }
    if (*text != '\0') {
        return -1;
    }
    *out = uuid;
    return 0;
}
