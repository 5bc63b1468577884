// SPDX-License-Identifier: MIT
#include "tests/support/private_pooler.h"

#include <check.h>
#include <errno.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/mem.h"
#include "tests/support/deadline.h"
#include "tests/support/private_postgres.h"

#define POOLER_USER "postgres" // it doesn't run as root either
#define PROGRAM "/usr/sbin/pgbouncer"
#define START_MS 20000

// Returns a mark, owned by the caller: the value of a setting that nothing asks for, by which it is seen that the file
// has been read.
static char *write_settings(const char *folder, uint16_t port, uint16_t postgres, const char *const *settings) {
    static unsigned writes;
    char *path = xasprintf("%s/pooler.ini", folder), *mark = xasprintf("mark-%u", ++writes);
    FILE *out = fopen(path, "w");
    ck_assert_msg(out != NULL, "%s: %s", path, strerror(errno));
    fprintf(out, "[databases]\n* = host=127.0.0.1 port=%u user=messaging_user\n[pgbouncer]\n", postgres);
    fprintf(out, "listen_addr = 127.0.0.1\nlisten_port = %u\nunix_socket_dir =\nauth_type = any\n", port);
    fputs("admin_users = pooler\npool_mode = session\ndefault_pool_size = 20\n", out);
    for (; settings != NULL && *settings != NULL; settings++) {
        fprintf(out, "%s\n", *settings); // of two of one name, the last counts
    }
    fprintf(out, "stats_users = %s\n", mark);
    ck_assert_int_eq(fclose(out), 0);
    free(path);
    return mark;
}

static PGconn *console(uint16_t port) {
    char *url = xasprintf("postgres://pooler@127.0.0.1:%u/pgbouncer?connect_timeout=2", port);
    PGconn *link = PQconnectdb(url);
    free(url);
    return link;
}

static int column(const PGresult *result, const char *name) {
    int index = PQfnumber(result, name);
    ck_assert_msg(index >= 0 || PQntuples(result) == 0, "the pooler's console has no column %s", name);
    return index;
}

static bool has_read(uint16_t port, const char *mark) {
    PGconn *link = console(port);
    PGresult *result = PQexec(link, "SHOW CONFIG");
    bool read = false;
    for (int row = 0; row < PQntuples(result); row++) {
        read = read || (strcmp(PQgetvalue(result, row, column(result, "key")), "stats_users") == 0 &&
                        strcmp(PQgetvalue(result, row, column(result, "value")), mark) == 0);
    }
    PQclear(result);
    PQfinish(link);
    return read;
}

static bool passes_queries(uint16_t port) {
    char *url = postgres_url(port);
    PGconn *link = PQconnectdb(url);
    PGresult *result = PQexec(link, "SELECT 1");
    bool passes = PQresultStatus(result) == PGRES_TUPLES_OK;
    PQclear(result);
    PQfinish(link);
    free(url);
    return passes;
}

struct child *pooler_start(const char *folder, uint16_t port, uint16_t postgres, const char *const *settings) {
    char *path = xasprintf("%s/pooler.ini", folder);
    free(write_settings(folder, port, postgres, settings));
    const char *argv[] = {access(PROGRAM, X_OK) == 0 ? PROGRAM : "pgbouncer", path, NULL};
    struct child *child = child_start(&(struct child_options){
        .name = "pooler", .folder = folder, .argv = argv, .user = POOLER_USER, .death_signal = SIGKILL});
    WAIT_FOR(START_MS, !child_is_running(child) || passes_queries(port));
    ck_assert_msg(child_is_running(child), "the pooler has ended: see %s/pooler.log", folder);
    free(path);
    return child;
}

void pooler_reload(struct child *pooler, const char *folder, uint16_t port, uint16_t postgres,
                   const char *const *settings) {
    char *mark = write_settings(folder, port, postgres, settings);
    child_signal(pooler, SIGHUP);
    WAIT_FOR(START_MS, has_read(port, mark));
    free(mark);
}

int pooler_clients(uint16_t port, const char *application) {
    PGconn *link = console(port);
    PGresult *result = PQexec(link, "SHOW CLIENTS");
    int count = 0;
    for (int row = 0; row < PQntuples(result); row++) {
        const char *name = PQgetvalue(result, row, column(result, "application_name"));
        count += strncmp(name, application, strlen(application)) == 0;
    }
    PQclear(result);
    PQfinish(link);
    return count;
}

void pooler_command(uint16_t port, const char *command) {
    PGconn *link = console(port);
    PGresult *result = PQexec(link, command);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s: %s", command, PQerrorMessage(link));
    PQclear(result);
    PQfinish(link);
}
