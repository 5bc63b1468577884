// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCESS_SIGNATURE_H
#define INGEST_ACCESS_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/request/verdicts.h"
#include "shared/settings/settings.h"

// Whether a webhook was signed with one of a provider's secrets. Comparisons take the same time wherever two signatures
// differ.

enum signature {
    SIGNATURE_RIGHT,
    SIGNATURE_MALFORMED, // the header, or what it needs, isn't of the scheme's form
    SIGNATURE_WRONG,
    SIGNATURE_STALE, // right, but too old or too far in the future
};

// secrets: WEBHOOK_SECRETS of them, "" for none.
//
// id, SIGNATURE_ID_SIZE bytes, is where it is right the hash of the bytes that were signed: the same signature's,
// however its header or the body around those bytes is written and whichever of the secrets it was made with.

// X-Signature: t=<seconds since 1970>,v1=<hex of HMAC-SHA256(secret, "<t>.<body>")>, with up to SIGNATURE_MOST_V1 of
// v1 (a sender that changes its secret signs with both) in any order; other names are ignored. now_secs and
// tolerance_secs: how far t may be away, either way.
#define SIGNATURE_MOST_V1 8
enum signature signature_check(const char *header, const char *body, size_t length,
                               char *const secrets[WEBHOOK_SECRETS], int64_t now_secs, int64_t tolerance_secs,
                               uint8_t id[SIGNATURE_ID_SIZE]);

// What X-Twilio-Signature is made of: https://www.twilio.com/docs/usage/security, "Validating requests".
struct twilio_request {
    const char *url;         // as Twilio calls it: scheme, host, path and query
    const char *body_sha256; // the query's bodySHA256, which a body that isn't a form needs; NULL: none
    const char *body;
    size_t length;
    bool is_form; // application/x-www-form-urlencoded: its fields are signed along with the URL
};

// header: base64 of HMAC-SHA1(secret, url, then each form field's name and value in the order of the names).
enum signature signature_check_twilio(const char *header, const struct twilio_request *request,
                                      char *const secrets[WEBHOOK_SECRETS], uint8_t id[SIGNATURE_ID_SIZE]);

#endif
