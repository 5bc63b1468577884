// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_REDIS_FAILURE_H
#define INGEST_ACCEPT_REDIS_FAILURE_H

#include "shared/redis/link.h"

struct ingest_request;

// Answers a request whose writing call of a function in Redis came back with anything but a verdict (REDIS_LINK_OK: a
// reply of another shape): 503, ambiguous where something may have been written. Where only the library was missing,
// the route's handler runs once more.
void redis_failure_answer(struct ingest_request *request, enum redis_result result, const redisReply *reply);

#endif
