// SPDX-License-Identifier: MIT
#ifndef SHARED_PROVIDER_OUTCOME_H
#define SHARED_PROVIDER_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

// What a call of a provider came to.

enum outcome_class {
    OUTCOME_SENT,
    OUTCOME_RATE_LIMITED,
    OUTCOME_TIMEOUT,
    OUTCOME_INTERRUPTED, // this process stood still for longer than the call may last: nobody knows what it came to
    OUTCOME_CONNECTION_FAILED,
    OUTCOME_SERVER_ERROR,
    OUTCOME_CREDENTIALS,
    OUTCOME_REFUSED, // for what may be the message's own fault, or ours: an unverified sender, a wrong account
    OUTCOME_REJECTED,
    OUTCOME_UNREADABLE, // no call was made: the payload can't be read
    OUTCOME_OPTED_OUT,  // no call was made: the recipient wants nothing from the sender
    OUTCOME_EXPIRED,    // no call was made: the message is past its deadline
    OUTCOME_CLASS_COUNT
};

struct outcome {
    enum outcome_class class;
    int http_status;           // 0: none was received
    int64_t latency_us;        // 0 when no call was made
    int64_t started_ms;        // ms since 1970
    bool opted_out;            // the provider says that the recipient wants nothing from the sender
    int64_t retry_after_ms;    // what the provider asked for; -1: nothing
    char *error;               // one line for people, or NULL
    char *provider_message_id; // or NULL
};

// As the attempts in Postgres have it ("sent", "rate_limited", …). Static.
const char *outcome_name(enum outcome_class class);
// Frees what it holds and leaves it empty.
void outcome_clear(struct outcome *outcome);

#endif
