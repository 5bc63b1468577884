// SPDX-License-Identifier: MIT
//
// ingest: takes sends and webhooks into Redis, and answers reads from Postgres.
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "ingest/accept/undecided.h"
#include "ingest/access/api_keys.h"
#include "ingest/access/doors.h"
#include "ingest/access/origin_rules.h"
#include "ingest/request/client_address.h"
#include "ingest/settings_check.h"
#include "ingest/watch/flow_check.h"
#include "ingest/watch/readiness.h"
#include "ingest/worker.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/http/budget.h"
#include "shared/http/peers.h"
#include "shared/http/server.h"
#include "shared/loop/process.h"
#include "shared/postgres/reload.h"
#include "shared/redis/reload.h"
#include "shared/redis/target.h"
#include "shared/settings/live.h"
#include "shared/settings/settings.h"

#define PROGRAM "ingest"

// Memory of this size goes back to the system when it is freed. By itself the C library would raise the bound to the
// largest that it has seen, and keep what large bodies have had, in pieces too small for the next.
enum { LARGE_BYTES = 128 * 1024 };

// The main thread: signals, and the workers' life.
struct ingest {
    struct settings settings;
    struct redis_target *target;
    struct client_address_rules *trusted_proxies;
    struct origin_rules *origins;
    struct api_keys *keys;
    struct settings_live *live;
    struct readiness *readiness;
    struct http_peers *peers;
    struct http_budget *budget;
    struct undecided *undecided;
    atomic_int event_clients; // that GET /api/events serves now
    uv_loop_t loop;
    struct process process;
    uv_async_t worker_ended;
    uv_timer_t notice; // DRAIN_NOTICE_MS
    struct ingest_worker **workers;
    unsigned count;
};

static struct redis_target *find_redis(const struct settings *settings) {
    char *error;
    struct redis_target *target = redis_target_create(settings, &error);
    if (target == NULL) {
        settings_refuse(PROGRAM, "%s", error);
    }
    return target;
}

// What was checked can be made.
static void take_settings(struct ingest *ingest) {
    const struct settings *settings = &ingest->settings;
    const char *setting, *reason;
    ingest->target = find_redis(settings);
    char *error = settings_check(settings);
    if (error != NULL) { // it names the setting
        settings_refuse(PROGRAM, "%s", error);
    }
    ingest->trusted_proxies = client_address_rules_parse(settings->trusted_proxies);
    ingest->origins = origin_rules_create(settings, &setting, &reason);
    struct api_key_set *set = api_key_set_read(settings->api_keys, settings->api_keys_file, &error);
    if (set == NULL) {
        settings_refuse(PROGRAM, "%s", error);
    }
    ingest->keys = api_keys_create(set);
    ingest->live = settings_live_create(settings, FOR_INGEST);
}

static _Noreturn void refuse_port(const struct settings *settings) {
    if (errno == EADDRINUSE) {
        fprintf(stderr, "ingest: port %d on %s is already in use; stop what listens there or set PORT\n",
                (int)settings->port, settings->bind_address);
    } else {
        fprintf(stderr, "ingest: can't listen on port %d of %s (BIND_ADDRESS, PORT): %s\n", (int)settings->port,
                settings->bind_address, strerror(errno));
    }
    exit(EXIT_FAILURE);
}

// What each thread opens besides its clients' connections: Redis, Postgres, epoll, pipes, a look-up of a name.
#define OTHERS_OF_A_THREAD 96U

// As many as MAX_CONNECTIONS says, or as many files as this process may open. A place beyond that would never be
// taken, and nobody would have to make way for a new client.
static unsigned most_connections(const struct ingest *ingest) {
    unsigned wanted = (unsigned)ingest->settings.max_connections;
    unsigned others = ingest->count * (OTHERS_OF_A_THREAD + (unsigned)ingest->settings.database_connections);
    uint64_t allowed = process_raise_descriptors((uint64_t)wanted + others);
    if (allowed >= (uint64_t)wanted + others) {
        return wanted;
    }
    unsigned most = allowed > 2 * (uint64_t)others ? (unsigned)(allowed - others) : (unsigned)(allowed / 2);
    log_warn("descriptors", "%" PRIu64 " files may be open: %u connections instead of MAX_CONNECTIONS, %u", allowed,
             most, wanted);
    return most;
}

