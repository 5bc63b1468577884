// SPDX-License-Identifier: MIT
#include "dispatcher/age.h"

#include <stdbool.h>

#include "shared/base/uuid.h"

// Since the id was made or, where that is later, since it was to be sent: 0 where that is still to come, for then it is
// Redis's clock that is ahead. False where the id doesn't tell, or is of a time to come: then it is this one that is
// behind.
static bool age_by_host(const struct entry *entry, int64_t host_now_ms, int64_t *out) {
    struct uuid id;
    int64_t made_ms, send_at_ms = entry->message.send_at_ms;
    if (uuid_parse(entry->message_id, &id) != 0 || !uuid_v7_time(&id, &made_ms) || made_ms > host_now_ms) {
        return false;
    }
    int64_t began_ms = send_at_ms > made_ms ? send_at_ms : made_ms;
    *out = began_ms < host_now_ms ? host_now_ms - began_ms : 0;
    return true;
}

int64_t entry_age_ms(const struct entry *entry, int64_t redis_now_ms, int64_t host_now_ms) {
    int64_t by_redis = redis_now_ms - entry->at_ms, by_host;
    bool known = age_by_host(entry, host_now_ms, &by_host);
    if (by_redis < 0) { // accepted by a clock that was ahead; a replay began later than its id was made
        return known && entry->generation == 0 ? by_host : 0;
    }
    return known && by_host < by_redis ? by_host : by_redis;
}
