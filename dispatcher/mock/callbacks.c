// SPDX-License-Identifier: MIT
#include "dispatcher/mock/callbacks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"

enum {
    MOST_WAITING = 200000,
    MOST_WAITING_BYTES = 64 << 20,
    MOST_UNDER_WAY = 32,
    MOST_LINES = 4, // that a vendor makes for each attempt
};

struct mock_callbacks {
    struct mock_poster *poster;
    struct mock_agenda *agenda;
    struct mock_stats *stats;
    struct mock_ledger *ledger;
    struct mock_callback *first, **last; // are due, and wait for one under way to end
    unsigned under_way;
    bool ending;
    bool unheard; // the latest attempt came to no 2xx
};

static struct mock_receipt_counts *counts_of(const struct mock_callback *callback) {
    return &callback->callbacks->stats->providers[callback->provider].receipts;
}

static void mock_callbacks_release(struct mock_callback *callback) {
    free(callback->url);
    buf_free(&callback->body);
    buf_free(&callback->note);
    free(callback);
}

static void mock_callbacks_end_one(struct mock_callback *callback) {
    mock_agenda_let_go(&callback->due);
    mock_callbacks_release(callback);
}

// One line where it begins to fail, one where it works again: there may be thousands.
static void mock_callbacks_log(struct mock_callback *callback, const struct mock_posted *posted, bool heard) {
    struct mock_callbacks *callbacks = callback->callbacks;
    bool news = callbacks->unheard == heard;
    callbacks->unheard = !heard;
    struct log_line *line = log_begin(!news   ? LOG_DEBUG
                                      : heard ? LOG_INFO
                                              : LOG_WARN,
                                      heard ? "mock_callback_heard" : "mock_callback_unheard");
    log_str(line, "provider", provider_name(callback->provider));
    log_int(line, "status", posted->status);
    log_str(line, "reason", posted->status == 0 ? posted->error : NULL);
    log_int(line, "attempt", callback->attempts);
    log_bool(line, "mock", true);
    log_end(line);
}

static void mock_callbacks_start_next(struct mock_callbacks *callbacks);

static void mock_callbacks_on_posted(void *argument, const struct mock_posted *posted) {
    struct mock_callback *callback = argument;
    struct mock_callbacks *callbacks = callback->callbacks;
    callbacks->under_way--;
    if (callbacks->ending) {
        mock_callbacks_end_one(callback);
        return;
    }
    bool heard = posted->status >= 200 && posted->status < 300;
    int64_t retry_ms = heard ? -1 : callback->kind->retry_ms(callback, posted);
    mock_callbacks_log(callback, posted, heard);
    if (retry_ms >= 0) {
        mock_agenda_put_off(&callback->due, retry_ms);
    } else {
        *(heard ? &counts_of(callback)->told : &counts_of(callback)->given_up) += callback->count;
        if (heard && callback->note.length > 0) {
            mock_ledger_note(callbacks->ledger, callback->note.data);
        }
        mock_callbacks_end_one(callback);
    }
    mock_callbacks_start_next(callbacks);
}

static void mock_callbacks_start(struct mock_callback *callback) {
    const struct mock_caller_kind *kind = callback->kind;
    const char *headers[MOST_LINES + 4] = {0};
    char *lines[MOST_LINES];
    char *own[] = {xasprintf("Content-Type: %s", kind->content_type), xasprintf("User-Agent: %s", kind->user_agent),
                   // The vendors call from addresses of their own, not from their customer's: what they send counts
                   // against another than what is sent from here. An ingest that trusts this machine believes it.
                   xasprintf("X-Forwarded-For: 198.51.100.%u", 1 + (unsigned)(callback->due.order % 254))};
    size_t made = kind->sign(callback, lines), count = 0;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        headers[count++] = own[i];
    }
    for (size_t i = 0; i < made; i++) {
        headers[count++] = lines[i];
    }
    callback->attempts++;
    callback->callbacks->under_way++;
    mock_poster_send(
        callback->callbacks->poster,
        &(struct mock_post){
            .url = callback->url, .headers = headers, .body = callback->body.data, .length = callback->body.length},
        mock_callbacks_on_posted, callback);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        free(own[i]);
    }
    for (size_t i = 0; i < made; i++) {
        free(lines[i]);
    }
}

