// SPDX-License-Identifier: MIT
//
// In place of shared/postgres/link.c: a session with the Postgres of postgres.h. It reads what is copied into the
// staging table (persister/staging.c) and takes a call of store_batch for its commit, which happens or doesn't, and
// whose answer may be lost either way.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/postgres/link.h"
#include "tests/protocol/process_private.h"

enum { MOST_STAGED = 512, MOST_COLUMNS = 48, LOST_COMMIT_PERCENT = 10 };

// Columns of persister/sql/staging.sql.
enum {
    COLUMN_KIND = 2,
    COLUMN_ID,
    COLUMN_GENERATION,
    COLUMN_BODY = 16,
    COLUMN_VERDICT = 21,
    COLUMN_CALL,
    COLUMN_DELIVERY
};

#define TOKEN "018bcfe5-6800-7000-8000-00000000cafe" // of every session: none is another's

struct pg_link {
    struct process *process;
    struct pg_link_options options;
    bool up;
    pg_link_done done; // of the job under way; NULL: none is
    void *argument;
    const char *lines; // COPY's; NULL: a commit
    size_t length;
    bool ended, lost;
    struct event staged[MOST_STAGED];
    int count;     // staged
    int64_t marks; // of those
    bool owes;     // a planted fault: it was answered as committed and isn't
};

struct pg_link *pg_link_create(uv_loop_t *loop, const struct pg_link_options *options) {
    struct pg_link *link = xcalloc(1, sizeof *link);
    link->process = loop->data;
    link->options = *options;
    link->process->database = link;
    return link;
}

bool pg_link_is_up(const struct pg_link *link) {
    return link->up;
}

const char *pg_link_last_error(const struct pg_link *link) {
    (void)link;
    return "the connection broke";
}

static void database_end_job(struct pg_link *link, enum pg_outcome outcome, PGresult *result) {
    pg_link_done done = link->done;
    link->done = NULL;
    if (done != NULL) {
        done(link->argument, outcome, result);
    }
    PQclear(result);
}

void pg_link_drop(struct pg_link *link, const char *why) {
    (void)why;
    link->up = false;
    database_end_job(link, PG_LINK_LOST, NULL);
}

void pg_link_destroy(struct pg_link *link) {
    link->process->database = NULL;
    database_end_job(link, PG_LINK_LOST, NULL);
    free(link);
}

// ---- Jobs

static int database_take(struct pg_link *link, const char *lines, size_t length, pg_link_done done, void *argument) {
    if (!link->up) {
        return -1;
    }
    if (link->done != NULL) {
        abort(); // a writer has one job at a time
    }
    link->lines = lines;
    link->length = length;
    link->done = done;
    link->argument = argument;
    link->ended = link->lost = false;
    return 0;
}

int pg_link_copy(struct pg_link *link, const char *sql, const char *data, size_t length, pg_link_done done,
                 void *argument) {
    (void)sql;
    return database_take(link, data, length, done, argument);
}

int pg_link_script(struct pg_link *link, const char *sql, pg_link_done done, void *argument) {
    (void)sql;
    return database_take(link, NULL, 0, done, argument);
}

// A row of the staging table; its text is cut into columns. Returns its mark.
static int64_t database_read_row(const struct ledger *ledger, char *row, struct event *out) {
    char *columns[MOST_COLUMNS];
    int count = 0;
    for (char *column; count < MOST_COLUMNS && (column = strsep(&row, "\t")) != NULL;) {
        columns[count++] = column;
    }
    const char *kind = columns[COLUMN_KIND];
    *out = (struct event){.kind = strcmp(kind, "message") == 0    ? EVENT_MESSAGE
                                  : strcmp(kind, "outcome") == 0  ? EVENT_OUTCOME
                                  : strcmp(kind, "replayed") == 0 ? EVENT_REPLAYED
                                                                  : EVENT_POISON};
    out->message = ledger_find(ledger, columns[COLUMN_ID]);
    out->generation = atoi(columns[COLUMN_GENERATION]);
    if (out->kind == EVENT_MESSAGE) {
        out->content = atoi(columns[COLUMN_BODY]);
    } else if (out->kind == EVENT_OUTCOME) {
        out->call = atoi(columns[COLUMN_CALL]);
        out->delivery = atoi(columns[COLUMN_DELIVERY]);
        if (attempt_verdict_parse(columns[COLUMN_VERDICT], &out->verdict) != 0) {
            abort();
        }
    }
    return strtoll(columns[count - 1], NULL, 10);
}

