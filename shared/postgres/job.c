// SPDX-License-Identifier: MIT
//
// Jobs and their answers. On a pipeline link a job is sent when it is taken, with a sync of its own behind it, so that
// an error is the error of that job alone; its answer is complete when the sync's has come. On a batch link the first
// job of the queue runs, and its answer is complete when libpq says that nothing more comes.
//
// COPY: libpq would take all data at once and hold a second copy of them. So they are fed in pieces, each when the
// kernel has taken the one before, and no more than a budget in one turn of the loop.
//
// A job that failed inside a transaction block leaves it open and aborted, with its locks: the link rolls it back
// before it runs the next.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/postgres/error.h"
#include "shared/postgres/private.h"

enum {
    COPY_PIECE_BYTES = 64 * 1024,
    COPY_TURN_BYTES = 1024 * 1024,
    NAME_SIZE = 64, // Postgres cuts off what is longer
};

static void take_answers(struct pg_link *link);

static void free_job(struct pg_job *job) {
    PQclear(job->result);
    free(job->sql);
    free(job);
}

static void pg_job_append(struct pg_link *link, struct pg_job *job) {
    if (!link->first) {
        link->oldest_since_ms = deadline_now_ms();
    }
    *link->last = job;
    link->last = &job->next;
    if (!job->internal) {
        link->pending++;
    }
    deadline_watch(&link->deadline);
}

static void push_front(struct pg_link *link, struct pg_job *job) {
    job->next = link->first;
    if (!link->first) {
        link->last = &job->next;
    }
    link->first = job;
}

static struct pg_job *pg_job_take_first(struct pg_link *link) {
    struct pg_job *job = link->first;
    link->first = job->next;
    if (!link->first) {
        link->last = &link->first;
    }
    link->oldest_since_ms = deadline_now_ms();
    if (!job->internal) {
        link->pending--;
    }
    return job;
}

void pg_job_lose(struct pg_job *first, struct pg_link *link) {
    while (first) {
        struct pg_job *job = first;
        first = job->next;
        if (!job->internal) {
            link->pending--;
        }
        if (job->done) {
            job->done(job->argument, PG_LINK_LOST, NULL);
        }
        free_job(job);
    }
}

// --- Sending

static void pg_job_flush(struct pg_link *link) {
    int left = PQflush(link->conn);
    if (left < 0) {
        pg_link_fail_conn(link);
    } else {
        pg_socket_watch(link, left > 0 || link->copying ? UV_READABLE | UV_WRITABLE : UV_READABLE, pg_job_on_io);
    }
}

static void pg_job_on_end_of_turn(void *argument) {
    struct pg_link *link = argument;
    if (PQstatus(link->conn) != CONNECTION_OK) {
        pg_link_fail_conn(link);
    } else {
        pg_job_flush(link);
    }
}

static void pg_job_on_broken_send(void *argument) {
    pg_link_fail_conn(argument);
}

// libpq refused to take it. The job was taken, so it gets its LOST, but not from within the call that brought it.
static void fail_at_end_of_turn(struct pg_link *link) {
    uv_idle_stop(&link->end_of_turn.idle);
    turn_at_end(&link->end_of_turn, pg_job_on_broken_send);
}

static void pg_job_start_next(struct pg_link *link) {
    bool pipeline = PQpipelineStatus(link->conn) != PQ_PIPELINE_OFF; // there they are sent when they are taken
    if (pipeline || link->running || !link->first) {
        return;
    }
    link->running = true;
    link->oldest_since_ms = deadline_now_ms();
    deadline_watch(&link->deadline);
    if (PQsendQuery(link->conn, link->first->sql)) {
        turn_at_end(&link->end_of_turn, pg_job_on_end_of_turn);
    } else {
        fail_at_end_of_turn(link);
    }
}

static struct pg_job *new_job(const char *sql, bool internal, pg_link_done done, void *argument) {
    struct pg_job *job = xcalloc(1, sizeof *job);
    job->sql = sql ? xstrdup(sql) : NULL;
    job->internal = internal;
    job->done = done;
    job->argument = argument;
    return job;
}

