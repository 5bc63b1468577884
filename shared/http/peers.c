// SPDX-License-Identifier: MIT
#include "shared/http/peers.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "shared/base/crypto.h"

enum { BUCKETS = 4096 };

struct peer {
    struct in6_addr network;
    unsigned connections;
    struct peer *next;
};

// Locked twice a connection, never for a request.
struct http_peers {
    uv_mutex_t lock;
    unsigned most;
    uint64_t seed; // so that nobody can choose addresses that meet in one bucket
    struct peer *buckets[BUCKETS];
};

struct http_peers *http_peers_create(unsigned most) {
    struct http_peers *peers = xcalloc(1, sizeof *peers);
    peers->most = most;
    crypto_random(&peers->seed, sizeof peers->seed);
    if (uv_mutex_init(&peers->lock) != 0) {
        mem_exhausted();
    }
    return peers;
}

void http_peers_destroy(struct http_peers *peers) {
    for (size_t i = 0; i < BUCKETS; i++) {
        while (peers->buckets[i] != NULL) {
            struct peer *peer = peers->buckets[i];
            peers->buckets[i] = peer->next;
            free(peer);
        }
    }
    uv_mutex_destroy(&peers->lock);
    free(peers);
}

bool http_peers_network(const struct sockaddr *address, struct in6_addr *out) {
    *out = (struct in6_addr){0};
    if (address->sa_family == AF_INET) {
        memset(&out->s6_addr[10], 0xff, 2);
        memcpy(&out->s6_addr[12], &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
        return true;
    }
    if (address->sa_family != AF_INET6) {
        return false;
    }
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    memcpy(out->s6_addr, v6->s6_addr, IN6_IS_ADDR_V4MAPPED(v6) ? sizeof out->s6_addr : sizeof out->s6_addr / 2);
    return true;
}

bool http_peers_parse(const char *address, struct in6_addr *out) {
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1) {
        return http_peers_network((const struct sockaddr *)&v4, out);
    }
    return inet_pton(AF_INET6, address, &v6.sin6_addr) == 1 && http_peers_network((const struct sockaddr *)&v6, out);
}

uint64_t http_peers_hash(uint64_t seed, const struct in6_addr *network) {
    uint64_t halves[2];
    memcpy(halves, network->s6_addr, sizeof halves);
    uint64_t hash = (halves[0] ^ seed) * 0x9e3779b97f4a7c15U;
    hash = (hash ^ (hash >> 32) ^ halves[1]) * 0x9e3779b97f4a7c15U;
    return hash >> 40;
}

// Where the network's peer hangs, or would; called with the lock held.
static struct peer **http_peers_find(struct http_peers *peers, const struct in6_addr *network) {
    struct peer **at = &peers->buckets[http_peers_hash(peers->seed, network) % BUCKETS];
    while (*at != NULL && memcmp(&(*at)->network, network, sizeof *network) != 0) {
        at = &(*at)->next;
    }
    return at;
}

bool http_peers_is_full(struct http_peers *peers, const struct in6_addr *network) {
    uv_mutex_lock(&peers->lock);
    const struct peer *peer = *http_peers_find(peers, network);
    bool full = peer != NULL && peer->connections >= peers->most;
    uv_mutex_unlock(&peers->lock);
    return full;
}

void http_peers_enter(struct http_peers *peers, const struct in6_addr *network) {
    uv_mutex_lock(&peers->lock);
    struct peer **at = http_peers_find(peers, network);
    if (*at == NULL) {
        *at = xcalloc(1, sizeof **at);
        (*at)->network = *network;
    }
    (*at)->connections++;
    uv_mutex_unlock(&peers->lock);
}

void http_peers_leave(struct http_peers *peers, const struct in6_addr *network) {
    uv_mutex_lock(&peers->lock);
    struct peer **at = http_peers_find(peers, network);
    struct peer *peer = *at;
    if (peer != NULL && --peer->connections == 0) {
        *at = peer->next;
        free(peer);
    }
    uv_mutex_unlock(&peers->lock);
}
