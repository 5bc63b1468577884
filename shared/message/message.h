// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_MESSAGE_H
#define SHARED_MESSAGE_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/message/address.h"

// What travels through Redis in the field `p` of a stream entry: a JSON object, so that redis-cli shows it readably.
// The fields around it (kind, id, generation, call, …) are those of redis/messaging.lua.

enum message_type { MESSAGE_SMS, MESSAGE_MMS, MESSAGE_EMAIL };
enum message_direction { MESSAGE_OUTBOUND, MESSAGE_INBOUND };
enum provider { PROVIDER_SMS_MMS, PROVIDER_EMAIL, PROVIDER_COUNT };

struct message {
    enum message_type type;
    enum message_direction direction;
    char *from;      // as given, trimmed
    char *to;        // as given, trimmed
    char *sender;    // from, normalized
    char *recipient; // to, normalized
    char *body;      // byte for byte as given; valid UTF-8 without NUL
    char **attachments;
    size_t attachment_count;
    int64_t occurred_ms;       // the payload's timestamp, ms since 1970: fixed at accept
    int64_t accepted_ms;       // when ingest took it, ms since 1970
    char *provider_message_id; // inbound: the provider's id; outbound: NULL
    char *request_id;          // X-Request-Id of the accepting request
    char *traceparent;         // W3C trace context, or NULL
};

const char *message_type_name(enum message_type type);                       // "sms", "mms", "email"
int message_type_parse(const char *text, enum message_type *out) MUST_CHECK; // exact names; 0 or -1
const char *message_direction_name(enum message_direction direction);        // "outbound", "inbound"
enum channel message_channel(enum message_type type);
enum provider message_provider(enum message_type type);
const char *provider_name(enum provider provider);                   // "sms-mms", "email": the hash tag's first half
int provider_parse(const char *text, enum provider *out) MUST_CHECK; // 0 or -1

// Appends the payload `p`.
void message_encode(const struct message *message, struct buf *out);
// Parses a payload into *out (all members owned by it; release with message_free).
// Returns NULL, or a static sentence that says what is wrong; *out is then empty.
const char *message_decode(const char *text, size_t length, struct message *out) MUST_CHECK;
// The same for a message out of Postgres (dead_letter_contents.message), without sender and recipient, which are made:
// region as address_parse takes it.
const char *message_recall(const char *text, size_t length, const struct phone_region *region,
                           struct message *out) MUST_CHECK;
void message_free(struct message *message);

// What one call of a provider came to: the payload `p` of an `outcome` event.
struct attempt {
    enum provider provider;
    const char *outcome;             // a word of outcome_name (dispatcher/provider/outcome.c)
    int http_status;                 // 0: none was received
    int64_t latency_us;              // of the call; 0 when none was made
    int64_t started_ms;              // when the call began, ms since 1970
    const char *error;               // one line for people, or NULL
    const char *provider_message_id; // or NULL
};

// What follows from a call: the field `verdict` of its event, and what settle is told.
enum attempt_verdict {
    VERDICT_NONE, // not decided yet
    VERDICT_SENT,
    VERDICT_FAILED,
    VERDICT_RETRY,
    VERDICT_REFUSED, // for settle alone, which makes FAILED or RETRY of it
};

// "sent", "failed", "retry", "refused"; NULL: VERDICT_NONE
const char *attempt_verdict_name(enum attempt_verdict verdict);
// An event's: 0, or -1 where it is not sent, failed or retry.
int attempt_verdict_parse(const char *text, enum attempt_verdict *out) MUST_CHECK;

void attempt_encode(const struct attempt *attempt, struct buf *out);

#endif
