// SPDX-License-Identifier: MIT
//
// Jobs and their answers. On a pipeline link a job is sent when it is taken, with a sync of its own behind it, so that
// an error is the error of that job alone; its answer is complete when the sync's has come. On a batch link the first
// job of the queue runs, and its answer is complete when libpq says that nothing more comes.
//
// COPY: libpq would take all data at once and hold a second copy of them. So they are fed in pieces, each when the
// kernel has taken the one before, and no more than a budget in one turn of the loop.
//
// A job that failed inside a transaction block leaves it open and aborted, with its locks: it is rolled back before the
// next runs.
#include "shared/postgres/job.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/crypto.h"
#include "shared/base/mem.h"
#include "shared/postgres/error.h"

enum {
    COPY_PIECE_BYTES = 64 * 1024,
    COPY_TURN_BYTES = 1024 * 1024,
    NAME_SIZE = 64, // Postgres cuts off what is longer
};

struct pg_job {
    struct pg_job *next;
    char *sql;        // what to send; NULL where it has been sent already (pipeline)
    bool copy;        // feeds data to a COPY
    const char *data; // the caller's bytes
    size_t length, sent;
    bool internal; // not counted in pending
    pg_link_done done;
    void *argument;
    PGresult *result; // so far: the last one, or the first error
};

static void free_job(struct pg_job *job) {
    PQclear(job->result);
    free(job->sql);
    free(job);
}

static void pg_job_append(struct pg_jobs *jobs, struct pg_job *job) {
    if (jobs->first == NULL) {
        jobs->oldest_since_ms = deadline_now_ms();
    }
    *jobs->last = job;
    jobs->last = &job->next;
    if (!job->internal) {
        jobs->pending++;
    }
    deadline_watch(&jobs->deadline);
}

static void push_front(struct pg_jobs *jobs, struct pg_job *job) {
    job->next = jobs->first;
    if (jobs->first == NULL) {
        jobs->last = &job->next;
    }
    jobs->first = job;
}

static struct pg_job *pg_job_take_first(struct pg_jobs *jobs) {
    struct pg_job *job = jobs->first;
    jobs->first = job->next;
    if (jobs->first == NULL) {
        jobs->last = &jobs->first;
    }
    jobs->oldest_since_ms = deadline_now_ms();
    if (!job->internal) {
        jobs->pending--;
    }
    return job;
}

static void pg_job_lose(struct pg_jobs *jobs, struct pg_job *first) {
    while (first != NULL) {
        struct pg_job *job = first;
        first = job->next;
        if (!job->internal) {
            jobs->pending--;
        }
        if (job->done) {
            job->done(job->argument, PG_LINK_LOST, NULL);
        }
        free_job(job);
    }
}

void pg_jobs_break(struct pg_jobs *jobs) {
    jobs->on_broken(jobs->owner, pg_error_text(jobs->conn));
}

static void pg_job_on_ready(void *owner, int status, int events);

static void pg_job_watch(struct pg_jobs *jobs, int events) {
    int status = pg_socket_watch(&jobs->socket, jobs->loop, jobs->conn, events, pg_job_on_ready, jobs);
    if (status < 0) {
        jobs->on_broken(jobs->owner, uv_strerror(status));
    }
}

// ---- Sending

static void pg_job_flush(struct pg_jobs *jobs) {
    int left = PQflush(jobs->conn);
    if (left < 0) {
        pg_jobs_break(jobs);
    } else {
        pg_job_watch(jobs, left > 0 || jobs->copying ? UV_READABLE | UV_WRITABLE : UV_READABLE);
    }
}

static void pg_job_on_end_of_turn(void *argument) {
    struct pg_jobs *jobs = argument;
    if (PQstatus(jobs->conn) != CONNECTION_OK) {
        pg_jobs_break(jobs);
    } else {
        pg_job_flush(jobs);
    }
}

static void pg_job_on_broken_send(void *argument) {
    pg_jobs_break(argument);
}

