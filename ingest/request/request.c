// SPDX-License-Identifier: MIT
#include "ingest/request/request.h"

#include <stdlib.h>

#include "ingest/request/resources.h"

struct ingest_request *request_begin(struct ingest_resources *with, struct http_request *http) {
    struct ingest_request *request = with->idle;
    if (request != NULL) {
        with->idle = request->next;
        *request = (struct ingest_request){0};
    } else {
        request = xcalloc(1, sizeof *request);
    }
    request->with = with;
    request->http = http;
    http_set_context(http, request);
    request->next = with->live;
    if (with->live != NULL) {
        with->live->previous = request;
    }
    with->live = request;
    return request;
}

// Its memory is kept for the next request once no reply is under way either.
static void request_retire(struct ingest_request *request) {
    if (request->http == NULL && request->replies == 0) {
        free(request->state);
        request->state = NULL;
        request->next = request->with->idle;
        request->with->idle = request;
    }
}

static void request_unlink(struct ingest_request *request) {
    if (request->previous != NULL) {
        request->previous->next = request->next;
    } else {
        request->with->live = request->next;
    }
    if (request->next != NULL) {
        request->next->previous = request->previous;
    }
}

void request_end(struct ingest_request *request) {
    if (request->leave != NULL) {
        request->leave(request);
    }
    request_unlink(request);
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
    while (with->idle != NULL) {
        struct ingest_request *next = with->idle->next;
        free(with->idle);
        with->idle = next;
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