// The sockets are opened before any thread starts, so that a busy port is the one thing that is said.
static void create_workers(struct ingest *ingest) {
    const struct settings *settings = &ingest->settings;
    uint16_t port = (uint16_t)settings->port;
    const struct ingest_shared shared = {
        .settings = settings,
        .target = ingest->target,
        .trusted_proxies = ingest->trusted_proxies,
        .origins = ingest->origins,
        .keys = ingest->keys,
        .now = ingest->live,
        .readiness = ingest->readiness,
        .event_clients = &ingest->event_clients,
        .peers = ingest->peers,
        .budget = ingest->budget,
        .undecided = ingest->undecided,
        .connections = (most_connections(ingest) + ingest->count - 1) / ingest->count,
        .ended = &ingest->worker_ended,
    };
    if (http_port_check(settings->bind_address, port) != 0) {
        refuse_port(settings);
    }
    for (unsigned i = 0; i < ingest->count; i++) {
        int listen_socket = http_listen(settings->bind_address, port, true);
        if (listen_socket < 0) {
            refuse_port(settings);
        }
        ingest->workers[i] = ingest_worker_create(&shared, i, listen_socket);
        if (ingest->workers[i] == NULL) {
            refuse_port(settings);
        }
    }
}

static void start_workers(struct ingest *ingest) {
    for (unsigned i = 0; i < ingest->count; i++) {
        int error = ingest_worker_start(ingest->workers[i]);
        if (error != 0) {
            log_error("thread_failed", "a thread can't be started: %s", uv_strerror(error));
            exit(EXIT_FAILURE);
        }
    }
    log_info("started", "serving on %s port %d with %u threads", ingest->settings.bind_address,
             (int)ingest->settings.port, ingest->count);
}

static void stop_workers(struct ingest *ingest, bool hurry) {
    for (unsigned i = 0; i < ingest->count; i++) {
        ingest_worker_stop(ingest->workers[i], hurry);
    }
}

static void ingest_main_on_noticed(uv_timer_t *notice) {
    stop_workers(notice->data, false);
}

// A load balancer that asks /readyz must have stopped sending before the listening sockets close, because a connection
// that comes just as one closes is reset.
static void ingest_main_on_drain(void *argument) {
    struct ingest *ingest = argument;
    readiness_end(ingest->readiness);
    uv_timer_start(&ingest->notice, ingest_main_on_noticed, (uint64_t)ingest->settings.drain_notice_ms, 0);
}

static void ingest_main_on_hurry(void *argument) {
    struct ingest *ingest = argument;
    uv_timer_stop(&ingest->notice);
    stop_workers(ingest, true);
}

// ---- SIGHUP

static char *ingest_main_take(void *argument, const struct settings_change *change) {
    struct ingest *ingest = argument;
    const struct settings *now = settings_live_take(ingest->live), *next = &change->next;
    char *error = doors_refusal(now, next);
    settings_live_give_back(ingest->live, now);
    struct api_key_set *keys = error == NULL ? api_key_set_read(next->api_keys, next->api_keys_file, &error) : NULL;
    if (error == NULL) {
        error = redis_reload_take(ingest->target, change);
    }
    if (error == NULL) {
        api_keys_take(ingest->keys, keys);
    } else {
        api_key_set_free(keys);
    }
    return error;
}

static void ingest_main_on_taken(void *argument) {
    struct ingest *ingest = argument;
    for (unsigned i = 0; i < ingest->count; i++) {
        ingest_worker_reload(ingest->workers[i]);
    }
}

