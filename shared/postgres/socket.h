// SPDX-License-Identifier: MIT
#ifndef SHARED_POSTGRES_SOCKET_H
#define SHARED_POSTGRES_SOCKET_H

#include <libpq-fe.h>
#include <uv.h>

#include "shared/base/mem.h"

// The descriptor of a PGconn, polled by libuv.

struct pg_socket;

// status: 0 or libuv's error; events: UV_READABLE, UV_WRITABLE.
typedef void (*pg_socket_ready)(void *owner, int status, int events);

// Polls conn's descriptor for `events` from now on. *socket is NULL at first, and holds what is polled from then on;
// on_ready and owner count when it is NULL only. Returns 0 or libuv's error.
int pg_socket_watch(struct pg_socket **socket, uv_loop_t *loop, const PGconn *conn, int events,
                    pg_socket_ready on_ready, void *owner) MUST_CHECK;
// Before libpq closes the descriptor, or may: on_ready won't be called any more. Nothing where *socket is NULL.
void pg_socket_unwatch(struct pg_socket **socket);

#endif
