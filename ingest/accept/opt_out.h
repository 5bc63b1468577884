// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_OPT_OUT_H
#define INGEST_ACCEPT_OPT_OUT_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/message/opt_out.h"

struct ingest_request;

// Who opts out does so in every partition of the provider before the answer to what said so: nothing that is admitted
// after that answer is sent to the pair (redis/messaging.lua, opt_out).

// Writes words on pairs into all partitions of the provider of the first, which is that of all. recorded: the persister
// learns of them by something else that is in its stream already; otherwise they are put there as well, as `optout`.
// A came_ms of 0 is now. Keeps nothing of pairs. done(request, whether all of them are everywhere) is called exactly
// once, maybe within this call, but not where nobody waits for the answer any more; where it says no, what went wrong
// is logged and may have been written in part: to be answered 503, and to be repeated. Where OPT_OUT is off nothing is
// written, and done says yes.
void opt_outs_set(struct ingest_request *request, const struct opt_out *pairs, size_t count, bool recorded,
                  void (*done)(struct ingest_request *request, bool everywhere));

#endif
