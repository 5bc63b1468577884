// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_INTAKE_H
#define INGEST_ACCEPT_INTAKE_H

#include <stddef.h>

#include "ingest/accept/payload.h"

struct ingest_request;

// The handlers of the routes that bring a message: check the payload, find out what makes it the same as an earlier
// one, and hand it to accept/acceptor.c.
void intake_send_sms(struct ingest_request *request);
void intake_send_email(struct ingest_request *request);
void intake_webhook(struct ingest_request *request); // of any provider, in any of its forms
void intake_mock_inbound(struct ingest_request *request);

// The rules that a payload which comes now is held to.
struct payload_rules intake_rules(const struct ingest_request *request);

// A payload's bytes, and how they are to be read.
struct intake_body {
    enum payload_kind kind;
    const char *text;
    size_t length;
    const struct payload_rules *rules;
};

// Everything behind a handler's own checks: the message is accepted and answered as its acceptance says, or refused.
// key: its Idempotency-Key, or NULL. A part's (request.h) bytes were held by the whole, another request's are here.
void intake_message(struct ingest_request *request, const struct intake_body *body, const char *key);

#endif
