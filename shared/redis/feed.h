// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_FEED_H
#define SHARED_REDIS_FEED_H

#include <stddef.h>
#include <stdint.h>

#include "shared/redis/link.h"

// The feed: a trimmed stream of what has changed, which GET /api/events hands to those who watch. A hint and no more:
// what can't be written is let go, for the truth is in the other streams and in Postgres.
// An entry's fields: t, the event's type, and d, its data, a JSON object.

// data is NUL-terminated JSON; about max_length entries are kept.
void feed_publish(struct redis_link *link, int64_t max_length, const char *type, const char *data);

#endif
