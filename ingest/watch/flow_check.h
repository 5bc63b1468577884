// SPDX-License-Identifier: MIT
#ifndef INGEST_WATCH_FLOW_CHECK_H
#define INGEST_WATCH_FLOW_CHECK_H

#include "shared/base/mem.h"
#include "shared/redis/target.h"
#include "shared/settings/settings.h"

// `ingest --check-flow`: looks at Redis and Postgres by itself, so that it works where no ingest runs, and prints what
// doesn't flow, one line each, and what is worth a word besides, in lines that begin with FLOW_CHECK_NOTE. Returns the
// exit status: 0, or 1 where anything doesn't flow. Takes 5 seconds at most.
#define FLOW_CHECK_NOTE "note: " // bin/status.sh knows it

int flow_check(const struct settings *settings, struct redis_target *target) MUST_CHECK;

#endif
