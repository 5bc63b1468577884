// SPDX-License-Identifier: MIT
//
// Where reads are asked. The fallback from the read server to the primary is here, and nowhere else: a reader says what
// it wants (database_read), not of whom.
#include "ingest/read/database.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen/ingest/embedded.h"
#include "ingest/read/freshness.h"
#include "ingest/read/pool.h"
#include "ingest/read/read_server.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/redis/counters.h"

#define RETRY_AFTER_SECS 1

enum {
    MOST_VALUES = 8, // of a statement
    NAME_SIZE = 32,
};

static const struct pg_statement statements[] = {
    [READ_CONVERSATIONS] = {"conversations", ingest_read_sql_conversations_sql},
    [READ_CONVERSATIONS_OF_CHANNEL] = {"conversations_of_channel", ingest_read_sql_conversations_of_channel_sql},
    [READ_CONVERSATIONS_OF_PARTICIPANT] = {"conversations_of_participant",
                                           ingest_read_sql_conversations_of_participant_sql},
    [READ_CONVERSATION] = {"conversation", ingest_read_sql_conversation_sql},
    [READ_MESSAGES_OF_CONVERSATION] = {"messages_of_conversation", ingest_read_sql_messages_of_conversation_sql},
    [READ_MESSAGE] = {"message", ingest_read_sql_message_sql},
    [READ_MESSAGE_STATE] = {"message_state", ingest_read_sql_message_state_sql},
    [READ_DEAD_LETTERS] = {"dead_letters", ingest_read_sql_dead_letters_sql},
    [READ_DEAD_LETTERS_OF_PROVIDER] = {"dead_letters_of_provider", ingest_read_sql_dead_letters_of_provider_sql},
    [READ_DEAD_LETTERS_OF_CLASS] = {"dead_letters_of_class", ingest_read_sql_dead_letters_of_class_sql},
    [READ_DEAD_LETTERS_OF_PROVIDER_AND_CLASS] = {"dead_letters_of_provider_and_class",
                                                 ingest_read_sql_dead_letters_of_provider_and_class_sql},
    [READ_DEAD_LETTER] = {"dead_letter", ingest_read_sql_dead_letter_sql},
    [READ_DEAD_LETTERS_OPEN] = {"dead_letters_open", ingest_read_sql_dead_letters_open_sql},
    [READ_OPT_OUTS] = {"opt_outs", ingest_read_sql_opt_outs_sql},
    [READ_POSITION] = {"position", ingest_read_sql_position_sql},
    [READ_STATEMENT_COUNT] = {NULL, NULL},
};

struct database {
    uv_loop_t *loop;
    unsigned thread; // its number
    struct database_events events;
    struct read_pool *primary;
    struct read_server *replica; // NULL: DATABASE_READ_URL isn't set
    bool has_ended;
};

static void database_on_primary(void *argument, bool up) {
    struct database *database = argument;
    database->events.on_change(database->events.argument, up);
}

static void database_on_connection(void *argument) {
    struct database *database = argument;
    if (database->replica != NULL) {
        read_server_primary_changed(database->replica);
    }
}

static void database_on_replica(void *argument, bool in_use) {
    struct database *database = argument;
    if (database->events.on_replica != NULL) {
        database->events.on_replica(database->events.argument, in_use);
    }
}

static struct read_pool_options pool_options(const struct settings *settings) {
    return (struct read_pool_options){.url = settings->database_url,
                                      .connections = (size_t)settings->database_connections,
                                      .timeout_ms = settings->database_timeout_ms,
                                      .statements = statements};
}

static struct read_pool *create_primary(uv_loop_t *loop, const struct settings *settings, unsigned thread,
                                        struct database *database) {
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "ingest-%u", thread);
    struct read_pool_options options = pool_options(settings);
    options.name = name;
    options.on_change = database_on_primary;
    options.on_connection = database_on_connection;
    options.argument = database;
    return read_pool_create(loop, &options);
}

// What it doesn't answer in half of the time, the primary has the whole for.
static void database_begin_replica(struct database *database, const struct settings *settings) {
    char name[NAME_SIZE];
    if (settings->database_read_url[0] == '\0') {
        return;
    }
    snprintf(name, sizeof name, "ingest-%u-read", database->thread);
    struct read_server_options options = {.pool = pool_options(settings),
                                          .primary = database->primary,
                                          .position = statements[READ_POSITION].name,
                                          .on_change = database_on_replica,
                                          .argument = database};
    options.pool.url = settings->database_read_url;
    options.pool.name = name;
    options.pool.timeout_ms = settings->database_timeout_ms / 2;
    options.pool.session_attrs = "prefer-standby";
    database->replica = read_server_create(database->loop, &options);
}

struct database *database_create(uv_loop_t *loop, const struct settings *settings, unsigned thread,
                                 const struct database_events *events) {
    struct database *database = xcalloc(1, sizeof *database);
    database->events = *events;
    database->primary = create_primary(loop, settings, thread, database);
    database->loop = loop;
    database->thread = thread;
    database_begin_replica(database, settings);
    return database;
}

void database_change(struct database *database, const struct settings *settings) {
    const char *reads = settings->database_read_url;
    read_pool_change_url(database->primary, settings->database_url);
    if (database->replica == NULL) {
        database_begin_replica(database, settings);
    } else if (reads[0] != '\0') {
        read_server_change_url(database->replica, reads);
    } else {
        struct read_server *gone = database->replica;
        database->replica = NULL;
        read_server_destroy(gone);
    }
}

void database_destroy(struct database *database) {
    database->has_ended = true;
    if (database->replica != NULL) {
        read_server_destroy(database->replica);
    }
    read_pool_destroy(database->primary);
    free(database);
}

