// SPDX-License-Identifier: MIT
#include "shared/keys.h"

#include <stdint.h>
#include <stdio.h>

// A tag comes from Redis (KEY_PARTITIONS); one that could not be ours is cut rather than overrun.
#define TAG_FORMAT "%.80s"

void partition_keys(const char *tag, struct partition_keys *out) {
    snprintf(out->tag, KEY_SIZE, TAG_FORMAT, tag);
    snprintf(out->outbound, KEY_SIZE, "outbound:{" TAG_FORMAT "}", tag);
    snprintf(out->events, KEY_SIZE, "events:{" TAG_FORMAT "}", tag);
    snprintf(out->parked, KEY_SIZE, "parked:{" TAG_FORMAT "}", tag);
    snprintf(out->parked_due, KEY_SIZE, "parked-due:{" TAG_FORMAT "}", tag);
}

unsigned partition_of(const char *sender, unsigned partitions) {
    uint32_t hash = 2166136261u; // FNV-1a: draft-eastlake-fnv, 32 bits
    for (const unsigned char *at = (const unsigned char *)sender; *at != '\0'; at++) {
        hash = (hash ^ *at) * 16777619u;
    }
    return partitions > 1 ? hash % partitions : 0;
}

const char *breaker_key(enum provider provider) {
    static const char *const keys[PROVIDER_COUNT] = {"breaker:{sms-mms}", "breaker:{email}"};
    return keys[provider];
}
