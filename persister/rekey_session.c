// SPDX-License-Identifier: MIT
#include "persister/rekey_session.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gen/persister/embedded.h"
#include "shared/base/mem.h"
#include "shared/message/identify.h"
#include "shared/postgres/error.h"

#define CONNECT_SECS "10"

enum {
    MOST_REPEATS = 100, // of one statement: then something stands in its way for good
    PAUSE_MS = 50,      // before a repeat
};

void rekey_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fputs("persister --rekey: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(EXIT_FAILURE);
}

// The first line of what Postgres or libpq says.
static int line_length(const char *text) {
    return (int)strcspn(text, "\n");
}

static bool has_succeeded(const PGresult *result) {
    return PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK;
}

void rekey_session_pause(void) {
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
}

PGresult *rekey_session_run(PGconn *conn, const char *sql, int count, const char *const *values) {
    for (int repeats = 0;; repeats++) {
        PGresult *result = PQexecParams(conn, sql, count, NULL, values, NULL, NULL, 0);
        if (has_succeeded(result)) {
            return result;
        }
        const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        const char *why = PQresultErrorMessage(result);
        if (PQstatus(conn) != CONNECTION_OK || pg_error_of(state) != PG_ERROR_REPEAT || repeats >= MOST_REPEATS) {
            rekey_fail("%.*s; run it again, it goes on where it ended", line_length(why), why);
        }
        PQclear(result);
        rekey_session_pause();
    }
}

static void rekey_session_set_up(PGconn *conn, const char *script) {
    PGresult *result = PQexec(conn, script);
    if (!has_succeeded(result)) {
        const char *why = PQresultErrorMessage(result);
        rekey_fail("%.*s (is the database migrated? bin/migrate.sh up)", line_length(why), why);
    }
    PQclear(result);
}

PGconn *rekey_session_open(const struct settings *settings) {
    (void)!setenv("PGCONNECT_TIMEOUT", CONNECT_SECS, 0); // what the URL says goes before
    (void)!setenv("PGTARGETSESSIONATTRS", "read-write", 0);
    PGconn *conn = PQconnectdb(settings->database_url);
    if (PQstatus(conn) != CONNECTION_OK) {
        rekey_fail("no connection to Postgres: %.*s", line_length(PQerrorMessage(conn)), PQerrorMessage(conn));
    }
    char *identities = xasprintf("SET application_name = 'rekey'; SELECT set_config('messaging.rules', '%d', false), "
                                 "set_config('messaging.region', '%s', false)",
                                 IDENTITY_RULES, phone_region_code(settings->phone_region));
    rekey_session_set_up(conn, identities);
    free(identities);
    rekey_session_set_up(conn, persister_sql_rekey_session_sql);
    return conn;
}

void rekey_array_add(struct buf *array, const char *element) {
    if (element == NULL) {
        buf_puts(array, array->length == 0 ? "{}" : "}");
        return;
    }
    buf_puts(array, array->length == 0 ? "{\"" : ",\"");
    for (const char *at = element; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\') {
            buf_putc(array, '\\');
        }
        buf_putc(array, *at);
    }
    buf_putc(array, '"');
}
