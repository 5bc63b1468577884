// SPDX-License-Identifier: MIT
#ifndef SHARED_PROVIDER_X_SIGNATURE_H
#define SHARED_PROVIDER_X_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "shared/base/crypto.h"
#include "shared/provider/signature.h"
#include "shared/settings/settings.h"

// Our own scheme:
// X-Signature: t=<seconds since 1970>,v1=<hex of HMAC-SHA256(secret, "<t>.<body>")>, with up to X_SIGNATURE_MOST_V1 of
// v1 (a sender that changes its secret signs with both) in any order; other names are ignored.

#define X_SIGNATURE_HEADER "X-Signature"
#define X_SIGNATURE_MOST_V1 8

// secrets: WEBHOOK_SECRETS of them, "" for none. now_secs and tolerance_secs: how far t may be away, either way. id is
// set where the signature is right. Comparisons take the same time wherever two signatures differ.
enum signature x_signature_check(const char *header, const char *body, size_t length,
                                 char *const secrets[WEBHOOK_SECRETS], int64_t now_secs, int64_t tolerance_secs,
                                 uint8_t id[SIGNATURE_ID_SIZE]);

// Appends the header's value for a body that is sent now (seconds since 1970).
void x_signature_make(const char *secret, const char *body, size_t length, int64_t now_secs, struct buf *out);

// x_signature_check in two steps, for a body that isn't kept as it comes.
struct x_signature_digests {
    uint8_t sha256[SHA256_SIZE]; // of what is signed
    uint8_t by_secret[WEBHOOK_SECRETS][SHA256_SIZE];
    bool has_secret[WEBHOOK_SECRETS];
};
struct x_signature_sum;
// NULL: the header is malformed.
struct x_signature_sum *x_signature_sum_begin(const char *header, char *const secrets[WEBHOOK_SECRETS]);
void x_signature_sum_add(struct x_signature_sum *sum, const char *bytes, size_t length);
void x_signature_sum_end(struct x_signature_sum *sum, struct x_signature_digests *out); // frees it
enum signature x_signature_check_digests(const char *header, const struct x_signature_digests *digests,
                                         int64_t now_secs, int64_t tolerance_secs, uint8_t id[SIGNATURE_ID_SIZE]);

#endif
