// SPDX-License-Identifier: MIT
#ifndef INGEST_DEAD_LETTERS_REPLAY_WEBHOOK_H
#define INGEST_DEAD_LETTERS_REPLAY_WEBHOOK_H

#include <libpq-fe.h>
#include <stdbool.h>

struct ingest_request;

// The replay of a dead letter of stage `webhook`, rows being ingest/read/sql/dead_letter.sql's: its body is read by the
// rules of today, as if its route had got it when it arrived. Where it is a message now, it is accepted as a webhook's
// is, and the answer is 202 with its id; else 409 that names the field and what is wrong with it, and nothing changes.
// The request's state begins with a struct acceptance. recorded: Postgres knows that it was replayed.
void replay_webhook(struct ingest_request *request, const PGresult *rows, bool recorded);

#endif
