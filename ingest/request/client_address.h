// SPDX-License-Identifier: MIT
#ifndef INGEST_REQUEST_CLIENT_ADDRESS_H
#define INGEST_REQUEST_CLIENT_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>

#include "shared/base/mem.h"

// Who a request comes from: the socket's peer, or, where the peer is a trusted proxy, whom the proxies name.

#define CLIENT_ADDRESS_SIZE INET6_ADDRSTRLEN
#define CLIENT_LIMIT_KEY_SIZE (INET6_ADDRSTRLEN + sizeof "/64")

struct client_address_rules; // TRUSTED_PROXIES, parsed

// list: addresses and CIDR blocks joined by commas. Returns the rules (release with client_address_rules_free), or
// NULL when the list is malformed.
struct client_address_rules *client_address_rules_parse(const char *list) MUST_CHECK;
void client_address_rules_free(struct client_address_rules *rules);

// Whether a numeric address is one of them or in one of their blocks.
bool client_address_is_in(const struct client_address_rules *rules, const char *address);

// Writes the client's numeric address. forwarded_for is the value of X-Forwarded-For (several headers joined by
// commas), real_ip that of X-Real-IP; both may be NULL, and count only when peer is trusted. X-Forwarded-For is read
// from the right, because only what trusted proxies appended can be believed: the first address that isn't a trusted
// proxy's is the client.
void client_address_find(const struct client_address_rules *rules, const char *peer, const char *forwarded_for,
                         const char *real_ip, char out[CLIENT_ADDRESS_SIZE]);

// Whether a numeric address is a trusted proxy's.
bool client_address_is_trusted(const struct client_address_rules *rules, const char *peer) MUST_CHECK;

// What an address is counted under: an IPv4 address itself, an IPv6 address's /64, which one customer usually has
// whole.
void client_address_limit_key(const char *address, char out[CLIENT_LIMIT_KEY_SIZE]);

#endif