// libpq refused to take it. The job was taken, so it gets its LOST, but not from within the call that brought it.
static void fail_at_end_of_turn(struct pg_jobs *jobs) {
    uv_idle_stop(&jobs->end_of_turn.idle);
    turn_at_end(&jobs->end_of_turn, pg_job_on_broken_send);
}

static void pg_job_start_next(struct pg_jobs *jobs) {
    bool pipeline = PQpipelineStatus(jobs->conn) != PQ_PIPELINE_OFF; // there they are sent when they are taken
    if (pipeline || jobs->running || jobs->first == NULL) {
        return;
    }
    jobs->running = true;
    jobs->oldest_since_ms = deadline_now_ms();
    deadline_watch(&jobs->deadline);
    if (PQsendQuery(jobs->conn, jobs->first->sql)) {
        turn_at_end(&jobs->end_of_turn, pg_job_on_end_of_turn);
    } else {
        fail_at_end_of_turn(jobs);
    }
}

static struct pg_job *new_job(const char *sql, bool internal, pg_link_done done, void *argument) {
    struct pg_job *job = xcalloc(1, sizeof *job);
    job->sql = sql != NULL ? xstrdup(sql) : NULL;
    job->internal = internal;
    job->done = done;
    job->argument = argument;
    return job;
}

// Pipeline: it was sent, or could not be; its sync follows.
static void sent(struct pg_jobs *jobs, int taken, struct pg_job *job) {
    pg_job_append(jobs, job);
    if (taken && PQpipelineSync(jobs->conn)) {
        turn_at_end(&jobs->end_of_turn, pg_job_on_end_of_turn);
    } else {
        fail_at_end_of_turn(jobs);
    }
}

void pg_jobs_script(struct pg_jobs *jobs, const char *sql, bool internal, pg_link_done done, void *argument) {
    pg_job_append(jobs, new_job(sql, internal, done, argument));
    pg_job_start_next(jobs);
}

// What a statement is called in this session, and in no other.
static const char *statement_name(const struct pg_jobs *jobs, const char *name, char out[NAME_SIZE]) {
    snprintf(out, NAME_SIZE, "%016" PRIx64 "_%s", jobs->nonce, name);
    return out;
}

void pg_jobs_prepare(struct pg_jobs *jobs, const struct pg_statement *statement, pg_link_done done, void *argument) {
    char name[NAME_SIZE];
    int taken = PQsendPrepare(jobs->conn, statement_name(jobs, statement->name, name), statement->sql, 0, NULL);
    sent(jobs, taken, new_job(NULL, true, done, argument));
}

void pg_jobs_execute(struct pg_jobs *jobs, const char *name, int count, const char *const *values, pg_link_done done,
                     void *argument) {
    char own[NAME_SIZE];
    int taken = PQsendQueryPrepared(jobs->conn, statement_name(jobs, name, own), count, values, NULL, NULL, 0);
    sent(jobs, taken, new_job(NULL, false, done, argument));
}

void pg_jobs_copy(struct pg_jobs *jobs, const char *sql, const char *data, size_t length, pg_link_done done,
                  void *argument) {
    struct pg_job *job = new_job(sql, false, done, argument);
    job->copy = true;
    job->data = data;
    job->length = length;
    pg_job_append(jobs, job);
    pg_job_start_next(jobs);
}

// ---- COPY

static void end_copy(struct pg_jobs *jobs) {
    const char *why = jobs->first->copy ? NULL : "the script wants data and the job has none";
    int taken = PQputCopyEnd(jobs->conn, why);
    if (taken < 0) {
        pg_jobs_break(jobs);
    } else if (taken > 0) {
        jobs->copying = false;
        pg_job_flush(jobs);
    } else {
        pg_job_watch(jobs, UV_READABLE | UV_WRITABLE);
    }
}

