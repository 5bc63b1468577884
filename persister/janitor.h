// SPDX-License-Identifier: MIT
#ifndef PERSISTER_JANITOR_H
#define PERSISTER_JANITOR_H

#include <uv.h>

#include "shared/postgres/link.h"
#include "shared/redis/counters.h"

// Soon after the start, then once an hour: dead letters older than 30 days go, and receipts whose message hasn't come
// for a day, a thousand at a time. Every few seconds it looks at a thousand rows: at ids of deleted messages, which are
// forgotten after 30 days, or at deliveries, whether one is of no message (migration 0011, forget_strays()).

struct persister_janitor;

// link outlives it, and counters its sweep.
struct persister_janitor *persister_janitor_create(uv_loop_t *loop, struct pg_link *link, struct counters *counters);
// Begins now rather than at the hour; a sweep under way goes on.
void persister_janitor_sweep(struct persister_janitor *janitor);
// The link must have been destroyed before. Frees itself once its timer has closed.
void persister_janitor_destroy(struct persister_janitor *janitor);

#endif
