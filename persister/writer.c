// SPDX-License-Identifier: MIT
//
//        queue has a batch             COPY done               committed, batch finished
//   IDLE ────────────────▶ STAGING ───────────────▶ COMMITTING ──────────────────────────▶ IDLE or RESTING
//                           ▲  │                        │              (not finished: STAGING)
//                           │  ▼ error, link lost       ▼
//                          WAITING ◀────────────────────┘
//
// Of what a small batch costs, most is the same for a large one. So while much comes in, the writer rests after a batch
// as long as that one took, for a few milliseconds at most, and the next one gathers. Where little comes in, or much
// waits already, it goes on at once.
//
// A batch is worked off from `first` on, `span` entries a transaction, at the beginning all of them. Where Postgres
// refuses a span for what it holds, the span is halved; where that succeeds, the next one is twice as long. So one
// poison entry among n costs about 2 log n transactions, and n poison entries in a row about 3 each. A refused span of
// one entry is poison: its line is replaced by one that makes it a dead letter.
//
// Everything else that goes wrong is waited out, however often; nothing else is ever poison. But a span whose
// connection is lost again and again, or that is cancelled, may be more than the server can do within a time-out or its
// memory, so it is halved as well.
//
// What was committed is believed only where the answer proves it (sql/batch.sql, step 0): it carries the token of the
// session that this connection began with, and the count and the marks of this span's rows.
#include "persister/writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen/persister/embedded.h"
#include "persister/identities.h"
#include "shared/base/backoff.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/uuid.h"
#include "shared/postgres/error.h"

#define STORE_SQL "SELECT * FROM pg_temp.store_batch('%s', %" PRId64 ", %" PRId64 ")" // sql/batch.sql
#define BACKOFF_BASE_MS 25
#define BACKOFF_CAP_MS 5000
#define LOST_BEFORE_HALVING 3
#define MAX_REASON_BYTES 1000 // of a dead letter: Postgres may repeat the whole of what it refuses
#define LONGEST_REST_US 5000
#define RESTED_ON_MIN 50             // entries of a batch: with fewer, little comes in
#define RESTED_ON_MAX 500            // with more, it has cost little an entry
#define DEAD_ROWS 10000              // in the staging table, after which it is truncated
#define DEAD_BYTES (8 * 1024 * 1024) // the same

enum writer_state { WRITER_IDLE, WRITER_RESTING, WRITER_STAGING, WRITER_COMMITTING, WRITER_WAITING };

struct batch_writer {
    uv_timer_t pause; // of RESTING and WAITING
    struct batch_writer_options options;
    enum writer_state state;
    struct batch *batch; // NULL when idle or resting
    size_t first, span;
    bool poison;                  // the span is one entry, and lines holds its dead letter
    struct buf lines;             // with poison
    char session[UUID_TEXT_SIZE]; // the token of the link's session; "" before the first
    int64_t rows, marks;          // of what is being copied
    size_t dead_rows;             // in the staging table
    size_t dead_bytes;
    unsigned failures; // in a row
    int64_t began_us, staged_us, rest_until_us;
};

static void stage(struct batch_writer *writer);

static void batch_writer_change_state(struct batch_writer *writer, enum writer_state state) {
    writer->state = state;
}

static const char *sqlstate(const PGresult *result) {
    const char *state = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return state == NULL ? "" : state;
}

static const char *error_text(const struct batch_writer *writer, const PGresult *result) {
    const char *text = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    return text == NULL ? pg_link_last_error(writer->options.link) : text;
}

static void batch_writer_on_backoff(uv_timer_t *timer) {
    stage(timer->data);
}

static void wait_and_retry(struct batch_writer *writer) {
    batch_writer_change_state(writer, WRITER_WAITING);
    int64_t wait_ms = backoff_full_jitter_ms(writer->failures, BACKOFF_BASE_MS, BACKOFF_CAP_MS);
    writer->failures++;
    uv_timer_start(&writer->pause, batch_writer_on_backoff, (uint64_t)wait_ms, 0);
}

