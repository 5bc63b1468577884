// SPDX-License-Identifier: MIT
#include "tests/protocol/world.h"

#include <stdarg.h>
#include <stdio.h>

bool world_has(const struct world *world, enum fault_switch on) {
    return world->plant != NULL && world->plant->on == on;
}

void world_breach(struct world *world, enum audit audit, const char *format, ...) {
    if (world->breach != AUDIT_NONE) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(world->breach_text, sizeof world->breach_text, format, arguments);
    va_end(arguments);
    world->breach = audit;
}

void world_say(struct world *world, const char *format, ...) {
    if (world->trace == NULL) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    buf_puts(world->trace, "  ");
    buf_vprintf(world->trace, format, arguments);
    buf_putc(world->trace, '\n');
    va_end(arguments);
}

bool world_may(const struct world *world, enum fault fault) {
    return !world->settling && (world->classes & (1u << fault)) != 0;
}

void world_inject(struct world *world, enum fault fault) {
    world->injected[fault]++;
}

const char *fault_name(enum fault fault) {
    static const char *const names[FAULT_COUNT] = {
        [FAULT_KILL] = "kill",
        [FAULT_LOST] = "lost reply",
        [FAULT_DELAYED] = "command run after its client had gone",
        [FAULT_STOP] = "stop",
        [FAULT_DESTROY] = "XGROUP DESTROY",
        [FAULT_DELCONSUMER] = "DELCONSUMER",
        [FAULT_FLUSH] = "FUNCTION FLUSH",
        [FAULT_JUMP] = "clock jump",
        [FAULT_EXPIRY] = "expiry of an idempotency key",
        [FAULT_POSTGRES] = "lost commit",
        [FAULT_FAILOVER] = "fail-over to a stale snapshot",
        [FAULT_SPOIL] = "damage to what waits",
        [FAULT_KEYS] = "loss of a key of turns",
    };
    return names[fault];
}

int64_t world_host_ms(const struct world *world) {
    return BEGIN_MS + world->boot_ms - BOOT_MS;
}

void world_run_id(const struct world *world, char out[RUN_ID_SIZE]) {
    snprintf(out, RUN_ID_SIZE, "run%d", world->redis_run);
}

const char *audit_name(enum audit audit) {
    static const char *const names[AUDIT_COUNT] = {
        [AUDIT_NONE] = "none",
        [AUDIT_PARKED] = "what waits has a time, a place",
        [AUDIT_BALANCE] = "outbound + parked + held + scheduled = accepted + replayed - final",
        [AUDIT_TOKEN] = "each token is in one place, and as it should be",
        [AUDIT_OUTCOME] = "one final a generation, calls without gaps",
        [AUDIT_ACCEPT] = "accept answers what it may",
        [AUDIT_DOUBLED] = "one message an Idempotency-Key",
        [AUDIT_STEAL] = "nothing is taken from one whose lease runs",
        [AUDIT_RETURNED] = "what was given back goes to the next who claims",
        [AUDIT_AFTER_FINAL] = "no call begun after its final settle",
        [AUDIT_REPEAT] = "repeated calls are explained by faults",
        [AUDIT_PAUSE] = "no call inside a pause",
        [AUDIT_OPEN] = "no call through an open breaker",
        [AUDIT_RATE] = "no more calls than the rate allows",
        [AUDIT_PROBES] = "at most three live probes, after a pause that was cut one",
        [AUDIT_CLOSED] = "it closes by so many good probes and nothing else",
        [AUDIT_WAIT] = "no wait is believed longer than it could be",
        [AUDIT_REFUSED] = "a refusal fails only after another success",
        [AUDIT_HELD] = "a held sender has one probe",
        [AUDIT_HELD_OPEN] = "held senders open it, and a success forgets them",
        [AUDIT_EPOCH] = "epochs only grow, results of another epoch don't count",
        [AUDIT_SPREAD] = "XLEN = pending + undelivered",
        [AUDIT_TURN] = "one of a conversation has the turn, and has not ended",
        [AUDIT_ORDER] = "calls of a conversation in the order of acceptance",
        [AUDIT_LET_GO] = "the clock lets go in time, and nobody before",
        [AUDIT_OPEN_CLOCK] = "the clock of turns stands while nothing may be called",
        [AUDIT_SCHEDULED] = "what is scheduled begins at its time",
        [AUDIT_CANCEL] = "a cancel takes what waits, once, and nothing is called after it",
        [AUDIT_RECONCILE] = "reconcile replays nothing that has a token",
        [AUDIT_STORED] = "each 202 stored once with its content, nothing else",
        [AUDIT_UNREAD] = "each unreadable webhook is kept once, within the bound, and is one message at most",
        [AUDIT_RECEIPT] = "each receipt is recorded, the right one stands, and what was delivered is called no more",
        [AUDIT_OPT_OUT] = "who has opted out is called no more, and is known to all",
        [AUDIT_ERASED] = "what was erased is gone, and nothing else",
        [AUDIT_STATUS] = "every status final and right, with its dead letter",
        [AUDIT_ATTEMPT] = "every outcome recorded",
        [AUDIT_LEFT] = "nothing left in streams, pending, parked",
        [AUDIT_ERROR] = "no unexpected error of Redis",
    };
    return names[audit];
}
