// SPDX-License-Identifier: MIT
#ifndef INGEST_READINESS_H
#define INGEST_READINESS_H

#include <stdbool.h>

#include "shared/mem.h"

// What /readyz says: which threads have their connections (whoever has seen it say "ready" may be served by any thread
// next), and whether the process is about to go. The one thing that the threads share; atomic, and asked for nothing
// but that answer.

struct readiness;

struct readiness *readiness_create(unsigned threads) MUST_CHECK;
void readiness_free(struct readiness *readiness);

// A thread's connection came or went; to be told of each change once.
void readiness_redis_changed(struct readiness *readiness, bool up);
void readiness_postgres_changed(struct readiness *readiness, bool up);
// The replicas that REDIS_WAIT_REPLICAS wants follow, or not, as a thread sees it. Until the first word they do.
void readiness_replicas_changed(struct readiness *readiness, bool follow);

// The process was told to stop. Not taken back.
void readiness_end(struct readiness *readiness);

// Whether every thread has it.
bool readiness_has_redis(const struct readiness *readiness);
bool readiness_has_postgres(const struct readiness *readiness);
bool readiness_has_replicas(const struct readiness *readiness);
bool readiness_has_ended(const struct readiness *readiness);

#endif
