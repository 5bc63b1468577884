// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_MESSAGE_H
#define SHARED_MESSAGE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/message/address.h"

// What travels through Redis in the field `p` of a stream entry: a JSON object, so that redis-cli shows it readably.
// The fields around it (kind, id, generation, call, …) are those of redis/messaging.lua.

enum message_type { MESSAGE_SMS, MESSAGE_MMS, MESSAGE_EMAIL };
enum message_direction { MESSAGE_OUTBOUND, MESSAGE_INBOUND };
// What an inbound message says of its pair (opt_out.h).
enum opt_out_state { OPT_OUT_NONE, OPT_OUT_OUT, OPT_OUT_IN };
enum provider { PROVIDER_SMS_MMS, PROVIDER_EMAIL, PROVIDER_COUNT };

// What a reader takes at most, in bytes and in number.
#define MESSAGE_ADDRESS_MAX ADDRESS_KEPT_MAX_BYTES // of from and to, as given
#define MESSAGE_IDENTITY_MAX 1024     // of sender and recipient: a conversation's key has two, and is indexed
#define MESSAGE_ATTACHMENTS_MAX 32767 // Postgres counts their positions as smallint

#define MESSAGE_SEND_NOW (-1) // a send_at_ms

struct message {
    enum message_type type;
    enum message_direction direction;
    char *from;       // as given, trimmed
    char *to;         // as given, trimmed
    char *sender;     // from, normalized
    char *recipient;  // to, normalized
    bool by_envelope; // recipient is the envelope's, an email's that `to` may not even name
    char *region;     // by which sender and recipient were made: phone_region_code; NULL: an older release's
    char *subject;    // as given; NULL: none
    char *body;       // byte for byte as given; valid UTF-8 without NUL
    char **attachments;
    size_t attachment_count;
    int64_t occurred_ms;       // the payload's timestamp, ms since 1970: fixed at accept
    int64_t accepted_ms;       // when ingest took it, ms since 1970
    int64_t send_at_ms;        // the payload's send_at, ms since 1970: more than 0; else MESSAGE_SEND_NOW or 0: none
    char *provider_message_id; // inbound: the provider's id; outbound: NULL
    char *request_id;          // X-Request-Id of the accepting request
    char *traceparent;         // W3C trace context, or NULL
    // Inbound: whether the sender wants nothing from the recipient any more, or again, and when that was said, ms since
    // 1970, by the provider's time or Redis's.
    enum opt_out_state opt_out;
    int64_t opt_out_ms;
    int64_t opt_out_came_ms; // when it came first, by Redis's clock
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
// The least format (format.h) whose readers take this message.
int message_format(const struct message *message);
// The same as message_decode for a message out of Postgres (dead_letter_contents.message), without sender, recipient
// and region, which are made: region as address_parse takes it.
const char *message_recall(const char *text, size_t length, const struct phone_region *region,
                           struct message *out) MUST_CHECK;
void message_free(struct message *message);

// What one call of a provider came to: the payload `p` of an `outcome` event.
struct attempt {
    enum provider provider;
    const char *outcome;             // a word of outcome_name (shared/provider/outcome.c)
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
    VERDICT_CANCELLED, // no call: it was called off while it waited (redis/messaging.lua, cancel)
    VERDICT_REFUSED,   // for settle alone, which makes FAILED or RETRY of it
};

// "sent", "failed", "retry", "cancelled", "refused"; NULL: VERDICT_NONE
const char *attempt_verdict_name(enum attempt_verdict verdict);
// An event's: 0, or -1 where it is not sent, failed, retry or cancelled.
int attempt_verdict_parse(const char *text, enum attempt_verdict *out) MUST_CHECK;

void attempt_encode(const struct attempt *attempt, struct buf *out);

#endif
