// SPDX-License-Identifier: MIT
//
// A message of a batch is a part (request/request.h): by acceptor, limits, opt-outs and the rest it is taken for a
// request of its own, so that no rule is written twice. What differs:
//   - It never waits for a format by itself, or others would pass it: the whole has waited (batch.c).
//   - Where Redis had lost its library it isn't sent again at once, or it would come behind others that were on the
//   way,
//     but with all of its slice (batch_part_again).
#include "ingest/batch/part.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "ingest/accept/intake.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/json.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/settings/settings.h"

#define LONG_AGO_MS (-INT64_C(86400000))

struct batch_part {
    struct acceptance acceptance;
    struct batch *batch;
    size_t place;
    bool wants_again; // nothing was written of it; it waits for the slice's end
    bool came_again;
};

static void batch_part_log(const struct ingest_request *part, unsigned status) {
    const struct batch_part *state = part->state;
    struct log_line *line = log_begin(LOG_INFO, "batch_item");
    log_str(line, "correlation_id", part->id);
    log_int(line, "place", (int64_t)state->place);
    log_int(line, "status", status);
    log_str(line, "message_id", part->message_id);
    log_end(line);
}

// The batch may be answered by this, and the part be gone.
static void batch_part_end(struct ingest_request *part, unsigned status, char *answer) {
    const struct batch_part *state = part->state;
    struct batch *batch = state->batch;
    batch_part_log(part, status);
    batch->items[state->place].answer = answer;
    batch->unanswered--;
    batch->answered(batch);
}

static void batch_part_refused(struct ingest_request *part, unsigned status, const char *json) {
    batch_part_end(part, status, xstrdup(json));
}

static void batch_part_accepted(struct ingest_request *part, bool replayed) {
    const struct batch_part *state = part->state;
    struct batch *batch = state->batch;
    size_t place = state->place + 1;
    batch->accepted++;
    batch->repeated += replayed;
    batch->furthest = place > batch->furthest ? place : batch->furthest;
    batch_part_end(part, 202, xasprintf("{\"status\":202,\"id\":\"%s\"}", part->message_id));
}

static void batch_part_take(struct ingest_request *part) {
    const struct batch_part *state = part->state;
    const struct batch *batch = state->batch;
    const struct batch_span *span = &batch->items[state->place].span;
    const struct intake_body body = {PAYLOAD_SEND_LISTED, batch->text + span->at, span->length, &batch->rules};
    int64_t most = part->with->settings->max_body_bytes;
    if (span->length > (uint64_t)most) { // alone it would not have come this far
        char message[80];
        snprintf(message, sizeof message, "the message is over %" PRId64 " bytes", most);
        response_error(part, API_PAYLOAD_TOO_LARGE, message);
    } else if (batch->key != NULL) {
        char key[IDEMPOTENCY_PART_SIZE];
        idempotency_part(batch->list_key, batch->digest, state->place, key);
        intake_message(part, &body, key);
    } else {
        intake_message(part, &body, NULL);
    }
}

// It comes here where something had to be asked first, or Redis had no library.
static void batch_part_resume(struct ingest_request *part) {
    struct batch_part *state = part->state;
    struct batch *batch = state->batch;
    if (state->acceptance.call_repeated && !state->came_again) {
        state->wants_again = true;
        batch->again++;
        batch->unanswered--;
        batch->answered(batch);
    } else {
        batch_part_take(part);
    }
}

// What a part is posted to.
static const struct route batch_part_route = {"POST", "/api/messages/batch", batch_part_resume, SCOPE_SEND,
                                              ROUTE_BODY | ROUTE_INCOMING | ROUTE_MESSAGE | ROUTE_SEND};

static struct ingest_request *batch_part_begin(struct batch *batch, size_t place) {
    struct ingest_request *part = request_begin_part(batch->request, &batch_part_route, batch_part_refused);
    struct batch_part *state = request_state(part, sizeof *state);
    state->batch = batch;
    state->place = place;
    state->acceptance.has_key = batch->key != NULL;
    state->acceptance.accepted = batch_part_accepted;
    state->acceptance.waits_ms = LONG_AGO_MS;
    batch->items[place].part = part;
    batch->unanswered++;
    return part;
}

void batch_part_send(struct batch *batch, size_t place) {
    batch_part_take(batch_part_begin(batch, place));
}

// It is under way again, if it waited to be. Returns whether it did.
static bool batch_part_takes_up(struct ingest_request *part) {
    struct batch_part *state = part->state;
    if (!state->wants_again) {
        return false;
    }
    state->wants_again = false;
    state->came_again = true;
    state->batch->again--;
    state->batch->unanswered++;
    return true;
}

void batch_part_again(struct batch *batch, size_t place) {
    struct ingest_request *part = batch->items[place].part;
    if (part == NULL || !batch_part_takes_up(part)) {
        return;
    }
    if (batch->furthest > place) {
        part->message_id[0] = '\0';
        response_unavailable(part, "Redis had no function library", 1, false);
    } else {
        batch_part_take(part);
    }
}

void batch_part_stop(struct batch *batch, size_t place) {
    struct ingest_request *part = batch->items[place].part;
    part = part != NULL ? part : batch_part_begin(batch, place);
    (void)batch_part_takes_up(part);
    part->message_id[0] = '\0';
    response_unavailable(part, "this process is being stopped", 1, false);
}
