// SPDX-License-Identifier: MIT
#include "shared/postgres/error.h"

#include <stddef.h>
#include <string.h>

// The first that the SQLSTATE begins with counts. What begins with none of them is to be repeated: serialization and
// deadlocks (40), full disks (53100), the system's errors (58).
static const struct {
    const char *beginning;
    enum pg_error means;
} table[] = {
    // Ours (persister/sql/batch.sql).
    {"MS001", PG_ERROR_REPEAT},  // another persister was faster
    {"MS002", PG_ERROR_SESSION}, // the rows lie in another session

    {"21", PG_ERROR_CONTENT}, // cardinality: one row twice in one statement
    {"22", PG_ERROR_CONTENT}, // data
    {"23", PG_ERROR_CONTENT}, // constraints
    {"44", PG_ERROR_CONTENT}, // a view's check
    {"54", PG_ERROR_CONTENT}, // limits: a row too long for its index, JSON too deep
    {"09", PG_ERROR_CONTENT}, // a trigger of the database's owner refuses it, in whatever language …
    {"38", PG_ERROR_CONTENT},    {"39", PG_ERROR_CONTENT}, {"P0", PG_ERROR_CONTENT}, // … as by RAISE EXCEPTION

    {"57014", PG_ERROR_SHORTER}, // cancelled, by hand or by a statement_timeout
    {"53200", PG_ERROR_SHORTER}, // out of memory

    {"08", PG_ERROR_SESSION},    // connection
    {"0A000", PG_ERROR_SESSION}, // "cached plan must not change result type": the session is older than a migration
    {"25", PG_ERROR_SESSION},    // transaction state: 25006 read-only after a fail-over, 25P02 aborted, 25P03 idle
    {"26", PG_ERROR_SESSION},    // its prepared statements are gone
    {"28", PG_ERROR_SESSION},    // who it is
    {"34", PG_ERROR_SESSION},    // its cursors
    {"3D", PG_ERROR_SESSION},    // its database
    {"3F", PG_ERROR_SESSION},    // its schemas, pg_temp among them
    {"42501", PG_ERROR_REPEAT},  // a right that is missing is missing in every session
    {"42", PG_ERROR_SESSION},    // its tables and functions: our SQL is always the same, and was right at set-up
    {"55P03", PG_ERROR_REPEAT},  // a lock
    {"55", PG_ERROR_SESSION},    // an object's state
    {"57P", PG_ERROR_SESSION},   // the server shuts down, starts, or has dropped the database
    {"XX000", PG_ERROR_SESSION}, // internal, as after a table was dropped under a plan
};

enum pg_error pg_error_of(const char *sqlstate) {
    if (sqlstate == NULL || *sqlstate == '\0') {
        return PG_ERROR_SESSION;
    }
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strncmp(sqlstate, table[i].beginning, strlen(table[i].beginning)) == 0) {
            return table[i].means;
        }
    }
    return PG_ERROR_REPEAT;
}

const char *pg_error_text(const PGconn *conn) {
    const char *text = PQerrorMessage(conn);
    return text != NULL && *text ? text : "the connection broke";
}
