// SPDX-License-Identifier: MIT
//
// SQL knows neither IDNA nor regions, so the messages are read a page at a time, in the order of the threads, and what
// they show is identified here. What belongs elsewhere is moved, a conversation at a time, each in a transaction of its
// own, whose SQL (sql/rekey_session.sql) also says why one pass is enough and why running persisters don't mind.
//
// A conversation whose messages all have one other key takes that key, if nobody has it. Otherwise those that belong
// elsewhere go there: what keeps its key keeps the id, and of a conversation that is emptied the id answers, by
// conversation_aliases, as the one that its latest message is in.
//
// Who has opted out is told by pairs of the same identities, and comes first (rekey_opt_outs.h), and so do
// conversations that were erased (rekey_erasures.h).
//
// What has been passed is remembered by conversation; what a page has done is seen again without harm, for a message
// that is where it belongs stays.
//
// Rejected: to move by participant instead of by message, for old rules made one participant of two (U+212A and k), and
// what a message shows says which; to write a second table beside the first, for a service that goes on meanwhile.
#include "persister/rekey.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen/persister/embedded.h"
#include "persister/rekey_erasures.h"
#include "persister/rekey_marks.h"
#include "persister/rekey_opt_outs.h"
#include "persister/rekey_programs.h"
#include "persister/rekey_row.h"
#include "persister/rekey_session.h"
#include "shared/base/clock.h"
#include "shared/base/decimal.h"
#include "shared/base/mem.h"
#include "shared/redis/keys.h"

#define PAGE 500 // messages; also those of one transaction
#define SLOTS 16 // rows of `totals`
#define TELL_MS 1000
#define TURN_MS 5000
#define LATEST_TIME "infinity"
#define LATEST_ID "ffffffff-ffff-ffff-ffff-ffffffffffff"

// Columns of messages that a statement is given, as the texts of Postgres's arrays.
enum { ARRAY_IDS, ARRAY_SENDERS, ARRAY_KEYS, ARRAY_A, ARRAY_B, ARRAYS };

struct position {
    int64_t conversation;
    char *occurred_at, *accepted_at, *id; // owned
};

struct rekey {
    PGconn *conn;
    const struct phone_region *region;
    int64_t passed, last; // conversations
    int64_t looked, moved, renamed, gone, made;
    int64_t told_ms;
    struct buf senders[ARRAYS]; // of the page: messages that are in their place and don't say yet who sent them
};

// ---- Where it is

// Behind the last message of that conversation.
static void position_after(struct position *position, int64_t conversation) {
    *position = (struct position){conversation, xstrdup(LATEST_TIME), xstrdup(LATEST_TIME), xstrdup(LATEST_ID)};
}

static void position_free(struct position *position) {
    free(position->occurred_at);
    free(position->accepted_at);
    free(position->id);
}

static void position_at(struct position *position, const struct rekey_row *row) {
    position_free(position);
    *position =
        (struct position){row->conversation_id, xstrdup(row->occurred_at), xstrdup(row->accepted_at), xstrdup(row->id)};
}

static PGresult *rekey_read_page(struct rekey *rekey, const struct position *after, int64_t last) {
    const char *conversation = DECIMAL(after->conversation), *until = DECIMAL(last), *rows = DECIMAL(PAGE);
    const char *values[] = {conversation, after->occurred_at, after->accepted_at, after->id, until, rows};
    return rekey_session_run(rekey->conn, persister_sql_rekey_page_sql, 6, values);
}

static void rekey_tell(struct rekey *rekey, bool always) {
    int64_t now_ms = clock_boot_ms();
    if (always || now_ms - rekey->told_ms >= TELL_MS) {
        printf("passed conversation %" PRId64 " of %" PRId64 ": %" PRId64 " messages looked at, %" PRId64
               " moved; conversations: %" PRId64 " with a new key, %" PRId64 " joined to others, %" PRId64 " made\n",
               rekey->passed, rekey->last, rekey->looked, rekey->moved, rekey->renamed, rekey->gone, rekey->made);
        fflush(stdout);
        rekey->told_ms = now_ms;
    }
}

