// SPDX-License-Identifier: MIT
#include "tests/chaos/world.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "shared/base/mem.h"
#include "tests/chaos/load.h"
#include "tests/support/private_postgres.h"

#define DISK_OPTIONS "size=384m"
#define READY_MS 20000
#define WHOLE_MS 60000
#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

enum { MOST_VARIABLES = 32 };

struct world_environment {
    char *own[4]; // made for this program
    const char *all[MOST_VARIABLES + 1];
};

// The claim time is 2 x the provider's time-out + 2 s, the least that is allowed. So many attempts that an outage can't
// use them up: each message must be delivered.
static const char *const usual[] = {
    "API_WORKER_CLAIM_TIMEOUT_SECS=4",
    "PROVIDER_TIMEOUT_MS=" TEXT_OF(WORLD_CALL_MS),
    "PROVIDER_CONNECT_TIMEOUT_MS=300",
    "DATABASE_TIMEOUT_MS=2000",
    "API_WORKER_MAX_RETRIES=500",
    "API_WORKER_BACKOFF_BASE_MS=50",
    "API_WORKER_BACKOFF_CAP_MS=500",
    "API_BREAKER_OPEN_SECS=1",
    "API_PROVIDER_ERROR_PCT=2",
    "API_PROVIDER_LATENCY_MS=30",
    "STREAM_MAX_BACKLOG=" TEXT_OF(WORLD_BACKLOG),
    "IDEMPOTENCY_TTL_SECS=" TEXT_OF(IDEMPOTENCY_SECS),
    "API_PROVIDER_RECEIPTS_PCT=100",
    "API_PROVIDER_UNDELIVERED_PCT=10",
    "API_PROVIDER_RECEIPT_DELAY_MS=1200", // when a message whose call was held is parked
    "MOCK_RECEIPT_REPEATS_PCT=10",
    "MOCK_RECEIPT_SHUFFLE_PCT=10",
    "OPT_OUT=on",
    "ORDER_MAX_WAIT_SECS=" TEXT_OF(WORLD_ORDER_SECS),
    "FEED_MAX_LENGTH=10", // bounded by itself, but not a part of the memory that must come back
    "LOG_LEVEL=info"};

// A provider that at times asks for a day, which is believed for WORLD_PAUSE_MS.
static const char *const hostile[] = {"API_PROVIDER_RATELIMIT_PCT=1", "API_PROVIDER_RETRY_AFTER_SECS=86400",
                                      "API_PROVIDER_MAX_PAUSE_SECS=2", "API_SENDER_HOLD_SECS=1"};

// The addresses that Sentinels tell are no proxies'.
static const char *const redundant[] = {"REDIS_WAIT_REPLICAS=1"};

enum { SESSIONS = 6, SPARE_SESSIONS = 2 }; // of Postgres: those of one ingest and one persister; for what hangs

void world_prepare(void) {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        printf("NOTE: no mount namespace of our own\n");
    }
}

static void add_program(struct world *world, const char *kind, int copy) {
    snprintf(world->programs[world->program_count++], sizeof world->programs[0], copy > 0 ? "%s-%d" : "%s", kind, copy);
}

// The port by which `program` reaches `server`.
static uint16_t add_pair(struct world *world, const char *program, const char *server) {
    char *pair = world->pairs[world->pair_count++];
    snprintf(pair, sizeof world->pairs[0], "%s to %s", program, server);
    return proxy_add(world->proxy, pair, stack_port(world->stack, server));
}

static size_t put(struct world_environment *out, size_t count, const char *const *variables, size_t number) {
    ck_assert_uint_le(count + number, MOST_VARIABLES);
    memcpy(&out->all[count], variables, number * sizeof *variables);
    return count + number;
}

static void make_environment(struct world *world, const struct options *options, const char *program,
                             struct world_environment *out) {
    size_t own = 0, count = 0;
    out->own[own++] = world->redundancy != NULL
                          ? xasprintf("REDIS_URL=%s", redundancy_url(world->redundancy))
                          : xasprintf("REDIS_URL=redis://127.0.0.1:%u", add_pair(world, program, "redis"));
    if (strncmp(program, "ingest", 6) == 0 || strncmp(program, "persister", 9) == 0) {
        char *url = postgres_url(add_pair(world, program, world->has_pooler ? "pooler" : "postgres"));
        out->own[own++] = xasprintf("DATABASE_URL=%s", url);
        free(url);
    } else if (strncmp(program, "dispatcher", 10) == 0) {
        uint16_t port = add_pair(world, program, "mock-provider");
        out->own[own++] = xasprintf("PROVIDER_SMS_URL=http://127.0.0.1:%u", port);
        out->own[own++] = xasprintf("PROVIDER_EMAIL_URL=http://127.0.0.1:%u", port);
    } else {
        out->own[own++] = xasprintf("MOCK_LEDGER_FILE=%s", world->mock_ledger);
        out->own[own++] = xasprintf("MOCK_RECEIPT_FILE=%s", world->receipt_file);
    }
    out->own[own++] = xasprintf("WEBHOOK_PUBLIC_URL=%s", world->public_url);
    count = put(out, count, (const char *const *)out->own, own);
    count = put(out, count, usual, sizeof usual / sizeof *usual);
    if (world->redundancy != NULL) {
        count = put(out, count, redundant, sizeof redundant / sizeof *redundant);
    }
    if (options->hostile) {
        put(out, count, hostile, sizeof hostile / sizeof *hostile);
    }
}

