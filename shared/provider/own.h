// SPDX-License-Identifier: MIT
#ifndef SHARED_PROVIDER_OWN_H
#define SHARED_PROVIDER_OWN_H

#include "shared/provider/way_in.h"

// Our own webhooks: the send's payload as JSON plus the provider's id, signed by X-Signature (x_signature.h). Every
// adapter takes them beside its provider's own form.

extern const struct provider_way_in own_sms; // POST /api/webhooks/sms

// The parts of them, for the adapters'.
// Whether a secret is set for a provider's webhooks.
bool own_has_secret(const struct settings *settings, enum provider provider);
enum signature own_verify(const struct settings *settings, enum provider provider, const struct provider_post *post,
                          int64_t now_secs, uint8_t id[SIGNATURE_ID_SIZE]);
cJSON *own_read_message(const struct provider_post *post, const char **error);

#endif
