// SPDX-License-Identifier: MIT
#ifndef INGEST_DEAD_LETTERS_REPLAY_MANY_H
#define INGEST_DEAD_LETTERS_REPLAY_MANY_H

struct ingest_request;

// POST /api/dead-letters/replay: 202 with how many match; a persister replays them at the pace asked for.
void replay_many(struct ingest_request *request);

#endif
