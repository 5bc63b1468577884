// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_PROVIDER_OUTCOME_H
#define DISPATCHER_PROVIDER_OUTCOME_H

#include <curl/curl.h>
#include <stdint.h>

#include "shared/base/mem.h"

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
    OUTCOME_EXPIRED,    // no call was made: the message is past its deadline
    OUTCOME_CLASS_COUNT
};

struct outcome {
    enum outcome_class class;
    int http_status;           // 0: none was received
    int64_t latency_us;        // 0 when no call was made
    int64_t started_ms;        // ms since 1970
    int64_t retry_after_ms;    // what the provider asked for; -1: nothing
    char *error;               // one line for people, or NULL
    char *provider_message_id; // or NULL
};

// As the attempts in Postgres have it ("sent", "rate_limited", …). Static.
const char *outcome_name(enum outcome_class class);
// A status that was received decides, whatever became of the rest of the answer: with a 2xx the provider has the
// message. Without one (0) it is libcurl's result; overdue_ms: how long after the time-out of a call the call ended.
enum outcome_class outcome_classify(long http_status, CURLcode result, int64_t overdue_ms);
// Retry-After (RFC 9110, 10.2.3): seconds or an HTTP date; now_ms since 1970. In ms, or -1 when it is neither or NULL.
int64_t outcome_retry_after_ms(const char *value, int64_t now_ms);
// Frees what it holds and leaves it empty.
void outcome_clear(struct outcome *outcome);

#endif
