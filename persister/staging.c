// SPDX-License-Identifier: MIT
#include "persister/staging.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/base/rfc3339.h"
#include "shared/message/address.h"
#include "shared/message/message_id.h"
#include "shared/message/opt_out.h"

// The columns come in the order of sql/staging.sql: what all kinds share, then the group of each kind, at last the
// mark. A kind fills its own group and leaves the others NULL.
#define MESSAGE_COLUMNS 17
#define KEY_COLUMNS 4 // of those the first: of which conversation
#define OUTCOME_COLUMNS 10
#define WAITING_COLUMNS 2
#define POISON_COLUMNS 4
#define WEBHOOK_COLUMNS 9
#define RECEIPT_COLUMNS 4
#define OPT_OUT_COLUMNS 1
#define CLOCKS_APART_MS 2000 // as redis/messaging.lua has it

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

static void put_time_us(struct buf *out, int64_t unix_us) {
    char text[RFC3339_US_SIZE];
    rfc3339_format_us(unix_us, text);
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

// Returns whether `one` is its participant a.
static bool staging_put_key(struct buf *out, enum channel channel, const char *one, const char *other) {
    bool ordered = strcmp(one, other) <= 0;
    char *key = conversation_key(channel, one, other);
    staging_put_text(out, channel_name(channel));
    staging_put_text(out, key);
    staging_put_text(out, ordered ? one : other);
    staging_put_text(out, ordered ? other : one);
    free(key);
    return ordered;
}

static void put_conversation(struct buf *out, const struct message *message) {
    bool ordered = staging_put_key(out, message_channel(message->type), message->sender, message->recipient);
    staging_put_text(out, ordered ? "a" : "b");
}

static void put_erasure(struct buf *out, const struct erasure *erasure) {
    staging_put_key(out, erasure->channel, erasure->one, erasure->other);
    put_nulls(out, MESSAGE_COLUMNS - KEY_COLUMNS);
}

// The id that another release's ingest gave, or gives, this message; false where there is none.
static bool find_other_id(const struct event *event, struct uuid *out) {
    const struct message *message = &event->message;
    char former[UUID_TEXT_SIZE];
    if (message->direction == MESSAGE_OUTBOUND) {
        return false;
    }
    *out = message_id_former(message);
    uuid_format(out, former);
    if (strcmp(former, event->id) == 0) {
        struct message_pair pair;
        message_pair_of(message, &pair);
        *out = message_id_make(message, &pair);
        message_pair_free(&pair);
    }
    return true;
}

// A redelivery across an upgrade comes under the other one.
static void put_other_id(struct buf *out, const struct event *event) {
    struct uuid other;
    char text[UUID_TEXT_SIZE];
    if (!find_other_id(event, &other)) {
        put_null(out);
        return;
    }
    uuid_format(&other, text);
    staging_put_text(out, text);
}

// With several recipients, which of them is ours may have changed since the webhook came last, and so the last byte.
static void put_family(struct buf *out, const struct event *event) {
    struct uuid id;
    char text[UUID_TEXT_SIZE];
    if (!message_has_several_recipients(&event->message) || uuid_parse(event->id, &id) != 0) {
        put_null(out);
        return;
    }
    id.bytes[MESSAGE_ID_SHARD_BYTE] = 0;
    uuid_format(&id, text);
    staging_put_text(out, text);
}

static void put_message(struct buf *out, const struct staging_row *row, const struct event *event) {
    const struct message *message = &event->message;
    put_conversation(out, message);
    staging_put_text(out, message_direction_name(message->direction));
    staging_put_text(out, message_type_name(message->type));
    staging_put_text(out, message->from);
    staging_put_text(out, message->to);
    staging_put_text(out, message->subject);
    staging_put_text(out, message->body);
    put_attachments(out, message);
    put_time(out, message->occurred_ms);
    put_time_us(out, row->taken_us);
    staging_put_text(out, message->request_id == NULL ? "" : message->request_id);
    put_other_id(out, event);
    put_family(out, event);
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

static const char *state_name(enum event_state state) {
    static const char *const names[] = {
        [EVENT_STATE_QUEUED] = "queued", [EVENT_STATE_HELD] = "held", [EVENT_STATE_SCHEDULED] = "scheduled"};
    return names[state];
}

// What a send of ours waits for, and until when it was to wait.
static void put_waiting(struct buf *out, const struct event *event) {
    bool is_send = event->kind == EVENT_MESSAGE && event->message.direction == MESSAGE_OUTBOUND;
    staging_put_text(out, is_send || event->kind == EVENT_REPLAYED ? state_name(event->state) : NULL);
    if (is_send && event->message.send_at_ms > 0) {
        put_time(out, event->message.send_at_ms);
    } else {
        put_null(out);
    }
}

static void put_unread(struct buf *out, const struct unread_webhook *unread) {
    staging_put_text(out, channel_name(unread->channel));
    staging_put_text(out, unread->hash);
    staging_put_text(out, unread->field[0] != '\0' ? unread->field : NULL);
    staging_put_text(out, unread->reason);
    staging_put_text(out, unread->media_type[0] != '\0' ? unread->media_type : NULL);
    staging_put_text(out, unread->address);
    staging_put_text(out, unread->request_id);
    staging_put_text(out, unread->raw);
}

// What is about webhooks: eight columns of one that is unread, and the dead letter of one that was read again.
static void put_webhook(struct buf *out, const struct event *event) {
    if (event->kind == EVENT_UNREAD) {
        put_unread(out, &event->unread);
    } else {
        put_nulls(out, WEBHOOK_COLUMNS - 1);
    }
    staging_put_text(out, event->kind == EVENT_REREAD ? event->letter : NULL);
}

static void put_receipt(struct buf *out, const struct receipt_entry *receipt) {
    staging_put_text(out, receipt_status_name(receipt->status));
    staging_put_text(out, receipt->code);
    staging_put_text(out, receipt->reason);
    if (receipt->at_ms == RECEIPT_NO_TIME) {
        put_null(out);
    } else {
        put_time(out, receipt->at_ms);
    }
}

static void put_opt_out_of(struct buf *out, const struct opt_out *opt_out) {
    struct buf json = {0};
    opt_out_encode(opt_out, &json);
    staging_put_text(out, json.data);
    buf_free(&json);
}

static int64_t not_ahead(int64_t time_ms, const struct event *event) {
    return time_ms > event->at_ms + CLOCKS_APART_MS ? event->at_ms : time_ms;
}

// What a message says of its pair, or the event itself is about. No clock is believed to be ahead of Redis's, by which
// the event came, or nothing said later could undo it.
static void put_opt_out(struct buf *out, const struct event *event) {
    const struct message *message = &event->message;
    struct opt_out said = event->opt_out;
    if (event->kind == EVENT_MESSAGE && message->opt_out != OPT_OUT_NONE) {
        said = (struct opt_out){.provider = message_provider(message->type),
                                .our_address = message->recipient,
                                .their_address = message->sender,
                                .state = message->opt_out,
                                .at_ms = message->opt_out_ms,
                                .came_ms = message->opt_out_came_ms,
                                .by = OPT_OUT_BY_RECIPIENT};
    } else if (event->kind != EVENT_OPT_OUT) {
        put_null(out);
        return;
    }
    said.at_ms = not_ahead(said.at_ms, event);
    said.came_ms = not_ahead(said.came_ms, event);
    put_opt_out_of(out, &said);
}

static const char *kind_name(enum event_kind kind) {
    static const char *const names[] = {
        [EVENT_MESSAGE] = "message", [EVENT_OUTCOME] = "outcome", [EVENT_REPLAYED] = "replayed",
        [EVENT_UNREAD] = "unread",   [EVENT_REREAD] = "reread",   [EVENT_RECEIPT] = "receipt",
        [EVENT_OPT_OUT] = "optout",  [EVENT_ERASE] = "erase"};
    return names[kind];
}

// What all events have: id, generation, time, provider, provider_message_id.
static void put_event(struct buf *out, const struct event *event) {
    staging_put_text(out, event->id[0] != '\0' ? event->id : NULL);
    put_integer(out, event->generation);
    put_time(out, event->at_ms);
    if (event->kind == EVENT_MESSAGE) {
        staging_put_text(out, provider_name(message_provider(event->message.type)));
        staging_put_text(out, event->message.provider_message_id);
    } else if (event->kind == EVENT_OUTCOME) {
        staging_put_text(out, provider_name(event->attempt.provider));
        staging_put_text(out, event->attempt.provider_message_id);
    } else if (event->kind == EVENT_RECEIPT) {
        staging_put_text(out, provider_name(event->receipt.provider));
        staging_put_text(out, event->receipt.provider_message_id);
    } else if (event->kind == EVENT_OPT_OUT) {
        staging_put_text(out, provider_name(event->opt_out.provider));
        put_null(out);
    } else if (event->kind == EVENT_UNREAD) {
        staging_put_text(out,
                         provider_name(event->unread.channel == CHANNEL_EMAIL ? PROVIDER_EMAIL : PROVIDER_SMS_MMS));
        put_null(out);
    } else {
        put_nulls(out, 2);
    }
}

void staging_event(struct buf *out, const struct staging_row *row, const struct event *event) {
    put_row(out, row, kind_name(event->kind));
    put_event(out, event);
    if (event->kind == EVENT_MESSAGE) {
        put_message(out, row, event);
    } else if (event->kind == EVENT_ERASE) {
        put_erasure(out, &event->erasure);
    } else {
        put_nulls(out, MESSAGE_COLUMNS);
    }
    if (event->kind == EVENT_OUTCOME) {
        put_outcome(out, event);
    } else {
        put_nulls(out, OUTCOME_COLUMNS);
    }
    put_waiting(out, event);
    put_nulls(out, POISON_COLUMNS);
    put_webhook(out, event);
    if (event->kind == EVENT_RECEIPT) {
        put_receipt(out, &event->receipt);
    } else {
        put_nulls(out, RECEIPT_COLUMNS);
    }
    put_opt_out(out, event);
    staging_end_line(out, row);
}

void staging_poison(struct buf *out, const struct staging_row *row, const struct staging_poison *poison) {
    put_row(out, row, "poison");
    put_null(out);
    put_integer(out, 0);
    put_time(out, poison->failed_ms);
    staging_put_text(out, poison->provider);
    put_nulls(out, 1 + MESSAGE_COLUMNS + OUTCOME_COLUMNS + WAITING_COLUMNS);
    staging_put_text(out, poison->stream);
    staging_put_text(out, poison->entry_id);
    staging_put_text(out, poison->reason);
    staging_put_text(out, poison->entry);
    put_nulls(out, WEBHOOK_COLUMNS + RECEIPT_COLUMNS + OPT_OUT_COLUMNS);
    staging_end_line(out, row);
}
