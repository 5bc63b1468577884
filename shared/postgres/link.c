// SPDX-License-Identifier: MIT
//
// The life of a link: waiting -> resolving -> connecting -> setup -> up -> waiting … -> destroyed. One function
// changes it. A job's callback may submit further jobs or destroy the link; so whoever has called one
// looks at the connection again before going on, and memory is freed only after the handles' close callbacks.
#include "shared/postgres/private.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/backoff.h"
#include "shared/base/log.h"

enum {
    BACKOFF_BASE_MS = 50,
    BACKOFF_CAP_MS = 2000,
    STEADY_MS = 2000, // an up shorter than this does not start the backoff anew
};

void pg_link_change_state(struct pg_link *link, enum pg_link_state state) {
    link->state = state;
}

// libpq's messages have several lines.
static char *one_line(const char *text) {
    char *line = xstrdup(text);
    size_t used = 0;
    for (const char *c = text; *c; c++) {
        bool space = *c == '\n' || *c == '\t' || *c == '\r' || *c == ' ';
        if (!space) {
            line[used++] = *c;
        } else if (used > 0 && line[used - 1] != ' ') {
            line[used++] = ' ';
        }
    }
    while (used > 0 && line[used - 1] == ' ') {
        used--;
    }
    line[used] = '\0';
    return line;
}

static void pg_link_complain(struct pg_link *link, enum log_level level, const char *why) {
    free(link->last_error);
    link->last_error = xstrdup(why);
    if (link->complaint && strcmp(link->complaint, why) == 0) {
        return;
    }
    free(link->complaint);
    link->complaint = xstrdup(why);
    if (link->checks) {
        return;
    }
    if (link->options.on_trouble) {
        link->options.on_trouble(link->options.argument, why);
    }
    struct log_line *line = log_begin(level, "postgres_down");
    log_str(line, "link", link->name);
    log_str(line, "message", why);
    log_end(line);
}

static void pg_link_on_closed(uv_handle_t *handle) {
    struct pg_link *link = handle->data;
    if (--link->open_handles > 0) {
        return;
    }
    PQconninfoFree(link->address);
    free(link->url);
    free(link->name);
    free(link->setup);
    free(link->complaint);
    free(link->last_error);
    free(link);
}

static void pg_link_on_retry(uv_timer_t *timer) {
    struct pg_link *link = timer->data;
    pg_connect_start(link);
}

static void pg_link_wait_for_retry(struct pg_link *link) {
    int64_t wait_ms = backoff_full_jitter_ms(link->failures, BACKOFF_BASE_MS, BACKOFF_CAP_MS);
    link->failures++;
    uv_timer_start(&link->retry, pg_link_on_retry, (uint64_t)wait_ms, 0);
}

// Lets go of the connection; jobs get their LOST here.
static void pg_link_let_go(struct pg_link *link, enum pg_link_state next) {
    struct pg_job *lost = link->first;
    PGconn *conn = link->conn;
    struct resolve *resolve = link->resolve;
    pg_socket_unwatch(link); // before libpq closes the descriptor
    deadline_stop(&link->deadline);
    uv_idle_stop(&link->end_of_turn.idle);
    pg_session_check_cancel(link);
    link->conn = NULL;
    link->resolve = NULL;
    link->first = NULL;
    link->last = &link->first;
    link->running = link->copying = false;
    link->statements_ready = 0;
    pg_link_change_state(link, next);
    if (resolve) {
        resolve_cancel(resolve);
    }
    PQfinish(conn);
    pg_job_lose(lost, link);
}

void pg_link_fail(struct pg_link *link, const char *why) {
    bool was_up = link->state == PG_LINK_UP;
    if (link->state == PG_LINK_WAITING || link->state == PG_LINK_DESTROYED) {
        return;
    }
    char *line = one_line(why);
    pg_link_complain(link, LOG_WARN, line);
    free(line);
    if (was_up && deadline_now_ms() - link->up_since_ms >= STEADY_MS) {
        link->failures = 0;
    }
    pg_link_let_go(link, PG_LINK_WAITING);
    if (was_up && link->state == PG_LINK_WAITING && link->options.on_down) {
        link->options.on_down(link->options.argument);
    }
    if (link->state == PG_LINK_WAITING) {
        pg_link_wait_for_retry(link);
    }
}

