// SPDX-License-Identifier: MIT
#ifndef INGEST_DEAD_LETTERS_REPLAY_ONE_H
#define INGEST_DEAD_LETTERS_REPLAY_ONE_H

struct ingest_request;

// POST /api/dead-letters/{id}/replay: 202 with the message's id, which is the same as before, or of a webhook the one
// that it would have had; 409 the second time.
void replay_one(struct ingest_request *request);

#endif
