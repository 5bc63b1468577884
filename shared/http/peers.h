// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_PEERS_H
#define SHARED_HTTP_PEERS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "shared/base/mem.h"

// How many connections each client address holds, counted over all threads of a process. An IPv6 address counts as its
// /64, which one customer usually has whole.

struct http_peers;

// most: connections of one address at once, at least 1.
struct http_peers *http_peers_create(unsigned most);
void http_peers_destroy(struct http_peers *peers);

// What an address is counted under; an IPv4 one as ::ffff:a.b.c.d. False where it is of another family.
bool http_peers_network(const struct sockaddr *address, struct in6_addr *out) MUST_CHECK;
// The same for a numeric address; false where it is none.
bool http_peers_parse(const char *address, struct in6_addr *out) MUST_CHECK;
// A hash for a table of networks.
uint64_t http_peers_hash(uint64_t seed, const struct in6_addr *network);
// Whether that network holds as many connections as it may. Threads that ask at once may each be told that there is
// room for the same one, so it can be exceeded by the number of threads less one.
bool http_peers_is_full(struct http_peers *peers, const struct in6_addr *network);
// A connection has come; each is to be followed by http_peers_leave.
void http_peers_enter(struct http_peers *peers, const struct in6_addr *network);
void http_peers_leave(struct http_peers *peers, const struct in6_addr *network);

#endif