// With hardly more sessions than are needed. Where Postgres refuses one, it asks again sooner than after the usual 15
// s, for else all that is seen of the other injections is that.
static void start_pooler(struct world *world) {
    char size[40];
    snprintf(size, sizeof size, "default_pool_size = %d", world->copies * SESSIONS + SPARE_SESSIONS);
    const char *const settings[] = {size, "server_login_retry = 1", NULL};
    stack_launch(world->stack, "pooler", settings);
}

static void mount_small_disk(struct world *world) {
    stack_stop(world->stack, "redis");
    world->disk = xasprintf("%s/redis", stack_folder(world->stack));
    world->has_small_disk = mount("none", world->disk, "tmpfs", 0, DISK_OPTIONS) == 0;
    if (!world->has_small_disk) {
        printf("\nNOT RUN: a full disk for Redis: no file system can be mounted here (that takes root)\n\n");
    }
    stack_start(world->stack, "redis");
}

void world_start(struct world *world, const char *name) {
    if (strcmp(name, "pooler") == 0) {
        start_pooler(world);
        return;
    }
    bool is_redis = strncmp(name, "redis", strlen("redis")) == 0;
    const char *const *environment = is_redis && world->redundancy != NULL ? redundancy_arguments() : NULL;
    for (size_t i = 0; i < world->program_count; i++) {
        if (strcmp(world->programs[i], name) == 0) {
            environment = world->environments[i].all;
        }
    }
    stack_launch(world->stack, name, environment);
}

uint16_t world_ingest_port(struct world *world, int copy) {
    char name[24];
    snprintf(name, sizeof name, "ingest-%d", copy);
    return stack_port(world->stack, name);
}

static void start_all(struct world *world, const struct options *options) {
    stack_start(world->stack, "postgres");
    if (world->has_pooler) {
        world_start(world, "pooler");
    }
    for (size_t i = 0; i < world->program_count; i++) {
        world_start(world, world->programs[i]);
    }
    for (int copy = 1; copy <= options->copies; copy++) {
        char name[24];
        snprintf(name, sizeof name, "ingest-%d", copy);
        WAIT_FOR(READY_MS, stack_status(world->stack, name, "GET", "/readyz", NULL) == 200);
    }
    WAIT_FOR(READY_MS, stack_status(world->stack, "mock-provider", "GET", "/mock/stats", NULL) == 200);
}

struct world *world_create(const struct options *options) {
    struct world *world = xcalloc(1, sizeof *world);
    world->stack = stack_create("chaos", NULL);
    world->proxy = proxy_create();
    world->copies = options->copies;
    world->has_pooler = options->pooler;
    world->mock_ledger = xasprintf("%s/mock-ledger.log", stack_folder(world->stack));
    world->receipt_file = xasprintf("%s/mock-receipts.log", stack_folder(world->stack));
    if (options->sentinel) {
        world->redundancy = redundancy_create(world->stack, world->proxy);
    } else {
        mount_small_disk(world);
    }
    world->public_url = xasprintf("http://127.0.0.1:%u", add_pair(world, "mock-provider", "ingest-1"));
    for (int copy = 1; copy <= options->copies; copy++) {
        add_program(world, "ingest", copy);
        add_program(world, "dispatcher", copy);
        add_program(world, "persister", copy);
    }
    add_program(world, "mock-provider", 0);
    world->environments = xcalloc(world->program_count, sizeof *world->environments);
    for (size_t i = 0; i < world->program_count; i++) {
        make_environment(world, options, world->programs[i], &world->environments[i]);
    }
    proxy_start(world->proxy);
    world_make_whole(world);
    start_all(world, options);
    return world;
}

uint16_t world_redis_port(struct world *world) {
    return world->redundancy != NULL ? redundancy_port(world->redundancy) : stack_port(world->stack, "redis");
}

void world_follow(struct world *world) {
    if (world->redundancy != NULL) {
        redundancy_follow(world->redundancy);
    }
}

void world_make_whole(struct world *world) {
    if (world->redundancy != NULL) {
        WAIT_FOR(WHOLE_MS, redundancy_is_whole(world->redundancy));
    }
}

void world_stop_programs(struct world *world) {
    for (size_t i = 0; i < world->program_count; i++) {
        stack_stop(world->stack, world->programs[i]);
    }
}

void world_destroy(struct world *world, bool keep) {
    if (keep) {
        setenv("KEEP", "1", 1);
    }
    redundancy_destroy(world->redundancy);
    proxy_destroy(world->proxy);
    stack_kill(world->stack, "redis");
    if (world->has_small_disk) {
        umount2(world->disk, MNT_DETACH);
    }
    stack_destroy(world->stack);
    for (size_t i = 0; i < world->program_count; i++) {
        for (size_t k = 0; k < sizeof world->environments[i].own / sizeof(char *); k++) {
            free(world->environments[i].own[k]);
        }
    }
    free(world->environments);
    free(world->mock_ledger);
    free(world->receipt_file);
    free(world->public_url);
    free(world->disk);
    free(world);
}
