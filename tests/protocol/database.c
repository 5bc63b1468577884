// SPDX-License-Identifier: MIT
//
// In place of shared/postgres/link.c: a session with the Postgres of postgres.h. It reads what is copied into the
// staging table (persister/staging.c) and takes a call of store_batch for its commit, which happens or doesn't, and
// whose answer may be lost either way.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/rfc3339.h"
#include "shared/message/opt_out.h"
#include "shared/postgres/link.h"
#include "shared/redis/opt_out_call.h"
#include "tests/protocol/process_private.h"

enum { MOST_STAGED = 512, MOST_COLUMNS = 64, LOST_COMMIT_PERCENT = 10, TOLD_SIZE = 8192 };

// Columns of persister/sql/staging.sql.
enum {
    COLUMN_KIND = 2,
    COLUMN_ID,
    COLUMN_GENERATION,
    COLUMN_TIME,
    COLUMN_OF_PROVIDER = 7,
    COLUMN_PARTICIPANT = 10,
    COLUMN_BODY = 18,
    COLUMN_VERDICT = 25,
    COLUMN_CALL,
    COLUMN_DELIVERY
};

enum {
    PAIR_FROM_END = 2,
    SAID_FROM_END,
    STATUS_FROM_END = 6,
    LETTER_FROM_END,
    HASH_FROM_END = 14
}; // the last one is the mark

#define TOKEN "018bcfe5-6800-7000-8000-00000000cafe" // of every session: none is another's

enum { MOST_JOBS = 8, PAIR_COLUMNS = 5 };

enum job_kind { JOB_COPY, JOB_COMMIT, JOB_PAIRS, JOB_CLOSE, JOB_PAGE, JOB_ERASE };

// What it was asked for, answered in that order.
struct job {
    enum job_kind kind;
    const char *lines; // COPY's
    size_t length;
    pg_link_done done; // may be NULL
    void *argument;
    bool ended, lost;
    PGresult *answer; // of JOB_PAIRS, JOB_PAGE, JOB_ERASE
    int sender;       // of JOB_ERASE, and its messages
    bool ids[MOST_MESSAGES];
};

struct pg_link {
    struct process *process;
    struct pg_link_options options;
    bool up;
    struct job jobs[MOST_JOBS];
    int job_count;
    struct event staged[MOST_STAGED];
    int count;              // staged
    int64_t marks;          // of those
    char told[TOLD_SIZE];   // what is handed back of pairs, of the last commit
    char erased[TOLD_SIZE]; // the same of sends that were erased
    bool repeats;           // a commit was lost, and none has been answered since: its batch comes again
    bool owes;              // a planted fault: it was answered as committed and isn't
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
    struct job job = link->jobs[0];
    memmove(&link->jobs[0], &link->jobs[1], (size_t)(--link->job_count) * sizeof job);
    if (job.answer != result) {
        PQclear(job.answer);
    }
    if (job.done != NULL) {
        job.done(job.argument, outcome, result);
    }
    PQclear(result);
}

static void database_lose_all(struct pg_link *link) {
    for (int count = link->job_count; count > 0; count--) { // not those that come of it
        database_end_job(link, PG_LINK_LOST, NULL);
    }
}

void pg_link_change_url(struct pg_link *link, const char *url) {
    (void)link, (void)url;
}

void pg_link_drop(struct pg_link *link, const char *why) {
    (void)why;
    link->up = false;
    database_lose_all(link);
}

void pg_link_destroy(struct pg_link *link) {
    link->process->database = NULL;
    database_lose_all(link);
    free(link);
}

// ---- Jobs

static int database_take(struct pg_link *link, struct job job) {
    if (!link->up) {
        return -1;
    }
    if (link->job_count == MOST_JOBS) {
        abort();
    }
    link->jobs[link->job_count++] = job;
    return 0;
}

int pg_link_copy(struct pg_link *link, const char *sql, const char *data, size_t length, pg_link_done done,
                 void *argument) {
    (void)sql;
    return database_take(
        link, (struct job){.kind = JOB_COPY, .lines = data, .length = length, .done = done, .argument = argument});
}

// Which messages of whom.
static void database_read_erase(const struct world *world, const char *sql, struct job *out) {
    const char *at = strstr(sql, "erase_page('");
    if (at == NULL) {
        return;
    }
    out->sender = at[strlen("erase_page('")] - 'a';
    for (int i = 0; i < world->ledger.message_count; i++) {
        out->ids[i] = strstr(at, world->ledger.messages[i].id) != NULL;
    }
}

