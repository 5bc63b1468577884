// SPDX-License-Identifier: MIT
//
// In place of dispatcher/provider/call.c and transport.c: a provider that is well or ill, takes senders or refuses
// them, and ends its calls when the seed says so. It knows what it is called by, from the lease that the call is for.
#include "dispatcher/provider/call.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatcher/lease.h"
#include "shared/loop/transport.h"
#include "tests/protocol/audit.h"
#include "tests/protocol/process_private.h"

enum {
    SLOW_PERCENT = 10, // the connection takes longer than the turn
    REPLAY_TIMEOUT_PERCENT = 50,
    TAKEN_PERCENT = 60, // what was taken though nothing or an error is answered
};

struct transport {
    struct process *process;
};

struct caller {
    struct process *process;
};

struct call {
    struct process *process;
    const struct call_events *events;
    void *argument;
    char entry[ENTRY_SIZE];
    int record;                 // in the ledger; -1: it is full
    struct provider_call alone; // where it is
    bool made;                  // the request is sent
    enum outcome_class answer;  // that will come
    struct call *next;
};

struct transport *transport_create(uv_loop_t *loop, unsigned most) {
    (void)most;
    struct transport *transport = xcalloc(1, sizeof *transport);
    transport->process = loop->data;
    return transport;
}

void transport_destroy(struct transport *transport) {
    free(transport);
}

struct caller *caller_create(struct transport *transport, const struct provider_adapter *adapter,
                             const struct settings *settings) {
    (void)adapter, (void)settings;
    struct caller *caller = xcalloc(1, sizeof *caller);
    caller->process = transport->process;
    return caller;
}

void caller_renew(struct caller *caller) {
    (void)caller;
}

void caller_destroy(struct caller *caller) {
    free(caller);
}

// ---- Calls

static struct provider_call *provider_record(struct call *call) {
    return call->record >= 0 ? &call->process->world->ledger.calls[call->record] : &call->alone;
}

static void provider_note(struct call *call, const struct lease *lease) {
    struct ledger *ledger = &call->process->world->ledger;
    struct held *held = witness_find(call->process, call->entry);
    call->record = ledger->call_count < MOST_CALLS ? ledger->call_count++ : -1;
    *provider_record(call) = call->alone;
    if (held != NULL) {
        held->call = call->record;
        held->of_a_hold = false;
    }
    world_say(call->process->world, "%s calls the provider for %s, generation %" PRId64 ", call %" PRId64 "%s",
              call->process->name, lease->entry.message_id, lease->entry.generation, lease->entry.call,
              *lease->probe ? " (a probe)" : "");
}

struct call *call_start(struct caller *caller, const struct provider_send *send, const struct call_events *events,
                        void *argument) {
    struct world *world = caller->process->world;
    const struct lease *lease = argument;
    struct call *call = xcalloc(1, sizeof *call);
    *call = (struct call){
        .process = caller->process, .events = events, .argument = argument, .next = caller->process->calls};
    snprintf(call->entry, sizeof call->entry, "%.*s", (int)sizeof call->entry - 1, lease->entry.id);
    const struct held *held = witness_find(caller->process, call->entry);
    call->alone = (struct provider_call){
        .message = ledger_find(&world->ledger, send->message_id),
        .generation = (int)lease->entry.generation,
        .number = (int)lease->entry.call,
        .begun_ms = world->boot_ms,
        .dated_ms = held != NULL ? held->dated_ms : world->boot_ms,
        .probe = *lease->probe != '\0',
        .of_a_hold = held != NULL && held->of_a_hold,
        .admitted_ms = held != NULL ? held->admitted_ms : 0,
        .hit = held != NULL && held->hit,
        .excused = held != NULL && held->hit,
    };
    snprintf(call->alone.epoch, sizeof call->alone.epoch, "%s", lease->epoch);
    caller->process->calls = call;
    audit_decided(world, &call->alone);
    provider_note(call, lease);
    return call;
}

static void provider_forget(struct call *call) {
    struct call **at = &call->process->calls;
    while (*at != call) {
        at = &(*at)->next;
    }
    *at = call->next;
    free(call);
}

void call_cancel(struct call *call) {
    provider_forget(call);
}

// ---- They begin

