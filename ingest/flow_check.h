// SPDX-License-Identifier: MIT
#ifndef INGEST_FLOW_CHECK_H
#define INGEST_FLOW_CHECK_H

#include "shared/mem.h"
#include "shared/settings.h"

// `ingest --check-flow`: looks at Redis and Postgres by itself, so that it works where no ingest runs, and prints what
// doesn't flow, one line each. Returns the exit status: 0, or 1 where anything was printed. Takes 3 seconds at most.
int flow_check(const struct settings *settings) MUST_CHECK;

#endif
