// SPDX-License-Identifier: MIT
#ifndef INGEST_WATCH_FLOW_HERE_H
#define INGEST_WATCH_FLOW_HERE_H

#include "ingest/watch/flow.h"

struct ingest_resources;

// The judgement with what this process itself knows: its connections and its settings. pipeline is NULL where it could
// not be read, and why says so. To be freed by flow_free.
void flow_judge_here(struct ingest_resources *with, const struct pipeline *pipeline, const char *why, struct flow *out);

#endif