static const struct reload_trial *const trials[] = {&redis_reload_trial, &pg_reload_trial, &pg_reload_reads_trial,
                                                    NULL};

static const struct reload_plan plan = {
    .check = settings_check,
    .trials = trials,
    .take = ingest_main_take,
    .taken = ingest_main_on_taken,
};

static void ingest_main_on_worker_ended(uv_async_t *handle) {
    struct ingest *ingest = handle->data;
    for (unsigned i = 0; i < ingest->count; i++) {
        if (!ingest_worker_has_ended(ingest->workers[i])) {
            return;
        }
    }
    for (unsigned i = 0; i < ingest->count; i++) {
        ingest_worker_join(ingest->workers[i]);
    }
    ingest->count = 0;
    uv_close((uv_handle_t *)&ingest->worker_ended, NULL);
    uv_close((uv_handle_t *)&ingest->notice, NULL);
    process_finished(&ingest->process);
}

static void begin_watch(struct ingest *ingest) {
    ingest->process.loop = &ingest->loop;
    ingest->process.on_drain = ingest_main_on_drain;
    ingest->process.on_hurry = ingest_main_on_hurry;
    ingest->process.plan = &plan;
    ingest->process.live = ingest->live;
    ingest->process.argument = ingest;
    process_watch(&ingest->process, &ingest->settings);
}

// `ingest --check-flow`, which bin/status.sh asks.
static int check_flow(struct settings *settings) {
    struct redis_target *target = find_redis(settings);
    int status = flow_check(settings, target);
    redis_target_destroy(target);
    settings_free(settings);
    return status;
}

int main(int argc, char **argv) {
    struct ingest ingest = {0};
    bool checks = argc == 2 && strcmp(argv[1], "--check-flow") == 0;
    settings_from_command_line(&ingest.settings, checks ? 1 : argc, argv, FOR_INGEST, PROGRAM,
                               "Takes sends and webhooks into Redis and serves reads from Postgres.\n\n"
                               "ingest --check-flow prints what doesn't flow, one line each, and ends with 1 where "
                               "anything doesn't.");
    if (checks) {
        return check_flow(&ingest.settings);
    }
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    take_settings(&ingest);
    process_start(&ingest.settings, PROGRAM);
    doors_tell(&ingest.settings, api_keys_count(ingest.keys));

    uv_loop_init(&ingest.loop);
    uv_async_init(&ingest.loop, &ingest.worker_ended, ingest_main_on_worker_ended);
    uv_timer_init(&ingest.loop, &ingest.notice);
    ingest.worker_ended.data = ingest.notice.data = &ingest;
    ingest.count =
        ingest.settings.ingest_threads > 0 ? (unsigned)ingest.settings.ingest_threads : uv_available_parallelism();
    ingest.workers = xcalloc(ingest.count, sizeof(struct ingest_worker *));
    ingest.readiness = readiness_create(ingest.count);
    ingest.peers = http_peers_create((unsigned)ingest.settings.max_connections_per_ip);
    ingest.budget = http_budget_create((size_t)ingest.settings.max_client_bytes);
    ingest.undecided = undecided_create(ingest.settings.idempotency_ttl_secs * 1000);
    create_workers(&ingest);
    begin_watch(&ingest);
    start_workers(&ingest);

    uv_run(&ingest.loop, UV_RUN_DEFAULT);

    int status = process_end(&ingest.loop);
    free(ingest.workers);
    readiness_free(ingest.readiness);
    http_peers_destroy(ingest.peers);
    http_budget_destroy(ingest.budget);
    undecided_free(ingest.undecided);
    client_address_rules_free(ingest.trusted_proxies);
    origin_rules_free(ingest.origins);
    api_keys_free(ingest.keys);
    settings_live_free(ingest.live);
    redis_target_destroy(ingest.target);
    settings_free(&ingest.settings);
    return status;
}
