// SPDX-License-Identifier: MIT
//
// What a dispatcher asks Redis and is answered tells what it holds, and whether it was told what it may be told.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/protocol/process_private.h"
#include "tests/protocol/wire.h"
#include "tests/support/reply.h"

// Where the words of a call stand: FCALL, the function, how many keys, the keys, the arguments (redis/messaging.lua).
enum {
    CLAIM_MOST = 8,
    FENCED_ENTRY = 6, // of renew and give_back
    ADMIT_FIRST = 11,
    ADMIT_WORDS = 8,
    SETTLE_FIRST = 15,
    SETTLE_WORDS = 11,
    RECORD_EPOCH = 4,
    RECORD_PROBE,
    RECORD_RESULT,
    RECORD_PAUSE = 8,
    RECORD_ACCEPTED = 15,
    RECORD_SENDER = 17,
};

static int64_t word_int(const struct command *command, int index) {
    return strtoll(command_word(command, index), NULL, 10);
}

// ---- What is held

struct held *witness_find(struct process *process, const char *entry) {
    for (int i = 0; i < MOST_HELD; i++) {
        if (strcmp(process->held[i].entry, entry) == 0) {
            return &process->held[i];
        }
    }
    return NULL;
}

static void let_go(struct process *process, const char *entry) {
    struct held *held = witness_find(process, entry);
    if (held != NULL) {
        *held->entry = '\0';
    }
}

static void hold(struct process *process, const struct pending *pending, const char *entry, int count,
                 const redisReply *fields) {
    struct held *held = witness_find(process, entry);
    world_say(process->world, "%s has entry %s, %s, count %d", process->name, entry, reply_field(fields, "id"), count);
    bool is_unread = event_kind_of(reply_field(fields, "k")) == EVENT_UNREAD;
    if (!is_unread && ledger_find(&process->world->ledger, reply_field(fields, "id")) < 0) {
        world_breach(process->world, AUDIT_TOKEN, "an entry of a message that nobody sent: %s",
                     reply_field(fields, "id"));
        return;
    }
    if (held == NULL) {
        held = witness_find(process, "");
        if (held == NULL) {
            fprintf(stderr, "a process holds more entries than the checker provides for\n");
            abort();
        }
        *held = (struct held){.call = -1, .hit = pending->hit};
        snprintf(held->entry, sizeof held->entry, "%s", entry);
    } // else its group was made again: the same work under a new delivery
    held->count = count;
    held->dated_ms = pending->sent_ms;
}

void witness_disconnected(struct process *process) {
    for (int i = 0; i < MOST_HELD; i++) {
        if (process->held[i].call < 0) {
            *process->held[i].entry = '\0';
        }
    }
}

static void read_delivered(struct process *process, const struct pending *pending) {
    const redisReply *reply = pending->reply;
    const redisReply *entries = reply->type == REDIS_REPLY_ARRAY ? reply->element[0]->element[1] : NULL;
    for (size_t i = 0; entries != NULL && i < entries->elements; i++) {
        hold(process, pending, reply_text(entries->element[i], 0), 1, entries->element[i]->element[1]);
    }
}

static void claim_delivered(struct process *process, const struct pending *pending) {
    for (size_t i = 0; i < pending->reply->elements; i++) {
        const redisReply *entry = pending->reply->element[i];
        hold(process, pending, reply_text(entry, 0), (int)reply_int(entry, 1), entry->element[2]);
    }
}

static void renew_delivered(struct process *process, const struct pending *pending) {
    const char *entry = command_word(&pending->command, FENCED_ENTRY);
    struct held *held = witness_find(process, entry);
    world_say(process->world, "%s renews entry %s: %s", process->name, entry, reply_text(pending->reply, 0));
    if (strcmp(reply_text(pending->reply, 0), "OK") != 0) {
        let_go(process, entry);
    } else if (held != NULL) {
        held->dated_ms = pending->sent_ms;
        held->hit = pending->hit; // it is this one's, Redis says
    }
}