// By what rules conversations are made is not played.
int pg_link_script(struct pg_link *link, const char *sql, pg_link_done done, void *argument) {
    static const struct {
        const char *part;
        enum job_kind kind;
    } kinds[] = {{"store_batch(", JOB_COMMIT},
                 {"FETCH", JOB_PAIRS},
                 {"CLOSE opt_outs", JOB_CLOSE},
                 {"erasure_page(", JOB_PAGE},
                 {"erase_page('", JOB_ERASE}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strstr(sql, kinds[i].part) != NULL) {
            struct job job = {.kind = kinds[i].kind, .done = done, .argument = argument};
            database_read_erase(link->process->world, sql, &job);
            return database_take(link, job);
        }
    }
    return -1;
}

static int64_t database_read_time(const char *column, int64_t none) {
    int64_t ms = none;
    if (strcmp(column, "\\N") != 0 && rfc3339_parse(column, &ms) != 0) {
        abort();
    }
    return ms;
}

// said, status: columns of a receipt.
static void database_read_receipt(char *const *columns, const char *said, const char *status, struct event *out) {
    out->call = atoi(columns[COLUMN_OF_PROVIDER] + strlen("SM"));
    out->at_ms = database_read_time(columns[COLUMN_TIME], 0);
    out->occurred_ms = database_read_time(said, RECEIPT_NO_TIME);
    if (receipt_status_parse(status, &out->said) != 0) {
        abort();
    }
}

// What a message says of its pair.
static void database_read_word(const char *column, struct event *out) {
    struct opt_out said;
    if (strcmp(column, "\\N") == 0) {
        return;
    }
    if (opt_out_decode(column, strlen(column), &said) != NULL) {
        abort();
    }
    out->opt_out = said.state;
    out->place = (struct word_place){said.at_ms, said.came_ms};
    opt_out_free(&said);
}

// A row of the staging table; its text is cut into columns. Returns its mark.
static int64_t database_read_row(const struct world *world, char *row, struct event *out) {
    char *columns[MOST_COLUMNS];
    int count = 0;
    for (char *column; count < MOST_COLUMNS && (column = strsep(&row, "\t")) != NULL;) {
        columns[count++] = column;
    }
    *out = (struct event){.kind = event_kind_of(columns[COLUMN_KIND])};
    out->message = out->kind == EVENT_UNREAD ? unread_find(world, columns[count - HASH_FROM_END])
                                             : ledger_find(&world->ledger, columns[COLUMN_ID]);
    out->letter = unread_find(world, columns[count - LETTER_FROM_END]);
    out->generation = atoi(columns[COLUMN_GENERATION]);
    if (out->kind == EVENT_MESSAGE || out->kind == EVENT_ERASE) {
        out->at_ms = database_read_time(columns[COLUMN_TIME], 0);
    }
    if (out->kind == EVENT_ERASE) {
        out->message = *columns[COLUMN_PARTICIPANT] - 'a';
    } else if (out->kind == EVENT_MESSAGE) {
        out->content = atoi(columns[COLUMN_BODY]);
        database_read_word(columns[count - PAIR_FROM_END], out);
    } else if (out->kind == EVENT_REPLAYED) {
        out->at_ms = database_read_time(columns[COLUMN_TIME], 0);
    } else if (out->kind == EVENT_RECEIPT) {
        database_read_receipt(columns, columns[count - SAID_FROM_END], columns[count - STATUS_FROM_END], out);
    } else if (out->kind == EVENT_OUTCOME) {
        out->call = atoi(columns[COLUMN_CALL]);
        out->delivery = atoi(columns[COLUMN_DELIVERY]);
        if (attempt_verdict_parse(columns[COLUMN_VERDICT], &out->verdict) != 0) {
            abort();
        }
    }
    return strtoll(columns[count - 1], NULL, 10);
}

static void database_stage(struct pg_link *link, const struct job *job) {
    char *lines = xstrndup(job->lines, job->length), *rest = lines;
    link->count = 0;
    link->marks = 0;
    for (char *row; (row = strsep(&rest, "\n")) != NULL && *row != '\0';) {
        if (link->count == MOST_STAGED) {
            fprintf(stderr, "a batch is longer than the checker provides for\n");
            abort();
        }
        link->marks += database_read_row(link->process->world, row, &link->staged[link->count++]);
    }
    free(lines);
}

