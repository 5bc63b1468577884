// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_PROVIDER_URL_H
#define DISPATCHER_PROVIDER_URL_H

#include "shared/base/mem.h"

// Checks a PROVIDER_*_URL: http or https, with a host, without user, query or fragment. NULL, or a static sentence.
const char *provider_url_check(const char *url) MUST_CHECK;

#endif
