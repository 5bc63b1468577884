// SPDX-License-Identifier: MIT
#ifndef INGEST_REQUEST_WEBHOOK_H
#define INGEST_REQUEST_WEBHOOK_H

#include <stdbool.h>

#include "ingest/request/route.h"
#include "shared/provider/way_in.h"

struct ingest_request;

// What is posted to a webhook's route, as the adapters take it (shared/provider/way_in.h).

bool webhook_is_route(const struct route *route);
// Whose it is, and which of its routes; of a webhook's route only.
enum provider webhook_provider(const struct route *route);
enum provider_route webhook_route(const struct route *route);

// Sets request->way_in by its Content-Type, its route being a webhook's.
void webhook_find_way_in(struct ingest_request *request);

// Sees to it that its body is taken as the way in wants it; within on_headers only.
void webhook_take_body(struct ingest_request *request);

struct webhook_post {
    struct provider_post post; // for the adapter; good for as long as http_body is
    char *url;
};

// Fills in *out, to be released by webhook_post_free; the body has come whole.
void webhook_post_of(const struct ingest_request *request, struct webhook_post *out);
void webhook_post_free(struct webhook_post *post);

#endif
