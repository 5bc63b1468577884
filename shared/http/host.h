// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_HOST_H
#define SHARED_HTTP_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/mem.h"

// Whom a request was sent to: RFC 9110, 7.2, and RFC 3986, 3.2.2.

enum { HTTP_HOST_SIZE = 256 };

struct http_host {
    char name[HTTP_HOST_SIZE]; // in lower case; an IPv6 address without its brackets; "": none was named
    bool is_address;           // of IPv4 or IPv6
    uint16_t port;             // 0: none was named
};

// Reads a Host header's value, or a URI's authority: uri-host [":" port]. An empty one names nobody, which is for the
// caller to judge. Returns false when it is neither, e.g. has user information, or a host of more than 255 bytes; `out`
// is undefined then.
bool http_host_parse(const char *text, size_t length, struct http_host *out) MUST_CHECK;

// A request's target that begins with scheme and authority (RFC 9112, 3.2.2). Returns how many of its bytes those are,
// and whom they name in `out`; 0 when the target is of another form; -1 when its scheme isn't http or https, or its
// authority none or empty.
int http_host_of_target(const char *target, struct http_host *out) MUST_CHECK;

#endif
