// SPDX-License-Identifier: MIT
#include "dispatcher/mock/server.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "dispatcher/mock/config.h"
#include "dispatcher/mock/hold.h"
#include "dispatcher/mock/inbound.h"
#include "dispatcher/mock/ledger.h"
#include "dispatcher/mock/memory.h"
#include "dispatcher/mock/receipts.h"
#include "dispatcher/mock/remote.h"
#include "dispatcher/mock/sequence.h"
#include "dispatcher/mock/stats.h"
#include "dispatcher/mock/twilio_path.h"
#include "dispatcher/mock/twilio_read.h"
#include "dispatcher/mock/waiter.h"
#include "dispatcher/mock/wire.h"
#include "shared/base/hex.h"
#include "shared/base/json.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/uuid.h"
#include "shared/http/server.h"
#include "shared/loop/turn.h"
#include "shared/provider/public_url.h"
#include "shared/redis/reload.h"

enum {
    MOST_KEYS = 1000000,
    MOST_BODY_BYTES = 4 << 20,
    IDLE_TIMEOUT_MS = 120 * 1000, // longer than a caller keeps an unused connection
};

#define CALLS_PATH "/mock/calls/"

struct mock_provider {
    struct settings *settings;
    struct redis_target *target;
    struct mock_behaviour config;
    struct mock_sequence sequences[PROVIDER_COUNT];
    struct mock_memory *memory;
    struct mock_ledger *ledger;
    struct mock_receipts *receipts;
    struct mock_inbound *inbound;
    struct mock_stats stats;
    struct mock_holds *holds;
    struct mock_remote *remote;
    struct http_server *server;
    bool draining;
    struct turn finish; // the server can't be destroyed while it says that a request is done
    void (*on_finished)(void *argument);
    void *argument;
};

// ---- A call of a provider

static void read_request(struct http_request *http, struct mock_request *out) {
    *out = (struct mock_request){
        .path = http_path(http),
        .authorization = http_header(http, "Authorization"),
        .content_type = http_header(http, "Content-Type"),
    };
    out->body = http_body(http, &out->length);
}

// The key that the call carries, counted; NULL when it has none. The provider's own id is made of it, so that a repeat
// gets the first one's.
static struct mock_key *count_key(struct mock_provider *mock, enum provider provider, struct http_request *http,
                                  struct mock_request *request) {
    const char *name = http_header(http, "Idempotency-Key");
    struct mock_counts *counts = &mock->stats.providers[provider];
    if (name == NULL || *name == '\0') {
        hex_encode(uuid_v7().bytes, MOCK_DIGEST_BYTES, request->id);
        return NULL;
    }
    struct mock_key *key = mock_memory_touch(mock->memory, provider, name);
    if (key->calls++ == 0) {
        counts->distinct_keys++;
    } else {
        counts->repeats++;
    }
    hex_encode(key->digest, MOCK_DIGEST_BYTES, request->id);
    return key;
}

static void mock_server_fail(const struct mock_wire *wire, unsigned status, struct mock_answer *out) {
    out->status = status;
    wire->write_failure(status, &out->body);
}

static bool is_refused(const struct mock_provider *mock, const struct mock_wire *wire,
                       const struct mock_request *request) {
    const struct mock_refusals *refusals = mock->config.refusals[wire->provider];
    if (refusals == NULL) {
        return false;
    }
    char *sender = wire->sender(request);
    bool refused = mock_refusals_has(refusals, sender);
    free(sender);
    return refused;
}

// Makes the answer; nothing but a verdict for a time-out.
static enum mock_verdict decide(struct mock_provider *mock, const struct mock_wire *wire,
                                const struct mock_request *request, struct mock_key *key, struct mock_answer *out) {
    const struct mock_settings *behaviour = &mock->config.providers[wire->provider];
    unsigned status;
    if (!wire->is_authorized(mock->settings, request)) {
        mock_server_fail(wire, 401, out);
        return MOCK_VERDICT_UNAUTHORIZED;
    }
    struct mock_answer success = {.retry_after_secs = -1};
    if (!wire->answer(mock->settings, request, &success)) {
        *out = success;
        return MOCK_VERDICT_REJECTED;
    }
    if (key != NULL && key->accepted) {
        *out = success;
        return MOCK_VERDICT_REPEATED;
    }
    if (is_refused(mock, wire, request)) {
        mock_answer_free(&success);
        mock_server_fail(wire, 403, out);
        return MOCK_VERDICT_REFUSED;
    }
    switch (mock_sequence_next(&mock->sequences[wire->provider], behaviour, &status)) {
    case MOCK_TIMEOUT:
        mock_answer_free(&success);
        return MOCK_VERDICT_TIMEOUT;
    case MOCK_ERROR:
        mock_answer_free(&success);
        mock_server_fail(wire, status, out);
        return MOCK_VERDICT_ERROR;
    case MOCK_RATE_LIMIT:
        mock_answer_free(&success);
        mock_server_fail(wire, 429, out);
        out->retry_after_secs = behaviour->retry_after_secs;
        return MOCK_VERDICT_RATE_LIMITED;
    case MOCK_ACCEPT:
    case MOCK_OUTCOME_COUNT:
        break;
    }
    if (key != NULL) {
        key->accepted = true;
    }
    *out = success;
    return MOCK_VERDICT_ACCEPTED;
}

