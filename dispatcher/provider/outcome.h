// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_PROVIDER_OUTCOME_H
#define DISPATCHER_PROVIDER_OUTCOME_H

#include <curl/curl.h>
#include <stdint.h>

#include "shared/provider/outcome.h"

// What the end of a call of any provider says, before its adapter has read the answer.

// A status that was received decides, whatever became of the rest of the answer: with a 2xx the provider has the
// message. Without one (0) it is libcurl's result; overdue_ms: how long after the time-out of a call the call ended.
enum outcome_class outcome_classify(long http_status, CURLcode result, int64_t overdue_ms);
// Retry-After (RFC 9110, 10.2.3): seconds or an HTTP date; now_ms since 1970. In ms, or -1 when it is neither or NULL.
int64_t outcome_retry_after_ms(const char *value, int64_t now_ms);

#endif
