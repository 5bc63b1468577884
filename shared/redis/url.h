// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_URL_H
#define SHARED_REDIS_URL_H

#include <stdint.h>

#include "shared/base/mem.h"

// The parts of redis://[[user]:password@]host[:port][/db] (the IANA-registered "redis" scheme), percent-decoded.
struct redis_url {
    char *user;     // NULL: the default user
    char *password; // NULL: none
    char *host;     // without the brackets of an IPv6 address
    uint16_t port;  // 6379 when not given
    int database;   // 0 when not given
};

// Returns NULL with *out filled (release it with redis_url_free), or a static sentence with *out empty.
const char *redis_url_parse(const char *url, struct redis_url *out) MUST_CHECK;
void redis_url_free(struct redis_url *url);
// Checks a URL. Returns NULL or a static sentence ("rediss:// (TLS) is not supported: …").
const char *redis_url_check(const char *url) MUST_CHECK;

#endif
