// SPDX-License-Identifier: MIT
// Reads over HTTP, at three sizes of the database, beside the same statement in one libpq loop; the sizes in turn, each
// with an ingest of its own, so that all of them see the same machine.
//
// The last page by cursor is page 1,000, or the last one where there are fewer: the way there is gone by cursor, as a
// client would.
#include <check.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "tests/bench/archive.h"
#include "tests/bench/lib/samples.h"
#include "tests/bench/stage.h"

#define ROUNDS 5
#define ROUND_SECS "1"
#define DEEPEST_PAGE 1000
#define PAGE_ROWS 50
#define THREAD "/api/conversations/1/messages"
#define CONVERSATIONS "/api/conversations"

enum read { READ_CONVERSATIONS, READ_CONVERSATIONS_DEEP, READ_THREAD, READ_THREAD_DEEP, READ_MESSAGE, READ_COUNT };

// The parameters of ingest's statement, as SQL that gives them. A deep page's are those of the row before it: the row's
// number is to be added.
static const struct {
    const char *metric, *statement;
    const char *list; // NULL: by id
    bool deep;
    const char *parameters;
} reads[READ_COUNT] = {
    [READ_CONVERSATIONS] = {"conversations, first page", "ingest/read/sql/conversations.sql", CONVERSATIONS, false,
                            "SELECT 'infinity', 9223372036854775807, 51, 0"},
    [READ_CONVERSATIONS_DEEP] =
        {"conversations, last page by cursor", "ingest/read/sql/conversations.sql", CONVERSATIONS, true,
         "SELECT last_activity_at, id, 51, 0 FROM conversations ORDER BY last_activity_at DESC, "
         "id DESC LIMIT 1 OFFSET "},
    [READ_THREAD] = {"thread, first page", "ingest/read/sql/messages_of_conversation.sql", THREAD, false,
                     "SELECT 1, '-infinity', '-infinity', '00000000-0000-0000-0000-000000000000', 51, 0, 32768, "
                     "'00000000-0000-0000-0000-000000000000'"},
    [READ_THREAD_DEEP] = {"thread, last page by cursor", "ingest/read/sql/messages_of_conversation.sql", THREAD, true,
                          "SELECT 1, occurred_at, accepted_at, id, 51, 0, 32768, "
                          "'00000000-0000-0000-0000-000000000000' FROM messages WHERE conversation_id = 1 ORDER BY "
                          "occurred_at, accepted_at, id LIMIT 1 OFFSET "},
    [READ_MESSAGE] =
        {"message by id", "ingest/read/sql/message.sql", NULL, false,
         // a thousand ids all over the table, made as archive_chunk.sql makes them
         "SELECT (lpad(to_hex(1700000000000 + i), 12, '0') || '7' || substr(md5(i::text), 1, 3) || '8' || "
         "substr(md5(i::text), 4, 15))::uuid FROM totals, generate_series(0, messages - 1, messages / 1000) "
         "AS i WHERE slot = 0 AND channel = 'sms'"},
};

// A database, and the ingest that serves it.
static const struct size {
    const char *name, *ingest, *paths, *parameters; // the latter two are files
} sizes[ARCHIVE_SIZES] = {{"10k", "ingest-1", "paths-1", "parameters-1"},
                          {"1M", "ingest-2", "paths-2", "parameters-2"},
                          {"10M", "ingest-3", "paths-3", "parameters-3"}};

static void write_file(const char *path, const struct buf *text) {
    FILE *file = fopen(path, "we");
    ck_assert_msg(file != NULL && fwrite(text->data, 1, text->length, file) == text->length && fclose(file) == 0,
                  "%s can't be written", path);
}

static char *own_path(struct site *site, const char *name) {
    return xasprintf("%s/%s", stack_folder(site->stack), name);
}

// ---- What is asked for

static size_t deep_rows(size_t listed) {
    size_t pages = (listed + PAGE_ROWS - 1) / PAGE_ROWS;
    return ((pages < DEEPEST_PAGE ? pages : DEEPEST_PAGE) - 1) * PAGE_ROWS;
}

// Goes to the page after `before` rows and returns its path, owned by the caller.
static char *walk(struct site *site, const char *ingest, const char *list, size_t before, size_t listed) {
    char *path = xstrdup(list);
    for (size_t seen = 0; seen < before; seen += PAGE_ROWS) {
        struct answer *answer = stack_call(site->stack, ingest, "GET", path, NULL, NULL);
        ck_assert_int_eq(answer->status, 200);
        ck_assert(answer_number(answer, "meta.total") == (double)listed);
        free(path);
        path = xasprintf("%s?cursor=%s", list, answer_text(answer, "meta.next_cursor"));
        answer_free(answer);
    }
    return path;
}

static PGresult *ask(const char *url, const char *sql) {
    PGconn *connection = PQconnectdb(url);
    PGresult *rows = PQexec(connection, sql);
    ck_assert_msg(PQresultStatus(rows) == PGRES_TUPLES_OK, "%s: %s", sql, PQerrorMessage(connection));
    PQfinish(connection);
    return rows;
}

