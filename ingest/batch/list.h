// SPDX-License-Identifier: MIT
#ifndef INGEST_BATCH_LIST_H
#define INGEST_BATCH_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "ingest/accept/payload.h"
#include "shared/base/crypto.h"
#include "shared/base/mem.h"

// {"messages":[…]}: where each message stands in the text, without a tree of the whole, which may take thirty times as
// much memory as the text.

#define BATCH_MOST_MESSAGES 1000

// Of a text that http_server has taken, which is far shorter than 4 GiB.
struct batch_span {
    uint32_t at, length;
};

struct batch_list {
    struct batch_span *spans;
    size_t count; // 1 to BATCH_MOST_MESSAGES
};

// Checks the shape of the whole: one document of RFC 8259, an object without a name twice, an array of messages in
// bounds. What is in a message is for payload_parse to judge, strings that can't be kept and names given twice
// included. Returns 0 with *out owned by the caller (batch_list_free), or -1 with *error set and *out empty.
int batch_list_read(const char *text, size_t length, struct batch_list *out, struct payload_error *error) MUST_CHECK;
void batch_list_free(struct batch_list *list);

// Carries the digest of a list, zeros at first, on over its next message. It is the same where the JSON values are,
// however they are written; it depends on no setting and no clock, so that what a repeat is compared with stays.
void batch_list_digest(uint8_t digest[SHA256_SIZE], const char *message, size_t length);

#endif
