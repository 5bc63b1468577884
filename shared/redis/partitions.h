// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_PARTITIONS_H
#define SHARED_REDIS_PARTITIONS_H

#include <stddef.h>

#include "shared/base/mem.h"
#include "shared/message/message.h"
#include "shared/redis/heartbeat.h"
#include "shared/redis/link.h"

// The partitions in use, each with an object of the program that serves them: those that the settings name, and those
// that any process ever put into the set `partitions`, which only grows, so that a change of STREAM_PARTITIONS strands
// nothing.

#define PARTITIONS_MOST (2 * 256 * PROVIDER_COUNT) // twice what STREAM_PARTITIONS allows

// A tag: a provider's name, a colon, and a number of 1 to 6 digits. Returns 0, or -1 where it is no such thing.
int partition_parse(const char *tag, size_t length, enum provider *out) MUST_CHECK;

// The number of a tag that partition_parse takes.
unsigned partition_number(const char *tag);

struct partitions;

struct partitions_options {
    struct redis_link *link;     // that is asked for the set
    struct heartbeat *heartbeat; // is told what is served
    // A partition is to be served: returns its object. Called once a tag.
    void *(*serve)(void *argument, const char *tag, enum provider provider);
    void *argument;
};

// Serves partitions 0 … own - 1 of each provider at once. link and heartbeat must outlive it.
struct partitions *partitions_create(const struct partitions_options *options, unsigned own);
// Asks for the set now; for when the link comes up, and every 5 s.
void partitions_look(struct partitions *partitions);
size_t partitions_count(const struct partitions *partitions);
void *partitions_at(const struct partitions *partitions, size_t index); // its object
// Serves no others from here on.
void partitions_stop(struct partitions *partitions);
// The link must be gone; the objects are their owner's.
void partitions_destroy(struct partitions *partitions);

#endif
