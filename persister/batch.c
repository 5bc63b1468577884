// SPDX-License-Identifier: MIT
#include "persister/batch.h"

#include <stdlib.h>
#include <string.h>

#include "persister/staging.h"
#include "shared/base/clock.h"
#include "shared/base/crypto.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/message/identify.h"

#define MARK_BITS 40 // random ones, so that the marks of a million rows fit into 63

struct batch_queue {
    size_t max_entries, max_bytes;
    unsigned slot;
    const struct phone_region *region;
    struct batch *head, *tail;
    size_t entries, bytes; // that wait in all batches
    uint64_t dice;         // of the marks
};

struct batch_queue *batch_queue_create(size_t max_entries, size_t max_bytes, unsigned slot,
                                       const struct phone_region *region) {
    struct batch_queue *queue = xcalloc(1, sizeof *queue);
    *queue = (struct batch_queue){.max_entries = max_entries, .max_bytes = max_bytes, .slot = slot, .region = region};
    crypto_random(&queue->dice, sizeof queue->dice);
    return queue;
}

void batch_queue_destroy(struct batch_queue *queue) {
    if (queue == NULL) {
        return;
    }
    for (struct batch *batch; (batch = batch_queue_take(queue)) != NULL;) {
        batch_free(batch);
    }
    free(queue);
}

static size_t batch_bytes(const struct batch *batch) {
    return batch->lines.length + batch->packed.length;
}

static struct batch *open_batch(struct batch_queue *queue) {
    struct batch *tail = queue->tail;
    if (tail != NULL && tail->count < queue->max_entries && batch_bytes(tail) < queue->max_bytes) {
        return tail;
    }
    struct batch *batch = xcalloc(1, sizeof *batch);
    batch->entries = xcalloc(queue->max_entries, sizeof *batch->entries);
    buf_putc(&batch->requests, '\0'); // so that 0 is nobody's place
    if (tail == NULL) {
        queue->head = batch;
    } else {
        tail->next = batch;
    }
    queue->tail = batch;
    return batch;
}

// Steele, Lea and Flood's SplitMix64 (OOPSLA 2014): no two persisters, nor one that was started again, mark alike.
static int64_t new_mark(struct batch_queue *queue) {
    uint64_t mixed = queue->dice += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (int64_t)((mixed ^ (mixed >> 31)) >> (64 - MARK_BITS));
}

static void log_event_read(const struct batch_stream *stream, const char *id, const struct event *event) {
    struct log_line *line = log_begin(LOG_DEBUG, "event_read");
    log_str(line, "stream", stream->name);
    log_str(line, "entry", id);
    log_str(line, "message_id", event->id);
    if (event->kind == EVENT_MESSAGE) {
        log_str(line, "request_id", event->message.request_id);
        log_str(line, "traceparent", event->message.traceparent);
    }
    log_end(line);
}

static void log_poison(const struct batch_stream *stream, const char *id, const char *reason) {
    struct log_line *line = log_begin(LOG_WARN, "poison");
    log_str(line, "stream", stream->name);
    log_str(line, "entry", id);
    log_str(line, "reason", reason);
    log_end(line);
}

static void put_poison(struct buf *out, const struct staging_row *row, const struct batch_stream *stream,
                       const char *id, const char *reason, const char *packed, size_t length) {
    struct buf json = {0};
    event_json(packed, length, &json);
    staging_poison(out, row,
                   &(struct staging_poison){.provider = stream->provider,
                                            .stream = stream->name,
                                            .entry_id = id,
                                            .reason = reason,
                                            .entry = json.data,
                                            .failed_ms = clock_unix_ms()});
    buf_free(&json);
    log_poison(stream, id, reason);
}

const char *batch_what_name(enum batch_what what) {
    static const char *const names[] = {
        [BATCH_POISON] = "poison",           [BATCH_ACCEPTED] = "accepted",
        [BATCH_RECEIVED] = "received",       [BATCH_SENT] = "sent",
        [BATCH_FAILED] = "failed",           [BATCH_RETRYING] = "retrying",
        [BATCH_REPLAYED] = "replayed",       [BATCH_UNREAD] = "unread",
        [BATCH_REREAD] = "reread",           [BATCH_DELIVERED] = "delivered",
        [BATCH_UNDELIVERED] = "undelivered", [BATCH_OPT_OUT] = "optout",
        [BATCH_CANCELLED] = "cancelled",     [BATCH_ERASE] = "erase",
    };
    return names[what];
}

static enum batch_what what_happened(const struct event *event) {
    static const enum batch_what verdicts[] = {[VERDICT_SENT] = BATCH_SENT,
                                               [VERDICT_FAILED] = BATCH_FAILED,
                                               [VERDICT_RETRY] = BATCH_RETRYING,
                                               [VERDICT_CANCELLED] = BATCH_CANCELLED};
    switch (event->kind) {
    case EVENT_MESSAGE:
        return event->message.direction == MESSAGE_INBOUND ? BATCH_RECEIVED : BATCH_ACCEPTED;
    case EVENT_OUTCOME:
        return verdicts[event->verdict];
    case EVENT_REPLAYED:
        break;
    case EVENT_UNREAD:
        return BATCH_UNREAD;
    case EVENT_REREAD:
        return BATCH_REREAD;
    case EVENT_RECEIPT:
        return event->receipt.status == RECEIPT_DELIVERED ? BATCH_DELIVERED : BATCH_UNDELIVERED;
    case EVENT_OPT_OUT:
        return BATCH_OPT_OUT;
    case EVENT_ERASE:
        return BATCH_ERASE;
    }
    return BATCH_REPLAYED;
}

