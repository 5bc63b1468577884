// SPDX-License-Identifier: MIT
//
// The calls of a dispatcher: the provider, and what is said to the breaker and settled when they end.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/protocol/actors.h"
#include "tests/protocol/audit.h"
#include "tests/protocol/wire.h"
#include "tests/support/reply.h"

enum { MOST_IN_ROUND = 3 };

// ---- The provider

static enum result answer(struct world *world, int sender) {
    static const enum result bad[] = {RESULT_ERROR, RESULT_TIMEOUT, RESULT_ERROR, RESULT_CREDENTIALS};
    static const enum result good[] = {RESULT_LIMITED, RESULT_REJECTED, RESULT_ERROR, RESULT_TIMEOUT, RESULT_LIMITED};
    if (world->settling) {
        return RESULT_SENT;
    }
    if ((world->refuses_all || world->refuses[sender]) && random_chance(&world->random, 90)) {
        return RESULT_REFUSED;
    }
    if (!world->healthy && random_chance(&world->random, 85)) {
        return bad[random_below(&world->random, 4)];
    }
    return random_chance(&world->random, 60) ? RESULT_SENT : good[random_below(&world->random, 5)];
}

void call_begin(struct world *world, struct lease *lease) {
    struct ledger *ledger = &world->ledger;
    audit_call(world, lease);
    lease->result = answer(world, lease->message % SENDERS);
    lease->called_ms = world->wall_ms;
    lease->pause_ms =
        lease->result == RESULT_LIMITED ? random_within(&world->random, 1, 3) * 1000 : 0; // the longest is cut
    lease->state = LEASE_CALLING;
    lease->record = -1;
    world_say(world, "the provider is called for %s, generation %d, call %d%s", ledger->messages[lease->message].id,
              lease->generation, lease->call, *lease->probe ? " (a probe)" : "");
    if (ledger->call_count < MOST_CALLS) {
        struct provider_call *call = &ledger->calls[ledger->call_count];
        *call = (struct provider_call){.message = lease->message,
                                       .generation = lease->generation,
                                       .number = lease->call,
                                       .begun_ms = world->boot_ms,
                                       .dated_ms = lease->dated_ms,
                                       .probe = *lease->probe != '\0',
                                       .accepted = lease->result == RESULT_SENT,
                                       .of_a_hold = lease->of_a_hold,
                                       .excused = lease->hit};
        snprintf(call->epoch, sizeof call->epoch, "%s", lease->epoch);
        lease->record = ledger->call_count++;
    }
    lease->admitted = lease->of_a_hold = false;
}

// ---- dispatcher/retry.c

struct decision {
    const char *verdict, *breaker;
    bool free;
    int delay_ms;
};

static struct decision decide(struct world *world, const struct lease *lease) {
    static const struct decision rules[] = {
        [RESULT_SENT] = {"sent", "ok", true, 0},           [RESULT_LIMITED] = {"retry", "none", true, 0},
        [RESULT_TIMEOUT] = {"retry", "fail", false, 0},    [RESULT_ERROR] = {"retry", "fail", false, 0},
        [RESULT_CREDENTIALS] = {"retry", "trip", true, 0}, [RESULT_REFUSED] = {"refused", "refused", true, 0},
        [RESULT_REJECTED] = {"failed", "ok", false, 0},    [RESULT_EXPIRED] = {"failed", "none", true, 0},
    };
    struct decision decision = rules[lease->result];
    decision.free = decision.free || *lease->probe;
    bool waits = strcmp(decision.verdict, "retry") == 0 || lease->result == RESULT_REFUSED;
    bool says = *lease->probe || lease->result == RESULT_REJECTED || lease->result == RESULT_SENT ||
                lease->result == RESULT_CREDENTIALS || (strcmp(decision.breaker, "fail") == 0 && lease->call == 1);
    decision.breaker = says ? decision.breaker : "none";
    bool last = !decision.free && lease->spent + 1 >= MOST_SPENT;
    if (waits && (last || lease_age_ms(world, lease) >= DEADLINE_MS)) {
        decision.verdict = "failed";
    } else if (waits) {
        int pause_ms = lease->pause_ms > MAX_PAUSE_MS ? MAX_PAUSE_MS + 500 : lease->pause_ms;
        decision.delay_ms = pause_ms > 0 ? pause_ms : random_below(&world->random, LONGEST_PARKED_MS);
    }
    return decision;
}

// ---- dispatcher/settle.c

