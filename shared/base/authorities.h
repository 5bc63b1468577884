// SPDX-License-Identifier: MIT
#ifndef SHARED_BASE_AUTHORITIES_H
#define SHARED_BASE_AUTHORITIES_H

#include "shared/base/mem.h"

// Checks a file of certificates, as PROVIDER_CA_FILE and REDIS_CA_FILE name one: it can be read and holds one or more
// in PEM form (RFC 7468), all of them readable. NULL, or what is wrong ("holds no certificate …"), owned by the caller.
char *authorities_check(const char *path) MUST_CHECK;
// What a file that was checked holds, owned by the caller; NULL where it can't be read any more.
char *authorities_read(const char *path) MUST_CHECK;

#endif
