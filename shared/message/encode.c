// SPDX-License-Identifier: MIT
#include "shared/base/json.h"
#include "shared/message/message.h"
#include "shared/message/opt_out.h"

static void write_optional(struct buf *out, const char *name, const char *value) {
    if (value != NULL) {
        json_write_member(out, name, value);
    }
}

void message_encode(const struct message *message, struct buf *out) {
    buf_putc(out, '{');
    json_write_member(out, "type", message_type_name(message->type));
    json_write_member(out, "direction", message_direction_name(message->direction));
    json_write_member(out, "from", message->from);
    json_write_member(out, "to", message->to);
    json_write_member(out, "sender", message->sender);
    json_write_member(out, "recipient", message->recipient);
    if (message->by_envelope) {
        json_write_name(out, "by_envelope");
        buf_puts(out, "true");
    }
    write_optional(out, "region", message->region);
    write_optional(out, "subject", message->subject);
    json_write_member(out, "body", message->body);
    json_write_name(out, "attachments");
    buf_putc(out, '[');
    for (size_t i = 0; i < message->attachment_count; i++) {
        if (i > 0) {
            buf_putc(out, ',');
        }
        json_write_string(out, message->attachments[i]);
    }
    buf_putc(out, ']');
    json_write_member_int(out, "occurred_ms", message->occurred_ms);
    json_write_member_int(out, "accepted_ms", message->accepted_ms);
    if (message->send_at_ms > 0) {
        json_write_member_int(out, "send_at", message->send_at_ms);
    }
    write_optional(out, "provider_message_id", message->provider_message_id);
    write_optional(out, "request_id", message->request_id);
    write_optional(out, "traceparent", message->traceparent);
    if (message->opt_out != OPT_OUT_NONE) {
        json_write_member(out, "opt_out", opt_out_state_name(message->opt_out));
        json_write_member_int(out, "opt_out_ms", message->opt_out_ms);
        json_write_member_int(out, "opt_out_came_ms", message->opt_out_came_ms);
    }
    buf_putc(out, '}');
}

void attempt_encode(const struct attempt *attempt, struct buf *out) {
    buf_putc(out, '{');
    json_write_member(out, "provider", provider_name(attempt->provider));
    json_write_member(out, "outcome", attempt->outcome);
    json_write_member_int(out, "http_status", attempt->http_status);
    json_write_member_int(out, "latency_us", attempt->latency_us);
    json_write_member_int(out, "started_ms", attempt->started_ms);
    write_optional(out, "error", attempt->error);
    write_optional(out, "provider_message_id", attempt->provider_message_id);
    buf_putc(out, '}');
}
