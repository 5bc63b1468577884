// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_CONN_H
#define SHARED_REDIS_CONN_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "shared/base/mem.h"
#include "shared/loop/tls.h"
#include "shared/redis/result.h"

// One connection to Redis, over TCP or TLS, from connect to its end; private to redis_link and its parts; the link
// makes a new one each time.

struct redis_conn;

struct redis_conn_events {
    void (*on_connected)(void *owner);
    // A reply for the call that carries done and argument; the owner passes it on to done.
    void (*on_reply)(void *owner, redis_link_reply done, void *argument, const redisReply *reply);
    // It is of no use any more: the owner drops it now or soon. Called at most once, never after redis_conn_drop.
    void (*on_broken)(void *owner, const char *why);
    // Sees each reply first: true where it answers no call, but is a message of what was subscribed to. May be NULL.
    bool (*on_push)(void *owner, const redisReply *reply);
};

struct redis_conn_options {
    const char *address; // numeric
    uint16_t port;
    int64_t timeout_ms;        // of the connect, TLS's handshake included, and of replies: see shared/redis/link.h
    SSL_CTX *tls;              // NULL: plain. It takes a reference
    const char *host;          // with tls: the name or address that the certificate must have
    bool announced;            // Sentinels have given it, not REDIS_URL
    struct tls_memory *memory; // with tls: of the connections before; outlives redis_conn_drop. May be NULL
};

// Connects. Returns NULL with *error set to a static text when that can't even begin. Strings are copied; events must
// outlive it.
struct redis_conn *redis_conn_open(uv_loop_t *loop, const struct redis_conn_options *options,
                                   const struct redis_conn_events *events, void *owner, const char **error) MUST_CHECK;

// "TLSv1.3", or "TLSv1.3, resumed" where it goes on with an earlier one's session; NULL: plain. Once it is connected.
const char *redis_conn_tls(const struct redis_conn *conn);

// Queues a command. All that is queued in one turn of the loop leaves with one write. Arguments are copied; lengths
// may be NULL. Only once it is connected.
void redis_conn_send(struct redis_conn *conn, int64_t block_ms, redis_link_reply done, void *argument, int argc,
                     const char **argv, const size_t *lengths);

// Ends it: every call that waits gets REDIS_LINK_LOST during this call. Frees itself once its handles have closed, so
// that it may be called from any of its own events.
void redis_conn_drop(struct redis_conn *conn);

#endif
