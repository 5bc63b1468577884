// SPDX-License-Identifier: MIT
#include "ingest/list.h"

#include <inttypes.h>
#include <stdio.h>

#include "ingest/answer.h"
#include "ingest/paging.h"
#include "ingest/reader.h"
#include "ingest/request.h"
#include "ingest/resources.h"
#include "shared/uuid.h"

enum {
    // What a page may bring at first. Results come one at a time on each connection, so this needs no place in the
    // budget; a page that has more is known by then, and asked for again once there is room for it.
    FIRST_BYTES = 256 * 1024,
    ROW_BYTES = 1024, // of an item, besides: addresses, names, times
    META_BYTES = 512, // of the page, besides its items
};

static int read_cursor(const struct list_shape *shape, const PGresult *rows, int row, struct cursor *out) {
    out->time_us = ingest_reader_int(rows, row, shape->time_column);
    if (shape->kind == CURSOR_MESSAGE) {
        return uuid_parse(ingest_reader_text(rows, row, shape->id_column), &out->id.uuid);
    }
    out->id.number = ingest_reader_int(rows, row, shape->id_column);
    return 0;
}

void list_begin(struct ingest_request *request) {
    request->most_bytes = FIRST_BYTES;
    request->held = 0;
}

// How many of the first rows hold at most so many bytes, and how many that is.
static int count_within(const struct list_shape *shape, const PGresult *rows, int count, size_t most, size_t *bytes) {
    *bytes = 0;
    if (shape->bytes_column < 0) {
        return count;
    }
    for (int row = 0; row < count; row++) {
        size_t more = (size_t)ingest_reader_int(rows, row, shape->bytes_column);
        if (more > most - *bytes) {
            return row;
        }
        *bytes += more;
    }
    return count;
}

// Once more, for the rows that there is room for: as Postgres gives them, and as JSON. False: it isn't worth it.
static bool ask_again(struct ingest_request *request, const struct list_shape *shape, const PGresult *rows, int wanted,
                      int came) {
    size_t bytes, beside = (size_t)wanted * ROW_BYTES, room = http_room(request->http) / 2;
    int fit = room > beside ? count_within(shape, rows, wanted, room - beside, &bytes) : 0;
    if (request->held > 0 || fit <= came || (fit < wanted && request->paging.is_numbered) ||
        !http_hold(request->http, 2 * (bytes + beside))) {
        return false;
    }
    request->most_bytes = bytes;
    request->held = 2 * (bytes + beside);
    shape->run(request);
    return true;
}

// Whether there is room for the JSON beside the rows it is made of. Those of a first run are few.
static bool has_room(struct ingest_request *request, const struct buf *json) {
    size_t needed = request->most_bytes + json->length + META_BYTES;
    if (request->held == 0 || needed <= request->held) {
        return true;
    }
    bool granted = http_hold(request->http, needed);
    request->held = granted ? needed : request->held;
    return granted;
}

// Writes as many items as there is room for; returns how many.
static int write_items(struct ingest_request *request, const struct list_shape *shape, const PGresult *rows, int came) {
    struct buf *json = &request->with->answer;
    size_t ends[PAGING_MOST_ITEMS + 1];
    int count = 0;
    buf_clear(json);
    buf_puts(json, "{\"items\":[");
    ends[0] = json->length;
    while (count < came && (count == 0 || has_room(request, json))) {
        buf_puts(json, count > 0 ? ",{" : "{");
        shape->write_item(request, json, rows, count);
        buf_putc(json, '}');
        ends[++count] = json->length;
    }
    while (count > 0 && !http_hold(request->http, ends[count] + META_BYTES)) {
        count--;
    }
    json->length = ends[count];
    return count;
}

void list_answer(struct ingest_request *request, const struct list_shape *shape, const PGresult *rows, int fetched,
                 int64_t total) {
    const struct paging *paging = &request->paging;
    int wanted = fetched > paging->page_size ? (int)paging->page_size : fetched;
    size_t bytes;
    int came = count_within(shape, rows, wanted, request->most_bytes, &bytes);
    if (came < wanted && ask_again(request, shape, rows, wanted, came)) {
        return;
    }
    int shown = write_items(request, shape, rows, came);
    if (shown < wanted && (shown == 0 || paging->is_numbered)) {
        answer_crowded(request);
        return;
    }
    struct buf *json = &request->with->answer;
    buf_putc(json, ']');
    struct cursor next = {.page = paging->page + 1};
    bool more = fetched > shown && read_cursor(shape, rows, shown - 1, &next) == 0;
    paging_write_meta(json, paging, total, shape->kind, more ? &next : NULL);
    buf_putc(json, '}');
    answer_json(request, 200, json);
}

void list_position_newest_first(const struct paging *paging, struct list_position *out) {
    *out = (struct list_position){.time = "infinity"};
    if (paging->has_cursor) {
        cursor_format_time(paging->cursor.time_us, out->time);
    }
    snprintf(out->id, sizeof out->id, "%" PRId64, paging->has_cursor ? paging->cursor.id.number : INT64_MAX);
    snprintf(out->limit, sizeof out->limit, "%" PRId64, paging->page_size + 1);
    snprintf(out->offset, sizeof out->offset, "%" PRId64, paging_offset(paging));
}
