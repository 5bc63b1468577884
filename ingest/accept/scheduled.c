// SPDX-License-Identifier: MIT
#include "ingest/accept/scheduled.h"

#include <inttypes.h>
#include <stdio.h>

#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/redis/link.h"
#include "shared/settings/settings.h"

enum {
    SCHEDULED_FORMAT = 2,
    SHARE_OF_MEMORY = 4, // one part of so many
    RETRY_SECS = 60,     // room comes as messages become due
};

int64_t scheduled_due_ms(const struct message *message) {
    return message->send_at_ms > 0 ? message->send_at_ms : 0;
}

int scheduled_format(const struct message *message, int64_t now_ms) {
    return scheduled_due_ms(message) > now_ms ? SCHEDULED_FORMAT : message_format(message);
}

int64_t scheduled_most_bytes(const struct settings *settings, int64_t memory_max) {
    if (settings->scheduled_max_bytes > 0) {
        return settings->scheduled_max_bytes;
    }
    int64_t share = memory_max / SHARE_OF_MEMORY / (PROVIDER_COUNT * settings->stream_partitions);
    return memory_max > 0 && share == 0 ? 1 : share;
}

void scheduled_refuse(struct ingest_request *request) {
    const struct ingest_resources *with = request->with;
    char message[160];
    snprintf(message, sizeof message,
             "too many messages are scheduled: a partition holds at most SCHEDULED_MAX (%" PRId64
             "), in SCHEDULED_MAX_BYTES (%" PRId64 ")",
             with->settings->scheduled_max, scheduled_most_bytes(with->settings, redis_link_memory_max(with->redis)));
    response_unavailable(request, message, RETRY_SECS, false);
}