void witness_delivered(struct process *process, const struct pending *pending) {
    const struct command *command = &pending->command;
    if (pending->reply->type == REDIS_REPLY_ERROR || !process->program->dispatches) {
        return;
    }
    if (strcmp(command_word(command, 0), "XREADGROUP") == 0) {
        read_delivered(process, pending);
    } else if (command_calls(command, LIBRARY_CLAIM)) {
        claim_delivered(process, pending);
    } else if (command_calls(command, LIBRARY_RENEW)) {
        renew_delivered(process, pending);
    }
}

// ---- Claims

// An entry that another holds by now was this one's: its lease must have run out, or a fault was there.
static void check_steal(struct process *process, const char *entry, int count) {
    struct world *world = process->world;
    for (int i = 0; i < ACTORS; i++) {
        struct process *other = world->dispatchers[i];
        struct held *held = other == process ? NULL : witness_find(other, entry);
        if (held == NULL || held->hit || held->count + 1 != count) {
            continue;
        }
        if (world->boot_ms - held->dated_ms < CLAIM_MS && !world->failed_over) {
            world_breach(world, AUDIT_STEAL, "%s takes entry %s from %s after %lld ms", process->name, entry,
                         other->name, (long long)(world->boot_ms - held->dated_ms));
        }
        if (held->call >= 0) {
            world->ledger.calls[held->call].excused = true;
        }
    }
}

static bool is_known(const struct command *command, const char *entry) {
    for (int i = CLAIM_MOST + 1; i < command->count; i++) {
        if (strcmp(command_word(command, i), entry) == 0) {
            return true;
        }
    }
    return false;
}

// A claim that had room for more has left nothing that was given back, but for what its dispatcher holds already.
static void check_returned(struct process *process, const struct command *command, int room) {
    struct command question = command_of("XPENDING", KEY_OUTBOUND, GROUP_D, "-", "+", "1", ".returned", NULL);
    redisReply *reply = wire_ask(process->world, &question);
    const char *entry = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 ? reply_text(reply->element[0], 0) : "";
    if (*entry != '\0' && !is_known(command, entry)) {
        world_breach(process->world, AUDIT_RETURNED, "a claim with room for %d more leaves entry %s", room, entry);
    }
    freeReplyObject(reply);
}

static void check_claim(struct process *process, const struct command *command, const redisReply *reply) {
    int room = (int)word_int(command, CLAIM_MOST) - (int)reply->elements;
    for (size_t i = 0; i < reply->elements; i++) {
        check_steal(process, reply_text(reply->element[i], 0), (int)reply_int(reply->element[i], 1));
    }
    if (room > 0) {
        check_returned(process, command, room);
    }
}

// ---- The breaker

static void check_wait(struct process *process, const redisReply *reply) {
    const char *why = reply_text(reply, 2);
    int64_t wait_ms = strcmp(reply_text(reply, 0), "NO") == 0 ? reply_int(reply, 1) : 0;
    int64_t most = strcmp(why, "paused") == 0 ? MAX_PAUSE_MS : strcmp(why, "open") == 0 ? OPEN_MS : PROBE_LEASE_MS;
    world_say(process->world, "%s asked the breaker: %s", process->name, reply_text(reply, 0));
    if (wait_ms > most) {
        world_breach(process->world, AUDIT_WAIT, "\"%s\" is to be waited for %lld ms", why, (long long)wait_ms);
    }
}

// What breaker_record is to be measured by: how things were before it.
struct before {
    int64_t epoch;
    bool cause_held;
    char counts[sizeof((struct seen *)NULL)->counts];
    unsigned told_held;
    int64_t told_since_ms;
};

static void note_pause(struct world *world, int64_t asked_ms) {
    int64_t pause_ms = asked_ms < MAX_PAUSE_MS ? asked_ms : MAX_PAUSE_MS;
    if (world->boot_ms >= world->paused_until_ms) {
        world->paused_from_ms = world->boot_ms;
    }
    if (world->boot_ms + pause_ms > world->paused_until_ms) {
        world->paused_until_ms = world->boot_ms + pause_ms;
    }
}

static void note_good_probe(struct world *world, const struct command *command) {
    int64_t epoch = word_int(command, RECORD_EPOCH);
    bool good = *command_word(command, RECORD_PROBE) != '\0' && strcmp(command_word(command, RECORD_RESULT), "ok") == 0;
    if (!good || epoch < world->good_probes_epoch) {
        return;
    }
    world->good_probes = world->good_probes_epoch == epoch ? world->good_probes + 1 : 1;
    world->good_probes_epoch = epoch;
}

