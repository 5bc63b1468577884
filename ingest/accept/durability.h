// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_DURABILITY_H
#define INGEST_ACCEPT_DURABILITY_H

#include "shared/redis/link.h"

// Asks Redis for its settings and warns loudly where "202 means durable" (append-only file, fsync always) or "memory is
// bounded" (noeviction, maxmemory) would not hold. For each time that a link comes up.
void durability_check(struct redis_link *redis);

#endif
