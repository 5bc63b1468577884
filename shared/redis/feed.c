// SPDX-License-Identifier: MIT
#include "shared/redis/feed.h"

#include "shared/base/decimal.h"
#include "shared/redis/keys.h"

void feed_publish(struct redis_link *link, int64_t max_length, const char *type, const char *data) {
    const char *argv[] = {"XADD", KEY_FEED, "MAXLEN", "~", DECIMAL(max_length), "*", "t", type, "d", data};
    (void)!redis_link_call(link, NULL, NULL, 10, argv, NULL);
}