static struct command record_command(const struct lease *lease, const char *result, const char *sender) {
    struct command command = command_function(LIBRARY_BREAKER_RECORD, 1);
    command_text(&command, KEY_BREAKER);
    command_text(&command, lease->epoch);
    command_text(&command, *sender ? "" : lease->probe);
    command_text(&command, result);
    command_int(&command, 1);
    command_int(&command, *sender ? 0 : lease->pause_ms);
    command_int(&command, THRESHOLD);
    command_int(&command, OPEN_MS);
    command_int(&command, PROBES);
    command_text(&command, "because");
    command_int(&command, PROBE_LEASE_MS);
    command_int(&command, MAX_PAUSE_MS);
    command_int(&command, !*sender && lease->result == RESULT_SENT ? lease->called_ms : 0);
    command_int(&command, HELD_OPEN);
    command_text(&command, sender);
    return command;
}

static void check_record(struct world *world, const struct lease *lease, int64_t epoch, const char *before) {
    char was[EPOCH_SIZE];
    snprintf(was, sizeof was, "%lld", (long long)epoch);
    if (strcmp(was, lease->epoch) != 0 && strcmp(before, world->seen.counts) != 0) {
        world_breach(world, AUDIT_EPOCH, "a result of epoch %s changed the breaker of epoch %s", lease->epoch, was);
    }
}

static void note_pause(struct world *world, int pause_ms) {
    if (world->boot_ms >= world->paused_until_ms) {
        world->paused_from_ms = world->boot_ms;
    }
    if (world->boot_ms + pause_ms > world->paused_until_ms) {
        world->paused_until_ms = world->boot_ms + pause_ms;
    }
}

// A good probe is counted when it is sent: it may have been recorded though its reply was lost.
static void note_good_probe(struct world *world, const struct lease *lease, const char *result) {
    int64_t epoch = strtoll(lease->epoch, NULL, 10);
    if (*lease->probe == '\0' || strcmp(result, "ok") != 0) {
        return;
    }
    world->good_probes = world->good_probes_epoch == epoch ? world->good_probes + 1 : 1;
    world->good_probes_epoch = epoch;
}

static void check_recorded(struct world *world, const struct lease *lease, const char *result, bool was_held,
                           const redisReply *reply) {
    bool stale = reply_int(reply, 2) != 0;
    if (world->seen.paused_ms > world->wall_ms + MAX_PAUSE_MS) {
        world_breach(world, AUDIT_WAIT, "it is paused for %lld ms",
                     (long long)(world->seen.paused_ms - world->wall_ms));
    }
    if (strcmp(result, "refused") == 0 && was_held && !stale && strcmp(reply_text(reply, 0), "open") != 0) {
        world_breach(world, AUDIT_HELD_OPEN, "a probe was refused, held senders had opened it, and it is %s",
                     reply_text(reply, 0));
    }
    if (lease->result == RESULT_SENT && world->seen.told_held != 0) {
        world_breach(world, AUDIT_HELD_OPEN, "a success has not made it forget who was held");
    }
}

// Since when the first of the held ones is, and whether that is long enough, is known but for jumps of the clock.
static void check_held_told(struct world *world, int held, int64_t since_ms, const redisReply *reply) {
    bool opened = *reply_text(reply, 1) != '\0', stale = reply_int(reply, 2) != 0;
    bool is_open = strcmp(reply_text(reply, 0), "open") == 0;
    bool long_enough = world->boot_ms - since_ms >= HELD_FOR_MS || world->jumped || world->failed_over;
    if (opened && (held < HELD_OPEN || !world->seen.cause_held || !long_enough)) {
        world_breach(world, AUDIT_HELD_OPEN, "%d held senders have opened it after %lld ms", held,
                     (long long)(world->boot_ms - since_ms));
    } else if (!opened && !stale && !is_open && held >= HELD_OPEN && world->boot_ms - since_ms >= HELD_FOR_MS &&
               !world->jumped && !world->failed_over) {
        world_breach(world, AUDIT_HELD_OPEN, "%d held senders have not opened it", held);
    }
}

