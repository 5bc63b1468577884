// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_UNCONFIRMED_H
#define DISPATCHER_UNCONFIRMED_H

#include <stdint.h>

#include "dispatcher/lease.h"
#include "shared/redis/counters.h"

// Calls that a provider accepted by its status, without the id that it promises: Twilio's `sid`, SendGrid's
// X-Message-Id. They count as sent, for who says 2xx has the message; but what answers so may not be the provider at
// all.

struct unconfirmed {
    int64_t since_told;   // calls
    int64_t told_boot_ms; // clock_boot_ms of the last warning; 0: there was none
};

// Counts one, in the metrics too, and warns: of the first, then once a minute at most. lease: of the call, whose
// outcome is OUTCOME_SENT.
void unconfirmed_add(struct unconfirmed *unconfirmed, struct counters *counters, const struct lease *lease);

#endif
