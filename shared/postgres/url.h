// SPDX-License-Identifier: MIT
#ifndef SHARED_POSTGRES_URL_H
#define SHARED_POSTGRES_URL_H

#include <libpq-fe.h>

#include "shared/base/mem.h"

// Checks a URL. Returns NULL or one line (owned by the caller), without its password.
char *pg_url_check(const char *url) MUST_CHECK;
// A part of a parsed URL; NULL where it is empty or not there.
const char *pg_url_part(const PQconninfoOption *parts, const char *keyword);

#endif
