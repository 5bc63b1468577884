// SPDX-License-Identifier: MIT
#ifndef INGEST_WATCH_LOOKOUT_H
#define INGEST_WATCH_LOOKOUT_H

#include <uv.h>

#include "ingest/watch/pipeline.h"

struct redis_link;

// A thread's picture of the pipeline for those who ask often and want an answer in any case: at most a second old, read
// once for all who ask meanwhile, and given up after a second.

#define LOOKOUT_FRESH_MS 1000
#define LOOKOUT_PATIENCE_MS 1000

struct lookout;

struct lookout *lookout_create(uv_loop_t *loop, struct redis_link *redis);
// To be called once redis is destroyed, so that no answer is under way; frees itself once its handles have closed.
// Those who still wait are told that nothing could be read.
void lookout_destroy(struct lookout *lookout);

// done(argument, pipeline, why) is called once, maybe at once: with a pipeline that is valid during the call, or with
// NULL and why.
typedef void (*lookout_done)(void *argument, const struct pipeline *pipeline, const char *why);
void lookout_ask(struct lookout *lookout, lookout_done done, void *argument);

#endif
