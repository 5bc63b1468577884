// SPDX-License-Identifier: MIT
#include "ingest/read/freshness.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "shared/http/request.h"

bool freshness_of(const char *cache_control) {
    static const char *const directives[] = {"no-cache", "max-age=0"};
    const char *at = cache_control != NULL ? cache_control : "";
    while (*at != '\0') {
        at += strspn(at, ", \t");
        size_t length = strcspn(at, ", \t");
        for (size_t i = 0; i < sizeof directives / sizeof *directives; i++) {
            if (length == strlen(directives[i]) && strncasecmp(at, directives[i], length) == 0) {
                return true;
            }
        }
        at += length;
    }
    return false;
}

bool freshness_is_asked_for(const struct http_request *http) {
    return freshness_of(http_header(http, "Cache-Control"));
}
