// SPDX-License-Identifier: MIT
#ifndef INGEST_WATCH_FLOW_H
#define INGEST_WATCH_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/watch/pipeline.h"
#include "shared/base/buf.h"
#include "shared/message/message.h"

// The one judgement of what doesn't flow: what /readyz, /metrics, the alerts, the console and bin/status.sh show. It
// looks at what was read and asks nobody; what could not be read is a trouble itself.

enum flow_code {
    // nothing can be accepted, or nobody knows
    FLOW_REDIS_UNREADABLE,   // Redis is away or refuses to be read, so nobody knows
    FLOW_REDIS_WRITES,       // Redis can't write to its disk, or refuses to write
    FLOW_REDIS_MEMORY,       // Redis's memory is so full that sends are refused
    FLOW_PARTITIONS_MISSING, // the set of partitions is lost, so nobody knows what waits
    FLOW_NO_INGEST,          // no ingest lives
    FLOW_BACKLOG_FULL,       // so much waits that sends are refused
    FLOW_SCHEDULED_FULL,     // so much is scheduled that sends for later are refused
    FLOW_WAIT_FAILING,       // Redis's replicas don't have what they should, so sends are refused
    // nothing is sent
    FLOW_NO_DISPATCHER,     // no dispatcher lives
    FLOW_BREAKER_OPEN,      // the provider isn't called: its breaker is open or half-open
    FLOW_PAUSED,            // the provider isn't called: a 429 has asked for a pause
    FLOW_REFUSED,           // the provider refuses what it is sent, and accepts nothing
    FLOW_OUTBOUND_STUCK,    // messages wait to be sent for too long
    FLOW_OPT_OUTS_UNKNOWN,  // nobody knows yet who has opted out, so nothing is called
    FLOW_RETRIES_OVERDUE,   // retries are due for too long
    FLOW_TURNS_OVERDUE,     // messages should have had their turns for too long
    FLOW_SCHEDULED_OVERDUE, // scheduled messages should have gone out for too long
    // nothing is recorded
    FLOW_NO_PERSISTER,      // no persister lives
    FLOW_POSTGRES_AWAY,     // ingest has no connection to Postgres
    FLOW_POSTGRES_REFUSED,  // a persister can't work with the Postgres that it is given
    FLOW_PERSISTER_REPEATS, // a persister repeats a batch that Postgres refuses
    FLOW_EVENTS_STUCK,      // events wait to be stored for too long
    FLOW_NEWER_FORMAT,      // entries of a newer release wait that this one can't read
    FLOW_REPLAYS_STUCK,     // a replay of many dead letters doesn't go on
    FLOW_NOT_DURABLE,       // Redis keeps no append-only file: what was accepted is lost with it
    FLOW_SENDERS_HELD,      // the provider refuses some senders, whose messages wait
    FLOW_PACED,             // messages wait long because their provider's rate is reached
    FLOW_SCHEDULED_FILLING, // as much is scheduled that soon no more will fit
    FLOW_READS_FALLEN_BACK, // an ingest reads from the primary, for DATABASE_READ_URL's server is away or far behind
    FLOW_REKEY_DUE,         // conversations were made by other rules or another PHONE_REGION: persister --rekey
    FLOW_RETENTION_BEHIND,  // what is deleted has been older than MESSAGE_RETENTION_DAYS for more than a day
    FLOW_OTHER,             // what a newer release reports
    FLOW_CODE_COUNT
};

struct flow_trouble {
    enum flow_code code;
    char word[PIPELINE_WORD_SIZE];    // the code's name, or the one that was reported
    int provider;                     // enum provider, or -1 where it concerns none or all
    int64_t for_ms;                   // since it began; -1: unknown
    char place[PIPELINE_MEMBER_SIZE]; // what it is about: a key in Redis, a process; may be ""
    char *text;                       // a sentence without its full stop, owned
};

struct flow {
    struct flow_trouble *troubles; // in the order of enum flow_code; owned
    size_t count;
    size_t notes;                               // of them; the rest keeps something from flowing
    int64_t max_scheduled, max_scheduled_bytes; // as it was judged by
    int64_t scheduled_pct[PROVIDER_COUNT];      // of that, in the fullest partition
};

// What it judges by.
struct flow_view {
    const struct pipeline *pipeline; // NULL where it could not be read
    const char *unreadable;          // why
    const char *redis_refuses;       // Redis's words when it refused to write; NULL: it doesn't
    const char *postgres_away;       // why there is no connection to Postgres; NULL: there is one
    int64_t replicas_missing;        // REDIS_WAIT_REPLICAS where fewer follow; 0: enough do
    int64_t max_age_ms;              // STATUS_MAX_AGE_SECS
    int64_t max_backlog;             // STREAM_MAX_BACKLOG
    int64_t max_scheduled;           // SCHEDULED_MAX
    int64_t max_scheduled_bytes;     // SCHEDULED_MAX_BYTES, or what it is by default; 0: no bound
    int64_t memory_pct;              // REDIS_MEMORY_PCT
    bool opt_out;                    // OPT_OUT
};

// To be freed by flow_free.
void flow_judge(const struct flow_view *view, struct flow *out);
void flow_free(struct flow *flow);
bool flow_has(const struct flow *flow, enum flow_code code, int provider);

// "outbound_stuck": a process reports by it (heartbeat_trouble), alerts select by it.
const char *flow_code_name(enum flow_code code);
// Whether it keeps nothing from flowing but what it is about, and is worth a word all the same.
bool flow_code_is_note(enum flow_code code);
// Whether each provider has a state of its own.
bool flow_code_is_of_provider(enum flow_code code);

// Appends `"troubles":[…],"notes":[…]`, members of an object that is open.
void flow_write_members(const struct flow *flow, struct buf *out);

#endif
