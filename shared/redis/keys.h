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
#define KEY_FORMATS "formats"         // zset of "format:program:instance", the same: what it reads; and "writes:format"
#define KEY_TROUBLE "trouble:"        // before a member of `processes`: string, JSON of what troubles that process
#define KEY_FEED "feed"               // stream, trimmed: what has changed, for those who watch

#define KEY_REPLAY_TAG "replay"                 // of the two below, which one function touches together
#define KEY_REPLAY_JOBS "replays:{replay}"      // stream: replays of many dead letters that are not done
#define KEY_REPLAY_RUNNING "replaying:{replay}" // hash: the first of them, who runs it, how far it has come

#define KEY_SIZE 112
#define KEY_GUARD_SIZE (sizeof "replayed:{}:" + KEY_SIZE + 96)

struct partition_keys {
    char tag[KEY_SIZE];        // "sms-mms:0"
    char outbound[KEY_SIZE];   // stream
    char events[KEY_SIZE];     // stream
    char parked[KEY_SIZE];     // hash
    char parked_due[KEY_SIZE]; // zset
    char ours[KEY_SIZE];       // zset: the addresses that were sent from, by when they last were, ms since 1970
    // Of messages that their provider refused for what may be our own fault (redis/messaging.lua, settle):
    char refused[KEY_SIZE];      // zset: when each was first
    char senders[KEY_SIZE];      // hash: their senders, with the messages
    char senders_at[KEY_SIZE];   // zset: when the last one of each was
    char held_senders[KEY_SIZE]; // hash: those whose messages wait
    char opt_outs[KEY_SIZE];     // hash: pairs that have opted out, and whether all are known (opt_out_pair)
    char erased[KEY_SIZE];       // zset: conversations, by when they were erased, ms since 1970
    // Of messages that wait for their turn, or for their time (redis/messaging.lua, "Turns" and "Scheduled"):
    char turn[KEY_SIZE];            // hash: conversation → the token that has its turn, and the other way round
    char held[KEY_SIZE];            // hash: who waits for a turn
    char held_order[KEY_SIZE];      // zset: conversation, place, token
    char held_due[KEY_SIZE];        // zset: conversation → when its first is let go, by the open clock
    char open_ms[KEY_SIZE];         // hash: the open clock
    char scheduled[KEY_SIZE];       // hash: what is to be sent later
    char scheduled_due[KEY_SIZE];   // zset: when, ms since 1970
    char scheduled_bytes[KEY_SIZE]; // string: what it takes
};

// Where the webhooks of a provider that can't become messages are kept: all of them in its first partition.
struct unread_keys {
    char events[KEY_SIZE]; // stream
    char unread[KEY_SIZE]; // zset: the hash of each, by when it came
    char sizes[KEY_SIZE];  // hash: what each takes, and the sums
};

// tag is "provider:partition", e.g. "email:3".
void partition_keys(const char *tag, struct partition_keys *out);
// The same for a provider and a partition's number.
void partition_keys_of(enum provider provider, unsigned partition, struct partition_keys *out);
void unread_keys_of(enum provider provider, struct unread_keys *out);
// The partition of a normalized sender among `partitions`: a hash that never changes (FNV-1a, 32 bits).
unsigned partition_of(const char *sender, unsigned partitions);
// "replayed:{tag}:<id>:<generation>": that generation of a message has begun; a kept webhook's id is its hash.
void replay_guard_key(const char *tag, const char *id, int64_t generation, char out[KEY_GUARD_SIZE]);
// "breaker:{sms-mms}".
const char *breaker_key(enum provider provider);

#endif
