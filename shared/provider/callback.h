// SPDX-License-Identifier: MIT
#ifndef SHARED_PROVIDER_CALLBACK_H
#define SHARED_PROVIDER_CALLBACK_H

#include "shared/provider/receipt.h"
#include "shared/settings/settings.h"

// The URL that the SMS and MMS provider is given with each message, to report there what became of it.

#define CALLBACK_PATH "/api/webhooks/sms/status"

// Its query holds what finds the message again, sorted by name: Twilio is said to sign the URL that it was given and to
// call one whose query is sorted (https://github.com/twilio/twilio-php/issues/790). Owned by the caller; NULL where
// WEBHOOK_PUBLIC_URL isn't set.
char *callback_url(const struct settings *settings, const char *message_id, unsigned partition);

// A partition's number as it is written in one, or in custom arguments: 1 to 6 digits. RECEIPT_NO_PARTITION where it is
// no such thing, or NULL.
unsigned callback_partition(const char *text);

#endif
