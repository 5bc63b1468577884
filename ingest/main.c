// SPDX-License-Identifier: MIT
//
// ingest: takes sends and webhooks into Redis, and answers reads from Postgres.
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "ingest/client_address.h"
#include "ingest/readiness.h"
#include "ingest/worker.h"
#include "shared/http_peers.h"
#include "shared/http_server.h"
#include "shared/log.h"
#include "shared/mem.h"
#include "shared/pg_link.h"
#include "shared/process.h"
#include "shared/redis_link.h"
#include "shared/settings.h"

#define EXIT_BAD_SETTING 2

// The main thread: signals, and the workers' life.
struct ingest {
    struct settings settings;
    struct client_address_rules *trusted_proxies;
    struct readiness *readiness;
    struct http_peers *peers;
    atomic_int event_clients; // that GET /api/events serves now
    uv_loop_t loop;
    struct process process;
    uv_async_t worker_ended;
    struct ingest_worker **workers;
    unsigned count;
};

static _Noreturn void refuse_setting(const char *name, const char *reason) {
    fprintf(stderr, "ingest: %s: %s\n", name, reason);
    exit(EXIT_BAD_SETTING);
}

static void check_settings(struct ingest *ingest) {
    const char *reason = redis_url_check(ingest->settings.redis_url);
    if (reason != NULL) {
        refuse_setting("REDIS_URL", reason);
    }
    char *error = pg_url_check(ingest->settings.database_url);
    if (error != NULL) {
        refuse_setting("DATABASE_URL", error);
    }
    ingest->trusted_proxies = client_address_rules_parse(ingest->settings.trusted_proxies);
    if (ingest->trusted_proxies == NULL) {
        refuse_setting("TRUSTED_PROXIES", "must be addresses and CIDR blocks joined by commas");
    }
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
        .trusted_proxies = ingest->trusted_proxies,
        .readiness = ingest->readiness,
        .event_clients = &ingest->event_clients,
        .peers = ingest->peers,
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

static void on_drain(void *argument) {
    stop_workers(argument, false);
}

static void on_hurry(void *argument) {
    stop_workers(argument, true);
}

static void on_worker_ended(uv_async_t *handle) {
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
    process_finished(&ingest->process);
}

static void begin_watch(struct ingest *ingest) {
    ingest->process.loop = &ingest->loop;
    ingest->process.on_drain = on_drain;
    ingest->process.on_hurry = on_hurry;
    ingest->process.argument = ingest;
    process_watch(&ingest->process, &ingest->settings);
}

int main(int argc, char **argv) {
    struct ingest ingest = {0};
    settings_from_command_line(&ingest.settings, argc, argv, FOR_INGEST, "ingest",
                               "Takes sends and webhooks into Redis and serves reads from Postgres.");
    check_settings(&ingest);
    process_start(&ingest.settings, "ingest");

    uv_loop_init(&ingest.loop);
    uv_async_init(&ingest.loop, &ingest.worker_ended, on_worker_ended);
    ingest.worker_ended.data = &ingest;
    ingest.count =
        ingest.settings.ingest_threads > 0 ? (unsigned)ingest.settings.ingest_threads : uv_available_parallelism();
    ingest.workers = xcalloc(ingest.count, sizeof(struct ingest_worker *));
    ingest.readiness = readiness_create(ingest.count);
    ingest.peers = http_peers_create((unsigned)ingest.settings.max_connections_per_ip);
    create_workers(&ingest);
    begin_watch(&ingest);
    start_workers(&ingest);

    uv_run(&ingest.loop, UV_RUN_DEFAULT);

    int status = process_end(&ingest.loop);
    free(ingest.workers);
    readiness_free(ingest.readiness);
    http_peers_destroy(ingest.peers);
    client_address_rules_free(ingest.trusted_proxies);
    settings_free(&ingest.settings);
    return status;
}
