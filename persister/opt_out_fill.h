// SPDX-License-Identifier: MIT
#ifndef PERSISTER_OPT_OUT_FILL_H
#define PERSISTER_OPT_OUT_FILL_H

#include <uv.h>

#include "shared/postgres/link.h"
#include "shared/redis/link.h"
#include "shared/settings/settings.h"

// Fills the sets of who has opted out, of those partitions in which Redis may lack some: one that is new, or was
// flushed or evicted, or all after a fail-over or a restart. Until then no dispatcher calls anything of them.

struct opt_out_fill;

// The links and settings must outlive it; database is a batch link. With OPT_OUT off it does nothing.
struct opt_out_fill *opt_out_fill_create(uv_loop_t *loop, struct redis_link *redis, struct pg_link *database,
                                         const struct settings *settings);
// One of the links is up: looks now.
void opt_out_fill_look(struct opt_out_fill *fill);
void opt_out_fill_stop(struct opt_out_fill *fill);
// The links must have been destroyed before. Frees itself once its timer has closed.
void opt_out_fill_destroy(struct opt_out_fill *fill);

#endif
