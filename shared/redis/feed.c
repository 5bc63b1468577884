// SPDX-License-Identifier: MIT
#include "shared/redis/feed.h"

#include <inttypes.h>
#include <stdio.h>

#include "shared/redis/keys.h"

void feed_publish(struct redis_link *link, int64_t max_length, const char *type, const char *data) {
    char most[24];
    snprintf(most, sizeof most, "%" PRId64, max_length);
    const char *argv[] = {"XADD", KEY_FEED, "MAXLEN", "~", most, "*", "t", type, "d", data};
    (void)!redis_link_call(link, NULL, NULL, 10, argv, NULL);
}
