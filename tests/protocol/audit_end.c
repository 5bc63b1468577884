// SPDX-License-Identifier: MIT
//
// The audit of a run whose faults are over and in which everything has settled.

#include "tests/protocol/audit.h"
#include "tests/protocol/wire.h"

static void check_stored(struct world *world, int index) {
    const struct ledger_message *message = &world->ledger.messages[index];
    int stored = world->postgres.stored[index];
    if (stored == 0 && message->promised && !message->may_be_gone && !erasures_may_erase(world, index)) {
        world_breach(world, AUDIT_STORED, "%s got a 202 and is not stored", message->id);
    } else if (stored != 0 && !message->promised && !message->possible) {
        world_breach(world, AUDIT_STORED, "%s was refused and is stored", message->id);
    } else if (stored != 0 && stored != 1 + message->content) {
        world_breach(world, AUDIT_STORED, "%s is stored with another content", message->id);
    }
}

static bool has_open_dead_letter(const struct postgres *postgres, int index) {
    for (int generation = 0; generation < MOST_GENERATIONS; generation++) {
        const struct dead_letter *dead = &postgres->dead[index][generation];
        if (dead->exists && !dead->replayed) {
            return true;
        }
    }
    return false;
}

static bool was_sent(const struct postgres *postgres, int index) {
    for (int i = 0; i < postgres->attempt_count; i++) {
        if (postgres->attempts[i].message == index && postgres->attempts[i].verdict == VERDICT_SENT) {
            return true;
        }
    }
    return false;
}

// Unless it was sent by a call that was under way, or a fail-over took the cancel back.
static void check_cancelled(struct world *world, int index) {
    const struct ledger_message *message = &world->ledger.messages[index];
    const struct delivery *row = &world->postgres.deliveries[index];
    if (world->postgres.stored[index] == 0) {
        return;
    }
    if (message->cancelled && row->status != DELIVERY_CANCELLED && row->status != DELIVERY_SENT) {
        world_breach(world, AUDIT_CANCEL, "%s was cancelled, its status says otherwise", message->id);
    } else if (row->status == DELIVERY_CANCELLED && !message->asked_to_cancel && !erasures_may_erase(world, index)) {
        world_breach(world, AUDIT_CANCEL, "%s is cancelled, and nobody asked for it", message->id);
    }
}

static void check_status(struct world *world, int index) {
    const struct ledger_message *message = &world->ledger.messages[index];
    const struct delivery *row = &world->postgres.deliveries[index];
    bool failed = row->status == DELIVERY_FAILED, sent = was_sent(&world->postgres, index);
    if (message->webhook || world->postgres.stored[index] == 0) {
        return;
    }
    bool delivered = postgres_is_delivered(&world->postgres, index);
    if (!row->final && !delivered) {
        world_breach(world, AUDIT_STATUS, "%s has no final status", message->id);
    } else if (row->final && sent != (row->status == DELIVERY_SENT)) {
        world_breach(world, AUDIT_STATUS, "%s was %s, its status says otherwise", message->id,
                     sent ? "sent" : "not sent");
    } else if ((failed && !delivered) != has_open_dead_letter(&world->postgres, index)) {
        world_breach(world, AUDIT_STATUS, "%s %s", message->id,
                     failed && !delivered ? "has failed and has no dead letter"
                                          : "has arrived, or was sent or cancelled, and is a dead letter");
    }
}

static bool has_attempt(const struct postgres *postgres, const struct event *event) {
    for (int i = 0; i < postgres->attempt_count; i++) {
        const struct attempt_row *row = &postgres->attempts[i];
        if (row->message == event->message && row->generation == event->generation && row->call == event->call &&
            row->delivery == event->delivery && (row->verdict == VERDICT_SENT || event->verdict != VERDICT_SENT)) {
            return true;
        }
    }
    return false;
}

static void check_attempts(struct world *world) {
    const struct ledger *ledger = &world->ledger;
    for (int i = 0; i < ledger->outcome_count && !world->failed_over; i++) {
        if (!has_attempt(&world->postgres, &ledger->outcomes[i]) &&
            !erasures_may_erase(world, ledger->outcomes[i].message)) {
            world_breach(world, AUDIT_ATTEMPT, "call %d of %s was not recorded", ledger->outcomes[i].call,
                         ledger->messages[ledger->outcomes[i].message].id);
        }
    }
}

void audit_end(struct world *world) {
    wire_poll(world);
    if (world->seen.outbound + world->seen.parked + world->seen.due + world->seen.events > 0) {
        world_breach(world, AUDIT_LEFT, "%d wait, %d are parked, %d events are left", world->seen.outbound,
                     world->seen.parked, world->seen.events);
    }
    for (int i = 0; i < world->ledger.message_count; i++) {
        check_stored(world, i);
        check_status(world, i);
        check_cancelled(world, i);
    }
    check_attempts(world);
    turns_audit_end(world);
    unread_audit_end(world);
    receipts_audit_end(world);
    words_audit_end(world);
    erasures_audit_end(world);
    if (world->misnamed_met != world->misnamed && !world->failed_over) {
        world_breach(world, AUDIT_STORED, "%d names that are no token's were due, %d were kept as dead letters",
                     world->misnamed, world->misnamed_met);
    }
}
