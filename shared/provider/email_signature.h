// SPDX-License-Identifier: MIT
#ifndef SHARED_PROVIDER_EMAIL_SIGNATURE_H
#define SHARED_PROVIDER_EMAIL_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/provider/way_in.h"

// How what comes for the email provider's routes is verified, each of its forms alike: by SendGrid's scheme
// (event_key.h) where WEBHOOK_EMAIL_PUBLIC_KEY is set, or by our own (x_signature.h) where WEBHOOK_EMAIL_SECRET is.
// Where either is set, one of the two must be right: else whoever has neither would choose the form that asks for none.

bool email_is_signed(const struct settings *settings);
// The way's verify.
enum signature email_verify(const struct settings *settings, const struct provider_post *post, int64_t now_secs,
                            uint8_t id[SIGNATURE_ID_SIZE]);

// What is signed of a body that isn't kept as it comes, summed up while it does.
struct email_sums;

// post: without its body, whose headers are there. NULL: nothing is signed, or nothing has to be.
struct email_sums *email_sums_begin(const struct settings *settings, const struct provider_post *post);
void email_sums_add(struct email_sums *sums, const char *bytes, size_t length);
// The body is complete: from here on it may be a post's `sums`.
void email_sums_end(struct email_sums *sums);
void email_sums_free(struct email_sums *sums);

#endif
