// SPDX-License-Identifier: MIT
//
// The course of a batch. Its body is read where it stands: one pass says where each message begins, and each is parsed
// by itself, when its turn comes, so that nothing of a list of 4 MiB is ever there twice.
//
// It goes in slices of SLICE_BYTES, one a turn of the loop, so that nobody else waits for a long list; and the next
// slice is sent once all of the last one is answered, so that no more of it than that is on the way to Redis. What a
// slice brings to one partition is one call (accept/call.c), where it fits in. Since messages of one conversation are
// of one partition, they are accepted in the list's order.
//
// Under an Idempotency-Key, or while it isn't known yet whether all programs read the newest format, all messages are
// looked at before any is sent.
#include "ingest/batch/batch.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/accept/acceptor.h"
#include "ingest/accept/format_wait.h"
#include "ingest/accept/intake.h"
#include "ingest/accept/refusal.h"
#include "ingest/accept/scheduled.h"
#include "ingest/batch/binding.h"
#include "ingest/batch/part.h"
#include "ingest/batch/state.h"
#include "ingest/request/log.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/json.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/loop/turn.h"
#include "shared/message/format.h"

enum {
    SLICE_BYTES = 256 * 1024, // of text: what a call takes at most
    ITEM_COST = 64,           // of a message besides its text, in a slice
};

struct batches {
    struct ingest_resources *with;
    struct turn next_slice;
    TAILQ_HEAD(due_batches, batch) due; // in the order in which they became it
};

static void batches_run(void *argument);

static void batch_make_due(struct batch *batch) {
    struct batches *batches = batch->request->with->batches;
    batch->is_due = true;
    TAILQ_INSERT_TAIL(&batches->due, batch, due);
    turn_at_end(&batches->next_slice, batches_run);
}

// ---- The end

static void batch_let_go(struct batch *batch) {
    for (; batch->begun < batch->at; batch->begun++) {
        struct batch_item *item = &batch->items[batch->begun];
        if (item->part != NULL) {
            request_end_part(item->part);
            item->part = NULL;
        }
    }
}

static void batch_on_leave(struct ingest_request *request) {
    struct batch *batch = request->state;
    if (batch->is_due) {
        TAILQ_REMOVE(&request->with->batches->due, batch, due);
    }
    batch_let_go(batch);
    for (size_t i = 0; i < batch->count; i++) {
        free(batch->items[i].answer);
    }
    free(batch->items);
    batch->items = NULL;
}

static void batch_log(const struct batch *batch) {
    struct log_line *line = log_begin(LOG_INFO, "batch");
    log_str(line, "correlation_id", batch->request->id);
    log_int(line, "items", (int64_t)batch->count);
    log_int(line, "accepted", (int64_t)batch->accepted);
    log_int(line, "repeated", (int64_t)batch->repeated);
    log_end(line);
}

static void batch_answer(struct batch *batch) {
    struct ingest_request *request = batch->request;
    struct buf json = {0};
    buf_puts(&json, "{\"items\":[");
    for (size_t i = 0; i < batch->count; i++) {
        buf_puts(&json, i > 0 ? "," : "");
        buf_puts(&json, batch->items[i].answer);
    }
    buf_puts(&json, "]}");
    batch_log(batch);
    if (batch->repeated > 0) {
        http_add_header(request->http, "Idempotent-Replayed", "true");
    }
    response_json(request, 200, &json);
    buf_free(&json);
}

// ---- Sending

static void batch_on_answered(struct batch *batch) {
    if (batch->is_walking || batch->unanswered > 0) {
        return;
    }
    if (batch->again > 0 || batch->at < batch->count) {
        batch_make_due(batch);
    } else {
        batch_answer(batch);
    }
}

static void batch_send_new(struct batch *batch) {
    size_t bytes = 0;
    batch_let_go(batch); // of the last slice
    for (; batch->at < batch->count && bytes < SLICE_BYTES; batch->at++) {
        bytes += ITEM_COST + batch->items[batch->at].span.length;
        batch_part_send(batch, batch->at);
    }
}

static void batch_send_again(struct batch *batch) {
    for (size_t i = batch->begun; i < batch->at; i++) {
        batch_part_again(batch, i);
    }
}

static void batch_send_slice(struct batch *batch) {
    batch->is_walking = true;
    if (batch->again > 0) {
        batch_send_again(batch);
    } else {
        batch_send_new(batch);
    }
    batch->is_walking = false;
    batch_on_answered(batch);
}

static void batch_begin_sending(struct ingest_request *request) {
    struct batch *batch = request->state;
    batch->stage = BATCH_SENDING;
    batch->at = 0;
    batch_make_due(batch);
}

// ---- Looking

static void batch_look_at(struct batch *batch, const struct batch_span *span) {
    struct payload_error error;
    struct message message;
    bool stamped;
    if (batch->key != NULL) {
        batch_list_digest(batch->digest, batch->text + span->at, span->length);
    }
    if (format_to_write() < STREAM_FORMAT && payload_parse(PAYLOAD_SEND_LISTED, batch->text + span->at, span->length,
                                                           &batch->rules, &message, &stamped, &error) == 0) {
        int format = scheduled_format(&message, batch->rules.redis_ms);
        batch->format = format > batch->format ? format : batch->format;
        message_free(&message);
    }
}

