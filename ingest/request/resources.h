// SPDX-License-Identifier: MIT
#ifndef INGEST_REQUEST_RESOURCES_H
#define INGEST_REQUEST_RESOURCES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "shared/base/buf.h"
#include "shared/redis/counters.h"
#include "shared/redis/link.h"
#include "shared/settings/settings.h"

struct acceptor;
struct api_keys;
struct batches;
struct database;
struct erase_fence;
struct event_hub;
struct former;
struct format_waits;
struct client_address_rules;
struct http_budget;
struct ingest_request;
struct limiter;
struct lookout;
struct origin_rules;
struct ours;
struct readiness;
struct replicas;
struct settings_live;
struct undecided;

// What a request may use: one thread's own connections and memory, owned by worker.c. Shared between threads are only
// the three const members, target, keys, now, undecided and budget, which have a lock, and readiness and event_clients,
// which are atomic.
struct ingest_resources {
    const struct settings *settings;
    struct redis_target *target; // where Redis is; of all threads
    const struct client_address_rules *trusted_proxies;
    const struct origin_rules *origins;
    struct api_keys *keys;     // of all threads
    struct settings_live *now; // of all threads: what SIGHUP changes is taken from here
    struct readiness *readiness;
    struct redis_link *redis;
    struct limiter *limiter;
    struct lookout *lookout;
    struct database *database;
    struct acceptor *acceptor;
    struct batches *batches;
    struct former *former;
    struct ours *ours;
    struct format_waits *format_waits;
    struct replicas *replicas;   // NULL: none are waited for
    struct undecided *undecided; // of all threads
    struct erase_fence *erase_fence;
    struct counters *counters;
    struct event_hub *hub;
    atomic_int *event_clients;                     // of all threads
    struct http_budget *budget;                    // of all threads
    LIST_HEAD(live_requests, ingest_request) live; // requests that http_server has not let go of yet
    LIST_HEAD(idle_requests, ingest_request) idle; // memory of finished ones, for the next
    struct buf answer; // an answer's body while it is put together; used within one callback
    bool ended;        // nothing more is accepted
};

#endif
