// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_INTAKE_H
#define INGEST_ACCEPT_INTAKE_H

struct ingest_request;

// The handlers of the routes that bring a message: check the payload, find out what makes it the same as an earlier
// one, and hand it to accept/acceptor.c.
void intake_send_sms(struct ingest_request *request);
void intake_send_email(struct ingest_request *request);
void intake_webhook_sms(struct ingest_request *request);
void intake_webhook_email(struct ingest_request *request);
void intake_mock_inbound(struct ingest_request *request);

#endif
