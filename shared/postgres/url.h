// SPDX-License-Identifier: MIT
#ifndef SHARED_POSTGRES_URL_H
#define SHARED_POSTGRES_URL_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "shared/base/mem.h"

// Checks a URL. Returns NULL or one line (owned by the caller), without its password.
char *pg_url_check(const char *url) MUST_CHECK;
// Whether two parsed URLs lead to the same database as the same user, whatever the passwords are.
bool pg_url_same_place(const PQconninfoOption *one, const PQconninfoOption *other);

#endif
