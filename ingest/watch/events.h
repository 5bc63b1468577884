// SPDX-License-Identifier: MIT
#ifndef INGEST_WATCH_EVENTS_H
#define INGEST_WATCH_EVENTS_H

#include <uv.h>

#include "shared/redis/link.h"

struct event_hub;
struct ingest_request;
struct ingest_resources;

// GET /api/events: Server-Sent Events (WHATWG HTML, 9.2) out of the feed, and the pipeline's state every second.
// One hub a thread, with one read of Redis under way for all of its clients, and none while it has no client.

// with must outlive it.
struct event_hub *event_hub_create(uv_loop_t *loop, struct ingest_resources *with);
// Ends every client's answer; no more are taken.
void event_hub_end(struct event_hub *hub);
// Frees itself once its handles have closed. Its clients' answers must be ended or abandoned by then.
void event_hub_destroy(struct event_hub *hub);

// The route.
void events_show(struct ingest_request *request);

#endif
