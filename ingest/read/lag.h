// SPDX-License-Identifier: MIT
#ifndef INGEST_READ_LAG_H
#define INGEST_READ_LAG_H

#include <stddef.h>
#include <stdint.h>

// How far a read server is behind its primary: for how long it has lacked something that the primary had committed.
// Both say which transactions they have seen the end of; what the primary has said is kept until the other one has it.

enum { LAG_MARKS = 32 };

struct lag {
    struct lag_mark {
        int64_t position; // ingest/read/sql/position.sql
        int64_t asked_ms; // when the primary was asked, on any clock that never jumps
    } marks[LAG_MARKS];   // that the read server has not reached, the oldest first; of zeros at first
    size_t count;
};

// The primary, asked then, had come so far.
void lag_mark(struct lag *lag, int64_t position, int64_t asked_ms);
// The read server has come so far.
void lag_reach(struct lag *lag, int64_t position);
// Since when it has lacked something, in ms: at most that much, give or take the time between two questions. 0: it has
// all that is known of.
int64_t lag_ms(const struct lag *lag, int64_t now_ms);
// The primary is another one.
void lag_forget(struct lag *lag);

#endif
