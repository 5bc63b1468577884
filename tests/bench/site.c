// SPDX-License-Identifier: MIT
#include "tests/bench/site.h"

#include <check.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/bench/lib/traffic.h"
#include "tests/support/child.h"
#include "tests/support/private_postgres.h"

// The service's own defaults where stack.c has a test's, and limits out of reach.
static const char *const environment[] = {"API_RATE_LIMIT_PER_IP_PER_MIN=1000000000",
                                          "API_RATE_LIMIT_PER_SENDER_PER_MIN=1000000000",
                                          "API_WORKER_CLAIM_TIMEOUT_SECS=60",
                                          "API_WORKER_BACKOFF_BASE_MS=500",
                                          "API_WORKER_BACKOFF_CAP_MS=300000",
                                          "PROVIDER_TIMEOUT_MS=10000",
                                          "INGEST_THREADS=0",
                                          "MAX_CONNECTIONS=15000",
                                          NULL};

// Postgres's own defaults, which a test's settings are laid over.
static const char *const postgres_settings[] = {
    "fsync=on", "full_page_writes=on", "shared_buffers=128MB", "max_connections=100", "autovacuum=on", NULL};

struct site *site_create(struct report *report, const char *stage) {
    struct site *site = xcalloc(1, sizeof *site);
    site->report = report;
    site->stack = stack_create(stage, environment);
    return site;
}

void site_destroy(struct site *site) {
    stack_destroy(site->stack);
    free(site);
}

void site_start_postgres(struct site *site) {
    if (!stack_is_running(site->stack, "postgres")) {
        stack_start_with(site->stack, "postgres", postgres_settings);
    }
}

static char *log_path(const struct site *site, const char *name) {
    return xasprintf("%s/%s.log", stack_folder(site->stack), name);
}

void site_stop(struct site *site, const char *name) {
    char *path = log_path(site, name);
    stack_stop(site->stack, name);
    char *log = read_whole_file(path);
    const char *error = log != NULL ? strstr(log, "\"level\":\"error\"") : NULL;
    ck_assert_msg(error == NULL, "%s logged an error: %.300s", name, error);
    free(log);
    unlink(path);
    free(path);
}

void site_drop(struct site *site, const char *stream) {
    freeReplyObject(stack_redis(site->stack, "XTRIM %s MAXLEN 0", stream));
}

int64_t site_length(struct site *site, const char *stream) {
    return stack_redis_int(site->stack, "XLEN %s", stream);
}

int64_t site_sends(struct site *site) {
    return site_length(site, SITE_OUTBOUND) + stack_redis_int(site->stack, "ZCARD held-order:{sms-mms:0}");
}

void site_drop_sends(struct site *site) {
    site_drop(site, SITE_OUTBOUND);
    freeReplyObject(stack_redis(site->stack, "DEL turn:{sms-mms:0} held:{sms-mms:0} held-order:{sms-mms:0} "
                                             "held-due:{sms-mms:0}"));
}

double site_drain(struct site *site, const char *stream, int within_secs) {
    int64_t began_us = clock_monotonic_us();
    WAIT_FOR(within_secs * 1000, site_length(site, stream) == 0);
    return (double)(clock_monotonic_us() - began_us) / 1e6;
}

void site_empty_database(struct site *site) {
    char *path = site_path("tests/bench/sql/persist_empty.sql"), *sql = read_whole_file(path);
    char *url = xasprintf("postgres://postgres@127.0.0.1:%u/messaging_service", stack_port(site->stack, "postgres"));
    PGconn *connection = PQconnectdb(url);
    PGresult *result = PQexec(connection, sql);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s", PQerrorMessage(connection));
    PQclear(result);
    result = PQexec(connection, "CHECKPOINT");
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s", PQerrorMessage(connection));
    PQclear(result);
    PQfinish(connection);
    free(url);
    free(sql);
    free(path);
}

void site_assert_stored(struct site *site, int64_t sends) {
    int64_t conversations = sends < TRAFFIC_SENDERS ? sends : TRAFFIC_SENDERS;
    ck_assert_int_eq(stack_sql(site->stack, "SELECT count(*) FROM messages"), sends);
    ck_assert_int_eq(stack_sql(site->stack, "SELECT count(*) FROM deliveries"), sends);
    ck_assert_int_eq(stack_sql(site->stack, "SELECT count(*) FROM conversations"), conversations);
    ck_assert_int_eq(stack_sql(site->stack, "SELECT sum(message_count) FROM conversations"), sends);
    ck_assert_int_eq(stack_sql(site->stack, "SELECT sum(messages) FROM totals"), sends);
    ck_assert_int_eq(stack_sql(site->stack, "SELECT sum(conversations) FROM totals"), conversations);
    ck_assert_int_eq(stack_sql(site->stack, "SELECT sum(conversations) FROM participant_totals"), 2 * conversations);
}

char *site_path(const char *relative) {
    return xasprintf("%s/%s", getenv("PROJECT_ROOT"), relative);
}

// ---- The bench's own programs

static struct child *start(struct site *site, const char *name, const char *const *argv) {
    const char *given[16] = {NULL};
    char *own = xasprintf("%s/bench/%s", getenv("BUILD_DIR"), argv[0]);
    char *path = log_path(site, name);
    for (size_t i = 1; argv[i] != NULL; i++) {
        ck_assert_uint_lt(i, 15);
        given[i] = argv[i];
    }
    given[0] = access(own, X_OK) == 0 ? own : argv[0];
    unlink(path);
    struct child *child = child_start(&(struct child_options){
        .name = name, .folder = stack_folder(site->stack), .argv = given, .death_signal = SIGKILL});
    free(path);
    free(own);
    return child;
}

struct child *site_start(struct site *site, const char *const *argv) {
    return start(site, argv[0], argv);
}

char *site_run(struct site *site, const char *const *argv, int within_secs) {
    char *path = log_path(site, argv[0]);
    struct child *child = start(site, argv[0], argv);
    int status = child_wait(child, within_secs * 1000);
    child_destroy(child);
    char *output = read_whole_file(path);
    ck_assert_msg(status == 0, "%s ended with %d: %s", argv[0], status, output != NULL ? output : "");
    free(path);
    return output;
}

double site_number(const char *output, const char *name) {
    size_t length = strlen(name);
    for (const char *line = output; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ' ') {
            return strtod(line + length, NULL);
        }
    }
    ck_abort_msg("no '%s' in: %s", name, output);
}
