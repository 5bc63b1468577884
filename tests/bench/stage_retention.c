// SPDX-License-Identifier: MIT
// What MESSAGE_RETENTION_DAYS costs others while it deletes: a constant load of sends is stored and pages are read, in
// turns without and with a persister that deletes, until all that is old has gone. The ceilings are the same figures of
// the turns without. Most of what is deleted is of conversations that the sends belong to.
#include <check.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/bench/lib/samples.h"
#include "tests/bench/lib/traffic.h"
#include "tests/bench/stage.h"
#include "tests/support/child.h"

#define USUAL_ROWS 200000
#define CHUNK 50000
#define TURN_SECS 15
#define SENDS_A_SECOND 200
#define READS_A_SECOND 100
#define MOST_TURNS 400

// Of the turns of one kind.
struct side {
    struct samples reads, batches; // ms
};

// ---- The database

static size_t chosen_rows(void) {
    const char *given = getenv("BENCH_RETENTION_ROWS");
    return given != NULL && given[0] != '\0' ? strtoul(given, NULL, 10) : USUAL_ROWS;
}

static void run(PGconn *connection, const char *sql) {
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    ck_assert_msg(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%.200s: %s", sql,
                  PQerrorMessage(connection));
    PQclear(result);
}

static void fill_chunk(PGconn *connection, size_t first, size_t rows) {
    char *sql = xasprintf("SELECT aged(%zu, %zu, %d, '29 days', '8 days', '+1201666', 0, '" TRAFFIC_TO "')", first,
                          rows, TRAFFIC_SENDERS);
    run(connection, sql);
    free(sql);
}

static void fill(struct site *site, size_t rows) {
    char *path = site_path("tests/support/sql/aged.sql"), *aged = read_whole_file(path);
    char *url = xasprintf("postgres://postgres@127.0.0.1:%u/messaging_service", stack_port(site->stack, "postgres"));
    PGconn *connection = PQconnectdb(url);
    run(connection, aged);
    run(connection,
        "SET session_replication_role = replica; SET synchronous_commit = off"); // no foreign keys' triggers
    for (size_t first = 0; first < rows; first += CHUNK) {
        fill_chunk(connection, first, first + CHUNK < rows ? CHUNK : rows - first);
    }
    run(connection, "VACUUM (ANALYZE)");
    run(connection, "CHECKPOINT");
    PQfinish(connection);
    free(url);
    free(aged);
    free(path);
}

static int64_t old_messages(struct site *site) {
    return stack_sql(site->stack,
                     "SELECT count(*) FROM messages m WHERE accepted_at < now() - interval '7 days' AND (direction = "
                     "'inbound' OR EXISTS (SELECT FROM deliveries d WHERE d.message_id = m.id AND final))");
}

static void assert_exact(struct site *site) {
    char *path = site_path("tests/chaos/counts.sql"), *rules = read_whole_file(path);
    char *wrong =
        stack_sql_text(site->stack,
                       "SELECT coalesce(string_agg(rule || ': ' || wrong, ', '), '') FROM (%s) AS rules WHERE "
                       "wrong > 0 AND rule NOT LIKE 'outbound%%'",
                       rules);
    ck_assert_msg(*wrong == '\0', "%s", wrong);
    free(wrong);
    free(rules);
    free(path);
}

// ---- A turn

static void read_once(struct site *site, size_t number, struct side *side) {
    char *thread = xasprintf("/api/conversations/%zu/messages", 1 + number * 7919 % TRAFFIC_SENDERS);
    int64_t began_us = clock_monotonic_us();
    long status = stack_status(site->stack, "ingest-1", "GET", number % 2 == 0 ? "/api/conversations" : thread, NULL);
    samples_add(&side->reads, (double)(clock_monotonic_us() - began_us) / 1e3);
    ck_assert_msg(status == 200 || status == 404, "%ld", status);
    free(thread);
}

