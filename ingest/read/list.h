// SPDX-License-Identifier: MIT
#ifndef INGEST_READ_LIST_H
#define INGEST_READ_LIST_H

#include <libpq-fe.h>
#include <stdint.h>

#include "ingest/read/cursor.h"
#include "ingest/read/paging.h"
#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/base/rfc3339.h"

struct ingest_request;

// A page of rows as {"items":[…],"meta":{…}}. A statement gives one row more than is shown, where there is one.

// A request's state.
struct list {
    struct paging paging;
    size_t most_bytes; // that each of its rows may bring
    size_t row_bytes;  // that all of them bring
    int fetched;       // rows that there were at first
    size_t held;       // of the budget, for those; 0: it wasn't asked for more than a page may bring at first
};

struct list_shape {
    enum cursor_kind kind;
    int id_column;       // a number, or a message's UUID, by kind
    int time_column;     // microseconds since 1970; the list is ordered by it, then by the id
    int accepted_column; // the same, of messages, which are ordered by it before the id; -1: none
    // Bytes of what an item holds that may be large; -1: nothing may. It comes where it has at most the list's
    // most_bytes.
    int bytes_column;
    void (*run)(struct ingest_request *request); // runs the statement, for the list's most_bytes
    // Appends an item's members, without its braces.
    void (*write_item)(struct ingest_request *request, struct buf *json, const PGresult *rows, int row);
};

// Reads what page is asked for, before the statement is run for the first time. NULL: it has answered 400.
struct list *list_begin(struct ingest_request *request, enum cursor_kind kind) MUST_CHECK;
// Answers with the page that was asked for, or runs the statement once more for more bytes. Where the budget hasn't
// room for all of it (http/request.h), the page is shorter, or where it was asked for by its number, 503.
//   fetched  how many of the rows are items
//   total    PAGING_NOT_COUNTED where it isn't known
void list_answer(struct ingest_request *request, const struct list_shape *shape, const PGresult *rows, int fetched,
                 int64_t total);

#define LIST_NUMBER_SIZE 24

// Where a list of numbered rows that begins with the newest goes on, as parameters of its statement.
struct list_position {
    char time[RFC3339_US_SIZE];
    char id[LIST_NUMBER_SIZE];
    char limit[LIST_NUMBER_SIZE];
    char offset[LIST_NUMBER_SIZE];
};

void list_position_newest_first(const struct paging *paging, struct list_position *out);

#endif
