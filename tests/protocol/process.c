// SPDX-License-Identifier: MIT
#include "tests/protocol/process_private.h"

#include <stdlib.h>
#include <string.h>

#include "dispatcher/dispatcher.h"
#include "persister/persister.h"
#include "shared/base/mem.h"
#include "tests/protocol/wire.h"
#include "tests/support/target.h"

static char nowhere[] = "redis://127.0.0.1:1", no_provider[] = "http://127.0.0.1:1", nothing[] = "";

// As the audits have them (world.h).
static const struct settings settings = {
    .redis_url = nowhere,
    .redis_timeout_ms = REPLY_MS,
    .stream_partitions = 1,
    .stream_max_backlog = 1000,
    .feed_max_length = 1000,
    .worker_batch_size = 500,
    .database_url = nothing,
    .database_timeout_ms = 10000,
    .worker_claim_timeout_secs = CLAIM_MS / 1000,
    .worker_max_retries = MOST_SPENT,
    .worker_backoff_base_ms = 1000,
    .worker_backoff_cap_ms = LONGEST_PARKED_MS,
    .message_deadline_secs = DEADLINE_MS / 1000,
    .dispatch_max_in_flight = LEASES,
    .provider_timeout_ms = PROVIDER_MS,
    .provider_connect_timeout_ms = PROVIDER_MS,
    .breaker_error_threshold = THRESHOLD,
    .breaker_open_secs = OPEN_MS / 1000,
    .breaker_probes = PROBES,
    .breaker_held_senders = HELD_OPEN,
    .sender_hold_messages = HOLD_AT,
    .order_max_wait_secs = ORDER_WAIT_MS / 1000,
    .sender_hold_secs = HOLD_MS / 1000,
    .provider_max_pause_secs = MAX_PAUSE_MS / 1000,
    .provider_sms_kind = nothing,
    .provider_sms_url = no_provider,
    .provider_email_url = no_provider,
    .provider_sms_account = nothing,
    .provider_sms_token = nothing,
    .provider_sms_key_sid = nothing,
    .provider_sms_key_secret = nothing,
    .provider_sms_service = nothing,
    .provider_email_token = nothing,
    .provider_ca_file = nothing,
};

static struct settings *settings_of(const struct process *process) {
    static struct settings own;
    own = settings;
    own.provider_per_second[PROVIDER_SMS_MMS] = process->world->paced ? RATE : 0;
    own.opt_out = process->world->worded;
    return &own;
}

struct process *process_create(struct world *world, const struct program *program, const char *name) {
    struct process *process = xcalloc(1, sizeof *process);
    process->program = program;
    process->world = world;
    process->name = name;
    process->loop.data = process;
    return process;
}

const char *process_name(const struct process *process) {
    return process->name;
}

bool *process_stopped(struct process *process) {
    return &process->stopped;
}

void process_stop_soon(struct process *process) {
    process->stops_soon = true;
}

static void process_on_finished(void *argument) {
    (void)argument;
}

static void *dispatcher_begin(struct process *process) {
    return dispatcher_start(&process->loop, settings_of(process), target_at(nowhere), process->name,
                            process_on_finished, process);
}

static void dispatcher_end(void *running) {
    dispatcher_hurry(running);
}

static void dispatcher_has_closed(void *running) {
    (void)running; // it has freed itself
}

const struct program process_dispatcher = {dispatcher_begin, dispatcher_end, dispatcher_has_closed, true};

static void *persister_begin(struct process *process) {
    return persister_create(&process->loop, settings_of(process), target_at(nowhere), process_on_finished, process);
}

static void persister_has_closed(void *running) {
    persister_free(running);
}

const struct program process_persister = {persister_begin, persister_hurry, persister_has_closed, false};

static void process_start(struct process *process) {
    world_say(process->world, "%s starts", process->name);
    process->running = process->program->start(process);
}

// Nothing leaves it any more: every command is answered with its loss.
static void process_end(struct process *process) {
    if (process->running != NULL) {
        process->program->end(process->running);
    }
    while (process->handle_count > 0) {
        loop_end_turn(process);
    }
    conn_free_dropped(process);
    if (process->running != NULL) {
        process->program->free(process->running);
    }
    process->running = NULL;
    memset(process->held, 0, sizeof process->held);
}

void process_destroy(struct process *process) {
    if (process != NULL) {
        log_follow(NULL);
        process_end(process);
        free(process);
    }
}

void process_kill(struct process *process) {
    log_follow(NULL);
    process_hit(process);
    if (random_chance(&process->world->random, 50)) {
        conn_flush(process);
        database_work(process);
    }
    process_end(process);
    process->stopped = process->stops_soon = false;
}

static bool process_stops_here(struct process *process) {
    struct world *world = process->world;
    if (!process->stops_soon || world->settling || !conn_brings_entries(process)) {
        return false;
    }
    world_say(world, "%s stops before it reads the reply", process->name);
    process->stops_soon = false;
    process->stopped = true;
    wire_pass(world, random_within(&world->random, CLAIM_MS, 2 * CLAIM_MS));
    return true;
}

void process_turn(struct process *process) {
    if (process->stopped) {
        conn_run_all(process);
        return;
    }
    log_follow(process);
    if (process->running == NULL) {
        process_start(process);
    }
    loop_run_timers(process);
    loop_end_turn(process);
    conn_begin_all(process);
    database_deliver(process);
    conn_run_all(process);
    if (process_stops_here(process)) {
        return;
    }
    conn_deliver_all(process);
    loop_end_turn(process);
    provider_begin_calls(process);
    conn_free_dropped(process);
}

void process_end_calls(struct process *process) {
    if (!process->stopped) {
        log_follow(process);
        provider_end_calls(process);
        loop_end_turn(process);
    }
}

void process_commit(struct process *process) {
    database_work(process);
    if (!process->stopped && process->running != NULL) {
        log_follow(process);
        database_deliver(process);
        loop_end_turn(process);
    }
}

void process_disconnect(struct process *process) {
    conn_break_all(process);
}

void process_hit(struct process *process) {
    conn_hit_all(process);
    for (int i = 0; i < MOST_HELD; i++) {
        struct held *held = &process->held[i];
        held->hit = *held->entry != '\0';
        if (held->hit && held->call >= 0) {
            process->world->ledger.calls[held->call].excused = true;
        }
    }
}

bool process_is_idle(const struct process *process) {
    return process->calls == NULL && conn_is_quiet(process) && database_is_quiet(process);
}
