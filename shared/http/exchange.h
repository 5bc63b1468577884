// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_EXCHANGE_H
#define SHARED_HTTP_EXCHANGE_H

#include <microhttpd.h>
#include <stddef.h>

#include "shared/http/budget.h"
#include "shared/http/options.h"

// The course of one request.

// libmicrohttpd's callbacks; cls is the server.
enum MHD_Result http_exchange_handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                     const char *version, const char *data, size_t *size, void **slot);
void http_exchange_completed(void *cls, struct MHD_Connection *connection, void **slot,
                             enum MHD_RequestTerminationCode how);

// Ends a request that has not come whole, for that reason: asks its owner for the answer, which goes past the library.
void http_exchange_give_up(struct http_request *request, enum http_body_state why);
// The budget's: the body makes way.
void http_exchange_drop(struct http_claim *claim);

#endif