static void mock_callbacks_start_next(struct mock_callbacks *callbacks) {
    struct mock_callback *callback = callbacks->first;
    if (callback != NULL && callbacks->under_way < MOST_UNDER_WAY) {
        callbacks->first = callback->next;
        if (callbacks->first == NULL) {
            callbacks->last = &callbacks->first;
        }
        mock_callbacks_start(callback);
    }
}

static void mock_callbacks_on_due(struct mock_due *due) {
    struct mock_callback *callback = (struct mock_callback *)(void *)due;
    struct mock_callbacks *callbacks = callback->callbacks;
    if (callback->began_ms == 0) {
        callback->began_ms = clock_monotonic_us() / 1000;
    }
    callback->next = NULL;
    *callbacks->last = callback;
    callbacks->last = &callback->next;
    mock_callbacks_start_next(callbacks);
}

static void mock_callbacks_on_drop(struct mock_due *due) {
    mock_callbacks_release((struct mock_callback *)(void *)due);
}

struct mock_agenda *mock_callbacks_agenda(struct mock_callbacks *callbacks) {
    return callbacks->agenda;
}

void mock_callbacks_count(struct mock_callbacks *callbacks, enum provider provider, bool room) {
    struct mock_receipt_counts *counts = &callbacks->stats->providers[provider].receipts;
    counts->scheduled++;
    counts->dropped += !room;
}

void mock_callbacks_add(struct mock_callbacks *callbacks, const struct mock_callback *callback, int64_t delay_ms) {
    struct mock_callback *copy = xmalloc(sizeof *copy);
    *copy = *callback;
    copy->callbacks = callbacks;
    copy->due = (struct mock_due){
        .run = mock_callbacks_on_due,
        .drop = mock_callbacks_on_drop,
        .bytes = sizeof *copy + strlen(copy->url) + copy->body.length + copy->note.length,
    };
    if (!mock_agenda_add(callbacks->agenda, &copy->due, delay_ms)) {
        counts_of(copy)->dropped += copy->count;
        mock_callbacks_release(copy);
    }
}

struct mock_callbacks *mock_callbacks_create(uv_loop_t *loop, const struct settings *settings, struct mock_stats *stats,
                                             struct mock_ledger *ledger) {
    struct mock_poster *poster = mock_poster_create(loop, settings, MOST_UNDER_WAY);
    if (poster == NULL) {
        return NULL;
    }
    struct mock_callbacks *callbacks = xcalloc(1, sizeof *callbacks);
    callbacks->poster = poster;
    callbacks->stats = stats;
    callbacks->ledger = ledger;
    callbacks->last = &callbacks->first;
    callbacks->agenda = mock_agenda_create(loop, MOST_WAITING, MOST_WAITING_BYTES);
    return callbacks;
}

static void say_what_is_lost(const struct mock_stats *stats) {
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        const struct mock_receipt_counts *counts = &stats->providers[i].receipts;
        uint64_t lost = counts->scheduled - counts->told - counts->given_up - counts->dropped;
        if (lost > 0) {
            struct log_line *line = log_begin(LOG_WARN, "mock_receipts_lost");
            log_str(line, "provider", provider_name((enum provider)i));
            log_int(line, "receipts", (int64_t)lost);
            log_bool(line, "mock", true);
            log_end(line);
        }
    }
}

void mock_callbacks_destroy(struct mock_callbacks *callbacks) {
    say_what_is_lost(callbacks->stats);
    callbacks->ending = true;
    mock_poster_destroy(callbacks->poster);
    for (struct mock_callback *next, *callback = callbacks->first; callback != NULL; callback = next) {
        next = callback->next;
        mock_callbacks_end_one(callback);
    }
    mock_agenda_destroy(callbacks->agenda);
    free(callbacks);
}
