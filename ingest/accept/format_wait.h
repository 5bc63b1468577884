// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_FORMAT_WAIT_H
#define INGEST_ACCEPT_FORMAT_WAIT_H

#include <stdbool.h>
#include <uv.h>

#include "shared/base/mem.h"

// Requests that have to write an entry of a newer format while it isn't known yet whether all live programs read it, as
// for some seconds after a start (shared/message/format.h).

struct format_waits; // one thread's
struct ingest_request;

struct format_waits *format_waits_create(uv_loop_t *loop);
// Answers all that wait with 503. Frees itself once its handle has closed.
void format_waits_destroy(struct format_waits *waits);

// True where the request, whose state begins with a struct acceptance, waits: its route's handler runs again soon.
// False where the format may be written, or where waiting is no use, or was none for long enough.
bool format_wait_for(struct ingest_request *request, int format) MUST_CHECK;
// 503: a program of an older release runs, or may, which could not read what there is to write.
void format_wait_refuse(struct ingest_request *request);

#endif
