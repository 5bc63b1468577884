// SPDX-License-Identifier: MIT
//
//   RESTING ──a minute──▶ BEGINNING ──the lock is ours──▶ MESSAGES ⇄ rest ──none is due──▶ LETTERS ⇄ rest ──▶ IDS ⇄
//   rest
//      ▲                      │ it is another's                                                                  │
//      └──────────────────────┴──────────────────────────── ENDING ◀─────────────────────────────────────────────┘
//
// A pass goes through the messages in the order in which they were accepted, by an index, and looks at each once: what
// is kept because its course isn't over, or because somebody had it locked, is looked at again by the next pass. Its
// place is known to this process only. Whoever goes on after its death begins at the oldest message, which is where it
// stopped.
//
// Finding what is due costs the same however much is stored: it is what the index begins with. Rejected: a BRIN, which
// costs less to keep, but whose ranges never shrink: once new rows are stored where old ones were, each range begins
// with the oldest that it ever had, and all of them are read. And to go by the time in a UUIDv7, which webhooks' ids
// don't have.
//
// An error ends the pass; what was done of it stays done.
#include "persister/retention.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen/persister/embedded.h"
#include "persister/retention_pace.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/loop/process.h"
#include "shared/postgres/link.h"
#include "shared/redis/keys.h"

#define START_MS 1000  // after the start: the link is up by then
#define PASS_MS 60000  // between two passes
#define SOON_MS 5000   // to the next one where this one was not its own, was lost, or has left what others had locked
#define LOCKED_MS 1000 // after locks that others had
#define TELL_MS 60000  // between two lines of a pass that lasts
#define DAY_SECS (24 * 3600)
#define BEHIND_SECS DAY_SECS // from when on it is said that it doesn't keep up
#define PLACE_SIZE 64
#define EXPIRE_SQL "SELECT * FROM pg_temp.expire_messages('%s', '%s', %d, %u::smallint)" // sql/retention_session.sql

enum retention_state {
    RETENTION_RESTING, // until the next pass
    RETENTION_BEGINNING,
    RETENTION_MESSAGES,
    RETENTION_LETTERS,
    RETENTION_IDS,
    RETENTION_ENDING,
    RETENTION_STOPPED,
};

struct retention {
    uv_timer_t timer;
    struct retention_options options;
    struct pg_link *database; // of its own
    enum retention_state state;
    struct retention_pace pace;
    char at[PLACE_SIZE], id[PLACE_SIZE];                   // how far the pass has come
    int64_t messages, conversations, letters, ids, behind; // of the pass, since it was last told; behind: seconds
    int64_t told_behind;                                   // as it was told last
    int64_t skipped;                                       // by the pass: what others had locked
    int64_t began_us, told_ms;                             // the statement that is under way; the line
};

static void retention_go_on(struct retention *retention);

// The one place that changes the state.
static void retention_become(struct retention *retention, enum retention_state state) {
    if (retention->state != RETENTION_STOPPED) {
        retention->state = state;
    }
}

static void retention_on_timer(uv_timer_t *timer) {
    retention_go_on(timer->data);
}

static void retention_wait(struct retention *retention, int64_t ms) {
    if (retention->state != RETENTION_STOPPED) {
        uv_timer_start(&retention->timer, retention_on_timer, (uint64_t)ms, 0);
    }
}

// ---- What is seen of it

static void retention_tell(struct retention *retention) {
    if (retention->messages + retention->letters > 0) {
        struct log_line *line = log_begin(LOG_INFO, "retention");
        log_int(line, "messages", retention->messages);
        log_int(line, "conversations", retention->conversations);
        log_int(line, "dead_letters", retention->letters);
        log_int(line, "ids_forgotten", retention->ids);
        log_int(line, "behind_s", retention->behind);
        log_end(line);
    }
    retention->messages = retention->conversations = retention->letters = retention->ids = 0;
    retention->told_ms = clock_boot_ms();
    retention->told_behind = retention->behind;
}

// behind_s: for how long the message that was looked at last has been due.
static void retention_note(struct retention *retention, int64_t behind_s) {
    char *text = NULL;
    retention->behind = behind_s;
    if (behind_s > BEHIND_SECS) {
        text = xasprintf("messages are deleted that MESSAGE_RETENTION_DAYS has wanted deleted for %" PRId64 " days",
                         behind_s / DAY_SECS);
    }
    heartbeat_trouble(retention->options.heartbeat, "retention_behind", text);
    free(text);
}

