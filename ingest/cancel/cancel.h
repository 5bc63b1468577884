// SPDX-License-Identifier: MIT
#ifndef INGEST_CANCEL_CANCEL_H
#define INGEST_CANCEL_CANCEL_H

struct ingest_request;

// DELETE /api/messages/{id}: 202 where the message waited and is never called from here on; 409 with what has become of
// it where it doesn't; 503 while it isn't recorded, and 404 where its id isn't that of a message that was just
// accepted.
void cancel_message(struct ingest_request *request);

#endif
