// SPDX-License-Identifier: MIT
#ifndef SHARED_PROVIDER_EVENT_KEY_H
#define SHARED_PROVIDER_EVENT_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "shared/base/crypto.h"
#include "shared/base/mem.h"
#include "shared/provider/signature.h"
#include "shared/settings/settings.h"

// SendGrid's scheme, for its Event Webhook and for Inbound Parse under a security policy:
// https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features.
// The signature is ECDSA (P-256, SHA-256, DER, base64) over the timestamp's text and the body as it came.

#define EVENT_KEY_SIGNATURE_HEADER "X-Twilio-Email-Event-Webhook-Signature"
#define EVENT_KEY_TIMESTAMP_HEADER "X-Twilio-Email-Event-Webhook-Timestamp"

// What WEBHOOK_EMAIL_PUBLIC_KEY holds: public keys joined by commas, each as SendGrid shows it, the base64 of a
// SubjectPublicKeyInfo (RFC 5480). Returns NULL, or a static sentence that says what is wrong; "" is right: there is
// none.
const char *event_key_refusal(const char *keys) MUST_CHECK;

// Whether one of the keys (event_key_refusal finds nothing in them) made a signature.
//   signature  the headers' texts, NULL where one is absent
//   digest     SHA-256 of the timestamp's text and the body
//   now_secs, ahead_secs, age_secs: how far the timestamp may lie ahead of now, and how old it may be: SendGrid repeats
//   for
//              days what wasn't taken, and doesn't say that it signs it anew
// id is set where the signature is right.
enum signature event_key_check(const char *keys, const char *signature, const char *timestamp,
                               const uint8_t digest[SHA256_SIZE], int64_t now_secs, int64_t ahead_secs,
                               int64_t age_secs, uint8_t id[SIGNATURE_ID_SIZE]);

#endif
