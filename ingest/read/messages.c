// SPDX-License-Identifier: MIT
#include "ingest/read/messages.h"

#include <string.h>

#include "ingest/read/database.h"
#include "ingest/read/list.h"
#include "ingest/read/paging.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/decimal.h"
#include "shared/base/json.h"
#include "shared/base/uuid.h"
#include "shared/message/segments.h"
#include "shared/message/snippet.h"
#include "shared/settings/settings.h"

// The columns of ingest/read/sql/message*.sql; the last ones differ.
enum {
    ID,
    CONVERSATION_ID,
    DIRECTION,
    TYPE,
    FROM_ADDRESS,
    TO_ADDRESS,
    BODY,
    PROVIDER,
    OCCURRED_US,
    STATUS,
    ATTACHMENTS,
    SUBJECT,
    ACCEPTED_US,
    RECEIPT,
    SEND_AT,
    TOTAL,                // of a thread
    PERSISTED_US = TOTAL, // of one message
    BYTES,                // of a thread
    PROVIDER_MESSAGE_ID = BYTES,
    TIMELINE,
};

static void write_snippet(struct ingest_request *request, struct buf *json, const char *type, const char *body) {
    size_t length = (size_t)request->with->settings->conversation_snippet_length;
    struct buf snippet = {0};
    if (strcmp(type, "email") == 0) {
        snippet_append_email(&snippet, body, strlen(body), length);
    } else {
        snippet_append(&snippet, body, strlen(body), length);
    }
    json_write_member(json, "snippet", snippet.length > 0 ? snippet.data : "");
    buf_free(&snippet);
}

// Of an SMS alone: an MMS goes in one piece, whatever its text.
static void write_segments(struct buf *json, const char *type, const char *body) {
    if (strcmp(type, "sms") != 0) {
        json_write_member(json, "segments", NULL);
        json_write_member(json, "encoding", NULL);
        return;
    }
    struct segments segments = segments_of(body, strlen(body));
    json_write_member_int(json, "segments", (int64_t)segments.count);
    json_write_member(json, "encoding", segment_encoding_name(segments.encoding));
}

// A JSON object, by Postgres; NULL: none stands.
static void messages_write_receipt(struct buf *json, const char *receipt) {
    json_write_name(json, "receipt");
    buf_puts(json, receipt != NULL ? receipt : "null");
}

static void messages_write_message(struct ingest_request *request, struct buf *json, const PGresult *rows, int row) {
    const char *body = database_text(rows, row, BODY), *type = database_text(rows, row, TYPE);
    json_write_member(json, "id", database_text(rows, row, ID));
    json_write_member(json, "conversation_id", database_text(rows, row, CONVERSATION_ID));
    json_write_member(json, "direction", database_text(rows, row, DIRECTION));
    json_write_member(json, "type", type);
    json_write_member(json, "from", database_text(rows, row, FROM_ADDRESS));
    json_write_member(json, "to", database_text(rows, row, TO_ADDRESS));
    json_write_member(json, "subject", database_text_or_null(rows, row, SUBJECT));
    write_snippet(request, json, type, body);
    json_write_member(json, "body", body);
    write_segments(json, type, body);
    json_write_name(json, "attachments");
    buf_puts(json, database_text(rows, row, ATTACHMENTS)); // a JSON array, by Postgres
    json_write_member(json, "status", database_text(rows, row, STATUS));
    messages_write_receipt(json, database_text_or_null(rows, row, RECEIPT));
    json_write_member(json, "provider", database_text(rows, row, PROVIDER));
    json_write_member_time(json, "timestamp", database_int(rows, row, OCCURRED_US));
    json_write_member(json, "send_at", database_text_or_null(rows, row, SEND_AT));
}

static void run_thread(struct ingest_request *request);

static const struct list_shape thread = {CURSOR_MESSAGE, ID,         OCCURRED_US,           ACCEPTED_US,
                                         BYTES,          run_thread, messages_write_message};

static void messages_on_thread(struct ingest_request *request, const PGresult *rows) {
    if (PQntuples(rows) == 0) {
        response_error(request, API_NOT_FOUND, "no such conversation");
        return;
    }
    int fetched = PQgetisnull(rows, 0, ID) ? 0 : PQntuples(rows);
    list_answer(request, &thread, rows, fetched, database_int(rows, 0, TOTAL));
}

// Where a thread goes on, as parameters of its statement.
struct position {
    char time[RFC3339_US_SIZE], accepted[RFC3339_US_SIZE], id[UUID_TEXT_SIZE], former_id[UUID_TEXT_SIZE];
};

static void find_position(const struct paging *paging, struct position *out) {
    static const struct uuid nil;
    const struct cursor *cursor = &paging->cursor;
    bool former = paging->has_cursor && cursor->accepted_us == CURSOR_UNTOLD;
    *out = (struct position){.time = "-infinity", .accepted = "-infinity"};
    if (paging->has_cursor) {
        rfc3339_format_us(cursor->time_us, out->time);
    }
    if (paging->has_cursor && !former) {
        rfc3339_format_us(cursor->accepted_us, out->accepted);
    }
    uuid_format(paging->has_cursor && !former ? &cursor->id.uuid : &nil, out->id);
    uuid_format(former ? &cursor->id.uuid : &nil, out->former_id);
}

static void run_thread(struct ingest_request *request) {
    const struct list *list = request->state;
    const struct paging *paging = &list->paging;
    struct position after;
    find_position(paging, &after);
    const char *values[] = {request->match.parameter,
                            after.time,
                            after.accepted,
                            after.id,
                            DECIMAL(paging->rows),
                            DECIMAL(paging_offset(paging)),
                            DECIMAL(list->most_bytes),
                            after.former_id};
    database_read(request, READ_MESSAGES_OF_CONVERSATION, 8, values, messages_on_thread);
}

void messages_list(struct ingest_request *request) {
    if (!paging_is_row_id(request->match.parameter)) {
        response_error(request, API_NOT_FOUND, "no such conversation");
    } else if (list_begin(request, CURSOR_MESSAGE) != NULL) {
        run_thread(request);
    }
}

static void messages_on_message(struct ingest_request *request, const PGresult *rows) {
    if (PQntuples(rows) == 0) {
        response_error(request, API_NOT_FOUND, "no such message");
        return;
    }
    struct buf *json = &request->with->answer;
    buf_clear(json);
    buf_putc(json, '{');
    messages_write_message(request, json, rows, 0);
    json_write_member(json, "provider_message_id", database_text_or_null(rows, 0, PROVIDER_MESSAGE_ID));
    json_write_member_time(json, "accepted_at", database_int(rows, 0, ACCEPTED_US));
    json_write_member_time(json, "persisted_at", database_int(rows, 0, PERSISTED_US));
    json_write_name(json, "timeline");
    buf_puts(json, database_text(rows, 0, TIMELINE)); // a JSON array, by Postgres
    buf_putc(json, '}');
    response_json(request, 200, json);
}

void messages_show(struct ingest_request *request) {
    struct uuid id;
    if (uuid_parse(request->match.parameter, &id) != 0) {
        response_error(request, API_NOT_FOUND, "no such message");
        return;
    }
    uuid_format(&id, request->message_id);
    const char *values[] = {request->message_id};
    database_read(request, READ_MESSAGE, 1, values, messages_on_message);
}
