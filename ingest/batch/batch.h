// SPDX-License-Identifier: MIT
#ifndef INGEST_BATCH_BATCH_H
#define INGEST_BATCH_BATCH_H

#include <stdint.h>
#include <uv.h>

#include "shared/settings/settings.h"

// Up to a thousand sends in one request, each of which goes the way of a request of its own (accept/intake.h), and is
// answered as it would have been alone.

struct batches; // one thread's
struct ingest_request;
struct ingest_resources;

// with must outlive it.
struct batches *batches_create(uv_loop_t *loop, struct ingest_resources *with);
// with->redis and with->replicas must have been destroyed before: answers each batch of which something was sent with
// what is known of its messages. Frees itself once its handle has closed.
void batches_destroy(struct batches *batches);

// Greatest body, bytes: API_MAX_BATCH_BYTES, and never more than an eighth of MAX_CLIENT_BYTES, of which one address
// has a quarter.
uint64_t batch_max_body(const struct settings *settings);

// The route's handler.
void batch_send(struct ingest_request *request);

#endif
