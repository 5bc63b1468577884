// SPDX-License-Identifier: MIT
#ifndef INGEST_DEAD_LETTERS_FILTER_H
#define INGEST_DEAD_LETTERS_FILTER_H

#include "shared/base/mem.h"
#include "shared/base/rfc3339.h"

// Which dead letters are meant, by a query's parameters or by the members of a body: "provider"; "reason", which is the
// class of the reason (what stands before its colon; "poison" for what could not be recorded, "unread" for a webhook
// that can't become a message); "since", the earliest time of failure.

struct dead_letter_filter {
    const char *provider;     // NULL: any
    const char *class;        // NULL: any
    char since[RFC3339_SIZE]; // "-infinity": from the beginning
};

// Any dead letter.
void dead_letter_filter_init(struct dead_letter_filter *filter);
// The names of the filters, ends with NULL.
extern const char *const dead_letter_filter_names[];
// Sets one by its name. Returns NULL, or a static sentence that goes on from the name. Keeps nothing of value.
const char *dead_letter_filter_set(struct dead_letter_filter *filter, const char *name, const char *value) MUST_CHECK;

#endif
