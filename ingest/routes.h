// SPDX-License-Identifier: MIT
#ifndef INGEST_ROUTES_H
#define INGEST_ROUTES_H

#include "ingest/request/route.h"
#include "shared/base/mem.h"

// Finds the row for a request. path is percent-decoded and without the query. A literal row wins over a pattern,
// whatever its method. "*" (of OPTIONS) is the server itself, which takes what any of its paths does.
enum route_result route_find(const char *method, const char *path, const char *health_path,
                             struct route_match *out) MUST_CHECK;

#endif
