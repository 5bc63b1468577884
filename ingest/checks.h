// SPDX-License-Identifier: MIT
#ifndef INGEST_CHECKS_H
#define INGEST_CHECKS_H

#include "shared/http/server.h"

struct ingest_request;
struct ingest_resources;

// The way of a request: its headers, its body, the checks in their order, and the handler of its route.

// What http_server reports (http/options.h).
void checks_on_headers(struct ingest_resources *with, struct http_request *http);
void checks_on_request(struct http_request *http, enum http_body_state body);
void checks_on_done(struct http_request *http);

// Goes on where everything that the checks need is there.
void checks_proceed(struct ingest_request *request);

// Answers 503 to all that have no answer yet: the process ends now.
void checks_abandon_all(struct ingest_resources *with);

#endif