static enum outcome_class provider_answer(struct world *world, int sender) {
    static const enum outcome_class bad[] = {OUTCOME_SERVER_ERROR, OUTCOME_TIMEOUT, OUTCOME_SERVER_ERROR,
                                             OUTCOME_CREDENTIALS};
    static const enum outcome_class good[] = {OUTCOME_RATE_LIMITED, OUTCOME_REJECTED, OUTCOME_SERVER_ERROR,
                                              OUTCOME_TIMEOUT, OUTCOME_RATE_LIMITED};
    if (world->settling) {
        return OUTCOME_SENT;
    }
    if ((world->refuses_all || world->refuses[sender]) && random_chance(&world->random, 90)) {
        return OUTCOME_REFUSED;
    }
    if (!world->healthy && random_chance(&world->random, 85)) {
        return bad[random_below(&world->random, 4)];
    }
    return random_chance(&world->random, 60) ? OUTCOME_SENT : good[random_below(&world->random, 5)];
}

static void provider_make(struct call *call) {
    struct world *world = call->process->world;
    struct provider_call *record = provider_record(call);
    const struct held *held = witness_find(call->process, call->entry);
    record->hit = record->hit || (held != NULL && held->hit);
    audit_made(world, record);
    call->made = true;
    call->answer = provider_answer(world, record->message % SENDERS);
    if (record->generation > 0 && !world->settling && random_chance(&world->random, REPLAY_TIMEOUT_PERCENT)) {
        call->answer = OUTCOME_TIMEOUT; // or a replayed message would hardly ever be parked
    }
    record->accepted = call->answer == OUTCOME_SENT;
    bool perhaps = call->answer == OUTCOME_TIMEOUT || call->answer == OUTCOME_SERVER_ERROR;
    record->taken = record->accepted || (perhaps && random_chance(&world->random, TAKEN_PERCENT));
}

// It is connected: it is made, unless the dispatcher takes it back.
static void provider_begin(struct call *call) {
    struct world *world = call->process->world;
    struct provider_call *record = provider_record(call);
    const struct call_events *events = call->events;
    void *argument = call->argument;
    if (world_has(world, SWITCH_NO_RENEWAL) || events->may_begin(argument)) {
        provider_make(call);
        return;
    }
    struct held *held = witness_find(call->process, call->entry);
    if (held != NULL) {
        held->call = -1;
    }
    world_say(world, "%s takes the call for %s back", call->process->name, world->ledger.messages[record->message].id);
    record->ended = record->excused = true;
    provider_forget(call);
    events->done(argument, NULL);
}

void provider_begin_calls(struct process *process) {
    struct world *world = process->world;
    for (struct call *call = process->calls, *next; call != NULL; call = next) {
        next = call->next;
        bool in_time = world->boot_ms - provider_record(call)->begun_ms < PROVIDER_MS;
        if (!call->made && in_time && (world->settling || !random_chance(&world->random, SLOW_PERCENT))) {
            provider_begin(call);
        }
    }
}

// ---- They end

static int provider_status(enum outcome_class class) {
    return class == OUTCOME_SENT           ? 201
           : class == OUTCOME_RATE_LIMITED ? 429
           : class == OUTCOME_CREDENTIALS  ? 401
           : class == OUTCOME_REFUSED      ? 403
           : class == OUTCOME_REJECTED     ? 400
           : class == OUTCOME_SERVER_ERROR ? 500
                                           : 0;
}

static void provider_end(struct call *call) {
    struct world *world = call->process->world;
    struct provider_call *record = provider_record(call);
    const struct call_events *events = call->events;
    void *argument = call->argument;
    int64_t took_ms = world->boot_ms - record->begun_ms;
    enum outcome_class class = call->made ? call->answer : OUTCOME_TIMEOUT;
    if (took_ms > PROVIDER_MS && random_chance(&world->random, 50)) {
        class = OUTCOME_INTERRUPTED;
    }
    struct outcome outcome = {
        .class = class,
        .http_status = provider_status(class),
        .latency_us = took_ms * 1000,
        .started_ms = world_host_ms(world) - took_ms,
        .retry_after_ms =
            class == OUTCOME_RATE_LIMITED ? random_within(&world->random, 1, 3) * 1000 : -1, // 3 s are cut
    };
    record->ended = true;
    world_say(world, "the provider's answer to %s for %s: %s", call->process->name,
              world->ledger.messages[record->message].id, outcome_name(class));
    provider_forget(call);
    events->done(argument, &outcome);
}

void provider_end_calls(struct process *process) {
    struct world *world = process->world;
    bool any = false;
    for (struct call *call = process->calls, *next; call != NULL; call = next) {
        next = call->next;
        bool over = call->made || world->boot_ms - provider_record(call)->begun_ms >= PROVIDER_MS;
        if (over && !(any && random_chance(&world->random, 60))) {
            any = true;
            provider_end(call);
        }
    }
}
