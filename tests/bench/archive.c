// SPDX-License-Identifier: MIT
#include "tests/bench/archive.h"

#include <check.h>
#include <errno.h>
#include <glob.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/uuid.h"
#include "tests/bench/site.h"
#include "tests/support/child.h"
#include "tests/support/port.h"
#include "tests/support/private_postgres.h"

#define USUAL_ROWS 10000000
#define LEAST_ROWS 1000000
#define CHUNK 500000
#define STOP_MS 120000
#define MESSAGES_A_CONVERSATION 10

struct archive {
    char *folder;
    uint16_t port;
    struct child *postgres;
    size_t rows[ARCHIVE_SIZES];
    char *urls[ARCHIVE_SIZES];
};

static const char *const building[] = {"shared_buffers=1GB",
                                       "max_wal_size=16GB",
                                       "checkpoint_timeout=1h",
                                       "wal_level=minimal",
                                       "max_wal_senders=0",
                                       "maintenance_work_mem=512MB",
                                       NULL};

// Postgres's own defaults, as in the field.
static const char *const serving[] = {"fsync=on", "full_page_writes=on", "shared_buffers=128MB", "autovacuum=on", NULL};

static PGconn *connect_to(const char *url) {
    PGconn *connection = PQconnectdb(url);
    ck_assert_msg(PQstatus(connection) == CONNECTION_OK, "%s: %s", url, PQerrorMessage(connection));
    return connection;
}

