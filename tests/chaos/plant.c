// SPDX-License-Identifier: MIT
#include "tests/chaos/plant.h"

#include <check.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/private_postgres.h"

#define ID "%36[0-9a-f-]"

// What plant.sql and the functions below make.
static const char *const planted[] = {
    "a 202 without its row",
    "a doubled row",
    "a row of other content",
    "a row that was never accepted",
    "a 202 that can't be read",
    "wrong counts",
    "poison that vanished",
    "a dead letter that was no poison",
    "a 202 that was not delivered",
    "a call of nothing accepted",
    "an unexplained repeat",
    "a call after the end",
    "a call inside a pause",
    "a key that lives too long",
    "memory that stays",
    "an unexplained error line",
    "a line that is no log line",
};

// Returns the last statement's text, owned by the caller.
static char *run_script(struct run *run) {
    char *url = postgres_url(stack_port(run->world->stack, "postgres"));
    char *path = xasprintf("%s/tests/chaos/plant.sql", getenv("PROJECT_ROOT"));
    char *sql = read_whole_file(path);
    PGconn *connection = PQconnectdb(url);
    PGresult *result = PQexec(connection, sql != NULL ? sql : "");
    ck_assert_msg(PQntuples(result) == 1, "%s: %s", path, PQerrorMessage(connection));
    char *text = xstrdup(PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(connection);
    free(sql);
    free(path);
    free(url);
    return text;
}

static void append(const char *path, const char *line) {
    FILE *file = fopen(path, "ae");
    ck_assert_msg(file != NULL && fputs(line, file) >= 0 && fclose(file) == 0, "%s can't be written", path);
}

// Takes a message's calls out of the mock's ledger.
static void hide_calls(const char *path, const char *id) {
    char *text = read_whole_file(path);
    FILE *file = fopen(path, "we");
    ck_assert(text != NULL && file != NULL);
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL && *line != '\0';) {
        if (strstr(line, id) == NULL) {
            fprintf(file, "%s\n", line);
        }
    }
    fclose(file);
    free(text);
}

void plant_faults(struct run *run) {
    char hidden[UUID_TEXT_SIZE], repeated[UUID_TEXT_SIZE], line[128];
    char *ids = run_script(run);
    ck_assert_int_eq(sscanf(ids, ID " " ID, hidden, repeated), 2);
    hide_calls(run->world->mock_ledger, hidden);
    snprintf(line, sizeof line, "%" PRId64 " email %s repeated\n", clock_unix_ms() + 60000, repeated);
    append(run->world->mock_ledger, line); // an injection may have held the message's own call,
    append(run->world->mock_ledger, line); // but not this one too
    freeReplyObject(stack_redis(run->world->stack, "SET rate:{email:0}:planted:1 1"));
    freeReplyObject(stack_redis(run->world->stack, "SETRANGE planted 5000000 x"));
    free(ids);
}

void plant_lines(struct run *run) {
    char *path = xasprintf("%s/dispatcher-1.log", stack_folder(run->world->stack));
    append(path, "{\"ts\":\"2024-11-01T14:00:00.000Z\",\"level\":\"error\",\"event\":\"planted\"}\n");
    append(path, "==1==ERROR: planted\n");
    free(path);
}

void plant_check(struct run *run) {
    uint64_t of_planted = 0;
    for (size_t i = 0; i < sizeof planted / sizeof *planted; i++) {
        uint64_t found = report_found(run->report, planted[i]);
        ck_assert_msg(found > 0, "the audit did not find %s", planted[i]);
        of_planted += found;
    }
    ck_assert_msg(of_planted == report_breaches(run->report), "the audit found something that was not planted");
    printf("all %zu kinds of planted faults were found\n", sizeof planted / sizeof *planted);
}
