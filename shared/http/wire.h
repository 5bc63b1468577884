// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_WIRE_H
#define SHARED_HTTP_WIRE_H

#include <stdbool.h>

#include "shared/base/mem.h"
#include "shared/http/stage.h"

// What is read from the sockets, before libmicrohttpd has it.

// Runs the daemon, and judges what it reads meanwhile.
void http_wire_run(struct http_server *server);
// Answers what was refused, where its turn has come.
void http_wire_settle(struct http_server *server);
// Of its descriptor, what is read is judged from now on, until it closes.
void http_wire_open(struct http_connection *connection);
void http_wire_close(struct http_connection *connection);
// Whether the request that the library begins now has been judged; to be asked once each.
bool http_wire_has_seen(struct http_connection *connection) MUST_CHECK;

#endif
