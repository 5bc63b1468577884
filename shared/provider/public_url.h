// SPDX-License-Identifier: MIT
#ifndef SHARED_PROVIDER_PUBLIC_URL_H
#define SHARED_PROVIDER_PUBLIC_URL_H

#include <stdbool.h>

#include "shared/base/mem.h"
#include "shared/http/host.h"

// WEBHOOK_PUBLIC_URL: what stands before the webhooks' paths in the URLs that providers call. It may hold a user and a
// password, which Twilio sends as basic authentication and signs as a part of the URL.

// Checks it, and cuts the '/' at its end. NULL, or what it must be: a static sentence. An empty one is none, and right.
const char *public_url_check(char *url) MUST_CHECK;
// Whom a URL that was checked names; false where it is empty.
bool public_url_host(const char *url, struct http_host *out) MUST_CHECK;

#endif
