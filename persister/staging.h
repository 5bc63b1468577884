// SPDX-License-Identifier: MIT
#ifndef PERSISTER_STAGING_H
#define PERSISTER_STAGING_H

#include <stddef.h>
#include <stdint.h>

#include "persister/event.h"
#include "shared/base/buf.h"

// Rows of the temporary table `staging` (sql/staging.sql) in COPY's text format: columns apart by tabs, \N for NULL,
// one line a row.

struct staging_row {
    size_t position;  // of the entry in its batch
    unsigned slot;    // this persister's row of `totals`, 0 to 15
    int64_t mark;     // by which it is known; positive
    int64_t taken_us; // when Redis took the entry, µs since 1970: a message's accepted_at
};

// An entry that can't be recorded, for the dead letters.
struct staging_poison {
    const char *provider; // the stream's
    const char *stream;
    const char *entry_id;
    const char *reason;
    const char *entry; // its fields as JSON
    int64_t failed_ms; // ms since 1970
};

// Appends one line.
void staging_event(struct buf *out, const struct staging_row *row, const struct event *event);
void staging_poison(struct buf *out, const struct staging_row *row, const struct staging_poison *poison);

#endif
