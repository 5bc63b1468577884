// SPDX-License-Identifier: MIT
#include "ingest/request/request.h"

#include <stdlib.h>

#include "ingest/request/resources.h"

struct ingest_request *request_begin(struct ingest_resources *with, struct http_request *http) {
    struct ingest_request *request = LIST_FIRST(&with->idle);
    if (request != NULL) {
        LIST_REMOVE(request, entry);
        *request = (struct ingest_request){0};
    } else {
        request = xcalloc(1, sizeof *request);
    }
    request->with = with;
    request->http = http;
    http_set_context(http, request);
    LIST_INSERT_HEAD(&with->live, request, entry);
    return request;
}

// Its memory is kept for the next request once no reply is under way either.
static void request_retire(struct ingest_request *request) {
    if (request->http == NULL && request->replies == 0) {
        free(request->state);
        request->state = NULL;
        LIST_INSERT_HEAD(&request->with->idle, request, entry);
    }
}

void request_end(struct ingest_request *request) {
    if (request->leave != NULL) {
        request->leave(request);
    }
    LIST_REMOVE(request, entry);
    request->http = NULL;
    request_retire(request);
}

void *request_state(struct ingest_request *request, size_t size) {
    if (request->state == NULL) {
        request->state = xcalloc(1, size);
    }
    return request->state;
}

void request_free_idle(struct ingest_resources *with) {
    for (struct ingest_request *request; (request = LIST_FIRST(&with->idle)) != NULL;) {
        LIST_REMOVE(request, entry);
        free(request);
    }
}

bool request_has_flag(const struct ingest_request *request, enum route_flag flag) {
    return request->match.route != NULL && (request->match.route->flags & flag) != 0;
}

void request_expect_reply(struct ingest_request *request) {
    request->replies++;
}

bool request_reply_came(struct ingest_request *request) {
    request->replies--;
    if (request->http == NULL) {
        request_retire(request);
        return false;
    }
    return true;
}
