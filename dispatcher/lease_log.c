// SPDX-License-Identifier: MIT
#include "dispatcher/lease_log.h"

#include "dispatcher/upstream.h"

struct log_line *lease_log_begin(enum log_level level, const char *event, const struct lease *lease) {
    struct log_line *line = log_begin(level, event);
    log_str(line, "message_id", lease->entry.message_id);
    log_str(line, "request_id", lease->entry.message.request_id);
    log_str(line, "stream", lease->keys->outbound);
    log_str(line, "entry", lease->entry.id);
    log_str(line, "provider", provider_name(lease->upstream->provider));
    log_int(line, "call", lease->entry.call);
    return line;
}

void lease_log(enum log_level level, const char *event, const struct lease *lease, const char *message) {
    struct log_line *line = lease_log_begin(level, event, lease);
    log_str(line, "verdict", attempt_verdict_name(lease->decision.verdict));
    log_str(line, "message", message);
    log_end(line);
}
