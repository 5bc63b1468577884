// SPDX-License-Identifier: MIT
#ifndef PERSISTER_REPLAYER_H
#define PERSISTER_REPLAYER_H

#include <uv.h>

#include "shared/redis/link.h"
#include "shared/settings/settings.h"

struct replayer; // runs replays of many dead letters

// redis and settings outlive it. Never fails.
struct replayer *replayer_create(uv_loop_t *loop, const struct settings *settings, struct redis_link *redis);
// As pg_link_change_url.
void replayer_change_database(struct replayer *replayer, const char *url);
// Replays no more, and leaves what it has come to; calls under way still come back.
void replayer_stop(struct replayer *replayer);
// The link to Redis must have been destroyed before (its calls call back). Frees itself once its timer has closed.
void replayer_destroy(struct replayer *replayer);

#endif
