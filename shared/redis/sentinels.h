// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_SENTINELS_H
#define SHARED_REDIS_SENTINELS_H

#include <stdint.h>
#include <uv.h>

#include "shared/redis/target.h"

// Who is the master, by the word of all Sentinels that an endpoint lists. They are asked side by side, so that one that
// is away delays nothing. The greatest config-epoch is believed, and never a smaller one than was believed before: a
// Sentinel that was cut off goes on naming the old master. Private to redis_link.

struct redis_sentinels;

struct redis_sentinels_options {
    const struct redis_endpoint *endpoint; // whose url has Sentinels; it and link outlive these
    const char *link;                      // for the log; NULL: nothing is logged
    int64_t timeout_ms;                    // connect and reply
    void (*on_master)(void *owner);        // another master than before is believed. May destroy these
    // None is believed yet, and none of them names one: one line that says why. Called with each that is another.
    void (*on_trouble)(void *owner, const char *why);
    void *owner;
};

// Starts asking; never fails.
struct redis_sentinels *redis_sentinels_create(uv_loop_t *loop, const struct redis_sentinels_options *options);
// Frees itself once all handles have closed. May be called from any of their events.
void redis_sentinels_destroy(struct redis_sentinels *sentinels);

// Another endpoint with the same Sentinels and master, and maybe other credentials, from here on.
void redis_sentinels_use(struct redis_sentinels *sentinels, const struct redis_endpoint *endpoint);
// The master may be another by now: all of them are asked at once.
void redis_sentinels_ask(struct redis_sentinels *sentinels);

// The master's name or address, NULL where none is believed yet; valid until the next on_master.
const char *redis_sentinels_master(const struct redis_sentinels *sentinels, uint16_t *port);

#endif