static void log_repeat(const struct batch_writer *writer, const PGresult *result) {
    bool met_another = strcmp(sqlstate(result), "MS001") == 0; // sql/batch.sql, step 3: nothing is wrong
    struct log_line *line = log_begin(met_another ? LOG_INFO : LOG_WARN, "batch_repeat");
    log_int(line, "entries", (int64_t)writer->span);
    log_int(line, "failures", writer->failures + 1);
    log_str(line, "sqlstate", sqlstate(result));
    log_str(line, "message", error_text(writer, result));
    log_end(line);
}

// Owned by the caller; never cut within a UTF-8 sequence, whose further bytes are 10xxxxxx.
static char *reason_of(const struct batch_writer *writer, const PGresult *result) {
    char *reason = xasprintf("%s: %s", sqlstate(result), error_text(writer, result));
    size_t length = strlen(reason);
    if (length > MAX_REASON_BYTES) {
        length = MAX_REASON_BYTES;
        while (((unsigned char)reason[length] & 0xc0) == 0x80) {
            length--;
        }
        reason[length] = '\0';
    }
    return reason;
}

// The span was refused: a shorter one next, or the entry itself as a dead letter. Returns false where even the dead
// letter was refused, which is no fault of the entry.
static bool narrow(struct batch_writer *writer, const PGresult *result) {
    if (writer->poison) {
        return false;
    }
    if (writer->span > 1) {
        writer->span /= 2;
        return true;
    }
    char *reason = reason_of(writer, result);
    writer->poison = true;
    buf_clear(&writer->lines);
    writer->marks = batch_poison_line(writer->batch, writer->first, writer->options.slot, reason, &writer->lines);
    free(reason);
    return true;
}

static void repeat(struct batch_writer *writer, const PGresult *result) {
    char *why = result == NULL ? xstrdup(error_text(writer, NULL)) : reason_of(writer, result);
    writer->options.on_repeat(writer->options.argument, writer->failures + 1, why);
    free(why);
    wait_and_retry(writer);
}

static void shorten(struct batch_writer *writer) {
    if (writer->failures >= LOST_BEFORE_HALVING && writer->span > 1) {
        writer->span /= 2;
    }
}

static void lose(struct batch_writer *writer) {
    log_repeat(writer, NULL);
    shorten(writer);
    repeat(writer, NULL);
}

// The link has already rolled back what failed.
static void batch_writer_fail(struct batch_writer *writer, const PGresult *result) {
    enum pg_error error = pg_error_of(sqlstate(result));
    if (error == PG_ERROR_CONTENT && narrow(writer, result)) {
        stage(writer);
        return;
    }
    log_repeat(writer, result);
    if (error == PG_ERROR_SHORTER) {
        shorten(writer);
    }
    repeat(writer, result);
}

static int64_t batch_writer_number(const PGresult *result, const char *column) {
    int index = PQfnumber(result, column);
    return index < 0 || PQntuples(result) < 1 ? 0 : atoll(PQgetvalue(result, 0, index));
}

static const char *batch_writer_text(const PGresult *result, const char *column) {
    int index = PQfnumber(result, column);
    return index < 0 || PQntuples(result) < 1 ? "" : PQgetvalue(result, 0, index);
}

static void log_batch(const struct batch_writer *writer, const struct batch_written *written) {
    struct log_line *line = log_begin(LOG_DEBUG, "batch");
    if (line == NULL) {
        return;
    }
    size_t bytes;
    batch_lines(writer->batch, writer->first, writer->span, &bytes);
    log_int(line, "entries", (int64_t)writer->span);
    log_int(line, "bytes", (int64_t)bytes);
    log_int(line, "stored", written->stored);
    log_int(line, "conversations_created", written->created);
    log_int(line, "dead_letters", written->dead_letters);
    log_int(line, "stage_us", writer->staged_us - writer->began_us);
    log_int(line, "commit_us", clock_monotonic_us() - writer->staged_us);
    log_end(line);
}

// Each line of `differing_ids`: the message's id, and the id of the request that brought it again, where it is known.
static void log_differing(const PGresult *result) {
    const char *at = batch_writer_text(result, "differing_ids");
    while (*at != '\0') {
        size_t length = strcspn(at, "\n"), id = strcspn(at, " \n");
        const char *request = at + id + (id < length);
        struct log_line *line = log_begin(LOG_WARN, "redelivery_differs");
        log_strn(line, "correlation_id", request, (size_t)(at + length - request));
        log_strn(line, "message_id", at, id);
        log_str(line, "message", "a webhook came again with other content: the first stays");
        log_end(line);
        at += length + (at[length] == '\n');
    }
}