static void retention_note_oldest(struct retention *retention, const PGresult *result) {
    const char *oldest_ms = PQntuples(result) == 1 ? PQgetvalue(result, 0, 0) : "0";
    const char *argv[] = {"HSET", KEY_METRICS, COUNTERS_RETENTION_OLDEST, oldest_ms};
    (void)!redis_link_call(retention->options.redis, NULL, NULL, 4, argv, NULL);
}

// ---- A pass

static void retention_end_pass(struct retention *retention) {
    retention_tell(retention);
    retention_become(retention, RETENTION_RESTING);
    retention_wait(retention, retention->skipped > 0 ? SOON_MS : PASS_MS);
}

static void retention_rest(struct retention *retention, int64_t seen) {
    int64_t took_us = clock_monotonic_us() - retention->began_us;
    retention_wait(retention, retention_pace_next(&retention->pace, seen, took_us,
                                                  batch_queue_is_half_full(retention->options.queue)));
}

static void retention_start(struct retention *retention) {
    snprintf(retention->at, PLACE_SIZE, "-infinity");
    snprintf(retention->id, PLACE_SIZE, "00000000-0000-0000-0000-000000000000");
    retention_pace_start(&retention->pace);
    retention->told_ms = clock_boot_ms();
    retention->behind = retention->told_behind = retention->skipped = 0;
    retention_become(retention, RETENTION_MESSAGES);
    retention_go_on(retention);
}

static int64_t retention_number(const PGresult *result, const char *column) {
    int index = PQfnumber(result, column);
    return index < 0 || PQntuples(result) < 1 ? 0 : strtoll(PQgetvalue(result, 0, index), NULL, 10);
}

static void take_place(char place[PLACE_SIZE], const PGresult *result, const char *column) {
    snprintf(place, PLACE_SIZE, "%s", PQgetvalue(result, 0, PQfnumber(result, column)));
}

static void retention_take_messages(struct retention *retention, const PGresult *result) {
    int64_t seen = retention_number(result, "seen"), deleted = retention_number(result, "deleted");
    bool has_more = seen >= retention->pace.rows;
    retention->messages += deleted;
    retention->skipped += retention_number(result, "skipped");
    retention->conversations += retention_number(result, "conversations");
    counters_add(retention->options.counters, COUNTER_RETENTION_DELETED, (uint64_t)deleted);
    take_place(retention->at, result, "at");
    take_place(retention->id, result, "id");
    retention_note(retention, has_more ? retention_number(result, "behind_s") : 0);
    if (!has_more) {
        retention_become(retention, RETENTION_LETTERS);
    } else if (clock_boot_ms() - retention->told_ms >= TELL_MS) {
        retention_pace_judge(&retention->pace,
                             retention->behind >= retention->told_behind && retention->told_behind > 0);
        retention_tell(retention);
    }
    retention_rest(retention, seen);
}

// Of a statement that deletes a thousand rows at most, to be said again until it finds none.
static void retention_take_count(struct retention *retention, const PGresult *result, int64_t *sum,
                                 enum retention_state next) {
    int64_t count = strtoll(PQcmdTuples((PGresult *)(uintptr_t)result), NULL, 10);
    *sum += count;
    if (count == 0) {
        retention_become(retention, next);
    }
    retention_rest(retention, 0);
}

