// SPDX-License-Identifier: MIT
#include "dispatcher/provider/outcome.h"

#include <stdlib.h>
#include <string.h>

#include "dispatcher/provider/http_date.h"

// A time-out that libcurl notices so late is no word on the provider: this process was stopped, or starved, and libcurl
// looks at the clock before it looks at the answer that lies there.
#define STANDSTILL_MS 1000
#define LONGEST_SECS (366LL * 24 * 3600) // what is longer is cut, so that it can be reckoned with

static enum outcome_class of_status(long status) {
    if (status < 300) {
        return OUTCOME_SENT;
    }
    if (status < 400) { // we follow no redirects: a URL that is set wrong must not burn messages
        return OUTCOME_SERVER_ERROR;
    }
    if (status == 401) {
        return OUTCOME_CREDENTIALS;
    }
    if (status == 402 || status == 403 || status == 404 || status == 405 || status == 410) {
        return OUTCOME_REFUSED;
    }
    if (status == 408) {
        return OUTCOME_TIMEOUT;
    }
    if (status == 429) {
        return OUTCOME_RATE_LIMITED;
    }
    return status < 500 ? OUTCOME_REJECTED : OUTCOME_SERVER_ERROR;
}

enum outcome_class outcome_classify(long http_status, CURLcode result, int64_t overdue_ms) {
    if (http_status >= 200) {
        return of_status(http_status);
    }
    if (result != CURLE_OPERATION_TIMEDOUT) {
        return OUTCOME_CONNECTION_FAILED;
    }
    return overdue_ms < STANDSTILL_MS ? OUTCOME_TIMEOUT : OUTCOME_INTERRUPTED;
}

int64_t outcome_retry_after_ms(const char *value, int64_t now_ms) {
    if (value == NULL || *value == '\0') {
        return -1;
    }
    if (strspn(value, "0123456789") == strlen(value)) {
        long long seconds = strlen(value) > 9 ? LONGEST_SECS : strtoll(value, NULL, 10);
        return (seconds > LONGEST_SECS ? LONGEST_SECS : seconds) * 1000;
    }
    int64_t date_ms;
    if (http_date_parse(value, now_ms, &date_ms) != 0) {
        return -1;
    }
    int64_t wait_ms = date_ms - now_ms;
    if (wait_ms > LONGEST_SECS * 1000) {
        return LONGEST_SECS * 1000;
    }
    return wait_ms < 0 ? 0 : wait_ms;
}
