// SPDX-License-Identifier: MIT
#ifndef INGEST_WATCH_PIPELINE_JSON_H
#define INGEST_WATCH_PIPELINE_JSON_H

#include <stddef.h>

#include "ingest/watch/flow.h"
#include "ingest/watch/pipeline.h"
#include "shared/base/buf.h"

// The counters, the pipeline and what doesn't flow as a JSON object: for GET /metrics and for the events that the
// console shows. Appends. client_bytes: what this process holds for its clients.
void pipeline_write_json(const struct pipeline *pipeline, const struct flow *flow, size_t client_bytes,
                         struct buf *out);

#endif
