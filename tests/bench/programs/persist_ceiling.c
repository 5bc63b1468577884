// SPDX-License-Identifier: MIT
// The ceiling of persisting: the same rows as from a stream of accepted sends, by libpq alone. COPY into a temporary
// table, one prepared set-based statement, COMMIT, batch after batch on one connection; what is copied was written out
// before the clock starts.
//   persist_ceiling DATABASE_URL STAGE_SQL BATCH_SQL ROWS ROWS_A_BATCH
// Prints "seconds" and "rows".

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/rfc3339.h"
#include "shared/base/uuid.h"
#include "tests/bench/lib/traffic.h"
#include "tests/support/child.h"

static PGconn *connection;

static void check(PGresult *result) {
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_COPY_IN) {
        fprintf(stderr, "persist_ceiling: %s\n", PQerrorMessage(connection));
        exit(EXIT_FAILURE);
    }
    PQclear(result);
}

static char *read_sql(const char *path) {
    char *text = read_whole_file(path);
    if (text == NULL) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    return text;
}

static void write_row(struct buf *out, size_t number) {
    char id[UUID_TEXT_SIZE], request[UUID_TEXT_SIZE], sender[TRAFFIC_SENDER_SIZE], now[RFC3339_SIZE];
    struct uuid message = uuid_v7(), asked = uuid_v7();
    uuid_format(&message, id);
    uuid_format(&asked, request);
    traffic_sender(number, sender);
    rfc3339_format(clock_unix_ms(), now);
    buf_printf(out,
               "%s\tsms:%s<->" TRAFFIC_TO "\t%s\t" TRAFFIC_TO "\t%s\t" TRAFFIC_TO "\t" TRAFFIC_BODY "\t" TRAFFIC_TIME
               "\t%s\t%s\n",
               id, sender, sender, sender, now, request);
}

static void store(const struct buf *lines) {
    check(PQexec(connection, "BEGIN"));
    check(PQexec(connection, "COPY stage FROM STDIN"));
    if (PQputCopyData(connection, lines->data, (int)lines->length) != 1 || PQputCopyEnd(connection, NULL) != 1) {
        check(NULL);
    }
    for (PGresult *result; (result = PQgetResult(connection)) != NULL;) {
        check(result);
    }
    check(PQexecPrepared(connection, "batch", 0, NULL, NULL, NULL, 0));
    check(PQexec(connection, "COMMIT"));
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: persist_ceiling DATABASE_URL STAGE_SQL BATCH_SQL ROWS ROWS_A_BATCH\n");
        return 2;
    }
    size_t rows = strtoul(argv[4], NULL, 10), size = strtoul(argv[5], NULL, 10);
    char *stage = read_sql(argv[2]), *batch = read_sql(argv[3]);
    size_t count = (rows + size - 1) / size;
    struct buf *batches = xcalloc(count, sizeof *batches);
    for (size_t i = 0; i < rows; i++) {
        write_row(&batches[i / size], i);
    }
    connection = PQconnectdb(argv[1]);
    check(PQexec(connection, "SET random_page_cost = 0.1; SET jit = off")); // as persister/sql/staging.sql, and why
    check(PQexec(connection, stage));
    check(PQprepare(connection, "batch", batch, 0, NULL));
    int64_t began_us = clock_monotonic_us();
    for (size_t i = 0; i < count; i++) {
        store(&batches[i]);
    }
    printf("seconds %.6f\nrows %zu\n", (double)(clock_monotonic_us() - began_us) / 1e6, rows);
    for (size_t i = 0; i < count; i++) {
        buf_free(&batches[i]);
    }
    free(batches);
    free(stage);
    free(batch);
    PQfinish(connection);
    return EXIT_SUCCESS;
}
