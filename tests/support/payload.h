// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_PAYLOAD_H
#define TESTS_SUPPORT_PAYLOAD_H

#include "tests/support/stack.h"

// The brief's payloads, of 2024-11-01T14:00:00Z, and their sending. Texts are taken as they are: no escapes needed.

#define PATH_SMS "/api/messages/sms"
#define PATH_EMAIL "/api/messages/email"
#define PATH_SMS_WEBHOOK "/api/webhooks/sms"
#define PATH_EMAIL_WEBHOOK "/api/webhooks/email"

// All owned by the caller.
char *payload_sms(const char *from, const char *to, const char *body);
char *payload_mms(const char *from, const char *to, const char *body);
char *payload_email(const char *from, const char *to, const char *body);
char *payload_sms_webhook(const char *from, const char *to, const char *provider_id, const char *body);
char *payload_email_webhook(const char *from, const char *to, const char *provider_id, const char *body);

// Sends it (and frees it), fails the test unless the answer is 202, and returns the id, owned by the caller.
char *send_accepted(struct stack *stack, const char *ingest, const char *path, char *payload);
// Sends it (and frees it) under an Idempotency-Key, which may be NULL; release the answer with answer_free.
struct answer *send_under_key(struct stack *stack, const char *ingest, const char *path, const char *key,
                              char *payload);

#endif
