// SPDX-License-Identifier: MIT
#include "shared/provider/public_url.h"

#include <string.h>

#include "shared/base/unicode.h"

// Behind the scheme, or NULL where it is another one.
static const char *public_url_authority(const char *url) {
    if (strncmp(url, "http://", 7) == 0) {
        return url + 7;
    }
    return strncmp(url, "https://", 8) == 0 ? url + 8 : NULL;
}

bool public_url_host(const char *url, struct http_host *out) {
    const char *authority = public_url_authority(url);
    if (authority == NULL) {
        return false;
    }
    size_t length = strcspn(authority, "/");
    const char *at = memrchr(authority, '@', length);
    const char *host = at != NULL ? at + 1 : authority;
    return http_host_parse(host, length - (size_t)(host - authority), out) && out->name[0] != '\0';
}

const char *public_url_check(char *url) {
    struct http_host named;
    size_t length = strlen(url);
    if (length == 0) {
        return NULL;
    }
    if (strpbrk(url, "?#") != NULL || !unicode_is_printable_ascii(url, length) || !public_url_host(url, &named)) {
        return "must be http:// or https://, a host and perhaps a path, nothing more but a user and password";
    }
    if (url[length - 1] == '/') {
        url[length - 1] = '\0';
    }
    return NULL;
}
