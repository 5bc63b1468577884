// SPDX-License-Identifier: MIT
#ifndef SHARED_POSTGRES_OUTCOME_H
#define SHARED_POSTGRES_OUTCOME_H

#include <libpq-fe.h>

// How a job that was given to Postgres ended.
enum pg_outcome {
    PG_LINK_OK,    // result is the (last) result: PGRES_TUPLES_OK or PGRES_COMMAND_OK
    PG_LINK_ERROR, // result is PGRES_FATAL_ERROR with its SQLSTATE; the connection stands
    PG_LINK_LOST,  // the connection or its session broke, or timed out, before the answer: result is NULL, the fate is
                   // unknown
};

// result belongs to the connection and is valid during the call only.
typedef void (*pg_link_done)(void *argument, enum pg_outcome outcome, const PGresult *result);

struct pg_statement {
    const char *name;
    const char *sql;
};

#endif