static void feed_copy(struct pg_jobs *jobs) {
    struct pg_job *job = jobs->first;
    size_t stop = job->sent + COPY_TURN_BYTES;
    while (job->sent < job->length && job->sent < stop) {
        size_t left = job->length - job->sent;
        size_t piece = left < COPY_PIECE_BYTES ? left : COPY_PIECE_BYTES;
        int taken = PQputCopyData(jobs->conn, job->data + job->sent, (int)piece);
        if (taken > 0) {
            job->sent += piece;
        }
        int waits = taken < 0 ? -1 : PQflush(jobs->conn);
        if (waits < 0) {
            pg_jobs_break(jobs);
            return;
        }
        if (waits > 0 || taken == 0) {
            break;
        }
    }
    if (job->sent == job->length) {
        end_copy(jobs);
    } else {
        pg_job_watch(jobs, UV_READABLE | UV_WRITABLE);
    }
}

// ---- Answers

static bool pg_job_is_error(const PGresult *result) {
    ExecStatusType status = PQresultStatus(result);
    return status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY;
}

// Whether an error says that the connection ends: libpq's own have no SQLSTATE, the server's are FATAL or PANIC
// (PostgreSQL's protocol, "Error and Notice Message Fields"), or of the class 57P0x: shut down, crash, starting up.
static bool ends_connection(const PGconn *conn, const PGresult *result) {
    const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return PQstatus(conn) != CONNECTION_OK || code == NULL || strncmp(code, "57P0", 4) == 0 ||
           (severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0));
}

// Whether an error says that the session has become useless. While it is being set up, postgres/setup.c has better
// words.
static bool spoils_session(const struct pg_jobs *jobs, const PGresult *result) {
    return jobs->is_set_up && pg_error_of(PQresultErrorField(result, PG_DIAG_SQLSTATE)) == PG_ERROR_SESSION;
}

static void pg_job_break_with(struct pg_jobs *jobs, PGresult *result, const char *otherwise) {
    const char *why = PQresultErrorMessage(result);
    jobs->on_broken(jobs->owner, *why ? why : otherwise);
    PQclear(result);
}

// Keeps the last result, or the first error. Returns false when the connection has broken over it.
static bool keep_result(struct pg_jobs *jobs, PGresult *result) {
    if (pg_job_is_error(result) && (ends_connection(jobs->conn, result) || spoils_session(jobs, result))) {
        pg_job_break_with(jobs, result, "the connection broke");
        return false;
    }
    struct pg_job *job = jobs->first;
    if (job->result != NULL && pg_job_is_error(job->result)) {
        PQclear(result);
        return true;
    }
    PQclear(job->result);
    job->result = result;
    return true;
}

static void pg_job_on_rolled_back(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct pg_jobs *jobs = argument;
    (void)result;
    if (outcome == PG_LINK_ERROR) {
        jobs->on_broken(jobs->owner, "a failed transaction could not be rolled back");
    }
}

// Hands the first job its answer. Returns false when its callback has let go of the connection.
static bool answer_first(struct pg_jobs *jobs) {
    PGconn *conn = jobs->conn;
    struct pg_job *job = pg_job_take_first(jobs);
    if (PQpipelineStatus(conn) == PQ_PIPELINE_OFF && PQtransactionStatus(conn) == PQTRANS_INERROR) {
        push_front(jobs, new_job("ROLLBACK", true, pg_job_on_rolled_back, jobs));
    }
    enum pg_outcome outcome = job->result != NULL && !pg_job_is_error(job->result) ? PG_LINK_OK : PG_LINK_ERROR;
    if (job->done) {
        job->done(job->argument, outcome, job->result);
    }
    free_job(job);
    return jobs->conn == conn;
}

// libpq has said that the query that ran is over.
static bool query_over(struct pg_jobs *jobs) {
    if (jobs->first == NULL || !jobs->running) {
        return false;
    }
    bool stands = answer_first(jobs);
    if (!stands) {
        return false;
    }
    jobs->running = false;
    pg_job_start_next(jobs);
    return false; // the next one's answer can't be there yet
}