static void put_row(struct buf *out, const PGresult *rows, int row) {
    for (int column = 0; column < PQnfields(rows); column++) {
        buf_puts(out, column > 0 ? "\t" : "");
        buf_puts(out, PQgetvalue(rows, row, column));
    }
    buf_putc(out, '\n');
}

// Writes what wrk asks for into `paths` and what the loop asks for into `parameters`.
static void prepare(struct site *site, enum read read, const struct size *size, const char *url, size_t listed) {
    struct buf paths = {0}, parameters = {0};
    size_t before = reads[read].deep ? deep_rows(listed) : 0;
    char *sql =
        reads[read].deep ? xasprintf("%s%zu", reads[read].parameters, before - 1) : xstrdup(reads[read].parameters);
    PGresult *rows = ask(url, sql);
    for (int row = 0; row < PQntuples(rows); row++) {
        put_row(&parameters, rows, row);
        if (reads[read].list == NULL) {
            buf_printf(&paths, "/api/messages/%s\n", PQgetvalue(rows, row, 0));
        }
    }
    if (reads[read].list != NULL) {
        char *path = walk(site, size->ingest, reads[read].list, before, listed);
        buf_printf(&paths, "%s\n", path);
        free(path);
    }
    char *paths_file = own_path(site, size->paths), *parameters_file = own_path(site, size->parameters);
    write_file(paths_file, &paths);
    write_file(parameters_file, &parameters);
    free(parameters_file);
    free(paths_file);
    PQclear(rows);
    free(sql);
    buf_free(&paths);
    buf_free(&parameters);
}

// ---- Measuring

static double measure(struct site *site, const struct size *size) {
    char *script = site_path("tests/bench/reads.lua"), *paths = own_path(site, size->paths);
    char *url = xasprintf("http://127.0.0.1:%u", stack_port(site->stack, size->ingest));
    const char *argv[] = {"wrk", "-t1", "-c8", "-d" ROUND_SECS "s", "-s", script, url, "--", paths, NULL};
    char *output = site_run(site, argv, 60);
    ck_assert_msg(site_number(output, "failed") == 0, "wrk: %s", output);
    double rate = site_number(output, "requests") / site_number(output, "seconds");
    free(output);
    free(url);
    free(paths);
    free(script);
    return rate;
}

static double measure_ceiling(struct site *site, enum read read, const struct size *size, const char *url) {
    char *statement = site_path(reads[read].statement), *parameters = own_path(site, size->parameters);
    char *session = site_path("ingest/read/sql/session.sql");
    const char *argv[] = {"read_ceiling", url, session, statement, parameters, ROUND_SECS, NULL};
    char *output = site_run(site, argv, 60);
    double rate = site_number(output, "reads") / site_number(output, "seconds");
    free(output);
    free(session);
    free(parameters);
    free(statement);
    return rate;
}

static size_t listed_of(const struct archive *archive, size_t size) {
    return archive_rows(archive, size) / 10; // conversations, and messages of the great one: archive.h
}

static void serve(struct site *site, const struct archive *archive) {
    for (size_t i = 0; i < ARCHIVE_SIZES; i++) {
        char *variable = xasprintf("DATABASE_URL=%s", archive_url(archive, i));
        stack_start_with(site->stack, sizes[i].ingest, (const char *const[]){variable, NULL});
        WAIT_FOR(10000, stack_status(site->stack, sizes[i].ingest, "GET", CONVERSATIONS, NULL) == 200);
        free(variable);
    }
}

static void report(struct site *site, enum read read, struct samples rates[], struct samples ceilings[]) {
    for (size_t i = 0; i < ARCHIVE_SIZES; i++) {
        char *metric = xasprintf("%s at %s", reads[read].metric, sizes[i].name);
        report_add(site->report, "reads", metric, samples_median(&rates[i]), samples_median(&ceilings[i]));
        free(metric);
    }
    char *metric = xasprintf("%s, 10M / 10k", reads[read].metric);
    report_add(site->report, "reads", metric, samples_median(&rates[0]) / samples_median(&rates[ARCHIVE_SIZES - 1]), 0);
    free(metric);
}

static void compare(struct site *site, enum read read, const struct archive *archive) {
    struct samples rates[ARCHIVE_SIZES] = {{0}}, ceilings[ARCHIVE_SIZES] = {{0}};
    for (size_t i = 0; i < ARCHIVE_SIZES; i++) {
        prepare(site, read, &sizes[i], archive_url(archive, i), listed_of(archive, i));
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < ARCHIVE_SIZES; i++) {
            samples_add(&rates[i], measure(site, &sizes[i]));
            samples_add(&ceilings[i], measure_ceiling(site, read, &sizes[i], archive_url(archive, i)));
        }
    }
    report(site, read, rates, ceilings);
    for (size_t i = 0; i < ARCHIVE_SIZES; i++) {
        samples_free(&rates[i]);
        samples_free(&ceilings[i]);
    }
}

void stage_reads(struct site *site) {
    struct archive *archive = archive_open();
    serve(site, archive);
    for (int read = 0; read < READ_COUNT; read++) {
        compare(site, (enum read)read, archive);
    }
    for (size_t i = 0; i < ARCHIVE_SIZES; i++) {
        site_stop(site, sizes[i].ingest);
    }
    archive_close(archive);
}
