// SPDX-License-Identifier: MIT
#include "shared/postgres/setup.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"

// A table, column, schema or function that isn't there, or not yet.
static bool lacks_schema(const PGresult *result) {
    static const char *const codes[] = {"42P01", "42703", "3F000", "42883", "42704"};
    const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    for (size_t i = 0; code != NULL && i < sizeof codes / sizeof codes[0]; i++) {
        if (strcmp(code, codes[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void pg_setup_fail_with(struct pg_setup *setup, const char *what, const PGresult *result) {
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    char *why = xasprintf("%s failed: %s%s", what, message != NULL ? message : "no reason given",
                          lacks_schema(result) ? " (is the database migrated? run make migrate-apply)" : "");
    pg_conn_fail(setup->conn, why);
    free(why);
}

static void pg_setup_on_prepared(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct pg_setup *setup = argument;
    if (outcome == PG_LINK_LOST) {
        return;
    }
    const struct pg_statement *statement = &setup->statements[setup->prepared];
    if (outcome == PG_LINK_ERROR) {
        char *what = xasprintf("preparing statement %s", statement->name);
        pg_setup_fail_with(setup, what, result);
        free(what);
        return;
    }
    setup->prepared++;
    if (statement[1].name == NULL) {
        setup->on_ready(setup->owner);
    }
}

static void prepare_statements(struct pg_setup *setup) {
    const struct pg_statement *statement = setup->statements;
    struct pg_jobs *jobs = pg_conn_jobs(setup->conn);
    if (!PQenterPipelineMode(jobs->conn)) {
        pg_jobs_break(jobs);
        return;
    }
    if (statement == NULL || statement->name == NULL) {
        setup->on_ready(setup->owner);
        return;
    }
    for (; statement->name != NULL; statement++) {
        pg_jobs_prepare(jobs, statement, pg_setup_on_prepared, setup);
    }
}

static void after_script(struct pg_setup *setup) {
    if (setup->pipeline) {
        prepare_statements(setup);
    } else {
        setup->on_ready(setup->owner);
    }
}

static void pg_setup_on_script(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct pg_setup *setup = argument;
    if (outcome == PG_LINK_ERROR) {
        pg_setup_fail_with(setup, "the set-up script", result);
    } else if (outcome == PG_LINK_OK) {
        setup->on_script(setup->owner, result);
        if (pg_conn_jobs(setup->conn)->conn != NULL) { // it may have been let go of
            after_script(setup);
        }
    }
}

void pg_setup_start(struct pg_setup *setup) {
    setup->prepared = 0;
    if (setup->script != NULL) {
        pg_jobs_script(pg_conn_jobs(setup->conn), setup->script, true, pg_setup_on_script, setup);
    } else {
        after_script(setup);
    }
}