// Pipeline: it was sent, or could not be; its sync follows.
static void sent(struct pg_link *link, int taken, struct pg_job *job) {
    pg_job_append(link, job);
    if (taken && PQpipelineSync(link->conn)) {
        turn_at_end(&link->end_of_turn, pg_job_on_end_of_turn);
    } else {
        fail_at_end_of_turn(link);
    }
}

void pg_job_script(struct pg_link *link, const char *sql, bool internal, pg_link_done done, void *argument) {
    pg_job_append(link, new_job(sql, internal, done, argument));
    pg_job_start_next(link);
}

// What a statement is called in this session, and in no other.
static const char *statement_name(const struct pg_link *link, const char *name, char out[NAME_SIZE]) {
    snprintf(out, NAME_SIZE, "%016" PRIx64 "_%s", link->nonce, name);
    return out;
}

void pg_job_prepare(struct pg_link *link, const struct pg_statement *statement, pg_link_done done, void *argument) {
    char name[NAME_SIZE];
    int taken = PQsendPrepare(link->conn, statement_name(link, statement->name, name), statement->sql, 0, NULL);
    sent(link, taken, new_job(NULL, true, done, argument));
}

int pg_link_execute(struct pg_link *link, const char *name, int count, const char *const *values, pg_link_done done,
                    void *argument) {
    if (link->state != PG_LINK_UP || !link->options.pipeline) {
        return -1;
    }
    char own[NAME_SIZE];
    int taken = PQsendQueryPrepared(link->conn, statement_name(link, name, own), count, values, NULL, NULL, 0);
    sent(link, taken, new_job(NULL, false, done, argument));
    return 0;
}

int pg_link_script(struct pg_link *link, const char *sql, pg_link_done done, void *argument) {
    if (link->state != PG_LINK_UP || link->options.pipeline) {
        return -1;
    }
    pg_job_script(link, sql, false, done, argument);
    return 0;
}

int pg_link_copy(struct pg_link *link, const char *sql, const char *data, size_t length, pg_link_done done,
                 void *argument) {
    if (link->state != PG_LINK_UP || link->options.pipeline) {
        return -1;
    }
    struct pg_job *job = new_job(sql, false, done, argument);
    job->copy = true;
    job->data = data;
    job->length = length;
    pg_job_append(link, job);
    pg_job_start_next(link);
    return 0;
}

// --- COPY

static void end_copy(struct pg_link *link) {
    const char *why = link->first->copy ? NULL : "the script wants data and the job has none";
    int taken = PQputCopyEnd(link->conn, why);
    if (taken < 0) {
        pg_link_fail_conn(link);
    } else if (taken > 0) {
        link->copying = false;
        pg_job_flush(link);
    } else {
        pg_socket_watch(link, UV_READABLE | UV_WRITABLE, pg_job_on_io);
    }
}

static void feed_copy(struct pg_link *link) {
    struct pg_job *job = link->first;
    size_t stop = job->sent + COPY_TURN_BYTES;
    while (job->sent < job->length && job->sent < stop) {
        size_t left = job->length - job->sent;
        size_t piece = left < COPY_PIECE_BYTES ? left : COPY_PIECE_BYTES;
        int taken = PQputCopyData(link->conn, job->data + job->sent, (int)piece);
        if (taken > 0) {
            job->sent += piece;
        }
        int waits = taken < 0 ? -1 : PQflush(link->conn);
        if (waits < 0) {
            pg_link_fail_conn(link);
            return;
        }
        if (waits > 0 || taken == 0) {
            break;
        }
    }
    if (job->sent == job->length) {
        end_copy(link);
    } else {
        pg_socket_watch(link, UV_READABLE | UV_WRITABLE, pg_job_on_io);
    }
}

// --- Answers

static bool pg_job_is_error(const PGresult *result) {
    ExecStatusType status = PQresultStatus(result);
    return status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY;
}

// Whether an error says that the connection ends: libpq's own have no SQLSTATE, the server's are FATAL or PANIC
// (PostgreSQL's protocol, "Error and Notice Message Fields"), or of the class 57P0x: shut down, crash, starting up.
static bool ends_connection(const PGconn *conn, const PGresult *result) {
    const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return PQstatus(conn) != CONNECTION_OK || !code || strncmp(code, "57P0", 4) == 0 ||
           (severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0));
}

