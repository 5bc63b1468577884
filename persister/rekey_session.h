// SPDX-License-Identifier: MIT
#ifndef PERSISTER_REKEY_SESSION_H
#define PERSISTER_REKEY_SESSION_H

#include <libpq-fe.h>

#include "shared/base/buf.h"
#include "shared/settings/settings.h"

// A rekey's one connection to Postgres. It waits for each answer, for there is nothing else to do meanwhile, and ends
// the program with one line where it can't go on: whatever was committed stays, and the next run goes on from there.

// With the functions of sql/rekey_session.sql.
PGconn *rekey_session_open(const struct settings *settings);
// Runs a statement with text parameters, again where a persister was in its way. The rows are the caller's.
PGresult *rekey_session_run(PGconn *conn, const char *sql, int count, const char *const *values);

// A moment, before something is tried again.
void rekey_session_pause(void);

// Appends an element to the text of an array of Postgres's; NULL ends it.
void rekey_array_add(struct buf *array, const char *element);

// Ends the program with status 1 and one line on stderr.
_Noreturn void rekey_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
