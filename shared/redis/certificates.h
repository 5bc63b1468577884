// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_CERTIFICATES_H
#define SHARED_REDIS_CERTIFICATES_H

#include <openssl/ssl.h>

#include "shared/base/mem.h"
#include "shared/redis/url.h"
#include "shared/settings/settings.h"

// What TLS to Redis is done with: TLS 1.2 or newer; the system's authorities and those of REDIS_CA_FILE; the client
// certificate of REDIS_CERT_FILE and REDIS_KEY_FILE, where there is one.

// url is REDIS_URL's. Returns what connections are made from, owned by the caller; NULL where REDIS_URL
// is plain, and with *error one line, owned by the caller, that names the setting that won't do. Else *error is NULL.
SSL_CTX *redis_certificates_read(const struct settings *settings, const struct redis_url *url, char **error) MUST_CHECK;

#endif
