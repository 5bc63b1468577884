// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_SENTINEL_H
#define SHARED_REDIS_SENTINEL_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "shared/redis/target.h"

// One Sentinel, over a connection that comes back by itself. It is asked who is the master as soon as it is connected,
// every second from then on, and whenever it says that a master was switched. Private to redis_sentinels.

struct redis_sentinel;

// Who is the master by its word.
struct redis_sentinel_answer {
    char *host; // a name or an address; NULL: no answer
    uint16_t port;
    int64_t epoch; // config-epoch: grows with each fail-over
};

struct redis_sentinel_options {
    const struct redis_endpoint *endpoint; // the Sentinels, the master's name, the credentials
    size_t number;                         // which of the endpoint's hosts it is
    const char *link;                      // for the log; NULL: nothing is logged. These outlive it
    int64_t timeout_ms;                    // connect and reply
    void (*on_change)(void *owner);        // it answers otherwise than before; may destroy it
    void *owner;
};

// Starts connecting; never fails.
struct redis_sentinel *redis_sentinel_create(uv_loop_t *loop, const struct redis_sentinel_options *options);
// Frees itself once its handles have closed. May be called from on_change.
void redis_sentinel_destroy(struct redis_sentinel *sentinel);

// The same hosts and master with other credentials, from its next connection on.
void redis_sentinel_use(struct redis_sentinel *sentinel, const struct redis_endpoint *endpoint);
// Asks now where it is connected and isn't being asked.
void redis_sentinel_ask(struct redis_sentinel *sentinel);

// What it has answered last, over the connection that it has; NULL: nothing. Valid until the loop's next turn.
const struct redis_sentinel_answer *redis_sentinel_answer(const struct redis_sentinel *sentinel);
// Why there is no answer, as a predicate ("can't be asked: connection refused"); NULL: there is one, or nothing has
// come yet. Valid until the loop's next turn.
const char *redis_sentinel_trouble(const struct redis_sentinel *sentinel);

#endif
