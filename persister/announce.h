// SPDX-License-Identifier: MIT
#ifndef PERSISTER_ANNOUNCE_H
#define PERSISTER_ANNOUNCE_H

#include <stddef.h>
#include <stdint.h>

#include "persister/batch.h"
#include "shared/redis/link.h"

// Tells the feed what is now in Postgres: entries first … first + count - 1 of a batch, each as its message's id and
// what happened to it.
void announce_written(struct redis_link *link, int64_t feed_max_length, const struct batch *batch, size_t first,
                      size_t count);

#endif
