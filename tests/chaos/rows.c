// SPDX-License-Identifier: MIT
#include "tests/chaos/rows.h"

#include <check.h>
#include <stdlib.h>

#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/private_postgres.h"

void rows_each(uint16_t postgres_port, const char *file, rows_look look, void *argument) {
    char *url = postgres_url(postgres_port);
    char *path = xasprintf("%s/tests/chaos/%s", getenv("PROJECT_ROOT"), file);
    char *sql = read_whole_file(path);
    ck_assert_msg(sql != NULL, "%s can't be read", path);
    PGconn *connection = PQconnectdb(url);
    ck_assert_msg(PQsendQuery(connection, sql) == 1 && PQsetSingleRowMode(connection) == 1, "%s: %s", file,
                  PQerrorMessage(connection));
    for (PGresult *result; (result = PQgetResult(connection)) != NULL; PQclear(result)) {
        ExecStatusType status = PQresultStatus(result);
        ck_assert_msg(status == PGRES_SINGLE_TUPLE || status == PGRES_TUPLES_OK, "%s: %s", file,
                      PQresultErrorMessage(result));
        if (status == PGRES_SINGLE_TUPLE) {
            look(argument, result);
        }
    }
    PQfinish(connection);
    free(sql);
    free(path);
    free(url);
}

int64_t rows_int(const PGresult *row, int column) {
    return strtoll(PQgetvalue(row, 0, column), NULL, 10);
}

const char *rows_text(const PGresult *row, int column) {
    return PQgetvalue(row, 0, column);
}
