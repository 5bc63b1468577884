// SPDX-License-Identifier: MIT
#ifndef INGEST_DEAD_LETTERS_DEAD_LETTERS_H
#define INGEST_DEAD_LETTERS_DEAD_LETTERS_H

struct ingest_request;

// GET /api/dead-letters: a page, newest first. Its total isn't counted: that would cost more with each dead letter; a
// dry run of a replay counts.
void dead_letters_list(struct ingest_request *request);
// GET /api/dead-letters/{id}
void dead_letters_show(struct ingest_request *request);

#endif
