// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_LISTEN_H
#define SHARED_HTTP_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/mem.h"

// A listening TCP socket. shared_port: SO_REUSEPORT, for several loops of one process.
// Returns the descriptor, or -1 with errno set (EADDRINUSE when any other process listens there).
int http_listen(const char *address, uint16_t port, bool shared_port) MUST_CHECK;
// Whether somebody else listens there already: 0 when free, -1 with errno set otherwise. To be asked once before
// several http_listen with shared_port, because SO_REUSEPORT would let two copies share the port silently.
int http_port_check(const char *address, uint16_t port) MUST_CHECK;

#endif