static void log_call(const struct mock_wire *wire, struct http_request *http, enum mock_verdict verdict,
                     unsigned status) {
    struct log_line *line = log_begin(LOG_DEBUG, "mock_call");
    log_str(line, "provider", provider_name(wire->provider));
    log_str(line, "key", http_header(http, "Idempotency-Key"));
    log_str(line, "outcome", mock_verdict_name(verdict));
    log_int(line, "status", status);
    log_bool(line, "mock", true);
    log_end(line);
}

static void serve_call(struct mock_provider *mock, const struct mock_wire *wire, struct http_request *http,
                       enum http_body_state state) {
    struct mock_counts *counts = &mock->stats.providers[wire->provider];
    struct mock_answer answer = {.retry_after_secs = -1};
    struct mock_request request;
    enum mock_verdict verdict = MOCK_VERDICT_REJECTED;
    int64_t latency_ms = mock->config.providers[wire->provider].latency_ms;
    read_request(http, &request);
    counts->calls++;
    struct mock_key *key = count_key(mock, wire->provider, http, &request);
    if (state == HTTP_BODY_OK) {
        verdict = decide(mock, wire, &request, key, &answer);
    } else {
        mock_server_fail(wire, 413, &answer);
    }
    counts->by_verdict[verdict]++;
    mock_ledger_add(mock->ledger, wire->provider, http_header(http, "Idempotency-Key"), verdict);
    if (verdict == MOCK_VERDICT_ACCEPTED) {
        mock_receipts_follow(mock->receipts, wire->provider, &request, &answer, http_header(http, "Idempotency-Key"));
    }
    log_call(wire, http, verdict, answer.status);
    if (verdict == MOCK_VERDICT_TIMEOUT && !mock->draining) {
        mock_hold_silent(mock->holds, http, 2 * mock->settings->provider_timeout_ms);
    } else if (verdict == MOCK_VERDICT_TIMEOUT) {
        http_reply_and_close(http, 504, NULL, "", 0);
    } else {
        mock_hold_answer(mock->holds, http, &answer, wire->content_type, mock->draining ? 0 : latency_ms);
    }
}

// ---- What tests and people ask

static void reply_json(struct http_request *http, unsigned status, const struct buf *body) {
    http_reply(http, status, "application/json", body->data, body->length);
}

static void serve_stats(struct mock_provider *mock, struct http_request *http) {
    struct buf body = {0};
    mock_stats_write(&mock->stats, &body);
    reply_json(http, 200, &body);
    buf_free(&body);
}

static void serve_calls(struct mock_provider *mock, struct http_request *http, const char *name) {
    struct buf body = {0};
    uint32_t calls = 0;
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        const struct mock_key *key = mock_memory_find(mock->memory, (enum provider)i, name);
        calls += key != NULL ? key->calls : 0;
    }
    buf_putc(&body, '{');
    json_write_member_int(&body, "calls", calls);
    buf_putc(&body, '}');
    reply_json(http, 200, &body);
    buf_free(&body);
}

static void serve_failure(struct http_request *http, unsigned status, const char *message) {
    struct buf body = {0};
    buf_putc(&body, '{');
    json_write_member(&body, "message", message);
    buf_putc(&body, '}');
    reply_json(http, status, &body);
    buf_free(&body);
}

// ---- What else a provider's API answers

static void mock_server_answer(const struct mock_wire *wire, struct http_request *http, struct mock_answer *answer) {
    http_reply(http, answer->status, wire->content_type, answer->body.data, answer->body.length);
    mock_answer_free(answer);
}

// A query's number up to `most`; what is none is what it is by default.
static size_t number_asked(const struct http_request *http, const char *name, size_t otherwise, size_t most) {
    const char *text = http_query(http, name, NULL);
    unsigned long long number = text != NULL && *text >= '0' && *text <= '9' ? strtoull(text, NULL, 10) : otherwise;
    return number < most ? (size_t)number : most;
}

