// SPDX-License-Identifier: MIT
#include "ingest/readiness.h"

#include <stdatomic.h>
#include <stdlib.h>

struct readiness {
    int threads;
    atomic_int redis, postgres;  // threads that have it
    atomic_int without_replicas; // threads
    atomic_bool ended;
};

struct readiness *readiness_create(unsigned threads) {
    struct readiness *readiness = xcalloc(1, sizeof *readiness);
    readiness->threads = (int)threads;
    return readiness;
}

void readiness_free(struct readiness *readiness) {
    free(readiness);
}

void readiness_redis_changed(struct readiness *readiness, bool up) {
    atomic_fetch_add(&readiness->redis, up ? 1 : -1);
}

void readiness_postgres_changed(struct readiness *readiness, bool up) {
    atomic_fetch_add(&readiness->postgres, up ? 1 : -1);
}

void readiness_replicas_changed(struct readiness *readiness, bool follow) {
    atomic_fetch_add(&readiness->without_replicas, follow ? -1 : 1);
}

void readiness_end(struct readiness *readiness) {
    atomic_store(&readiness->ended, true);
}

bool readiness_has_redis(const struct readiness *readiness) {
    return atomic_load(&readiness->redis) == readiness->threads;
}

bool readiness_has_postgres(const struct readiness *readiness) {
    return atomic_load(&readiness->postgres) == readiness->threads;
}

bool readiness_has_replicas(const struct readiness *readiness) {
    return atomic_load(&readiness->without_replicas) == 0;
}

bool readiness_has_ended(const struct readiness *readiness) {
    return atomic_load(&readiness->ended);
}
