// SPDX-License-Identifier: MIT
#include "shared/http/host.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "shared/base/percent.h"

// RFC 3986: unreserved and sub-delims.
static bool is_of_name(char c) {
    return isalnum((unsigned char)c) || (c != '\0' && strchr("-._~!$&'()*+,;=", c) != NULL);
}

// reg-name, which IPv4 addresses are as well. Escapes stand for what a name is not made of.
static bool http_host_is_name(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '%') {
            if (percent_byte(text + i, length - i) < 0) {
                return false;
            }
            i += 2;
        } else if (!is_of_name(text[i])) {
            return false;
        }
    }
    return true;
}

// Digits or nothing, up to 65535.
static bool read_port(const char *text, size_t length, uint16_t *port) {
    unsigned value = 0;
    for (size_t i = 0; i < length; i++) {
        if (!isdigit((unsigned char)text[i])) {
            return false;
        }
        value = value * 10 + (unsigned)(text[i] - '0');
        if (value > UINT16_MAX) {
            return false;
        }
    }
    *port = (uint16_t)value;
    return true;
}

static bool take_name(const char *text, size_t length, struct http_host *out) {
    if (length >= sizeof out->name) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        out->name[i] = (char)tolower((unsigned char)text[i]);
    }
    out->name[length] = '\0';
    return true;
}

// "[" IPv6address "]"; nobody has defined an IPvFuture.
static bool read_ipv6(const char *text, size_t length, struct http_host *out) {
    struct in6_addr address;
    out->is_address = true;
    return memchr(text, '\0', length) == NULL && take_name(text, length, out) &&
           inet_pton(AF_INET6, out->name, &address) == 1;
}

static bool http_host_read_name(const char *text, size_t length, struct http_host *out) {
    struct in_addr address;
    if (!http_host_is_name(text, length) || !take_name(text, length, out)) {
        return false;
    }
    out->is_address = inet_pton(AF_INET, out->name, &address) == 1;
    return true;
}

bool http_host_parse(const char *text, size_t length, struct http_host *out) {
    bool bracketed = length > 0 && text[0] == '[';
    const char *end = bracketed ? memchr(text, ']', length) : memchr(text, ':', length);
    size_t host_length = end != NULL ? (size_t)(end - text) : length;
    const char *rest = text + host_length;
    out->port = 0;
    if (bracketed) {
        if (end == NULL || !read_ipv6(text + 1, host_length - 1, out)) {
            return false;
        }
        rest++;
    } else if (!http_host_read_name(text, host_length, out)) {
        return false;
    }
    size_t left = length - (size_t)(rest - text);
    if (left == 0) {
        return true;
    }
    return rest[0] == ':' && out->name[0] != '\0' && read_port(rest + 1, left - 1, &out->port);
}

int http_host_of_target(const char *target, struct http_host *out) {
    const char *colon = strstr(target, "://");
    if (target[0] == '/' || target[0] == '?' || colon == NULL ||
        memchr(target, '/', (size_t)(colon - target)) != NULL ||
        memchr(target, '?', (size_t)(colon - target)) != NULL) {
        return 0;
    }
    size_t scheme_length = (size_t)(colon - target);
    bool is_http = (scheme_length == 4 && strncasecmp(target, "http", 4) == 0) ||
                   (scheme_length == 5 && strncasecmp(target, "https", 5) == 0);
    const char *authority = colon + 3;
    size_t length = strcspn(authority, "/?#");
    if (!is_http || length == 0 || !http_host_parse(authority, length, out)) {
        return -1;
    }
    return (int)(scheme_length + 3 + length);
}
