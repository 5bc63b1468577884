// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_PROVIDER_HTTP_DATE_H
#define DISPATCHER_PROVIDER_HTTP_DATE_H

#include <stdint.h>

#include "shared/base/mem.h"

// Reads an HTTP-date in any of its three forms (RFC 9110, 5.6.7), of a year of any length: libcurl's own reader takes
// more than HTTP dates, and what it makes of a far-away year differs from one version to the next. now_ms (since 1970)
// says which century a year of two digits is in.
// Returns 0 and ms since 1970, cut to the year 9999; or -1 when it isn't one.
int http_date_parse(const char *text, int64_t now_ms, int64_t *unix_ms) MUST_CHECK;

#endif
