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

static int read_cursor(const struct list_shape *shape, const PGresult *rows, int row, struct cursor *out) {
    out->time_us = ingest_reader_int(rows, row, shape->time_column);
    if (shape->kind == CURSOR_MESSAGE) {
        return uuid_parse(ingest_reader_text(rows, row, shape->id_column), &out->id.uuid);
    }
    out->id.number = ingest_reader_int(rows, row, shape->id_column);
    return 0;
}

void list_answer(struct ingest_request *request, const struct list_shape *shape, const PGresult *rows, int fetched,
                 int64_t total) {
    const struct paging *paging = &request->paging;
    bool more = fetched > paging->page_size;
    int shown = more ? (int)paging->page_size : fetched;
    struct buf *json = &request->with->answer;
    buf_clear(json);
    buf_puts(json, "{\"items\":[");
    for (int row = 0; row < shown; row++) {
        buf_puts(json, row > 0 ? ",{" : "{");
        shape->write_item(request, json, rows, row);
        buf_putc(json, '}');
    }
    buf_putc(json, ']');
    struct cursor next = {.page = paging->page + 1};
    more = more && read_cursor(shape, rows, shown - 1, &next) == 0;
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
