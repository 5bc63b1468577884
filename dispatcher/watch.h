// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_WATCH_H
#define DISPATCHER_WATCH_H

#include "dispatcher/entry.h"
#include "dispatcher/env.h"

// A connection of its own that blocks until a stream has an entry newer than a given one. It takes nothing: an XREAD
// outside of any group.

struct watch;

struct watch_options {
    const char *name;                   // of the connection
    const char *stream;                 // must outlive it
    void (*on_arrival)(void *argument); // there is something newer; the watch is over
    void *argument;
};

struct watch *watch_create(const struct dispatch_env *env, const struct watch_options *options);
// Begins to watch for what is newer than the entry; does nothing while it watches already.
void watch_begin(struct watch *watch, const char *after);
// on_arrival won't be called any more. Frees itself.
void watch_destroy(struct watch *watch);

#endif
