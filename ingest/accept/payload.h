// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_PAYLOAD_H
#define INGEST_ACCEPT_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/mem.h"
#include "shared/message/message.h"
#include "shared/provider/way_in.h"

// The bodies of sends and webhooks, and every rule that they are held to (ingest/openapi.yaml). A client can correct
// what it sends; what a customer wrote is kept in whatever form a provider brings it.

enum payload_kind {
    PAYLOAD_SEND_SMS, // and MMS
    PAYLOAD_SEND_EMAIL,
    PAYLOAD_WEBHOOK_SMS,
    PAYLOAD_WEBHOOK_EMAIL,
    PAYLOAD_MOCK_INBOUND, // a webhook of either provider, which "channel" names; its provider id is optional
    PAYLOAD_SEND_LISTED,  // a send in a list, whose "type" may be email, too
};

struct payload_rules {
    size_t max_attachments;
    int64_t now_ms;                    // stamps a webhook whose timestamp is bad or lies more than a day ahead
    const struct phone_region *region; // completes phones without '+'; NULL: none
    bool opt_out;                      // whether STOP and its kin are looked for
    int64_t redis_ms;                  // Redis's clock: when a word came, and was said where its webhook gives no time;
                                       // `send_at` may lie 35 days ahead of it
};

#define PAYLOAD_FIELD_SIZE 32

struct payload_error {
    char field[PAYLOAD_FIELD_SIZE]; // "attachments[2]"; "" when the document as a whole is wrong
    const char *reason;             // goes on from the field's name; static, or in text
    char text[ADDRESS_REASON_SIZE];
};

// Parses and checks a body. Fills in *out all but accepted_ms, request_id and traceparent; its provider_message_id
// is NULL for sends and for a mock inbound that gives none. *stamped: occurred_ms is rules->now_ms, not the payload's.
// Returns 0 with *out owned by the caller (message_free), or -1 with *error set and *out empty.
int payload_parse(enum payload_kind kind, const char *text, size_t length, const struct payload_rules *rules,
                  struct message *out, bool *stamped, struct payload_error *error) MUST_CHECK;

// The same of a webhook, by the way in that it came.
int payload_parse_post(const struct provider_way_in *way, const struct provider_post *post,
                       const struct payload_rules *rules, struct message *out, bool *stamped,
                       struct payload_error *error) MUST_CHECK;

#endif
