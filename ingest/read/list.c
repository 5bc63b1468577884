// SPDX-License-Identifier: MIT
#include "ingest/read/list.h"

#include <inttypes.h>
#include <stdio.h>

#include "ingest/read/database.h"
#include "ingest/read/paging.h"
#include "ingest/request/request.h"
#include "ingest/request/resources.h"
#include "ingest/request/response.h"
#include "shared/base/uuid.h"

enum {
    // What an item may bring at first. Results come one at a time on each connection, so such items need no place in
    // the budget; what greater ones have is known by then, and asked for again once there is room for it.
    FIRST_BYTES = 32 * 1024,
    ROW_BYTES = 1024, // of an item, besides: addresses, names, times
    META_BYTES = 512, // of the page, besides its items
};

static int read_cursor(const struct list_shape *shape, const PGresult *rows, int row, struct cursor *out) {
    out->time_us = database_int(rows, row, shape->time_column);
    if (shape->kind == CURSOR_MESSAGE) {
        out->accepted_us = database_int(rows, row, shape->accepted_column);
        return uuid_parse(database_text(rows, row, shape->id_column), &out->id.uuid);
    }
    out->id.number = database_int(rows, row, shape->id_column);
    return 0;
}

struct list *list_begin(struct ingest_request *request, enum cursor_kind kind) {
    struct list *list = request_state(request, sizeof *list);
    struct paging_error error;
    if (paging_read(request->http, kind, &list->paging, &error) != 0) {
        response_bad_field(request, error.parameter, error.reason);
        return NULL;
    }
    list->most_bytes = FIRST_BYTES;
    return list;
}

static size_t bytes_of(const struct list_shape *shape, const PGresult *rows, int row) {
    return shape->bytes_column < 0 ? 0 : (size_t)database_int(rows, row, shape->bytes_column);
}

// How many of the first rows have come whole.
static int count_whole(const struct list *list, const struct list_shape *shape, const PGresult *rows, int count) {
    int row = 0;
    while (row < count && bytes_of(shape, rows, row) <= list->most_bytes) {
        row++;
    }
    return row;
}

// What rows bring.
struct extent {
    int count;
    size_t bytes, most; // of all, and of one
};

// The room that rows take: as Postgres gives them, and as JSON.
static size_t room_for(const struct extent *extent) {
    return 2 * (extent->bytes + (size_t)extent->count * ROW_BYTES);
}

// The first rows that so much room is enough for.
static struct extent find_fitting(const struct list_shape *shape, const PGresult *rows, int count, size_t room) {
    struct extent fit = {0};
    while (fit.count < count) {
        size_t more = bytes_of(shape, rows, fit.count);
        struct extent next = {fit.count + 1, fit.bytes + more, more > fit.most ? more : fit.most};
        if (room_for(&next) > room) {
            break;
        }
        fit = next;
    }
    return fit;
}

// All rows where there is room for them; else an eighth of the room, so that those who come next find some as well.
static struct extent list_choose(struct ingest_request *request, const struct list_shape *shape, const PGresult *rows,
                                 int wanted) {
    const struct list *list = request->state;
    size_t room = http_room(request->http);
    struct extent most = find_fitting(shape, rows, wanted, room);
    if (most.count == wanted || list->paging.is_numbered) {
        return most;
    }
    struct extent some = find_fitting(shape, rows, wanted, room / 8);
    return some.count > 0 || most.count == 0 ? some : find_fitting(shape, rows, 1, room);
}

// Once more, for the rows that there is room for. False: it isn't worth it.
static bool ask_again(struct ingest_request *request, const struct list_shape *shape, const PGresult *rows, int wanted,
                      int whole) {
    struct list *list = request->state;
    if (list->held > 0) {
        return false;
    }
    struct extent fit = list_choose(request, shape, rows, wanted);
    size_t needed = room_for(&fit);
    if (fit.count <= whole || (fit.count < wanted && list->paging.is_numbered) || !http_hold(request->http, needed)) {
        return false;
    }
    list->held = needed;
    list->row_bytes = fit.bytes;
    list->most_bytes = fit.most;
    list->paging.rows = fit.count;
    shape->run(request);
    return true;
}

// Whether there is room for the JSON beside the rows it is made of. Those of a first run are few.
static bool has_room(struct ingest_request *request, const struct buf *json) {
    struct list *list = request->state;
    size_t needed = list->row_bytes + json->length + META_BYTES;
    if (list->held == 0 || needed <= list->held) {
        return true;
    }
    bool granted = http_hold(request->http, needed);
    list->held = granted ? needed : list->held;
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
    struct list *list = request->state;
    const struct paging *paging = &list->paging;
    list->fetched = list->held == 0 ? fetched : list->fetched;
    int wanted = list->fetched > paging->page_size ? (int)paging->page_size : list->fetched;
    int whole = count_whole(list, shape, rows, wanted < fetched ? wanted : fetched);
    if (whole < wanted && ask_again(request, shape, rows, wanted, whole)) {
        return;
    }
    int shown = write_items(request, shape, rows, whole);
    if (shown < wanted && (shown == 0 || paging->is_numbered)) {
        response_crowded(request);
        return;
    }
    struct buf *json = &request->with->answer;
    buf_putc(json, ']');
    struct cursor next = {.page = paging->page + 1};
    bool more = list->fetched > shown && read_cursor(shape, rows, shown - 1, &next) == 0;
    paging_write_meta(json, paging, total, shape->kind, more ? &next : NULL);
    buf_putc(json, '}');
    response_json(request, 200, json);
}

void list_position_newest_first(const struct paging *paging, struct list_position *out) {
    *out = (struct list_position){.time = "infinity"};
    if (paging->has_cursor) {
        rfc3339_format_us(paging->cursor.time_us, out->time);
    }
    snprintf(out->id, sizeof out->id, "%" PRId64, paging->has_cursor ? paging->cursor.id.number : INT64_MAX);
    snprintf(out->limit, sizeof out->limit, "%" PRId64, paging->rows);
    snprintf(out->offset, sizeof out->offset, "%" PRId64, paging_offset(paging));
}
