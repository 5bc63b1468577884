// SPDX-License-Identifier: MIT
#ifndef INGEST_READ_MESSAGES_H
#define INGEST_READ_MESSAGES_H

struct ingest_request;

// GET /api/conversations/{id}/messages
void messages_list(struct ingest_request *request);
// GET /api/messages/{id}
void messages_show(struct ingest_request *request);

#endif
