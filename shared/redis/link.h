// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_LINK_H
#define SHARED_REDIS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "shared/base/mem.h"
#include "shared/redis/result.h"

// One connection to Redis on a libuv loop that comes back by itself: it resolves, connects, authenticates, selects
// the database and loads the function library (redis/messaging.lua) before it calls itself up, and reconnects with
// capped full-jitter backoff. hiredis 0.14 has no async time-outs, so the timers are here.
//
// Promise: every call that was taken (redis_link_call returned 0) gets its callback exactly once, at teardown too.

struct redis_link;
struct redis_target;

struct redis_link_options {
    struct redis_target *target; // where Redis is; outlives the link
    const char *name;            // CLIENT SETNAME and the log's "link" field, e.g. "ingest-0"
    int64_t timeout_ms; // connect and reply; a link on which nothing came for so long while calls wait is dropped
    bool quiet;         // its ups and downs are not logged
    void (*on_up)(void *argument);   // the link can be used; called after each (re)connect
    void (*on_down)(void *argument); // it can't any more; all pending calls have had their LOST. May be NULL
    void *argument;
};

// Starts connecting; never fails. name is copied.
struct redis_link *redis_link_create(uv_loop_t *loop, const struct redis_link_options *options);
// Drops the connection (pending calls get LOST during this call) and frees itself once its handles have closed.
void redis_link_destroy(struct redis_link *link);

bool redis_link_is_up(const struct redis_link *link);
// What kept it down last, as it was logged, without secrets; NULL while it is up. Valid until the loop's next turn.
const char *redis_link_trouble(const struct redis_link *link);
// Grows with each connection: entries read over an older one are not acknowledged over this one (docs/protocol.md,
// Leases).
uint64_t redis_link_connection(const struct redis_link *link);
// For how long it has been up without a gap, and without Redis's clock having been set, ms: idle times tell nothing
// that is older. 0 when down.
int64_t redis_link_steady_ms(const struct redis_link *link);
// Redis's clock now, in ms since 1970, by this link's last known offset (TIME at connect and every second).
int64_t redis_link_now_ms(const struct redis_link *link);
// Redis seems to have another time than that: it is asked at once.
void redis_link_doubt_time(struct redis_link *link);
// The last INFO reading (every second): used_memory / maxmemory in percent; 0 when maxmemory is 0 or not yet known.
int redis_link_memory_pct(const struct redis_link *link);
// And maxmemory itself, in bytes; 0 when there is none or it is not yet known.
int64_t redis_link_memory_max(const struct redis_link *link);
// The run id of the server that it is, or was last, connected to; "" where that isn't known. Owned by the link.
const char *redis_link_server(const struct redis_link *link);
// The same as a mark of what is true of this server alone: "-" where it isn't known.
const char *redis_link_server_mark(const struct redis_link *link);
// Whether one call may touch keys of different slots: Redis says that it is no cluster.
bool redis_link_takes_all_slots(const struct redis_link *link);

// Sends a command. Returns 0, or -1 when the link isn't up: nothing was sent and done won't be called.
// Arguments are copied. lengths may be NULL for NUL-terminated arguments. done may be NULL.
int redis_link_call(struct redis_link *link, redis_link_reply done, void *argument, int argc, const char **argv,
                    const size_t *lengths) MUST_CHECK;
// The same for a command that blocks at the server for up to block_ms: the reply time-out counts on top of it.
int redis_link_call_blocking(struct redis_link *link, int64_t block_ms, redis_link_reply done, void *argument, int argc,
                             const char **argv, const size_t *lengths) MUST_CHECK;

// Drops the connection and reconnects, as after READONLY, LOADING, MASTERDOWN, NOREPLICAS or UNBLOCKED, on which
// the link does so by itself after it has handed the error reply on.
void redis_link_reconnect(struct redis_link *link, const char *why);

#endif
