// SPDX-License-Identifier: MIT
#include "shared/settings/mock_url.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MOST_PORT_DIGITS 5

static bool is_mock_host(const char *host, size_t length) {
    static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]", "mock-provider"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        if (strlen(hosts[i]) == length && strncasecmp(host, hosts[i], length) == 0) {
            return true;
        }
    }
    return false;
}

// The port behind a host, or the scheme's own; -1 where something else is there.
static int64_t mock_url_port(const char *rest, int64_t otherwise) {
    size_t digits = *rest == ':' ? strspn(rest + 1, "0123456789") : 0;
    const char *behind = *rest == ':' ? rest + 1 + digits : rest;
    if (digits > MOST_PORT_DIGITS || (*behind != '\0' && strchr("/?#", *behind) == NULL)) {
        return -1;
    }
    return digits > 0 ? strtoll(rest + 1, NULL, 10) : otherwise;
}

bool mock_url_is(const char *url, int64_t mock_port) {
    bool tls = strncasecmp(url, "https://", 8) == 0;
    if (!tls && strncasecmp(url, "http://", 7) != 0) {
        return false;
    }
    const char *host = url + (tls ? 8 : 7);
    size_t length = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
    return length <= strlen(host) && is_mock_host(host, length) &&
           mock_url_port(host + length, tls ? 443 : 80) == mock_port;
}
