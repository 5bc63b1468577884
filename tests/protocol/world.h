// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_WORLD_H
#define TESTS_PROTOCOL_WORLD_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "tests/protocol/command.h"
#include "tests/protocol/erasures.h"
#include "tests/protocol/ledger.h"
#include "tests/protocol/postgres.h"
#include "tests/protocol/random.h"
#include "tests/protocol/receipts.h"
#include "tests/protocol/turns.h"
#include "tests/protocol/unread.h"
#include "tests/protocol/words.h"

// Everything that one run is made of: the real Redis with the real library, the actors, and the bystander's ledger.

#define KEY_OUTBOUND "outbound:{sms-mms:0}"
#define KEY_EVENTS "events:{sms-mms:0}"
#define KEY_PARKED "parked:{sms-mms:0}"
#define KEY_DUE "parked-due:{sms-mms:0}"
#define KEY_REFUSED "refused:{sms-mms:0}"
#define KEY_SENDERS "senders:{sms-mms:0}"
#define KEY_SENDERS_AT "senders-at:{sms-mms:0}"
#define KEY_HELD_SENDERS "held-senders:{sms-mms:0}"
#define KEY_TURN "turn:{sms-mms:0}"
#define KEY_HELD "held:{sms-mms:0}"
#define KEY_HELD_ORDER "held-order:{sms-mms:0}"
#define KEY_HELD_DUE "held-due:{sms-mms:0}"
#define KEY_OPEN_MS "open-ms:{sms-mms:0}"
#define KEY_SCHEDULED "scheduled:{sms-mms:0}"
#define KEY_SCHEDULED_DUE "scheduled-due:{sms-mms:0}"
#define KEY_SCHEDULED_BYTES "scheduled-bytes:{sms-mms:0}"
#define KEY_OPT_OUTS "optouts:{sms-mms:0}"
#define KEY_OTHER_OPT_OUTS "optouts:{sms-mms:1}" // of a partition in which nothing else happens
#define KEY_OTHER_EVENTS "events:{sms-mms:1}"
#define KEY_ERASED "erased:{sms-mms:0}"
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
    ORDER_WAIT_MS = 1000,       // ORDER_MAX_WAIT_SECS
    OPEN_MS_BEGIN = 1000000000, // the open clock when a run begins
    LOOK_MS = 1000,             // so old may be what a dispatcher knows of whether it may call
    RATE = 2,                   // PROVIDER_SMS_PER_SECOND of those runs that have one
    GRANT_MS = 100,             // how long a grant lasts, as redis/messaging.lua has it
    RAMP_MS = 10000,            // likewise
    MOST_SPENT = 3,             // API_WORKER_MAX_RETRIES
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
    FAULT_SPOIL, // what waits: its payload, its time, its name
    FAULT_KEYS,  // a key of turns or of what is scheduled is gone
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
    AUDIT_RATE,        // more calls than the provider's rate allows
    AUDIT_PROBES,      // more than three live probes, or more than one after a pause that was cut
    AUDIT_CLOSED,      // a breaker that closed without so many good probes
    AUDIT_WAIT,        // a wait longer than any may be
    AUDIT_REFUSED,     // a refused message failed, and nothing else was accepted since
    AUDIT_HELD,        // a call of a held sender that is not its one probe
    AUDIT_HELD_OPEN,   // held senders that opened the breaker or didn't, against the rule
    AUDIT_EPOCH,       // an epoch that shrank, or a result of another epoch that counted
    AUDIT_SPREAD,      // XLEN = pending + undelivered
    AUDIT_TURN,        // one of a conversation has the turn, it hasn't ended, and who waits has a time
    AUDIT_ORDER,       // the first call of a message before the end of the one before it
    AUDIT_LET_GO,      // a turn that went on by the clock too early, or not
    AUDIT_OPEN_CLOCK,  // the clock of turns: it stands while nothing may be called
    AUDIT_SCHEDULED,   // what is scheduled begins at its time
    AUDIT_CANCEL,      // a cancel takes what waits and nothing else, and no call begins after it
    AUDIT_RECONCILE,   // a replay of what had a token
    AUDIT_STORED,      // each 202 exactly once, with its content; nothing that was refused
    AUDIT_UNREAD,      // webhooks that are no messages: kept once, within the bound, a row each, one message each
    AUDIT_RECEIPT,     // receipts: each recorded once, the right one stands, what was delivered is called no more
    AUDIT_OPT_OUT,     // who has opted out is called no more, in any partition, and is known at last to all
    AUDIT_ERASED,      // what was erased is called no more and nothing of it is left; what is newer stays
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
    SWITCH_NO_RATE,          // a grant of so many calls is good for any number
    SWITCH_OLD_ADMISSION,    // a held sender's message that was admitted may be called at any time
    SWITCH_LAST_WRITER,      // Postgres keeps the last status that came
    SWITCH_FIRST_RECEIPT,    // Postgres keeps the earliest receipt
    SWITCH_NO_RECEIPT_TIME,  // Postgres keeps the last receipt that came
    SWITCH_OPEN_LETTER,      // a receipt closes no dead letter
    SWITCH_NO_SAID_TIME,     // the persister forgets when the provider says that it happened
    SWITCH_ONE_PARTITION,    // ingest writes who opts out into one partition only
    SWITCH_NEW_WORD,         // what comes again says so as of now
    SWITCH_CALL_UNFILLED,    // the dispatcher calls before it is known who has opted out
    SWITCH_ASK_NOBODY,       // the dispatcher calls whoever has opted out
    SWITCH_UNTOLD,           // the persister tells Redis nothing of a pair after its commit
    SWITCH_NO_DRAIN,         // reconcile looks for tokens once and doesn't wait for events
    SWITCH_MAY_CALL,         // the dispatcher says that it may call, whatever it knows
    SWITCH_ERASED_NOBODY,    // the dispatcher takes nobody for erased
    SWITCH_STORE_ERASED,     // Postgres stores what was accepted before it was erased, and comes later
    SWITCH_NO_TOMBSTONE,     // Postgres records what comes of an erased message
    SWITCH_NO_HELD,          // nor at who waits for a turn, or for its time
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
    bool knows_opt_outs; // the first partition: all who have opted out; the other one, too
    bool other_knows_opt_outs;
    int64_t unknown_since_ms; // of the processes' clock
    char counts[48];          // state, failures and successes, to see whether they change
    struct turns_seen turns;
    struct seen_turn turn[CONVERSATIONS];
    bool blocked;             // nothing may be called
    int64_t blocked_since_ms; // of the processes' clock
    bool pausing, open;
    int64_t pausing_since_ms, open_since_ms; // of the processes' clock
    int64_t closed_since_ms, closed_epoch;   // likewise, when it was closed last, and its epoch; 0: it always was
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

