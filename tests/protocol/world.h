// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_WORLD_H
#define TESTS_PROTOCOL_WORLD_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "tests/protocol/command.h"
#include "tests/protocol/ledger.h"
#include "tests/protocol/postgres.h"
#include "tests/protocol/random.h"

// Everything that one run is made of: the real Redis with the real library, the actors, and the bystander's ledger.

#define KEY_OUTBOUND "outbound:{sms-mms:0}"
#define KEY_EVENTS "events:{sms-mms:0}"
#define KEY_PARKED "parked:{sms-mms:0}"
#define KEY_DUE "parked-due:{sms-mms:0}"
#define KEY_REFUSED "refused:{sms-mms:0}"
#define KEY_SENDERS "senders:{sms-mms:0}"
#define KEY_SENDERS_AT "senders-at:{sms-mms:0}"
#define KEY_HELD_SENDERS "held-senders:{sms-mms:0}"
#define KEY_BREAKER "breaker:{sms-mms}"
#define KEY_CLOCK "clock:{sms-mms:0}"
#define GROUP_D "dispatchers"
#define GROUP_P "persisters"

#define MISNAMED "no-number-" // and a number: what a fault puts among the times

#define BEGIN_MS 1700000000000LL // when a run begins, ms since 1970

// The settings of the processes, ms.
enum {
    CLAIM_MS = 10000, // API_WORKER_CLAIM_TIMEOUT_SECS: at least 2 * PROVIDER_MS + 2000
    PROVIDER_MS = 3000,
    REPLY_MS = 2000,   // REDIS_TIMEOUT_MS
    IDLE_SCALE = 1000, // of Redis's idle times: advance.lua
    THRESHOLD = 3,
    OPEN_MS = 2000,
    PROBES = 3,
    MAX_PAUSE_MS = 2000, // API_PROVIDER_MAX_PAUSE_SECS
    HOLD_AT = 2,         // API_SENDER_HOLD_MESSAGES
    HOLD_MS = 3000,      // API_SENDER_HOLD_SECS
    HELD_OPEN = 2,       // API_BREAKER_HELD_SENDERS
    HELD_FOR_MS = 2000,  // as redis/messaging.lua has it
    PROBE_LEASE_MS = PROVIDER_MS + 2000,
    MOST_SPENT = 3, // API_WORKER_MAX_RETRIES
    DEADLINE_MS = 72 * 3600 * 1000,
    LONGEST_PARKED_MS = 5000, // of a retry or a hold
    TTL_MS = 7200 * 1000,
};

enum fault {
    FAULT_KILL,
    FAULT_LOST,    // a reply that never comes: the command was run, or not
    FAULT_DELAYED, // the same, and the command is run later
    FAULT_STOP,
    FAULT_DESTROY,
    FAULT_DELCONSUMER,
    FAULT_FLUSH,
    FAULT_JUMP,
    FAULT_EXPIRY,
    FAULT_POSTGRES,
    FAULT_FAILOVER,
    FAULT_SPOIL, // what is parked: its payload, its time, its name
    FAULT_COUNT
};

// What a breach is about.
enum audit {
    AUDIT_NONE,
    AUDIT_PARKED,      // HLEN parked = ZCARD parked-due
    AUDIT_BALANCE,     // outbound + parked = accepted + replayed - final
    AUDIT_TOKEN,       // each live token is in one place, with the call and the attempts it should have
    AUDIT_OUTCOME,     // one final an (id, gen), calls without gaps
    AUDIT_ACCEPT,      // what accept may answer
    AUDIT_DOUBLED,     // two messages under one Idempotency-Key
    AUDIT_STEAL,       // an entry was taken from one whose lease ran
    AUDIT_RETURNED,    // what was given back goes to the next who claims
    AUDIT_AFTER_FINAL, // a call begun after its final settle
    AUDIT_REPEAT,      // a call made twice though nothing went wrong
    AUDIT_PAUSE,       // a call inside a pause
    AUDIT_OPEN,        // a call through an open breaker
    AUDIT_PROBES,      // more than three live probes, or more than one after a pause that was cut
    AUDIT_CLOSED,      // a breaker that closed without so many good probes
    AUDIT_WAIT,        // a wait longer than any may be
    AUDIT_REFUSED,     // a refused message failed, and nothing else was accepted since
    AUDIT_HELD,        // a call of a held sender that is not its one probe
    AUDIT_HELD_OPEN,   // held senders that opened the breaker or didn't, against the rule
    AUDIT_EPOCH,       // an epoch that shrank, or a result of another epoch that counted
    AUDIT_SPREAD,      // XLEN = pending + undelivered
    AUDIT_RECONCILE,   // a replay of what had a token
    AUDIT_STORED,      // each 202 exactly once, with its content; nothing that was refused
    AUDIT_STATUS,      // every status final and right, with its dead letter
    AUDIT_ATTEMPT,     // an outcome that was never recorded
    AUDIT_LEFT,        // something left in streams, pending or parked
    AUDIT_ERROR,       // an answer of Redis that nobody expects
    AUDIT_COUNT
};

