// SPDX-License-Identifier: MIT
#ifndef INGEST_FLOW_HERE_H
#define INGEST_FLOW_HERE_H

#include "ingest/flow.h"

struct ingest_resources;

// The judgement with what this process itself knows: its connections and its settings. pipeline is NULL where it could
// not be read, and why says so. To be freed by flow_free.
void flow_judge_here(struct ingest_resources *with, const struct pipeline *pipeline, const char *why, struct flow *out);

#endif
