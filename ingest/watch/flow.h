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
    FLOW_REDIS_UNREADABLE,
    FLOW_REDIS_WRITES,
    FLOW_REDIS_MEMORY,
    FLOW_PARTITIONS_MISSING,
    FLOW_NO_INGEST,
    FLOW_BACKLOG_FULL,
    FLOW_WAIT_FAILING,
    // nothing is sent
    FLOW_NO_DISPATCHER,
    FLOW_BREAKER_OPEN,
    FLOW_PAUSED,
    FLOW_REFUSED,
    FLOW_OUTBOUND_STUCK,
    FLOW_RETRIES_OVERDUE,
    // nothing is recorded
    FLOW_NO_PERSISTER,
    FLOW_POSTGRES_AWAY,
    FLOW_POSTGRES_REFUSED,
    FLOW_PERSISTER_REPEATS,
    FLOW_EVENTS_STUCK,
    FLOW_NEWER_FORMAT,
    FLOW_REPLAYS_STUCK,
    FLOW_NOT_DURABLE,
    FLOW_SENDERS_HELD,
    FLOW_OTHER, // what a newer release reports
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
    size_t notes; // of them; the rest keeps something from flowing
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
    int64_t memory_pct;              // REDIS_MEMORY_PCT
};

// To be freed by flow_free.
void flow_judge(const struct flow_view *view, struct flow *out);
void flow_free(struct flow *flow);
bool flow_has(const struct flow *flow, enum flow_code code, int provider);

// "outbound_stuck": a process reports by it (heartbeat_trouble), alerts select by it.
const char *flow_code_name(enum flow_code code);
// One line for people.
const char *flow_code_help(enum flow_code code);
// Whether it keeps nothing from flowing but what it is about, and is worth a word all the same.
bool flow_code_is_note(enum flow_code code);
// Whether each provider has a state of its own.
bool flow_code_is_of_provider(enum flow_code code);

// Appends `"troubles":[…],"notes":[…]`, members of an object that is open.
void flow_write_members(const struct flow *flow, struct buf *out);
// "83 s", "3 min": for sentences. ms >= 0.
void flow_write_age(int64_t ms, struct buf *out);

#endif
