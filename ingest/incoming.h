// SPDX-License-Identifier: MIT
#ifndef INGEST_INCOMING_H
#define INGEST_INCOMING_H

struct ingest_request;

// The handlers of the routes that bring a message: check the payload, find out what makes it the same as an earlier
// one, and hand it to accept.c.
void incoming_send_sms(struct ingest_request *request);
void incoming_send_email(struct ingest_request *request);
void incoming_webhook_sms(struct ingest_request *request);
void incoming_webhook_email(struct ingest_request *request);
void incoming_mock_inbound(struct ingest_request *request);

#endif
