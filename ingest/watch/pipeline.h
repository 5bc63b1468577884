// SPDX-License-Identifier: MIT
#ifndef INGEST_WATCH_PIPELINE_H
#define INGEST_WATCH_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/mem.h"
#include "shared/message/message.h"
#include "shared/redis/counters.h"
#include "shared/redis/keys.h"

struct redis_link;

// The whole pipeline at a glance, read from Redis when it is asked for: what waits in each stream and for how long, the
// breakers, Redis's memory, who lives, and the counters.

// Ages and waits are in ms; -1 where there is nothing to have an age.
struct pipeline_stream {
    int64_t length;    // entries not done
    int64_t added;     // entries ever
    int64_t pending;   // of them, with a consumer now; the others are the lag
    int64_t consumers; // that the group knows
    int64_t oldest_ms; // age of the message in its first entry
    int64_t waited_ms; // for how long that entry has been in the stream; a message may be older than that
    int64_t newer;     // that entry's format, where a newer release wrote it; 0: one that this release reads
};

struct pipeline_partition {
    struct partition_keys keys;
    enum provider provider;
    struct pipeline_stream outbound, events;
    int64_t parked, overdue;                      // messages that wait for a retry; of them, whose time has come
    int64_t longest_overdue_ms, parked_oldest_ms; // the latter of the 100 that are due next
    int64_t held_senders;                         // whose messages wait, because their provider refuses them
    int64_t refused_ms;                           // how long ago the fifth last message was refused for the first time
    int64_t opted_out;                            // pairs that have opted out, as far as this partition knows
    int64_t knows_opt_outs;                       // 1: of all of them; 0: nothing is called meanwhile
    int64_t held, held_oldest_ms;                 // messages that wait for their turns; the latter of 100 conversations
    int64_t held_overdue_ms;                      // for how long one of them should have had its turn; -1: none should
    int64_t scheduled, scheduled_bytes;           // messages that wait for their time
    int64_t scheduled_overdue, scheduled_longest_overdue_ms; // those whose time has come
};

#define PIPELINE_WORD_SIZE 32

struct pipeline_breaker {
    char state[PIPELINE_WORD_SIZE]; // closed, open, half-open
    char mode[PIPELINE_WORD_SIZE];  // auto, or what an operator has set: open, closed
    char reason[PIPELINE_WORD_SIZE];
    int64_t fails;
    int64_t open_ms;       // since it was last closed; -1 where it is, or nobody knows
    int64_t reopens_in_ms; // until probes are let through; 0 where it isn't open
    int64_t accepted_ms;   // how long ago the last call began that the provider accepted; -1: none is known
    int64_t slowed_ms;     // how long ago its rate last made a dispatcher wait; -1: never, or there is no rate
    int64_t paused_ms;     // what is left of a pause that a 429 asked for; 0: none
};

enum pipeline_program { PROGRAM_INGEST, PROGRAM_DISPATCHER, PROGRAM_PERSISTER, PROGRAM_MOCK, PROGRAM_COUNT };

#define PIPELINE_MEMBER_SIZE 128

// What a live process says of itself (shared/redis/heartbeat.h).
struct pipeline_report {
    char member[PIPELINE_MEMBER_SIZE]; // "persister:host-persister-0"
    char code[PIPELINE_WORD_SIZE];
    int64_t since_ms; // Redis's clock
    char *text;       // owned
};

// The first replay of many dead letters that isn't done.
struct pipeline_job {
    int64_t age_ms; // since it was asked for; -1: there is none
    int64_t
        idle_ms; // since the lease of the persister that ran it was over; -1: it runs; age_ms where nobody has begun
};

struct pipeline {
    int64_t now_ms; // Redis's clock
    struct counter_values counters;
    struct pipeline_partition *partitions;
    size_t partition_count;
    struct pipeline_breaker breakers[PROVIDER_COUNT];
    int64_t alive[PROGRAM_COUNT];
    struct pipeline_report *reports;
    size_t report_count;
    struct pipeline_job job;
    int64_t memory_used, memory_max; // bytes; max 0: no cap
    bool keeps_log;                  // an append-only file
    bool writes_fail;                // its last write failed, or a snapshot did, upon which Redis may refuse to write
};

const char *pipeline_program_name(enum pipeline_program program);

// Reads it: two turns to Redis. done(argument, pipeline, why) gets a pipeline to be freed, or NULL and a sentence
// (valid during the call) where any part of it could not be read. Returns 0, or -1 when the link is down and done won't
// be called.
typedef void (*pipeline_done)(void *argument, struct pipeline *pipeline, const char *why);
int pipeline_read(struct redis_link *redis, pipeline_done done, void *argument) MUST_CHECK;
void pipeline_free(struct pipeline *pipeline); // NULL is fine

// Adds up a provider's partitions; the greatest age of them.
void pipeline_sum(const struct pipeline *pipeline, enum provider provider, struct pipeline_partition *out);

#endif