void witness_noted(struct process *process, const struct pending *pending) {
    if (command_calls(&pending->command, LIBRARY_BREAKER_RECORD)) {
        note_good_probe(process->world, &pending->command);
    }
}

// Since when the first of the held ones is, and whether that is long enough, is known but for jumps of the clock.
static void check_held_told(struct world *world, const struct before *before, const char *sender,
                            const redisReply *reply) {
    int held = __builtin_popcount(before->told_held | 1u << (*sender - 'a'));
    int64_t since_ms = before->told_held != 0 ? before->told_since_ms : world->boot_ms;
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

static void check_recorded(struct process *process, const struct command *command, const struct before *before,
                           const redisReply *reply) {
    struct world *world = process->world;
    const char *result = command_word(command, RECORD_RESULT), *sender = command_word(command, RECORD_SENDER);
    int64_t epoch = word_int(command, RECORD_EPOCH);
    bool stale = reply_int(reply, 2) != 0;
    world_say(world, "%s records %s of epoch %lld%s%s: %s", process->name, result, (long long)epoch,
              *sender ? ", sender " : "", sender, reply_text(reply, 0));
    if (word_int(command, RECORD_PAUSE) > 0) {
        note_pause(world, word_int(command, RECORD_PAUSE));
    }
    if (epoch != before->epoch && strcmp(before->counts, world->seen.counts) != 0) {
        world_breach(world, AUDIT_EPOCH, "a result of epoch %lld changed the breaker of epoch %lld", (long long)epoch,
                     (long long)before->epoch);
    }
    if (world->seen.paused_ms > world->wall_ms + MAX_PAUSE_MS) {
        world_breach(world, AUDIT_WAIT, "it is paused for %lld ms",
                     (long long)(world->seen.paused_ms - world->wall_ms));
    }
    if (strcmp(result, "refused") == 0 && before->cause_held && !stale && strcmp(reply_text(reply, 0), "open") != 0) {
        world_breach(world, AUDIT_HELD_OPEN, "a probe was refused, held senders had opened it, and it is %s",
                     reply_text(reply, 0));
    }
    if (word_int(command, RECORD_ACCEPTED) > 0 && world->seen.told_held != 0) {
        world_breach(world, AUDIT_HELD_OPEN, "a success has not made it forget who was held");
    }
    if (strcmp(result, "held") == 0) {
        check_held_told(world, before, sender, reply);
    }
}

// ---- Admissions and settlements

static void check_admitted(struct process *process, const struct command *command,
                           const struct seen_hold holds[SENDERS], const redisReply *reply) {
    struct world *world = process->world;
    for (size_t i = 0; i < reply->elements; i++) {
        int first = ADMIT_FIRST + ADMIT_WORDS * (int)i;
        const char *entry = command_word(command, first);
        int sender = command_word(command, first + 4)[0] - 'a';
        const struct seen_hold *hold = &holds[sender];
        const redisReply *verdict = reply->element[i];
        bool go = strcmp(reply_text(verdict, 0), "GO") == 0;
        struct held *held = witness_find(process, entry);
        world_say(world, "%s asks whether entry %s may be called: %s", process->name, entry, reply_text(verdict, 0));
        if (!go) {
            let_go(process, entry);
        } else if (held != NULL) {
            held->of_a_hold = world->seen.holds[sender].held;
            held->admitted_ms = world->boot_ms;
        }
        if (go && hold->held && world->wall_ms < hold->until_ms && hold->until_ms <= world->wall_ms + HOLD_MS) {
            world_breach(world, AUDIT_HELD, "sender %c is held, and its message may be called", 'a' + sender);
        }
        if (verdict->type == REDIS_REPLY_ARRAY && reply_int(verdict, 1) > HOLD_MS + 10000) {
            world_breach(world, AUDIT_WAIT, "a held one waits for %lld ms", (long long)reply_int(verdict, 1));
        }
    }
}

static void check_settled(struct process *process, const struct command *command, const redisReply *reply) {
    struct world *world = process->world;
    for (size_t i = 0; i < reply->elements; i++) {
        int first = SETTLE_FIRST + SETTLE_WORDS * (int)i;
        const char *entry = command_word(command, first), *decided = command_word(command, first + 5);
        const redisReply *answer = reply->element[i];
        const char *verdict = reply_text(answer, 0);
        struct held *held = witness_find(process, entry);
        world_say(world, "%s settles %s, entry %s, count %s: %s: %s", process->name, command_word(command, first + 2),
                  entry, command_word(command, first + 1), decided, verdict);
        if (answer->type == REDIS_REPLY_ERROR) {
            world_breach(world, AUDIT_ERROR, "settle: %s", verdict);
        }
        bool again = strcmp(verdict, "PARKED") == 0 || (strcmp(decided, "retry") == 0 && strcmp(verdict, "OK") == 0);
        if (again) {
            receipts_check_settled(world, ledger_find(&world->ledger, command_word(command, first + 2)));
        }
        if (held != NULL && held->call >= 0 && (strcmp(verdict, "OK") == 0 || answer->type == REDIS_REPLY_ARRAY)) {
            world->ledger.calls[held->call].settled = true;
        }
        let_go(process, entry);
        if (strcmp(decided, "sent") == 0 && strcmp(verdict, "LOST") == 0) {
            world_breach(world, AUDIT_ATTEMPT, "%s was sent, and nobody knows", command_word(command, first + 2));
        }
    }
}

static void check_unparked(struct process *process, const struct pending *pending, const redisReply *reply) {
    struct world *world = process->world;
    if (*reply_text(reply, 3) != '\0') {
        world_breach(world, AUDIT_ERROR, "unpark: %s", reply_text(reply, 3));
    }
    turns_check_unpark(world, &pending->command, pending->sent_ms);
}

static void check_given_back(struct process *process, const struct command *command, const redisReply *reply) {
    const char *entry = command_word(command, FENCED_ENTRY);
    world_say(process->world, "%s gives entry %s back: %s", process->name, entry, reply_text(reply, 0));
    let_go(process, entry);
}

// ---- All of them

static void check_error(struct process *process, const struct command *command, const redisReply *reply) {
    if (strstr(reply->str, "NOGROUP") == NULL && strstr(reply->str, "BUSYGROUP") == NULL &&
        !wire_lacks_library(reply)) {
        world_breach(process->world, AUDIT_ERROR, "%s %s: %s", command_word(command, 0), command_word(command, 1),
                     reply->str);
    }
}

redisReply *witness_run(struct process *process, struct pending *pending) {
    struct world *world = process->world;
    const struct command *command = &pending->command;
    struct before before = {.epoch = world->seen.epoch,
                            .cause_held = world->seen.cause_held,
                            .told_held = world->seen.told_held,
                            .told_since_ms = world->seen.told_since_ms};
    struct seen_hold holds[SENDERS];
    memcpy(before.counts, world->seen.counts, sizeof before.counts);
    memcpy(holds, world->seen.holds, sizeof holds);
    witness_noted(process, pending);
    redisReply *reply = wire_run(world, command);
    if (reply->type == REDIS_REPLY_ERROR) {
        check_error(process, command, reply);
    } else if (!process->program->dispatches) {
        return reply;
    } else if (command_calls(command, LIBRARY_CLAIM)) {
        check_claim(process, command, reply);
    } else if (command_calls(command, LIBRARY_BREAKER_PROBE)) {
        check_wait(process, reply);
    } else if (command_calls(command, LIBRARY_BREAKER_RECORD)) {
        check_recorded(process, command, &before, reply);
    } else if (command_calls(command, LIBRARY_ADMIT)) {
        check_admitted(process, command, holds, reply);
    } else if (command_calls(command, LIBRARY_SETTLE)) {
        check_settled(process, command, reply);
    } else if (command_calls(command, LIBRARY_UNPARK)) {
        check_unparked(process, pending, reply);
    } else if (command_calls(command, LIBRARY_GIVE_BACK)) {
        check_given_back(process, command, reply);
    }
    return reply;
}