// May come again, once the format's wait is over.
static void batch_end_looking(struct batch *batch) {
    struct ingest_request *request = batch->request;
    batch->stage = BATCH_LOOKED;
    if (format_wait_for(request, batch->format)) {
        return;
    }
    if (batch->key != NULL) {
        batch_bind(request, batch->list_key, batch->digest, batch_begin_sending);
    } else {
        batch_begin_sending(request);
    }
}

static void batch_look_at_slice(struct batch *batch) {
    size_t bytes = 0;
    for (; batch->at < batch->count && bytes < SLICE_BYTES; batch->at++) {
        bytes += ITEM_COST + batch->items[batch->at].span.length;
        batch_look_at(batch, &batch->items[batch->at].span);
    }
    if (batch->at < batch->count) {
        batch_make_due(batch);
    } else {
        batch_end_looking(batch);
    }
}

// One batch's slice a turn, each in its turn.
static void batches_run(void *argument) {
    struct batches *batches = argument;
    struct batch *batch = TAILQ_FIRST(&batches->due);
    if (batch == NULL) {
        return;
    }
    TAILQ_REMOVE(&batches->due, batch, due);
    batch->is_due = false;
    if (batch->stage == BATCH_SENDING) {
        batch_send_slice(batch);
    } else {
        batch_look_at_slice(batch);
    }
    if (!TAILQ_EMPTY(&batches->due)) {
        turn_at_end(&batches->next_slice, batches_run);
    }
}

// ---- The beginning

static void batch_take_items(struct batch *batch, const struct batch_list *list) {
    batch->items = xcalloc(list->count, sizeof *batch->items);
    batch->count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        batch->items[i].span = list->spans[i];
    }
}

static void batch_begin(struct batch *batch) {
    struct ingest_request *request = batch->request;
    batch->rules = intake_rules(request);
    batch->format = STREAM_FORMAT_OLDEST;
    batch->answered = batch_on_answered;
    request->leave = batch_on_leave;
    if (batch->key != NULL) {
        idempotency_key_of_list(request->match.route->pattern, request->key_name, batch->key, batch->list_key);
    }
    if (batch->key != NULL || format_to_write() < STREAM_FORMAT) {
        batch->stage = BATCH_LOOKING;
        batch_make_due(batch);
    } else {
        batch_begin_sending(request);
    }
}

static void batch_read(struct batch *batch) {
    struct ingest_request *request = batch->request;
    struct payload_error error;
    struct batch_list list;
    size_t length;
    batch->text = http_body(request->http, &length);
    if (batch_list_read(batch->text, length, &list, &error) != 0) {
        refusal_answer(request, error.field, error.reason);
    } else if (!http_hold(request->http, list.count * BATCH_PART_BYTES + 2 * SLICE_BYTES)) {
        response_crowded(request);
    } else {
        batch_take_items(batch, &list);
        batch_begin(batch);
    }
    batch_list_free(&list);
}

void batch_send(struct ingest_request *request) {
    struct batch *batch = request->state;
    if (batch != NULL) {
        batch_end_looking(batch);
        return;
    }
    batch = request_state(request, sizeof *batch);
    batch->request = request;
    if (acceptor_take_key(request, &batch->key)) {
        batch_read(batch);
    }
}

uint64_t batch_max_body(const struct settings *settings) {
    int64_t share = settings->max_client_bytes / 8;
    return (uint64_t)(settings->max_batch_bytes < share ? settings->max_batch_bytes : share);
}

// ---- Life

struct batches *batches_create(uv_loop_t *loop, struct ingest_resources *with) {
    struct batches *batches = xcalloc(1, sizeof *batches);
    batches->with = with;
    TAILQ_INIT(&batches->due);
    turn_init(loop, &batches->next_slice, batches);
    return batches;
}

// Of which messages may have been accepted; the others have nothing to tell.
static bool batch_is_sent(const struct ingest_request *request) {
    const struct batch *batch = request->state;
    return request->match.route != NULL && request->match.route->handle == batch_send && batch != NULL &&
           batch->stage == BATCH_SENDING && batch->at > 0 && !http_is_answered(request->http);
}

static void batch_stop(struct batch *batch) {
    batch->is_walking = true;
    batch->at = batch->count;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->items[i].answer == NULL) {
            batch_part_stop(batch, i);
        }
    }
    batch->is_walking = false;
    batch_on_answered(batch);
}

static void batches_on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void batches_destroy(struct batches *batches) {
    struct ingest_request *request, *next;
    for (struct batch *batch; (batch = TAILQ_FIRST(&batches->due)) != NULL; batch->is_due = false) {
        TAILQ_REMOVE(&batches->due, batch, due);
    }
    for (request = LIST_FIRST(&batches->with->live); request != NULL; request = next) {
        next = LIST_NEXT(request, entry);
        if (batch_is_sent(request)) {
            batch_stop(request->state);
        }
    }
    uv_close((uv_handle_t *)&batches->next_slice.idle, batches_on_closed);
}
