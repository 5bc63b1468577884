// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_WORLD_H
#define TESTS_CHAOS_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/chaos/options.h"
#include "tests/chaos/redundancy.h"
#include "tests/support/proxy.h"
#include "tests/support/stack.h"

// All that runs: the stack, with a proxy between each two that talk, short times, and Redis's data on a small disk.

#define WORLD_CLAIM_MS 4000 // API_WORKER_CLAIM_TIMEOUT_SECS
#define WORLD_CALL_MS 1000  // PROVIDER_TIMEOUT_MS
#define WORLD_BACKLOG 20000 // STREAM_MAX_BACKLOG
#define WORLD_ORDER_SECS 5  // ORDER_MAX_WAIT_SECS
#define WORLD_PAUSE_MS 2000 // API_PROVIDER_MAX_PAUSE_SECS, where the provider asks for more
#define WORLD_MOST_PROGRAMS 8
#define WORLD_MOST_PAIRS 16

struct world {
    struct stack *stack;
    struct proxy *proxy;
    char programs[WORLD_MOST_PROGRAMS][24]; // "ingest-1", …, "mock-provider"
    size_t program_count;
    int copies;                       // of ingest, dispatcher and persister
    char pairs[WORLD_MOST_PAIRS][48]; // "ingest-1 to redis", …
    size_t pair_count;
    struct world_environment *environments; // of each program
    char *mock_ledger;                      // the file
    char *receipt_file;                     // of the receipts that the mock was heard with
    char *public_url;                       // of ingest-1, for whoever calls back
    char *disk;                             // Redis's folder
    bool has_small_disk;                    // it is a file system of its own, which may be filled
    bool has_pooler;                        // between our programs and Postgres
    struct redundancy *redundancy;          // with Sentinels; else NULL
};

// Before any thread is started: a mount namespace of our own, where that may be had, so that the small disk vanishes
// with this process.
void world_prepare(void);
// Starts everything and waits until it is ready.
struct world *world_create(const struct options *options);
// Starts one after its end; a server is waited for.
void world_start(struct world *world, const char *name);
// Where the test finds Redis; with Sentinels whoever is the master.
uint16_t world_redis_port(struct world *world);
// Follows the master, where there are Sentinels. To be called again and again.
void world_follow(struct world *world);
// Where there are Sentinels: waits until there are a master and a replica again, which has all.
void world_make_whole(struct world *world);
uint16_t world_ingest_port(struct world *world, int copy);
// Ends all programs by SIGTERM; fails the test unless each exits with 0.
void world_stop_programs(struct world *world);
// keep: the folder stays.
void world_destroy(struct world *world, bool keep);

#endif
