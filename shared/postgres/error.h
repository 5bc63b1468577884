// SPDX-License-Identifier: MIT
#ifndef SHARED_POSTGRES_ERROR_H
#define SHARED_POSTGRES_ERROR_H

#include <libpq-fe.h>

// What an error of Postgres's means for the session that met it, by its SQLSTATE (the manual, appendix A).

enum pg_error {
    PG_ERROR_REPEAT,  // passing, or an operator's to mend: the same again, later
    PG_ERROR_SHORTER, // the same, and less at a time where it comes again
    PG_ERROR_CONTENT, // what was to be written is refused, today as tomorrow
    PG_ERROR_SESSION, // the session can't do its work any more: a new connection
};

// sqlstate: five characters; NULL or "" for libpq's own errors, which are of the connection.
enum pg_error pg_error_of(const char *sqlstate);

// Why a connection broke, in libpq's words; owned by it.
const char *pg_error_text(const PGconn *conn);

#endif
