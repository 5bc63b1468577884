// SPDX-License-Identifier: MIT
#include "ingest/watch/readiness.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct readiness {
    int threads;
    atomic_int redis, postgres;  // threads that have it
    atomic_int without_replicas; // threads
    atomic_int read_replica;     // threads that read from DATABASE_READ_URL's server
    atomic_bool ended;
    uv_mutex_t lock;                   // of what follows
    char refused[READINESS_TEXT_SIZE]; // "": Redis writes
};

struct readiness *readiness_create(unsigned threads) {
    struct readiness *readiness = xcalloc(1, sizeof *readiness);
    readiness->threads = (int)threads;
    uv_mutex_init(&readiness->lock);
    return readiness;
}

void readiness_free(struct readiness *readiness) {
    uv_mutex_destroy(&readiness->lock);
    free(readiness);
}

void readiness_redis_changed(struct readiness *readiness, bool up) {
    atomic_fetch_add(&readiness->redis, up ? 1 : -1);
}

void readiness_postgres_changed(struct readiness *readiness, bool up) {
    atomic_fetch_add(&readiness->postgres, up ? 1 : -1);
}

void readiness_replica_changed(struct readiness *readiness, bool in_use) {
    atomic_fetch_add(&readiness->read_replica, in_use ? 1 : -1);
}

void readiness_replicas_changed(struct readiness *readiness, bool follow) {
    atomic_fetch_add(&readiness->without_replicas, follow ? -1 : 1);
}

void readiness_redis_refuses(struct readiness *readiness, const char *error) {
    uv_mutex_lock(&readiness->lock);
    snprintf(readiness->refused, sizeof readiness->refused, "%s", error == NULL ? "" : error);
    uv_mutex_unlock(&readiness->lock);
}

bool readiness_is_refused(struct readiness *readiness, char error[READINESS_TEXT_SIZE]) {
    uv_mutex_lock(&readiness->lock);
    memcpy(error, readiness->refused, READINESS_TEXT_SIZE);
    uv_mutex_unlock(&readiness->lock);
    return error[0] != '\0';
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

bool readiness_reads_from_replica(const struct readiness *readiness) {
    return atomic_load(&readiness->read_replica) == readiness->threads;
}

bool readiness_has_replicas(const struct readiness *readiness) {
    return atomic_load(&readiness->without_replicas) == 0;
}

bool readiness_has_ended(const struct readiness *readiness) {
    return atomic_load(&readiness->ended);
}
