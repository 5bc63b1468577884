// SPDX-License-Identifier: MIT
//
// One thread: a loop, an HTTP server on a listening socket of its own, a connection to Redis, a few to Postgres,
// counters. Nothing is shared with other threads but `asked`, `reloads` and `has_ended`, which are atomic.
//
// What connects at the start waits until all threads have Redis and Postgres, or for one time-out at most: a restart
// behind a proxy is then no reason for a 503.
//
// The end goes in steps, each of which waits for the one before:
//   serving → draining   no new connections; what comes over the others is answered, and each answer closes its own
//           → flushing   all requests are answered, sends are refused from now on; the last counters go to Redis, and
//                        a PING after them
//           → closing    all handles close; the loop runs out
// A hurry goes to closing at once: the links' teardown answers the requests that wait for them.
#include "ingest/worker.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/accept/acceptor.h"
#include "ingest/accept/durability.h"
#include "ingest/accept/format_wait.h"
#include "ingest/accept/former.h"
#include "ingest/accept/ours.h"
#include "ingest/accept/replicas.h"
#include "ingest/access/rate_limit.h"
#include "ingest/batch/batch.h"
#include "ingest/checks.h"
#include "ingest/erase/erase.h"
#include "ingest/read/database.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/watch/events.h"
#include "ingest/watch/lookout.h"
#include "ingest/watch/readiness.h"
#include "shared/base/log.h"
#include "shared/http/server.h"
#include "shared/loop/process.h"
#include "shared/redis/counters.h"
#include "shared/redis/heartbeat.h"
#include "shared/redis/link.h"
#include "shared/settings/live.h"

enum { LOOK_MS = 10 }; // how often it is looked whether serving can begin

enum stop { STOP_NOT_ASKED, STOP_DRAIN, STOP_HURRY };
enum phase { PHASE_SERVING, PHASE_DRAINING, PHASE_FLUSHING, PHASE_CLOSING };

struct ingest_worker {
    struct ingest_resources with;
    unsigned number;
    uv_thread_t thread;
    uv_loop_t loop;
    uv_async_t wake; // something happened that may take the end a step further
    uv_async_t *ended;
    struct http_server *http;
    uv_timer_t begin;
    uint64_t begins_by;          // on the loop's clock
    struct heartbeat *heartbeat; // the first thread's; NULL elsewhere
    enum phase phase;
    atomic_int asked;    // enum stop
    atomic_bool reloads; // the live settings have changed
    atomic_bool has_ended;
};

// ---- The end

static void close_everything(struct ingest_worker *worker) {
    worker->phase = PHASE_CLOSING;
    if (worker->heartbeat != NULL) {
        heartbeat_destroy(worker->heartbeat);
    }
    counters_destroy(worker->with.counters);
    redis_link_destroy(worker->with.redis);
    if (worker->with.replicas != NULL) {
        replicas_destroy(worker->with.replicas);
    }
    batches_destroy(worker->with.batches);
    rate_limiter_destroy(worker->with.limiter);
    lookout_destroy(worker->with.lookout);
    event_hub_destroy(worker->with.hub);
    database_destroy(worker->with.database);
    checks_abandon_all(&worker->with);
    http_server_destroy(worker->http);
    acceptor_destroy(worker->with.acceptor);
    former_destroy(worker->with.former);
    ours_destroy(worker->with.ours);
    format_waits_destroy(worker->with.format_waits);
    erase_fence_destroy(worker->with.erase_fence);
    uv_close((uv_handle_t *)&worker->wake, NULL);
    uv_close((uv_handle_t *)&worker->begin, NULL);
}

static void worker_on_flushed(void *argument, enum redis_result result, const redisReply *reply) {
    struct ingest_worker *worker = argument;
    (void)result, (void)reply;
    if (worker->phase == PHASE_FLUSHING) {
        worker->phase = PHASE_CLOSING;
        uv_async_send(&worker->wake); // not from within the link's own callback
    }
}

static void worker_flush(struct ingest_worker *worker) {
    worker->phase = PHASE_FLUSHING;
    worker->with.ended = true;
    if (worker->heartbeat != NULL) {
        heartbeat_stop(worker->heartbeat);
    }
    counters_flush(worker->with.counters);
    const char *ping[] = {"PING"};
    if (redis_link_call(worker->with.redis, worker_on_flushed, worker, 1, ping, NULL) != 0) {
        close_everything(worker);
    }
}

static void worker_take_settings(struct ingest_worker *worker) {
    const struct settings *settings = settings_live_take(worker->with.now);
    database_change(worker->with.database, settings);
    settings_live_give_back(worker->with.now, settings);
}