void pg_link_fail_conn(struct pg_link *link) {
    const char *why = PQerrorMessage(link->conn);
    char *copy = xstrdup(why && *why ? why : "the connection broke");
    pg_link_fail(link, copy);
    free(copy);
}

void pg_link_ready(struct pg_link *link) {
    pg_link_change_state(link, PG_LINK_UP);
    link->up_since_ms = deadline_now_ms();
    free(link->complaint);
    link->complaint = NULL;
    free(link->last_error);
    link->last_error = xstrdup("");
    if (!link->checks) {
        struct log_line *line = log_begin(LOG_INFO, "postgres_up");
        log_str(line, "link", link->name);
        log_end(line);
    }
    if (link->options.on_trouble) {
        link->options.on_trouble(link->options.argument, NULL);
    }
    if (link->options.on_up) {
        link->options.on_up(link->options.argument);
    }
}

// While connecting, the attempt as a whole; then the oldest job.
static int64_t pg_link_due_ms(const void *owner) {
    const struct pg_link *link = owner;
    bool connecting = link->state == PG_LINK_RESOLVING || link->state == PG_LINK_CONNECTING;
    return connecting || link->first ? link->oldest_since_ms + link->options.timeout_ms : -1;
}

static void pg_link_on_late(void *owner) {
    struct pg_link *link = owner;
    pg_link_fail(link, link->state == PG_LINK_SETUP ? "connected, but no answer in time: is a pooler's pool full?"
                       : link->first                ? "no answer in time"
                                                    : "could not connect in time");
}

struct pg_link *pg_link_create(uv_loop_t *loop, const struct pg_link_options *options) {
    struct pg_link *link = xcalloc(1, sizeof *link);
    link->loop = loop;
    link->options = *options;
    link->options.url = link->options.name = link->options.setup = NULL;
    link->url = xstrdup(options->url);
    link->name = xstrdup(options->name ? options->name : "");
    link->setup = options->setup ? xstrdup(options->setup) : NULL;
    link->last_error = xstrdup("");
    link->last = &link->first;
    link->retry.data = link;
    uv_timer_init(loop, &link->retry);
    turn_init(loop, &link->end_of_turn, link);
    link->deadline = (struct deadline){.due_ms = pg_link_due_ms, .on_late = pg_link_on_late, .owner = link};
    deadline_init(loop, &link->deadline);
    link->open_handles = 3;
    link->address = PQconninfoParse(options->url, NULL);
    if (!link->address) { // pg_url_check at start was skipped: say it, and stay down
        pg_link_complain(link, LOG_ERROR, "the Postgres URL is not valid");
    } else {
        uv_timer_start(&link->retry, pg_link_on_retry, 0, 0); // the first attempt begins in the loop, as every other
    }
    return link;
}

void pg_link_destroy(struct pg_link *link) {
    if (link->state == PG_LINK_DESTROYED) {
        return;
    }
    pg_link_let_go(link, PG_LINK_DESTROYED);
    uv_close((uv_handle_t *)&link->retry, pg_link_on_closed);
    uv_close((uv_handle_t *)&link->end_of_turn.idle, pg_link_on_closed);
    deadline_close(&link->deadline, link, pg_link_on_closed);
}

void pg_link_drop(struct pg_link *link, const char *why) {
    pg_link_fail(link, why);
}

bool pg_link_is_up(const struct pg_link *link) {
    return link->state == PG_LINK_UP;
}

size_t pg_link_pending(const struct pg_link *link) {
    return link->pending;
}

const char *pg_link_last_error(const struct pg_link *link) {
    return link->last_error;
}
