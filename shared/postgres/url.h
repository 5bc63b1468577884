// SPDX-License-Identifier: MIT
#ifndef SHARED_POSTGRES_URL_H
#define SHARED_POSTGRES_URL_H

#include "shared/base/mem.h"

// Checks a URL. Returns NULL or one line (owned by the caller), without its password.
char *pg_url_check(const char *url) MUST_CHECK;

#endif
