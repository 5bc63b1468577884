// SPDX-License-Identifier: MIT
#ifndef INGEST_READ_FRESHNESS_H
#define INGEST_READ_FRESHNESS_H

#include <stdbool.h>

struct http_request;

// Whether a client wants what is true now, not what a replica had a moment ago: `Cache-Control: no-cache`, or
// `max-age=0`, as for any other cache (RFC 9111, 5.2.1). Who was just told of a change by GET /api/events says so, for
// the replica may not have it yet.
bool freshness_is_asked_for(const struct http_request *http);
// The same of the header's value; NULL: there is none.
bool freshness_of(const char *cache_control);

#endif
