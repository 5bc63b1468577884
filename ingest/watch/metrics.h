// SPDX-License-Identifier: MIT
#ifndef INGEST_WATCH_METRICS_H
#define INGEST_WATCH_METRICS_H

#include <stddef.h>

#include "ingest/watch/flow.h"
#include "ingest/watch/pipeline.h"
#include "shared/base/buf.h"

struct ingest_request;

// GET /metrics: the fleet-wide counters, histograms and gauges, as JSON or, where Accept prefers it, as Prometheus or
// OpenMetrics text.
void metrics_show(struct ingest_request *request);
// The JSON of it. Appends. client_bytes: what this process holds for its clients.
void metrics_write_json(struct buf *out, const struct pipeline *pipeline, const struct flow *flow, size_t client_bytes);

#endif