// Of each pair that the batch has a word of, what stands by now; and where that is from before, that the word was none.
static void database_tell(struct pg_link *link) {
    const struct postgres *postgres = &link->process->world->postgres;
    size_t used = 0;
    *link->told = '\0';
    for (int i = 0; i < link->count; i++) {
        const struct event *event = &link->staged[i];
        const struct opt_out_row *row = event->message >= 0 ? &postgres->pairs[event->message % SENDERS] : NULL;
        if (event->kind != EVENT_MESSAGE || event->opt_out == OPT_OUT_NONE || row->state == OPT_OUT_NONE) {
            continue;
        }
        char instead[OPT_OUT_PLACE_SIZE + 2] = "null", place[OPT_OUT_PLACE_SIZE];
        if (word_compare(&event->place, event->opt_out, &row->place, row->state) > 0) {
            opt_out_place(event->place.said_ms, event->place.came_ms, place);
            snprintf(instead, sizeof instead, "\"%s\"", place);
        }
        used += (size_t)snprintf(link->told + used, sizeof link->told - used,
                                 "%s{\"provider\":\"sms-mms\",\"our\":\"%s\",\"their\":\"%s\",\"state\":\"%s\","
                                 "\"at\":%" PRId64 ",\"came\":%" PRId64 ",\"by\":\"recipient\",\"instead_of\":%s}",
                                 used == 0 ? "[" : ",", sender_of(event->message), sender_of(event->message),
                                 opt_out_state_name(row->state), row->place.said_ms, row->place.came_ms, instead);
        if (used + 2 > sizeof link->told) {
            abort();
        }
    }
    if (used > 0) {
        memcpy(link->told + used, "]", 2);
    }
}

// Sends that are not stored, for they were erased.
static void database_tell_erased(struct pg_link *link) {
    const struct world *world = link->process->world;
    size_t used = 0;
    *link->erased = '\0';
    for (int i = 0; i < link->count; i++) {
        const struct event *event = &link->staged[i];
        if (event->kind == EVENT_MESSAGE && world->postgres.erased[event->message] &&
            !world->ledger.messages[event->message].webhook) {
            used += (size_t)snprintf(link->erased + used, sizeof link->erased - used, "%ssms-mms %s",
                                     used == 0 ? "" : "\n", world->ledger.messages[event->message].id);
        }
    }
}

// Rows of a query, as many as there are.
static PGresult *database_rows(const char *const *names, int columns, char *const *values, int rows) {
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc described[PAIR_COLUMNS] = {{0}};
    for (int i = 0; i < columns; i++) {
        described[i].name = (char *)(uintptr_t)names[i]; // libpq copies it
    }
    bool made = PQsetResultAttrs(result, columns, described) != 0;
    for (int i = 0; i < rows * columns && made; i++) {
        made = PQsetvalue(result, i / columns, i % columns, values[i], (int)strlen(values[i])) != 0;
    }
    if (!made) {
        abort();
    }
    return result;
}

// The first messages of the first sender that is to be erased.
static PGresult *database_find_page(const struct world *world) {
    enum { PAGE = 3 };
    static const char *const names[] = {"erasure", "conversation", "messages", "tokens"};
    const struct postgres *postgres = &world->postgres;
    int sender = 0, count = 0;
    char erasure[] = "'a'", conversation[] = "1", messages[PAGE * ID_SIZE + 16] = "",
         tokens[PAGE * (ID_SIZE + 16)] = "";
    while (sender < SENDERS && (!postgres->erasures[sender].exists || postgres->erasures[sender].finished)) {
        sender++;
    }
    if (sender == SENDERS) {
        return database_rows(names, 4, (char *[]){NULL, NULL, NULL, NULL}, 0);
    }
    erasure[1] = (char)('a' + sender);
    for (int i = sender; i < world->ledger.message_count && count < PAGE; i += SENDERS) {
        if (postgres_is_to_erase(postgres, i)) {
            const char *id = world->ledger.messages[i].id;
            size_t used = strlen(messages), told = strlen(tokens);
            snprintf(messages + used, sizeof messages - used, "%s%s", count == 0 ? "" : ",", id);
            snprintf(tokens + told, sizeof tokens - told, "%ssms-mms %s", count++ == 0 ? "" : "\n", id);
        }
    }
    return database_rows(names, 4, (char *[]){erasure, conversation, messages, tokens}, 1);
}

// It is done, or not, and its answer may be lost either way.
static void database_erase(struct pg_link *link, struct job *job) {
    static const char *const names[] = {"messages", "conversations", "finished"};
    struct world *world = link->process->world;
    char none[] = "0", finished[] = "f";
    job->lost = world_may(world, FAULT_POSTGRES) && random_chance(&world->random, LOST_COMMIT_PERCENT);
    bool done = !job->lost || random_chance(&world->random, 50);
    for (int i = 0; i < world->ledger.message_count && done; i++) {
        if (job->ids[i]) {
            postgres_erase(&world->postgres, i);
        }
    }
    if (done && postgres_finish_erasure(&world->postgres, job->sender)) {
        finished[0] = 't';
    }
    job->answer = database_rows(names, 3, (char *[]){none, none, finished}, 1);
    world_say(world, "%s erases a page of %s%s", link->process->name, sender_of(job->sender),
              job->lost ? ", perhaps" : "");
}