// A sender is held by what was settled, or still is.
static void tell_held(struct world *world, struct dispatcher *dispatcher, int message, const char *epoch) {
    struct lease lease = {.message = message};
    unsigned before = world->seen.told_held;
    int held = __builtin_popcount(before | 1u << message % SENDERS);
    int64_t since_ms = before != 0 ? world->seen.told_since_ms : world->boot_ms;
    snprintf(lease.epoch, sizeof lease.epoch, "%s", epoch);
    struct command command = record_command(&lease, "held", sender_of(message));
    redisReply *reply = wire_function(world, &dispatcher->link, &command);
    if (reply == NULL) {
        return;
    }
    world_say(world, "%s says that sender %s is held: %s", dispatcher->link.name, sender_of(message),
              reply_text(reply, 0));
    check_held_told(world, held, since_ms, reply);
    if (reply_int(reply, 5) > 0) {
        dispatcher->told = message + 1;
        snprintf(dispatcher->told_epoch, EPOCH_SIZE, "%s", epoch);
    }
    freeReplyObject(reply);
}

static void record_held(struct world *world, struct dispatcher *dispatcher, struct lease *lease) {
    lease->holds = false;
    tell_held(world, dispatcher, lease->message, lease->epoch);
}

// As breaker_tick.
void call_tell_again(struct world *world, struct dispatcher *dispatcher) {
    int message = dispatcher->told - 1;
    char epoch[EPOCH_SIZE];
    if (message < 0 || !dispatcher->link.up) {
        return;
    }
    snprintf(epoch, sizeof epoch, "%s", dispatcher->told_epoch);
    dispatcher->told = 0;
    tell_held(world, dispatcher, message, epoch);
}

static void record(struct world *world, struct dispatcher *dispatcher, struct lease *lease) {
    struct decision decision = decide(world, lease);
    bool says = strcmp(decision.breaker, "none") != 0 || lease->pause_ms > 0 || *lease->probe;
    if (lease->recorded || !says) {
        return;
    }
    struct command command = record_command(lease, decision.breaker, "");
    int64_t epoch = world->seen.epoch;
    bool was_held = world->seen.cause_held;
    note_good_probe(world, lease, decision.breaker);
    char before[sizeof world->seen.counts];
    snprintf(before, sizeof before, "%s", world->seen.counts);
    redisReply *reply = wire_function(world, &dispatcher->link, &command);
    if (reply != NULL && lease->pause_ms > 0) {
        note_pause(world, lease->pause_ms < MAX_PAUSE_MS ? lease->pause_ms : MAX_PAUSE_MS);
    }
    if (reply != NULL) {
        check_record(world, lease, epoch, before);
        check_recorded(world, lease, decision.breaker, was_held, reply);
        dispatcher->accepted_ms = strtoll(reply_text(reply, 3), NULL, 10);
        world_say(world, "%s records %s of epoch %s: %s", dispatcher->link.name, decision.breaker, lease->epoch,
                  reply_text(reply, 0));
        freeReplyObject(reply);
    }
}

// Leases that one call settles.
struct round {
    struct lease *leases[MOST_IN_ROUND];
    struct decision decisions[MOST_IN_ROUND];
    int count;
};

static struct command settle_command(const struct world *world, const struct dispatcher *dispatcher,
                                     const struct round *round) {
    struct command command = command_function(LIBRARY_SETTLE, 8);
    const char *words[] = {KEY_OUTBOUND,   KEY_EVENTS,       KEY_PARKED,           KEY_DUE, KEY_REFUSED, KEY_SENDERS,
                           KEY_SENDERS_AT, KEY_HELD_SENDERS, dispatcher->link.name};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        command_text(&command, words[i]);
    }
    command_int(&command, dispatcher->accepted_ms);
    command_int(&command, HOLD_AT);
    command_int(&command, HOLD_MS);
    for (int i = 0; i < round->count; i++) {
        const struct lease *lease = round->leases[i];
        command_text(&command, lease->entry);
        command_int(&command, lease->count);
        command_text(&command, world->ledger.messages[lease->message].id);
        command_int(&command, lease->generation);
        command_int(&command, lease->call);
        command_text(&command, round->decisions[i].verdict);
        command_int(&command, round->decisions[i].delay_ms);
        command_int(&command, round->decisions[i].free);
        command_text(&command, sender_of(lease->message));
        command_text(&command, strcmp(round->decisions[i].verdict, "refused") == 0 ? "refused" : "{}");
    }
    return command;
}

