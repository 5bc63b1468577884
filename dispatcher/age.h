// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_AGE_H
#define DISPATCHER_AGE_H

#include <stdint.h>

#include "dispatcher/entry.h"

// How old this generation of a message is, in ms, from 0: since its `at` (when it was accepted or, where that is later,
// its send_at), by Redis's clock, where the message's id and send_at bear that out. Those are times of other clocks,
// the ingest's and the client's: so a Redis whose clock was wrong when it accepted the message, or is wrong now, makes
// it neither past its deadline at first sight nor young for years. redis_now_ms, host_now_ms: Redis's and this
// machine's clock, since 1970.
int64_t entry_age_ms(const struct entry *entry, int64_t redis_now_ms, int64_t host_now_ms);

#endif
