// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_RECEIPT_ENTRY_H
#define SHARED_MESSAGE_RECEIPT_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/message/message.h"

// What a provider says became of a message after it had taken it: the payload `p` of a `receipt` event, a JSON object
// {"provider","status","at","code","reason","provider_message_id"}, of which the last four may be missing. The message
// is that of the entry around it, whose `at` is when the receipt came in.

enum receipt_status { RECEIPT_DELIVERED, RECEIPT_UNDELIVERED };

// What a reader takes at most, in bytes.
#define RECEIPT_CODE_MAX 64
#define RECEIPT_REASON_MAX 1024
#define RECEIPT_PROVIDER_ID_MAX 1024 // it is in an index

#define RECEIPT_NO_TIME (-1)

struct receipt_entry {
    enum provider provider;
    enum receipt_status status;
    int64_t at_ms; // when it happened by the provider's clock, ms since 1970; RECEIPT_NO_TIME: it doesn't say
    char *code;    // the provider's, 1 to RECEIPT_CODE_MAX printable ASCII characters; NULL: none
    char *reason;  // for people, 1 to RECEIPT_REASON_MAX bytes; NULL: none
    char *provider_message_id; // 1 to RECEIPT_PROVIDER_ID_MAX bytes; NULL: none
};

const char *receipt_status_name(enum receipt_status status);                     // "delivered", "undelivered"
int receipt_status_parse(const char *text, enum receipt_status *out) MUST_CHECK; // exact names; 0 or -1

// Appends the payload `p`.
void receipt_entry_encode(const struct receipt_entry *receipt, struct buf *out);
// Parses a payload into *out (all members owned by it; release with receipt_entry_free). What is null counts as
// missing. Returns NULL, or a static sentence that says what is wrong; *out is then empty.
const char *receipt_entry_decode(const char *text, size_t length, struct receipt_entry *out) MUST_CHECK;
void receipt_entry_free(struct receipt_entry *receipt);

#endif
