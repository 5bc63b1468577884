// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_PROBE_H
#define SHARED_REDIS_PROBE_H

#include <stdbool.h>
#include <uv.h>

#include "shared/redis/conn.h"
#include "shared/redis/server.h"

// What is asked every second on a connection that is up.

struct redis_probe {
    // The owner's, set before redis_probe_init and kept until the connection has been dropped.
    struct redis_server *server; // takes the replies
    bool announced;              // Sentinels have named it
    // The server takes no writes any more. A reply is being handed on: the connection is to be dropped soon, not now.
    void (*on_trouble)(void *owner, const char *why);
    void (*on_look)(void *owner); // a second has passed: what else is to be looked at. May drop the connection
    void *owner;
    // Its own.
    uv_timer_t timer;
    struct redis_conn *conn;     // from start to stop
    bool info_waits, time_waits; // a question is under way
};

void redis_probe_init(uv_loop_t *loop, struct redis_probe *probe);
void redis_probe_start(struct redis_probe *probe, struct redis_conn *conn);
// The connection is about to be dropped; nothing where it isn't started.
void redis_probe_stop(struct redis_probe *probe);
// Asks for TIME at once, unless that is under way. Only between start and stop.
void redis_probe_time(struct redis_probe *probe);
// on_closed gets the timer, whose data is `data` then.
void redis_probe_close(struct redis_probe *probe, void *data, uv_close_cb on_closed);

#endif
