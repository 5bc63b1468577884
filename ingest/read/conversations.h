// SPDX-License-Identifier: MIT
#ifndef INGEST_READ_CONVERSATIONS_H
#define INGEST_READ_CONVERSATIONS_H

struct ingest_request;

// GET /api/conversations
void conversations_list(struct ingest_request *request);

#endif