static void batch_writer_on_rested(uv_timer_t *timer) {
    struct batch_writer *writer = timer->data;
    batch_writer_change_state(writer, WRITER_IDLE);
    writer->rest_until_us = 0; // the timer counts in ms
    batch_writer_kick(writer);
}

static bool should_rest(const struct batch_writer *writer) {
    return clock_monotonic_us() < writer->rest_until_us && !batch_queue_is_half_full(writer->options.queue);
}

static void batch_writer_rest(struct batch_writer *writer) {
    int64_t left_us = writer->rest_until_us - clock_monotonic_us();
    batch_writer_change_state(writer, WRITER_RESTING);
    uv_timer_start(&writer->pause, batch_writer_on_rested, left_us > 0 ? (uint64_t)(left_us + 999) / 1000 : 0, 0);
}

// From IDLE or RESTING, with a queue that isn't empty.
static void batch_writer_start_next(struct batch_writer *writer) {
    if (should_rest(writer)) {
        if (writer->state != WRITER_RESTING) {
            batch_writer_rest(writer);
        }
        return;
    }
    uv_timer_stop(&writer->pause);
    writer->batch = batch_queue_take(writer->options.queue);
    writer->first = 0;
    writer->span = writer->batch->count;
    stage(writer);
    writer->options.on_next(writer->options.argument);
}

static void end_batch(struct batch_writer *writer) {
    int64_t now_us = clock_monotonic_us(), took_us = now_us - writer->began_us;
    bool rests = writer->batch->count >= RESTED_ON_MIN && writer->batch->count <= RESTED_ON_MAX;
    batch_free(writer->batch);
    writer->batch = NULL;
    writer->rest_until_us = rests ? now_us + (took_us < LONGEST_REST_US ? took_us : LONGEST_REST_US) : 0;
    batch_writer_change_state(writer, WRITER_IDLE);
    if (batch_queue_is_empty(writer->options.queue)) {
        writer->options.on_next(writer->options.argument);
    } else {
        batch_writer_start_next(writer);
    }
}

// The span is committed: on to the rest of the batch, or to the next one.
static void batch_writer_advance(struct batch_writer *writer) {
    writer->failures = 0;
    writer->poison = false;
    writer->first += writer->span;
    size_t left = writer->batch->count - writer->first;
    if (left > 0) {
        writer->span = writer->span * 2 < left ? writer->span * 2 : left;
        stage(writer);
        return;
    }
    end_batch(writer);
}

static int64_t count_refused(const struct batch_writer *writer) {
    if (writer->poison) {
        return 1;
    }
    int64_t refused = 0;
    for (size_t i = writer->first; i < writer->first + writer->span; i++) {
        refused += writer->batch->entries[i].what == BATCH_POISON;
    }
    return refused;
}

// Whether the session that committed is the one that was set up, and the rows that it took are the ones copied.
static bool is_proven(const struct batch_writer *writer, const PGresult *result) {
    int token = PQfnumber(result, "session_token");
    return PQntuples(result) == 1 && token >= 0 && strcmp(PQgetvalue(result, 0, token), writer->session) == 0 &&
           batch_writer_number(result, "entries") == writer->rows &&
           batch_writer_number(result, "marks") == writer->marks;
}

static void batch_writer_on_committed(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct batch_writer *writer = argument;
    if (outcome == PG_LINK_LOST) { // committed or not: recording it again changes nothing
        lose(writer);
        return;
    }
    if (outcome == PG_LINK_ERROR) {
        batch_writer_fail(writer, result);
        return;
    }
    if (!is_proven(writer, result)) {
        pg_link_drop(writer->options.link, "a batch was answered without the token and the count of its rows");
        lose(writer);
        return;
    }
    struct batch_written written = {batch_writer_number(result, "stored"),
                                    batch_writer_number(result, "created"),
                                    batch_writer_number(result, "dead_letters"),
                                    batch_writer_number(result, "differing"),
                                    count_refused(writer),
                                    batch_writer_text(result, "receipts_told"),
                                    batch_writer_text(result, "opt_outs_told"),
                                    batch_writer_text(result, "erased_told"),
                                    clock_monotonic_us() - writer->began_us};
    log_batch(writer, &written);
    log_differing(result);
    writer->options.on_written(writer->options.argument, writer->batch, writer->first, writer->span, &written);
    batch_writer_advance(writer);
}

