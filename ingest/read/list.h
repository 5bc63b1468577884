// SPDX-License-Identifier: MIT
#ifndef INGEST_READ_LIST_H
#define INGEST_READ_LIST_H

#include <libpq-fe.h>
#include <stdint.h>

#include "ingest/read/cursor.h"
#include "shared/base/buf.h"

struct ingest_request;
struct paging;

// A page of rows as {"items":[…],"meta":{…}}. A statement gives one row more than is shown, where there is one.

struct list_shape {
    enum cursor_kind kind;
    int id_column;   // a number, or a message's UUID, by kind
    int time_column; // microseconds since 1970; the list is ordered by it, then by the id
    // Bytes of what an item holds that may be large; -1: nothing may. It comes where it has at most
    // request->most_bytes.
    int bytes_column;
    void (*run)(struct ingest_request *request); // runs the statement, for request->most_bytes
    // Appends an item's members, without its braces.
    void (*write_item)(struct ingest_request *request, struct buf *json, const PGresult *rows, int row);
};

// To be called before the statement is run for the first time.
void list_begin(struct ingest_request *request);
// Answers with the page that request->paging asked for, or runs the statement once more for more bytes. Where the
// budget hasn't room for all of it (http/server.h), the page is shorter, or where it was asked for by its number, 503.
// fetched: how many of the rows are items. total:
// PAGING_NOT_COUNTED where it isn't known.
void list_answer(struct ingest_request *request, const struct list_shape *shape, const PGresult *rows, int fetched,
                 int64_t total);

#define LIST_NUMBER_SIZE 24

// Where a list of numbered rows that begins with the newest goes on, as parameters of its statement.
struct list_position {
    char time[CURSOR_TIME_SIZE];
    char id[LIST_NUMBER_SIZE];
    char limit[LIST_NUMBER_SIZE];
    char offset[LIST_NUMBER_SIZE];
};

void list_position_newest_first(const struct paging *paging, struct list_position *out);

#endif
