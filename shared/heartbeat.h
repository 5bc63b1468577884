// SPDX-License-Identifier: MIT
#ifndef SHARED_HEARTBEAT_H
#define SHARED_HEARTBEAT_H

#include <uv.h>

#include "shared/redis_link.h"

// Says every second in Redis that this process lives: in the sorted set `processes`, member "program:instance", score
// the time in ms since 1970. Whoever was silent for HEARTBEAT_ALIVE_MS counts as gone.

#define HEARTBEAT_ALIVE_MS 5000

struct heartbeat;

// link must outlive it. program is "ingest", instance the stable instance id.
struct heartbeat *heartbeat_create(uv_loop_t *loop, struct redis_link *link, const char *program, const char *instance);
// The last beat: takes the member out of the set. For the drain; what is sent after it is answered after it.
void heartbeat_stop(struct heartbeat *heartbeat);
// Frees itself once its timer has closed.
void heartbeat_destroy(struct heartbeat *heartbeat);

#endif
