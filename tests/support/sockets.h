// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_SOCKETS_H
#define TESTS_SUPPORT_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buf.h"

// Sockets to a port of this machine's loopback, for clients that don't behave. Nothing here waits but socket_open.

// Raises the limit of open files, for this process and those it starts. Fails the test where the system forbids it.
void sockets_allow(unsigned count);

// Connects from that address (127.0.0.2, …), or from any where it is NULL. Returns the descriptor, owned by the caller;
// fails the test when there is no connection.
int socket_open(uint16_t port, const char *from);
// Sends what fits; true unless the other side has closed.
bool socket_say(int fd, const void *bytes, size_t length);
// Reads what has come by now, into got where that is not NULL. False once the other side has closed.
bool socket_hear(int fd, struct buf *got);

#endif
