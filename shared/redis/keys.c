// SPDX-License-Identifier: MIT
#include "shared/redis/keys.h"

#include <inttypes.h>
#include <stdio.h>

// A tag comes from Redis (KEY_PARTITIONS); one that could not be ours is cut rather than overrun.
#define TAG_FORMAT "%.80s"

void partition_keys(const char *tag, struct partition_keys *out) {
    snprintf(out->tag, KEY_SIZE, TAG_FORMAT, tag);
    snprintf(out->outbound, KEY_SIZE, "outbound:{" TAG_FORMAT "}", tag);
    snprintf(out->events, KEY_SIZE, "events:{" TAG_FORMAT "}", tag);
    snprintf(out->parked, KEY_SIZE, "parked:{" TAG_FORMAT "}", tag);
    snprintf(out->parked_due, KEY_SIZE, "parked-due:{" TAG_FORMAT "}", tag);
    snprintf(out->ours, KEY_SIZE, "ours:{" TAG_FORMAT "}", tag);
    snprintf(out->refused, KEY_SIZE, "refused:{" TAG_FORMAT "}", tag);
    snprintf(out->senders, KEY_SIZE, "senders:{" TAG_FORMAT "}", tag);
    snprintf(out->senders_at, KEY_SIZE, "senders-at:{" TAG_FORMAT "}", tag);
    snprintf(out->held_senders, KEY_SIZE, "held-senders:{" TAG_FORMAT "}", tag);
    snprintf(out->opt_outs, KEY_SIZE, "optouts:{" TAG_FORMAT "}", tag);
    snprintf(out->erased, KEY_SIZE, "erased:{" TAG_FORMAT "}", tag);
    snprintf(out->turn, KEY_SIZE, "turn:{" TAG_FORMAT "}", tag);
    snprintf(out->held, KEY_SIZE, "held:{" TAG_FORMAT "}", tag);
    snprintf(out->held_order, KEY_SIZE, "held-order:{" TAG_FORMAT "}", tag);
    snprintf(out->held_due, KEY_SIZE, "held-due:{" TAG_FORMAT "}", tag);
    snprintf(out->open_ms, KEY_SIZE, "open-ms:{" TAG_FORMAT "}", tag);
    snprintf(out->scheduled, KEY_SIZE, "scheduled:{" TAG_FORMAT "}", tag);
    snprintf(out->scheduled_due, KEY_SIZE, "scheduled-due:{" TAG_FORMAT "}", tag);
    snprintf(out->scheduled_bytes, KEY_SIZE, "scheduled-bytes:{" TAG_FORMAT "}", tag);
}

void partition_keys_of(enum provider provider, unsigned partition, struct partition_keys *out) {
    char tag[KEY_SIZE];
    snprintf(tag, sizeof tag, "%s:%u", provider_name(provider), partition);
    partition_keys(tag, out);
}

void unread_keys_of(enum provider provider, struct unread_keys *out) {
    const char *name = provider_name(provider);
    snprintf(out->events, KEY_SIZE, "events:{%s:0}", name);
    snprintf(out->unread, KEY_SIZE, "unread:{%s:0}", name);
    snprintf(out->sizes, KEY_SIZE, "unread-sizes:{%s:0}", name);
}

unsigned partition_of(const char *sender, unsigned partitions) {
    uint32_t hash = 2166136261u; // FNV-1a: draft-eastlake-fnv, 32 bits
    for (const unsigned char *at = (const unsigned char *)sender; *at != '\0'; at++) {
        hash = (hash ^ *at) * 16777619u;
    }
    return partitions > 1 ? hash % partitions : 0;
}

void replay_guard_key(const char *tag, const char *id, int64_t generation, char out[KEY_GUARD_SIZE]) {
    snprintf(out, KEY_GUARD_SIZE, "replayed:{" TAG_FORMAT "}:%.64s:%" PRId64, tag, id, generation);
}

const char *breaker_key(enum provider provider) {
    static const char *const keys[PROVIDER_COUNT] = {"breaker:{sms-mms}", "breaker:{email}"};
    return keys[provider];
}
