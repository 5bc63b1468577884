// SPDX-License-Identifier: MIT
//
//   idle ──timer, kick──▶ looking ──page──▶ cancelling ──▶ deleting ──▶ looking
//     ▲                      │ none, or it failed              │ it failed
//     └──────────────────────┴─────────────────────────────────┘
#include "persister/eraser.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/json.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/redis/feed.h"

#define LOOK_MS 2000
#define PAGE_SQL "SELECT * FROM pg_temp.erasure_page()" // sql/erase.sql
#define ERASE_SQL "SELECT * FROM pg_temp.erase_page(%s, %s, %u::smallint)"

// The columns of erasure_page() and erase_page().
enum { ERASURE, CONVERSATION, MESSAGES, TOKENS };
enum { ERASED_MESSAGES, ERASED_CONVERSATIONS, FINISHED };

enum eraser_state { ERASER_IDLE, ERASER_LOOKING, ERASER_CANCELLING, ERASER_DELETING };

struct eraser {
    uv_timer_t timer;
    struct eraser_options options;
    enum eraser_state state;
    bool stopped, kicked;
    char *erase_sql;    // of the page under way; owned
    char *conversation; // its id, "" where it has none any more; owned
    long long messages; // deleted of this conversation so far
};

static void eraser_look(struct eraser *eraser);

// The one place that changes the state.
static void eraser_become(struct eraser *eraser, enum eraser_state state) {
    eraser->state = state;
}

static void eraser_on_timer(uv_timer_t *timer) {
    eraser_look(timer->data);
}

static void eraser_rest(struct eraser *eraser) {
    eraser_become(eraser, ERASER_IDLE);
    if (eraser->stopped) {
        eraser->options.on_idle(eraser->options.argument);
    } else if (eraser->kicked) {
        eraser_look(eraser);
    } else if (!uv_is_closing((uv_handle_t *)&eraser->timer)) {
        uv_timer_start(&eraser->timer, eraser_on_timer, LOOK_MS, 0);
    }
}

static void eraser_forget_page(struct eraser *eraser) {
    free(eraser->erase_sql);
    free(eraser->conversation);
    eraser->erase_sql = eraser->conversation = NULL;
}

// Without a page, or with one that must be repeated.
static void eraser_give_up(struct eraser *eraser, enum pg_outcome outcome, const PGresult *result) {
    if (outcome == PG_LINK_ERROR) {
        log_warn("erasure_repeat", "%s", PQresultErrorMessage(result));
    }
    eraser_forget_page(eraser);
    eraser_rest(eraser);
}

// ---- One is erased

static void eraser_announce(const struct eraser *eraser) {
    struct buf data = {0};
    buf_putc(&data, '{');
    json_write_member(&data, "id", eraser->conversation);
    buf_putc(&data, '}');
    feed_publish(eraser->options.redis, eraser->options.feed_max_length, "conversation_erased", data.data);
    buf_free(&data);
}

static void eraser_finish_one(struct eraser *eraser) {
    struct log_line *line = log_begin(LOG_INFO, "conversation_erased");
    log_str(line, "conversation", eraser->conversation);
    log_int(line, "messages", eraser->messages);
    log_end(line);
    counters_add(eraser->options.counters, COUNTER_CONVERSATIONS_ERASED, 1);
    if (*eraser->conversation != '\0') {
        eraser_announce(eraser);
    }
    eraser->messages = 0;
}

static void eraser_on_deleted(void *argument, enum pg_outcome outcome, const PGresult *result) {
    struct eraser *eraser = argument;
    if (outcome != PG_LINK_OK || PQntuples(result) != 1) {
        eraser_give_up(eraser, outcome, result);
        return;
    }
    long long deleted = atoll(PQgetvalue(result, 0, ERASED_MESSAGES));
    eraser->messages += deleted;
    counters_add(eraser->options.counters, COUNTER_MESSAGES_ERASED, (uint64_t)deleted);
    if (strcmp(PQgetvalue(result, 0, FINISHED), "t") == 0) {
        eraser_finish_one(eraser);
    }
    eraser_forget_page(eraser);
    eraser->kicked = true;
    eraser_rest(eraser);
}

// ---- A page

static void eraser_on_cancelled(void *argument, bool ended) {
    struct eraser *eraser = argument;
    if (!ended) { // it may be gone
        return;
    }
    eraser_become(eraser, ERASER_DELETING);
    if (pg_link_script(eraser->options.database, eraser->erase_sql, eraser_on_deleted, eraser) != 0) {
        eraser_give_up(eraser, PG_LINK_LOST, NULL);
    }
}

// The two are made by the server: literals.
static void eraser_take_page(struct eraser *eraser, const PGresult *page) {
    eraser->conversation = xstrdup(PQgetvalue(page, 0, CONVERSATION));
    eraser->erase_sql =
        xasprintf(ERASE_SQL, PQgetvalue(page, 0, ERASURE), PQgetvalue(page, 0, MESSAGES), eraser->options.slot);
}

static void eraser_on_page(void *argument, enum pg_outcome outcome, const PGresult *page) {
    struct eraser *eraser = argument;
    if (outcome != PG_LINK_OK || PQntuples(page) != 1 || PQgetisnull(page, 0, ERASURE)) {
        eraser_give_up(eraser, outcome, page);
        return;
    }
    eraser_take_page(eraser, page);
    eraser_become(eraser, ERASER_CANCELLING);
    token_canceller_take(eraser->options.canceller, PQgetvalue(page, 0, TOKENS), eraser_on_cancelled, eraser);
}

static void eraser_look(struct eraser *eraser) {
    if (eraser->state != ERASER_IDLE || eraser->stopped) {
        return;
    }
    eraser->kicked = false;
    eraser_become(eraser, ERASER_LOOKING);
    if (pg_link_script(eraser->options.database, PAGE_SQL, eraser_on_page, eraser) != 0) {
        eraser_rest(eraser);
    }
}

// ---- Life

void eraser_kick(struct eraser *eraser) {
    eraser->kicked = true;
    eraser_look(eraser);
}

void eraser_stop(struct eraser *eraser) {
    eraser->stopped = true;
    uv_timer_stop(&eraser->timer);
}

bool eraser_is_idle(const struct eraser *eraser) {
    return eraser->state == ERASER_IDLE;
}

struct eraser *eraser_create(uv_loop_t *loop, const struct eraser_options *options) {
    struct eraser *eraser = xcalloc(1, sizeof *eraser);
    eraser->options = *options;
    eraser->timer.data = eraser;
    uv_timer_init(loop, &eraser->timer);
    uv_timer_start(&eraser->timer, eraser_on_timer, LOOK_MS, 0);
    return eraser;
}

static void eraser_on_closed(uv_handle_t *handle) {
    struct eraser *eraser = handle->data;
    eraser_forget_page(eraser);
    free(eraser);
}

void eraser_destroy(struct eraser *eraser) {
    eraser->stopped = true;
    uv_close((uv_handle_t *)&eraser->timer, eraser_on_closed);
}