static void rekey_pass(struct rekey *rekey, int64_t conversation) {
    if (conversation > rekey->passed) {
        const char *values[] = {DECIMAL(conversation)};
        PQclear(rekey_session_run(rekey->conn, "SELECT pg_temp.rekey_passed($1::bigint)", 1, values));
        rekey->passed = conversation;
    }
}

// ---- A conversation's messages of one page

struct run {
    struct rekey_row *rows;
    size_t count;
    bool begins; // no page before had any of it
};

static bool belongs_elsewhere(const struct rekey_row *row) {
    return strcmp(row->key, row->new_key) != 0;
}

static bool run_is_right(const struct run *run) {
    for (size_t i = 0; i < run->count; i++) {
        if (belongs_elsewhere(&run->rows[i])) {
            return false;
        }
    }
    return true;
}

static bool have_key(const struct rekey_row *rows, size_t count, const char *key) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].new_key, key) != 0) {
            return false;
        }
    }
    return true;
}

static size_t take_rows(struct rekey *rekey, const PGresult *page, struct rekey_row *out) {
    size_t count = (size_t)PQntuples(page);
    for (size_t i = 0; i < count; i++) {
        rekey_row_read(page, (int)i, rekey->region, &out[i]);
    }
    return count;
}

static void free_rows(struct rekey_row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        rekey_row_free(&rows[i]);
    }
}

// How many messages a conversation that is longer than a page has, where all of them have that key; else -1.
static int64_t count_with_key(struct rekey *rekey, int64_t conversation, const char *key) {
    struct position position;
    struct rekey_row *rows = xcalloc(PAGE, sizeof *rows);
    int64_t seen = 0;
    size_t count = PAGE;
    position_after(&position, conversation - 1);
    while (seen >= 0 && count == PAGE) {
        PGresult *page = rekey_read_page(rekey, &position, conversation);
        count = take_rows(rekey, page, rows);
        seen = have_key(rows, count, key) ? seen + (int64_t)count : -1;
        if (count > 0) {
            position_at(&position, &rows[count - 1]);
        }
        free_rows(rows, count);
        PQclear(page);
    }
    position_free(&position);
    free(rows);
    return seen;
}

// Whether the conversation has taken its messages' key.
static bool rekey_rename(struct rekey *rekey, const struct run *run) {
    const struct rekey_row *first = run->rows;
    if (!run->begins || !have_key(run->rows, run->count, first->new_key)) {
        return false;
    }
    int64_t seen = (int64_t)run->count;
    if (first->message_count > seen) {
        seen = count_with_key(rekey, first->conversation_id, first->new_key);
    }
    const char *conversation = DECIMAL(first->conversation_id), *count = DECIMAL(seen);
    const char *values[] = {conversation, count, first->new_key, first->participant_a, first->participant_b};
    PGresult *result =
        rekey_session_run(rekey->conn, "SELECT pg_temp.rekey_rename($1::bigint, $2::bigint, $3, $4, $5)", 5, values);
    bool renamed = *PQgetvalue(result, 0, 0) == 't';
    rekey->renamed += renamed;
    PQclear(result);
    return renamed;
}

static void add_to_arrays(struct buf *arrays, const struct rekey_row *row) {
    rekey_array_add(&arrays[ARRAY_IDS], row->id);
    rekey_array_add(&arrays[ARRAY_SENDERS], row->new_sent_by);
    rekey_array_add(&arrays[ARRAY_KEYS], row->new_key);
    rekey_array_add(&arrays[ARRAY_A], row->participant_a);
    rekey_array_add(&arrays[ARRAY_B], row->participant_b);
}

static void end_arrays(struct buf *arrays) {
    for (size_t i = 0; i < ARRAYS; i++) {
        rekey_array_add(&arrays[i], NULL);
    }
}

static void free_arrays(struct buf *arrays) {
    for (size_t i = 0; i < ARRAYS; i++) {
        buf_free(&arrays[i]);
    }
}

static int64_t rekey_number(const PGresult *result, int column) {
    return strtoll(PQgetvalue(result, 0, column), NULL, 10);
}

