// SPDX-License-Identifier: MIT
// A Host header's value, and a request's target that may name a host. Input: either.

#include <string.h>

#include "shared/http/host.h"
#include "tests/fuzz/targets.h"

// What was read can be written, and read again.
static void assert_host(const struct http_host *host) {
    char text[HTTP_HOST_SIZE + sizeof "[]:65535"];
    struct http_host again;
    bool is_ipv6 = strchr(host->name, ':') != NULL;
    FUZZ_ASSERT(strpbrk(host->name, " /@?#[]\\\t\r\n") == NULL);
    FUZZ_ASSERT(!is_ipv6 || host->is_address);
    sprintf(text, is_ipv6 ? "[%s]" : "%s", host->name);
    if (host->port != 0) {
        sprintf(text + strlen(text), ":%u", host->port);
    }
    FUZZ_ASSERT(http_host_parse(text, strlen(text), &again));
    FUZZ_ASSERT(strcmp(again.name, host->name) == 0 && again.port == host->port);
    FUZZ_ASSERT(again.is_address == host->is_address);
}

void fuzz_host(const uint8_t *data, size_t size) {
    struct http_host host;
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    if (http_host_parse(text, size, &host)) {
        FUZZ_ASSERT(strlen(text) == size);
        assert_host(&host);
    }
    int length = http_host_of_target(text, &host);
    FUZZ_ASSERT(length >= -1 && length <= (int)size);
    if (length > 0) {
        FUZZ_ASSERT(host.name[0] != '\0' && strpbrk(text + length, "/?#") == (text[length] ? text + length : NULL));
        assert_host(&host);
    }
    free(text);
}
