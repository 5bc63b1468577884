// SPDX-License-Identifier: MIT
#include "ingest/request/request.h"

#include <stdlib.h>
#include <string.h>

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

// Its memory is kept for the next request once no reply is under way either; that of a part is not, for a list has a
// thousand.
static void request_retire(struct ingest_request *request) {
    if (request->http != NULL || request->replies > 0) {
        return;
    }
    free(request->state);
    request->state = NULL;
    if (request->take_error != NULL) {
        free(request);
    } else {
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

struct ingest_request *request_begin_part(struct ingest_request *whole, const struct route *route,
                                          void (*take_error)(struct ingest_request *part, unsigned status,
                                                             const char *json)) {
    struct ingest_request *part = xcalloc(1, sizeof *part);
    part->with = whole->with;
    part->http = whole->http;
    part->found = ROUTE_FOUND;
    part->match.route = route;
    memcpy(part->id, whole->id, sizeof part->id);
    memcpy(part->client, whole->client, sizeof part->client);
    memcpy(part->key_name, whole->key_name, sizeof part->key_name);
    part->access = whole->access;
    part->limit = LIMIT_ADMITTED;
    part->has_arrived = true;
    part->body = HTTP_BODY_OK;
    part->take_error = take_error;
    return part;
}

void request_end_part(struct ingest_request *part) {
    if (part->leave != NULL) {
        part->leave(part);
    }
    part->http = NULL;
    request_retire(part);
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
