// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_LEASE_LOG_H
#define DISPATCHER_LEASE_LOG_H

#include "dispatcher/lease.h"
#include "shared/base/log.h"

// A line about an entry that this process holds begins with the same ids everywhere: message, request, entry, provider,
// call. Closed with log_end; NULL when the level is off.
struct log_line *lease_log_begin(enum log_level level, const char *event, const struct lease *lease);
// The same with a sentence, as a whole line. message may be NULL.
void lease_log(enum log_level level, const char *event, const struct lease *lease, const char *message);

#endif
