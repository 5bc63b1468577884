// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_KEYS_H
#define SHARED_REDIS_KEYS_H

#include <stddef.h>

#include "shared/message/message.h"

// The names of everything in Redis. The hash tag {provider:partition} keeps every atomic step in one slot.

#define GROUP_DISPATCHERS "dispatchers"
#define GROUP_PERSISTERS "persisters"
#define KEY_PARTITIONS "partitions"   // set of "provider:partition" that were ever in use; only grows
#define KEY_MOCK_CONFIG "mock:config" // hash
#define KEY_METRICS "metrics"         // hash of fleet-wide counters and histograms
#define KEY_PROCESSES "processes"     // zset of "program:instance" by when it was last heard of, ms since 1970
#define KEY_FORMATS "formats"         // zset of "format:program:instance", the same: the newest that it reads
#define KEY_TROUBLE "trouble:"        // before a member of `processes`: string, JSON of what troubles that process
#define KEY_FEED "feed"               // stream, trimmed: what has changed, for those who watch

#define KEY_REPLAY_TAG "replay"                 // of the two below, which one function touches together
#define KEY_REPLAY_JOBS "replays:{replay}"      // stream: replays of many dead letters that are not done
#define KEY_REPLAY_RUNNING "replaying:{replay}" // hash: the first of them, who runs it, how far it has come

#define KEY_SIZE 96
#define KEY_GUARD_SIZE (sizeof "replayed:{}:" + KEY_SIZE + 64)

struct partition_keys {
    char tag[KEY_SIZE];        // "sms-mms:0"
    char outbound[KEY_SIZE];   // stream
    char events[KEY_SIZE];     // stream
    char parked[KEY_SIZE];     // hash
    char parked_due[KEY_SIZE]; // zset
    // Of messages that their provider refused for what may be our own fault (redis/messaging.lua, settle):
    char refused[KEY_SIZE];      // zset: when each was first
    char senders[KEY_SIZE];      // hash: their senders, with the messages
    char senders_at[KEY_SIZE];   // zset: when the last one of each was
    char held_senders[KEY_SIZE]; // hash: those whose messages wait
};

// tag is "provider:partition", e.g. "email:3".
void partition_keys(const char *tag, struct partition_keys *out);
// The same for a provider and a partition's number.
void partition_keys_of(enum provider provider, unsigned partition, struct partition_keys *out);
// The partition of a normalized sender among `partitions`: a hash that never changes (FNV-1a, 32 bits).
unsigned partition_of(const char *sender, unsigned partitions);
// "replayed:{tag}:<id>:<generation>": that generation of a message has begun.
void replay_guard_key(const char *tag, const char *id, int64_t generation, char out[KEY_GUARD_SIZE]);
// "breaker:{sms-mms}".
const char *breaker_key(enum provider provider);

#endif
