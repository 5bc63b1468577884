// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_SETUP_H
#define SHARED_REDIS_SETUP_H

#include <stdbool.h>

#include "shared/redis/conn.h"
#include "shared/redis/server.h"
#include "shared/redis/url.h"

// What is said on a connection before it can be used; and FUNCTION LOAD, which may be needed again later.

struct redis_setup {
    // The owner's, all set before the first start (address before each) and kept until the connection has been dropped.
    const struct redis_url *address;
    const char *name;                                // for CLIENT SETNAME
    struct redis_server *server;                     // takes what Redis says of itself
    void (*on_ready)(void *owner);                   // the last reply of the set-up has come
    void (*on_failed)(void *owner, const char *why); // the connection won't do: the owner drops it within this call
    void *owner;
    // Its own.
    struct redis_conn *conn; // from start to stop
    bool library_queued;     // a FUNCTION LOAD is under way
    bool library_forbidden;  // its user may not load it
};

// Sends everything, as one pipeline; ends in on_ready or on_failed, or with the connection. Only once it is connected.
void redis_setup_start(struct redis_setup *setup, struct redis_conn *conn);
// The connection is about to be dropped.
void redis_setup_stop(struct redis_setup *setup);
// The address has other credentials now: says them, on a connection that is up. Where they are refused that is logged,
// and the connection goes on as who it was.
void redis_setup_authenticate(struct redis_setup *setup);
// Queues FUNCTION LOAD of the library, unless one is under way. Where it can't be loaded, on_failed follows.
void redis_setup_load_library(struct redis_setup *setup);

#endif
