// SPDX-License-Identifier: MIT
#ifndef INGEST_WATCH_HEALTH_H
#define INGEST_WATCH_HEALTH_H

struct ingest_request;

// GET HEALTH_PATH: this process serves.
void health_alive(struct ingest_request *request);
// GET /readyz: whether Redis can take a send, and all that does not flow, within a second or so.
void health_ready(struct ingest_request *request);

#endif
