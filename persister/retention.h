// SPDX-License-Identifier: MIT
#ifndef PERSISTER_RETENTION_H
#define PERSISTER_RETENTION_H

#include <uv.h>

#include "persister/batch.h"
#include "shared/redis/counters.h"
#include "shared/redis/heartbeat.h"
#include "shared/redis/link.h"
#include "shared/settings/settings.h"

// MESSAGE_RETENTION_DAYS: soon after the start, then once a minute, messages that were accepted longer ago than that
// and whose course is over are deleted for good, with all that refers to them (migration 0011, erase_messages()); then
// the dead letters of that age that are of no message, and ids that nobody needs to know any more. One persister of the
// fleet at a time does so, over a connection of its own, in transactions of a few milliseconds with rests between them.
//
// What it has deleted is counted (`retention_deleted`) and logged, a line a pass; when the oldest message that is left
// was accepted is in the hash `metrics`, as `retention_oldest_ms`. While what is deleted has been due for more than a
// day it reports the note `retention_behind`.

struct retention;

struct retention_options {
    const struct settings *settings; // of message_retention_days, which isn't 0
    struct redis_link *redis;
    struct counters *counters;
    struct heartbeat *heartbeat;
    const struct batch_queue *queue; // while much waits in it, little is deleted
    unsigned slot;                   // of `totals`
};

// All that the options name outlives it.
struct retention *retention_create(uv_loop_t *loop, const struct retention_options *options);
// As pg_link_change_url.
void retention_change_database(struct retention *retention, const char *url);
// Deletes no more; the transaction that is under way ends.
void retention_stop(struct retention *retention);
// Frees itself once its handles have closed.
void retention_destroy(struct retention *retention);

// Why these settings can't be, as one line owned by the caller; NULL: they can.
char *retention_check(const struct settings *settings) MUST_CHECK;

#endif