// result: NULL: the session is lost, and with it the turn. What others had locked, or a rekey has moved meanwhile, is
// asked for again.
static void retention_on_failed(struct retention *retention, const PGresult *result) {
    const char *state = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    bool may_repeat =
        state != NULL && (strcmp(state, "55P03") == 0 || strcmp(state, "40P01") == 0 || strcmp(state, "MS001") == 0);
    if (state != NULL && !may_repeat) {
        log_warn("retention_failed", "%s: %s", state, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
        retention_become(retention, retention->state == RETENTION_ENDING ? RETENTION_RESTING : RETENTION_ENDING);
    } else if (!may_repeat || retention->state == RETENTION_BEGINNING || retention->state == RETENTION_ENDING) {
        retention_become(retention, RETENTION_RESTING);
    }
    retention_wait(retention, retention->state == RETENTION_RESTING ? SOON_MS : LOCKED_MS);
}

// The turn was the session's.
static void retention_on_down(void *argument) {
    struct retention *retention = argument;
    if (retention->state != RETENTION_RESTING) {
        retention_become(retention, RETENTION_RESTING);
        retention_wait(retention, SOON_MS);
    }
}

static void retention_on_answer(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct retention *retention = argument;
    if (outcome != PG_LINK_OK) {
        retention_on_failed(retention, result);
        return;
    }
    switch (retention->state) {
    case RETENTION_BEGINNING:
        if (*PQgetvalue(result, 0, 0) == 't') {
            retention_start(retention);
        } else {
            retention_note(retention, 0); // who has the turn says so, where it is true
            retention_become(retention, RETENTION_RESTING);
            retention_wait(retention, SOON_MS);
        }
        break;
    case RETENTION_MESSAGES:
        retention_take_messages(retention, result);
        break;
    case RETENTION_LETTERS:
        retention_take_count(retention, result, &retention->letters, RETENTION_IDS);
        break;
    case RETENTION_IDS:
        retention_take_count(retention, result, &retention->ids, RETENTION_ENDING);
        break;
    case RETENTION_ENDING:
        retention_note_oldest(retention, result);
        retention_end_pass(retention);
        break;
    case RETENTION_RESTING:
    case RETENTION_STOPPED:
        break;
    }
}

static void retention_run(struct retention *retention, const char *sql) {
    retention->began_us = clock_monotonic_us();
    if (pg_link_script(retention->database, sql, retention_on_answer, retention) != 0) {
        retention_on_failed(retention, NULL);
    }
}

static void retention_expire_messages(struct retention *retention) {
    char *sql = xasprintf(EXPIRE_SQL, retention->at, retention->id, retention->pace.rows, retention->options.slot);
    retention_run(retention, sql);
    free(sql);
}

static void retention_go_on(struct retention *retention) {
    switch (retention->state) {
    case RETENTION_RESTING:
        retention_become(retention, RETENTION_BEGINNING);
        retention_run(retention, persister_sql_retention_begin_sql);
        break;
    case RETENTION_MESSAGES:
        retention_expire_messages(retention);
        break;
    case RETENTION_LETTERS:
        retention_run(retention, persister_sql_expire_letters_sql);
        break;
    case RETENTION_IDS:
        retention_run(retention, persister_sql_expire_erased_sql);
        break;
    case RETENTION_ENDING:
        retention_run(retention, persister_sql_retention_end_sql);
        break;
    case RETENTION_BEGINNING:
    case RETENTION_STOPPED:
        break;
    }
}

// ---- Life

struct retention *retention_create(uv_loop_t *loop, const struct retention_options *options) {
    const struct settings *settings = options->settings;
    struct retention *retention = xcalloc(1, sizeof *retention);
    char *name = xasprintf("%s-retention", process_instance());
    char *setup = xasprintf("SELECT set_config('messaging.retention_days', '%" PRId64 "', false);\n%s",
                            settings->message_retention_days, persister_sql_retention_session_sql);
    retention->options = *options;
    retention->database = pg_link_create(loop, &(struct pg_link_options){.url = settings->database_url,
                                                                         .name = name,
                                                                         .timeout_ms = settings->database_timeout_ms,
                                                                         .setup = setup,
                                                                         .on_down = retention_on_down,
                                                                         .argument = retention});
    retention->timer.data = retention;
    uv_timer_init(loop, &retention->timer);
    uv_timer_start(&retention->timer, retention_on_timer, START_MS, 0);
    free(setup);
    free(name);
    return retention;
}

void retention_change_database(struct retention *retention, const char *url) {
    pg_link_change_url(retention->database, url);
}

void retention_stop(struct retention *retention) {
    retention_become(retention, RETENTION_STOPPED);
    uv_timer_stop(&retention->timer);
}

static void retention_on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void retention_destroy(struct retention *retention) {
    retention_stop(retention);
    pg_link_destroy(retention->database);
    uv_close((uv_handle_t *)&retention->timer, retention_on_closed);
}

char *retention_check(const struct settings *settings) {
    int64_t days = settings->message_retention_days;
    if (days == 0 || days * DAY_SECS >= settings->idempotency_ttl_secs) {
        return NULL;
    }
    return xasprintf("MESSAGE_RETENTION_DAYS is '%" PRId64 "': it must be 0, or no shorter than IDEMPOTENCY_TTL_SECS, "
                     "which is %" PRId64 " s",
                     days, settings->idempotency_ttl_secs);
}
