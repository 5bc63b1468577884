// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_TARGET_H
#define SHARED_REDIS_TARGET_H

#include <openssl/ssl.h>
#include <stdint.h>

#include "shared/base/mem.h"
#include "shared/redis/url.h"
#include "shared/settings/settings.h"

// Where Redis is and how one gets in: REDIS_URL, REDIS_CA_FILE, REDIS_CERT_FILE, REDIS_KEY_FILE. One target a process,
// shared by the links of all of its threads; each attempt to connect takes what holds then.

struct redis_target;

// What holds at one time; immutable, and there until its last reference is released.
struct redis_endpoint {
    struct redis_url url;
    SSL_CTX *tls;     // NULL: plain
    uint64_t version; // redis_target_version when it began to hold
    struct redis_endpoint_owner *owner;
};

// Reads the settings and the files that they name. NULL with *error one line, owned by the caller, that names the
// setting and says what to do; it repeats no password.
struct redis_target *redis_target_create(const struct settings *settings, char **error) MUST_CHECK;
// Takes these settings from now on, as a whole or not at all. Returns 0, or -1 with *error as above: then all stays as
// it was. From any thread.
int redis_target_change(struct redis_target *target, const struct settings *settings, char **error) MUST_CHECK;
// What holds now: a reference, for redis_endpoint_release. From any thread.
const struct redis_endpoint *redis_target_take(struct redis_target *target);
// From any thread; nothing for NULL.
void redis_endpoint_release(const struct redis_endpoint *endpoint);
// Grows with each change; costs one atomic load.
uint64_t redis_target_version(const struct redis_target *target);
// References that were taken outlive it. Nothing for NULL.
void redis_target_destroy(struct redis_target *target);

#endif