static void run(PGconn *connection, const char *sql) {
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    ck_assert_msg(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s: %s", sql, PQerrorMessage(connection));
    PQclear(result);
}

static char *read_sql(const char *relative) {
    char *path = site_path(relative), *text = read_whole_file(path);
    ck_assert_msg(text != NULL, "%s: %s", path, strerror(errno));
    free(path);
    return text;
}

// The same as long as the schema and the SQL that fills it are the same. Owned by the caller.
static char *fingerprint(const struct archive *archive) {
    char *patterns[] = {site_path("migrations/*up.sql"), site_path("tests/support/sql/archive_*.sql")};
    struct buf all = {0};
    buf_printf(&all, "%zu", archive->rows[ARCHIVE_SIZES - 1]);
    for (size_t i = 0; i < 2; i++) {
        glob_t found;
        ck_assert_int_eq(glob(patterns[i], 0, NULL, &found), 0);
        for (size_t k = 0; k < found.gl_pathc; k++) {
            char *text = read_whole_file(found.gl_pathv[k]);
            buf_puts(&all, text);
            free(text);
        }
        globfree(&found);
        free(patterns[i]);
    }
    struct uuid digest = uuid_v8("bench archive", all.data);
    buf_free(&all);
    char *text = xmalloc(UUID_TEXT_SIZE);
    uuid_format(&digest, text);
    return text;
}

static char *database_url(const struct archive *archive, const char *user, size_t size) {
    return xasprintf("postgres://%s@127.0.0.1:%u/messages_%zu", user, archive->port, archive->rows[size]);
}

static void fill_chunk(PGconn *connection, const char *sql, size_t first, size_t end) {
    char *from = xasprintf("%zu", first), *to = xasprintf("%zu", end);
    const char *values[] = {from, to};
    PGresult *result = PQexecParams(connection, sql, 2, NULL, values, NULL, NULL, 0);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s", PQerrorMessage(connection));
    PQclear(result);
    free(from);
    free(to);
}

static void fill(const struct archive *archive, size_t size) {
    char *begin = read_sql("tests/support/sql/archive_begin.sql"),
         *chunk = read_sql("tests/support/sql/archive_chunk.sql");
    char *end = read_sql("tests/support/sql/archive_end.sql");
    char *url = database_url(archive, "postgres", size);
    size_t rows = archive->rows[size];
    char *set = xasprintf("SET archive.conversations = %zu", rows / MESSAGES_A_CONVERSATION);
    int64_t began_us = clock_monotonic_us();
    PGconn *connection = connect_to(url);
    run(connection, set);
    run(connection, begin);
    for (size_t first = 0; first < rows; first += CHUNK) {
        fill_chunk(connection, chunk, first, first + CHUNK < rows ? first + CHUNK : rows);
    }
    run(connection, end);
    run(connection, "VACUUM (ANALYZE, FREEZE)");
    PQfinish(connection);
    printf("# a database of %zu messages was built in %.0f s\n", rows, (double)(clock_monotonic_us() - began_us) / 1e6);
    fflush(stdout);
    free(set);
    free(url);
    free(end);
    free(chunk);
    free(begin);
}

static void stop(struct archive *archive) {
    child_signal(archive->postgres, SIGINT);
    ck_assert_int_eq(child_wait(archive->postgres, STOP_MS), 0);
    child_destroy(archive->postgres);
    archive->postgres = NULL;
}

static void run_shell(const char *command, const char *argument) {
    const char *argv[] = {"sh", "-c", command, "sh", argument, NULL};
    child_run(&(struct child_options){.name = "archive", .folder = "/tmp", .argv = argv, .death_signal = SIGKILL},
              STOP_MS);
}

static void build(struct archive *archive) {
    printf("# building databases of up to %zu messages under %s, once\n", archive->rows[ARCHIVE_SIZES - 1],
           archive->folder);
    fflush(stdout);
    run_shell("rm -rf -- \"$1\" && mkdir -p -- \"$1\" && chmod 755 -- \"$1\"", archive->folder);
    postgres_make_template();
    postgres_copy_template(archive->folder);
    archive->postgres = postgres_start(archive->folder, archive->port, building);
    char *url = xasprintf("postgres://postgres@127.0.0.1:%u/postgres", archive->port);
    PGconn *connection = connect_to(url);
    for (size_t size = 0; size < ARCHIVE_SIZES; size++) {
        char *create = xasprintf("CREATE DATABASE messages_%zu TEMPLATE messaging_service OWNER messaging_user",
                                 archive->rows[size]);
        run(connection, create);
        free(create);
        fill(archive, size);
    }
    run(connection, "CHECKPOINT");
    PQfinish(connection);
    free(url);
    stop(archive);
    run_shell("sync", "");
}

static void choose_rows(struct archive *archive) {
    const char *given = getenv("BENCH_ROWS");
    size_t rows = given != NULL && given[0] != '\0' ? strtoul(given, NULL, 10) : USUAL_ROWS;
    ck_assert_msg(rows >= LEAST_ROWS, "BENCH_ROWS must be at least %d", LEAST_ROWS);
    archive->rows[0] = rows / 1000;
    archive->rows[1] = rows / 10;
    archive->rows[2] = rows;
}

// The file `built` says what the folder holds.
static bool is_built(const struct archive *archive, const char *wanted) {
    char *path = xasprintf("%s/built", archive->folder), *text = read_whole_file(path);
    bool same = text != NULL && strcmp(text, wanted) == 0;
    free(text);
    free(path);
    return same;
}

static void note_built(const struct archive *archive, const char *what) {
    char *path = xasprintf("%s/built", archive->folder);
    FILE *file = fopen(path, "we");
    ck_assert_msg(file != NULL && fputs(what, file) >= 0 && fclose(file) == 0, "%s: %s", path, strerror(errno));
    free(path);
}

struct archive *archive_open(void) {
    struct archive *archive = xcalloc(1, sizeof *archive);
    const char *run_dir = getenv("RUN_DIR") != NULL ? getenv("RUN_DIR") : ".run";
    choose_rows(archive);
    archive->folder = run_dir[0] == '/'
                          ? xasprintf("%s/bench/%zu", run_dir, archive->rows[2])
                          : xasprintf("%s/%s/bench/%zu", getenv("PROJECT_ROOT"), run_dir, archive->rows[2]);
    archive->port = free_port();
    char *wanted = fingerprint(archive);
    if (!is_built(archive, wanted)) {
        build(archive);
        note_built(archive, wanted);
    }
    free(wanted);
    archive->postgres = postgres_start(archive->folder, archive->port, serving);
    for (size_t size = 0; size < ARCHIVE_SIZES; size++) {
        archive->urls[size] = database_url(archive, "messaging_user", size);
    }
    return archive;
}

size_t archive_rows(const struct archive *archive, size_t size) {
    return archive->rows[size];
}

const char *archive_url(const struct archive *archive, size_t size) {
    return archive->urls[size];
}

void archive_close(struct archive *archive) {
    stop(archive);
    for (size_t size = 0; size < ARCHIVE_SIZES; size++) {
        free(archive->urls[size]);
    }
    free(archive->folder);
    free(archive);
}
