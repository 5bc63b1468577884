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

#include "ingest/access/api_keys.h"
#include "ingest/access/origin_rules.h"
#include "ingest/request/client_address.h"
#include "ingest/watch/flow_check.h"
#include "ingest/watch/readiness.h"
#include "ingest/worker.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/http/budget.h"
#include "shared/http/peers.h"
#include "shared/http/server.h"
#include "shared/loop/process.h"
#include "shared/postgres/url.h"
#include "shared/provider/event_key.h"
#include "shared/provider/provider.h"
#include "shared/provider/public_url.h"
#include "shared/redis/url.h"
#include "shared/settings/settings.h"

#define PROGRAM "ingest"

// The main thread: signals, and the workers' life.
struct ingest {
    struct settings settings;
    struct client_address_rules *trusted_proxies;
    struct origin_rules *origins;
    struct api_keys *keys; // NULL: none are configured
    struct readiness *readiness;
    struct http_peers *peers;
    struct http_budget *budget;
    atomic_int event_clients; // that GET /api/events serves now
    uv_loop_t loop;
    struct process process;
    uv_async_t worker_ended;
    uv_timer_t notice; // DRAIN_NOTICE_MS
    struct ingest_worker **workers;
    unsigned count;
};

static void read_keys(struct ingest *ingest) {
    const struct settings *settings = &ingest->settings;
    char *error = NULL;
    if (settings->api_keys[0] != '\0' || settings->api_keys_file[0] != '\0') {
        ingest->keys = api_keys_create(settings->api_keys, settings->api_keys_file, &error);
    }
    if (error != NULL) { // it names the setting
        settings_refuse(PROGRAM, "%s", error);
    }
}

static void check_settings(struct ingest *ingest) {
    const char *reason = redis_url_check(ingest->settings.redis_url);
    if (reason != NULL) {
        settings_refuse(PROGRAM, "REDIS_URL: %s", reason);
    }
    char *error = pg_url_check(ingest->settings.database_url);
    if (error != NULL) {
        settings_refuse(PROGRAM, "DATABASE_URL: %s", error);
    }
    ingest->trusted_proxies = client_address_rules_parse(ingest->settings.trusted_proxies);
    if (ingest->trusted_proxies == NULL) {
        settings_refuse(PROGRAM, "TRUSTED_PROXIES: must be addresses and CIDR blocks joined by commas");
    }
    if (ingest->settings.drain_notice_ms >= ingest->settings.drain_timeout_secs * 1000) {
        settings_refuse(PROGRAM, "DRAIN_NOTICE_MS: must be shorter than DRAIN_TIMEOUT_SECS");
    }
    if (ingest->settings.max_client_bytes < 8 * ingest->settings.max_body_bytes) { // one address's quarter, twice
        settings_refuse(PROGRAM, "MAX_CLIENT_BYTES: must be at least 8 times API_MAX_BODY_BYTES");
    }
    reason = public_url_check(ingest->settings.webhook_public_url);
    if (reason != NULL) {
        settings_refuse(PROGRAM, "WEBHOOK_PUBLIC_URL: %s", reason);
    }
    reason = event_key_refusal(ingest->settings.webhook_email_public_key);
    if (reason != NULL) {
        settings_refuse(PROGRAM, "WEBHOOK_EMAIL_PUBLIC_KEY: %s", reason);
    }
    const char *setting;
    ingest->origins = origin_rules_create(&ingest->settings, &setting, &reason);
    if (ingest->origins == NULL) {
        settings_refuse(PROGRAM, "%s: %s", setting, reason);
    }
    read_keys(ingest);
}

static bool is_loopback(const char *address) {
    struct client_address_rules *loopback = client_address_rules_parse("127.0.0.0/8,::1");
    bool inside = client_address_is_in(loopback, address);
    client_address_rules_free(loopback);
    return inside;
}

// Doors that stand open are said once, at start: of a port that other machines reach, as an error.
static void tell_of_doors(const struct ingest *ingest) {
    const struct settings *settings = &ingest->settings;
    const char *const webhooks[PROVIDER_COUNT] = {"WEBHOOK_SMS_SECRET is not set",
                                                  "neither WEBHOOK_EMAIL_SECRET nor WEBHOOK_EMAIL_PUBLIC_KEY is set"};
    if (ingest->keys == NULL) {
        bool near = is_loopback(settings->bind_address);
        log_event(
            near ? LOG_WARN : LOG_ERROR, "keys_off",
            "%s %s port %d may send, read and replay, and set the mock: neither API_KEYS nor API_KEYS_FILE is set",
            near ? "any process that reaches" : "ANY MACHINE that reaches", settings->bind_address,
            (int)settings->port);
        return;
    }
    log_info("keys_on", "%zu keys are good for /api", api_keys_count(ingest->keys));
    for (unsigned i = 0; i < PROVIDER_COUNT; i++) {
        if (!provider_is_signed(settings, (enum provider)i)) {
            log_warn("webhooks_open", "webhooks of %s are believed without a signature: %s",
                     provider_name((enum provider)i), webhooks[i]);
        }
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
        .origins = ingest->origins,
        .keys = ingest->keys,
        .readiness = ingest->readiness,
        .event_clients = &ingest->event_clients,
        .peers = ingest->peers,
        .budget = ingest->budget,
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

static void ingest_main_on_reload(void *argument) {
    struct ingest *ingest = argument;
    if (ingest->keys == NULL) {
        return;
    }
    char *error = api_keys_reload(ingest->keys);
    if (error == NULL) {
        log_info("keys_read", "%zu keys are good for /api", api_keys_count(ingest->keys));
    } else {
        log_error("keys_refused", "%s; the keys stay what they were", error);
        free(error);
    }
}

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
    ingest->process.on_reload = ingest_main_on_reload;
    ingest->process.argument = ingest;
    process_watch(&ingest->process, &ingest->settings);
}

// `ingest --check-flow`, which bin/status.sh asks.
static int check_flow(struct settings *settings) {
    int status = flow_check(settings);
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
    check_settings(&ingest);
    process_start(&ingest.settings, PROGRAM);
    tell_of_doors(&ingest);

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
    create_workers(&ingest);
    begin_watch(&ingest);
    start_workers(&ingest);

    uv_run(&ingest.loop, UV_RUN_DEFAULT);

    int status = process_end(&ingest.loop);
    free(ingest.workers);
    readiness_free(ingest.readiness);
    http_peers_destroy(ingest.peers);
    http_budget_destroy(ingest.budget);
    client_address_rules_free(ingest.trusted_proxies);
    origin_rules_free(ingest.origins);
    api_keys_free(ingest.keys);
    settings_free(&ingest.settings);
    return status;
}
