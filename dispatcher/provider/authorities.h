// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_PROVIDER_AUTHORITIES_H
#define DISPATCHER_PROVIDER_AUTHORITIES_H

#include "shared/base/mem.h"

// Checks a PROVIDER_CA_FILE: a file that can be read and holds one or more certificates in PEM form (RFC 7468), all of
// them readable. NULL, or what is wrong ("holds no certificate …"), owned by the caller.
char *authorities_check(const char *path) MUST_CHECK;

#endif
