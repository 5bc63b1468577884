// SPDX-License-Identifier: MIT
#ifndef INGEST_READ_CURSOR_H
#define INGEST_READ_CURSOR_H

#include <stdint.h>

#include "shared/base/mem.h"
#include "shared/base/uuid.h"

// Where a page ended, as an opaque text: the sort key of its last row, so that the next page is found through the index
// at the same cost at any depth, and the number of the next page, which is shown.

enum cursor_kind { CURSOR_CONVERSATION, CURSOR_MESSAGE, CURSOR_DEAD_LETTER, CURSOR_OPT_OUT };

#define CURSOR_UNTOLD INT64_MIN // as accepted_us: the cursor is of a release that ordered a thread by time and id alone

struct cursor {
    int64_t page;        // of the page that follows, from 2
    int64_t time_us;     // microseconds since 1970, within the years 0001 to 9999
    int64_t accepted_us; // the same, or CURSOR_UNTOLD: CURSOR_MESSAGE
    union {
        int64_t number;   // of all others
        struct uuid uuid; // CURSOR_MESSAGE
    } id;
};

#define CURSOR_SIZE (1 + 8 + 16 + 16 + 32 + 1)

void cursor_format(enum cursor_kind kind, const struct cursor *cursor, char out[CURSOR_SIZE]);
// Returns 0, or -1 when text isn't one of this kind.
int cursor_parse(enum cursor_kind kind, const char *text, struct cursor *out) MUST_CHECK;

#endif
