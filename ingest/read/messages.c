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
    TOTAL,               // of a thread
    ACCEPTED_US = TOTAL, // of one message
    BYTES,               // of a thread
    PERSISTED_US = BYTES,
    PROVIDER_MESSAGE_ID,
    TIMELINE,
};

static void write_snippet(struct ingest_request *request, struct buf *json, const char *body) {
    struct buf snippet = {0};
    snippet_append(&snippet, body, strlen(body), (size_t)request->with->settings->conversation_snippet_length);
    json_write_member(json, "snippet", snippet.length > 0 ? snippet.data : "");
    buf_free(&snippet);
}

static void messages_write_message(struct ingest_request *request, struct buf *json, const PGresult *rows, int row) {
    const char *body = database_text(rows, row, BODY);
    json_write_member(json, "id", database_text(rows, row, ID));
    json_write_member(json, "conversation_id", database_text(rows, row, CONVERSATION_ID));
    json_write_member(json, "direction", database_text(rows, row, DIRECTION));
    json_write_member(json, "type", database_text(rows, row, TYPE));
    json_write_member(json, "from", database_text(rows, row, FROM_ADDRESS));
    json_write_member(json, "to", database_text(rows, row, TO_ADDRESS));
    write_snippet(request, json, body);
    json_write_member(json, "body", body);
    json_write_name(json, "attachments");
    buf_puts(json, database_text(rows, row, ATTACHMENTS)); // a JSON array, by Postgres
    json_write_member(json, "status", database_text(rows, row, STATUS));
    json_write_member(json, "provider", database_text(rows, row, PROVIDER));
    json_write_member_time(json, "timestamp", database_int(rows, row, OCCURRED_US));
}

static void run_thread(struct ingest_request *request);

static const struct list_shape thread = {CURSOR_MESSAGE, ID, OCCURRED_US, BYTES, run_thread, messages_write_message};

static void messages_on_thread(struct ingest_request *request, const PGresult *rows) {
    if (PQntuples(rows) == 0) {
        response_error(request, API_NOT_FOUND, "no such conversation");
        return;
    }
    int fetched = PQgetisnull(rows, 0, ID) ? 0 : PQntuples(rows);
    list_answer(request, &thread, rows, fetched, database_int(rows, 0, TOTAL));
}

static void run_thread(struct ingest_request *request) {
    const struct list *list = request->state;
    const struct paging *paging = &list->paging;
    struct uuid after = {{0}};
    char time[CURSOR_TIME_SIZE] = "-infinity", id[UUID_TEXT_SIZE];
    if (paging->has_cursor) {
        cursor_format_time(paging->cursor.time_us, time);
        after = paging->cursor.id.uuid;
    }
    uuid_format(&after, id);
    const char *limit = DECIMAL(paging->rows), *offset = DECIMAL(paging_offset(paging));
    const char *values[] = {request->match.parameter, time, id, limit, offset, DECIMAL(list->most_bytes)};
    database_run(request, READ_MESSAGES_OF_CONVERSATION, 6, values, messages_on_thread);
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
    database_run(request, READ_MESSAGE, 1, values, messages_on_message);
}