static void batch_writer_on_staged(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct batch_writer *writer = argument;
    if (outcome == PG_LINK_LOST) {
        lose(writer);
        return;
    }
    if (outcome == PG_LINK_ERROR) {
        batch_writer_fail(writer, result);
        return;
    }
    writer->staged_us = clock_monotonic_us();
    batch_writer_change_state(writer, WRITER_COMMITTING);
    char sql[sizeof STORE_SQL + UUID_TEXT_SIZE + 2 * 20];
    snprintf(sql, sizeof sql, STORE_SQL, writer->session, writer->rows, writer->marks);
    if (pg_link_script(writer->options.link, sql, batch_writer_on_committed, writer) != 0) {
        lose(writer);
    }
}

// How the staging table is emptied before this COPY.
static const char *stage_sql(struct batch_writer *writer, size_t bytes) {
    bool full = writer->dead_rows >= DEAD_ROWS || writer->dead_bytes >= DEAD_BYTES;
    if (full) {
        writer->dead_rows = writer->dead_bytes = 0;
    }
    writer->dead_rows += writer->span;
    writer->dead_bytes += bytes;
    return full ? persister_sql_stage_truncate_sql : persister_sql_stage_delete_sql;
}

static void stage(struct batch_writer *writer) {
    if (!pg_link_is_up(writer->options.link)) {
        batch_writer_change_state(writer, WRITER_WAITING); // until the kick from on_up
        return;
    }
    batch_writer_change_state(writer, WRITER_STAGING);
    writer->began_us = clock_monotonic_us();
    size_t length = writer->lines.length;
    const char *lines = writer->lines.data;
    if (!writer->poison) {
        lines = batch_lines(writer->batch, writer->first, writer->span, &length);
        writer->marks = batch_marks(writer->batch, writer->first, writer->span);
    }
    writer->rows = (int64_t)writer->span;
    if (pg_link_copy(writer->options.link, stage_sql(writer, length), lines, length, batch_writer_on_staged, writer) !=
        0) {
        batch_writer_change_state(writer, WRITER_WAITING);
    }
}

struct batch_writer *batch_writer_create(uv_loop_t *loop, const struct batch_writer_options *options) {
    struct batch_writer *writer = xcalloc(1, sizeof *writer);
    writer->options = *options;
    writer->pause.data = writer;
    uv_timer_init(loop, &writer->pause);
    return writer;
}

void batch_writer_kick(struct batch_writer *writer) {
    if (!pg_link_is_up(writer->options.link)) {
        return;
    }
    bool may_start = writer->state == WRITER_IDLE || writer->state == WRITER_RESTING;
    if (may_start && !batch_queue_is_empty(writer->options.queue)) {
        batch_writer_start_next(writer);
    } else if (writer->state == WRITER_WAITING && !uv_is_active((uv_handle_t *)&writer->pause)) {
        stage(writer);
    }
}

char *batch_writer_setup(const struct phone_region *region) {
    char *identities = identities_setup(region);
    char *setup = xasprintf("%s%s%s%s%s", persister_sql_staging_sql, identities, persister_sql_batch_sql,
                            persister_sql_erase_sql, persister_sql_session_sql);
    free(identities);
    return setup;
}

void batch_writer_renewed(struct batch_writer *writer, const PGresult *result) {
    struct uuid token;
    bool told = PQntuples(result) == 1 && uuid_parse(PQgetvalue(result, 0, 0), &token) == 0;
    writer->session[0] = '\0'; // which no session has
    if (told) {
        uuid_format(&token, writer->session);
    }
    writer->dead_rows = writer->dead_bytes = 0;
}

bool batch_writer_is_idle(const struct batch_writer *writer) {
    return writer->state == WRITER_IDLE;
}

static void batch_writer_on_closed(uv_handle_t *handle) {
    struct batch_writer *writer = handle->data;
    batch_free(writer->batch);
    buf_free(&writer->lines);
    free(writer);
}

void batch_writer_destroy(struct batch_writer *writer) {
    uv_close((uv_handle_t *)&writer->pause, batch_writer_on_closed);
}
