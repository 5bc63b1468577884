// SPDX-License-Identifier: MIT
#include "tests/support/postgres_pair.h"

#include <check.h>
#include <errno.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "tests/support/deadline.h"
#include "tests/support/port.h"
#include "tests/support/private_postgres.h"
#include "tests/support/proxy.h"

#define STREAM "replication" // the proxy's pair
#define FOLLOW_MS 30000
#define END_MS 15000

enum { SERVERS = 2 };

struct server {
    char *folder;
    uint16_t port;
    struct child *child; // NULL: it doesn't run
};

struct postgres_pair {
    struct server servers[SERVERS];
    int primary; // which of them
    char *url;
    bool is_synchronous;
    const char *const *settings;
    struct proxy *proxy; // between the standby and the primary
    uint16_t proxy_port;
};

int64_t postgres_pair_sql(uint16_t port, const char *format, ...) {
    struct buf sql = {0};
    va_list arguments;
    va_start(arguments, format);
    buf_vprintf(&sql, format, arguments);
    va_end(arguments);
    char *url = xasprintf("postgres://postgres@127.0.0.1:%u/messaging_service?connect_timeout=5", port);
    PGconn *link = PQconnectdb(url);
    PGresult *result = PQexec(link, sql.data);
    ExecStatusType status = PQresultStatus(result);
    ck_assert_msg(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s: %s", sql.data, PQerrorMessage(link));
    bool has_value = PQntuples(result) > 0 && !PQgetisnull(result, 0, 0);
    const char *text = has_value ? PQgetvalue(result, 0, 0) : "0";
    int64_t value = strcmp(text, "t") == 0 ? 1 : strtoll(text, NULL, 10);
    PQclear(result);
    PQfinish(link);
    free(url);
    buf_free(&sql);
    return value;
}

static struct server *primary_of(struct postgres_pair *pair) {
    return &pair->servers[pair->primary];
}

static struct server *standby_of(struct postgres_pair *pair) {
    return &pair->servers[1 - pair->primary];
}

const char *postgres_pair_url(const struct postgres_pair *pair) {
    return pair->url;
}

uint16_t postgres_pair_primary(const struct postgres_pair *pair) {
    return pair->servers[pair->primary].port;
}

uint16_t postgres_pair_standby(const struct postgres_pair *pair) {
    return pair->servers[1 - pair->primary].port;
}

// Whether the standby has received and replayed what the primary has by now.
static bool follows(const struct postgres_pair *pair) {
    uint16_t primary = postgres_pair_primary(pair);
    return postgres_pair_sql(primary,
                             "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn >= "
                             "pg_current_wal_flush_lsn() AND sync_state = '%s'",
                             pair->is_synchronous ? "sync" : "async") == 1;
}

// The proxy leads to the primary of now.
static void lead_to_primary(struct postgres_pair *pair) {
    if (pair->proxy != NULL) {
        proxy_destroy(pair->proxy);
    }
    pair->proxy = proxy_create();
    pair->proxy_port = proxy_add(pair->proxy, STREAM, postgres_pair_primary(pair));
    proxy_start(pair->proxy);
}

static void set_standbys(struct postgres_pair *pair) {
    uint16_t primary = postgres_pair_primary(pair);
    postgres_pair_sql(primary, "ALTER SYSTEM SET synchronous_standby_names = '%s'",
                      pair->is_synchronous ? "standby" : "");
    postgres_pair_sql(primary, "SELECT pg_reload_conf()");
}

static void start_server(struct postgres_pair *pair, struct server *server) {
    server->child = postgres_start(server->folder, server->port, pair->settings);
}

// The standby's data are the primary's.
static void copy_primary(struct postgres_pair *pair) {
    const struct server *standby = standby_of(pair);
    char *data = xasprintf("%s/postgres", standby->folder);
    char *source = xasprintf("host=127.0.0.1 port=%u user=postgres application_name=standby", pair->proxy_port);
    const char *const remove[] = {"rm", "-rf", "--", data, NULL};
    child_run(&(struct child_options){.name = "rm", .folder = standby->folder, .argv = remove, .death_signal = SIGKILL},
              END_MS);
    postgres_base_backup(standby->folder, source);
    free(source);
    free(data);
}

static void start_standby(struct postgres_pair *pair) {
    start_server(pair, standby_of(pair));
    WAIT_FOR(FOLLOW_MS, follows(pair));
}

struct postgres_pair *postgres_pair_create(const char *folder, bool is_synchronous, const char *const *settings) {
    static const char *const names[SERVERS] = {"first", "second"};
    struct postgres_pair *pair = xcalloc(1, sizeof *pair);
    pair->is_synchronous = is_synchronous;
    pair->settings = settings;
    for (int i = 0; i < SERVERS; i++) {
        pair->servers[i] = (struct server){.folder = xasprintf("%s/%s", folder, names[i]), .port = free_port()};
        ck_assert_msg(mkdir(pair->servers[i].folder, 0755) == 0, "%s: %s", pair->servers[i].folder, strerror(errno));
    }
    pair->url = xasprintf("postgres://messaging_user:messaging_password@127.0.0.1:%u,127.0.0.1:%u/messaging_service",
                          pair->servers[0].port, pair->servers[1].port);
    postgres_make_template();
    postgres_copy_template(pair->servers[0].folder);
    start_server(pair, primary_of(pair));
    lead_to_primary(pair);
    copy_primary(pair);
    set_standbys(pair);
    start_standby(pair);
    return pair;
}

static void kill_server(struct server *server) {
    child_kill_family(server->child);
    (void)child_wait(server->child, END_MS);
    child_destroy(server->child);
    server->child = NULL;
}

void postgres_pair_destroy(struct postgres_pair *pair) {
    for (int i = 0; i < SERVERS; i++) {
        if (pair->servers[i].child != NULL) {
            kill_server(&pair->servers[i]);
        }
        free(pair->servers[i].folder);
    }
    proxy_destroy(pair->proxy);
    free(pair->url);
    free(pair);
}

void postgres_pair_cut(struct postgres_pair *pair) {
    proxy_set_mode(pair->proxy, STREAM, PROXY_SWALLOW);
}

void postgres_pair_join(struct postgres_pair *pair) {
    proxy_set_mode(pair->proxy, STREAM, PROXY_PASS);
    WAIT_FOR(FOLLOW_MS, follows(pair));
}

void postgres_pair_kill_primary(struct postgres_pair *pair) {
    kill_server(primary_of(pair));
}

void postgres_pair_kill_standby(struct postgres_pair *pair) {
    kill_server(standby_of(pair));
}

void postgres_pair_promote(struct postgres_pair *pair) {
    pair->primary = 1 - pair->primary;
    postgres_pair_sql(postgres_pair_primary(pair), "SELECT pg_promote()");
    // It has the old primary's settings: there is no standby to wait for yet.
    postgres_pair_sql(postgres_pair_primary(pair), "ALTER SYSTEM SET synchronous_standby_names = ''");
    postgres_pair_sql(postgres_pair_primary(pair), "SELECT pg_reload_conf()");
}

void postgres_pair_return(struct postgres_pair *pair) {
    lead_to_primary(pair);
    copy_primary(pair);
    set_standbys(pair);
    start_standby(pair);
}