// Every step towards the end is taken here.
static void worker_on_wake(uv_async_t *handle) {
    struct ingest_worker *worker = handle->data;
    int asked = atomic_load(&worker->asked);
    if (atomic_exchange(&worker->reloads, false) && worker->phase != PHASE_CLOSING) {
        worker_take_settings(worker);
    }
    if (asked == STOP_HURRY || worker->phase == PHASE_CLOSING) {
        close_everything(worker);
        return;
    }
    if (asked == STOP_DRAIN && worker->phase == PHASE_SERVING) {
        worker->phase = PHASE_DRAINING;
        event_hub_end(worker->with.hub);
        http_server_quiesce(worker->http);
    }
    if (worker->phase == PHASE_DRAINING && http_server_pending(worker->http) == 0) {
        worker_flush(worker);
    }
}

// ---- What the links and the HTTP server report

static void worker_on_done(void *argument, struct http_request *http) {
    struct ingest_worker *worker = argument;
    checks_on_done(http);
    if (worker->phase == PHASE_DRAINING) {
        uv_async_send(&worker->wake);
    }
}

static void worker_on_headers(void *argument, struct http_request *http) {
    struct ingest_worker *worker = argument;
    checks_on_headers(&worker->with, http);
}

static void worker_on_request(void *argument, struct http_request *http, enum http_body_state body) {
    (void)argument;
    checks_on_request(http, body);
}

static void worker_on_redis_up(void *argument) {
    struct ingest_worker *worker = argument;
    if (worker->heartbeat != NULL) {
        heartbeat_on_up(worker->heartbeat);
    }
    acceptor_on_up(worker->with.acceptor);
    if (worker->number == 0) {
        durability_check(worker->with.redis);
    }
}

static void worker_on_redis_down(void *argument) {
    struct ingest_worker *worker = argument;
    acceptor_on_down(worker->with.acceptor);
}

static void worker_on_postgres(void *argument, bool up) {
    struct ingest_worker *worker = argument;
    readiness_postgres_changed(worker->with.readiness, up);
}

static void worker_on_replica(void *argument, bool in_use) {
    struct ingest_worker *worker = argument;
    readiness_replica_changed(worker->with.readiness, in_use);
}

// What Redis says when it takes no writes of anybody. Memory that is short is a reason of its own: sends are refused
// before Redis refuses them.
static bool takes_no_writes(const char *error) {
    static const char *const codes[] = {"MISCONF ", "READONLY ", "NOREPLICAS ", "CLUSTERDOWN "};
    for (size_t i = 0; error != NULL && i < sizeof codes / sizeof *codes; i++) {
        if (strncmp(error, codes[i], strlen(codes[i])) == 0) {
            return true;
        }
    }
    return false;
}

// That DATABASE_READ_URL's server isn't read from: a note, for the primary answers.
static void worker_tell_reads(struct ingest_worker *worker) {
    const char *why = database_replica_trouble(worker->with.database);
    char *text = why != NULL && *why != '\0'
                     ? xasprintf("reads are asked of the primary, not of DATABASE_READ_URL's server: %s", why)
                     : NULL;
    heartbeat_trouble(worker->heartbeat, "reads_fallen_back", text);
    free(text);
}

static void worker_on_beat(void *argument, const char *refusal) {
    struct ingest_worker *worker = argument;
    readiness_redis_refuses(worker->with.readiness, takes_no_writes(refusal) ? refusal : NULL);
    heartbeat_trouble(worker->heartbeat, "wait_failing",
                      readiness_has_replicas(worker->with.readiness)
                          ? NULL
                          : "too few replicas follow Redis (REDIS_WAIT_REPLICAS): it refuses sends");
    worker_tell_reads(worker);
}

// ---- Life

static void worker_on_look(uv_timer_t *timer) {
    struct ingest_worker *worker = timer->data;
    const struct readiness *readiness = worker->with.readiness;
    if ((readiness_has_redis(readiness) && readiness_has_postgres(readiness) && readiness_has_replicas(readiness)) ||
        uv_now(&worker->loop) >= worker->begins_by) {
        uv_timer_stop(timer);
        http_server_begin(worker->http);
    }
}

static void connect_redis(struct ingest_worker *worker) {
    char name[32];
    snprintf(name, sizeof name, "ingest-%u", worker->number);
    struct redis_link_options options = {
        .target = worker->with.target,
        .name = name,
        .timeout_ms = worker->with.settings->redis_timeout_ms,
        .on_up = worker_on_redis_up,
        .on_down = worker_on_redis_down,
        .argument = worker,
    };
    worker->with.redis = redis_link_create(&worker->loop, &options);
}

// A proxy speaks for many clients.
static bool is_exempt(void *argument, const char *peer) {
    const struct ingest_worker *worker = argument;
    return client_address_is_trusted(worker->with.trusted_proxies, peer);
}

