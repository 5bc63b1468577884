// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_EVENT_KEY_H
#define DISPATCHER_MOCK_EVENT_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "shared/base/mem.h"

// The key by which SendGrid signs what it posts:
// https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features

struct mock_event_key;

// Reads a P-256 private key from a PEM file without a password. Returns it with *error NULL; NULL with *error NULL
// where path is "": none; NULL with *error, owned by the caller, where it can't be read ("can't be read: …").
struct mock_event_key *mock_event_key_read(const char *path, char **error) MUST_CHECK;
void mock_event_key_free(struct mock_event_key *key); // NULL is fine
// The value of X-Twilio-Email-Event-Webhook-Signature: base64 of the ECDSA signature (DER, SHA-256) of the timestamp's
// digits and the body's bytes. Owned by the caller.
char *mock_event_key_sign(const struct mock_event_key *key, const char *timestamp, const char *body, size_t length);

#endif
