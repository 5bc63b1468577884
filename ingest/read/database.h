// SPDX-License-Identifier: MIT
#ifndef INGEST_READ_DATABASE_H
#define INGEST_READ_DATABASE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "shared/settings/settings.h"

struct ingest_request;
struct database; // one thread's connections to Postgres

// The statements in ingest/read/sql/, prepared on each connection.
enum database_statement {
    READ_CONVERSATIONS,
    READ_CONVERSATIONS_OF_CHANNEL,
    READ_CONVERSATIONS_OF_PARTICIPANT,
    READ_MESSAGES_OF_CONVERSATION,
    READ_MESSAGE,
    READ_MESSAGE_STATE,
    READ_DEAD_LETTERS,
    READ_DEAD_LETTERS_OF_PROVIDER,
    READ_DEAD_LETTERS_OF_CLASS,
    READ_DEAD_LETTERS_OF_PROVIDER_AND_CLASS,
    READ_DEAD_LETTER,
    READ_DEAD_LETTERS_OPEN,
    READ_OPT_OUTS,
    READ_STATEMENT_COUNT
};

// thread is its number, for the connections' names. on_change(argument, up): its first connection came, or its last
// went.
struct database *database_create(uv_loop_t *loop, const struct settings *settings, unsigned thread,
                                 void (*on_change)(void *argument, bool up), void *argument);
void database_destroy(struct database *database);

// Why it has no connection, in one line without secrets; "" where it has not failed yet, NULL where it has one. Valid
// until the loop's next turn.
const char *database_trouble(const struct database *database);

// Runs a statement for a request; on_rows(request, rows) answers it. Where Postgres is away, too slow or refuses, the
// request is answered here: 503, or 500 for what must be a bug. rows are valid during on_rows only.
void database_run(struct ingest_request *request, enum database_statement statement, int count,
                  const char *const *values, void (*on_rows)(struct ingest_request *request, const PGresult *rows));

// The value in a row and column that exist, as text (valid as long as rows) or as a number.
const char *database_text(const PGresult *rows, int row, int column);
const char *database_text_or_null(const PGresult *rows, int row, int column); // NULL where the value is
int64_t database_int(const PGresult *rows, int row, int column);

#endif
