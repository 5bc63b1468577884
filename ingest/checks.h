// SPDX-License-Identifier: MIT
#ifndef INGEST_CHECKS_H
#define INGEST_CHECKS_H

#include "shared/http/server.h"

struct ingest_request;
struct ingest_resources;

// The way of a request: its headers, its body, the checks in their order, and the handler of its route.

// http_server's callbacks; argument is the struct ingest_resources.
void checks_on_headers(void *argument, struct http_request *http);
void checks_on_request(void *argument, struct http_request *http, enum http_body_state body);
void checks_on_done(void *argument, struct http_request *http);

// Goes on where everything that the checks need is there.
void checks_proceed(struct ingest_request *request);

// Answers 503 to all that have no answer yet: the process ends now.
void checks_abandon_all(struct ingest_resources *with);

#endif
