// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_RETRY_H
#define DISPATCHER_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "dispatcher/breaker.h"
#include "dispatcher/provider/outcome.h"
#include "shared/message/message.h"
#include "shared/redis/counters.h"
#include "shared/settings/settings.h"

// Which outcome has which consequence: one table in retry.c.

struct retry_case {
    const struct outcome *outcome;
    int64_t spent;  // failures so far that count as attempts
    int64_t call;   // the number of the call, from 1
    int64_t age_ms; // since this generation of the message began
    bool probe;     // the call was a half-open breaker's probe
    bool unproven;  // the provider has accepted nothing since it last refused something: it may be our own fault
};

struct retry_decision {
    enum attempt_verdict verdict; // for settle
    int64_t delay_ms;             // with RETRY and REFUSED: until it is tried again
    bool free;                    // it spends no attempt
    enum breaker_word breaker;
    int64_t pause_ms;     // the provider wants to be left alone for so long; 0: it said nothing of the kind
    enum counter counter; // which counter it raises; COUNTER_COUNT: none
};

// For how long after its acceptance a message is still delivered: beyond, it fails uncalled.
bool retry_is_expired(const struct settings *settings, int64_t age_ms);
// Nothing is parked for longer, by a decision or a hold: what is parked for longer was parked by a clock that was
// wrong.
int64_t retry_longest_wait_ms(const struct settings *settings);
struct retry_decision retry_decide(const struct settings *settings, const struct retry_case *this_case);

#endif