enum { BOOT_MS = 1000000, LEASES = 4, ACTORS = 2, RUN_ID_SIZE = 16 };

struct process;

enum reconcile_step {
    RECONCILE_IDLE,
    RECONCILE_SCHEDULED,
    RECONCILE_HELD,
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

// What was there to be audited, of all runs.
struct figures {
    long held, let_go, scheduled, cancelled, erased;
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
    int most_scheduled;   // SCHEDULED_MAX
    int format;           // that is written
    bool orders;          // DISPATCH_ORDER=conversation
    bool changes_order;   // and it changes
    bool changes_format;
    bool two_each; // conversations of a sender
    int step;
    bool settling;                           // faults are over
    bool alone;                              // one of each survives the faults
    bool paced;                              // the provider has a rate
    bool worded;                             // recipients opt out
    bool erases;                             // conversations are erased
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
    struct unread_body unread[MOST_UNREAD];
    int unread_count;
    struct receipts_book receipts;
    struct opt_words words;
    struct erasures_book erasures;
    bool sets_evicted; // one of who has opted out was
    bool turns_astray; // some of what turns are kept in was lost
    int recorded;      // tokens that began
    int entered;       // messages that came into their conversations
    int redis_run;     // which Redis it is: a fail-over goes to another
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
    struct figures figures;
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
// The run id of the Redis of now.
void world_run_id(const struct world *world, char out[RUN_ID_SIZE]);
// What an audit's breach means, in a few words.
const char *audit_name(enum audit audit);

#endif
