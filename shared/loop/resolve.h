// SPDX-License-Identifier: MIT
#ifndef SHARED_LOOP_RESOLVE_H
#define SHARED_LOOP_RESOLVE_H

#include <stdbool.h>
#include <uv.h>

// Looks a host name up in libuv's thread pool, because hiredis's and libpq's own connects look names up before they
// return, which would stall a loop.

// address: a numeric IPv4 or IPv6 address, or NULL with error set to one line. Valid during the call only.
typedef void (*resolve_done)(void *argument, const char *address, const char *error);

struct resolve; // one look-up under way

// attempt counts from 0: where a name has several addresses (localhost often has ::1 and 127.0.0.1, and a server may
// listen on one only), each attempt gets the next one. A numeric address comes back as it is.
// done is called exactly once from the loop, never from within this call, unless cancelled. Never returns NULL.
struct resolve *resolve_start(uv_loop_t *loop, const char *host, unsigned attempt, resolve_done done, void *argument);
// done won't be called; the memory frees itself.
void resolve_cancel(struct resolve *resolve);
// Whether it is an address already: then no look-up, which may have to wait for others, is needed.
bool resolve_is_numeric(const char *host);

#endif