// A planted fault: a text put in place of another in the library, or a switch in an actor.
enum fault_switch {
    SWITCH_NONE,
    SWITCH_ACK_FIRST,        // the persister acknowledges before it commits
    SWITCH_GROUP_AT_END,     // groups are made at `$`
    SWITCH_ACK_ANYWHERE,     // the persister acknowledges over a connection that didn't read
    SWITCH_NO_RENEWAL,       // the dispatcher calls however old its lease is
    SWITCH_LEASE_FROM_REPLY, // a lease dates from the reply to the read
    SWITCH_STEAL_EARLY,      // claims wait for no time-out
    SWITCH_SEND_TWICE,       // ingest repeats a call whose reply was lost
    SWITCH_OLD_GRANT,        // a GO lasts for ever
    SWITCH_OLD_PROBE,        // a probe that was granted may begin at any time
    SWITCH_OLD_ADMISSION,    // a held sender's message that was admitted may be called at any time
    SWITCH_LAST_WRITER,      // Postgres keeps the last status that came
    SWITCH_NO_DRAIN,         // reconcile looks for tokens once and doesn't wait for events
};

struct plant {
    const char *name;
    const char *from, *to; // NULL: a switch
    enum fault_switch on;
};

// A connection of an actor.
struct link {
    const char *name;
    bool up;
    int64_t up_since_ms;
    unsigned generation;
};

// Bytes in a socket whose client has gone.
enum { MOST_ZOMBIES = 8 };
struct zombie {
    struct command command;
    int64_t deadline_ms;        // an accept's, else 0
    struct process *dispatcher; // whose it was, or NULL
};

// Redis as the last poll saw it.
struct seen {
    int outbound, parked, due, events; // how many
    char event[ENTRY_SIZE];            // the last one
    char state[16];
    int64_t epoch, paused_ms;
    bool cut;              // a pause was
    bool cause_held;       // held senders opened it
    unsigned told_held;    // a bit for each field `held:`
    int64_t told_since_ms; // of the processes' clock, the first of them
    struct seen_hold {
        bool held;
        int64_t since_ms; // of the processes' clock
        int64_t until_ms;
    } holds[SENDERS];
    char counts[48]; // state, failures and successes, to see whether they change
    bool pausing, open;
    int64_t pausing_since_ms, open_since_ms; // of the processes' clock
};

// What a fail-over goes back to.
struct snapshot {
    bool taken;
    int step;
    redisReply *dump;
    struct token tokens[MOST_MESSAGES][MOST_GENERATIONS];
    int live;
    int key_tokens[MOST_KEYS];
    char event[ENTRY_SIZE];
    int64_t epoch;
};

enum { BOOT_MS = 1000000, LEASES = 4, ACTORS = 2 };

struct process;

enum reconcile_step {
    RECONCILE_IDLE,
    RECONCILE_PARKED,
    RECONCILE_OUTBOUND,
    RECONCILE_PARKED_AGAIN,
    RECONCILE_MARK,
    RECONCILE_DRAIN,
    RECONCILE_COMPARE,
    RECONCILE_REPLAY,
};

// As bin/reconcile.sh.
struct reconciler {
    struct link link;
    enum reconcile_step step;
    bool second_look;
    bool suspect[MOST_MESSAGES];
    struct delivery rows[MOST_MESSAGES]; // as they were at first
    char after[ENTRY_SIZE];              // outbound is read up to here
    char mark[ENTRY_SIZE];               // the last event at that time
    int replayed;                        // in this round
};

struct world {
    redisContext *redis;
    const struct plant *plant; // or NULL
    const char *library;
    bool has_library;     // Redis, as far as the checker knows: nobody else flushes it
    struct random random; // of the decision under way
    unsigned classes;     // of faults that this run may have, a bit each
    int64_t boot_ms;      // the processes' clock, which no one sets
    int64_t wall_ms;      // Redis's
    int cap;              // STREAM_MAX_BACKLOG
    int step;
    bool settling;                           // faults are over
    bool alone;                              // one of each survives the faults
    int64_t paused_from_ms, paused_until_ms; // for as long as the provider asked, from when Redis was told
    bool healthy;                            // the provider
    bool refuses_all;                        // it doesn't know our account
    bool refuses[SENDERS];                   // nor that sender
    int64_t good_probes_epoch;
    int good_probes; // that were recorded in that epoch
    bool failed_over, orphans, jumped;
    bool spoiled;               // a parked payload was lost, which reconcile takes for a lost token
    bool astray;                // something parked lost its time, or its payload: the two needn't be as many
    int misnamed, misnamed_met; // names that are no token's: put among the times; come out as poison
    int64_t jumped_at_ms;
    struct ledger ledger;
    struct postgres postgres;
    struct seen seen;
    struct snapshot snapshot;
    struct link ingest, replayer;
    struct process *dispatchers[ACTORS];
    struct process *persisters[ACTORS];
    struct reconciler reconciler;
    struct zombie zombies[MOST_ZOMBIES];
    int zombie_count;
    enum audit breach;
    char breach_text[256];
    struct buf *trace; // or NULL
    long injected[FAULT_COUNT];
    long commands;
};

bool world_has(const struct world *world, enum fault_switch on);
// Notes the first breach; the run ends with the decision under way.
void world_breach(struct world *world, enum audit audit, const char *format, ...) __attribute__((format(printf, 3, 4)));
// A line of the trace.
void world_say(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Whether this run may have such a fault, and now.
bool world_may(const struct world *world, enum fault fault);
void world_inject(struct world *world, enum fault fault);
const char *fault_name(enum fault fault);
// The time of day of the processes' hosts, which nobody sets: ms since 1970.
int64_t world_host_ms(const struct world *world);
// What an audit's breach means, in a few words.
const char *audit_name(enum audit audit);

#endif
