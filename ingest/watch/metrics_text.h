// SPDX-License-Identifier: MIT
#ifndef INGEST_WATCH_METRICS_TEXT_H
#define INGEST_WATCH_METRICS_TEXT_H

#include <stdbool.h>

#include "ingest/watch/flow.h"
#include "ingest/watch/pipeline.h"
#include "shared/base/buf.h"

// The metrics in Prometheus's text format, or, with openmetrics, in that of OpenMetrics 1.0, which describes a counter
// under its name without _total and ends with a mark. Times are seconds, sizes bytes. Appends.
void metrics_text_write(const struct pipeline *pipeline, const struct flow *flow, size_t client_bytes, bool openmetrics,
                        struct buf *out);

#endif