// One result, or the NULL between them. Returns whether there may be more to take now.
static bool take_result(struct pg_jobs *jobs, PGresult *result, bool *was_null) {
    bool pipeline = PQpipelineStatus(jobs->conn) != PQ_PIPELINE_OFF;
    if (result == NULL) {
        bool again = pipeline && jobs->first != NULL && !*was_null;
        *was_null = true;
        return pipeline ? again : query_over(jobs);
    }
    *was_null = false;
    if (jobs->first == NULL) { // an answer to nothing: libpq's error about the connection comes so
        pg_job_break_with(jobs, result, "an answer to no job");
        return false;
    }
    switch ((int)PQresultStatus(result)) {
    case PGRES_PIPELINE_SYNC:
        PQclear(result);
        return answer_first(jobs);
    case PGRES_COPY_IN:
        PQclear(result);
        jobs->copying = true;
        feed_copy(jobs);
        return false;
    default:
        return keep_result(jobs, result);
    }
}

static void take_answers(struct pg_jobs *jobs) {
    bool was_null = false;
    PGconn *conn = jobs->conn;
    while (jobs->conn == conn && !jobs->copying && !PQisBusy(conn)) {
        if (!take_result(jobs, PQgetResult(conn), &was_null)) {
            return;
        }
    }
}

static void pg_job_on_ready(void *owner, int status, int events) {
    struct pg_jobs *jobs = owner;
    PGconn *conn = jobs->conn;
    if ((status < 0 || (events & UV_READABLE)) && !PQconsumeInput(conn)) {
        pg_jobs_break(jobs);
        return;
    }
    if (jobs->copying) {
        feed_copy(jobs);
    } else if (events & UV_WRITABLE) {
        pg_job_flush(jobs);
    }
    if (jobs->conn == conn) {
        take_answers(jobs);
    }
}

// ---- The connection

static int64_t pg_job_due_ms(const void *owner) {
    const struct pg_jobs *jobs = owner;
    return jobs->first != NULL ? jobs->oldest_since_ms + jobs->timeout_ms : -1;
}

static void pg_job_on_late(void *owner) {
    struct pg_jobs *jobs = owner;
    jobs->is_late = true;
    jobs->on_broken(jobs->owner,
                    jobs->is_set_up
                        ? "no answer in time"
                        : "connected, but no answer in time: is a pooler's pool full, or a synchronous standby away?");
}

void pg_jobs_init(uv_loop_t *loop, struct pg_jobs *jobs) {
    jobs->loop = loop;
    jobs->last = &jobs->first;
    turn_init(loop, &jobs->end_of_turn, jobs);
    jobs->deadline = (struct deadline){.due_ms = pg_job_due_ms, .on_late = pg_job_on_late, .owner = jobs};
    deadline_init(loop, &jobs->deadline);
}

void pg_jobs_start(struct pg_jobs *jobs, PGconn *conn) {
    jobs->conn = conn;
    crypto_random(&jobs->nonce, sizeof jobs->nonce);
    pg_job_watch(jobs, UV_READABLE);
}

void pg_jobs_stop(struct pg_jobs *jobs) {
    struct pg_job *lost = jobs->first;
    pg_socket_unwatch(&jobs->socket); // before libpq closes the descriptor
    deadline_stop(&jobs->deadline);
    uv_idle_stop(&jobs->end_of_turn.idle);
    PQfinish(jobs->conn);
    jobs->conn = NULL;
    jobs->first = NULL;
    jobs->last = &jobs->first;
    jobs->running = jobs->copying = jobs->is_late = false;
    pg_job_lose(jobs, lost);
}

void pg_jobs_close(struct pg_jobs *jobs, void *data, uv_close_cb on_closed) {
    jobs->end_of_turn.idle.data = data;
    uv_close((uv_handle_t *)&jobs->end_of_turn.idle, on_closed);
    deadline_close(&jobs->deadline, data, on_closed);
}