// Whether an error says that the session has become useless. While it is being set up, postgres/setup.c has better
// words.
static bool spoils_session(const struct pg_link *link, const PGresult *result) {
    return link->state == PG_LINK_UP && pg_error_of(PQresultErrorField(result, PG_DIAG_SQLSTATE)) == PG_ERROR_SESSION;
}

// Keeps the last result, or the first error. Returns false when the link has failed over it.
static bool keep_result(struct pg_link *link, PGresult *result) {
    if (pg_job_is_error(result) && (ends_connection(link->conn, result) || spoils_session(link, result))) {
        char *why = xstrdup(PQresultErrorMessage(result));
        PQclear(result);
        pg_link_fail(link, *why ? why : "the connection broke");
        free(why);
        return false;
    }
    struct pg_job *job = link->first;
    if (job->result && pg_job_is_error(job->result)) {
        PQclear(result);
        return true;
    }
    PQclear(job->result);
    job->result = result;
    return true;
}

static void pg_job_on_rolled_back(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct pg_link *link = argument;
    (void)result;
    if (outcome == PG_LINK_ERROR) {
        pg_link_fail(link, "a failed transaction could not be rolled back");
    }
}

// Hands the first job its answer. Returns false when its callback has let go of the connection.
static bool answer_first(struct pg_link *link) {
    PGconn *conn = link->conn;
    struct pg_job *job = pg_job_take_first(link);
    if (!link->options.pipeline && PQtransactionStatus(conn) == PQTRANS_INERROR) {
        push_front(link, new_job("ROLLBACK", true, pg_job_on_rolled_back, link));
    }
    enum pg_outcome outcome = job->result && !pg_job_is_error(job->result) ? PG_LINK_OK : PG_LINK_ERROR;
    if (job->done) {
        job->done(job->argument, outcome, job->result);
    }
    free_job(job);
    return link->conn == conn;
}

// libpq has said that the query that ran is over.
static bool query_over(struct pg_link *link) {
    if (!link->first || !link->running) {
        return false;
    }
    bool stands = answer_first(link);
    if (!stands) {
        return false;
    }
    link->running = false;
    pg_job_start_next(link);
    return false; // the next one's answer can't be there yet
}

// One result, or the NULL between them. Returns whether there may be more to take now.
static bool take_result(struct pg_link *link, PGresult *result, bool *was_null) {
    bool pipeline = PQpipelineStatus(link->conn) != PQ_PIPELINE_OFF;
    if (!result) {
        bool again = pipeline && link->first && !*was_null;
        *was_null = true;
        return pipeline ? again : query_over(link);
    }
    *was_null = false;
    if (!link->first) { // an answer to nothing: libpq's error about the connection comes so
        char *why = xstrdup(PQresultErrorMessage(result));
        PQclear(result);
        pg_link_fail(link, *why ? why : "an answer to no job");
        free(why);
        return false;
    }
    switch ((int)PQresultStatus(result)) {
    case PGRES_PIPELINE_SYNC:
        PQclear(result);
        return answer_first(link);
    case PGRES_COPY_IN:
        PQclear(result);
        link->copying = true;
        feed_copy(link);
        return false;
    default:
        return keep_result(link, result);
    }
}

static void take_answers(struct pg_link *link) {
    bool was_null = false;
    PGconn *conn = link->conn;
    while (link->conn == conn && !link->copying && !PQisBusy(conn)) {
        if (!take_result(link, PQgetResult(conn), &was_null)) {
            return;
        }
    }
}

void pg_job_on_io(uv_poll_t *poll, int status, int events) {
    struct pg_link *link = ((struct pg_socket *)poll->data)->link;
    PGconn *conn = link ? link->conn : NULL;
    if (!conn) {
        return;
    }
    if ((status < 0 || (events & UV_READABLE)) && !PQconsumeInput(conn)) {
        pg_link_fail_conn(link);
        return;
    }
    if (link->copying) {
        feed_copy(link);
    } else if (events & UV_WRITABLE) {
        pg_job_flush(link);
    }
    if (link->conn == conn) {
        take_answers(link);
    }
}