static void database_stage(struct pg_link *link) {
    char *lines = xstrndup(link->lines, link->length), *rest = lines;
    link->count = 0;
    link->marks = 0;
    for (char *row; (row = strsep(&rest, "\n")) != NULL && *row != '\0';) {
        if (link->count == MOST_STAGED) {
            fprintf(stderr, "a batch is longer than the checker provides for\n");
            abort();
        }
        link->marks += database_read_row(&link->process->world->ledger, row, &link->staged[link->count++]);
    }
    free(lines);
}

static void database_commit(struct pg_link *link) {
    struct world *world = link->process->world;
    link->lost = world_may(world, FAULT_POSTGRES) && random_chance(&world->random, LOST_COMMIT_PERCENT);
    bool done = !link->lost || random_chance(&world->random, 50);
    if (link->lost) {
        world_inject(world, FAULT_POSTGRES);
    }
    link->owes = done && world_has(world, SWITCH_ACK_FIRST);
    if (done && !link->owes) {
        postgres_commit(&world->postgres, &world->ledger, link->staged, link->count);
    }
    world_say(world, "%s commits %d%s", link->process->name, link->count,
              !link->lost ? ""
              : done      ? ", and doesn't learn that it did"
                          : " in vain");
}

void database_work(struct process *process) {
    struct pg_link *link = process->database;
    if (link == NULL || link->done == NULL || link->ended) {
        return;
    }
    link->ended = true;
    if (link->lines != NULL) {
        if (link->owes) {
            postgres_commit(&process->world->postgres, &process->world->ledger, link->staged, link->count);
            link->owes = false;
        }
        database_stage(link);
    } else {
        database_commit(link);
    }
}

// ---- Answers

struct cell {
    char name[24], value[40];
};

// One row.
static PGresult *database_answer(struct cell *cells, int count) {
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[4] = {{0}};
    for (int i = 0; i < count; i++) {
        columns[i].name = cells[i].name;
    }
    bool made = PQsetResultAttrs(result, count, columns) != 0;
    for (int i = 0; i < count && made; i++) {
        made = PQsetvalue(result, 0, i, cells[i].value, (int)strlen(cells[i].value)) != 0;
    }
    if (!made) {
        abort();
    }
    return result;
}

static PGresult *database_answer_commit(const struct pg_link *link) {
    struct cell cells[] = {{"session_token", TOKEN}, {"entries", ""}, {"marks", ""}};
    snprintf(cells[1].value, sizeof cells[1].value, "%d", link->count);
    snprintf(cells[2].value, sizeof cells[2].value, "%" PRId64, link->marks);
    return database_answer(cells, 3);
}

static void database_connect(struct pg_link *link) {
    struct cell token = {"session_token", TOKEN};
    PGresult *result = database_answer(&token, 1);
    link->up = true;
    link->options.on_set_up(link->options.argument, result);
    PQclear(result);
    link->options.on_up(link->options.argument);
}

void database_deliver(struct process *process) {
    struct pg_link *link = process->database;
    if (link == NULL) {
        return;
    }
    if (!link->up) {
        database_connect(link);
    } else if (link->done != NULL && link->ended && link->lost) {
        pg_link_drop(link, "");
    } else if (link->done != NULL && link->ended) {
        database_end_job(link, PG_LINK_OK, link->lines != NULL ? NULL : database_answer_commit(link));
    }
}

bool database_is_quiet(const struct process *process) {
    return process->database == NULL || (process->database->done == NULL && !process->database->owes);
}
