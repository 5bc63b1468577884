// SPDX-License-Identifier: MIT
// The ceiling of reading: one libpq connection that runs one prepared statement over and over, and drops the rows.
//   read_ceiling DATABASE_URL SESSION_SQL SQL_FILE PARAMETERS_FILE SECONDS
// Each line of PARAMETERS_FILE has the statement's parameters, tabs between them; they are used in turn.
// Prints "seconds", "reads" and "rows".

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/support/child.h"

#define MOST_PARAMETERS 8
#define MOST_SETS 4096

struct set {
    int count;
    const char *values[MOST_PARAMETERS];
};

static struct set sets[MOST_SETS];

static size_t read_sets(const char *path) {
    size_t count = 0;
    char *text = read_whole_file(path), *rest = NULL;
    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line && count < MOST_SETS;
         line = strtok_r(NULL, "\n", &rest)) {
        struct set *set = &sets[count++];
        char *more = NULL;
        for (char *value = strtok_r(line, "\t", &more); value && set->count < MOST_PARAMETERS;
             value = strtok_r(NULL, "\t", &more)) {
            set->values[set->count++] = value;
        }
    }
    return count; // the text lives as long as the program
}

static void check(PGconn *connection, PGresult *result, ExecStatusType wanted) {
    if (PQresultStatus(result) != wanted) {
        fprintf(stderr, "read_ceiling: %s\n", PQerrorMessage(connection));
        exit(EXIT_FAILURE);
    }
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: read_ceiling DATABASE_URL SESSION_SQL SQL_FILE PARAMETERS_FILE SECONDS\n");
        return 2;
    }
    char *session = read_whole_file(argv[2]), *sql = read_whole_file(argv[3]);
    size_t set_count = read_sets(argv[4]);
    if (session == NULL || sql == NULL || set_count == 0) {
        fprintf(stderr, "read_ceiling: there is nothing to read in %s or %s\n", argv[3], argv[4]);
        return EXIT_FAILURE;
    }
    PGconn *connection = PQconnectdb(argv[1]);
    PGresult *result = PQexec(connection, session);
    check(connection, result, PGRES_COMMAND_OK);
    PQclear(result);
    result = PQprepare(connection, "read", sql, 0, NULL);
    check(connection, result, PGRES_COMMAND_OK);
    PQclear(result);
    size_t reads = 0, rows = 0;
    int64_t began_us = clock_monotonic_us(), end_us = began_us + (int64_t)(strtod(argv[5], NULL) * 1e6), now_us;
    do {
        const struct set *set = &sets[reads++ % set_count];
        result = PQexecPrepared(connection, "read", set->count, set->values, NULL, NULL, 0);
        check(connection, result, PGRES_TUPLES_OK);
        rows += (size_t)PQntuples(result);
        PQclear(result);
        now_us = clock_monotonic_us();
    } while (now_us < end_us);
    printf("seconds %.6f\nreads %zu\nrows %zu\n", (double)(now_us - began_us) / 1e6, reads, rows);
    PQfinish(connection);
    free(sql);
    free(session);
    return EXIT_SUCCESS;
}