// Moves what belongs elsewhere.
static void rekey_move(struct rekey *rekey, const struct run *run) {
    struct buf arrays[ARRAYS] = {{0}};
    for (size_t i = 0; i < run->count; i++) {
        if (belongs_elsewhere(&run->rows[i])) {
            add_to_arrays(arrays, &run->rows[i]);
        }
    }
    end_arrays(arrays);
    const char *source = DECIMAL(run->rows->conversation_id);
    const char *slot = DECIMAL(partition_of("rekey", SLOTS));
    const char *values[] = {source,
                            slot,
                            arrays[ARRAY_IDS].data,
                            arrays[ARRAY_KEYS].data,
                            arrays[ARRAY_A].data,
                            arrays[ARRAY_B].data,
                            arrays[ARRAY_SENDERS].data};
    PGresult *result = rekey_session_run(rekey->conn,
                                         "SELECT * FROM pg_temp.rekey_move($1::bigint, $2::smallint, $3::uuid[], "
                                         "$4::text[], $5::text[], $6::text[], $7::text[])",
                                         7, values);
    rekey->moved += rekey_number(result, 0);
    rekey->made += rekey_number(result, 1);
    rekey->gone += rekey_number(result, 2);
    PQclear(result);
    free_arrays(arrays);
}

static void gather_senders(struct rekey *rekey, const struct run *run, bool renamed) {
    for (size_t i = 0; i < run->count; i++) {
        const struct rekey_row *row = &run->rows[i];
        if ((renamed || !belongs_elsewhere(row)) && strcmp(row->sent_by, row->new_sent_by) != 0) {
            add_to_arrays(rekey->senders, row);
        }
    }
}

static void name_senders(struct rekey *rekey) {
    if (rekey->senders[ARRAY_IDS].length > 0) {
        end_arrays(rekey->senders);
        const char *values[] = {rekey->senders[ARRAY_IDS].data, rekey->senders[ARRAY_SENDERS].data};
        PQclear(rekey_session_run(rekey->conn, "SELECT pg_temp.rekey_senders($1::uuid[], $2::text[])", 2, values));
    }
    free_arrays(rekey->senders);
}

static void rekey_do_run(struct rekey *rekey, const struct run *run) {
    bool right = run_is_right(run);
    bool renamed = !right && rekey_rename(rekey, run);
    gather_senders(rekey, run, renamed);
    if (!right && !renamed) {
        rekey_move(rekey, run);
    }
    rekey->looked += (int64_t)run->count;
}

// ---- All of them

static void rekey_do_page(struct rekey *rekey, struct rekey_row *rows, size_t count, int64_t begun) {
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first + 1; end < count && rows[end].conversation_id == rows[first].conversation_id; end++) {
        }
        rekey_do_run(rekey, &(struct run){&rows[first], end - first, rows[first].conversation_id != begun});
        rekey_tell(rekey, false);
    }
    name_senders(rekey);
}

static void rekey_go_through(struct rekey *rekey) {
    struct position position;
    struct rekey_row *rows = xcalloc(PAGE, sizeof *rows);
    size_t count = PAGE;
    position_after(&position, rekey->passed);
    while (count == PAGE) {
        PGresult *page = rekey_read_page(rekey, &position, rekey->last);
        count = take_rows(rekey, page, rows);
        rekey_do_page(rekey, rows, count, position.conversation);
        if (count > 0) {
            position_at(&position, &rows[count - 1]);
        }
        free_rows(rows, count);
        PQclear(page);
        rekey_pass(rekey, count < PAGE ? rekey->last : position.conversation - 1);
    }
    position_free(&position);
    free(rows);
}

// Who has opted out comes first, for until then Redis may lack them, and each run does it once more: after one that was
// killed nobody knows whether Redis was told.
static void rekey_do_opt_outs(struct rekey *rekey, const struct settings *settings, struct redis_target *target) {
    int64_t changed = rekey_opt_outs(rekey->conn, rekey->region);
    char *failure = rekey_forget_marks(settings, target);
    if (failure != NULL) {
        rekey_fail("Redis isn't told to look again who has opted out: %s; run it again", failure);
    }
    printf("opt-outs: %" PRId64 " pairs have other identities\n", changed);
    (void)rekey_erasures(rekey->conn, rekey->region);
}

