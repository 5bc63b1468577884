// SPDX-License-Identifier: MIT
#include "tests/support/private_postgres.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/mem.h"
#include "tests/support/deadline.h"
#include "tests/support/port.h"

#define POSTGRES_USER "postgres"
#define START_MS 60000 // initdb writes some 40 MB
#define MAX_ARGUMENTS 64

char *postgres_programs(void) {
    glob_t found;
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0) {
        return xstrdup("/usr/bin");
    }
    int newest = 0;
    char *best = NULL;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        int version = (int)strtol(found.gl_pathv[i] + strlen("/usr/lib/postgresql/"), NULL, 10);
        if (version > newest) {
            newest = version;
            free(best);
            best = xstrndup(found.gl_pathv[i], strlen(found.gl_pathv[i]) - strlen("/initdb"));
        }
    }
    globfree(&found);
    return best != NULL ? best : xstrdup("/usr/bin");
}

char *postgres_url(uint16_t port) {
    return xasprintf("postgres://messaging_user:messaging_password@127.0.0.1:%u/messaging_service", port);
}

// fsync and the like are off: see private_postgres.h.
static const char *const usual_settings[] = {"listen_addresses=127.0.0.1",
                                             "unix_socket_directories=",
                                             "fsync=off",
                                             "full_page_writes=off",
                                             "shared_buffers=32MB",
                                             "max_connections=60",
                                             "autovacuum=off",
                                             "log_min_messages=warning",
                                             NULL};

static size_t put_settings(const char **argv, size_t count, const char *const *settings) {
    for (; settings != NULL && *settings != NULL; settings++) {
        ck_assert_uint_lt(count + 2, MAX_ARGUMENTS);
        argv[count++] = "-c";
        argv[count++] = *settings;
    }
    return count;
}

struct child *postgres_start(const char *folder, uint16_t port, const char *const *settings) {
    char *programs = postgres_programs();
    char *program = xasprintf("%s/postgres", programs);
    char *data = xasprintf("%s/postgres", folder);
    char *port_text = xasprintf("%u", port);
    const char *argv[MAX_ARGUMENTS] = {program, "-D", data, "-p", port_text};
    size_t count = put_settings(argv, 5, usual_settings);
    put_settings(argv, count, settings); // of two settings of one name, the last counts
    struct child *child = child_start(&(struct child_options){
        .name = "postgres", .folder = folder, .argv = argv, .user = POSTGRES_USER, .death_signal = SIGQUIT});
    char *asked = xasprintf("postgres://postgres@127.0.0.1:%u/postgres?connect_timeout=2", port);
    WAIT_FOR(START_MS, PQping(asked) == PQPING_OK);
    free(asked);
    free(port_text);
    free(data);
    free(program);
    free(programs);
    return child;
}

void postgres_ask_for_passwords(const char *folder) {
    char *path = xasprintf("%s/postgres/pg_hba.conf", folder);
    FILE *out = fopen(path, "w");
    ck_assert_msg(out != NULL, "%s: %s", path, strerror(errno));
    fputs("host all postgres,messaging_user 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n", out);
    ck_assert_int_eq(fclose(out), 0);
    free(path);
}