static void mock_server_read_back(struct mock_provider *mock, struct http_request *http) {
    struct mock_answer answer = {.retry_after_secs = -1};
    struct mock_list list = {
        .to = http_query(http, "To", NULL),
        .from = http_query(http, "From", NULL),
        .page = number_asked(http, "Page", 0, MOST_KEYS),
        .page_size = number_asked(http, "PageSize", MOCK_PAGE_SIZE, MOCK_PAGE_SIZE_MAX),
    };
    mock_twilio_read(mock_receipts_outbox(mock->receipts), http_path(http), &list, &answer);
    mock_server_answer(&mock_twilio, http, &answer);
}

static void refuse_method(const struct mock_wire *wire, struct http_request *http, const char *allowed) {
    struct mock_answer answer = {.retry_after_secs = -1};
    mock_server_fail(wire, 405, &answer);
    http_add_header(http, "Allow", allowed);
    mock_server_answer(wire, http, &answer);
}

static void refuse_path(const struct mock_wire *wire, struct http_request *http) {
    struct mock_answer answer = {.status = 404, .retry_after_secs = -1};
    wire->write_missing(http_path(http), &answer.body);
    mock_server_answer(wire, http, &answer);
}

static void serve_rest(struct mock_provider *mock, const struct mock_wire *wire, struct http_request *http) {
    struct mock_request request;
    struct mock_answer answer = {.retry_after_secs = -1};
    struct mock_twilio_path path = mock_twilio_path_of(http_path(http));
    enum mock_twilio_resource resource = wire == &mock_twilio ? path.resource : MOCK_TWILIO_NOTHING;
    mock_twilio_path_free(&path);
    read_request(http, &request);
    if (!wire->is_authorized(mock->settings, &request)) {
        mock_server_fail(wire, 401, &answer);
        mock_server_answer(wire, http, &answer);
    } else if (resource != MOCK_TWILIO_NOTHING && strcmp(http_method(http), "GET") == 0) {
        mock_server_read_back(mock, http);
    } else if (resource != MOCK_TWILIO_NOTHING) {
        refuse_method(wire, http, resource == MOCK_TWILIO_MESSAGES ? "GET, POST" : "GET");
    } else if (wire->is_path(http_path(http))) {
        refuse_method(wire, http, "POST");
    } else {
        refuse_path(wire, http);
    }
}

// ---- Requests

static const struct mock_wire *find_wire(const char *path) {
    static const struct mock_wire *const wires[] = {&mock_twilio, &mock_sendgrid};
    for (size_t i = 0; i < sizeof wires / sizeof *wires; i++) {
        size_t length = strlen(wires[i]->root);
        if (strncmp(path, wires[i]->root, length) == 0 && (path[length] == '/' || path[length] == '\0')) {
            return wires[i];
        }
    }
    return NULL;
}

static void mock_server_on_request(void *argument, struct http_request *http, enum http_body_state state) {
    struct mock_provider *mock = argument;
    const char *path = http_path(http);
    const struct mock_wire *wire = find_wire(path);
    bool is_get = strcmp(http_method(http), "GET") == 0, is_post = strcmp(http_method(http), "POST") == 0;
    if (wire != NULL && is_post && wire->is_path(path)) {
        serve_call(mock, wire, http, state);
    } else if (wire != NULL) {
        serve_rest(mock, wire, http);
    } else if (is_post && strcmp(path, "/mock/inbound") == 0) {
        mock_inbound_serve(mock->inbound, http, state);
    } else if (is_get && strcmp(path, "/mock/stats") == 0) {
        serve_stats(mock, http);
    } else if (is_get && strncmp(path, CALLS_PATH, strlen(CALLS_PATH)) == 0) {
        serve_calls(mock, http, path + strlen(CALLS_PATH));
    } else {
        serve_failure(http, 404,
                      "there is nothing here but the two providers' paths, POST /mock/inbound, /mock/stats and "
                      "/mock/calls/{key}");
    }
}

static void finish_when_done(struct mock_provider *mock);

static void mock_server_on_done(void *argument, struct http_request *http) {
    struct mock_waiter *waiter = http_context(http);
    if (waiter != NULL) {
        waiter->gone(waiter);
    }
    finish_when_done(argument);
}

// ---- Start and end

static void start_sequences(struct mock_provider *mock) {
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        mock_sequence_start(&mock->sequences[i], mock->config.providers[i].seed, (enum provider)i);
    }
}

static void mock_server_on_config(void *argument, bool restart) {
    struct mock_provider *mock = argument;
    if (restart) {
        start_sequences(mock);
        mock_receipts_restart(mock->receipts);
    }
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        const struct mock_settings *now = &mock->config.providers[i];
        struct log_line *line = log_begin(LOG_INFO, "mock_config_changed");
        log_str(line, "provider", provider_name((enum provider)i));
        log_int(line, "timeout_pct", now->timeout_pct);
        log_int(line, "error_pct", now->error_pct);
        log_int(line, "ratelimit_pct", now->ratelimit_pct);
        log_int(line, "latency_ms", now->latency_ms);
        log_int(line, "seed", now->seed);
        log_int(line, "receipts_pct", now->receipts_pct);
        log_int(line, "undelivered_pct", now->undelivered_pct);
        log_int(line, "receipt_delay_ms", now->receipt_delay_ms);
        log_bool(line, "mock", true);
        log_end(line);
    }
}

