// SPDX-License-Identifier: MIT
#ifndef PERSISTER_CONSUMER_H
#define PERSISTER_CONSUMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "persister/batch.h"
#include "shared/base/mem.h"

// Reads one `events` stream into the queue and acknowledges what was recorded, over a connection of its own.

struct event_consumer;
struct redis_target;

struct event_consumer_options {
    struct redis_target *target; // where Redis is; outlives the consumer
    int64_t redis_timeout_ms;
    const char *tag;           // "sms-mms:0"
    const char *consumer;      // the instance id
    size_t max_entries;        // of one read
    int64_t claim_timeout_ms;  // T of docs/protocol.md
    struct batch_queue *queue; // outlives the consumer
    // Entries were added to the queue, or a call has ended. Must not destroy the consumer.
    void (*on_change)(void *argument);
    // Entries were taken over from another consumer.
    void (*on_stolen)(void *argument, size_t count);
    void *argument;
};

// Strings are copied.
struct event_consumer *event_consumer_create(uv_loop_t *loop, const struct event_consumer_options *options);
// Something may have changed that lets it read on (room in the queue).
void event_consumer_kick(struct event_consumer *consumer);
// `count` entries, read over that connection, are recorded. Where that connection is no more nothing is sent:
// they will be claimed, and recorded again, which changes nothing.
void event_consumer_done(struct event_consumer *consumer, uint64_t connection, const char **ids, size_t count);
// Reads no more; what was asked of Redis is still answered.
void event_consumer_stop(struct event_consumer *consumer);
// Whether no call waits for its answer.
bool event_consumer_is_quiet(const struct event_consumer *consumer);
const char *event_consumer_tag(const struct event_consumer *consumer);
// Frees itself once its handles have closed; its batch_stream lives as long.
void event_consumer_destroy(struct event_consumer *consumer);

#endif
