// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_CONNECTION_H
#define SHARED_HTTP_CONNECTION_H

#include <microhttpd.h>
#include <sys/socket.h>

#include "shared/http/stage.h"

// Connections that come and go, and what the next request on each names.

// libmicrohttpd's callbacks; cls is the server.
enum MHD_Result http_connection_may_come(void *cls, const struct sockaddr *address, socklen_t length);
void http_connection_notify(void *cls, struct MHD_Connection *connection, void **slot,
                            enum MHD_ConnectionNotificationCode code);
void *http_connection_note_target(void *cls, const char *target, struct MHD_Connection *connection);
struct http_connection *http_connection_of(struct MHD_Connection *connection);
// Ends those whose bodies have had to make way.
void http_connections_crowd_out(struct http_server *server);

#endif
