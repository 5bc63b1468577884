// SPDX-License-Identifier: MIT
#include "persister/staging.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/base/rfc3339.h"
#include "shared/message/address.h"

// The columns come in the order of sql/staging.sql: what all kinds share, then the group of each kind, at last the
// mark. A kind fills its own group and leaves the others NULL.
#define MESSAGE_COLUMNS 13
#define OUTCOME_COLUMNS 10
#define POISON_COLUMNS 4

// Every column ends with a tab; end_line turns the last one into the line's end.
static void put_null(struct buf *out) {
    buf_append(out, "\\N\t", 3);
}

static void put_nulls(struct buf *out, int count) {
    for (int i = 0; i < count; i++) {
        put_null(out);
    }
}

// A backslash, tab, line feed or carriage return is escaped; every other byte stands for itself. NULL is SQL NULL.
static void staging_put_text(struct buf *out, const char *text) {
    if (text == NULL) {
        put_null(out);
        return;
    }
    for (;;) {
        size_t plain = strcspn(text, "\\\t\n\r");
        buf_append(out, text, plain);
        text += plain;
        if (*text == '\0') {
            break;
        }
        buf_putc(out, '\\');
        buf_putc(out, *text == '\t' ? 't' : *text == '\n' ? 'n' : *text == '\r' ? 'r' : '\\');
        text++;
    }
    buf_putc(out, '\t');
}

static void put_integer(struct buf *out, int64_t value) {
    buf_put_int(out, value);
    buf_putc(out, '\t');
}

static void put_time(struct buf *out, int64_t unix_ms) {
    char text[RFC3339_SIZE];
    rfc3339_format(unix_ms, text);
    staging_put_text(out, text);
}

static void staging_end_line(struct buf *out, const struct staging_row *row) {
    put_integer(out, row->mark);
    out->data[out->length - 1] = '\n';
}

static void put_row(struct buf *out, const struct staging_row *row, const char *kind) {
    put_integer(out, (int64_t)row->position);
    put_integer(out, row->slot);
    staging_put_text(out, kind);
}

static void put_attachments(struct buf *out, const struct message *message) {
    if (message->attachment_count == 0) {
        put_null(out);
        return;
    }
    struct buf json = {0};
    for (size_t i = 0; i < message->attachment_count; i++) {
        buf_putc(&json, i == 0 ? '[' : ',');
        json_write_string(&json, message->attachments[i]);
    }
    buf_putc(&json, ']');
    staging_put_text(out, json.data);
    buf_free(&json);
}

static void put_conversation(struct buf *out, const struct message *message) {
    enum channel channel = message_channel(message->type);
    bool ordered = strcmp(message->sender, message->recipient) <= 0;
    char *key = conversation_key(channel, message->sender, message->recipient);
    staging_put_text(out, channel_name(channel));
    staging_put_text(out, key);
    staging_put_text(out, ordered ? message->sender : message->recipient);
    staging_put_text(out, ordered ? message->recipient : message->sender);
    free(key);
}

static void put_message(struct buf *out, const struct message *message) {
    put_conversation(out, message);
    staging_put_text(out, message_direction_name(message->direction));
    staging_put_text(out, message_type_name(message->type));
    staging_put_text(out, message->from);
    staging_put_text(out, message->to);
    staging_put_text(out, message->body);
    put_attachments(out, message);
    put_time(out, message->occurred_ms);
    put_time(out, message->accepted_ms);
    staging_put_text(out, message->request_id == NULL ? "" : message->request_id);
}

static void put_outcome(struct buf *out, const struct event *event) {
    staging_put_text(out, attempt_verdict_name(event->verdict));
    put_integer(out, event->call);
    put_integer(out, event->delivery);
    if (event->due_ms < 0) {
        put_null(out);
    } else {
        put_time(out, event->due_ms);
    }
    staging_put_text(out, event->late ? "t" : "f");
    staging_put_text(out, event->attempt.outcome);
    put_integer(out, event->attempt.http_status);
    put_integer(out, event->attempt.latency_us);
    put_time(out, event->attempt.started_ms);
    staging_put_text(out, event->attempt.error);
}

static const char *kind_name(enum event_kind kind) {
    return kind == EVENT_MESSAGE ? "message" : kind == EVENT_OUTCOME ? "outcome" : "replayed";
}

// What all events have: id, generation, time, provider, provider_message_id.
static void put_event(struct buf *out, const struct event *event) {
    staging_put_text(out, event->id);
    put_integer(out, event->generation);
    put_time(out, event->at_ms);
    if (event->kind == EVENT_MESSAGE) {
        staging_put_text(out, provider_name(message_provider(event->message.type)));
        staging_put_text(out, event->message.provider_message_id);
    } else if (event->kind == EVENT_OUTCOME) {
        staging_put_text(out, provider_name(event->attempt.provider));
        staging_put_text(out, event->attempt.provider_message_id);
    } else {
        put_nulls(out, 2);
    }
}

void staging_event(struct buf *out, const struct staging_row *row, const struct event *event) {
    put_row(out, row, kind_name(event->kind));
    put_event(out, event);
    if (event->kind == EVENT_MESSAGE) {
        put_message(out, &event->message);
    } else {
        put_nulls(out, MESSAGE_COLUMNS);
    }
    if (event->kind == EVENT_OUTCOME) {
        put_outcome(out, event);
    } else {
        put_nulls(out, OUTCOME_COLUMNS);
    }
    put_nulls(out, POISON_COLUMNS);
    staging_end_line(out, row);
}

void staging_poison(struct buf *out, const struct staging_row *row, const struct staging_poison *poison) {
    put_row(out, row, "poison");
    put_null(out);
    put_integer(out, 0);
    put_time(out, poison->failed_ms);
    staging_put_text(out, poison->provider);
    put_nulls(out, 1 + MESSAGE_COLUMNS + OUTCOME_COLUMNS);
    staging_put_text(out, poison->stream);
    staging_put_text(out, poison->entry_id);
    staging_put_text(out, poison->reason);
    staging_put_text(out, poison->entry);
    staging_end_line(out, row);
}
