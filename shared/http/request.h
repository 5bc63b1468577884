// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_REQUEST_H
#define SHARED_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/mem.h"
#include "shared/http/host.h"

struct http_request;

// What can be asked of a request, and noted of it. All strings are owned by it and live until on_done.
const char *http_method(const struct http_request *request);
// Percent-decoded, without the query. "%00" stays as it is, here and in http_query, so that no NUL cuts a string short.
const char *http_path(const struct http_request *request);
// The target's path and query as they were sent, with their escapes; NULL unless keep_target.
const char *http_target(const struct http_request *request);
// Whom it was sent to: as an absolute target names it, else as the Host header does. Its name is empty where that is,
// or where HTTP/1.0 sent none, and in what is malformed.
const struct http_host *http_host(const struct http_request *request);
// A header by its name in any case, or NULL. With several of that name: the first.
const char *http_header(const struct http_request *request, const char *name);
unsigned http_header_count(const struct http_request *request);
// Calls each(argument, name, value) for every header.
void http_each_header(const struct http_request *request, void (*each)(void *, const char *, const char *),
                      void *argument);
// A query parameter, percent-decoded, or NULL; `count` (may be NULL) gets how often it was given.
const char *http_query(const struct http_request *request, const char *name, unsigned *count);
// The body; valid from on_request until it is answered. NUL-terminated (the NUL is not counted).
const char *http_body(const struct http_request *request, size_t *length);
// The peer's numeric address without port; an IPv4-mapped IPv6 address is shown as IPv4.
const char *http_peer(const struct http_request *request);
// Whose the request is, a numeric address, where that isn't the peer; within on_headers only.
void http_set_client(struct http_request *request, const char *address);
// Takes so many bytes of the budget besides the body, for what is made of it or is to be the answer. False: there
// aren't as many, and nothing has changed. An answer is counted by its length, whether there is room or not, until the
// client has it; the body no longer, then.
bool http_hold(struct http_request *request, size_t bytes) MUST_CHECK;
// Takes so many for the answer, in place of all that is held: it is to be answered at once. False: there aren't as
// many, and nothing has changed; up to HTTP_FREE_BYTES (http/budget.h) are always granted.
bool http_hold_answer(struct http_request *request, size_t bytes) MUST_CHECK;
// How many there are now.
size_t http_room(struct http_request *request);
int64_t http_started_us(const struct http_request *request); // clock_monotonic_us at its first byte's handling
void http_set_context(struct http_request *request, void *context);
void *http_context(const struct http_request *request);
bool http_is_answered(const struct http_request *request);

#endif
