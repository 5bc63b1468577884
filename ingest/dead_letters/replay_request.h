// SPDX-License-Identifier: MIT
#ifndef INGEST_DEAD_LETTERS_REPLAY_REQUEST_H
#define INGEST_DEAD_LETTERS_REPLAY_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/dead_letters/filter.h"
#include "shared/base/mem.h"
#include "shared/settings/settings.h"

// The body of POST /api/dead-letters/replay: the filters of the list, "dry_run" and "per_second".

struct replay_request {
    struct dead_letter_filter filter;
    bool dry_run;
    int64_t per_second; // dead letters
};

struct replay_request_error {
    const char *field;  // NULL when the document as a whole is wrong
    const char *reason; // static; goes on from the field's name
};

// Parses and checks it. Returns 0, or -1 with *error set.
int replay_request_parse(const char *text, size_t length, const struct settings *settings, struct replay_request *out,
                         struct replay_request_error *error) MUST_CHECK;

#endif