static void run_sql(const char *url, const char *sql) {
    PGconn *link = PQconnectdb(url);
    PGresult *result = PQexec(link, sql);
    ExecStatusType status = PQresultStatus(result);
    ck_assert_msg(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s: %s", sql, PQerrorMessage(link));
    PQclear(result);
    PQfinish(link);
}

static void migrate(const char *root, uint16_t port) {
    char *url = postgres_url(port);
    char *variable = xasprintf("DATABASE_URL=%s", url);
    char *script = xasprintf("%s/bin/migrate.sh", getenv("PROJECT_ROOT"));
    const char *environment[] = {variable, NULL};
    const char *argv[] = {script, "up", NULL};
    child_run(
        &(struct child_options){
            .name = "migrate", .folder = root, .argv = argv, .environment = environment, .death_signal = SIGKILL},
        START_MS);
    free(script);
    free(variable);
    free(url);
}

static void create_cluster(const char *root, const char *data) {
    char *programs = postgres_programs();
    char *initdb = xasprintf("%s/initdb", programs);
    const char *argv[] = {
        initdb, "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", NULL};
    child_run(
        &(struct child_options){
            .name = "initdb", .folder = root, .argv = argv, .user = POSTGRES_USER, .death_signal = SIGKILL},
        START_MS);
    free(initdb);
    free(programs);
}

static void chown_to_postgres(const char *path) {
    if (geteuid() == 0) {
        const char *argv[] = {"chown", POSTGRES_USER, path, NULL};
        child_run(&(struct child_options){.name = "chown", .folder = "/tmp", .argv = argv, .death_signal = SIGKILL},
                  START_MS);
    }
}

static char *template_root(void) {
    const char *shared = getenv("TEST_TEMPLATES");
    return xstrdup(shared != NULL && *shared != '\0' ? shared : getenv("TEST_ROOT"));
}

// Of what another suite left half-made nothing stays.
static void make_folders(const char *root, const char *template, const char *data) {
    const char *argv[] = {"rm", "-rf", "--", template, NULL};
    child_run(&(struct child_options){.name = "rm", .folder = root, .argv = argv, .death_signal = SIGKILL}, START_MS);
    ck_assert_msg(mkdir(template, 0755) == 0 && mkdir(data, 0700) == 0, "%s: %s", template, strerror(errno));
    chown_to_postgres(data);
}

static void make_template(const char *template, const char *data) {
    create_cluster(template, data);
    uint16_t port = free_port();
    struct child *postgres = postgres_start(template, port, NULL);
    char *admin = xasprintf("postgres://postgres@127.0.0.1:%u/postgres", port);
    run_sql(admin, "CREATE ROLE messaging_user LOGIN PASSWORD 'messaging_password'");
    run_sql(admin, "CREATE ROLE messaging_reader NOLOGIN");
    run_sql(admin, "CREATE ROLE messaging_persister NOLOGIN");
    run_sql(admin, "CREATE DATABASE messaging_service OWNER messaging_user");
    migrate(template, port);
    child_signal(postgres, SIGINT);
    ck_assert_int_eq(child_wait(postgres, START_MS), 0);
    child_destroy(postgres);
    free(admin);
}

static int lock_templates(const char *root) {
    char *path = xasprintf("%s/postgres-template.lock", root);
    int lock = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_msg(lock >= 0 && flock(lock, LOCK_EX) == 0, "%s: %s", path, strerror(errno));
    free(path);
    return lock;
}

void postgres_make_template(void) {
    char *root = template_root();
    char *template = xasprintf("%s/postgres-template", root);
    char *ready = xasprintf("%s/ready", template);
    char *data = xasprintf("%s/postgres", template);
    int lock = lock_templates(root);
    if (access(ready, F_OK) != 0) {
        make_folders(root, template, data);
        make_template(template, data);
        ck_assert_int_eq(mkdir(ready, 0700), 0);
    }
    close(lock);
    free(data);
    free(ready);
    free(template);
    free(root);
}

void postgres_copy_template(const char *folder) {
    char *root = template_root();
    char *from = xasprintf("%s/postgres-template/postgres", root);
    const char *argv[] = {"cp", "-a", "--reflink=auto", from, folder, NULL};
    child_run(&(struct child_options){.name = "copy", .folder = folder, .argv = argv, .death_signal = SIGKILL},
              START_MS);
    free(from);
    free(root);
}

void postgres_base_backup(const char *folder, const char *source) {
    char *programs = postgres_programs();
    char *program = xasprintf("%s/pg_basebackup", programs);
    char *data = xasprintf("%s/postgres", folder);
    const char *argv[] = {program,     "-D", data, "-d", source, "-R", "-X", "stream", "--checkpoint=fast",
                          "--no-sync", NULL};
    ck_assert_msg(mkdir(data, 0700) == 0, "%s: %s", data, strerror(errno));
    chown_to_postgres(data);
    child_run(
        &(struct child_options){
            .name = "base-backup", .folder = folder, .argv = argv, .user = POSTGRES_USER, .death_signal = SIGKILL},
        START_MS);
    free(data);
    free(program);
    free(programs);
}
