// SPDX-License-Identifier: MIT
#ifndef PERSISTER_BATCH_H
#define PERSISTER_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "persister/event.h"
#include "shared/base/buf.h"
#include "shared/base/uuid.h"
#include "shared/message/entry.h"

// What has been read and isn't recorded yet: a queue of batches, filled at its tail by the consumers, taken at its head
// by the writer. A batch is kept as it will be sent: the lines of COPY one after the other, so that any run of entries
// is one run of bytes.

// Where entries come from; outlives them.
struct batch_stream {
    const char *name;     // "events:{sms-mms:0}"
    const char *provider; // "sms-mms"
    void *consumer;       // who acknowledges them
};

// What an entry tells.
enum batch_what {
    BATCH_POISON, // nothing that can be read
    BATCH_ACCEPTED,
    BATCH_RECEIVED,
    BATCH_SENT,
    BATCH_FAILED,
    BATCH_RETRYING,
    BATCH_CANCELLED,
    BATCH_REPLAYED,
    BATCH_UNREAD,
    BATCH_REREAD,
    BATCH_DELIVERED,
    BATCH_UNDELIVERED,
    BATCH_OPT_OUT,
    BATCH_ERASE,
};

struct batch_entry {
    const struct batch_stream *stream;
    uint64_t connection; // the number of the one that read it
    char id[ENTRY_ID_SIZE];
    char message_id[UUID_TEXT_SIZE]; // "" where the entry is about none
    enum batch_what what;
    size_t request; // where the X-Request-Id of its message begins in requests; 0: it has none
    int64_t mark;   // of its line, random
    size_t line;    // where its line begins in lines
    size_t packed;  // where its fields begin in packed
};

struct batch {
    struct batch_entry *entries;
    size_t count;
    struct buf lines;  // staging.h
    struct buf packed; // event_pack
    struct buf requests;
    struct batch *next;
};

struct batch_queue;

// max_entries and max_bytes bound one batch; slot is this persister's row of `totals`; by region, PHONE_REGION's, what
// an entry of an older release or another region has is identified anew (shared/message/identify.h).
struct batch_queue *batch_queue_create(size_t max_entries, size_t max_bytes, unsigned slot,
                                       const struct phone_region *region);
void batch_queue_destroy(struct batch_queue *queue);
// Appends an entry, decoded; one that can't be understood becomes a dead letter's line. packed: its fields as
// event_pack wrote them, id: the entry's. Returns false where it is of a newer format: it was not taken and is to be
// given back.
bool batch_queue_add(struct batch_queue *queue, const struct batch_stream *stream, uint64_t connection, const char *id,
                     const struct buf *packed) MUST_CHECK;
// Whether less than one full batch waits: consumers read on only while it does, which bounds memory.
bool batch_queue_has_room(const struct batch_queue *queue);
// Whether so much waits that a batch of it costs as little an entry as a full one.
bool batch_queue_is_half_full(const struct batch_queue *queue);
bool batch_queue_is_empty(const struct batch_queue *queue);
// The oldest batch, owned by the caller; NULL when none waits.
struct batch *batch_queue_take(struct batch_queue *queue);

void batch_free(struct batch *batch);
// "accepted", "retrying", …: as the log and the feed say it.
const char *batch_what_name(enum batch_what what);
// The X-Request-Id that an entry's message came with; "" where it has none.
const char *batch_request_id(const struct batch *batch, const struct batch_entry *entry);
// The lines of `count` entries from `first` on.
const char *batch_lines(const struct batch *batch, size_t first, size_t count, size_t *length);
// The sum of the marks of these lines.
int64_t batch_marks(const struct batch *batch, size_t first, size_t count);
// Appends the line that makes entry `index` a dead letter; returns its mark, which is another than the entry's.
int64_t batch_poison_line(const struct batch *batch, size_t index, unsigned slot, const char *reason, struct buf *out);

#endif