static void database_commit(struct pg_link *link, struct job *job) {
    struct world *world = link->process->world;
    job->lost = world_may(world, FAULT_POSTGRES) && random_chance(&world->random, LOST_COMMIT_PERCENT);
    bool done = !job->lost || random_chance(&world->random, 50);
    if (job->lost) {
        world_inject(world, FAULT_POSTGRES);
    }
    link->owes = done && world_has(world, SWITCH_ACK_FIRST);
    if (done && !link->owes) {
        postgres_commit(&world->postgres, &world->ledger, link->staged, link->count);
    }
    database_tell(link);
    database_tell_erased(link);
    world_say(world, "%s commits %d%s", link->process->name, link->count,
              !job->lost ? ""
              : done     ? ", and doesn't learn that it did"
                         : " in vain");
}

// All pairs, as of now.
static PGresult *database_find_pairs(const struct world *world) {
    static const char *const names[] = {"our_address", "their_address", "state", "at_ms", "came_ms"};
    char texts[SENDERS * PAIR_COLUMNS][24], *values[SENDERS * PAIR_COLUMNS];
    int count = 0;
    for (int sender = 0; sender < SENDERS; sender++) {
        const struct opt_out_row *row = &world->postgres.pairs[sender];
        if (row->state == OPT_OUT_NONE) {
            continue;
        }
        snprintf(texts[count], sizeof *texts, "%s", sender_of(sender));
        snprintf(texts[count + 1], sizeof *texts, "%s", sender_of(sender));
        snprintf(texts[count + 2], sizeof *texts, "%s", opt_out_state_name(row->state));
        snprintf(texts[count + 3], sizeof *texts, "%" PRId64, row->place.said_ms);
        snprintf(texts[count + 4], sizeof *texts, "%" PRId64, row->place.came_ms);
        count += PAIR_COLUMNS;
    }
    for (int i = 0; i < count; i++) {
        values[i] = texts[i];
    }
    return database_rows(names, PAIR_COLUMNS, values, count / PAIR_COLUMNS);
}

void database_work(struct process *process) {
    struct pg_link *link = process->database;
    struct job *job = link != NULL && link->job_count > 0 ? &link->jobs[0] : NULL;
    if (job == NULL || job->ended) {
        return;
    }
    job->ended = true;
    switch (job->kind) {
    case JOB_COPY:
        if (link->owes) {
            postgres_commit(&process->world->postgres, &process->world->ledger, link->staged, link->count);
            link->owes = false;
        }
        database_stage(link, job);
        break;
    case JOB_COMMIT:
        database_commit(link, job);
        break;
    case JOB_PAIRS:
        job->answer = database_find_pairs(process->world);
        break;
    case JOB_PAGE:
        job->answer = database_find_page(process->world);
        break;
    case JOB_ERASE:
        database_erase(link, job);
        break;
    case JOB_CLOSE:
        break;
    }
}

// ---- Answers

static PGresult *database_answer_commit(const struct pg_link *link) {
    static const char *const names[] = {"session_token", "entries", "marks", "opt_outs_told", "erased_told"};
    char token[] = TOKEN, entries[16], marks[24];
    snprintf(entries, sizeof entries, "%d", link->count);
    snprintf(marks, sizeof marks, "%" PRId64, link->marks);
    return database_rows(
        names, 5, (char *[]){token, entries, marks, (char *)(uintptr_t)link->told, (char *)(uintptr_t)link->erased}, 1);
}

static PGresult *database_answer(const struct pg_link *link, const struct job *job) {
    return job->kind == JOB_COMMIT ? database_answer_commit(link) : job->answer;
}

static void database_connect(struct pg_link *link) {
    static const char *const names[] = {"session_token"};
    char token[] = TOKEN;
    PGresult *result = database_rows(names, 1, (char *[]){token}, 1);
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
        return;
    }
    const struct job *job = link->job_count > 0 && link->jobs[0].ended ? &link->jobs[0] : NULL;
    if (job == NULL) {
        return;
    }
    if (job->kind == JOB_COMMIT) {
        link->repeats = job->lost;
    }
    if (job->lost) {
        pg_link_drop(link, "");
    } else {
        database_end_job(link, PG_LINK_OK, database_answer(link, job));
    }
}

bool database_is_quiet(const struct process *process) {
    return process->database == NULL ||
           (process->database->job_count == 0 && !process->database->owes && !process->database->repeats);
}
