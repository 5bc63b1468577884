// SPDX-License-Identifier: MIT
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/chaos/audit.h"
#include "tests/support/child.h"
#include "tests/support/private_postgres.h"
#include "tests/support/probe.h"
#include "tests/support/reply.h"

enum { MOST_LINES = 60 };

static void print_lines_with(const struct run *run, const char *name, const char *text) {
    char *path = xasprintf("%s/%s.log", stack_folder(run->world->stack), name);
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    int count = 0;
    while (file != NULL && count < MOST_LINES && getline(&line, &room, file) > 0) {
        if (strstr(line, text) != NULL) {
            printf("    %s: %s", name, line);
            count++;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    free(line);
    free(path);
}

static void print_rows(const struct run *run, const char *id) {
    char *url = postgres_url(stack_port(run->world->stack, "postgres"));
    char *path = xasprintf("%s/tests/chaos/trail.sql", getenv("PROJECT_ROOT"));
    char *sql = read_whole_file(path);
    PGconn *connection = PQconnectdb(url);
    const Oid uuid_type = 2950;
    PGresult *result = PQexecParams(connection, sql != NULL ? sql : "", 1, &uuid_type, &id, NULL, NULL, 0);
    for (int i = 0; i < PQntuples(result); i++) {
        printf("    postgres: %s\n", PQgetvalue(result, i, 0));
    }
    PQclear(result);
    PQfinish(connection);
    free(sql);
    free(path);
    free(url);
}

static void print_reply(const char *where, const redisReply *reply, const char *id) {
    struct buf text = {0};
    for (size_t i = 0; reply != NULL && reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        print_reply(where, reply->element[i], id);
        if (reply->element[i]->type == REDIS_REPLY_STRING) {
            buf_printf(&text, " %s", reply->element[i]->str);
        }
    }
    if (text.data != NULL && strstr(text.data, id) != NULL) {
        printf("    redis, %s:%s\n", where, text.data);
    }
    buf_free(&text);
}

static void print_entries(const struct run *run, const char *id) {
    static const char *const commands[] = {
        "XRANGE outbound:{sms-mms:0} - + COUNT 5000",
        "XRANGE outbound:{email:0} - + COUNT 5000",
        "XRANGE events:{sms-mms:0} - + COUNT 5000",
        "XRANGE events:{email:0} - + COUNT 5000",
        "HGETALL parked:{sms-mms:0}",
        "HGETALL parked:{email:0}",
        "HGETALL held:{sms-mms:0}",
        "HGETALL held:{email:0}",
        "HGETALL scheduled:{sms-mms:0}",
        "HGETALL scheduled:{email:0}",
    };
    struct probe *probe = probe_create(world_redis_port(run->world), "");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const char *argv[] = {"EVAL",
                              "local c = {}; for w in string.gmatch(ARGV[1], '%S+') do c[#c+1] = w end; "
                              "return redis.call(unpack(c))",
                              "0", commands[i]};
        redisReply *reply = probe_redis_argv(probe, 4, argv);
        print_reply(commands[i], reply, id);
        freeReplyObject(reply);
    }
    probe_destroy(probe);
}

// The lines of the ledger that bear its number, which a line with its id tells.
static void print_answers(const struct run *run, const char *id) {
    struct uuid uuid;
    char number[32];
    if (uuid_parse(id, &uuid) != 0) {
        return;
    }
    const struct fact *fact = run->facts != NULL ? facts_of(run->facts, &uuid) : NULL;
    if (fact == NULL || fact->number == FACT_NO_NUMBER) {
        print_lines_with(run, "ledger", id);
        return;
    }
    snprintf(number, sizeof number, " message %u ", fact->number);
    print_lines_with(run, "ledger", number);
}

void audit_trail(void *argument, const char *id) {
    const struct run *run = argument;
    (void)ledger_totals(run->ledger); // writes out what it has in hand
    print_answers(run, id);
    print_entries(run, id);
    print_rows(run, id);
    print_lines_with(run, "bursts", id);
    print_lines_with(run, "mock-ledger", id);
    print_lines_with(run, "mock-receipts", id);
    for (size_t i = 0; i < run->world->program_count; i++) {
        print_lines_with(run, run->world->programs[i], id);
    }
}
