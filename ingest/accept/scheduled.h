// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_SCHEDULED_H
#define INGEST_ACCEPT_SCHEDULED_H

#include <stdint.h>

#include "shared/message/message.h"

// Sends for later (`send_at`), which wait in Redis, by its clock (redis/messaging.lua, "Scheduled"), in room of their
// own: a campaign for tomorrow must not refuse today's sends, nor these it.

struct ingest_request;
struct settings;

// When it is to be sent, for `accept`: ms since 1970, which may be past; 0: now.
int64_t scheduled_due_ms(const struct message *message);
// The least format (format.h) in which it can be taken: as message_format, but that format 1 has nothing for later.
// now_ms: Redis's clock, as far as it is known, since 1970.
int scheduled_format(const struct message *message, int64_t now_ms);
// So many bytes what is scheduled in one partition may take: SCHEDULED_MAX_BYTES or, where that is 0, a partition's
// share of a quarter of memory_max, Redis's maxmemory in bytes; 0, where that is 0, too: there is no limit.
int64_t scheduled_most_bytes(const struct settings *settings, int64_t memory_max);
// 503: there is no room for one more.
void scheduled_refuse(struct ingest_request *request);

#endif
