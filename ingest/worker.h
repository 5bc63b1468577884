// SPDX-License-Identifier: MIT
#ifndef INGEST_WORKER_H
#define INGEST_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

#include "ingest/request/client_address.h"
#include "shared/base/mem.h"
#include "shared/settings/settings.h"

struct api_keys;
struct http_budget;
struct http_peers;
struct origin_rules;
struct readiness;
struct ingest_worker; // one thread with all that it needs; workers share nothing

// What all workers are given; must outlive them.
struct ingest_shared {
    const struct settings *settings;
    const struct client_address_rules *trusted_proxies;
    const struct origin_rules *origins;
    struct api_keys *keys; // NULL: none are configured
    struct readiness *readiness;
    atomic_int *event_clients;
    struct http_peers *peers; // how many connections each address holds, over all workers
    struct http_budget *budget;
    unsigned connections; // that each may hold at once
    uv_async_t *ended;    // sent, from a worker's thread, once that has served its last request
};

// number counts from 0. listen_socket is owned by the worker from here on.
// Returns NULL with errno set when the HTTP server can't be started.
struct ingest_worker *ingest_worker_create(const struct ingest_shared *shared, unsigned number, int listen_socket);
// Starts the thread. Returns 0, or a libuv error.
int ingest_worker_start(struct ingest_worker *worker) MUST_CHECK;
// From the main thread: serve what is under way and end; or, with hurry, end now.
void ingest_worker_stop(struct ingest_worker *worker, bool hurry);
// Whether its thread has nothing left to do.
bool ingest_worker_has_ended(struct ingest_worker *worker);
// Waits for its thread and frees it.
void ingest_worker_join(struct ingest_worker *worker);

#endif
