// SPDX-License-Identifier: MIT
#ifndef INGEST_WATCH_READINESS_H
#define INGEST_WATCH_READINESS_H

#include <stdbool.h>

#include "shared/base/mem.h"

// What /readyz says: which threads have their connections (a client that has seen it say "ready" may be served by any
// thread next), whether Redis takes what is written to it, and whether the process is about to go. The threads share
// it, so all of it is atomic or under a lock.

#define READINESS_TEXT_SIZE 200

struct readiness;

struct readiness *readiness_create(unsigned threads) MUST_CHECK;
void readiness_free(struct readiness *readiness);

// A thread's connection came or went; to be told of each change once.
void readiness_redis_changed(struct readiness *readiness, bool up);
void readiness_postgres_changed(struct readiness *readiness, bool up);
// A thread reads from DATABASE_READ_URL's server, or not any more. Until the first word it doesn't.
void readiness_replica_changed(struct readiness *readiness, bool in_use);
// The replicas that REDIS_WAIT_REPLICAS wants follow, or not, as a thread sees it. Until the first word they do.
void readiness_replicas_changed(struct readiness *readiness, bool follow);

// Redis has refused to write, with this error; NULL: it has written.
void readiness_redis_refuses(struct readiness *readiness, const char *error);

// The process was told to stop. Not taken back.
void readiness_end(struct readiness *readiness);

// Whether every thread has it.
bool readiness_has_redis(const struct readiness *readiness);
bool readiness_has_postgres(const struct readiness *readiness);
bool readiness_reads_from_replica(const struct readiness *readiness);
bool readiness_has_replicas(const struct readiness *readiness);
bool readiness_has_ended(const struct readiness *readiness);
// The error with which Redis refused to write last; false where it has written since.
bool readiness_is_refused(struct readiness *readiness, char error[READINESS_TEXT_SIZE]);

#endif
