// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_CONTENT_H
#define TESTS_CHAOS_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "tests/chaos/options.h"

// The load is messages numbered from 0. What each of them says follows from the options and its number alone, so that
// nothing but a digest has to be remembered to know later whether its row is right.

#define CONTENT_MOST_ATTACHMENTS 3
#define CONTENT_DIGEST_BYTES 16
#define CONTENT_REFUSED_SENDER "unverified@chaos.example" // by a hostile provider; counts.sql names it too

struct content {
    uint32_t number;
    const char *path; // where it is posted
    const char *type; // sms, mms, email
    bool is_webhook;
    bool is_refused; // its sender is the one that a hostile provider refuses
    char from[64], to[64];
    char body[512];
    char attachments[CONTENT_MOST_ATTACHMENTS][64];
    int attachment_count;
    int64_t occurred_ms;
    char provider_id[48]; // of a webhook
    char key[48];         // its Idempotency-Key; "": it has none
};

void content_make(const struct options *options, uint32_t number, struct content *out);
// The JSON to post.
void content_write(const struct content *content, struct buf *out);

// A message as its row has it. attachments: the URLs in order, each followed by a new line.
struct content_row {
    const char *type, *direction, *from, *to, *body, *attachments, *provider_id; // provider_id "": none
    int64_t occurred_ms;
};
void content_row_digest(const struct content_row *row, uint8_t out[CONTENT_DIGEST_BYTES]);
// The same of the row that this message must become.
void content_digest(const struct content *content, uint8_t out[CONTENT_DIGEST_BYTES]);
// The number of the message whose body that is; false when it is no message of the load.
bool content_number(const char *body, uint32_t *number);

#endif
