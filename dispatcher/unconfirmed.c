// SPDX-License-Identifier: MIT
#include "dispatcher/unconfirmed.h"

#include "dispatcher/lease_log.h"
#include "dispatcher/upstream.h"
#include "shared/base/clock.h"

#define WARN_EVERY_MS 60000

void unconfirmed_add(struct unconfirmed *unconfirmed, struct counters *counters, const struct lease *lease) {
    int64_t now_ms = clock_boot_ms();
    counters_add_for(counters, COUNTER_DISPATCH_UNCONFIRMED, lease->upstream->provider);
    unconfirmed->since_told++;
    if (unconfirmed->told_boot_ms > 0 && now_ms - unconfirmed->told_boot_ms < WARN_EVERY_MS) {
        return;
    }
    struct log_line *line = lease_log_begin(LOG_WARN, "dispatch_unconfirmed", lease);
    log_int(line, "http_status", lease->outcome.http_status);
    log_int(line, "calls", unconfirmed->since_told);
    log_str(line, "message",
            "accepted without the id that the provider promises: is PROVIDER_SMS_URL or PROVIDER_EMAIL_URL its API?");
    log_end(line);
    *unconfirmed = (struct unconfirmed){.told_boot_ms = now_ms};
}
