// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_REDIS_FAILURE_H
#define INGEST_ACCEPT_REDIS_FAILURE_H

#include "shared/redis/link.h"

struct ingest_request;

// Answers a request whose writing call of a function in Redis came back with no verdict on what was asked
// (REDIS_LINK_OK: FULL, LATE, or a reply of another shape, which may be NULL): 503, ambiguous where something may have
// been written. Where only the library was missing, the route's handler runs once more.
void redis_failure_answer(struct ingest_request *request, enum redis_result result, const redisReply *reply);

#endif
