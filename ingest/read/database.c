// SPDX-License-Identifier: MIT
#include "ingest/read/database.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen/ingest/embedded.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/postgres/link.h"

#define RETRY_AFTER_SECS 1

static const struct pg_statement statements[] = {
    [READ_CONVERSATIONS] = {"conversations", ingest_read_sql_conversations_sql},
    [READ_CONVERSATIONS_OF_CHANNEL] = {"conversations_of_channel", ingest_read_sql_conversations_of_channel_sql},
    [READ_CONVERSATIONS_OF_PARTICIPANT] = {"conversations_of_participant",
                                           ingest_read_sql_conversations_of_participant_sql},
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
    [READ_STATEMENT_COUNT] = {NULL, NULL},
};

struct database {
    void (*on_change)(void *argument, bool up);
    void *argument;
    size_t up; // links that can be used
    size_t count;
    struct pg_link *links[];
};

static void database_on_up(void *argument) {
    struct database *database = argument;
    if (database->up++ == 0) {
        database->on_change(database->argument, true);
    }
}

static void database_on_down(void *argument) {
    struct database *database = argument;
    if (--database->up == 0) {
        database->on_change(database->argument, false);
    }
}

struct database *database_create(uv_loop_t *loop, const struct settings *settings, unsigned thread,
                                 void (*on_change)(void *argument, bool up), void *argument) {
    size_t count = (size_t)settings->database_connections;
    struct database *database = xcalloc(1, sizeof *database + count * sizeof(struct pg_link *));
    database->count = count;
    database->on_change = on_change;
    database->argument = argument;
    for (size_t i = 0; i < count; i++) {
        char name[48];
        snprintf(name, sizeof name, "ingest-%u-%zu", thread, i);
        struct pg_link_options options = {
            .url = settings->database_url,
            .name = name,
            .timeout_ms = settings->database_timeout_ms,
            .pipeline = true,
            .setup = ingest_read_sql_session_sql,
            .statements = statements,
            .on_up = database_on_up,
            .on_down = database_on_down,
            .argument = database,
        };
        database->links[i] = pg_link_create(loop, &options);
    }
    return database;
}

void database_destroy(struct database *database) {
    for (size_t i = 0; i < database->count; i++) {
        pg_link_destroy(database->links[i]);
    }
    free(database);
}

const char *database_trouble(const struct database *database) {
    return database->up > 0 ? NULL : pg_link_last_error(database->links[0]);
}

// The one with the shortest queue; NULL when none is up.
static struct pg_link *database_choose(const struct database *database) {
    struct pg_link *best = NULL;
    for (size_t i = 0; i < database->count; i++) {
        struct pg_link *link = database->links[i];
        if (pg_link_is_up(link) && (best == NULL || pg_link_pending(link) < pg_link_pending(best))) {
            best = link;
        }
    }
    return best;
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

struct query {
    struct ingest_request *request;
    void (*on_rows)(struct ingest_request *request, const PGresult *rows);
};

static void database_on_result(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct query query = *(struct query *)argument;
    struct ingest_request *request = query.request;
    free(argument);
    if (!request_reply_came(request)) {
        return;
    }
    switch (outcome) {
    case PG_LINK_OK:
        query.on_rows(request, result);
        break;
    case PG_LINK_ERROR:
        answer_failure(request, result);
        break;
    case PG_LINK_LOST:
        database_answer_away(request);
        break;
    }
}

void database_run(struct ingest_request *request, enum database_statement statement, int count,
                  const char *const *values, void (*on_rows)(struct ingest_request *request, const PGresult *rows)) {
    struct pg_link *link = database_choose(request->with->database);
    struct query *query = xmalloc(sizeof *query);
    *query = (struct query){request, on_rows};
    if (link == NULL ||
        pg_link_execute(link, statements[statement].name, count, values, database_on_result, query) != 0) {
        free(query);
        database_answer_away(request);
        return;
    }
    request_expect_reply(request);
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