static void keep_request_id(struct batch *batch, struct batch_entry *entry, const struct event *event) {
    const char *id = event->kind == EVENT_UNREAD ? event->unread.request_id : event->message.request_id;
    if (id != NULL) {
        entry->request = batch->requests.length;
        buf_append(&batch->requests, id, strlen(id) + 1);
    }
}

const char *batch_request_id(const struct batch *batch, const struct batch_entry *entry) {
    return entry->request == 0 ? "" : batch->requests.data + entry->request;
}

static void batch_append(struct batch_queue *queue, const struct batch_entry *head, const struct event *event,
                         const char *reason, const struct buf *packed) {
    struct batch *batch = open_batch(queue);
    struct staging_row row = {batch->count, queue->slot, new_mark(queue), entry_taken_us(head->id)};
    size_t before = batch_bytes(batch);
    struct batch_entry *entry = &batch->entries[batch->count++];
    *entry = *head;
    entry->mark = row.mark;
    entry->line = batch->lines.length;
    entry->packed = batch->packed.length;
    buf_append(&batch->packed, packed->data, packed->length);
    if (reason == NULL) {
        memcpy(entry->message_id, event->id, sizeof entry->message_id);
        entry->what = what_happened(event);
        keep_request_id(batch, entry, event);
        staging_event(&batch->lines, &row, event);
        log_event_read(head->stream, head->id, event);
    } else {
        put_poison(&batch->lines, &row, head->stream, head->id, reason, packed->data, packed->length);
    }
    queue->entries++;
    queue->bytes += batch_bytes(batch) - before;
}

// Another ingest may have accepted it by another region.
static void complete_pair(struct opt_out *opt_out, const struct phone_region *region) {
    enum channel channel = opt_out->provider == PROVIDER_EMAIL ? CHANNEL_EMAIL : CHANNEL_SMS;
    char *ours = identity_complete(channel, opt_out->our_address, region);
    char *theirs = identity_complete(channel, opt_out->their_address, region);
    free(opt_out->our_address);
    free(opt_out->their_address);
    opt_out->our_address = ours;
    opt_out->their_address = theirs;
}

// Of a conversation as the other persisters, and this one from now on, identify it.
static void complete_erasure(struct erasure *erasure, const struct phone_region *region) {
    char *one = identity_complete(erasure->channel, erasure->one, region);
    char *other = identity_complete(erasure->channel, erasure->other, region);
    free(erasure->one);
    free(erasure->other);
    erasure->one = one;
    erasure->other = other;
}

bool batch_queue_add(struct batch_queue *queue, const struct batch_stream *stream, uint64_t connection, const char *id,
                     const struct buf *packed) {
    struct batch_entry head = {.stream = stream, .connection = connection};
    strncpy(head.id, id, sizeof head.id - 1);
    struct event event;
    const char *reason = NULL;
    if (event_decode(packed->data, packed->length, &event, &reason) == EVENT_NEWER) {
        return false;
    }
    if (reason == NULL && event.kind == EVENT_MESSAGE && !message_is_identified(&event.message, queue->region)) {
        message_identify(&event.message, queue->region);
    } else if (reason == NULL && event.kind == EVENT_OPT_OUT) {
        complete_pair(&event.opt_out, queue->region);
    } else if (reason == NULL && event.kind == EVENT_ERASE) {
        complete_erasure(&event.erasure, queue->region);
    }
    batch_append(queue, &head, &event, reason, packed);
    event_free(&event);
    return true;
}

bool batch_queue_has_room(const struct batch_queue *queue) {
    return queue->entries < queue->max_entries && queue->bytes < queue->max_bytes;
}

bool batch_queue_is_half_full(const struct batch_queue *queue) {
    return queue->entries >= queue->max_entries / 2 || queue->bytes >= queue->max_bytes / 2;
}

bool batch_queue_is_empty(const struct batch_queue *queue) {
    return queue->head == NULL;
}

struct batch *batch_queue_take(struct batch_queue *queue) {
    struct batch *batch = queue->head;
    if (batch == NULL) {
        return NULL;
    }
    queue->head = batch->next;
    if (queue->head == NULL) {
        queue->tail = NULL;
    }
    batch->next = NULL;
    queue->entries -= batch->count;
    queue->bytes -= batch_bytes(batch);
    return batch;
}

void batch_free(struct batch *batch) {
    if (batch == NULL) {
        return;
    }
    free(batch->entries);
    buf_free(&batch->lines);
    buf_free(&batch->packed);
    buf_free(&batch->requests);
    free(batch);
}

const char *batch_lines(const struct batch *batch, size_t first, size_t count, size_t *length) {
    size_t begin = batch->entries[first].line;
    size_t end = first + count < batch->count ? batch->entries[first + count].line : batch->lines.length;
    *length = end - begin;
    return batch->lines.data + begin;
}

int64_t batch_marks(const struct batch *batch, size_t first, size_t count) {
    int64_t sum = 0;
    for (size_t i = first; i < first + count; i++) {
        sum += batch->entries[i].mark;
    }
    return sum;
}

int64_t batch_poison_line(const struct batch *batch, size_t index, unsigned slot, const char *reason, struct buf *out) {
    const struct batch_entry *entry = &batch->entries[index];
    const struct staging_row row = {.position = index, .slot = slot, .mark = entry->mark + 1};
    size_t end = index + 1 < batch->count ? batch->entries[index + 1].packed : batch->packed.length;
    put_poison(out, &row, entry->stream, entry->id, reason, batch->packed.data + entry->packed, end - entry->packed);
    return row.mark;
}