static void take_verdict(struct world *world, struct dispatcher *dispatcher, struct lease *lease, const char *decided,
                         const redisReply *reply) {
    const char *verdict = reply_text(reply, 0);
    const char *id = world->ledger.messages[lease->message].id;
    world_say(world, "%s settles %s, entry %s, count %d: %s: %s", dispatcher->link.name, id, lease->entry, lease->count,
              decided, verdict);
    if (reply->type == REDIS_REPLY_ARRAY && reply_int(reply, 1) > 0) {
        dispatcher->held[lease->message % SENDERS] = true;
        lease->holds = reply_int(reply, 1) == 1;
    }
    if (lease->record >= 0 && (strcmp(verdict, "OK") == 0 || reply->type == REDIS_REPLY_ARRAY)) {
        world->ledger.calls[lease->record].settled = true;
    }
    if (lease->result == RESULT_SENT && strcmp(verdict, "LOST") == 0) {
        world_breach(world, AUDIT_ATTEMPT, "%s was sent, and nobody knows", id);
    }
    lease->state = LEASE_FREE;
}

static void settle(struct world *world, struct dispatcher *dispatcher, const struct round *round) {
    struct command command = settle_command(world, dispatcher, round);
    if (!dispatcher->link.up) {
        wire_send_behind(world, &dispatcher->link, &command);
        return;
    }
    redisReply *reply = wire_function(world, &dispatcher->link, &command);
    if (reply == NULL) {
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR && !wire_lacks_library(reply)) {
        world_breach(world, AUDIT_ERROR, "settle: %s", reply->str);
    }
    for (int i = 0; i < round->count && reply->type != REDIS_REPLY_ERROR; i++) {
        take_verdict(world, dispatcher, round->leases[i], round->decisions[i].verdict, reply->element[i]);
    }
    freeReplyObject(reply);
    for (int i = 0; i < round->count; i++) {
        if (round->leases[i]->holds && dispatcher->link.up) {
            record_held(world, dispatcher, round->leases[i]);
        }
    }
}

// The most that one call takes varies, so that one turn has one call and several.
static void settle_all(struct world *world, struct dispatcher *dispatcher) {
    int most = random_within(&world->random, 1, MOST_IN_ROUND);
    struct round round = {.count = 0};
    for (int i = 0; i < LEASES && world->breach == AUDIT_NONE; i++) {
        struct lease *lease = &dispatcher->leases[i];
        if (lease->state == LEASE_FINISHED) {
            round.decisions[round.count] = decide(world, lease);
            round.leases[round.count++] = lease;
        }
        if (round.count == most || (i == LEASES - 1 && round.count > 0)) {
            settle(world, dispatcher, &round);
            round.count = 0;
        }
    }
}

static bool has_finished(const struct dispatcher *dispatcher) {
    for (int i = 0; i < LEASES; i++) {
        if (dispatcher->leases[i].state == LEASE_FINISHED) {
            return true;
        }
    }
    return false;
}

// All records leave before the first settlement; all travel as one pipeline. Replies come in the order of the commands,
// so one that is still to be looked at comes first: an entry that it brings once more is one that is held.
void call_settle(struct world *world, struct dispatcher *dispatcher) {
    if (!dispatcher->link.up || !has_finished(dispatcher)) {
        return;
    }
    dispatcher_catch_up(world, dispatcher);
    if (!dispatcher->link.up) {
        return;
    }
    for (int i = 0; i < LEASES; i++) {
        struct lease *lease = &dispatcher->leases[i];
        if (lease->state == LEASE_FINISHED) {
            if (dispatcher->link.up) {
                record(world, dispatcher, lease);
            }
            lease->recorded = true;
        }
    }
    settle_all(world, dispatcher);
    if (!dispatcher->link.up) {
        dispatcher_drop(world, dispatcher);
    }
}

// One or more calls come back in one turn.
void call_end(struct world *world, struct dispatcher *dispatcher) {
    bool any = false;
    for (int i = 0; i < LEASES; i++) {
        struct lease *lease = &dispatcher->leases[i];
        if (lease->state != LEASE_CALLING || (any && random_chance(&world->random, 60))) {
            continue;
        }
        any = true;
        lease->state = LEASE_FINISHED;
        lease->recorded = false;
        if (lease->record >= 0) {
            world->ledger.calls[lease->record].ended = true;
        }
        if (lease->pause_ms > 0 || lease->result == RESULT_CREDENTIALS) { // at once: the record is still to come
            dispatcher->grant.kind = dispatcher->grant.kind == GRANT_GO ? GRANT_NONE : dispatcher->grant.kind;
        }
    }
    if (any) {
        call_settle(world, dispatcher);
    }
}
