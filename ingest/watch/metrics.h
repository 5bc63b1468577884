// SPDX-License-Identifier: MIT
#ifndef INGEST_WATCH_METRICS_H
#define INGEST_WATCH_METRICS_H

struct ingest_request;

// GET /metrics: the fleet-wide counters, histograms and gauges, as JSON or, where Accept prefers it, as Prometheus or
// OpenMetrics text.
void metrics_show(struct ingest_request *request);

#endif
