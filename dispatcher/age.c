// SPDX-License-Identifier: MIT
#include "dispatcher/age.h"

#include <stdbool.h>

#include "shared/base/uuid.h"

// Since the id was made; false where it doesn't tell, or that is still to come.
static bool age_of_id(const struct entry *entry, int64_t host_now_ms, int64_t *out) {
    struct uuid id;
    int64_t made_ms;
    if (uuid_parse(entry->message_id, &id) != 0 || !uuid_v7_time(&id, &made_ms)) {
        return false;
    }
    *out = host_now_ms - made_ms;
    return *out >= 0;
}

int64_t entry_age_ms(const struct entry *entry, int64_t redis_now_ms, int64_t host_now_ms) {
    int64_t by_redis = redis_now_ms - entry->at_ms, by_id;
    bool known = age_of_id(entry, host_now_ms, &by_id);
    if (by_redis < 0) { // accepted by a clock that was ahead; a replay began later than its id was made
        return known && entry->generation == 0 ? by_id : 0;
    }
    return known && by_id < by_redis ? by_id : by_redis;
}
