// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_REPLICAS_H
#define INGEST_ACCEPT_REPLICAS_H

#include <stdbool.h>
#include <uv.h>

#include "shared/base/mem.h"

// REDIS_WAIT_REPLICAS: one thread's question whether so many replicas have what Redis has accepted. It has a connection
// of its own, so that nothing else waits behind a WAIT.

struct ingest_request;
struct ingest_resources;
struct replicas;

// with must outlive it; number is the thread's. Until Redis has said otherwise, too few have it.
struct replicas *replicas_create(uv_loop_t *loop, struct ingest_resources *with, unsigned number);
// with->redis must have been destroyed before. Answers all that wait. Frees itself once its handles have closed.
void replicas_destroy(struct replicas *replicas);

// Whether what Redis accepts now would, as far as is known, not get to enough replicas.
bool replicas_are_missing(const struct replicas *replicas) MUST_CHECK;
// Redis has it: its acceptance's answer is called once the replicas have it too; otherwise it gets a 503 that says that
// its fate is unknown.
void replicas_hold(struct replicas *replicas, struct ingest_request *request);
// The connection over which Redis accepted is gone: what waits can't be vouched for any more.
void replicas_on_down(struct replicas *replicas);

#endif
