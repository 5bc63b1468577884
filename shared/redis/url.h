// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_URL_H
#define SHARED_REDIS_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/mem.h"

struct redis_host {
    char *host; // without the brackets of an IPv6 address
    uint16_t port;
};

// The parts of a URL, percent-decoded:
//   redis://[[user]:password@]host[:port][/db]                        the IANA-registered "redis" scheme
//   redis+sentinel://[[user]:password@]host[:port],…/master[/db]      what Sentinels know as that master
// and rediss://, rediss+sentinel://: the same over TLS, to the Sentinels too.
struct redis_url {
    bool tls;
    char *user;               // NULL: the default user
    char *password;           // NULL: none
    struct redis_host *hosts; // Redis, or its Sentinels
    size_t count;             // of hosts; 1 without Sentinels
    char *master;             // the name that the Sentinels know it by; NULL: no Sentinels
    int database;             // 0 when not given
};

// Returns NULL with *out filled (release it with redis_url_free), or a static sentence with *out empty.
const char *redis_url_parse(const char *url, struct redis_url *out) MUST_CHECK;
void redis_url_free(struct redis_url *url);
// Checks a URL. Returns NULL or a static sentence, which repeats nothing of it.
const char *redis_url_check(const char *url) MUST_CHECK;
// Whether two lead to the same Redis, or to the same Sentinels and master, in the same way.
bool redis_url_has_same_hosts(const struct redis_url *one, const struct redis_url *other);
// Whether two let one in as the same user, by the same password.
bool redis_url_has_same_credentials(const struct redis_url *one, const struct redis_url *other);

#endif
