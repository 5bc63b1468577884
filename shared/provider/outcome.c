// SPDX-License-Identifier: MIT
#include "shared/provider/outcome.h"

#include <stdlib.h>

const char *outcome_name(enum outcome_class class) {
    static const char *const names[OUTCOME_CLASS_COUNT] = {
        [OUTCOME_SENT] = "sent",
        [OUTCOME_RATE_LIMITED] = "rate_limited",
        [OUTCOME_TIMEOUT] = "timeout",
        [OUTCOME_INTERRUPTED] = "interrupted",
        [OUTCOME_CONNECTION_FAILED] = "connection_failed",
        [OUTCOME_SERVER_ERROR] = "server_error",
        [OUTCOME_CREDENTIALS] = "credentials",
        [OUTCOME_REFUSED] = "refused",
        [OUTCOME_REJECTED] = "rejected",
        [OUTCOME_UNREADABLE] = "rejected",
        [OUTCOME_OPTED_OUT] = "opted_out",
        [OUTCOME_EXPIRED] = "expired",
    };
    return names[class];
}

void outcome_clear(struct outcome *outcome) {
    free(outcome->error);
    free(outcome->provider_message_id);
    *outcome = (struct outcome){.retry_after_ms = -1};
}