static void mock_server_on_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void mock_server_let_go(void *argument) {
    struct mock_provider *mock = argument;
    if (uv_is_closing((uv_handle_t *)&mock->finish.idle)) {
        return;
    }
    mock_holds_release(mock->holds);
    mock_inbound_destroy(mock->inbound);
    http_server_destroy(mock->server);
    mock_holds_destroy(mock->holds);
    mock_receipts_destroy(mock->receipts);
    mock_remote_destroy(mock->remote);
    mock_memory_destroy(mock->memory);
    mock_config_free(&mock->config);
    mock_ledger_close(mock->ledger);
    uv_close((uv_handle_t *)&mock->finish.idle, mock_server_on_closed);
    mock->on_finished(mock->argument);
}

static void finish_when_done(struct mock_provider *mock) {
    if (mock->draining && http_server_pending(mock->server) == 0) {
        turn_at_end(&mock->finish, mock_server_let_go);
    }
}

void mock_server_drain(void *argument) {
    struct mock_provider *mock = argument;
    mock->draining = true;
    http_server_quiesce(mock->server);
    mock_holds_release(mock->holds);
    finish_when_done(mock);
}

void mock_server_hurry(void *argument) {
    mock_server_let_go(argument);
}

static struct http_server *open_server(uv_loop_t *loop, struct mock_provider *mock, int listen_socket) {
    return http_server_create(loop, &(struct http_server_options){
                                        .listen_socket = listen_socket,
                                        .max_connections = (unsigned)mock->settings->max_connections,
                                        .max_body = MOST_BODY_BYTES,
                                        .request_timeout_ms = IDLE_TIMEOUT_MS,
                                        .on_request = mock_server_on_request,
                                        .on_done = mock_server_on_done,
                                        .argument = mock,
                                    });
}

// What can't be had leaves errno.
static bool open_all(uv_loop_t *loop, struct mock_provider *mock, int listen_socket) {
    mock->ledger = mock_ledger_open(mock->settings->mock_ledger_file);
    if (mock->ledger == NULL) {
        return false;
    }
    mock->receipts = mock_receipts_create(loop, mock->settings, &mock->config, &mock->stats);
    if (mock->receipts == NULL) {
        return false;
    }
    mock->inbound = mock_inbound_create(loop, mock_receipts_teller(mock->receipts));
    if (mock->inbound == NULL) {
        errno = ENOMEM;
        return false;
    }
    mock->server = open_server(loop, mock, listen_socket);
    return mock->server != NULL;
}

char *mock_server_check(const struct settings *settings) {
    const char *error = public_url_check(settings->webhook_public_url);
    if (error != NULL) {
        return xasprintf("WEBHOOK_PUBLIC_URL, or the MOCK_WEBHOOK_URL that stands for it: %s", error);
    }
    return mock_receipts_check(settings);
}

static char *mock_server_take(void *argument, const struct settings_change *change) {
    struct mock_provider *mock = argument;
    char *error = redis_reload_take(mock->target, change);
    if (error == NULL) {
        settings_take_over(mock->settings, &change->next);
    }
    return error;
}

static const struct reload_trial *const trials[] = {&redis_reload_trial, NULL};

const struct reload_plan mock_server_reload = {
    .check = mock_server_check,
    .trials = trials,
    .take = mock_server_take,
};

struct mock_provider *mock_server_start(uv_loop_t *loop, struct settings *settings, struct redis_target *target,
                                        const char *instance, int listen_socket, void (*on_finished)(void *argument),
                                        void *argument) {
    struct mock_provider *mock = xcalloc(1, sizeof *mock);
    mock->settings = settings;
    mock->target = target;
    mock->on_finished = on_finished;
    mock->argument = argument;
    memcpy(mock->config.providers, settings->mock, sizeof mock->config.providers);
    mock->config.region = settings->phone_region;
    if (!open_all(loop, mock, listen_socket)) {
        return NULL; // and the process ends
    }
    start_sequences(mock);
    mock->memory = mock_memory_create(MOST_KEYS);
    mock->holds = mock_holds_create(loop);
    turn_init(loop, &mock->finish, mock);
    mock->remote = mock_remote_create(loop, settings, target, instance, &mock->config, mock_server_on_config, mock);
    return mock;
}