bool database_has_replica(const struct database *database) {
    return database->replica != NULL;
}

const char *database_trouble(const struct database *database) {
    return read_pool_is_up(database->primary) ? NULL : read_pool_error(database->primary);
}

const char *database_replica_trouble(const struct database *database) {
    return database->replica != NULL ? read_server_why_not(database->replica) : NULL;
}

static void database_answer_away(struct ingest_request *request) {
    response_unavailable(request, "Postgres is unreachable", RETRY_AFTER_SECS, false);
}

// SQLSTATE classes that say something of Postgres's state, not of the statement: connection, insufficient resources,
// operator intervention (a shutdown, a statement time-out), system error, lock not available, serialization.
static bool is_passing(const char *sqlstate) {
    static const char *const classes[] = {"08", "53", "57", "58", "55", "40"};
    for (size_t i = 0; sqlstate != NULL && i < sizeof classes / sizeof *classes; i++) {
        if (strncmp(sqlstate, classes[i], 2) == 0) {
            return true;
        }
    }
    return false;
}

static void answer_failure(struct ingest_request *request, const PGresult *result) {
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    bool passing = is_passing(sqlstate);
    log_event(passing ? LOG_WARN : LOG_ERROR, "read_failed", "request %s: %s", request->id,
              PQresultErrorMessage(result));
    if (passing) {
        database_answer_away(request);
    } else {
        response_internal_error(request);
    }
}

// A query that the read server has, with what it takes to ask the primary for the same.
struct query {
    struct ingest_request *request;
    void (*on_rows)(struct ingest_request *request, const PGresult *rows);
    enum database_statement statement;
    int count;                 // of values; 0 where the primary has it
    char *values[MOST_VALUES]; // owned
};

static struct query *query_new(struct ingest_request *request,
                               void (*on_rows)(struct ingest_request *request, const PGresult *rows)) {
    struct query *query = xcalloc(1, sizeof *query);
    query->request = request;
    query->on_rows = on_rows;
    return query;
}

static void query_free(struct query *query) {
    for (int i = 0; i < query->count; i++) {
        free(query->values[i]);
    }
    free(query);
}

static void database_on_result(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct query *query = argument;
    struct ingest_request *request = query->request;
    if (!request_reply_came(request)) {
        query_free(query);
        return;
    }
    switch (outcome) {
    case PG_LINK_OK:
        query->on_rows(request, result);
        break;
    case PG_LINK_ERROR:
        answer_failure(request, result);
        break;
    case PG_LINK_LOST:
        database_answer_away(request);
        break;
    }
    query_free(query);
}

void database_run(struct ingest_request *request, enum database_statement statement, int count,
                  const char *const *values, void (*on_rows)(struct ingest_request *request, const PGresult *rows)) {
    struct database *database = request->with->database;
    struct query *query = query_new(request, on_rows);
    if (database->has_ended || read_pool_execute(database->primary, statements[statement].name, count, values,
                                                 database_on_result, query) != 0) {
        query_free(query);
        database_answer_away(request);
        return;
    }
    request_expect_reply(request);
}

// ---- What a replica may answer

// Nothing, or a row that stands for none: maybe it isn't there yet.
static bool is_found(const PGresult *rows) {
    return PQntuples(rows) > 0 && !PQgetisnull(rows, 0, 0);
}

// Whatever it was: the replica was away or too slow, had to cancel the query so that it could go on following, is not
// as far with its migrations, or knows of nothing yet. The primary says which is true.
static void database_on_replica_result(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct query *query = argument;
    struct ingest_request *request = query->request;
    if (!request_reply_came(request)) {
        query_free(query);
        return;
    }
    if (outcome == PG_LINK_OK && is_found(result)) {
        counters_add(request->with->counters, COUNTER_READS_REPLICA, 1);
        query->on_rows(request, result);
    } else {
        counters_add(request->with->counters, COUNTER_READS_REPEATED, 1);
        database_run(request, query->statement, query->count, (const char *const *)query->values, query->on_rows);
    }
    query_free(query);
}

static bool database_ask_replica(struct ingest_request *request, enum database_statement statement, int count,
                                 const char *const *values,
                                 void (*on_rows)(struct ingest_request *request, const PGresult *rows)) {
    struct query *query = query_new(request, on_rows);
    query->statement = statement;
    query->count = count;
    for (int i = 0; i < count; i++) {
        query->values[i] = values[i] != NULL ? xstrdup(values[i]) : NULL;
    }
    if (read_server_execute(request->with->database->replica, statements[statement].name, count, values,
                            database_on_replica_result, query) != 0) {
        query_free(query);
        return false;
    }
    request_expect_reply(request);
    return true;
}

void database_read(struct ingest_request *request, enum database_statement statement, int count,
                   const char *const *values, void (*on_rows)(struct ingest_request *request, const PGresult *rows)) {
    const struct database *database = request->with->database;
    bool may_be_old = database->replica != NULL && !database->has_ended && !freshness_is_asked_for(request->http);
    if (!may_be_old || !database_ask_replica(request, statement, count, values, on_rows)) {
        database_run(request, statement, count, values, on_rows);
    }
}

const char *database_text(const PGresult *rows, int row, int column) {
    return PQgetvalue(rows, row, column);
}

const char *database_text_or_null(const PGresult *rows, int row, int column) {
    return PQgetisnull(rows, row, column) ? NULL : PQgetvalue(rows, row, column);
}

int64_t database_int(const PGresult *rows, int row, int column) {
    return strtoll(database_text(rows, row, column), NULL, 10);
}
