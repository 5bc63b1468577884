// SPDX-License-Identifier: MIT
#ifndef INGEST_READ_PAGING_H
#define INGEST_READ_PAGING_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/read/cursor.h"
#include "shared/base/buf.h"
#include "shared/base/mem.h"

struct http_request;

// The parameters page, pageSize (or page_size) and cursor of a list, and the "meta" of its answer.

#define PAGING_MOST_ITEMS 50

struct paging {
    int64_t page; // from 1
    int64_t page_size;
    int64_t rows;     // to fetch; at first one more than the page has
    bool is_numbered; // `page` was asked for by its number
    bool has_cursor;
    struct cursor cursor;
};

// What is wrong with a parameter.
struct paging_error {
    const char *parameter;
    const char *reason; // goes on from the parameter's name
};

// Reads them from the query. Returns 0, or -1 with *error set.
int paging_read(const struct http_request *http, enum cursor_kind kind, struct paging *out,
                struct paging_error *error) MUST_CHECK;
// The parts of it, for values that were given (NULL: not).
int paging_parse(const char *page, const char *page_size, const char *cursor, enum cursor_kind kind, struct paging *out,
                 struct paging_error *error) MUST_CHECK;
// A parameter that may be given once. Returns 0 with *value NULL when it is absent, or -1 with *error set.
int paging_read_once(const struct http_request *http, const char *parameter, const char **value,
                     struct paging_error *error) MUST_CHECK;

// Whether the text is a decimal number from 1 to the greatest bigint, as Postgres gives ids out.
bool paging_is_row_id(const char *text);

// Rows to skip: none where there is a cursor.
int64_t paging_offset(const struct paging *paging);
#define PAGING_NOT_COUNTED (-1) // a total that is shown as null

// Appends "meta":{…}; next is NULL on the last page.
void paging_write_meta(struct buf *json, const struct paging *paging, int64_t total, enum cursor_kind kind,
                       const struct cursor *next);

#endif
