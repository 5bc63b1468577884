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
struct redis_target;
struct settings_live;
struct undecided;
struct ingest_worker; // one thread with all that it needs; workers share nothing

// What all workers are given; must outlive them.
struct ingest_shared {
    const struct settings *settings;
    struct redis_target *target; // where Redis is
    const struct client_address_rules *trusted_proxies;
    const struct origin_rules *origins;
    struct api_keys *keys;
    struct settings_live *now; // what SIGHUP changes of the settings
    struct readiness *readiness;
    atomic_int *event_clients;
    struct http_peers *peers; // how many connections each address holds, over all workers
    struct http_budget *budget;
    struct undecided *undecided;
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
// From the main thread: take from the live settings what the thread's connections need.
void ingest_worker_reload(struct ingest_worker *worker);
// Whether its thread has nothing left to do.
bool ingest_worker_has_ended(struct ingest_worker *worker);
// Waits for its thread and frees it.
void ingest_worker_join(struct ingest_worker *worker);

#endif