static const char *shown_region(const struct settings *settings) {
    const char *code = phone_region_code(settings->phone_region);
    return *code != '\0' ? code : "(none)";
}

// The server notices a moment late that a run was killed, and keeps its lock until then.
static void take_turn(struct rekey *rekey) {
    int64_t until_ms = clock_boot_ms() + TURN_MS;
    bool ours = false;
    while (!ours) {
        PGresult *result = rekey_session_run(rekey->conn, "SELECT pg_try_advisory_lock(hashtext('rekey'))", 0, NULL);
        ours = *PQgetvalue(result, 0, 0) == 't';
        PQclear(result);
        if (!ours && clock_boot_ms() > until_ms) {
            rekey_fail("another one runs already");
        }
        if (!ours) {
            rekey_session_pause();
        }
    }
}

// False: none is due.
static bool rekey_begin(struct rekey *rekey) {
    PGresult *result = rekey_session_run(rekey->conn, "SELECT * FROM pg_temp.rekey_begin()", 0, NULL);
    bool due = !PQgetisnull(result, 0, 0);
    if (due) {
        rekey->passed = rekey_number(result, 0);
        rekey->last = rekey_number(result, 1);
    }
    PQclear(result);
    return due;
}

static void refuse_beside_others(struct rekey *rekey, bool has_begun) {
    const char *values[] = {has_begun ? "true" : "false"};
    PGresult *result = rekey_session_run(rekey->conn, "SELECT pg_temp.rekey_others($1::boolean)", 1, values);
    if (!PQgetisnull(result, 0, 0)) {
        rekey_fail("persisters with another PHONE_REGION or of another release run, restart them first: %s",
                   PQgetvalue(result, 0, 0));
    }
    PQclear(result);
}

static void rekey_end(struct rekey *rekey) {
    PGresult *result = rekey_session_run(rekey->conn, "SELECT pg_temp.rekey_end()", 0, NULL);
    if (*PQgetvalue(result, 0, 0) != 't') {
        rekey_fail("a persister with another PHONE_REGION or of another release came meanwhile: restart it, then run "
                   "this again");
    }
    PQclear(result);
}

static bool rekey_is_due(struct rekey *rekey) {
    PGresult *result = rekey_session_run(rekey->conn, persister_sql_identities_due_sql, 0, NULL);
    bool due = *PQgetvalue(result, 0, 0) == 't';
    PQclear(result);
    return due;
}

int rekey_run(const struct settings *settings, struct redis_target *target) {
    struct rekey rekey = {.conn = rekey_session_open(settings), .region = settings->phone_region};
    take_turn(&rekey);
    if (!rekey_is_due(&rekey)) {
        printf("not due: all is by this release's rules and PHONE_REGION %s\n", shown_region(settings));
        PQfinish(rekey.conn);
        return EXIT_SUCCESS;
    }
    char *older = rekey_find_older_programs(settings, target);
    if (older != NULL) {
        rekey_fail("%s", older);
    }
    refuse_beside_others(&rekey, false); // then none is due that wasn't
    if (rekey_begin(&rekey)) {
        refuse_beside_others(&rekey, true); // who has come meanwhile
        rekey_do_opt_outs(&rekey, settings, target);
        rekey_go_through(&rekey);
        rekey_end(&rekey);
        rekey_tell(&rekey, true);
        printf("done: all is by this release's rules and PHONE_REGION %s\n", shown_region(settings));
    }
    PQfinish(rekey.conn);
    return EXIT_SUCCESS;
}

int rekey_ask(const struct settings *settings) {
    struct rekey rekey = {.conn = rekey_session_open(settings)};
    bool due = rekey_is_due(&rekey);
    PGresult *result = rekey_session_run(rekey.conn, "SELECT coalesce(sum(messages), 0)::bigint FROM totals", 0, NULL);
    printf(due ? "due: for %s messages\n" : "not due: for %s messages\n", PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(rekey.conn);
    return due ? REKEY_IS_DUE : EXIT_SUCCESS;
}
