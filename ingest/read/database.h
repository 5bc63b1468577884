// SPDX-License-Identifier: MIT
#ifndef INGEST_READ_DATABASE_H
#define INGEST_READ_DATABASE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "shared/settings/settings.h"

struct ingest_request;
struct database; // one thread's connections to Postgres: to the primary, and to DATABASE_READ_URL's server

// The statements in ingest/read/sql/, prepared on each connection.
enum database_statement {
    READ_CONVERSATIONS,
    READ_CONVERSATIONS_OF_CHANNEL,
    READ_CONVERSATIONS_OF_PARTICIPANT,
    READ_CONVERSATION,
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
    READ_POSITION, // not of a request
    READ_STATEMENT_COUNT
};

struct database_events {
    void (*on_change)(void *argument, bool up); // the first connection to the primary came, or the last went
    void (*on_replica)(void *argument,
                       bool in_use); // of DATABASE_READ_URL's server; not told: that it isn't at first. May be NULL
    void *argument;
};

// thread is its number, for the connections' names.
struct database *database_create(uv_loop_t *loop, const struct settings *settings, unsigned thread,
                                 const struct database_events *events);
void database_destroy(struct database *database);
// Other URLs, as pg_link_change_url takes them; where they have changed at all.
void database_change(struct database *database, const struct settings *settings);

// Whether DATABASE_READ_URL is set.
bool database_has_replica(const struct database *database);
// Why it has no connection to the primary, in one line without secrets; "" where it has not failed yet, NULL where it
// has one. Valid until the loop's next turn.
const char *database_trouble(const struct database *database);
// The same of why DATABASE_READ_URL's server isn't read from; NULL where it is, or isn't set.
const char *database_replica_trouble(const struct database *database);

// Runs a statement for a request, on the primary: for whatever is decided by it. on_rows(request, rows) answers it.
// Where Postgres is away, too slow or refuses, the request is answered here: 503, or 500 for what must be a bug. rows
// are valid during on_rows only.
void database_run(struct ingest_request *request, enum database_statement statement, int count,
                  const char *const *values, void (*on_rows)(struct ingest_request *request, const PGresult *rows));
// The same for what is only shown: DATABASE_READ_URL's server may answer. What it doesn't find, or fails at, the
// primary is asked for; so is everything where it is away or far behind, and where the client wants it fresh
// (ingest/read/freshness.h).
void database_read(struct ingest_request *request, enum database_statement statement, int count,
                   const char *const *values, void (*on_rows)(struct ingest_request *request, const PGresult *rows));

// The value in a row and column that exist, as text (valid as long as rows) or as a number.
const char *database_text(const PGresult *rows, int row, int column);
const char *database_text_or_null(const PGresult *rows, int row, int column); // NULL where the value is
int64_t database_int(const PGresult *rows, int row, int column);

#endif
