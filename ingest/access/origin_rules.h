// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCESS_ORIGIN_RULES_H
#define INGEST_ACCESS_ORIGIN_RULES_H

#include <stdbool.h>

#include "shared/base/mem.h"
#include "shared/http/host.h"
#include "shared/settings/settings.h"

// Which pages of which origins (RFC 6454) may write and read, and by which names this service is known.

struct origin_rules; // CORS_ALLOWED_ORIGINS, ALLOWED_HOSTS and WEBHOOK_PUBLIC_URL, parsed

// Returns the rules (release with origin_rules_free); NULL where a setting is malformed: *setting and *reason then say
// which one and how it must be.
struct origin_rules *origin_rules_create(const struct settings *settings, const char **setting,
                                         const char **reason) MUST_CHECK;
void origin_rules_free(struct origin_rules *rules);

// Whether CORS_ALLOWED_ORIGINS names any at all.
bool origin_rules_lists_any(const struct origin_rules *rules);
// Whether it names this one, as a browser's Origin header has it.
bool origin_rules_lists(const struct origin_rules *rules, const char *origin);

// Whether a page of that origin, the Origin header's value, is of the service that is reached as `host`: the same host
// and port, where either side may leave out the port that its scheme has anyway. behind_tls: its page can't have come
// without TLS.
bool origin_is_of(const char *origin, const struct http_host *host, bool behind_tls);

// Whether nobody can have made that name lead here but us: an address, localhost, a name without a dot,
// WEBHOOK_PUBLIC_URL's host, or one of ALLOWED_HOSTS.
bool origin_rules_know(const struct origin_rules *rules, const struct http_host *host);

#endif