// Reads at their pace for as long as the sends last.
static void read_beside(struct site *site, struct child *sends, struct side *side) {
    int64_t due_us = clock_monotonic_us();
    for (size_t i = 0; child_is_running(sends); i++) {
        read_once(site, i, side);
        due_us += 1000000 / READS_A_SECOND;
        int64_t left_us = due_us - clock_monotonic_us();
        if (left_us > 0) {
            usleep((useconds_t)left_us);
        }
    }
}

static char *persister_log(struct site *site) {
    char *path = xasprintf("%s/persister-1.log", stack_folder(site->stack)), *text = read_whole_file(path);
    free(path);
    return text;
}

static double number_in(const char *line, const char *name) {
    const char *at = strstr(line, name);
    ck_assert_msg(at != NULL, "no %s in %.300s", name, line);
    return strtod(at + strlen(name), NULL);
}

// What each batch took from the begin of its staging to the end of its commit.
static void take_batches(struct site *site, size_t log_begin, struct side *side) {
    char *log = persister_log(site);
    ck_assert(log != NULL && strlen(log) >= log_begin);
    for (const char *line = log + log_begin; (line = strstr(line, "\"event\":\"batch\"")) != NULL; line++) {
        samples_add(&side->batches, (number_in(line, "\"stage_us\":") + number_in(line, "\"commit_us\":")) / 1e3);
    }
    free(log);
}

static void turn(struct site *site, const char *retention, struct side *side) {
    stack_start_with(site->stack, "persister-1", (const char *const[]){retention, "LOG_LEVEL=debug", NULL});
    // What the one before may have left when it was stopped is taken over after API_WORKER_CLAIM_TIMEOUT_SECS.
    WAIT_FOR(180000, site_length(site, SITE_EVENTS) == 0);
    char *port = xasprintf("%u", stack_port(site->stack, "ingest-1"));
    char *count = xasprintf("%d", TURN_SECS * SENDS_A_SECOND), *rate = xasprintf("%d", SENDS_A_SECOND);
    char *log = persister_log(site);
    size_t begin = log != NULL ? strlen(log) : 0;
    struct child *sends = site_start(site, (const char *const[]){"generator", port, "16", count, rate, "0", NULL});
    read_beside(site, sends, side);
    ck_assert_int_eq(child_wait(sends, 1000), 0);
    child_destroy(sends);
    take_batches(site, begin, side);
    site_stop(site, "persister-1");
    site_drop_sends(site);
    free(log);
    free(rate);
    free(count);
    free(port);
}

// ---- All of them

static void report_side(struct site *site, const char *what, struct samples *with, struct samples *without) {
    static const int percents[] = {50, 99};
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
        char *metric = xasprintf("%s, p%d beside it", what, percents[i]);
        report_add(site->report, "retention", metric, samples_percentile(with, percents[i]),
                   samples_percentile(without, percents[i]));
        free(metric);
    }
}

void stage_retention(struct site *site) {
    struct side with = {0}, without = {0};
    size_t rows = chosen_rows();
    int turns = 0;
    site_start_postgres(site);
    fill(site, rows);
    stack_start(site->stack, "ingest-1");
    int64_t old = old_messages(site), left = old;
    while (left > 0 && turns < MOST_TURNS) {
        turn(site, "MESSAGE_RETENTION_DAYS=0", &without);
        turn(site, "MESSAGE_RETENTION_DAYS=7", &with);
        turns++;
        left = old_messages(site);
        printf("# %lld of %lld old messages are left\n", (long long)left, (long long)old);
        fflush(stdout);
    }
    ck_assert_int_eq(left, 0);
    assert_exact(site);
    report_add(site->report, "retention", "messages deleted", (double)old / (turns * TURN_SECS), 0);
    report_side(site, "reads", &with.reads, &without.reads);
    report_side(site, "batches", &with.batches, &without.batches);
    site_stop(site, "ingest-1");
    samples_free(&with.reads);
    samples_free(&with.batches);
    samples_free(&without.reads);
    samples_free(&without.batches);
}