static struct http_server *worker_serve(struct ingest_worker *worker, const struct ingest_shared *shared,
                                        int listen_socket) {
    struct http_server_options options = {
        .listen_socket = listen_socket,
        .max_connections = shared->connections,
        .peers = shared->peers,
        .is_exempt = is_exempt,
        .budget = shared->budget,
        .max_body = (size_t)worker->with.settings->max_body_bytes,
        .request_timeout_ms = worker->with.settings->request_timeout_ms,
        .held = true,
        .keep_target = worker->with.settings->webhook_public_url[0] != '\0', // for webhook_post_of
        .on_headers = worker_on_headers,
        .on_request = worker_on_request,
        .on_done = worker_on_done,
        .argument = worker,
    };
    return http_server_create(&worker->loop, &options);
}

struct ingest_worker *ingest_worker_create(const struct ingest_shared *shared, unsigned number, int listen_socket) {
    struct ingest_worker *worker = xcalloc(1, sizeof *worker);
    worker->with.settings = shared->settings;
    worker->with.target = shared->target;
    worker->with.trusted_proxies = shared->trusted_proxies;
    worker->with.origins = shared->origins;
    worker->with.keys = shared->keys;
    worker->with.now = shared->now;
    worker->with.readiness = shared->readiness;
    worker->with.event_clients = shared->event_clients;
    worker->with.budget = shared->budget;
    worker->with.undecided = shared->undecided;
    worker->ended = shared->ended;
    worker->number = number;
    uv_loop_init(&worker->loop);
    uv_async_init(&worker->loop, &worker->wake, worker_on_wake);
    uv_timer_init(&worker->loop, &worker->begin);
    worker->wake.data = worker->begin.data = worker;
    worker->http = worker_serve(worker, shared, listen_socket);
    if (worker->http == NULL) {
        free(worker); // the process ends
        return NULL;
    }
    worker->with.acceptor = acceptor_create(&worker->loop, &worker->with);
    worker->with.batches = batches_create(&worker->loop, &worker->with);
    worker->with.former = former_create(&worker->loop, &worker->with);
    worker->with.ours = ours_create(&worker->with);
    worker->with.format_waits = format_waits_create(&worker->loop);
    worker->with.erase_fence = erase_fence_create(&worker->loop);
    worker->with.limiter = rate_limiter_create(&worker->loop, &worker->with, checks_proceed);
    connect_redis(worker);
    if (shared->settings->redis_wait_replicas > 0) {
        worker->with.replicas = replicas_create(&worker->loop, &worker->with, number);
    }
    worker->with.counters = counters_create(&worker->loop, worker->with.redis);
    if (number == 0) { // once a process is enough
        worker->heartbeat = heartbeat_create(&worker->loop, worker->with.redis, "ingest", process_instance());
        heartbeat_watch(worker->heartbeat, worker_on_beat, worker);
        acceptor_serve(worker->with.acceptor, worker->heartbeat);
    }
    worker->with.lookout = lookout_create(&worker->loop, worker->with.redis);
    worker->with.hub = event_hub_create(&worker->loop, &worker->with);
    const struct database_events events = {worker_on_postgres, worker_on_replica, worker};
    worker->with.database = database_create(&worker->loop, shared->settings, number, &events);
    return worker;
}

static void worker_run(void *argument) {
    struct ingest_worker *worker = argument;
    uv_update_time(&worker->loop);
    worker->begins_by = uv_now(&worker->loop) + (uint64_t)worker->with.settings->redis_timeout_ms;
    uv_timer_start(&worker->begin, worker_on_look, 0, LOOK_MS);
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    atomic_store(&worker->has_ended, true);
    uv_async_send(worker->ended);
}

int ingest_worker_start(struct ingest_worker *worker) {
    return uv_thread_create(&worker->thread, worker_run, worker);
}

void ingest_worker_reload(struct ingest_worker *worker) {
    atomic_store(&worker->reloads, true);
    if (!ingest_worker_has_ended(worker)) {
        uv_async_send(&worker->wake);
    }
}

void ingest_worker_stop(struct ingest_worker *worker, bool hurry) {
    atomic_store(&worker->asked, hurry ? STOP_HURRY : STOP_DRAIN);
    if (!ingest_worker_has_ended(worker)) {
        uv_async_send(&worker->wake);
    }
}

bool ingest_worker_has_ended(struct ingest_worker *worker) {
    return atomic_load(&worker->has_ended);
}

void ingest_worker_join(struct ingest_worker *worker) {
    uv_thread_join(&worker->thread);
    request_free_idle(&worker->with);
    buf_free(&worker->with.answer);
    uv_loop_close(&worker->loop);
    free(worker);
}
