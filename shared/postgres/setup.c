// SPDX-License-Identifier: MIT
//
// What a link runs before it is up: a look at its session, its `setup` script, then, on a pipeline link, the preparing
// of every statement.
#include <stdlib.h>
#include <string.h>

#include "shared/postgres/private.h"

// A table, column, schema or function that isn't there, or not yet.
static bool lacks_schema(const PGresult *result) {
    static const char *const codes[] = {"42P01", "42703", "3F000", "42883", "42704"};
    const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    for (size_t i = 0; code && i < sizeof codes / sizeof codes[0]; i++) {
        if (strcmp(code, codes[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void pg_setup_fail_with(struct pg_link *link, const char *what, const PGresult *result) {
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    char *why = xasprintf("%s failed: %s%s", what, message ? message : "no reason given",
                          lacks_schema(result) ? " (is the database migrated? run make migrate-apply)" : "");
    pg_link_fail(link, why);
    free(why);
}

static void pg_setup_on_prepared(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct pg_link *link = argument;
    if (outcome == PG_LINK_LOST) {
        return;
    }
    const struct pg_statement *statement = &link->options.statements[link->statements_ready];
    if (outcome == PG_LINK_ERROR) {
        char *what = xasprintf("preparing statement %s", statement->name);
        pg_setup_fail_with(link, what, result);
        free(what);
        return;
    }
    link->statements_ready++;
    if (!statement[1].name) {
        pg_link_ready(link);
    }
}

static void prepare_statements(struct pg_link *link) {
    const struct pg_statement *statement = link->options.statements;
    if (!PQenterPipelineMode(link->conn)) {
        pg_link_fail_conn(link);
        return;
    }
    if (!statement || !statement->name) {
        pg_link_ready(link);
        return;
    }
    for (; statement->name; statement++) {
        pg_job_prepare(link, statement, pg_setup_on_prepared, link);
    }
}

static void after_script(struct pg_link *link) {
    if (link->options.pipeline) {
        prepare_statements(link);
    } else {
        pg_link_ready(link);
    }
}

static void pg_setup_on_script(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct pg_link *link = argument;
    if (outcome == PG_LINK_ERROR) {
        pg_setup_fail_with(link, "the set-up script", result);
    } else if (outcome == PG_LINK_OK) {
        if (link->options.on_set_up) {
            link->options.on_set_up(link->options.argument, result);
        }
        after_script(link);
    }
}

void pg_setup_start(struct pg_link *link) {
    pg_socket_watch(link, UV_READABLE, pg_job_on_io);
    if (link->state != PG_LINK_SETUP) {
        return;
    }
    if (link->checks) {
        pg_link_ready(link);
    } else {
        pg_session_check_start(link);
    }
}

void pg_setup_run(struct pg_link *link) {
    if (link->setup) {
        pg_job_script(link, link->setup, true, pg_setup_on_script, link);
    } else {
        after_script(link);
    }
}
