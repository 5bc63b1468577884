// SPDX-License-Identifier: MIT
#include "ingest/dead_letters/dead_letters.h"

#include <string.h>

#include "ingest/dead_letters/filter.h"
#include "ingest/read/database.h"
#include "ingest/read/list.h"
#include "ingest/read/paging.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/decimal.h"
#include "shared/base/json.h"

// The columns of ingest/read/sql/dead_letter*.sql.
enum {
    ID,
    MESSAGE_ID,
    PROVIDER,
    REASON,
    ATTEMPTS,
    FAILED_US,
    REPLAYED_US,
    PAYLOAD,
    BYTES,
    STAGE,
    FIELD,
    MEDIA_TYPE,
    CLIENT_ADDRESS,
    REQUEST_ID,
    RAW,
    DELIVERED
};

static void write_replayed(struct buf *json, const PGresult *rows, int row) {
    if (PQgetisnull(rows, row, REPLAYED_US)) {
        json_write_member(json, "replayed_at", NULL);
    } else {
        json_write_member_time(json, "replayed_at", database_int(rows, row, REPLAYED_US));
    }
}

static void write_webhook(struct buf *json, const PGresult *rows, int row) {
    json_write_member(json, "field", database_text_or_null(rows, row, FIELD));
    json_write_member(json, "media_type", database_text_or_null(rows, row, MEDIA_TYPE));
    json_write_member(json, "client_ip", database_text(rows, row, CLIENT_ADDRESS));
    json_write_member(json, "request_id", database_text(rows, row, REQUEST_ID));
    json_write_member(json, "raw", database_text(rows, row, RAW));
}

static void dead_letters_write_item(struct ingest_request *request, struct buf *json, const PGresult *rows, int row) {
    (void)request;
    const char *payload = database_text_or_null(rows, row, PAYLOAD);
    json_write_member(json, "id", database_text(rows, row, ID));
    json_write_member(json, "message_id", database_text_or_null(rows, row, MESSAGE_ID));
    json_write_member(json, "stage", database_text(rows, row, STAGE));
    json_write_member(json, "provider", database_text(rows, row, PROVIDER));
    json_write_member(json, "reason", database_text(rows, row, REASON));
    json_write_member_int(json, "attempts", database_int(rows, row, ATTEMPTS));
    json_write_member_time(json, "failed_at", database_int(rows, row, FAILED_US));
    write_replayed(json, rows, row);
    json_write_name(json, "delivered");
    buf_puts(json, database_text(rows, row, DELIVERED)); // true or false
    json_write_name(json, "payload");
    buf_puts(json, payload != NULL ? payload : "null"); // a JSON object, by Postgres or of the quarantined entry
    if (strcmp(database_text(rows, row, STAGE), "webhook") == 0) {
        write_webhook(json, rows, row);
    }
}

static void dead_letters_run(struct ingest_request *request);

static const struct list_shape shape = {CURSOR_DEAD_LETTER,     ID, FAILED_US, -1, BYTES, dead_letters_run,
                                        dead_letters_write_item};

static void dead_letters_on_page(struct ingest_request *request, const PGresult *rows) {
    list_answer(request, &shape, rows, PQntuples(rows), PAGING_NOT_COUNTED);
}

static int dead_letters_read_filter(const struct http_request *http, struct dead_letter_filter *out,
                                    struct paging_error *error) {
    dead_letter_filter_init(out);
    for (size_t i = 0; dead_letter_filter_names[i] != NULL; i++) {
        const char *name = dead_letter_filter_names[i], *value;
        if (paging_read_once(http, name, &value, error) != 0) {
            return -1;
        }
        *error = (struct paging_error){name, value != NULL ? dead_letter_filter_set(out, name, value) : NULL};
        if (error->reason != NULL) {
            return -1;
        }
    }
    return 0;
}

static void run_filtered(struct ingest_request *request, const struct dead_letter_filter *filter) {
    const struct list *list = request->state;
    struct list_position at;
    list_position_newest_first(&list->paging, &at);
    const char *values[8] = {at.time, at.id, filter->since, at.limit, at.offset, DECIMAL(list->most_bytes)};
    enum database_statement statement = READ_DEAD_LETTERS;
    int count = 6;
    if (filter->provider != NULL) {
        values[count++] = filter->provider;
        statement = READ_DEAD_LETTERS_OF_PROVIDER;
    }
    if (filter->class != NULL) {
        values[count++] = filter->class;
        statement = filter->provider != NULL ? READ_DEAD_LETTERS_OF_PROVIDER_AND_CLASS : READ_DEAD_LETTERS_OF_CLASS;
    }
    database_read(request, statement, count, values, dead_letters_on_page);
}

static void dead_letters_run(struct ingest_request *request) {
    struct dead_letter_filter filter;
    struct paging_error error;
    if (dead_letters_read_filter(request->http, &filter, &error) != 0) {
        response_bad_field(request, error.parameter, error.reason);
    } else {
        run_filtered(request, &filter);
    }
}

void dead_letters_list(struct ingest_request *request) {
    if (list_begin(request, CURSOR_DEAD_LETTER) != NULL) {
        dead_letters_run(request);
    }
}

static void dead_letters_on_letter(struct ingest_request *request, const PGresult *rows) {
    if (PQntuples(rows) == 0) {
        response_error(request, API_NOT_FOUND, "no such dead letter");
        return;
    }
    struct buf *json = &request->with->answer;
    buf_clear(json);
    buf_putc(json, '{');
    dead_letters_write_item(request, json, rows, 0);
    buf_putc(json, '}');
    response_json(request, 200, json);
}

void dead_letters_show(struct ingest_request *request) {
    if (!paging_is_row_id(request->match.parameter)) {
        response_error(request, API_NOT_FOUND, "no such dead letter");
        return;
    }
    const char *values[] = {request->match.parameter};
    database_read(request, READ_DEAD_LETTER, 1, values, dead_letters_on_letter);
}
