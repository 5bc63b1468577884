// SPDX-License-Identifier: MIT
#ifndef PERSISTER_STREAMS_H
#define PERSISTER_STREAMS_H

#include <stdbool.h>
#include <uv.h>

#include "persister/consumer.h"
#include "shared/redis/heartbeat.h"
#include "shared/redis/link.h"

// The `events` streams of all partitions in use (shared/redis/partitions.h), each with its consumer.

struct event_streams;

// link: asked for the set every 5 s; outlives the streams. heartbeat: told what is served. consumer: what every
// consumer gets, but for its tag.
// partitions: those of each provider that are served from the start.
struct event_streams *event_streams_create(uv_loop_t *loop, struct redis_link *link, struct heartbeat *heartbeat,
                                           const struct event_consumer_options *consumer, unsigned partitions);
// Asks for the set now: the link has come up.
void event_streams_refresh(struct event_streams *streams);
void event_streams_kick(struct event_streams *streams);
void event_streams_stop(struct event_streams *streams);
bool event_streams_are_quiet(const struct event_streams *streams);
// The link must have been destroyed before (its calls call back).
void event_streams_destroy(struct event_streams *streams);

#endif
